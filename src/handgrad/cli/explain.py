"""`handgrad explain`: print the page of a cause or a note, or the list of all codes."""

from typing import Annotated

import typer

from handgrad.errors import SettingsError


def explain(
    code: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="CODE", help="A code, such as HG104, or a name, such as power rule."
        ),
    ] = None,
) -> None:
    """Explain a code of a report: what it means, why it happens, and a wrong and a right line.

    Without CODE, list all codes.
    """
    from rich.console import Console
    from rich.text import Text

    from handgrad.checker.report.codes import find, pages, unknown

    known = pages()
    console = Console(highlight=False, soft_wrap=True)
    if not code:
        for page in known.values():
            console.print(Text.assemble((page.code, "bold"), f"  {page.name}"))
        return
    matches = find(" ".join(code), known)  # several words may be one name, or several codes
    for asked in code if not matches else ():
        found = find(asked, known)
        if not found:
            raise SettingsError(unknown(" ".join(code) if len(code) < 2 else asked, known))
        matches += [page for page in found if page not in matches]
    for number, page in enumerate(matches):
        console.print(Text("\n" if number else "").append(f"{page.code}  {page.name}\n", "bold"))
        for heading, rest in page.lines():
            console.print(Text(heading, style="bold").append(rest, "not bold"))
