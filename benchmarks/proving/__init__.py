"""The checker's proving ground: faults in a correct program, random correct programs.

    program     a correct forward and backward pass, written as in the lecture's notebooks
    lines       one of its backward lines as a syntax tree
    kinds       KINDS: name -> the ways in which a line goes wrong
    generate    all faults of every kind at every line; counts candidates that are no faults
    pairs       two faults at a time
    grade       check a program, and list what is wrong with its report
    causes      whether a report names the right cause and offers a verified line
    steps       STEPS: forward lines with their correct backward lines
    more_steps  more of them, and the table
    correct     random correct passes made of STEPS, at all sizes, dtypes and scales
    own_layers  the library's own layers as such programs
    peers       the same programs through gradcheck, assert_close and the notebooks' cmp
    report      the tables

tests/checker/faults runs a part of this; `python -m benchmarks.faults` runs all of it.
"""
