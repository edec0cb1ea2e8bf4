"""Backward passes written out: rules of operations, composed lines, whole derivations."""
