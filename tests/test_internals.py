"""docs/internals.md: every file and function that it names exists."""

import ast
import re

import pytest

from paths import ROOT

PAGE = (ROOT / "docs" / "internals.md").read_text()
SOURCE = ROOT / "src" / "handgrad"
HOPS = sorted(set(re.findall(r"`([a-z_/]+\.py):([A-Za-z_.]+)`", PAGE)))
FILES = sorted(set(re.findall(r"`((?:[a-z_]+/)+[a-z_]+\.py)[`:]", PAGE)))


def test_the_page_names_the_hops_of_both_ways() -> None:
    assert len(HOPS) > 50
    assert len(FILES) > 40


@pytest.mark.parametrize(("file", "name"), HOPS, ids=":".join)
def test_a_named_function_exists(file: str, name: str) -> None:
    path = next(p for p in (SOURCE / file, SOURCE / "checker" / file) if p.exists())
    defined = {
        node.name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
    }
    assigned = re.findall(r"^(\w+)(?::[^=\n]+)? = ", path.read_text(), re.MULTILINE)
    assert name.rpartition(".")[2] in defined | set(assigned)


@pytest.mark.parametrize("file", FILES)
def test_a_named_file_exists(file: str) -> None:
    assert (SOURCE / file).exists() or (SOURCE / "checker" / file).exists()
