"""Running a notebook or script in a child process, and telling what became of it."""
