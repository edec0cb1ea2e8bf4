"""Sizes beyond the machine: one line with the estimate, what is there, and what fits."""

import json
import re
from math import prod
from pathlib import Path

import pytest

from handgrad.errors import SettingsError
from handgrad.models import MLP
from handgrad.models.recurrent import GRU
from handgrad.models.transformer import Transformer
from handgrad.training import needs
from handgrad.training.settings import TrainSettings
from tiny import FLAGS, command

Capture = pytest.CaptureFixture[str]
GB = 10**9


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine of 16 GB and two CPUs."""
    monkeypatch.setattr(needs, "available_memory", lambda: 16 * GB)
    monkeypatch.setattr(needs, "available", lambda: 2)


def refused(capsys: Capture, *arguments: object) -> str:
    code, out, err = command(capsys, *arguments)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    return err.removeprefix("handgrad: ").removesuffix("\n")


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        (
            ["--batch-size=1000000000"],
            "batch_size 1000000000: needs about MANY TB of memory; 16.0 GB are available: "
            "use --batch-size MANY or less",
        ),
        (
            ["--n-hidden=1000000000"],
            "n_hidden 1000000000: needs about MANY TB of memory; 16.0 GB are available: "
            "use --n-hidden MANY or less",
        ),
        (
            ["--block-size=100000"],
            "block_size 100000: needs about MANY GB of memory; 16.0 GB are available: "
            "use --block-size MANY or less",
        ),
        (
            ["--n-hidden=1000000000", "--engine=fused"],
            "n_hidden 1000000000: needs about MANY TB of memory; 16.0 GB are available: "
            "use --n-hidden MANY or less",
        ),
        (
            ["--n-embd=1000000000", "--n-hidden=1000000000"],
            "n_embd 1000000000, n_hidden 1000000000: needs more than a million TB of memory; "
            "16.0 GB are available: use smaller sizes",
        ),
        (
            ["--n-layer=1000"],
            "n_layer 1000: needs about MANY hours to compile; at most 10 minutes are started: "
            "use --n-layer MANY or less, or --engine fused, which is not compiled",
        ),
        (
            ["--n-layer=1000000000"],
            "n_layer 1000000000: the model would have 3,000,000,004 layer calls; "
            "at most 20,000 are possible: use a smaller --n-layer",
        ),
        (
            ["--show-step", "--n-layer=1000000000"],
            "n_layer 1000000000: the model would have 3,000,000,004 layer calls; "
            "at most 20,000 are possible: use a smaller --n-layer",
        ),
        (
            ["--model=wavenet", "--block-size=1073741824"],
            "block_size 1073741824: needs about MANY TB of memory; 16.0 GB are available: "
            "use --block-size 1024 or less",
        ),
        (
            ["--model=transformer", "--n-embd=1048576", "--engine=fused"],
            "n_embd 1048576: needs about MANY TB of memory; 16.0 GB are available: "
            "use --n-embd MANY or less",
        ),
        (
            ["--threads=1000000"],
            "threads is 1000000; at most 1024 are possible, and this machine has 2 CPUs",
        ),
        (
            ["--steps=1000000000000000000000"],
            "steps is 1000000000000000000000; it must be at most 9223372036854775807",
        ),
    ],
)
def test_refused(capsys: Capture, tmp_path: Path, flags: list[str], line: str) -> None:
    out = tmp_path / "run"
    refusal = refused(capsys, "train", "-o", out, *flags)
    shown = re.sub(r"about [\d.,]+", "about MANY", refusal)
    if "MANY or less" in line:
        shown = re.sub(r"(use --[a-z-]+) \d+", r"\1 MANY", shown)
    assert shown == line
    assert not out.exists()


@pytest.mark.parametrize("flag", ["--batch-size", "--n-hidden", "--block-size", "--n-layer"])
def test_what_is_offered_fits(capsys: Capture, tmp_path: Path, flag: str) -> None:
    """The offered value is not refused, and one a little larger is."""
    large = {"--n-layer": 1000}.get(flag, 10**9)
    line = refused(capsys, "train", f"{flag}={large}")
    offered = int(re.findall(r"use --[a-z-]+ (\d+)", line)[0])
    name = flag.removeprefix("--").replace("-", "_")
    for value, fits in ((offered, True), (offered * 12 // 10, False)):
        model, settings = chosen(**{name: value})
        if fits:
            needs.check_needs(model, settings)
        else:
            with pytest.raises(SettingsError):
                needs.check_needs(model, settings)


def chosen(**sizes: int) -> tuple[MLP, TrainSettings]:
    batch = sizes.pop("batch_size", 32)
    settings = TrainSettings(batch_size=batch, engine="compiled").resolved()
    return MLP(27, **sizes), settings


def test_the_estimate_is_linear_in_layers() -> None:
    """What is found from a few layers is what listing all of them gives."""
    for kind, sizes in ((MLP, {}), (GRU, {"n_hidden": 5}), (Transformer, {"n_embd": 8})):
        model = kind(27, n_layer=9, **sizes)
        for measure in (
            lambda one: len(one.calls()),
            lambda one: sum(prod(shape) for shape in one.shapes().values()),
        ):
            assert needs._extrapolated(model, measure) == measure(model)


def test_folders_of_such_runs(capsys: Capture, tmp_path: Path, words: Path) -> None:
    run = tmp_path / "run"
    assert command(capsys, "train", "-i", words, "-o", run, *FLAGS, "--steps=2")[0] == 0

    def changed(name: str, part: str, key: str, value: int) -> None:
        path = run / name
        content = json.loads(path.read_text())
        content[part][key] = value
        del content["sha256"]
        path.write_text(json.dumps(content))

    changed("train.json", "settings", "batch_size", 10**9)
    line = refused(capsys, "train", "--resume", "-o", run)
    assert re.sub(r"[\d.]+ (TB|GB)|\d+ or", "N", line) == (
        "batch_size 1000000000: needs about N of memory; N are available: use --batch-size N less"
    )
    assert command(capsys, "sample", run)[0] == 0  # no batch is needed
    changed("config.json", "model", "n_layer", 10**9)
    for arguments in (["sample", run], ["evaluate", run], ["train", "--resume", "-o", run]):
        assert refused(capsys, *arguments) == (
            f"{run}: config.json and train.json do not describe a run (n_layer 1000000000: "
            "the model would have 3,000,000,004 layer calls; at most 20,000 are possible: "
            "use a smaller --n-layer): restore them, or train again in another folder"
        )
