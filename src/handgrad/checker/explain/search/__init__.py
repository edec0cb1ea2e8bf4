"""Why a line is wrong and what it should be: the line run again, and others in its place.

suspect     one statement to blame, with what it made and what it should have made
scene       a run of the backward pass in float64 in which that statement stands
unit        the statement as text that can be run: alone, or with the loop around it
edits       a statement's text with one expression changed
relations   how what was made and what is right hang together, as numbers
explain     every cause in turn; then the corrected line
"""
