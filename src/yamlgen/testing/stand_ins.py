"""Stand-ins for the values of a row that are left out of recordings (`redact: [row.email]`).

A value is replaced wherever it occurs in a prompt or an answer, also as a part of JSON text. A replay knows the row, so
it finds the same fingerprint, and puts the values back into the answer. In a row that was written from a run, the value
is the stand-in itself; a number has a number in its place, which is written as any number is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from typing import Any, Final
from urllib.parse import quote

from yamlgen.canonical_json import short_digest
from yamlgen.errors import RowError
from yamlgen.expressions.evaluation import evaluate
from yamlgen.value_objects import JSON, Row

_SHORTEST: Final = 4
"""The minimum length of a string that is replaced inside words: a shorter one is replaced as a word."""

_UNSPACED: Final = "\u2e80"
"""From this character on, scripts have no spaces between words, or characters are signs: they are replaced anywhere."""

_BEFORE: Final = r"(?:(?<![\w.])|(?<=\\[bfnrt])|(?<=\\u[0-9a-fA-F]{4}))"
"""The start of a word, also after an escape in JSON text."""

_AFTER: Final = r"(?!\w|\.\d)"
"""The end of a word."""

_LEAST_NUMBER: Final = 10**8
"""The least number that takes the place of another one: one that a prompt hardly contains."""

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

    def hide_row(self, row: Row) -> Row:
        """Return an output row with stand-ins in its values, and in the keys of objects, but not in its columns."""
        if not self._values:
            return row
        return {name: _mapped(value, self._hidden, keys=True) for name, value in row.items()}

    def restore(self, value: JSON) -> JSON:
        """Return a value with the values of the row in place of stand-ins."""
        return _mapped(value, self._restored) if self._values else value

    def remaining(self, value: JSON) -> set[str]:
        """Return the stand-ins whose values a hidden value still contains in another form.

        These are other letters and percent-encoding, and a number with other digits. A value of letters alone does not
        count, because `Mark` may be a word of the prompt; nor does a short one.
        """
        text = json.dumps(value, ensure_ascii=False).casefold() if self._values else ""
        return {name for name, each in self._values.items() if any(re.search(form, text) for form in _changed(each))}

    @cached_property
    def _patterns(self) -> tuple[re.Pattern[str], dict[str, str]]:
        """A pattern for all values in every spelling, and the stand-in of each spelling."""
        spelled: dict[str, str] = {}
        patterns: dict[str, str] = {}
        for stand_in, value in self._values.items():
            if isinstance(value, str):
                is_word = _is_word(value)
                for form in _spellings(value):
                    spelled.setdefault(form, stand_in)
                    patterns.setdefault(form, _as_word(form) if is_word else re.escape(form))
            else:
                form = json.dumps(value)
                spelled.setdefault(form, stand_in)
                patterns.setdefault(form, _as_word(form))
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

    def in_row(self, leaf: JSON) -> JSON:
        """Return a string or number with stand-ins, as a row of a test file has it: a number stays a number."""
        if not self._values:
            return leaf
        if isinstance(leaf, str):
            return self._hidden(leaf)
        names = (name for name, value in self._values.items() if not isinstance(value, str))
        found = next((name for name in names if json.dumps(self._values[name]) == json.dumps(leaf)), None)
        return leaf if found is None else _number_for(found, leaf)

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
    leaves = (leaf for expression in expressions for leaf in _leaves(expression, row))
    return StandIns({f"[{name}]": value for name, value in leaves if _is_replaced(value)})


def staying_value(expression: str, row: Row) -> JSON:
    """Return a value of a row that no stand-in can replace, such as `true`; `None` if there is none."""
    values = (value for _, value in _leaves(expression, row) if not _is_replaced(value))
    return next(
        (value for value in values if isinstance(value, bool) or (isinstance(value, str) and value.strip())), None
    )


def replaced(row: Mapping[str, JSON], stand_ins: StandIns) -> dict[str, JSON]:
    """Return a row with stand-ins in its columns, for a test file. The stand-in for a number is a number."""
    hidden: dict[str, JSON] = {name: _mapped(value, stand_ins.in_row, keys=True) for name, value in row.items()}
    return hidden


def _leaves(expression: str, row: Row) -> Iterator[tuple[str, JSON]]:
    """Yield the values of an expression that are neither lists nor objects, each with its name."""
    try:
        value = evaluate(expression, {"row": row})
    except RowError:
        return
    yield from _parts(expression.strip(), value)


def _parts(name: str, value: JSON) -> Iterator[tuple[str, JSON]]:
    if isinstance(value, dict | list):
        for key, member in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _parts(f"{name}.{key}", member)
    else:
        yield name, value


def _is_replaced(value: JSON) -> bool:
    """Return whether a value has a stand-in."""
    if isinstance(value, str):
        return len(value) >= _SHORTEST or any(each.isalnum() or each >= _UNSPACED for each in value)
    return _is_number(value)


def _is_word(value: str) -> bool:
    """Return whether a string is replaced only as a word."""
    return len(value) < _SHORTEST and all(each < _UNSPACED for each in value)


def _as_word(form: str) -> str:
    """Return the pattern of a form of a value that is not a part of a word or a number."""
    before = _BEFORE if form[0].isalnum() or form[0] in "-_" else ""
    return f"{before}{re.escape(form)}{_AFTER if form[-1].isalnum() or form[-1] == '_' else ''}"


def _is_number(value: JSON) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number_for(stand_in: str, number: JSON) -> JSON:
    """Return the number that takes the place of a number in a row: the same for each row, and of the same kind."""
    made = _LEAST_NUMBER + int.from_bytes(short_digest(stand_in)[:6]) % (9 * _LEAST_NUMBER)
    return made + 0.5 if isinstance(number, float) else made


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


def _changed(value: JSON) -> Iterator[str]:
    """Yield patterns of a value in small letters and in an address, and of a number with separators and decimals."""
    if not isinstance(value, str):
        with suppress(OverflowError):  # an integer beyond the range of floats
            forms = (f"{value:,}", f"{value:.1f}", f"{value:.2f}", f"{value:,.2f}", f"{value:.0f}")
            yield from (_as_word(each) for each in forms if len(each) > _SHORTEST and each != json.dumps(value))
    elif not value.isalpha() and len(value) >= _SHORTEST:
        yield re.escape(_escaped(value).casefold())
        yield re.escape(quote(value).casefold())
        yield re.escape(quote(value, safe="").casefold())


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
