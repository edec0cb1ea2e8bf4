"""Write backward passes: rules of operations, composed expressions, whole derivations.

rules/          RULES: how each torch operation is differentiated, as templates
compose/        one operation or branch of a forward pass in the user's names
derive/         whole backward passes, run and judged
closed_forms    fused blocks, as text
decompose       fused blocks in elementary steps, with their statistics held constant
precedence      parentheses
"""
