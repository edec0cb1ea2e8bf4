"""Run folders: named, made, opened, locked; one line for each error."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from handgrad.errors import RunError
from handgrad.train.folder import RunFolder, locked, make_folder, open_run
from tiny import SIZES, train_tiny, words_dataset


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
        ({"model": {"name": "rnn"}}, "unknown model rnn; known: mlp"),
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
