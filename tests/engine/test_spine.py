"""Every engine on every model: all agree in `loss_and_grads`."""

import pytest
import torch

from handgrad.engine import ENGINES, Batch, to_tensors
from handgrad.models import CONTEXTS, MLP, Model
from handgrad.verify.models import MODEL_CASES, random_batch
from interpreted import interpreted

MODELS = [pytest.param(*case, id=name) for name, case in MODEL_CASES.items()]
# float64: what separates two right ways to sum a few thousand terms of size 1 at most
TIGHT = {"rtol": 1e-10, "atol": 1e-12}


def start(
    model: Model, batch_size: int, dtype: torch.dtype
) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor], Batch]:
    params, state = model.initialise("exercise", seed=1)
    batch = random_batch(model, batch_size, torch.Generator().manual_seed(1))
    return to_tensors(params, dtype), to_tensors(state, dtype), batch


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize(("model", "batch_size"), MODELS)
def test_engines_agree(
    model: Model, batch_size: int, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not isinstance(model, MLP):  # its steps are compiled as a whole, those of others by kernel
        monkeypatch.setattr("handgrad.engine.compiled.step.build", interpreted)
    params, state, batch = start(model, batch_size, torch.float64)
    expected_loss, expected, expected_state = ENGINES["autograd"](model).loss_and_grads(
        params, state, batch
    )
    loss, grads, new_state = ENGINES[name](model).loss_and_grads(params, state, batch)
    torch.testing.assert_close(loss, expected_loss, **TIGHT)
    assert list(grads) == list(params)
    assert list(new_state) == list(state)
    for key in grads:
        torch.testing.assert_close(grads[key], expected[key], **TIGHT)
    for key in new_state:
        torch.testing.assert_close(new_state[key], expected_state[key], **TIGHT)


@pytest.mark.parametrize("name", ENGINES)
def test_arguments_do_not_change_and_a_second_call_agrees(name: str) -> None:
    model, batch_size = MODEL_CASES["primes"]
    params, state, batch = start(model, batch_size, torch.float32)
    before = [t.clone() for t in (*params.values(), *state.values(), *batch.named().values())]
    engine = ENGINES[name](model)
    loss, grads, new_state = engine.loss_and_grads(params, state, batch)
    again, grads_again, state_again = engine.loss_and_grads(params, state, batch)
    after = (*params.values(), *state.values(), *batch.named().values())
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert torch.equal(loss, again)
    assert all(torch.equal(grads[k], grads_again[k]) for k in grads)
    assert all(torch.equal(new_state[k], state_again[k]) for k in state)
    assert not any(t.requires_grad for t in (loss, *grads.values(), *params.values()))


@pytest.mark.parametrize("name", ENGINES)
def test_running_statistics_move_by_momentum(name: str) -> None:
    model, batch_size = MODEL_CASES["lecture"]
    params, state, batch = start(model, batch_size, torch.float64)
    _, _, new_state = ENGINES[name](model).loss_and_grads(params, state, batch)
    emb = params["C"][batch.inputs].flatten(1)
    prebn = emb @ params["W1"] + params["b1"]
    mean = 0.999 * state["bnmean_running"] + 0.001 * prebn.mean(0, keepdim=True)
    var = 0.999 * state["bnvar_running"] + 0.001 * prebn.var(0, keepdim=True)
    torch.testing.assert_close(new_state["bnmean_running"], mean, **TIGHT)
    torch.testing.assert_close(new_state["bnvar_running"], var, **TIGHT)


def test_the_gradient_of_a_name_read_twice_is_the_sum() -> None:
    """Residuals and tied weights need nothing else from the engines."""

    shapes = {"C": (5, 3), "W": (6, 6), "b": (6,)}

    class Tied:
        name = "tied"
        batches = CONTEXTS
        padding = 0
        vocab_size = 5
        block_size = 2

        def __init__(self, model: Model) -> None:
            self._model = model

        def shapes(self) -> dict[str, tuple[int, ...]]:
            return shapes

        def state_shapes(self) -> dict[str, tuple[int, ...]]:
            return {}

        def calls(self) -> tuple:
            first, second, *rest = self._model.calls()
            linear = type(first)("linear", ("embcat", "W", "b"), ("once",))
            again = type(first)("linear", ("once", "W", "b"), ("logits",))
            return (first, second, linear, again, rest[-1])

    model = MODEL_CASES["no hidden layer"][0]
    _, _, batch = start(model, 7, torch.float64)
    generator = torch.Generator().manual_seed(3)
    params = {
        k: torch.randn(s, generator=generator, dtype=torch.float64) for k, s in shapes.items()
    }
    results = [ENGINES[name](Tied(model)).loss_and_grads(params, {}, batch) for name in ENGINES]
    for loss, grads, _ in results[1:]:
        torch.testing.assert_close(loss, results[0][0], **TIGHT)
        for key in params:
            torch.testing.assert_close(grads[key], results[0][1][key], **TIGHT)
