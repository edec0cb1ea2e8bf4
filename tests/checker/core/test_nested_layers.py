"""Layers inside layers whose gradients are in dictionaries, updated in place over several steps."""

import pytest

from checker.core.programs_of_nested_layers import ATTENTION

MISTAKES = {
    "return gx_q + gx_k + attn.transpose(0, 2, 1) @ grad_y, grads": (
        "return gx_q + attn.transpose(0, 2, 1) @ grad_y, grads",
        "Attention.backward()[0]",
        "Attention.backward()[0] lacks the contribution through k.",
        "return gx_q + attn.transpose(0, 2, 1) @ grad_y + gx_k, grads",
    ),
    "return grad + grad_attn, grads": (
        "return grad_attn, grads",
        "grad",
        "grad lacks the contribution through h.",
        None,
    ),
}


def test_all_are_called_right(check):
    report = check(ATTENTION)
    rows = [row for row in report.rows if row.hand]
    assert {row.verdict for row in rows} == {"rounding"}
    assert {"grad_attn:attn", "grad_attn:x", "d['W']:W"} <= {
        f"{row.hand}:{row.node}" for row in rows
    }
    assert {note.code for note in report.notes} == {"HG214"}


@pytest.mark.parametrize("old", MISTAKES)
def test_a_mistake_is_named_at_its_line(check, old):
    new, hand, message, fix = MISTAKES[old]
    report = check(ATTENTION.replace(old, new, 1))
    (row,) = [row for row in report.rows if row.blame == "root"]
    assert (row.hand, row.message, row.fix) == (hand, message, fix)
