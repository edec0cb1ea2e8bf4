"""Exercises: a forward pass with a blank for each gradient, written as a notebook."""
