"""The memory that judge and candidate share."""

import torch

from handgrad.checker.functions.gate.arena import Arena


def test_places_never_overlap_and_the_lowest_free_one_is_next():
    arena = Arena()
    full, empty = torch.arange(20.0), torch.empty(0, 5)
    first = arena.put(full)
    nothing = arena.put(empty)
    second = arena.put(full + 1)
    assert len({first["at"], nothing["at"], second["at"]}) == 3
    arena.free(first["at"])
    assert arena.put(empty)["at"] == first["at"]
    assert arena.put(full + 2)["at"] > second["at"]
    assert torch.equal(arena.view(second), full + 1)
    arena.close()


def test_a_view_has_the_layout_and_what_is_written_to_it_is_seen():
    arena = Arena()
    value = torch.arange(24.0, dtype=torch.bfloat16).view(4, 6)[:, 1::2].t()
    view = arena.view(described := arena.put(value))
    assert torch.equal(view, value)
    assert (view.stride(), view.storage_offset()) == (value.stride(), value.storage_offset())
    assert not arena.mirror(described, value)
    view[1, 2] = 77
    assert arena.mirror(described, value)
    assert value[1, 2] == 77
    arena.close()
