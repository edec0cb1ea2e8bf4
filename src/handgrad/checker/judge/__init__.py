"""Verdicts on gradients by hand, and which statement is to blame."""
