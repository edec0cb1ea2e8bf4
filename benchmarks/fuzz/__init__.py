"""Fuzzing: python -m benchmarks.fuzz (`make fuzz`).

target    what a target is, and running one for some minutes
inputs    notebooks, words files, run folders, --pair: one line of error, or the right content
lines     the line rewriter: what it writes parses and means what was asked for
programs  random training programs with a hand-written backward pass
alike     metamorphic tests: renamed, reformatted and reordered programs get the same report
"""
