"""What a check returns.

records   failures and results, plain data
patterns  what failing samples have in common, and where in a tensor the error is
text      a result as text
report    FunctionReport: a result that renders itself as text and JSON
"""
