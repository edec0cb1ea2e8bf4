"""Hand-written functions with right backward passes, in which mistakes are planted."""
