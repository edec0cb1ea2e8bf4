"""The checker's proving ground: faults in a correct program, random correct programs.

    program     a flat forward and backward pass in the notebooks' manner, correct
    lines       a line of it as a syntax tree
    kinds       KINDS: name -> how a line of it goes wrong
    generate    every fault of every kind at every line, less what is none, with the count of those
    pairs       two faults at a time
    grade       a program through the checker, and what of its report is not as it must be
    steps       STEPS: forward lines with their correct backward lines
    more_steps  the rest of them, and the table
    correct     random correct passes made of them, at all sizes, dtypes and scales
    own_layers  the library's own layers as such programs
    peers       the same programs through gradcheck, assert_close and the notebooks' cmp
    report      the tables

tests/checker/faults runs a part of it, `python -m benchmarks.faults` the whole.
"""
