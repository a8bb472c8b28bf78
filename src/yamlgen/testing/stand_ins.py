"""Stand-ins for the values of a row that are left out of recordings (`redact: [row.email]`).

A value is replaced wherever it occurs in a prompt or an answer, also as a part of JSON text. A replay knows the row, so
it finds the same fingerprint, and puts the values back into the answer. In a row that was written from a run, the value
is the stand-in itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Final
from urllib.parse import quote

from yamlgen.errors import RowError
from yamlgen.expressions.evaluation import evaluate
from yamlgen.value_objects import JSON, Row

_SHORTEST: Final = 4
"""The minimum length of a string that is replaced: a shorter one may occur anywhere."""

_STRUCTURE: Final = frozenset({"type", "role"})
"""The keys whose values are words of the API."""

_INPUT: Final = "input"
"""The key of what a model passes to a tool."""

_PROMPT: Final = ("system", "messages")
"""The parts of a request that contain values of a row."""

_HTML: Final = {ord(character): rf"\u{ord(character):04x}" for character in "<>&'"}
"""What Jinja's `tojson` escapes in addition to JSON."""


class StandIns:
    """The stand-ins for the values of one row.

    Args:
        values: the values, which are strings or numbers, by stand-in.
    """

    def __init__(self, values: Mapping[str, JSON] | None = None) -> None:
        self._values = dict(values or {})

    def __bool__(self) -> bool:
        return bool(self._values)

    def hide_request(self, body: Mapping[str, JSON]) -> dict[str, JSON]:
        """Return the body of a request with stand-ins in its prompt."""
        if not self._values:
            return dict(body)
        return {name: self.hide(value) if name in _PROMPT else value for name, value in body.items()}

    def hide(self, value: JSON) -> JSON:
        """Return a value with stand-ins."""
        return _mapped(value, self._hidden) if self._values else value

    def restore(self, value: JSON) -> JSON:
        """Return a value with the values of the row in place of stand-ins."""
        return _mapped(value, self._restored) if self._values else value

    def remaining(self, value: JSON) -> set[str]:
        """Return the stand-ins whose values a hidden value still contains, in other letters or percent-encoded.

        A value of letters alone does not count: `Mark` may be a word of the prompt.
        """
        text = json.dumps(value, ensure_ascii=False).casefold() if self._values else ""
        found = ((name, each) for name, each in self._values.items() if isinstance(each, str) and not each.isalpha())
        return {name for name, each in found if any(form in text for form in _changed(each))}

    @cached_property
    def _patterns(self) -> tuple[re.Pattern[str], dict[str, str]]:
        """A pattern for all values in every spelling, and the stand-in of each spelling."""
        spelled: dict[str, str] = {}
        patterns: dict[str, str] = {}
        for stand_in, value in self._values.items():
            if isinstance(value, str):
                for form in _spellings(value):
                    spelled.setdefault(form, stand_in)
                    patterns.setdefault(form, re.escape(form))
            else:
                form = json.dumps(value)
                spelled.setdefault(form, stand_in)
                patterns.setdefault(form, rf"(?<![\w.]){re.escape(form)}(?!\w|\.\d)")
        longest = sorted(patterns, key=len, reverse=True)
        return re.compile("|".join(patterns[form] for form in longest)), spelled

    @cached_property
    def _written(self) -> re.Pattern[str]:
        """A pattern for all stand-ins."""
        return re.compile("|".join(map(re.escape, sorted(self._values, key=len, reverse=True))))

    def _hidden(self, leaf: JSON) -> JSON:
        pattern, spelled = self._patterns
        if isinstance(leaf, str):
            return pattern.sub(lambda found: spelled[found[0]], leaf)
        stand_in = spelled.get(json.dumps(leaf))
        is_hidden = stand_in is not None and not isinstance(self._values[stand_in], str)
        return _of_number(stand_in) if stand_in is not None and is_hidden else leaf

    def _restored(self, leaf: JSON) -> JSON:
        if not isinstance(leaf, str):
            return leaf
        for stand_in, value in self._values.items():
            if leaf == _of_number(stand_in):
                return value
        if self._written.search(leaf) is None:
            return leaf
        escaped = self._written.sub(lambda found: _escaped(self._values[found[0]]), leaf)
        plain = self._written.sub(lambda found: _plain(self._values[found[0]]), leaf)
        return escaped if escaped != plain and _is_json(escaped) else plain


NOTHING_HIDDEN: Final = StandIns()
"""The stand-ins of a row without any."""


def stand_ins_of(expressions: Sequence[str], row: Row) -> StandIns:
    """Return the stand-ins of a row: `[row.email]` for the value of the expression `row.email`.

    The strings and numbers in a list or an object have a stand-in each, such as `[row.emails.0]`. A value that the row
    does not have needs none.
    """
    found: dict[str, JSON] = {}
    for expression in expressions:
        try:
            value = evaluate(expression, {"row": row})
        except RowError:
            continue
        found.update(_leaves(expression.strip(), value))
    return StandIns(found)


def replaced(row: Mapping[str, JSON], stand_ins: StandIns) -> dict[str, JSON]:
    """Return a row with stand-ins in its columns, for a test file.

    A prompt that contains a number only as a part of JSON, as with `tojson`, is another one: a stand-in has quotes.
    """
    hidden: dict[str, JSON] = {name: stand_ins.hide(value) for name, value in row.items()}
    return hidden


def _leaves(name: str, value: JSON) -> Iterator[tuple[str, JSON]]:
    if isinstance(value, dict | list):
        for key, member in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _leaves(f"{name}.{key}", member)
    elif _is_number(value) or (isinstance(value, str) and len(value) >= _SHORTEST):
        yield f"[{name}]", value


def _is_number(value: JSON) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _of_number(stand_in: str) -> str:
    """Return the stand-in for a number that is not a part of a text, which differs from that of its digits."""
    return f"{stand_in[:-1]} as a number]"


def _spellings(value: str) -> Iterator[str]:
    """Yield a string as it is, and as it is written in JSON."""
    yield value
    yield _escaped(value)
    ascii_only = json.dumps(value)[1:-1]
    yield ascii_only
    yield ascii_only.translate(_HTML)


def _changed(value: str) -> Iterator[str]:
    """Yield what a string becomes in small letters, and in an address."""
    yield _escaped(value).casefold()
    yield quote(value).casefold()
    yield quote(value, safe="").casefold()


def _escaped(value: JSON) -> str:
    return json.dumps(value, ensure_ascii=False)[1:-1] if isinstance(value, str) else json.dumps(value)


def _plain(value: JSON) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _mapped(value: JSON, change: Callable[[JSON], JSON], *, keys: bool = False) -> Any:
    """Return a value with its strings and numbers changed, except for the words of the API.

    Args:
        value: the value.
        change: returns another string or number in place of one.
        keys: whether to change keys, too: they are not those of the API.
    """
    if isinstance(value, dict):
        return {
            change(key) if keys else key: member
            if key in _STRUCTURE and isinstance(member, str) and not keys
            else _mapped(member, change, keys=keys or key == _INPUT)
            for key, member in value.items()
        }
    if isinstance(value, list):
        return [_mapped(member, change, keys=keys) for member in value]
    return change(value) if isinstance(value, str) or _is_number(value) else value
