"""Invalid input: one line about what is wrong and what to do, exit code 2, no partial files."""

import errno
import json
import os
from pathlib import Path

import pytest
import torch

from tiny import FLAGS, command

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def trained(capsys: Capture, tmp_path: Path, words: Path) -> Path:
    out = tmp_path / "run"
    assert command(capsys, "train", "-i", words, "-o", out, *FLAGS, "--steps=2")[0] == 0
    return out


def refused(capsys: Capture, *arguments: object) -> str:
    """Return the only line of a command that must fail."""
    code, out, err = command(capsys, *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("handgrad: ")
    assert err.endswith("\n")
    assert err.count("\n") == 1
    return err.removeprefix("handgrad: ").removesuffix("\n")


@pytest.mark.parametrize(
    ("flag", "line"),
    [
        ("--steps=0", "steps is 0; it must be at least 1"),
        ("--batch-size=0", "batch_size is 0; it must be at least 1"),
        ("--batch-size=-3", "batch_size is -3; it must be at least 1"),
        (
            "--batch-size=1",
            "batch_size is 1 and the model has batchnorm, whose variance divides by n - 1 = 0: "
            "use --batch-size 2 or more, or --no-batchnorm",
        ),
        ("--lr=0", "lr is 0.0; it must be more than zero"),
        ("--lr=nan", "lr is nan; it must be a finite number"),
        ("--block-size=0", "block_size must be at least 1, got 0"),
        ("--n-embd=-1", "n_embd must be at least 1, got -1"),
        ("--n-hidden=0", "n_hidden must be at least 1, got 0"),
        ("--n-layer=-1", "n_layer must be at least 0, got -1"),
        ("--engine=magic", "unknown engine magic; known: auto, autograd, chunked, fused, compiled"),
        (
            "--init=magic",
            "unknown init magic; known: original, softmax_not_confidently_wrong, "
            "tanh_not_saturated, batchnorm, exercise",
        ),
        ("--optimizer=lion", "unknown optimizer lion; known: sgd, adam, adamw"),
        ("--schedule=sine", "unknown schedule sine; known: step, constant, linear, cosine"),
        ("--clip=0", "clip is 0.0; it must be more than zero"),
        ("--accumulate=0", "accumulate is 0; it must be at least 1"),
        ("--epochs=0", "epochs is 0; it must be at least 1"),
        ("--warmup=300000", "warmup is 300000; it must be at most the number of steps, 200000"),
        (
            "--lr-min=1e-3",
            "lr_min is for the schedules linear and cosine, but the schedule is step",
        ),
        ("--patience=0", "patience is 0; it must be at least 1"),
        ("--dtype=float16", "unknown dtype float16; known: float32, float64"),
        ("--seed=-1", "seed is -1; it must be at least 0"),
        ("--device=tpu", "unknown device 'tpu'; known: cpu, cuda, cuda:N"),
        (
            "--steps=x",
            "Invalid value for '--steps' / '--max-steps': Input should be a valid integer, unable "
            "to parse string as an integer: see handgrad train --help",
        ),
        ("--zzz=3", "No such option: --zzz: see handgrad train --help"),
        ("file", "Got unexpected extra argument(s) (file): see handgrad train --help"),
    ],
)
def test_settings(capsys: Capture, tmp_path: Path, words: Path, flag: str, line: str) -> None:
    out = tmp_path / "run"
    assert refused(capsys, "train", "-i", words, "-o", out, *FLAGS, flag) == line
    assert not out.exists()


def test_steps_and_epochs(capsys: Capture, tmp_path: Path, words: Path) -> None:
    out = tmp_path / "run"
    flags = ["-i", words, "-o", out, *FLAGS, "--max-steps=3", "--epochs=2"]
    line = "steps and epochs are both given: leave one of them out"
    assert refused(capsys, "train", *flags) == line
    assert not out.exists()


@pytest.mark.parametrize("flag", ["--patience=2", "--best"])
def test_an_empty_val_split(capsys: Capture, tmp_path: Path, flag: str) -> None:
    words, out = tmp_path / "two.txt", tmp_path / "run"
    words.write_text("ab\nba\n")
    assert refused(capsys, "train", "-i", words, "-o", out, *FLAGS, flag) == (
        f"{words}: the val split is empty, but {flag.split('=')[0]} needs its loss: add more words"
    )
    assert not out.exists()


def test_no_tensorboard(
    capsys: Capture, tmp_path: Path, words: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("handgrad.training.reporter.find_spec", lambda name: None)
    out = tmp_path / "run"
    line = refused(capsys, "train", "-i", words, "-o", out, "--tensorboard")
    assert line == "tensorboard is not installed: pip install 'handgrad[tensorboard]'"
    assert not out.exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="here is a CUDA device")
def test_no_cuda(capsys: Capture, tmp_path: Path, words: Path) -> None:
    out = tmp_path / "run"
    line = refused(capsys, "train", "-i", words, "-o", out, "--device=cuda")
    assert line == "--device cuda: this machine has no CUDA device; use --device cpu"
    assert not out.exists()


@pytest.mark.parametrize(
    "content",
    [None, b"", b"\n\n", b"one\n", b"an\nna\n\xff\n", b"a\x00b\nba\n"],
    ids=["missing", "empty", "blank", "one word", "not UTF-8", "binary"],
)
def test_data(capsys: Capture, tmp_path: Path, content: bytes | None) -> None:
    """tests/data asserts the messages; here, that one line is printed and nothing else."""
    path = tmp_path / "bad.txt"
    if content is not None:
        path.write_bytes(content)
    assert str(path) in refused(capsys, "train", "-i", path, "-o", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_block_size_longer_than_any_word(capsys: Capture, tmp_path: Path, words: Path) -> None:
    flags = ["-i", words, "-o", tmp_path / "run", *FLAGS, "--steps=2", "--block-size=300"]
    assert command(capsys, "train", *flags)[0] == 0


def test_a_run_folder_that_exists(capsys: Capture, trained: Path, words: Path) -> None:
    before = {path: path.read_bytes() for path in trained.iterdir()}
    # said before the data is looked at, which may take long
    assert refused(capsys, "train", "-i", words / "none", "-o", trained, *FLAGS) == (
        f"{trained} exists and is not empty: "
        "resume the run with --resume, or choose another folder with --out"
    )
    assert {path: path.read_bytes() for path in trained.iterdir()} == before


def test_resume_without_a_folder(capsys: Capture) -> None:
    line = "--resume needs a run folder: name it with --out"
    assert refused(capsys, "train", "--resume") == line


def test_resume_with_other_settings(capsys: Capture, trained: Path, tmp_path: Path) -> None:
    flags = ["--steps=3", "--lr=0.5", "--n-hidden=9", "--no-batchnorm", "--batch-size=4"]
    assert refused(capsys, "train", "--resume", "-o", trained, *flags) == (
        f"{trained} began with other settings: "
        "lr is 0.1 in the folder, 0.5 here; n_hidden is 8 in the folder, 9 here; "
        "batchnorm is on in the folder, off here: "
        "leave them out to resume, or train in another folder"
    )


def test_resume_with_other_threads_when_bits_depend_on_them(capsys: Capture, trained: Path) -> None:
    assert refused(capsys, "train", "--resume", "-o", trained, "--threads=2") == (
        f"{trained} began with other settings: threads is not given in the folder, 2 here: "
        "leave them out to resume, or train in another folder"
    )


@pytest.mark.parametrize("command_name", ["train", "evaluate"])
def test_words_that_differ_from_the_runs(
    capsys: Capture, trained: Path, words: Path, command_name: str
) -> None:
    words.write_text(words.read_text() + "gaga\n")
    arguments = ["train", "--resume", "-o"] if command_name == "train" else ["evaluate"]
    line = refused(capsys, *arguments, trained)
    fingerprint = json.loads((trained / "config.json").read_text())["data"]["fingerprint"]
    assert line.startswith(
        f"{words} does not hold the words that {trained} was trained on (fingerprint "
    )
    assert line.endswith(f", expected {fingerprint[:12]}): name the right file with --data")


def test_words_that_have_moved(capsys: Capture, trained: Path, words: Path) -> None:
    moved = words.rename(words.with_name("moved.txt"))
    assert str(words) in refused(capsys, "train", "--resume", "-o", trained)
    assert command(capsys, "train", "--resume", "-o", trained, "-i", moved)[0] == 0
    assert str(words) in refused(capsys, "evaluate", trained)
    assert command(capsys, "evaluate", trained, "-i", moved)[0] == 0


@pytest.mark.parametrize("arguments", [["evaluate"], ["sample"], ["train", "--resume", "-o"]])
def test_checkpoints(capsys: Capture, trained: Path, arguments: list[str]) -> None:
    path = trained / "model.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[:-10])
    line = f"{path} is truncated or not a safetensors file: restore it, or train again"
    assert refused(capsys, *arguments, trained) == line
    path.unlink()
    line = (
        f"{trained} holds no checkpoint (model.safetensors is missing): "
        "delete the folder and train again"
    )
    assert refused(capsys, *arguments, trained) == line


@pytest.mark.parametrize("name", ["evaluate", "sample"])
def test_no_run_folder(capsys: Capture, tmp_path: Path, name: str) -> None:
    line = f"{tmp_path}/no is not a run folder: name one that `handgrad train` made"
    assert refused(capsys, name, tmp_path / "no") == line
    line = (
        f"{tmp_path} is not a run folder (it has no config.json): "
        "name one that `handgrad train` made"
    )
    assert refused(capsys, name, tmp_path) == line


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        (["--temperature=-1"], "temperature is -1; it must be a finite number, zero or more"),
        (["--top-k=0"], "top_k is 0; it must be at least 1"),
        (["-n", "-1"], "n is -1; it must be zero or more"),
        (["--max-length=0"], "max_length is 0; it must be at least 1"),
    ],
)
def test_sampling(capsys: Capture, trained: Path, flags: list[str], line: str) -> None:
    assert refused(capsys, "sample", trained, *flags) == line


def test_prefix_outside_the_vocabulary(capsys: Capture, trained: Path) -> None:
    assert "'Z' (U+005A)" in refused(capsys, "sample", trained, "--prefix", "aZ")


@pytest.mark.parametrize(
    ("flag", "line"),
    [
        ("--split=all", "unknown split all; known: train, val, test"),
        ("--statistics=mean", "unknown statistics mean; known: calibrated, running"),
    ],
)
def test_evaluate_flags(capsys: Capture, trained: Path, flag: str, line: str) -> None:
    assert refused(capsys, "evaluate", trained, flag) == line


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_read_only_folder(capsys: Capture, tmp_path: Path, words: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    line = refused(capsys, "train", "-i", words, "-o", closed / "run", *FLAGS)
    assert line == f"cannot make the run folder {closed}/run: Permission denied"


def test_read_only_file_system(
    capsys: Capture, tmp_path: Path, words: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As above for root, whom file modes do not restrict."""

    def closed(path: Path, *arguments: object, **options: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "mkdir", closed)
    line = refused(capsys, "train", "-i", words, "-o", tmp_path / "run", *FLAGS)
    assert line == f"cannot make the run folder {tmp_path}/run: Read-only file system"
    line = refused(capsys, "train", "-i", words, *FLAGS)
    assert line == "cannot make the run folder runs: Read-only file system"


def test_full_disk_at_the_start(
    capsys: Capture, tmp_path: Path, words: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    out = tmp_path / "run"
    code, _, err = command(capsys, "train", "-i", words, "-o", out, *FLAGS)
    assert (code, err) == (
        2,
        f"handgrad: cannot write {out}/config.json: No space left on device\n",
    )
    assert not out.exists()


def test_full_disk_later(
    capsys: Capture, tmp_path: Path, words: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The 30th sync of a run fails: the previous checkpoint is complete, and the run can resume."""
    count, sync = iter(range(1, 1000)), os.fsync

    def full(descriptor: int) -> None:
        if next(count) >= 30:
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(descriptor)

    out = tmp_path / "run"
    flags = ["-i", words, *FLAGS, "--steps=20", "--checkpoint-every=2"]
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        code, _, err = command(capsys, "train", "-o", out, *flags)
    assert code == 2
    assert err.startswith(f"handgrad: cannot write {out}/")
    assert err.endswith(": No space left on device\n")
    assert err.count("\n") == 1
    assert not [path for path in out.iterdir() if path.name.startswith(".")]
    assert command(capsys, "train", "-o", out, "--resume")[0] == 0
    assert command(capsys, "train", "-o", tmp_path / "whole", *flags)[0] == 0
    models = [(folder / "model.safetensors").read_bytes() for folder in (out, tmp_path / "whole")]
    assert models[0] == models[1]


def test_json_that_cannot_be_written(capsys: Capture, tmp_path: Path, words: Path) -> None:
    out, target = tmp_path / "run", tmp_path / "none" / "a.json"
    line = refused(capsys, "train", "-i", words, "-o", out, *FLAGS, "--json", target)
    assert line == (
        f"cannot write {target}: {target.parent} is not a writable folder; "
        "name another file with --json"
    )
    assert not out.exists()
    line = refused(capsys, "train", "-i", words, "-o", out, *FLAGS, "--json", tmp_path)
    assert line == f"cannot write {tmp_path}: it is a folder; name a file with --json"
