"""Why a line is wrong, and what it should be: causes, and the search for a correct line."""
