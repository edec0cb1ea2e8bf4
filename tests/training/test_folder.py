"""Run folders: named, made, opened, locked; one line for each error."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from handgrad.errors import RunError
from handgrad.training.folder import RunFolder, locked, make_folder, open_run
from tiny import SIZES, train_tiny, words_dataset

KNOWN = "known: mlp, bigram, bow, wavenet, rnn, lstm, gru, transformer, microgpt"


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return train_tiny(tmp_path / "run", words_dataset(tmp_path), steps=1).run


def test_next_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert [str(make_folder(None, "names")) for _ in range(2)] == ["runs/names-1", "runs/names-2"]
    assert make_folder(None, "towns") == Path("runs/towns-1")


def test_out_may_be_empty_or_deep(tmp_path: Path) -> None:
    assert make_folder(tmp_path, "x") == tmp_path
    assert make_folder(tmp_path / "a" / "b", "x").is_dir()


def test_out_that_is_not_empty(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(RunError) as caught:
        make_folder(tmp_path, "x")
    assert str(caught.value) == (
        f"{tmp_path} exists and is not empty: "
        "resume the run with --resume, or choose another folder with --out"
    )


def test_out_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunError) as caught:
        make_folder(tmp_path / "file", "x")
    assert str(caught.value) == f"{tmp_path}/file is a file: choose a folder with --out"


def test_runs_that_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("runs").touch()
    with pytest.raises(RunError) as caught:
        make_folder(None, "names")
    assert str(caught.value) == "cannot make the run folder runs: File exists"


def test_open_returns_what_was_written(run: RunFolder) -> None:
    assert open_run(run.folder) == run


def test_files_of_a_folder(run: RunFolder) -> None:
    assert sorted(path.name for path in run.folder.iterdir()) == [
        "config.json",
        "loss.png",
        "metrics.csv",
        "model.safetensors",
        "optimizer-1.safetensors",
        "train.json",
    ]
    config = json.loads((run.folder / "config.json").read_text())
    assert config["model"].items() >= {"name": "mlp", "vocab_size": 8, **SIZES}.items()
    assert config["vocabulary"] == list(".abcdefg")
    assert config["data"] == {"source": run.source, "fingerprint": run.fingerprint}
    assert json.loads((run.folder / "train.json").read_text())["step"] == 1


def test_resume_command_is_quoted(run: RunFolder) -> None:
    spaced = replace(run, folder=Path("my runs/1"))
    assert spaced.resume_command == "handgrad train --resume --out 'my runs/1'"


def failure(folder: Path) -> str:
    with pytest.raises(RunError) as caught:
        open_run(folder)
    return str(caught.value).replace(str(folder), "RUN")


def test_no_folder(tmp_path: Path) -> None:
    line = "RUN is not a run folder: name one that `handgrad train` made"
    assert failure(tmp_path / "none") == line


def test_a_folder_of_something_else(tmp_path: Path) -> None:
    line = "RUN is not a run folder (it has no config.json): name one that `handgrad train` made"
    assert failure(tmp_path) == line


@pytest.mark.parametrize("name", ["config.json", "train.json"])
@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"", "is damaged (not JSON): restore it, or train again"),
        (b'{"format"', "is damaged (not JSON): restore it, or train again"),
        (b"\xff\xfe", "is damaged (not JSON): restore it, or train again"),
        (b"[]", "was not written by handgrad: name another folder"),
        (b'{"steps": 3}', "was not written by handgrad: name another folder"),
        (b'{"format": 2}', "has format 2, this handgrad 0.1.0 reads up to 1: upgrade handgrad"),
        (b'{"format": "x"}', "has format x, this handgrad 0.1.0 reads up to 1: upgrade handgrad"),
    ],
)
def test_damaged_json(run: RunFolder, name: str, content: bytes, line: str) -> None:
    (run.folder / name).write_bytes(content)
    assert failure(run.folder) == f"RUN/{name} {line}"


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"model": {"name": "cnn"}}, f"unknown model cnn; {KNOWN}"),
        ({"model": {"name": "mlp", "vocab_size": 0}}, "vocab_size must be at least 1, got 0"),
        ({"data": {}}, "no 'source'"),
    ],
)
def test_json_that_does_not_describe_a_run(
    run: RunFolder, change: dict[str, object], what: str
) -> None:
    path = run.folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    assert failure(run.folder) == (
        f"RUN: config.json and train.json do not describe a run ({what}): "
        "restore them, or train again in another folder"
    )


def test_a_folder_is_locked(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(RunError) as caught, locked(tmp_path):
        pass
    line = f"{tmp_path} is in use by another handgrad train: wait for it, or stop it"
    assert str(caught.value) == line
    with locked(tmp_path):
        pass  # free again


DEEP = b'{"format": ' + b"[" * 200_000 + b"]" * 200_000 + b"}"


def test_brackets_without_end(run: RunFolder) -> None:
    for name in ("config.json", "train.json"):
        whole = (run.folder / name).read_bytes()
        (run.folder / name).write_bytes(DEEP)
        assert failure(run.folder) == (
            f"RUN/{name} is damaged (not JSON): restore it, or train again"
        )
        (run.folder / name).write_bytes(whole)


def test_what_is_not_a_file(run: RunFolder) -> None:
    (run.folder / "train.json").unlink()
    os.mkfifo(run.folder / "train.json")
    assert failure(run.folder) == "cannot read RUN/train.json: it is not a regular file"
    (run.folder / "config.json").unlink()
    (run.folder / "config.json").mkdir()
    assert failure(run.folder) == "cannot read RUN/config.json: Is a directory"


def test_a_file_that_is_too_long(run: RunFolder) -> None:
    with open(run.folder / "config.json", "r+b") as file:
        file.truncate(2**32)
    line = "cannot read RUN/config.json: it is longer than 16,777,216 bytes"
    assert failure(run.folder) == line


@pytest.mark.parametrize(
    ("name", "path", "value", "what"),
    [
        ("config", ("model", "n_hidden"), "8", "n_hidden is '8'; it must be a whole number"),
        ("config", ("model", "n_hidden"), 8.5, "n_hidden is 8.5; it must be a whole number"),
        ("config", ("model", "batchnorm"), 1, "batchnorm is 1; it must be true or false"),
        ("config", ("model", "momentum"), [], "momentum is []; it must be a finite number"),
        ("config", ("model", "n_hidden"), True, "n_hidden is True; it must be a whole number"),
        ("config", ("model", "name"), ["mlp"], f"unknown model ['mlp']; {KNOWN}"),
        ("config", ("model", "vocab_size"), 9, "vocab_size is 9, the vocabulary has 8"),
        ("config", ("vocabulary",), [*".abcdef", "\ud800"], "symbols: '\\ud800' cannot be text"),
        (
            "config",
            ("vocabulary",),
            [".", "\x1b", *"abcdef"],
            "symbols: '\\x1b' is a control character",
        ),
        (
            "config",
            ("vocabulary",),
            [".", 1],
            "symbols: expected the boundary '.', then single characters.",
        ),
        ("config", ("vocabulary",), 5, "vocabulary is 5; it must be a list"),
        ("config", ("data", "source"), None, "source is None; it must be a text"),
        ("train", ("settings", "batch_size"), "x", "batch_size is 'x'; it must be a whole number"),
        ("train", ("settings", "engine"), 5, "engine is 5; it must be a text"),
        (
            "train",
            ("settings", "engine"),
            "fast",
            "unknown engine fast; known: auto, autograd, chunked, fused, compiled",
        ),
        ("train", ("settings", "lr"), 1e400, "lr is inf; it must be a finite number"),
        ("train", ("settings", "threads"), 0.5, "threads is 0.5; it must be a whole number"),
        (
            "train",
            ("settings", "seed"),
            10**4000,
            "seed is 10000000000000000000000000000000000...; it must be at most "
            "9223372036854775807",
        ),
    ],
)
def test_values_of_wrong_types(
    run: RunFolder, name: str, path: tuple[str, ...], value: object, what: str
) -> None:
    file = run.folder / f"{name}.json"
    content = json.loads(file.read_text())
    inner = content
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    file.write_text(json.dumps(content))
    assert failure(run.folder) == (
        f"RUN: config.json and train.json do not describe a run ({what}): "
        "restore them, or train again in another folder"
    )


def test_a_value_that_was_changed(run: RunFolder) -> None:
    path = run.folder / "train.json"
    whole = path.read_text()
    path.write_text(whole.replace('"seed": 42', '"seed": 43'))
    assert failure(run.folder) == (
        "RUN/train.json is not as handgrad wrote it (its sha256 does not match): restore it, "
        'or remove the line "sha256" to use it as it is'
    )
    # laid out anew, or of a version that wrote no digest: its content counts
    path.write_text(json.dumps(json.loads(whole)))
    assert open_run(run.folder) == run
    content = json.loads(whole)
    del content["sha256"]
    path.write_text(json.dumps(content))
    assert open_run(run.folder) == run
