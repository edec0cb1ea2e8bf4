"""Notebooks, words files, run folders and --pair: one line of error, or the right content."""

import contextlib
import io
import json
import struct
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from benchmarks.fuzz.target import Target
from handgrad.errors import HandgradError
from handgrad.text import printable

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
    | st.sampled_from([10**9, -1, 0, 1e308, "\x1b[31m", "\ud800", "code", "cells", "1"]),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
"""Any JSON, with numbers and words that programs stumble over."""


def one_line_or(what: Callable[[], Any]) -> Any:
    """Return a result, or None after an error of one line that a terminal can show."""
    try:
        return what()
    except HandgradError as error:
        text = str(error)
        assert_one_line(text)
        return None


def assert_one_line(text: str) -> None:
    assert text
    assert "\n" not in text, f"several lines: {text!r}"
    assert text == printable(text), f"not printable: {text!r}"


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="fuzz") as name:
        yield Path(name)


def places(content: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the paths of all values in a JSON value."""
    yield path
    pairs = list(content.items()) if isinstance(content, dict) else []
    for key, value in enumerate(content) if isinstance(content, list) else pairs:
        yield from places(value, (*path, key))


def changed(content: Any, path: tuple[Any, ...], value: Any) -> Any:
    """Return a JSON value with another value at a path; KeyError in place of it deletes it."""
    if not path:
        return None if value is KeyError else value
    key, *rest = path
    copy: Any = dict(content) if isinstance(content, dict) else list(content)
    if not rest and value is KeyError:
        del copy[key]
    else:
        copy[key] = changed(content[key], tuple(rest), value)
    return copy


@st.composite
def mangled_json(draw: st.DrawFn, content: Any) -> bytes:
    """A JSON file of which some values are others or missing, or some bytes."""
    for _ in range(draw(st.integers(0, 3))):
        path = draw(st.sampled_from(list(places(content))))
        content = changed(content, path, draw(st.just(KeyError) | JSON))
    text = json.dumps(content, ensure_ascii=draw(st.booleans()))
    return draw(mangled(text.encode(errors="surrogatepass")))


@st.composite
def mangled(draw: st.DrawFn, content: bytes) -> bytes:
    """A file of which some bytes are others, missing or added."""
    for _ in range(draw(st.sampled_from([0, 0, 1, 2]))):
        at = draw(st.integers(0, len(content)))
        cut = draw(st.sampled_from([0, 1, 8, len(content)]))
        content = content[:at] + draw(st.binary(max_size=9)) + content[at + cut :]
    return content


def cell(source: Any, kind: str = "code") -> dict[str, Any]:
    output = {"output_type": "stream", "name": "stdout", "text": ["1\n"]}
    extra = {"execution_count": 1, "outputs": [output]} if kind == "code" else {}
    return {"cell_type": kind, "metadata": {}, "source": source, **extra}


NOTEBOOK = {
    "nbformat": 4, "nbformat_minor": 5,
    "metadata": {"kernelspec": {"name": "python3", "language": "python"},
                 "language_info": {"name": "python"}},
    "cells": [cell(["x = 1\n", "x"]), cell("# text", "markdown"), cell("y = x + 1")],
}  # fmt: skip
OLD = {
    "nbformat": 3, "nbformat_minor": 0, "metadata": {"name": ""},
    "worksheets": [{"cells": [{"cell_type": "code", "input": "x = 1", "outputs": [],
                               "language": "python", "metadata": {}}]}],
}  # fmt: skip


def notebook_is_read(content: bytes) -> None:
    """Its code cells are those that nbformat reads, or there is one line of error."""
    from handgrad.checker.run.source import read_source

    with folder() as place:
        path = place / "it.ipynb"
        path.write_bytes(content)
        source = one_line_or(lambda: read_source(path))
    if source is None:
        return
    raw = json.loads(content.decode("utf-8-sig"))
    if raw["nbformat"] == 4:
        texts = [c.get("source") for c in raw["cells"]
                 if isinstance(c, dict) and c.get("cell_type") == "code"]  # fmt: skip
        joined = ["".join(t) if isinstance(t, list) and all(isinstance(p, str) for p in t) else t
                  for t in texts]  # fmt: skip
        if all(isinstance(text, str) for text in joined):
            assert [c.source for c in source.cells] == [t for t in joined if t and t.strip()]


def words_are_read(content: bytes) -> None:
    """They are the stripped lines that are not blank, or there is one line of error."""
    from handgrad.data.words import read_words

    with folder() as place:
        path = place / "words.txt"
        path.write_bytes(content)
        words = one_line_or(lambda: list(read_words(path)))
    if words is not None:
        lines = content.decode("utf-8-sig").replace("\r\n", "\n").split("\n")
        assert words == [line.strip() for line in lines if line.strip()]


@cache
def run_files() -> dict[str, bytes]:
    """Return the files of a small run folder."""
    with folder() as place:
        words, out = place / "w.txt", place / "run"
        words.write_text("\n".join(["emma", "ava", "olivia", "mia", "zoe"] * 8))
        code, text = handgrad(
            "train", "--data", str(words), "--out", str(out), "--steps", "2", "--engine", "fused",
            "--n-hidden", "4", "--n-embd", "2", "--batch-size", "4",
        )  # fmt: skip
        assert code == 0, text
        return {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}


@contextlib.contextmanager
def run_folder(name: str, content: bytes) -> Iterator[Path]:
    with folder() as place:
        for known, original in run_files().items():
            (place / known).write_bytes(content if known == name else original)
        yield place


def config_is_read(content: bytes) -> None:
    """The run opens, or there is one line of error."""
    from handgrad.training.folder import open_run

    with run_folder("config.json", content) as place:
        one_line_or(lambda: open_run(place))


def weights_are_read(content: bytes) -> None:
    """The tensors have the shapes of the model, or there is one line of error."""
    from handgrad.training.checkpoint import load
    from handgrad.training.folder import open_run

    with run_folder("model.safetensors", content) as place:
        model = open_run(place).model
        loaded = one_line_or(lambda: load(place, model))
        if loaded is not None:
            shapes = {name: tuple(value.shape) for name, value in loaded.params.items()}
            assert shapes == model.shapes()


@st.composite
def mangled_weights(draw: st.DrawFn) -> bytes:
    """A safetensors file whose header is another one."""
    content = run_files()["model.safetensors"]
    (size,) = struct.unpack("<Q", content[:8])
    header, data = json.loads(content[8 : 8 + size]), content[8 + size :]
    new = draw(mangled_json(header))
    length = draw(st.sampled_from([len(new)] * 8 + [0, 1, 2**63, len(new) + 1]))
    return struct.pack("<Q", length) + new + data[: draw(st.sampled_from([len(data)] * 3 + [7, 0]))]


WORDS = st.text(st.sampled_from("dhxW_. =[]()01é\x1b\n\ud800"), max_size=8)
PAIRS = st.lists(
    st.tuples(WORDS, WORDS).map("=".join) | WORDS | st.sampled_from(["dh=h", "dW=W", "dh=W"]),
    max_size=3,
)
PROGRAM = """\
import torch
x = torch.arange(6.0).view(2, 3) / 4
W = torch.ones(3, 2) / 3
W.requires_grad_()
h = x @ W
loss = (h * h).mean()
loss.backward()
dh = 2 * h / h.numel()
dW = x.T @ dh
"""


def pairs_are_read(options: list[str]) -> None:
    """The program is checked with them, or there is one line of error and exit code 2."""
    from handgrad.checker.session import Session

    with folder() as place:
        path = str(place / "missing.py")
        code, text = handgrad("check", path, *[f"--pair={option}" for option in options])
        assert code == 2
        assert_one_line(text.removesuffix("\n"))
    if "no such file" in text:  # all pairs were accepted
        session = Session({k.strip(): v.strip() for k, v in (o.split("=", 1) for o in options)})
        run_in(session, PROGRAM)
        one_line_or(lambda: session.finish("it"))


def handgrad(*arguments: str) -> tuple[int, str]:
    """Run a command in this process; return its exit code and what it prints."""
    from handgrad.cli import run

    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        code = run(arguments)
    return code, out.getvalue()


ANSWERS = st.binary(max_size=40) | JSON.map(
    lambda value: json.dumps(value).encode(errors="surrogatepass") + b"\n"
)
HOSTILE = """\
import os
for fd in map(int, os.listdir("/dev/fd")):
    try: os.write(fd, {!r})
    except OSError: pass
"""


def messages_are_read(content: bytes) -> None:
    """A file that writes to every descriptor may cost itself a result, and gives no traceback."""
    with folder() as place:
        path = place / "it.py"
        path.write_text(HOSTILE.format(content) + PROGRAM)
        code, text = handgrad("check", str(path))
    assert code in (0, 1, 2), code
    assert "Traceback" not in text, text


def run_in(session: Any, code: str) -> None:
    """Run a program, recorded, in this process."""
    import ast

    names: dict[str, Any] = {"__name__": "__main__", "__handgrad__": session.hook}
    tree = session.transform(ast.parse(code), None, code)
    with session.recording(), contextlib.redirect_stdout(io.StringIO()):
        exec(compile(tree, "it.py", "exec"), names)


LINES = st.lists(
    st.text(max_size=12)
    | st.sampled_from(["emma", " ava ", "", "\t", "\r", "\x85", "a\u2028b", "\ufeff"]),
    max_size=6,
)  # fmt: skip


@st.composite
def words_file(draw: st.DrawFn) -> bytes:
    text = draw(st.sampled_from(["\n", "\r\n"])).join(draw(LINES))
    encoding = draw(st.sampled_from(["utf-8"] * 5 + ["utf-8-sig", "utf-16", "utf-32"]))
    long = draw(st.sampled_from([0] * 9 + [9_999, 10_001, 300_000]))
    return draw(mangled(text.encode(encoding, "surrogatepass") + b"x" * long))


INPUTS = (
    Target("notebooks", lambda: mangled_json(NOTEBOOK) | mangled_json(OLD), notebook_is_read),
    Target("words files", words_file, words_are_read),
    Target("config.json", lambda: mangled_json(json.loads(run_files()["config.json"])),
           config_is_read),
    Target("safetensors", mangled_weights, weights_are_read),
    Target("pairs", lambda: PAIRS, pairs_are_read, 50),
    Target("messages", lambda: ANSWERS, messages_are_read, 5),
)  # fmt: skip
