"""The page of each code, which `handgrad explain` prints.

The pages of notes are in note_pages.md. The pages of causes are the docstrings of the modules and
functions that find them. They are read from the source, as importing them would import torch, which
takes two seconds.
"""

import ast
import difflib
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from heapq import nsmallest
from pathlib import Path

from handgrad.text import printable

CHECKER = Path(__file__).parents[1]
FOLDERS = (
    CHECKER / "explain" / "causes",
    CHECKER / "functions" / "causes",
    CHECKER / "scalars",
)
HEADING = re.compile(r"((?:What|Why|Wrong|Right)(?::|$))(.*)")
CODE = re.compile(r"HG\d{1,9}")
MOST_NEAR = 3
PAGES_OF_NOTES = Path(__file__).with_name("note_pages.md")


@dataclass(frozen=True)
class Page:
    """A code, its name, and its text in sections: What, Why, Wrong and Right."""

    code: str
    name: str
    text: str

    def lines(self) -> Iterator[tuple[str, str]]:
        """Yield each line of the text as two strings: the heading at its start, and the rest."""
        for line in inspect.cleandoc(self.text).split("\n"):
            heading = HEADING.fullmatch(line)
            yield (heading[1], heading[2]) if heading else ("", line)


def pages() -> dict[str, Page]:
    """Return all pages by their codes, in order."""
    every = list(_in_text(PAGES_OF_NOTES.read_text(encoding="utf-8")))
    for folder in FOLDERS:
        for file in sorted(folder.glob("*.py")):
            every += _in_source(ast.parse(file.read_text(encoding="utf-8")))
    return {page.code: page for page in sorted(every, key=lambda page: page.code)}


def _in_text(text: str) -> Iterator[Page]:
    """Yield the pages in a text, each below a line `# HG201: name`."""
    for section in text.removeprefix("# ").split("\n# "):
        heading, _, body = section.partition("\n")
        code, _, name = heading.partition(": ")
        yield Page(code, name, body)


def _in_source(module: ast.Module) -> Iterator[Page]:
    """Yield the page of a module with CODE and NAME, or those of its `@cause` functions."""
    values = {
        node.targets[0].id: node.value.value
        for node in module.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Constant)
    }
    if "CODE" in values and "NAME" in values:
        yield Page(str(values["CODE"]), str(values["NAME"]), ast.get_docstring(module) or "")
    for node in module.body:
        for decorator in node.decorator_list if isinstance(node, ast.FunctionDef) else ():
            if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "cause":
                code, name = (ast.literal_eval(argument) for argument in decorator.args)
                yield Page(code, name, ast.get_docstring(node) or "")  # type: ignore[arg-type]


def find(asked: str, known: dict[str, Page]) -> list[Page]:
    """Return the pages of a code or a name, in any spelling: `hg104`, `104`, `Power rule`."""
    plain = _plain(asked)
    return [page for page in known.values() if plain in (page.code, page.name.upper())]


def near(asked: str, known: dict[str, Page]) -> list[Page]:
    """Return up to three pages with a similar code or name."""
    plain = _plain(asked)
    if CODE.fullmatch(plain):
        number = _number(plain)
        return nsmallest(MOST_NEAR, known.values(), lambda page: abs(_number(page.code) - number))
    names = [page.name.upper() for page in known.values()]
    close = difflib.get_close_matches(plain, names, n=MOST_NEAR)
    within = [name for name in names if len(plain) > 2 and plain in name]
    wanted = list(dict.fromkeys([*close, *within]))[:MOST_NEAR]
    return [page for name in wanted for page in known.values() if page.name.upper() == name]


def unknown(asked: str, known: dict[str, Page]) -> str:
    """Return the message for a page that does not exist, with similar ones."""
    similar = [f"{page.code} ({page.name})" for page in near(asked, known)]
    hint = f"did you mean {', '.join(similar)}?" if similar else "handgrad explain lists them all"
    return f"no code or name {printable(asked)!r}; {hint}"


def _plain(asked: str) -> str:
    """Return a code or a name in the form that is compared: `HG104`, `POWER RULE`."""
    plain = " ".join(asked.split()).upper()
    return f"HG{plain}" if plain.isdecimal() else plain


def _number(code: str) -> int:
    return int(code.removeprefix("HG"))
