"""Compose backward lines from RULES, in the user's names, for a recorded forward pass."""
