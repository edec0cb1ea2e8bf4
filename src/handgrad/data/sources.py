"""Sources of words: a name in the tables below, or a path.

`names` is embedded; `makemore` is downloaded once, verified by SHA-256 and kept in the cache
folder. Everything else is a path: write `./names` for a file called `names`.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from handgrad.errors import DataError

EMBEDDED = {"names": Path(__file__).with_name("names.txt")}
TIMEOUT = 30  # seconds without an answer
PIECE_BYTES = 1 << 16  # downloaded at once


@dataclass(frozen=True)
class Remote:
    """A published file: the URL contains a commit, the SHA-256 is of the content."""

    url: str
    sha256: str


REMOTE = {
    # 32,033 given names, MIT licence, compiled from ssa.gov
    "makemore": Remote(
        "https://raw.githubusercontent.com/karpathy/makemore"
        "/988aa59e4d8fefa526d06f3b453ad116258398d4/names.txt",
        "0a30b5557f192f32ab962680889aac5f6fda0f4cecf40a6d0b5694f58ea8cc4d",
    ),
}


def is_named(source: str) -> bool:
    """Return whether `source` is the name of a data set, not a path."""
    return source in EMBEDDED or source in REMOTE


def locate(source: str) -> Path:
    """Return the file of `source`. Raises DataError, one line, if a download fails."""
    if source in REMOTE:
        return _fetch(source, REMOTE[source])
    return EMBEDDED.get(source, Path(source))


def cache_folder() -> Path:
    """Return HANDGRAD_CACHE, or the user's cache folder on this system."""
    if chosen := os.environ.get("HANDGRAD_CACHE"):
        return Path(chosen)
    import pooch

    return Path(pooch.os_cache("handgrad"))


def _fetch(name: str, remote: Remote) -> Path:
    """Return the cached file, after downloading it if it is absent or damaged.

    pooch writes to a temporary name, compares the SHA-256 and renames, so a failure leaves nothing
    in the cache.
    """
    import pooch
    import requests

    pooch.get_logger().setLevel("WARNING")  # "Downloading ..." is not part of our output
    folder = cache_folder()
    try:
        path = pooch.retrieve(
            remote.url,
            f"sha256:{remote.sha256}",
            fname=f"{name}.txt",
            path=folder,
            downloader=_download,
        )
    except requests.RequestException as error:
        raise DataError(
            f"{name}: cannot download {remote.url}: {_reason(error)}."
            " Try again, or give the path of a file."
        ) from error
    except ValueError as error:  # raised by pooch for a different SHA-256
        raise DataError(
            f"{name}: {remote.url} is not the expected file (SHA-256 differs)."
            " Try again, or give the path of a file."
        ) from error
    except OSError as error:
        raise DataError(cannot_write(folder, error)) from error
    return Path(path)


def _download(url: str, target: str, _: object) -> None:
    """Download for pooch, whose own downloader leaves the connection open if the server refuses."""
    import requests

    with requests.get(url, stream=True, timeout=TIMEOUT) as response, open(target, "wb") as file:
        response.raise_for_status()
        for piece in response.iter_content(PIECE_BYTES):
            file.write(piece)


def _reason(error: Exception) -> str:
    """Return `error` in a few words; its own message is paragraphs long."""
    import requests

    match error:
        case requests.HTTPError(response=requests.Response(status_code=code)):
            return f"the server answered {code}"
        case requests.Timeout():
            return "the server did not answer in time"
        case requests.exceptions.ChunkedEncodingError():
            return "the transfer was interrupted"
        case requests.ConnectionError():
            return "the server is unreachable"
        case _:
            return type(error).__name__


def cannot_write(folder: Path, error: OSError) -> str:
    """Return the message about a cache folder that is read-only or full."""
    return (
        f"{folder}: cannot write to this cache folder: {error.strerror}."
        " Set HANDGRAD_CACHE to a writable folder with free space."
    )
