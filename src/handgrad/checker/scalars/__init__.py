"""Scalar engines: the rule of each operation, judged by experiments."""
