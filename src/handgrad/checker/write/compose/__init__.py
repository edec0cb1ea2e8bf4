"""Backward lines composed from RULES, in the user's own names, for a recorded forward pass."""
