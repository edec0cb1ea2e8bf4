"""The checker: any hand-written backward pass, judged line by line, with the lines to blame.

recording   the user's source with hooks, and what happened while it ran
judging     truth, noise, verdicts, blame, notes
running     files in a child process: notebooks, scripts, time limits, output
report      text, HTML, JSON
session     one file from source to report; api and watch are the same in code

The package is not called `check`, so that `handgrad.check` can be the function.
"""
