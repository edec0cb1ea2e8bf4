"""`handgrad derive`: the whole backward pass of a recorded forward pass, written and verified."""
