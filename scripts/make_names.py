"""Make src/handgrad/data/names.txt: given names in a-z, from the pinned `faker` package.

    python scripts/make_names.py [FILE]

Take every list of given names of every locale, remove accents, convert to lower case, and keep the
names in a-z alone. This excludes locales in other scripts, and names of several parts (Anne-Marie,
Juan Carlos, Ng'ang'a), whose parts are mostly in the list already. Unique, sorted by code point.
Only this script needs faker; NAMES.md beside the file has version, count and SHA-256.
"""

import importlib
import pkgutil
import re
import sys
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path

import faker.providers.person

TARGET = Path(__file__).parents[1] / "src" / "handgrad" / "data" / "names.txt"

# Letters that Unicode does not decompose into a base letter and a mark.
UNDECOMPOSED = str.maketrans(
    {
        "ß": "ss",
        "æ": "ae",
        "œ": "oe",
        "þ": "th",
        "ð": "d",
        "đ": "d",
        "ħ": "h",
        "ı": "i",
        "ł": "l",
        "ŋ": "n",
        "ø": "o",
        "ŧ": "t",
        "ə": "e",
    }
)


def fold(name: str) -> str:
    """Return `name` in lower case without accents: NFKD, marks removed, then the table above."""
    decomposed = unicodedata.normalize("NFKD", name.lower())  # lower first: İ becomes i and a mark
    bare = "".join(symbol for symbol in decomposed if not unicodedata.combining(symbol))
    return bare.translate(UNDECOMPOSED)


def given_names() -> Iterator[str]:
    """Yield every given name of every locale of faker, unchanged, in no particular order."""
    for locale in pkgutil.iter_modules(faker.providers.person.__path__):
        provider = importlib.import_module(f"faker.providers.person.{locale.name}").Provider
        for attribute in dir(provider):
            names = getattr(provider, attribute)
            # tuples, lists, or mappings from name to weight; properties only join these
            if attribute.startswith("first_names") and isinstance(names, Iterable):
                yield from names


def make_names() -> list[str]:
    """Return the lines of names.txt."""
    folded = {fold(name.strip()) for name in given_names()}
    return sorted(name for name in folded if re.fullmatch("[a-z]+", name))


def main() -> None:
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else TARGET
    target.write_text("".join(f"{name}\n" for name in make_names()), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
