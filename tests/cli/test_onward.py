"""Runs that go on: to more steps than they began with, or on other data."""

import json
from pathlib import Path

import pytest

from tiny import FLAGS, command

Capture = pytest.CaptureFixture[str]
EVERY = ["--lr-decay-at=20", "--eval-every=10", "--checkpoint-every=10"]


def trained(capsys: Capture, words: Path, out: Path, *flags: str) -> str:
    code, text, err = command(capsys, "train", "-i", words, "-o", out, *FLAGS, *EVERY, *flags)
    assert (code, err) == (0, "")
    return text


def resumed(capsys: Capture, out: Path, *flags: str) -> tuple[int, str, str]:
    return command(capsys, "train", "--resume", "-o", out, *flags)


def bits(run: Path) -> bytes:
    return (run / "model.safetensors").read_bytes()


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_a_finished_run_continues(
    capsys: Capture, tmp_path: Path, words: Path, optimizer: str
) -> None:
    """It ends with the bits of a run that had that many steps from the start."""
    flags = (f"--optimizer={optimizer}",)
    trained(capsys, words, tmp_path / "whole", "--steps=60", *flags)
    run = tmp_path / "run"
    trained(capsys, words, run, "--steps=40", *flags)
    code, text, err = resumed(capsys, run, "--steps=60")
    assert (code, err) == (0, "")
    assert text.splitlines()[0].endswith("parameters, from step 40 of 60, engine fused")
    assert bits(run) == bits(tmp_path / "whole")
    content = json.loads((run / "train.json").read_text())
    assert (content["settings"]["steps"], content["step"]) == (60, 60)
    rows = (run / "metrics.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["step", *map(str, range(10, 61, 10))]
    # once more, to the same step: nothing is left to do
    code, text, err = resumed(capsys, run, "--steps=60")
    assert (code, err) == (0, "")
    assert text.startswith(f"{run} is finished: 60 steps\n")
    assert bits(run) == bits(tmp_path / "whole")


def test_fewer_steps_than_it_has(capsys: Capture, tmp_path: Path, words: Path) -> None:
    run = tmp_path / "run"
    trained(capsys, words, run, "--steps=40")
    before = bits(run)
    assert resumed(capsys, run, "--steps=39") == (
        2,
        "",
        f"handgrad: {run} is at step 40: choose --steps 40 or more\n",
    )
    assert bits(run) == before


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """Return words over three of the seven letters."""
    path = tmp_path / "other.txt"
    path.write_text("gab\nbag\nagag\nbabag\nga\nbab\naga\nbagga\ngaga\nabba\n")
    return path


def test_from_the_weights_of_a_run(
    capsys: Capture, tmp_path: Path, words: Path, other: Path
) -> None:
    run, new = tmp_path / "run", tmp_path / "new"
    trained(capsys, words, run, "--steps=40")
    flags = ["--steps=20", "--batch-size=4", "--engine=fused", "--lr=1e-6", "--lr-decay=1"]
    begin = ["train", "--init-from", run, "-i", other, "-o", new, *flags]
    code, _, err = command(capsys, *begin)
    assert (code, err) == (0, "")
    config = json.loads((new / "config.json").read_text())
    assert config["vocabulary"] == list(".abcdefg")
    assert config["data"]["source"] == str(other)
    assert config["init_from"] == {"run": str(run), "step": 40}
    # a tiny learning rate: its loss is the old weights' loss on the new words
    losses = []
    for name in (run, new):
        arguments = ["evaluate", name, "-i", other, "--statistics=running", "--json", "-"]
        code, text, _ = command(capsys, *arguments)
        assert code == 0
        losses.append(json.loads(text)["splits"]["train"]["nats"])
    # 20 updates of at most 1e-6 and the moved statistics of 20 batches, each weighted by 0.001
    assert losses[0] == pytest.approx(losses[1], rel=0.02)
    assert resumed(capsys, new, "--steps=30")[0] == 0
    assert command(capsys, "sample", new)[0] == 0


def test_the_bits_of_a_resumed_run_from_weights(
    capsys: Capture, tmp_path: Path, words: Path, other: Path
) -> None:
    run = tmp_path / "run"
    trained(capsys, words, run, "--steps=10")
    flags = ["--batch-size=4", "--engine=fused", "--lr-decay-at=20", "--init-from", run]
    for name, steps in (("whole", 30), ("parts", 20)):
        arguments = ["train", "-i", other, "-o", tmp_path / name, *flags, f"--steps={steps}"]
        assert command(capsys, *arguments)[0] == 0
    assert resumed(capsys, tmp_path / "parts", "--steps=30")[0] == 0
    assert bits(tmp_path / "whole") == bits(tmp_path / "parts")


def test_what_does_not_fit(capsys: Capture, tmp_path: Path, words: Path) -> None:
    run = tmp_path / "run"
    trained(capsys, words, run, "--steps=1")
    wider = tmp_path / "wider.txt"
    wider.write_text("abc\nxab\n")

    def refused(*arguments: object) -> str:
        code, text, err = command(capsys, "train", *arguments)
        assert (code, text) == (2, "")
        return err

    new = tmp_path / "new"
    assert refused("--init-from", run, "-i", wider, "-o", new) == (
        f"handgrad: {wider}: the symbol 'x' (U+0078) is not in the model's vocabulary of 7 "
        "symbols: leave out the words with it, or train a new model\n"
    )
    assert refused("--init-from", run, "-i", words, "-o", new, "--n-hidden=9") == (
        f"handgrad: {run}: its n_hidden is 8, not 9: "
        "leave out --n-hidden, or train without --init-from\n"
    )
    assert refused("--init-from", run, "-i", words, "-o", new, "--init=original") == (
        "handgrad: --init-from takes the parameters of a run: leave out --init\n"
    )
    assert refused("--init-from", tmp_path / "none", "-o", new) == (
        f"handgrad: {tmp_path}/none is not a run folder: name one that `handgrad train` made\n"
    )
    assert refused("--init-from", run, "--resume", "-o", run) == (
        "handgrad: --init-from begins a run: leave it out to --resume one\n"
    )
    assert not new.exists()
