"""Long expressions for tensors without a name: each is written once."""

import pytest

from checker.write.derive.conftest import START, derived, off

UNROLLED = """\
x, W = torch.randn(4, 3, requires_grad=True), torch.randn(3, 3, requires_grad=True)

def run(h, steps):
    for _ in range(steps):
        h = torch.tanh(h @ W) * torch.sigmoid(h @ W)
    return h

loss = run(x, {steps}).sum()
"""


@pytest.mark.parametrize("fused", [False, True])
def test_lines_do_not_grow_with_the_steps_of_a_loop(fused: bool) -> None:
    """Written out at every use, 40 steps would give 2**40 products."""
    few, many = (derived(START + UNROLLED.format(steps=n), fused=fused) for n in (4, 40))
    assert off(many) == []
    longest = max(map(len, str(few).splitlines()))
    assert max(map(len, str(many).splitlines())) < longest + 40  # names have longer numbers


def test_what_is_short_is_written_where_it_is_used() -> None:
    found = derived(START + UNROLLED.format(steps=1))
    assert off(found) == []
    assert "recomputed" not in str(found)
