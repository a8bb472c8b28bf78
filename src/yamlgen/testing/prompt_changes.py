"""How the texts of two requests differ, line by line, each with the place that the change certainly comes from.

A recording contains neither the row nor the templates of its request. A change has a place only if nothing else can be
its cause; otherwise it has the field of the request.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from itertools import accumulate, zip_longest
from typing import Final, TypeAlias

from yamlgen.excerpts import brief
from yamlgen.testing.sent_parts import SentPart, old_values, own_texts

Change: TypeAlias = tuple[str, str | None, str | None]
"""The place, as `file:line`, or a field of the request; the old and the new line, `None` if there is none."""

_WORD: Final = 3
"""The length from which on a piece of a line shows which text the line is."""


@dataclass(frozen=True, slots=True)
class _Placed:
    """A part of a text, and the offset of its first character in it."""

    low: int
    part: SentPart

    @property
    def high(self) -> int:
        return self.low + len(self.part.text)

    def place(self, start: int, end: int) -> str:
        """Return the place of its first visible character between two offsets, or of the first one."""
        text = self.part.text
        first = min(max(start - self.low, 0), max(len(text) - 1, 0))
        found = range(first, min(end - self.low, len(text)))
        return self.part.place(next((at for at in found if not text[at].isspace()), first))

    def cut(self, start: int, end: int) -> SentPart:
        """Return what is between two offsets."""
        return replace(self.part, text=self.part.text[max(start - self.low, 0) : max(end - self.low, 0)])


class TextChanges:
    """Finds how a text of a request differs from a recorded one.

    Args:
        field: the field of the text in the request.
        before: the recorded text.
        after: the text.
        parts: the parts at its beginning whose origin is known.
        others: the same texts of all recorded requests of the step.
        value_place: returns the place of the values that a part is made of; `None` if it is not known.
    """

    def __init__(
        self,
        field: str,
        before: str,
        after: str,
        parts: Sequence[SentPart],
        others: frozenset[str],
        value_place: Callable[[SentPart], str | None],
    ) -> None:
        self._field, self._before, self._after, self._others = field, before, after, others
        lows = accumulate((len(part.text) for part in parts), initial=0)
        self._parts = [_Placed(low, part) for low, part in zip(lows, parts, strict=False)]
        self._value_place = value_place
        self._values = old_values(parts, before) if parts else None

    def __iter__(self) -> Iterator[Change]:
        """Yield the lines that differ."""
        old, new = self._before.split("\n"), self._after.split("\n")
        starts = [0, *accumulate(len(line) + 1 for line in new)]
        for kind, one, two, start, end in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
            if kind == "equal":
                continue
            for number, (left, right) in enumerate(zip_longest(old[one:two], new[start:end]), start):
                if left and not right:
                    right = None  # noqa: PLW2901 - an empty line is left of a last one
                low = starts[min(number, end)]
                place = None
                if self._parts:
                    place = self._place(left, right, low, low + len(right or ""), (starts[start], starts[end]))
                yield place or f"`{self._field}`", *shown_lines(left, right)

    def _place(self, left: str | None, right: str | None, start: int, end: int, block: tuple[int, int]) -> str | None:
        """Return the place of a line between two offsets in a block of changed lines; `None` if it is not certain."""
        if left is not None and self._is_unsent(left):
            return None
        if self._values is not None:
            changed = [(part, old) for part, old in self._values if part.text != old]
            inside = [each.part for each in self._between(block[0] - 1, block[1])]
            near = [(part, old) for part, old in changed if any(part is each for each in inside)] or changed
            unclear = [more for part, old in near if (more := _added(part.text, old)) is not None]
            if not unclear or (len(self._others) > 1 and not all(map(self._is_shared, unclear))):
                return self._same(part for part, _ in near)
            if not all(map(self._is_shared, unclear)):
                return None
        if right is None:
            return self._removed(left or "", start)
        if not right:
            return self._blank(start)
        return self._changed(left, start, end)

    def _changed(self, left: str | None, start: int, end: int) -> str | None:
        """Return the place of a changed or added line."""
        around = self._between(start, end)
        own = [each for each in around if not each.part.is_value]
        visible = [each for each in own if each.cut(start, end).text.strip()]
        if not own:
            return self._same(each.part for each in around)
        if left is None:
            return None if any(each.part.is_conditional for each in own) else (visible or own)[0].place(start, end)
        values = old_values([each.cut(start, end) for each in around], left) if visible else None
        if values is not None and all(_added(part.text, old) is None for part, old in values):
            return self._same(part for part, old in values if part.text != old)
        return (visible or own)[0].place(start, end)

    def _blank(self, start: int) -> str | None:
        """Return the place of an empty line, which ends with the line break at its offset."""
        own = self._between(start, start + 1)
        before = self._between(start - 1, start)
        if own and not own[0].part.is_value:
            return None if own[0].part.is_conditional else own[0].place(start, start + 1)
        if own or not before or before[0].part.is_value:
            return self._same(each.part for each in own or before)
        last = before[0]
        return None if last.part.is_conditional else last.part.place(len(last.part.text))

    def _removed(self, line: str, start: int) -> str | None:
        """Return the place before a line that the text does not have any more, after which an offset follows."""
        around = self._between(start - 1, start + 1)
        is_loop = any(each.part.is_conditional for each in around)
        known = (text for each in around for text in own_texts(each.part.template.source) if not each.part.is_value)
        if is_loop and any(text in line for text in known):
            return None  # a loop may have had more turns
        values = any(each.part.is_value for each in self._between(start - 2, start + 1))
        if (values or is_loop or not line) and not self._is_shared(f"\n{line}\n"):
            return None
        own = next((each for each in around if not each.part.is_value), None)
        return None if own is None else own.place(start - 1, start)

    def _is_shared(self, text: str) -> bool:
        """Return whether all of several recorded requests contain a text, so that it does not come from a row."""
        return len(self._others) > 1 and all(text in f"\n{other}\n" for other in self._others)

    def _is_unsent(self, line: str) -> bool:
        """Return whether a line contains own text of a template that a condition has left out of this text."""
        sources = {each.part.template.source for each in self._parts if not each.part.template.is_expression}
        texts = (text for source in sources for text in own_texts(source) if text not in self._after)
        return any(text == line.strip() or (len(text) >= _WORD and text in line) for text in texts)

    def _between(self, start: int, end: int) -> list[_Placed]:
        """Return the parts between two offsets."""
        return [each for each in self._parts if each.low < end and each.high > start]

    def _same(self, parts: Iterable[SentPart]) -> str | None:
        """Return the place of values, if all have the same."""
        found = {self._value_place(part) for part in parts}
        return found.pop() if len(found) == 1 else None


def _added(new: str, old: str) -> str | None:
    """Return what an older value has before or after this one: it may have been own text of the template."""
    if new == old or not (old.startswith(new) or old.endswith(new)):
        return None
    return old.removeprefix(new) if old.startswith(new) else old.removesuffix(new)


def shown_lines(old: str | None, new: str | None) -> tuple[str | None, str | None]:
    """Return an old and a new line as they are shown: with quotes if they differ only in white space."""
    is_white = (old or "").strip() == (new or "").strip()
    told = [None if each is None else json.dumps(each, ensure_ascii=False) if is_white else each for each in (old, new)]
    return short(told[0]), short(told[1])


def short(line: str | None) -> str | None:
    """Return a line as it is shown: on one line, and shortened."""
    return None if line is None else brief(line.strip())
