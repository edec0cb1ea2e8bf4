"""docs/jupyter.md: a kernel shows what the page says below each of its cells."""

import re

from handgrad.notebook.journal import DEFAULT
from handgrad.notebook.magic import SUBCOMMANDS
from notebook.conftest import Kernel
from paths import DOCS

PAGE = (DOCS / "jupyter.md").read_text()
CELLS = re.findall(r"```python\n(.*?)\n```\n(?:\n```\n(.*?)\n```\n)?", PAGE, re.DOTALL)


def test_the_cells_of_the_page(notebook: Kernel) -> None:
    assert CELLS[0] == ("%load_ext handgrad", "")  # In [1] of every test
    for source, shown in CELLS[1:]:
        ran = notebook.run(source)
        assert ran.raised is None
        assert ran.texts == ([shown] if shown else []), source
    assert sum(bool(shown) for _, shown in CELLS) == 4


def test_every_subcommand_is_in_the_page() -> None:
    named = re.findall(r"^\| `%handgrad ?(\w*)[^|]* \|", PAGE, re.MULTILINE)
    assert {*named, "on"} == set(SUBCOMMANDS)
    assert "`%handgrad off`, `on`" in PAGE
    (default,) = re.findall(r"`%handgrad (\w+)` \|[^|]*\(the default\)", PAGE)
    assert default == DEFAULT
