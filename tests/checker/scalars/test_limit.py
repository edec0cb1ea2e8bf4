"""The time limit of one experiment."""

import gc

import pytest

from handgrad.checker.scalars.limit import Late, limited


def forever() -> None:
    while True:
        pass


def test_what_runs_forever_is_ended() -> None:
    with pytest.raises(Late), limited(0.05):
        forever()


@pytest.mark.parametrize("collects", [True, False])
def test_no_garbage_is_collected_meanwhile(collects: bool) -> None:
    """One collection takes longer than the limit where there are many objects."""
    was = gc.isenabled()
    try:
        (gc.enable if collects else gc.disable)()
        with limited():
            assert not gc.isenabled()
        assert gc.isenabled() is collects
    finally:
        (gc.enable if was else gc.disable)()
