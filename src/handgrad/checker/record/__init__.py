"""What happened while the user's code ran: hooks in its source, torch functions, names."""
