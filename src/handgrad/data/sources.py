"""Where words come from: a name in the table below, or a path.

`names` is embedded; `makemore` is downloaded once, checked by SHA-256 and kept in the cache folder.
Whatever else is said is a path, so a file called `names` is said as `./names`.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from handgrad.errors import DataError

EMBEDDED = {"names": Path(__file__).with_name("names.txt")}
TIMEOUT = 30  # seconds of silence before a server counts as away
PIECE_BYTES = 1 << 16  # downloaded at once


@dataclass(frozen=True)
class Remote:
    """A file that somebody else publishes: the URL names a commit, the SHA-256 its content."""

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
    """Whether `source` is the name of a data set rather than a path."""
    return source in EMBEDDED or source in REMOTE


def locate(source: str) -> Path:
    """The file that holds `source`. Raises DataError, one line, if a download fails."""
    if source in REMOTE:
        return _fetch(source, REMOTE[source])
    return EMBEDDED.get(source, Path(source))


def cache_folder() -> Path:
    """HANDGRAD_CACHE, or the user's cache folder as the system has it."""
    if chosen := os.environ.get("HANDGRAD_CACHE"):
        return Path(chosen)
    import pooch

    return Path(pooch.os_cache("handgrad"))


def _fetch(name: str, remote: Remote) -> Path:
    """The cached file, downloaded first if absent or damaged. pooch writes to a temporary name,
    compares the SHA-256 and renames, so a failure leaves nothing in the cache."""
    import pooch
    import requests

    pooch.get_logger().setLevel("WARNING")  # its "Downloading ..." is no part of our output
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
            " Try again, or give a file by its path."
        ) from error
    except ValueError as error:  # pooch's word for another SHA-256
        raise DataError(
            f"{name}: {remote.url} is not the file expected (SHA-256 differs)."
            " Try again, or give a file by its path."
        ) from error
    except OSError as error:
        raise DataError(cannot_write(folder, error)) from error
    return Path(path)


def _download(url: str, target: str, _: object) -> None:
    """For pooch, whose own downloader leaves the connection open when the server refuses."""
    import requests

    with requests.get(url, stream=True, timeout=TIMEOUT) as response, open(target, "wb") as file:
        response.raise_for_status()
        for piece in response.iter_content(PIECE_BYTES):
            file.write(piece)


def _reason(error: Exception) -> str:
    """`error` in a few words; its own text is paragraphs of nested representations."""
    import requests

    match error:
        case requests.HTTPError(response=requests.Response(status_code=code)):
            return f"the server answered {code}"
        case requests.Timeout():
            return "the server did not answer in time"
        case requests.exceptions.ChunkedEncodingError():
            return "the transfer broke off"
        case requests.ConnectionError():
            return "the server cannot be reached"
        case _:
            return type(error).__name__


def cannot_write(folder: Path, error: OSError) -> str:
    """The line for a cache folder that is read-only or full."""
    return (
        f"{folder}: cannot write to this cache folder: {error.strerror}."
        " Set HANDGRAD_CACHE to a folder with room."
    )
