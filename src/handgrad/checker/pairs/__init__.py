"""Gradients by hand, and the node that each belongs to."""
