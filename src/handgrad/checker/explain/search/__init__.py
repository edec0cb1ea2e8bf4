"""The search for a correct line: the user's statement run again, and candidates in its place.

suspect     one statement to blame, with the gradient it computes and the correct one
scene       a run of the backward pass in float64 that includes the statement
unit        the statement as text that can run: alone, or with the loop around it
edits       a statement's text with one expression changed
grammar/    rules that yield the statement with one change
shares      how the computed gradient relates to the correct one, as numbers
due         what the correct gradient is made of: operands, local derivatives
unnamed     lines above the statement whose results belong to no node
scaling     statements that scale a gradient by a number
counts      names for those numbers
closed      the gradient as a sum of the terms of a closed form
written     a correct line from the rules of differentiation, or one to add
"""
