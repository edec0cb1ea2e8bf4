"""Checkpoints: the same tensors back, complete or absent, and one line for an invalid file."""

import json
import os
import tracemalloc
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import save

from handgrad.errors import RunError
from handgrad.models import MLP
from handgrad.training import checkpoint
from handgrad.training.checkpoint import load, load_to_resume, optimizer_file
from handgrad.training.prepare import fresh
from handgrad.training.settings import TrainSettings
from handgrad.training.state import Checkpoint, RunningTotals

MODEL = MLP(vocab_size=5, n_embd=2, n_hidden=3)


def at_step(step: int, optimizer: str = "adamw") -> Checkpoint:
    start = fresh(MODEL, TrainSettings(optimizer=optimizer, seed=step, engine="fused").resolved())
    totals = RunningTotals(seconds=1.5, loss_sum=3.25, loss_count=2)
    return Checkpoint(step, start.params, start.state, start.optimizer, False, totals)


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return list(one) == list(other) and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_round_trip(tmp_path: Path, optimizer: str) -> None:
    saved = at_step(7, optimizer)
    checkpoint.save(tmp_path, saved)
    loaded = load_to_resume(tmp_path, MODEL, "cpu", optimizer)
    assert (loaded.step, loaded.finished, loaded.totals) == (7, False, saved.totals)
    assert same(loaded.params, saved.params)
    assert loaded.state.keys() == saved.state.keys()
    assert loaded.optimizer.keys() == saved.optimizer.keys()


def test_same_bytes_whatever_the_order_of_names(tmp_path: Path) -> None:
    saved, other = at_step(1), at_step(1)
    turned = Checkpoint(
        1,
        dict(reversed(other.params.items())),
        other.state,
        other.optimizer,
        False,
        RunningTotals(99.0),
    )
    folders = tmp_path / "a", tmp_path / "b"
    for folder, content in zip(folders, (saved, turned), strict=True):
        folder.mkdir()
        checkpoint.save(folder, content)
    a, b = ((folder / "model.safetensors").read_bytes() for folder in folders)
    assert a == b


def test_nothing_is_copied_to_be_saved(tmp_path: Path) -> None:
    model = MLP(vocab_size=5, n_embd=2, n_hidden=20_000)
    start = fresh(model, TrainSettings(optimizer="adamw", engine="compiled").resolved())
    tracemalloc.start()
    try:
        checkpoint.save(tmp_path, start)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # names and headers are a few kilobytes
    assert peak < 4 * model.n_parameters / 10


def test_a_disk_that_fills_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(tensors: object, path: Path, metadata: object) -> None:
        path.write_bytes(b"a part")
        raise SafetensorError("Error while serializing: I/O error: No space left on device")

    checkpoint.save(tmp_path, at_step(1))
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    monkeypatch.setattr("safetensors.numpy.save_file", full)
    with pytest.raises(RunError) as caught:
        checkpoint.save(tmp_path, at_step(2))
    assert str(caught.value) == (
        f"cannot write {tmp_path / optimizer_file(2)}: "
        "Error while serializing: I/O error: No space left on device"
    )
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_an_older_optimizer_file_goes_after_the_commit(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, at_step(1))
    for name in (".model.safetensors.abcd_123", ".tmpAb_123"):
        (tmp_path / name).write_bytes(b"left by a kill")
    (tmp_path / ".hidden").write_bytes(b"the user's")
    checkpoint.save(tmp_path, at_step(2))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".hidden",
        "model.safetensors",
        "optimizer-2.safetensors",
    ]


@pytest.mark.parametrize("dies_at", [1, 2])
def test_killed_between_the_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dies_at: int
) -> None:
    """A save that ends before either rename leaves the checkpoint before it, whole."""
    checkpoint.save(tmp_path, at_step(1))
    renames = iter(range(1, 10))
    rename = os.replace

    def dying(source: str, target: Path) -> None:
        if next(renames) == dies_at:
            raise KeyboardInterrupt
        rename(source, target)

    monkeypatch.setattr(os, "replace", dying)
    with pytest.raises(KeyboardInterrupt):
        checkpoint.save(tmp_path, at_step(2))
    loaded = load_to_resume(tmp_path, MODEL, "cpu", "adamw")
    assert loaded.step == 1
    assert same(loaded.params, at_step(1).params)


def failure(folder: Path) -> str:
    with pytest.raises(RunError) as caught:
        load_to_resume(folder, MODEL, "cpu", "adamw")
    return str(caught.value).replace(str(folder), "RUN")


def test_missing(tmp_path: Path) -> None:
    line = (
        "RUN holds no checkpoint (model.safetensors is missing): delete the folder and train again"
    )
    assert failure(tmp_path) == line


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer-1.safetensors"])
@pytest.mark.parametrize("keep", [0, 5, 100, -1])
def test_truncated(tmp_path: Path, name: str, keep: int) -> None:
    checkpoint.save(tmp_path, at_step(1))
    path = tmp_path / name
    path.write_bytes(path.read_bytes()[:keep])
    line = f"RUN/{name} is truncated or not a safetensors file: restore it, or train again"
    assert failure(tmp_path) == line


@pytest.mark.parametrize(
    "metadata", [None, {"format": "pt"}, {"handgrad": "{}"}, {"handgrad": "x"}]
)
def test_foreign(tmp_path: Path, metadata: dict[str, str] | None) -> None:
    content = save({"weight": torch.zeros(2)}, metadata=metadata)
    (tmp_path / "model.safetensors").write_bytes(content)
    line = "RUN/model.safetensors was not written by handgrad: name another folder"
    assert failure(tmp_path) == line


def test_newer(tmp_path: Path) -> None:
    head = json.dumps({"format": 2, "step": 1})
    (tmp_path / "model.safetensors").write_bytes(save({}, metadata={"handgrad": head}))
    assert failure(tmp_path) == (
        "RUN/model.safetensors has format 2, this handgrad 0.1.0 reads up to 1: upgrade handgrad"
    )


def test_another_models(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, at_step(1))
    with pytest.raises(RunError) as caught:
        load(tmp_path, MLP(vocab_size=5, n_embd=4, n_hidden=3))
    assert str(caught.value) == (
        f"{tmp_path}/model.safetensors: C should have shape [5, 4], got shape [5, 2]: "
        "the file does not match config.json; restore it, or train again"
    )
    with pytest.raises(RunError, match=r"unexpected tensor bnbias: the file"):
        load(tmp_path, MLP(vocab_size=5, n_embd=2, n_hidden=3, batchnorm=False))


def test_optimizer_of_another_step(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, at_step(1))
    one = (tmp_path / optimizer_file(1)).read_bytes()
    checkpoint.save(tmp_path, at_step(2))
    (tmp_path / optimizer_file(2)).write_bytes(one)
    line = "RUN/optimizer-2.safetensors belongs to step 1: restore the file, or train again"
    assert failure(tmp_path) == line


def test_another_optimizers(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, at_step(1, "sgd"))
    assert failure(tmp_path) == (
        "RUN/optimizer-1.safetensors: first.C should have shape [5, 2], got no such tensor: "
        "the file does not match config.json; restore it, or train again"
    )


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer-1.safetensors"])
def test_a_flipped_bit_anywhere(tmp_path: Path, name: str) -> None:
    """Whatever bit flips, the file is rejected in one line, or what is read is what was saved."""
    checkpoint.save(tmp_path, at_step(1))
    expected = load_to_resume(tmp_path, MODEL, "cpu", "adamw")
    path = tmp_path / name
    whole = path.read_bytes()
    for at in range(0, len(whole), 7):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ (1 << at % 8)]) + whole[at + 1 :])
        lines = []
        try:
            loaded = load_to_resume(tmp_path, MODEL, "cpu", "adamw")
        except RunError as error:
            lines = str(error).splitlines()
            loaded = expected
        assert len(lines) < 2
        assert (loaded.step, loaded.totals) == (expected.step, expected.totals)
        for kind in ("params", "state", "optimizer"):
            assert same(getattr(loaded, kind), getattr(expected, kind))


def test_a_flipped_bit_of_a_tensor(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, at_step(1))
    path = tmp_path / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1  # of state.bnvar_running
    path.write_bytes(content)
    assert failure(tmp_path) == (
        "RUN/model.safetensors is damaged (the checksum of state.bnvar_running does not match): "
        "restore it, or train again"
    )


def test_a_changed_step(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, at_step(1))
    path = tmp_path / "model.safetensors"
    path.write_bytes(path.read_bytes().replace(b'\\"step\\": 1', b'\\"step\\": 2'))
    assert failure(tmp_path) == (
        "RUN/model.safetensors is damaged (the checksum of its metadata does not match): "
        "restore it, or train again"
    )


def test_tensors_of_an_earlier_version_have_no_checksums(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from safetensors.numpy import save_file

    def without(tensors: object, path: Path, metadata: dict[str, str]) -> None:
        head = json.loads(metadata["handgrad"])
        rest = {key: head[key] for key in head if key not in ("checksums", "sha256")}
        save_file(tensors, path, metadata={"handgrad": json.dumps(rest)})

    with monkeypatch.context() as patch:
        patch.setattr("safetensors.numpy.save_file", without)
        checkpoint.save(tmp_path, at_step(1))
    assert b"checksums" not in (tmp_path / "model.safetensors").read_bytes()
    assert same(load_to_resume(tmp_path, MODEL, "cpu", "adamw").params, at_step(1).params)


def test_a_pipe_in_the_place_of_the_model(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "model.safetensors")
    assert failure(tmp_path) == "cannot read RUN/model.safetensors: it is not a regular file"
