"""`makemore` against a test server: the right file, a wrong one, none, and half of one."""

import gc
import hashlib
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from handgrad.data import sources
from handgrad.data.dataset import open_dataset
from handgrad.data.sources import REMOTE, Remote, cache_folder
from handgrad.errors import DataError

CONTENT = b"emma\nolivia\nava\n" * 1000


class Server(ThreadingHTTPServer):
    """Serves CONTENT according to `mode`, and counts the requests."""

    mode = "right"
    requests = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/names.txt"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.requests += 1
        mode = self.server.mode
        self.send_response(404 if mode == "not found" else 200)
        if mode != "no length":
            self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        body = CONTENT.replace(b"a", b"b") if mode in ("other", "not found") else CONTENT
        self.wfile.write(body[: len(body) // 2] if mode in ("half", "no length") else body)

    def log_message(self, *args: object) -> None:
        """Say nothing on standard error."""


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Return a server that replaces the makemore entry, with an empty cache."""
    monkeypatch.setenv("HANDGRAD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        remote = Remote(server.url, hashlib.sha256(CONTENT).hexdigest())
        monkeypatch.setitem(REMOTE, "makemore", remote)
        yield server
        server.shutdown()
    gc.collect()  # a connection left open is a warning, thus an error, here and not in a later test


def cached() -> list[str]:
    return sorted(file.name for file in cache_folder().iterdir())


def test_the_right_file_once(server: Server, capfd: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        dataset = open_dataset("makemore")
        assert dataset.source == "makemore"
        assert sum(dataset.n_words(split) for split in dataset.splits) == 3000
    assert server.requests == 1
    assert cached() == ["makemore.txt"]
    assert (cache_folder() / "makemore.txt").read_bytes() == CONTENT
    assert capfd.readouterr() == ("", "")


def test_no_server_is_needed_once_it_is_cached(server: Server) -> None:
    open_dataset("makemore")
    server.shutdown()
    server.server_close()
    assert open_dataset("makemore").n_words("train") == 2400


SAID = {
    "other": "{url} is not the expected file (SHA-256 differs)",
    "no length": "{url} is not the expected file (SHA-256 differs)",
    "half": "cannot download {url}: the transfer was interrupted",
    "not found": "cannot download {url}: the server answered 404",
}


@pytest.mark.parametrize("mode", SAID)
def test_a_wrong_file_is_refused(server: Server, mode: str) -> None:
    server.mode = mode
    with pytest.raises(DataError) as caught:
        open_dataset("makemore")
    said = SAID[mode].format(url=server.url)
    assert str(caught.value) == f"makemore: {said}. Try again, or give the path of a file."
    assert cached() == []
    server.mode = "right"
    assert open_dataset("makemore").n_words("train") == 2400


def test_an_unreachable_host(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:  # bound and not listening, so refused
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/names.txt"
        with monkeypatch.context() as patch:
            patch.setitem(REMOTE, "makemore", Remote(url, REMOTE["makemore"].sha256))
            with pytest.raises(DataError) as caught:
                open_dataset("makemore")
    assert str(caught.value) == (
        f"makemore: cannot download {url}: the server is unreachable."
        " Try again, or give the path of a file."
    )
    assert cached() == []
    assert open_dataset("makemore").n_words("train") == 2400


def test_a_damaged_copy_is_fetched_again(server: Server) -> None:
    open_dataset("makemore")
    (cache_folder() / "makemore.txt").write_bytes(CONTENT[:100])
    assert open_dataset("makemore").n_words("train") == 2400
    assert server.requests == 2
    assert cached() == ["makemore.txt"]


def test_a_cache_folder_that_is_not_writable(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    file.touch()
    monkeypatch.setenv("HANDGRAD_CACHE", str(file))
    with pytest.raises(DataError) as caught:
        open_dataset("makemore")
    assert str(caught.value) == (
        f"{file}: cannot write to this cache folder: Not a directory."
        " Set HANDGRAD_CACHE to a writable folder with free space."
    )


def test_the_expected_file_is_the_lecture_s(names_file: Path) -> None:
    assert hashlib.sha256(names_file.read_bytes()).hexdigest() == REMOTE["makemore"].sha256


def test_urls_name_a_commit() -> None:
    """A branch would change while the SHA-256 stays."""
    assert {name: remote.url.split("/")[5] for name, remote in REMOTE.items()} == {
        "makemore": "988aa59e4d8fefa526d06f3b453ad116258398d4"
    }


def test_the_cache_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HANDGRAD_CACHE", "somewhere")
    assert cache_folder() == Path("somewhere")
    monkeypatch.delenv("HANDGRAD_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/elsewhere")  # as Linux has it
    assert cache_folder().name == "handgrad"


def test_everything_except_a_name_is_a_path() -> None:
    assert sources.is_named("names")
    assert sources.is_named("makemore")
    assert not sources.is_named("./names")
    assert sources.locate("./names") == Path("names")
    assert sources.locate("Names") == Path("Names")
