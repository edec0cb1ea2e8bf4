"""Engines, generators and protocols know no layer by name: what is special, the layer brings."""

import io
import tokenize
from pathlib import Path

import pytest

import handgrad
from handgrad.kernels import KERNELS
from handgrad.layers import LAYERS
from handgrad.models import MODELS, make_model

ROOT = Path(handgrad.__file__).parent
FILES = [*sorted((ROOT / "engine").rglob("*.py")), ROOT / "models/call.py", ROOT / "verify/run.py"]
WORDS = {"add", "join", "split"}
"""Layers whose names are also methods of Python's types."""


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_no_layer_is_named(file: Path) -> None:
    source = file.read_text()
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    named = {one.string for one in tokens if one.type == tokenize.NAME} - WORDS
    assert named.isdisjoint(LAYERS)
    assert not any(f'"{layer}"' in source for layer in LAYERS)
    assert "batchnorm" not in source


@pytest.mark.parametrize("name", MODELS)
def test_calls_fit_their_layers(name: str) -> None:
    model = make_model(name, 27, 15, {})
    known = {*model.shapes(), "inputs", "targets", "offsets"}
    read: set[str] = set()
    for call in model.calls():
        layer, kernel = LAYERS[call.layer], KERNELS[call.layer]
        assert len(call.nodes) == len(layer.NODES)
        assert call.n_outputs == len(getattr(layer, "OUTPUTS", layer.NODES[-1:]))
        assert len(call.state) == len(getattr(layer, "STATE", ())) or not call.state
        assert getattr(kernel, "STATE", ()) == getattr(layer, "STATE", ())
        assert set(call.inputs) <= known
        assert known.isdisjoint(call.nodes)
        known |= set(call.nodes)
        read |= set(call.inputs)
    assert set(model.shapes()) <= read  # every parameter has a use
    params, state = model.initialise("exercise", 1)
    assert {k: v.shape for k, v in params.items()} == model.shapes()
    assert {k: v.shape for k, v in state.items()} == model.state_shapes()
    assert all(v.std() > 0 for v in params.values())
