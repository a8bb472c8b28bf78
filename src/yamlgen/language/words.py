"""The nearest right word, for "did you mean": one rule for keys, names, columns and options alike."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

_ENOUGH: Final = 3
"""How many letters of a word are its beginning."""


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that `word` was probably meant to be, or `None`."""
    words = list(known)
    folded = {w.lower().replace("-", "_"): w for w in reversed(words)}
    exact = folded.get(word.lower().replace("-", "_"))
    if exact is not None and exact != word:
        return exact
    matches = get_close_matches(word, words, n=1, cutoff=0.6)
    if matches:
        return matches[0]
    begun = [known for known in words if len(word) >= _ENOUGH and known.startswith(word)]
    return begun[0] if len(begun) == 1 else None


def listing(words: Iterable[str], most: int = 16) -> str:
    """Words as `a`, `b` and `c`, in code marks, cut after `most`."""
    shown = [f"`{word}`" for word in words]
    if len(shown) > most:
        shown = [*shown[:most], f"{len(shown) - most} more"]
    if len(shown) < 2:  # noqa: PLR2004 - two words make a pair
        return "".join(shown)
    return f"{', '.join(shown[:-1])} and {shown[-1]}"


def suggestion(word: str, known: Iterable[str], what: str = "known", most: int = 16) -> str | None:
    """The hint for an unknown word: the nearest one, else what there is."""
    words = list(known)
    near = nearest(word, words)
    if near is not None:
        return f"did you mean `{near}`?"
    return f"{what}: {listing(words, most)}" if words else None
