"""What a sandbox keeps from the machine, tried from inside."""

import json
import os
import socket
import sys
import threading
from pathlib import Path

import pytest

from checker.run.hostile import checked, needs_bwrap
from handgrad.checker.run import limits, process, sandbox
from handgrad.cli import run

pytestmark = [
    pytest.mark.usefixtures("faked"),
    pytest.mark.skipif(not limits.KEEPS, reason="processes are kept track of on Linux alone"),
]
Captured = pytest.CaptureFixture[str]

ESCAPES = """\
import json, os, socket, glob, subprocess
found = {}
def tried(name, attempt):
    try: found[name] = attempt()
    except Exception as error: found[name] = type(error).__name__
def write(path):
    with open(path, "a") as file: file.write("eve was here")
    return "written"
def connect(*where):
    kind = socket.AF_INET if len(where) == 2 else socket.AF_UNIX
    with socket.socket(kind) as one:
        one.settimeout(1); one.connect(where if len(where) == 2 else where[0])
    return "connected"
def links(path):
    for name in os.listdir(path):
        try: yield os.readlink(f"{path}/{name}")
        except OSError: pass
os.symlink(OUTSIDE, "link")
tried("own folder", lambda: write("notes.txt"))
tried("own copy", lambda: write("given.txt"))
tried("temporary", lambda: write("/tmp/eve.txt"))
tried("outside", lambda: write(OUTSIDE + "/eve.txt"))
tried("by a link", lambda: write("link/eve.txt"))
tried("by the link of a folder", lambda: write("outside/eve.txt"))
tried("above", lambda: write("../eve.txt"))
tried("home", lambda: write(os.path.expanduser("~/.eve")))
tried("system", lambda: write("/etc/eve"))
def opens(path):  # nothing is written: it may be the machine's own
    try: os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
    except OSError: return False
    return True
def writable(root):
    inside = [f"{folder}/{name}" for folder, _, names in os.walk(root) for name in names]
    return [path for path in [root, *inside] if not os.path.islink(path) and opens(path)]
tops = [f"/proc/{name}" for name in os.listdir("/proc") if not name.isdigit()]
tops = [path for path in tops if not os.path.islink(path)]
tried("kernel", lambda: [path for top in tops for path in writable(top)])
tried("devices of the kernel", lambda: writable("/sys/kernel") + writable("/sys/fs"))
tried("root of another", lambda: write("/proc/1/root/etc/eve"))
tried("services", lambda: os.listdir("/run"))
tried("remounted", lambda: subprocess.run(["mount", "-o", "remount,rw", "/"]).returncode)
tried("unshared", lambda: subprocess.run(
    ["unshare", "-rm", "mount", "-o", "remount,rw,bind", "/etc"]).returncode)
tried("ana's work", lambda: open("ana.py").read())
tried("network", lambda: connect("127.0.0.1", PORT))
tried("abstract socket", lambda: connect("\\0" + NAME))
tried("devices", lambda: sorted(os.listdir("/dev")))
tried("processes", lambda: len([p for p in os.listdir("/proc") if p.isdigit()]))
tried("descriptors", lambda: [link for link in links("/proc/self/fd") if link[0] == "/"
                              and not link.startswith("/proc/")])
tried("capabilities", lambda: [line.split()[1] for line in open("/proc/self/status")
                               if line.startswith(("CapEff", "CapBnd", "NoNewPrivs"))])
print(json.dumps(found))
da = 1
"""


@needs_bwrap
def test_escapes_from_a_sandbox(folder: Path) -> None:
    outside = folder.parent / "outside"
    outside.mkdir()
    (folder / "given.txt").write_text("given")
    (folder / "outside").symlink_to(outside)
    name = f"handgrad-test-{os.getpid()}"
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as local:
        local.bind(f"\0{name}")
        local.listen()
        known = {"OUTSIDE": str(outside), "PORT": server.getsockname()[1], "NAME": name}
        lines = [f"{key} = {value!r}\n" for key, value in known.items()]
        eve = checked(folder, "".join(lines) + ESCAPES, walled=True)
    found = json.loads(eve.output.splitlines()[-1])
    devices = {"fd", "full", "null", "random", "shm", "urandom", "zero"}
    assert devices <= set(found.pop("devices"))
    assert found.pop("processes") <= 4  # bubblewrap's two, its own and what it started
    refused = {"OSError", "PermissionError", "FileNotFoundError"}
    for wall in (
        "outside", "by a link", "by the link of a folder", "home", "system",
        "root of another", "network", "abstract socket", "ana's work",
    ):  # fmt: skip
        outcome = found.pop(wall)
        assert outcome in refused | {"ConnectionRefusedError"}, (wall, outcome)
    assert found.pop("remounted") != 0
    assert found.pop("unshared") not in (0, None)
    above = found.pop("above")
    assert above in refused | {"written"}  # of a folder in /tmp, an empty one is above
    assert found == {
        "own folder": "written",
        "own copy": "written",
        "temporary": "written",
        "kernel": [],
        "devices of the kernel": [],
        "services": [],
        "descriptors": ["/dev/null"],
        "capabilities": ["0000000000000000", "0000000000000000", "1"],
    }
    assert list(outside.iterdir()) == []
    assert (folder / "given.txt").read_text() == "given"
    assert not (folder.parent / "eve.txt").exists()
    assert {path.name for path in folder.iterdir()} == {"ana.py", "eve.py", "given.txt", "outside"}


@needs_bwrap
def test_its_folder_and_temporary_files_have_limited_room(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox, "ROOM", 2**20)
    source = """\
da = 1
for path in ("big", "/tmp/big", "/dev/shm/big"):
    try:
        with open(path, "wb") as file: file.write(bytes(2**21))
    except OSError as error: print(error.strerror)
"""
    assert checked(folder, source, walled=True).output == "No space left on device\n" * 3


@needs_bwrap
def test_what_a_folder_holds_is_there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small files are copied; large ones and hidden folders are visible and read-only."""
    monkeypatch.setattr(sandbox, "LARGEST_COPY", 100)
    (folder / "data" / "inner").mkdir(parents=True)
    (folder / "data" / "inner" / "words.txt").write_text("emma")
    (folder / "data" / "large.txt").write_text("x" * 200)
    (folder / ".hidden").mkdir()
    (folder / ".hidden" / "key.txt").write_text("key")
    os.mkfifo(folder / "pipe")
    source = """\
import os
da = 1
print(sorted(os.listdir(".")), open("data/inner/words.txt").read())
print(len(open("data/large.txt").read()), open(".hidden/key.txt").read())
for path in ("data/inner/words.txt", "data/large.txt", ".hidden/key.txt", "data/new.txt"):
    try: open(path, "a").write("y"); print("written")
    except OSError as error: print(error.strerror)
"""
    refused = "Read-only file system\n"
    assert checked(folder, source, walled=True).output == (
        f"['.hidden', 'data', 'eve.py'] emma\n200 key\nwritten\n{refused}{refused}written\n"
    )
    assert (folder / "data" / "inner" / "words.txt").read_text() == "emma"


@needs_bwrap
def test_a_folder_that_holds_too_much_is_read_only(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox, "MOST_ENTRIES", 3)
    for number in range(4):
        (folder / f"{number}.txt").write_text("words")
    source = "da = 1\nprint(open('3.txt').read())\nopen('new', 'w')"
    eve = checked(folder, source, walled=True)
    assert (eve.status, eve.output) == ("raised", "words\n")
    assert eve.report is not None
    assert "Read-only file system" in eve.report.errors[0].error


@needs_bwrap
def test_a_download(folder: Path) -> None:
    source = "from urllib.request import urlopen\nda = 1\nurlopen('http://example.org')"
    eve = checked(folder, source, walled=True)
    assert eve.report is not None
    assert [error.error for error in eve.report.errors] == [
        "URLError: <urlopen error [Errno -3] Temporary failure in name resolution>; a sandbox has"
        " no network: check with --no-sandbox"
    ]


@needs_bwrap
def test_a_single_file_in_a_sandbox(folder: Path, capsys: Captured) -> None:
    (folder / "one.py").write_text("da = 1\nopen('new.txt', 'w').close()\nopen('/etc/new', 'w')")
    assert run(["check", "one.py", "--sandbox"]) == 1
    assert capsys.readouterr().out == (
        "one.py\n\nRight\n  ✓ da    line 1    exact\n\nErrors in the file\n"
        "  line 3  OSError: [Errno 30] Read-only file system: '/etc/new'\n\n"
        "1 gradient by hand: 1 exact; 1 error in the file.\n"
    )
    assert not (folder / "new.txt").exists()


def test_without_bubblewrap_one_line_says_so(
    folder: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", os.path.dirname(sys.executable))
    sandbox.unavailable.cache_clear()
    (folder / "ben.py").write_text("da = 1")
    try:
        assert run(["check", "ana.py", "ben.py"]) == 0
        line, _ = capsys.readouterr().err.split("\n", 1)
        assert line == (
            "handgrad: without a sandbox (bubblewrap is not installed), a checked file can read and"
            " change your files, use the network and end other processes. Only its memory, the "
            "size of its files and the number of its processes are limited, and what it leaves "
            "running is ended."
        )
        assert run(["check", "ana.py", "--sandbox"]) == 2
        assert capsys.readouterr().err == (
            "handgrad: --sandbox: bubblewrap is not installed; on Debian and Ubuntu: apt install "
            "bubblewrap\n"
        )
    finally:
        sandbox.unavailable.cache_clear()


def test_elsewhere_than_on_linux_nothing_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "KEEPS", False)
    sandbox.unavailable.cache_clear()
    try:
        assert sandbox.not_guaranteed(None) == (
            "without a sandbox (it needs Linux), a checked file can read and change your files, "
            "use the network and end other processes."
        )
    finally:
        sandbox.unavailable.cache_clear()


def test_what_does_not_start_leaves_no_descriptor_open(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(kind: str, events: int, stop: threading.Event) -> process.Process:
        raise process.Stopped

    monkeypatch.setenv("PATH", os.path.dirname(sys.executable))  # no bwrap
    before = os.listdir("/proc/self/fd")
    with pytest.raises(FileNotFoundError):
        sandbox.Sandbox(folder)
    with pytest.raises(process.Stopped):
        process.Child({"kind": "script"}, start=stopped)
    assert os.listdir("/proc/self/fd") == before
