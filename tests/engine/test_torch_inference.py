"""Evaluation mode: given statistics, independent rows, calibration over many batches."""

import torch

from handgrad.engine import to_tensors
from handgrad.engine.torch_inference import calibrate, logits
from handgrad.verify.models import MODEL_CASES


def start() -> tuple:
    model, _ = MODEL_CASES["primes"]
    params, state = model.initialise("exercise", seed=1)
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randint(0, model.vocab_size, (101, model.block_size), generator=generator)
    return model, to_tensors(params, torch.float64), to_tensors(state, torch.float64), inputs


def test_a_row_does_not_depend_on_other_rows() -> None:
    model, params, state, inputs = start()
    together = logits(model, params, state, inputs)
    apart = torch.cat([logits(model, params, state, row[None]) for row in inputs])
    # one row and many may take different matrix routines, which round differently
    torch.testing.assert_close(together, apart, rtol=1e-12, atol=1e-12)
    changed = inputs.clone()
    changed[1:] = 0
    assert torch.equal(logits(model, params, state, changed)[0], together[0])


def test_calibration_does_not_depend_on_the_batches() -> None:
    model, params, state, inputs = start()
    whole = calibrate(model, params, state, lambda: [inputs])
    parts = calibrate(model, params, state, lambda: inputs.split(17))
    assert set(whole) == {*state, *(name.replace("running", "calibrated") for name in state)}
    for name in whole:
        # float64 sums of 101 terms
        torch.testing.assert_close(whole[name], parts[name], rtol=1e-12, atol=1e-12)


def test_calibrated_statistics_are_those_of_one_large_batch() -> None:
    """Evaluation on the split is then training mode on all of it at once, with Bessel's n - 1."""
    model, params, state, inputs = start()
    calibrated = calibrate(model, params, state, lambda: inputs.split(50))
    x = params["C"][inputs].flatten(1)
    for layer in ("1", "2"):
        prebn = x @ params[f"W{layer}"] + params[f"b{layer}"]
        mean, var = prebn.mean(0, keepdim=True), prebn.var(0, keepdim=True)
        torch.testing.assert_close(calibrated[f"bnmean_calibrated_{layer}"], mean)
        torch.testing.assert_close(calibrated[f"bnvar_calibrated_{layer}"], var)
        raw = (prebn - mean) / (var + 1e-5).sqrt()
        x = torch.tanh(params[f"bngain_{layer}"] * raw + params[f"bnbias_{layer}"])
    expected = x @ params["W3"] + params["b3"]
    torch.testing.assert_close(logits(model, params, calibrated, inputs), expected)


def test_running_statistics_are_used_without_calibration() -> None:
    model, params, state, inputs = start()
    moved = {name: value + 1 for name, value in state.items()}
    assert not torch.equal(
        logits(model, params, state, inputs), logits(model, params, moved, inputs)
    )
    calibrated = calibrate(model, params, state, lambda: [inputs])
    moved = {k: v + 1 if "running" in k else v for k, v in calibrated.items()}
    assert torch.equal(
        logits(model, params, calibrated, inputs), logits(model, params, moved, inputs)
    )
