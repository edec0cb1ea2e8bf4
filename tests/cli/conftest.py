"""What the tests of the commands share."""

from pathlib import Path

import pytest

from tiny import write_words


@pytest.fixture
def words(tmp_path: Path) -> Path:
    """Return a words file of 60 words over seven letters."""
    return write_words(tmp_path)
