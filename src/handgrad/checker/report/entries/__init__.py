"""What was found, as the rows, notes and edges of a report."""
