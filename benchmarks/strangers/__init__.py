"""Programs in the styles of strangers, correct and with planted faults, to measure the checker on.

programs/NAME.py is a correct program; programs/NAME.faults is its table:

    ? loss: W dW, b db          the loss, and each parameter with its gradient, as expressions
    = W                         optional: other values that a fault may change
    ! lr = 0                    optional: stands in for `lr = ...` while gradients are verified
    - dW = x.T @ dp             a line of the program, without its indentation
    + dW = x.T @ p              the same line with a fault
    : HG106 HG107               the causes that describe it correctly
    @ db = dp.sum(0)            optional: another line that may be blamed as well as this one
"""
