"""Words, their vocabulary, one flat array of tokens, and batches from (seed, step). NumPy only."""
