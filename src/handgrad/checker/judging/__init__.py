"""From a recording to verdicts: passes, truth and noise, the backward pass run again, blame."""
