"""A report as text, HTML and JSON."""
