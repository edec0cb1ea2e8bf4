"""Shapes of arrays."""

Shape = tuple[int, ...]
Shapes = dict[str, Shape]
"""Shapes by name."""
