"""`handgrad derive`: write the whole backward pass of a recorded forward pass, and verify it."""
