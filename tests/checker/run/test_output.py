"""The output of a file takes bounded memory, however long it is."""

import io
import tracemalloc

import pytest

from checker.run.conftest import Writer
from handgrad.checker.run.output import HEAD, KEPT_OF_CELL, TAIL, Echo, HeadTail
from handgrad.checker.run.run import check_file


@pytest.mark.usefixtures("faked")
def test_a_long_output_keeps_its_beginning_and_end(notebook: Writer) -> None:
    """Count what the parent keeps while 50 MB pass through the pipe."""
    flood = "print('first')\nfor _ in range(50 * 1024):\n    print('x' * 1023)\nprint('last')"
    path = notebook("da = 1", flood)
    tracemalloc.start()
    try:
        outcome = check_file(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    left_out = 50 * 1024 * 1024 + len("first\nlast\n") - HEAD - TAIL
    assert outcome.output.startswith("first\nx")
    assert outcome.output.endswith("x\nlast\n")
    assert f"\n... {left_out:,} bytes left out ...\n" in outcome.output
    assert peak < 3 * 2**20  # two ends of 64 KiB, twice as text, and the check's own objects


@pytest.mark.parametrize("chunk", [1, 7, 1000, HEAD + 1, 10 * HEAD])
def test_head_and_tail_do_not_depend_on_the_chunks(chunk: int) -> None:
    written = b"".join(b"%d\n" % n for n in range(60_000))
    kept = HeadTail()
    for start in range(0, len(written), chunk):
        kept.add(written[start : start + chunk])
    left_out = len(written) - HEAD - TAIL
    middle = f"\n... {left_out:,} bytes left out ...\n"
    assert kept.text() == written[:HEAD].decode() + middle + written[-TAIL:].decode()


@pytest.mark.parametrize("size", [0, 1, HEAD, HEAD + 1, HEAD + TAIL])
def test_a_short_output_is_complete(size: int) -> None:
    kept = HeadTail()
    kept.add(b"x" * size)
    assert kept.text() == "x" * size


def test_what_is_kept_of_a_cell_is_bounded() -> None:
    echo = Echo(io.BytesIO())
    echo.write("x" * (KEPT_OF_CELL - 1))
    for _ in range(5):
        echo.write("yz")
    assert echo.take() == "x" * (KEPT_OF_CELL - 1) + "y"
    echo.write("new")
    assert echo.take() == "new"
