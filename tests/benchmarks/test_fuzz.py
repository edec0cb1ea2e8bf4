"""A small part of `make fuzz`, with fixed seeds; and that each promise can be broken."""

import re

import pytest
from benchmarks.fuzz import alike, inputs, lines
from benchmarks.fuzz.programs import program
from benchmarks.fuzz.target import Target, fuzz

from handgrad.checker.explain.search import edits
from handgrad.checker.run import notebook

TARGETS = {target.name: target for target in (*inputs.INPUTS, *lines.LINES)}
SMALL = {"notebooks": 60, "words files": 100, "safetensors": 40, "lines": 60}
CHANGED = range(4)
"""One chain with a mistake, a loop over layers, a recurrent network, classes."""


@pytest.mark.parametrize("name", SMALL)
def test_each_example_gives_the_right_content_or_one_line(name: str) -> None:
    found = fuzz(TARGETS[name], 120, seed=1, most=SMALL[name])
    assert found.broken is None, found.broken
    assert found.examples >= 20


@pytest.mark.parametrize("seed", [0, 6, 7, 8])
def test_a_program_written_otherwise_gets_the_same_report(seed: int) -> None:
    alike.reports_are_alike(seed)


def test_the_programs_are_of_every_kind_and_half_have_a_mistake() -> None:
    programs = [program(seed) for seed in range(60)]
    texts = [one.text for one in programs]
    for part in ("class Linear", "for t in reversed", "for i in reversed", "with torch.no_grad()"):
        assert any(part in text for text in texts), part
    assert 15 < sum(bool(one.mistake) for one in programs) < 45


def test_a_broken_promise_is_told_with_its_example(monkeypatch: pytest.MonkeyPatch) -> None:
    def without_parentheses(new: object, place: object, parent: object, above: object) -> bool:
        return False

    monkeypatch.setattr(edits, "needs_parentheses", without_parentheses)
    found = fuzz(TARGETS["lines"], 60, seed=1, most=200)
    assert found.broken is not None
    assert re.match(r"seed 1: (AssertionError|SyntaxError): ", found.broken)

    monkeypatch.setattr(notebook, "text_of", lambda value: str(value))
    assert fuzz(TARGETS["notebooks"], 60, seed=1, most=200).broken is not None


def test_a_report_that_depends_on_names_is_a_broken_promise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(alike.CHANGES, "renamed", lambda one, _: (one.text.replace("dh", "g"), {}))
    found = fuzz(Target("alike", lambda: alike.st.just(6), alike.reports_are_alike), 60, most=1)
    assert found.broken is not None
    assert "program 6, renamed" in found.broken
