"""Where things are: the repository and what lies beside it."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
SHARED = ROOT / ".." / "shared"
"""Reference figures, notebooks and data, where they are available."""
