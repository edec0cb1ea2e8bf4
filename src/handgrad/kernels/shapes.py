"""Shapes of arrays."""

Shape = tuple[int, ...]
Shapes = dict[str, Shape]
"""By name."""
