"""Suggestions for "did you mean": one rule for keys, names, columns and options.

A suggestion may be wrong: a person reads it. A `Rewrite` is a hint that a program may follow.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from difflib import SequenceMatcher, get_close_matches
from typing import Final

_ENOUGH: Final = 3
"""The minimum length of a word that is compared with the beginnings of others."""

_LIKE: Final = 0.75
"""Two words with at most this similarity are different words."""

_DISTANT: Final = 0.6

_SWAPPED: Final = 3
_SLIPPED: Final = 4
"""The minimum length of a word for which a swap of letters, or any other slip, is certainly one."""


class Hint(str):  # noqa: SLOT000 - it has attributes
    """A hint about an unknown name, with the names that are known at its place.

    Attributes:
        known: all of them, also those that the text leaves out.
    """

    known: tuple[str, ...]

    def __new__(cls, hint: str, known: Iterable[str] = ()) -> Hint:  # noqa: PYI034 - final but for `Rewrite`
        """Return a hint with the names that are known."""
        made = super().__new__(cls, hint)
        made.known = tuple(sorted(known) if isinstance(known, set | frozenset) else dict.fromkeys(known))
        return made

    def reworded(self, hint: str) -> Hint:
        """Return the same hint with another text."""
        made = str.__new__(type(self), hint)
        vars(made).update(vars(self))
        return made

    def knowing(self, known: Iterable[str]) -> Hint:
        """Return the same hint with other names that are known."""
        made = self.reworded(self)
        made.known = Hint("", known).known
        return made


class Rewrite(Hint):
    """A hint whose advice is certain: in the range of its diagnostic, `old` becomes `new`.

    Attributes:
        old: the text that is replaced; it is there once.
        new: the text that replaces it, as it is written in the file.
        is_value: whether `old` is the whole scalar, without its quotes, and `new` replaces the quotes too.
    """

    old: str
    new: str
    is_value: bool

    def __new__(cls, hint: str, old: str = "", new: str = "", *, is_value: bool = False) -> Rewrite:  # noqa: PYI034 - final
        """Return a hint with the rewrite that it describes."""
        made = str.__new__(cls, hint)
        made.known, made.old, made.new, made.is_value = (), old, new, is_value
        return made


def knowing(hint: str | None, known: Iterable[str]) -> str | None:
    """Return a hint with the names that are known at its place, unless it has them already."""
    if hint is None or (isinstance(hint, Hint) and hint.known):
        return hint
    return hint.knowing(known) if isinstance(hint, Hint) else Hint(hint, known)


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


def either(words: Iterable[str]) -> str:
    """Return words as "a, b or c", without repetitions."""
    *first, last = dict.fromkeys(words)
    return " or ".join(filter(None, [", ".join(first), last]))


def suggestion(word: str, known: Iterable[str], what: str = "known", most: int = 16) -> str | None:
    """Return the hint for an unknown word: the nearest known word, or else the list of known words."""
    words = list(known)
    near = nearest(word, words)
    if near is not None:
        return Hint(f"did you mean `{near}`?", words)
    return Hint(f"{what}: {listing(words, most)}", words) if words else None


def correction(word: str, known: Iterable[str], what: str = "known", most: int = 16) -> str | None:
    """Return the same hint as `suggestion`, as a `Rewrite` if the word is certainly a slip."""
    words = list(known)
    near = nearest(word, words)
    return suggestion(word, words, what, most) if near is None else proposal(word, near, words)


def proposal(word: str, meant: str, known: Collection[str], *, is_language: bool = False) -> str:
    """Return the hint that one known word was meant, as a `Rewrite` if that is certain.

    Args:
        word: the unknown word.
        meant: the known word.
        known: all known words.
        is_language: whether they are words of the language, not names that an author has chosen: then a plural is a
            slip, too.
    """
    hint = f"did you mean `{meant}`?"
    is_certain = is_slip(word, meant, known, is_language=is_language)
    return (Rewrite(hint, word, meant) if is_certain else Hint(hint)).knowing(known)


def is_slip(word: str, meant: str, known: Iterable[str], *, is_language: bool = False) -> bool:
    """Check whether `word` is certainly `meant`, misspelt: by case or hyphens, or by one slip with letters.

    Another name may be meant if it differs by a digit, in its first letter, or in a part of fewer than four letters, as
    `text_de` does from `text_en`; or if another known word is as near.
    """
    near = [each for each in dict.fromkeys(known) if folded(each) == folded(word)]
    near = near or [each for each in dict.fromkeys(known) if _is_one_slip(word, each)]
    is_plural = not is_language and {word, meant} in ({word, f"{word}s"}, {meant, f"{meant}s"})
    return near == [meant] and word != meant and not is_plural


def _is_one_slip(word: str, meant: str) -> bool:
    """Check whether two words differ by one letter that is missing, added or wrong, or by two that are swapped."""
    if word[:1] != meant[:1]:
        return False
    if _is_turned(word, meant):
        return len(meant) >= _SWAPPED and meant.replace("_", "a").isalpha()
    start = next((at for at, pair in enumerate(zip(word, meant, strict=False)) if len(set(pair)) > 1), None)
    start = min(len(word), len(meant)) if start is None else start
    left, right = word[start:], meant[start:]
    differing = {(left[1:], right): left[:1], (left, right[1:]): right[:1], (left[1:], right[1:]): left[:1] + right[:1]}
    letters = next((letters for (one, other), letters in differing.items() if one == other), "")
    begin, end = meant.rfind("_", 0, start) + 1, meant.find("_", start)
    part = meant[begin:] if end < 0 else meant[begin:end]
    return letters.isalpha() and len(part) >= _SLIPPED
