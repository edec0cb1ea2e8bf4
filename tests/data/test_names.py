"""The embedded names: NAMES.md is correct, and our script produces them."""

import hashlib
import importlib.metadata
import re
import runpy
from pathlib import Path

import pytest

from handgrad.data.dataset import open_dataset
from handgrad.data.sources import EMBEDDED
from paths import ROOT

SCRIPT = ROOT / "scripts" / "make_names.py"


def test_given_names_in_a_to_z() -> None:
    words = EMBEDDED["names"].read_text(encoding="utf-8").splitlines()
    assert len(words) >= 15_000
    assert words == sorted(set(words))
    assert all(re.fullmatch("[a-z]{2,}", word) for word in words)
    assert open_dataset("names").vocabulary.symbols == (".", *"abcdefghijklmnopqrstuvwxyz")


def test_names_md_is_correct() -> None:
    note = EMBEDDED["names"].with_name("NAMES.md").read_text(encoding="utf-8")
    content = EMBEDDED["names"].read_bytes()
    dataset = open_dataset("names")
    counts = [f"{dataset.n_words(split):,} {split}" for split in dataset.splits]
    assert f"**SHA-256**: `{hashlib.sha256(content).hexdigest()}`" in note
    assert f"**Items**: {len(content.splitlines()):,} ({', '.join(counts)})" in note
    assert f"version {pinned_faker()}." in note


def pinned_faker() -> str:
    constraints = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    (version,) = re.findall("^Faker==(.+)$", constraints, re.MULTILINE)
    return version


def test_the_script_makes_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("faker", reason="faker, which only the script needs, is not installed")
    if (version := importlib.metadata.version("faker")) != pinned_faker():
        pytest.skip(f"faker {version} is not the pinned {pinned_faker()}")
    made = tmp_path / "names.txt"
    monkeypatch.setattr("sys.argv", [str(SCRIPT), str(made)])
    runpy.run_path(str(SCRIPT), run_name="__main__")
    assert made.read_bytes() == EMBEDDED["names"].read_bytes()


@pytest.mark.parametrize(
    ("name", "folded"),
    [
        ("Zoë", "zoe"),
        ("İbrahim", "ibrahim"),
        ("Işıl", "isil"),
        ("Þórður", "thordur"),
        ("Søren", "soren"),
        ("Łucja", "lucja"),
        ("Đức", "duc"),
        ("Weiß", "weiss"),
        ("Æsa", "aesa"),
        ("Əli", "eli"),
        ("Œdipe", "oedipe"),
    ],
)
def test_folding(name: str, folded: str) -> None:
    pytest.importorskip("faker", reason="faker, which only the script needs, is not installed")
    assert runpy.run_path(str(SCRIPT))["fold"](name) == folded
