"""Counts free texts: their lengths, which of them come again, and how they end. Its memory is bounded.

A text is kept as two numbers: its hash, and that of its letters. Only texts that seem to come again are kept as texts.
"""

from __future__ import annotations

import unicodedata
from array import array
from collections import Counter
from dataclasses import dataclass
from functools import cache
from itertools import compress
from typing import Final

from yamlgen.profiles.fields.field_profile import Repeats, ValueCount
from yamlgen.profiles.fields.number_tally import MOST_MEASURED, NumberTally, runs
from yamlgen.profiles.fields.value_tally import LONGEST, MOST_ROWS, MOST_VALUES, ValueTally, noted

_SEEN: Final = 1 << 18
"""The bytes of the filter of texts that came before: it takes every ninth of 250,000 different texts for known."""

_MOST_KEPT: Final = 2000
_SHORT: Final = 60
"""The characters of the longest text that can be one of a few values."""

_ENDS: Final = frozenset({"Po", "Pe", "Pf", "So", "Sk"})
"""Categories of the last character of a whole text: the end of a sentence, a quotation or a list, markup, an emoji."""

_GOES_ON: Final = frozenset(",/&@#%\\\u3001\uff0c\u060c")
"""Characters of these categories after which a text goes on: commas, and parts of words."""

_LONG_LINE: Final = 40
"""The characters of the shortest last line of a text that may have been broken off: a signature is shorter."""

_BLANK: Final = 0


@dataclass(slots=True)
class _RecurringText:
    """A text that seems to have come before, with how often it has come since: the filter may be wrong."""

    text: str
    cut: int
    count: int


class TextTally:
    """Counts texts."""

    def __init__(self) -> None:
        self.lengths = NumberTally()
        self.empty = 0
        """How many texts have no character but white space."""
        self.unended = 0
        """How many others do not end as a sentence does."""
        self.broken = 0
        """How many of these end in a long line, which is no name and no heading."""
        self.broken_rows: list[int] = []
        self.few: ValueTally | None = ValueTally(most=MOST_VALUES)
        """All texts, if there are only a few different ones, which are short; else `None`."""
        self._hashes, self._letters, self._rows = array("q"), array("q"), array("I")
        self._seen = bytearray(_SEEN)
        self._kept: dict[int, _RecurringText] = {}

    def add(self, text: str, row: int) -> None:
        """Count a text of a row."""
        self.lengths.add(len(text))
        end = text[-1:] if not text[-1:].isspace() else text.rstrip()[-1:]
        if not end:
            self.empty += 1
        elif not _is_end(end):
            self.unended += 1
            whole = text.rstrip()
            if len(whole) - whole.rfind("\n") > _LONG_LINE:
                self.broken += 1
                noted(self.broken_rows, row)
        if self.few is not None:
            self.few.add(text, row)
            if self.few.lost or len(text) > _SHORT:
                self.few = None
        self._keep(text)
        if len(self._hashes) < MOST_MEASURED:
            self._hashes.append(hash(text))
            self._letters.append(hash(letters(text)) if end else _BLANK)
            self._rows.append(row)

    def _keep(self, text: str) -> None:
        """Keep a text if it seems to have come before."""
        place = hash(text)
        byte, bit = place >> 3 & _SEEN - 1, 1 << (place & 7)
        if not self._seen[byte] & bit:
            self._seen[byte] |= bit
        elif (kept := self._kept.get(place)) is not None:
            kept.count += 1
        else:
            if len(self._kept) == 2 * _MOST_KEPT:
                often = sorted(self._kept.items(), key=lambda each: -each[1].count)
                self._kept = dict(often[:_MOST_KEPT])
            self._kept[place] = _RecurringText(text[:LONGEST], max(0, len(text) - LONGEST), 1)

    @property
    def _is_whole(self) -> bool:
        return len(self._hashes) == self.lengths.count

    @property
    def distinct(self) -> int | None:
        """How many different texts there are; `None` if there are too many to count."""
        return sum(1 for _ in runs(sorted(self._hashes))) if self._is_whole else None

    def values(self) -> tuple[ValueCount, ...]:
        """Return the texts that came most often, at least twice. Of too many texts, their counts are the least ones."""
        counts = Counter(filter(self._kept.__contains__, self._hashes))
        if not self._is_whole:
            counts = Counter({place: max(each.count, counts[place]) for place, each in self._kept.items()})
        top = [place for place, count in counts.most_common(MOST_VALUES) if count > 1]
        rows = self._rows_of(self._hashes, frozenset(top))
        return tuple(
            ValueCount(self._kept[place].text, counts[place], rows.get(place, ()), self._kept[place].cut)
            for place in top
        )

    def repeats(self) -> Repeats:
        """Return how many texts come again; of too many, how many of the first ones."""
        compared = list(filter(None, self._letters))
        again = [(count, place) for place, count in runs(sorted(compared)) if count > 1]
        most = max((count for count, _ in again), default=0)
        often = frozenset(place for count, place in again if count == most)
        first = next(filter(often.__contains__, self._letters), None)
        rows = () if first is None else self._rows_of(self._letters, frozenset([first]))[first]
        return Repeats(len(compared), sum(count - 1 for count, _ in again), len(again), most, rows)

    def _rows_of(self, places: array[int], wanted: frozenset[float]) -> dict[float, tuple[int, ...]]:
        """Return the first rows of the texts with these hashes."""
        found: dict[float, tuple[int, ...]] = {}
        wanted_only = map(wanted.__contains__, places)
        for place, row in compress(zip(places, self._rows, strict=True), wanted_only):
            known = found.get(place, ())
            if len(known) < MOST_ROWS and row not in known:
                found[place] = (*known, row)
        return found


def letters(text: str) -> str:
    """Return a text without case, white space and punctuation; as it is, if nothing would be left.

    Forms of one character are alike, such as those of full width. Characters that nobody sees are dropped, too.
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    if folded.isascii():  # the usual case, in which a table is many times faster than for other texts
        return folded.translate(_DROPPED) or text
    for character in set(folded):
        if _is_dropped(character):
            folded = folded.replace(character, "")
    return folded or text


@cache
def _is_end(character: str) -> bool:
    return unicodedata.category(character) in _ENDS and character not in _GOES_ON


@cache
def _is_dropped(character: str) -> bool:
    return character.isspace() or unicodedata.category(character).startswith(("P", "Cc", "Cf"))


_DROPPED: Final = {code: None for code in range(128) if _is_dropped(chr(code))}
