"""`handgrad derive` and `handgrad.derive`: the backward pass of a file, and of a function."""
