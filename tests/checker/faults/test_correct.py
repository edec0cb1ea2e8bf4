"""Correct backward passes, ours and random ones, are never called wrong."""

import pytest
import torch
from benchmarks.proving.correct import correct, gradient_names
from benchmarks.proving.grade import alarms, check
from benchmarks.proving.more_steps import STEPS
from benchmarks.proving.own_layers import LayerPass, layer_passes

SEEDS = 100
OWN = [made for dtype in (torch.float32, torch.float64, torch.bfloat16)
       for made in layer_passes(dtype)]  # fmt: skip


@pytest.mark.parametrize("first", range(0, SEEDS, 10))
def test_random_correct_passes_raise_no_alarm(first: int) -> None:
    for seed in range(first, first + 10):
        made = correct(seed)
        found = alarms(check(made.source, made.names()), gradient_names(made.source))
        assert found == [], f"seed {seed}"


def test_the_random_passes_cover_steps_sizes_dtypes_and_scales() -> None:
    made = [correct(seed) for seed in range(SEEDS)]
    assert {given.dtype for given in made} == {torch.float32, torch.float64, torch.bfloat16}
    assert min(given.n for given in made) < 4
    assert max(given.n for given in made) > 3000
    assert min(given.scale for given in made) < 1e-10
    assert max(given.scale for given in made) > 1e5
    text = "\n".join(given.source for given in made)
    for step in ("einsum", "bnvar", "rstd", "counts", "log_softmax", "gather", "split(", "cat(",
                 "cumsum", "masked_fill", "index_add_", "max("):  # fmt: skip
        assert step in text
    assert len(STEPS) == 33


@pytest.mark.parametrize("step", STEPS)
def test_the_templates_themselves_are_right(step: str) -> None:
    """In float64, against autograd: the passes are correct by more than the checker's word."""
    made = correct(3, ["linear", step, "linear", step])
    names = made.names(torch.float64)
    before, after = made.source.split("loss.backward()\n")
    exec(before, names)
    nodes = {hand: names[hand[1:]] for hand in gradient_names(made.source)}
    for node in nodes.values():
        node.retain_grad()
    names["loss"].backward()
    exec(after, names)
    largest = max(float(node.grad.abs().max()) for node in nodes.values())
    for hand, node in nodes.items():
        # relative to the gradient itself; where its terms cancel, to those of the whole pass
        scale = float(node.grad.abs().max()) + 1e-6 * largest
        assert names[hand].shape == node.shape, hand
        assert float((names[hand] - node.grad).detach().abs().max()) < 1e-9 * scale, hand


@pytest.mark.parametrize("made", OWN, ids=lambda m: f"{m.layer}-{m.case}-{m.form}")
def test_our_own_layers_raise_no_alarm(made: LayerPass) -> None:
    assert alarms(check(made.source, made.names), made.hands) == []
