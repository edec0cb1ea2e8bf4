"""`python -m handgrad` does what the installed `handgrad` does."""

from handgrad.cli import main

if __name__ == "__main__":
    main()
