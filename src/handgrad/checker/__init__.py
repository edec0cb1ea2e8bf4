"""The checker: any hand-written backward pass, judged line by line, with the lines to blame.

Each arrow of a check is a folder; each imports only from those above it in this list.

records     plain data of a report: rows, notes, errors, places
closeness   how near two values must be to count as equal
record      the user's source with hooks, and the Trace of what happened while it ran
passes      each loss as a ForwardPass; differentiated in float64 with noise, a Pass
pairs       gradients by hand, and the node that each belongs to: Pairs
judge       verdicts, blame, and lines that are right by luck: Grades
write       backward passes written out: rules of operations, composed lines, derivations
explain     why a line is wrong and what corrects it: causes, and the search for the line
functions   check_function: a whole function against a reference
report      rows and notes from grades; text, HTML, JSON and CSV from reports
session     one recorded file, from its passes to its report
scalars     engines of numbers that differentiate themselves: each operation's rule, by experiment
run         notebooks and scripts in child processes: time limits, output, several at once
exercise    a forward pass as a notebook with blanks
derive      the backward pass of a file or a function, written and verified
api, watch, returned   the check in code: functions, a `with` block

docs/internals.md follows one check through these. The package is not called `check`, so that
`handgrad.check` can be the function.
"""
