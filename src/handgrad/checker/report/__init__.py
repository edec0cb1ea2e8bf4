"""A report as text, HTML, JSON and CSV; build/ makes its rows and notes."""
