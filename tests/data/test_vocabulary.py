"""Symbols to tokens and back; messages name unknown symbols."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handgrad.data.vocabulary import BYTE_LIMIT, SYMBOL_LIMIT, Vocabulary
from handgrad.errors import DataError

LETTERS = st.characters(exclude_categories=["Cs"])


def symbols(count: int) -> list[str]:
    """Return `count` different symbols, none of them a surrogate."""
    return [chr(0x10000 + i) for i in range(count)]


def test_the_lecture_s_vocabulary() -> None:
    vocabulary = Vocabulary.of(["emma", "zoe", "a"])
    assert vocabulary.symbols == (".", "a", "e", "m", "o", "z")
    assert vocabulary.size == 6
    assert vocabulary.encode("emma").tolist() == [2, 3, 3, 1]
    assert vocabulary.decode([0, 2, 3, 3, 1, 0]) == ".emma."


@given(st.lists(st.text(LETTERS, min_size=1), min_size=1))
def test_round_trip(words: list[str]) -> None:
    vocabulary = Vocabulary.of(words)
    assert list(vocabulary.symbols[1:]) == sorted(set("".join(words)))
    for word in words:
        tokens = vocabulary.encode(word)
        assert tokens.dtype == vocabulary.dtype
        assert (tokens > 0).all()
        assert vocabulary.decode(tokens) == vocabulary.decode(iter(tokens.tolist())) == word


def test_a_full_stop_is_not_a_boundary() -> None:
    vocabulary = Vocabulary.of(["a.", "!"])
    assert vocabulary.symbols == (".", "!", ".", "a")
    assert vocabulary.encode("a.").tolist() == [3, 2]
    assert vocabulary.decode(np.array([0, 3, 2, 0])) == ".a.."


def test_the_boundary_cannot_be_written() -> None:
    """The displayed boundary cannot be encoded."""
    with pytest.raises(DataError) as caught:
        Vocabulary(symbols=(".", "a")).encode("a.")
    assert str(caught.value) == (
        "'.' (U+002E) in 'a.' is not in the vocabulary of 1 symbols. Use only: a"
    )


def test_nothing_to_encode() -> None:
    assert Vocabulary(symbols=(".", "a")).encode("").tolist() == []
    assert Vocabulary(symbols=(".", "a")).decode([]) == ""


@pytest.mark.parametrize(
    ("count", "dtype"),
    [(1, np.uint8), (BYTE_LIMIT, np.uint8), (BYTE_LIMIT + 1, np.uint16), (SYMBOL_LIMIT, np.uint16)],
)
def test_the_smallest_dtype_is_used(count: int, dtype: type) -> None:
    vocabulary = Vocabulary.of(symbols(count))
    assert vocabulary.dtype == dtype
    last = symbols(count)[-1]
    assert vocabulary.encode(last).tolist() == [count]
    assert vocabulary.decode(vocabulary.encode(last)) == last


def test_too_many_symbols() -> None:
    with pytest.raises(DataError) as caught:
        Vocabulary.of(symbols(SYMBOL_LIMIT + 1))
    assert str(caught.value) == (
        "65,536 different symbols; the maximum is 65,535. Use text in fewer scripts."
    )


def test_a_symbol_outside() -> None:
    vocabulary = Vocabulary.of(["emma", "ava"])
    with pytest.raises(DataError) as caught:
        vocabulary.encode("emé")
    assert str(caught.value) == (
        "'é' (U+00E9) in 'emé' is not in the vocabulary of 4 symbols. Use only: aemv"
    )


def test_a_symbol_outside_many() -> None:
    vocabulary = Vocabulary.of(symbols(300))
    with pytest.raises(DataError) as caught:
        vocabulary.encode("\n")
    assert str(caught.value) == (
        "'\\n' (U+000A) in '\\n' is not in the vocabulary of 300 symbols."
        f" Use only: {''.join(symbols(40))}..."
    )


@pytest.mark.parametrize("wrong", [(), (".",), ("a", "b"), (".", "ab"), (".", "")])
def test_invalid_symbols(wrong: tuple[str, ...]) -> None:
    with pytest.raises(DataError) as caught:
        Vocabulary(wrong)
    assert str(caught.value) == "symbols: expected the boundary '.', then single characters."


@pytest.mark.parametrize("wrong", [(".", "b", "a"), (".", "a", "a")])
def test_symbols_out_of_order(wrong: tuple[str, ...]) -> None:
    with pytest.raises(DataError) as caught:
        Vocabulary(wrong)
    assert str(caught.value) == "symbols: not sorted, or not unique."
