"""Suggestions for "did you mean": one rule for keys, names, columns and options."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher, get_close_matches
from typing import Final

_ENOUGH: Final = 3
"""The minimum length of a word that is compared with the beginnings of others."""

_LIKE: Final = 0.75
"""Two words with at most this similarity are different words."""

_DISTANT: Final = 0.6


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that `word` was probably meant to be, or `None`."""
    words = list(known)
    near = closest(word, words)
    if near is None or _likeness(folded(word), folded(near)) > _LIKE or near.startswith(word):
        return near
    return None


def closest(word: str, known: Iterable[str]) -> str | None:
    """Return the most similar known word, even if distant, or `None`. For decisions, not for messages."""
    words = list(known)
    plainly = {folded(w): w for w in reversed(words)}
    plain = folded(word)
    if plainly.get(plain, word) != word:
        return plainly[plain]
    turned = [plainly[each] for each in plainly if len(each) == len(plain) and _is_turned(plain, each)]
    matches = turned or [plainly[each] for each in get_close_matches(plain, plainly, n=1, cutoff=_DISTANT)]
    if matches and _likeness(plain, folded(matches[0])) > _LIKE:
        return matches[0]
    begun = [each for each in words if len(word) >= _ENOUGH and each.startswith(word)]
    return begun[0] if len(begun) == 1 else next(iter(matches), None)


def _likeness(word: str, other: str) -> float:
    return 1 if _is_turned(word, other) else SequenceMatcher(None, other, word).ratio()


def folded(word: str) -> str:
    """Return a word in lowercase without `-` and `_`, or the word itself if nothing else remains."""
    return word.lower().replace("-", "").replace("_", "") or word


def _is_turned(word: str, other: str) -> bool:
    """Check whether two words differ by one swap of neighbouring letters."""
    differing = [at for at, (mine, its) in enumerate(zip(word, other, strict=False)) if mine != its]
    if len(word) != len(other) or len(differing) != 2:  # noqa: PLR2004 - a pair
        return False
    first, second = differing
    return second == first + 1 and word[first] == other[second] and word[second] == other[first]


def listing(words: Iterable[str], most: int = 16) -> str:
    """Return words as "`a`, `b` and `c`", cut after `most` words."""
    shown = [f"`{word}`" for word in words]
    if len(shown) > most:
        shown = [*shown[:most], f"{len(shown) - most} more"]
    if len(shown) < 2:  # noqa: PLR2004 - two words make a pair
        return "".join(shown)
    return f"{', '.join(shown[:-1])} and {shown[-1]}"


def suggestion(word: str, known: Iterable[str], what: str = "known", most: int = 16) -> str | None:
    """Return the hint for an unknown word: the nearest known word, or else the list of known words."""
    words = list(known)
    near = nearest(word, words)
    if near is not None:
        return f"did you mean `{near}`?"
    return f"{what}: {listing(words, most)}" if words else None
