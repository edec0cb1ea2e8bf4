"""What a first run compiles in two processes, and the fallback without them."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from handgrad.engine.compiled import ahead
from handgrad.engine.compiled.ahead import compile_ahead
from handgrad.engine.compiled.build import build, is_compiled
from handgrad.engine.compiled.inference_source import inference_source
from handgrad.engine.compiled.source import step_source
from handgrad.models import MLP

MODEL = MLP(5, block_size=2, n_embd=2, n_hidden=3, batchnorm=False)
STEP = step_source(MODEL, "sgd")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HANDGRAD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(ahead, "available", lambda: 2)
    build.cache_clear()
    return tmp_path / "cache"


def test_both_are_cached_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "TrainingStep", None)  # not by this process
    compile_ahead(MODEL, "sgd", "float32")
    assert is_compiled(STEP, "float32")
    assert is_compiled(inference_source(MODEL), "float32")
    monkeypatch.setattr(ahead, "CompiledInference", None)
    compile_ahead(MODEL, "sgd", "float32")  # nothing is left to do


def test_files_of_the_working_folder_are_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ahead, "compile_inference", lambda *_: None)
    compile_ahead(MODEL, "sgd", "float32")
    assert is_compiled(STEP, "float32")


def test_a_second_process_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "compile_inference", lambda *_: None)
    monkeypatch.setattr(sys, "executable", "false")
    compile_ahead(MODEL, "sgd", "float32")
    assert not is_compiled(STEP, "float32")


def test_an_interruption_leaves_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []

    def start(*arguments: Any, **options: Any) -> "subprocess.Popen[bytes]":
        started.append(popen(*arguments, **options))
        return started[-1]

    def interrupt(*_: object) -> None:
        assert started[0].poll() is None
        raise KeyboardInterrupt

    popen = subprocess.Popen
    monkeypatch.setattr(ahead.subprocess, "Popen", start)
    monkeypatch.setattr(ahead, "compile_inference", interrupt)
    with pytest.raises(KeyboardInterrupt):
        compile_ahead(MODEL, "sgd", "float32")
    assert started[0].poll() is not None


def test_one_cpu_or_a_read_only_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "compile_inference", None)  # would be called
    with monkeypatch.context() as patched:
        patched.setattr(ahead, "available", lambda: 1)
        compile_ahead(MODEL, "sgd", "float32")
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("HANDGRAD_CACHE", str(tmp_path / "file"))
    compile_ahead(MODEL, "sgd", "float32")
