"""`handgrad train` from flags to files, in this process."""

import inspect
import json
from pathlib import Path

import pytest

from handgrad.cli.model_options import MODEL_NAMES
from handgrad.cli.train import train
from handgrad.models import MLP, MODELS, SIZES
from handgrad.training.folder import open_run
from tiny import FLAGS, command

Capture = pytest.CaptureFixture[str]


def test_from_a_file_to_samples(capsys: Capture, tmp_path: Path, words: Path) -> None:
    out = tmp_path / "run"
    code, shown, err = command(capsys, "train", "-i", words, "-o", out, *FLAGS, "--steps=20")
    lines = shown.splitlines()
    assert (code, err) == (0, "")
    assert lines[0] == f"{out}: 224 parameters, 20 steps, engine fused"
    assert [line.split("  lr ")[0] for line in lines[1:11]] == [
        f"step {step:>2}/20" for step in range(2, 21, 2)
    ]
    assert lines[11].startswith("train ")
    assert "nats per character, after 20 steps in " in lines[11]
    samples = lines[13:23]
    assert all(line[:7] in ("new    ", "known  ") for line in samples)
    assert lines[24:] == [f"handgrad evaluate {out}", f"handgrad sample {out} -n 20"]


def test_json_alone_on_stdout(capsys: Capture, tmp_path: Path, words: Path) -> None:
    out = tmp_path / "run"
    flags = ["-i", words, "-o", out, *FLAGS, "--steps=5", "--json=-"]
    code, shown, err = command(capsys, "train", *flags)
    content = json.loads(shown)
    assert code == 0
    assert list(content) == [
        "engine",
        "parameters",
        "steps",
        "seconds",
        "train_loss",
        "val_loss",
        "test_loss",
        "run",
    ]
    known = {"engine": "fused", "parameters": 224, "steps": 5, "run": str(out)}
    assert content.items() >= known.items()
    assert 1 < content["train_loss"] < 4
    assert "224 parameters" in err


def test_json_to_a_file_and_the_run_again(capsys: Capture, tmp_path: Path, words: Path) -> None:
    """Resuming a finished run says that it is finished, and reports the same."""
    out, first, second = tmp_path / "run", tmp_path / "1.json", tmp_path / "2.json"
    flags = ["-i", words, "-o", out, *FLAGS, "--steps=5"]
    assert command(capsys, "train", *flags, "--json", first)[0] == 0
    code, shown, _ = command(capsys, "train", "--resume", "-o", out, "--json", second)
    assert code == 0
    assert shown.splitlines()[0] == f"{out} is finished: 5 steps"
    same = [{**json.loads(path.read_text()), "seconds": 0} for path in (first, second)]
    assert same[0] == same[1]


def test_empty_splits_are_null(capsys: Capture, tmp_path: Path) -> None:
    words = tmp_path / "two.txt"
    words.write_text("ab\nba\n")
    flags = ["-i", words, "-o", tmp_path / "run", *FLAGS, "--steps=3", "--json=-"]
    code, shown, _ = command(capsys, "train", *flags)
    content = json.loads(shown)
    assert (code, content["val_loss"]) == (0, None)


def test_every_flag_is_used(capsys: Capture, tmp_path: Path, words: Path) -> None:
    given = {
        "steps": 4,
        "batch_size": 5,
        "accumulate": 2,
        "clip": 0.5,
        "warmup": 2,
        "patience": 3,
        "lr": 0.02,
        "lr_decay": 0.5,
        "lr_decay_at": 3,
        "schedule": "constant",
        "optimizer": "adamw",
        "weight_decay": 0.25,
        "seed": 7,
        "engine": "chunked",
        "threads": 2,
        "dtype": "float64",
        "init": "exercise",
        "eval_every": 2,
        "verify_every": 3,
        "checkpoint_every": 4,
    }
    sizes = {"block_size": 2, "n_embd": 3, "n_hidden": 4, "n_layer": 2}
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in (given | sizes).items()]
    out = tmp_path / "run"
    switches = ["--batchnorm", "--no-hidden-bias", "--best"]
    code, _, err = command(capsys, "train", "-i", words, "-o", out, *flags, *switches)
    assert (code, err) == (0, "")
    run = open_run(out)
    assert run.settings.to_json().items() >= (given | {"best": True}).items()
    assert run.model == MLP(vocab_size=8, **sizes, hidden_bias=False)
    # and the run may be resumed with all of them named again
    assert command(capsys, "train", "--resume", "-o", out, *flags, *switches)[0] == 0


def test_options_name_every_model_and_its_sizes() -> None:
    assert tuple(MODELS) == MODEL_NAMES
    taken = set(inspect.signature(train).parameters)
    # what the data gives, and what has no option
    assert {*SIZES} - taken == {"batchnorm_output", "momentum"}


def test_the_next_free_folder(
    capsys: Capture, tmp_path: Path, words: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for n in (1, 2):
        code, shown, _ = command(capsys, "train", "-i", "words.txt", *FLAGS, "--steps=1")
        assert (code, shown.split(":")[0]) == (0, f"runs/words-{n}")


def test_tensorboard(capsys: Capture, tmp_path: Path, words: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    out = tmp_path / "run"
    flags = ["-i", words, "-o", out, *FLAGS, "--steps=4", "--tensorboard"]
    assert command(capsys, "train", *flags)[0] == 0
    events = EventAccumulator(str(out / "tensorboard")).Reload()
    assert set(events.Tags()["scalars"]) == {
        "Loss/train",
        "Loss/test",
        "Loss/val",
        "Loss/batches",
        "lr",
    }
    assert [event.step for event in events.Scalars("Loss/train")] == [1, 2, 3, 4]
