"""`handgrad sample`: marked by the training words, or unmarked without them."""

import json
from pathlib import Path

import pytest

from tiny import FLAGS, command

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def run(capsys: Capture, tmp_path: Path, words: Path) -> Path:
    out = tmp_path / "run"
    assert command(capsys, "train", "-i", words, "-o", out, *FLAGS, "--steps=30")[0] == 0
    return out


def sampled(capsys: Capture, *arguments: object) -> list[dict[str, object]]:
    code, out, _ = command(capsys, "sample", *arguments, "--json=-")
    assert code == 0
    samples: list[dict[str, object]] = json.loads(out)["samples"]
    return samples


def test_each_sample_is_marked(capsys: Capture, run: Path, words: Path) -> None:
    code, out, err = command(capsys, "sample", run, "-n", 200)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert len(lines) == 200
    from handgrad.data import open_dataset

    known = set(open_dataset(str(words)).words("train"))
    for line in lines:
        mark, text = line[:5].rstrip(), line[7:]
        assert mark == ("known" if text in known else "new"), line
    assert {line[:5] for line in lines} == {"new  ", "known"}


def test_json_has_the_same_samples(capsys: Capture, run: Path) -> None:
    _, out, _ = command(capsys, "sample", run, "-n", 30)
    samples = sampled(capsys, run, "-n", 30)
    lines = [f"{'new' if s['new'] else 'known':<5}  {s['text']}" for s in samples]
    assert lines == out.splitlines()


def test_flags(capsys: Capture, run: Path) -> None:
    assert len(sampled(capsys, run)) == 20
    assert sampled(capsys, run, "--seed=1") != sampled(capsys, run, "--seed=2")
    assert all(str(s["text"]).startswith("ab") for s in sampled(capsys, run, "--prefix=ab"))
    greedy = sampled(capsys, run, "--temperature=0")
    assert greedy == sampled(capsys, run, "--top-k=1")
    assert all(s == greedy[0] for s in greedy)


def test_cut_samples_are_counted(capsys: Capture, run: Path) -> None:
    _, out, err = command(capsys, "sample", run, "-n", 30, "--max-length=1")
    cut = [line for line in out.splitlines() if len(line[7:]) == 1]
    assert err == f"{len(cut)} of 30 samples cut at --max-length 1 characters\n"


def test_training_words_that_are_missing(capsys: Capture, run: Path, words: Path) -> None:
    _, marked, _ = command(capsys, "sample", run)
    words.unlink()
    code, out, err = command(capsys, "sample", run)
    assert code == 0
    assert out.splitlines() == [line[7:] for line in marked.splitlines()]
    assert err.startswith(f"not marked: {words}")
    assert err.count("\n") == 1
    assert {sample["new"] for sample in sampled(capsys, run)} == {None}


def test_training_words_that_changed(capsys: Capture, run: Path, words: Path) -> None:
    words.write_text("an\nna\n")
    _, _, err = command(capsys, "sample", run)
    assert err.startswith(
        f"not marked: {words} does not hold the words that {run} was trained on (fingerprint "
    )


def test_training_words_that_moved(capsys: Capture, run: Path, words: Path) -> None:
    expected = sampled(capsys, run)
    moved = words.rename(words.with_name("moved.txt"))
    assert sampled(capsys, run, "-i", moved) == expected


def test_no_samples(capsys: Capture, run: Path) -> None:
    assert command(capsys, "sample", run, "-n", 0) == (0, "", "")
