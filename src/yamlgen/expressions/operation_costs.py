"""Estimate the cost of each Jinja operation from its operands before it runs, in characters handled.

Owns the figures for operators, filters, tests and methods. A figure is the cost in the worst case. An operation that is
not listed here costs the weight of its operands. tests/expressions/test_operation_costs.py measures all of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any, Final

from jinja2.runtime import BlockReference, LoopContext, Macro, Undefined
from jinja2.utils import Namespace
from markupsafe import Markup

from yamlgen.expressions.render_limits import CALL, MOST_MADE, MOST_WORK, STEP, VALUE, make, spend, weight

_COPIED: Final = 64
"""How many characters are copied or compared in the time that it takes to handle one."""
_BITS: Final = 9000
"""How many pairs of bits are multiplied in that time."""
_HASHES: Final = (1 << 61) - 1
"""Integers from here on can share a hash, so that a set of them is searched linearly."""
_SHORT: Final = 2500
"""In shorter strings, Python searches for a substring at each position separately."""

_DIGITS: Final = re.compile(r"\d+")
_DIVIDERS: Final = re.compile("[.,]")
"""Separators in the name of an attribute."""
_PADDING: Final = frozenset({"ljust", "rjust", "center", "zfill", "to_bytes"})
_BACKWARDS: Final = frozenset({"rfind", "rindex", "rsplit", "rpartition"})
_STRIPPING: Final = frozenset({"strip", "lstrip", "rstrip"})
_SEARCHING: Final = frozenset({"find", "index", "count", "split", "partition", "replace"})
_CODECS: Final = re.compile(r"(utf|ascii|latin|iso|cp|us_ascii|windows).*")
"""Codecs that take no longer than a copy."""

_KEPT: Final = frozenset({"default", "d", "length", "count", "first", "last", "attr"})
"""Filters that read at most one item."""
_SHALLOW: Final = frozenset({"list", "reverse", "items", "batch", "slice"})
"""Filters that do not read the contents of items."""
_EACH: Final = frozenset({"map", "select", "reject", "selectattr", "rejectattr", "min", "max", "sum", "urlencode"})
"""Filters that call a function for each item."""
_SORTING: Final = frozenset({"sort", "unique", "groupby", "dictsort"})
_SLOW: Final[Mapping[str, int]] = {"title": 16, "urlencode": 24, "striptags": 8, "wordcount": 4}
"""Filters over strings that take longer for each character, and by which factor."""

_PLAIN: Final = frozenset(
    {"boolean", "callable", "defined", "escaped", "false", "float", "integer", "iterable", "mapping", "none", "number"}
    | {"sameas", "sequence", "string", "true", "undefined"}
)
"""Tests that do not read the contents of a value."""
_COMPARING: Final[Mapping[str, str]] = {"in": "in"} | dict.fromkeys(
    ("==", "eq", "equalto", "!=", "ne", ">", "gt", "greaterthan", ">=", "ge", "<", "lt", "lessthan", "<=", "le"), "eq"
)
_DIVIDING: Final[Mapping[str, int]] = {"odd": 2, "even": 2, "divisibleby": 0}


def _length(value: Any) -> int:
    """Return the number of items or characters of a value; 0 if it has none."""
    return len(value) if hasattr(value, "__len__") and not isinstance(value, Undefined) else 0


def _bits(value: object) -> int:
    """Return the length of a number in bits."""
    return value.bit_length() if isinstance(value, int) else 64


def numbers(*values: object) -> int:
    """Return the sum of the integers among arguments, which are counts or widths."""
    return sum(abs(value) for value in values if isinstance(value, int))


def widths(template: str) -> int:
    """Return the sum of the numbers in a format string."""
    return sum(int(run) if len(run) < len(str(MOST_MADE)) + 1 else MOST_MADE + 1 for run in _DIGITS.findall(template))


def _formatted(template: str, values: Any) -> int:
    """Return the cost of `template % values`."""
    each = template.count("%")
    stars = numbers(*values) if "*" in template and isinstance(values, tuple) else 0
    make(widths(template) + stars)
    return len(template) + STEP * each + weight(values) * (1 if isinstance(values, tuple) else max(1, each))


def _searched(text: Any, part: Any) -> int:
    """Return the cost of a search for a substring."""
    size, short = len(text), min(_length(part), _SHORT)
    return VALUE + 4 * size + (size * short // 16 if size < _SHORT else short)


def _replaced(text: str, args: tuple[Any, ...]) -> int:
    """Return the cost of `text.replace(old, new)`."""
    if len(args) < 2:  # noqa: PLR2004 - `old` and `new`
        return 0
    old, new = args[:2]
    found = int(text.count(old)) if old else len(text) + 1
    make(len(text) + found * len(new))
    return _searched(text, old) + 4 * found


def joined(between: Any, parts: Iterable[Any]) -> tuple[list[Any], int]:
    """Return the parts of a join, up to the limit, and its cost."""
    found: list[Any] = []
    total, each = VALUE, weight(between)
    for part in parts:
        found.append(part)
        total += weight(part) + each
        if total > MOST_WORK:
            break
    make(max(0, total - 2 * VALUE * len(found) - VALUE))
    return found, total


def compared(operator: str, left: Any, right: Any) -> int:
    """Return the cost of a comparison; containers are compared up to the length of the smaller one."""
    if operator in ("in", "notin"):
        if isinstance(right, str | bytes):
            return _searched(right, left)
        if isinstance(right, Mapping):
            return weight(left)
        if isinstance(left, list | tuple | Mapping):
            return weight(right)
        return VALUE + _length(right) * (4 + _length(left) // _COPIED + _bits(left) // _BITS)
    if not isinstance(left, list | tuple | Mapping) or not isinstance(right, list | tuple | Mapping):
        return VALUE + min(_length(left), _length(right)) // _COPIED + min(_bits(left), _bits(right)) // _BITS
    least = MOST_WORK + 1
    for side in sorted((left, right), key=len):
        least = min(least, weight(side, least))
    return least


def calculated(operator: str, left: Any, right: Any) -> int:
    """Return the cost of an arithmetic operation."""
    if operator == "%" and isinstance(left, str | bytes):
        return _formatted(left if isinstance(left, str) else left.decode("latin-1"), right)
    if operator == "+" and not isinstance(left, int | float):
        make(_length(left) + _length(right))
    elif operator == "*" and (_length(left) or _length(right)):
        make(max(_length(left) * numbers(right), _length(right) * numbers(left)))
    elif operator == "**" and isinstance(left, int) and isinstance(right, int):
        bits = _bits(left) * abs(right)
        return VALUE + bits * bits // _BITS
    elif operator in ("+", "-"):
        return VALUE + (_bits(left) + _bits(right)) // STEP
    return VALUE + _bits(left) * _bits(right) // _BITS


def _argument(at: int, name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any], default: Any) -> Any:
    return args[at] if at < len(args) else kwargs.get(name, default)


def filtered(name: str, value: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> int:  # noqa: C901, PLR0911 - a table
    """Return the cost of a filter, in addition to what is spent here for weighing the value."""
    given = (*args, *kwargs.values())
    count = _length(value)
    if name in _KEPT:
        return STEP
    if name in _SHALLOW:
        size = _argument(0, "linecount" if name == "batch" else "slices", args, kwargs, 1)
        lists = 0
        if isinstance(size, int) and name in ("batch", "slice"):
            make(abs(size))
            lists = count // max(1, size) if name == "batch" else abs(size)
        return STEP * (1 + 2 * lists) + (count if isinstance(value, str) and name == "reverse" else VALUE * count)
    if name == "truncate":
        return STEP + 4 * min(count, numbers(_argument(0, "length", args, kwargs, 255)))
    weighed = weight(value)
    spend(STEP + weighed * _SLOW.get(name, 1) + weight(given))
    if name in _EACH or name in _SORTING:
        spend(STEP * 2 * count * (1 + sum(len(_DIVIDERS.findall(text)) for text in given if isinstance(text, str))))
    if name in _SORTING:
        return (weighed // 8) * count.bit_length() + _collisions(value)
    match name:
        case "sum":
            return _summed(value, _argument(1, "start", args, kwargs, 0))
        case "center":
            make(numbers(_argument(0, "width", args, kwargs, 80)))
        case "round":
            bits = _bits(value) + 4 * numbers(_argument(0, "precision", args, kwargs, 0))
            return bits * bits // _BITS
        case "indent":
            width = _argument(0, "width", args, kwargs, 4)
            make((len(str(value).splitlines()) + 1) * (width if isinstance(width, int) else _length(width)))
        case "wordwrap":
            return _wrapped(str(value), _argument(0, "width", args, kwargs, 79), given)
        case "replace":
            return _replaced(str(value), tuple(str(item) for item in given))
        case "format":
            return _formatted(str(value), kwargs or args)
        case "trim":
            return count * _length(_argument(0, "chars", args, kwargs, "")) // _COPIED
        case "tojson":
            indent = _argument(0, "indent", args, kwargs, None)
            return _indented(value, indent) if isinstance(indent, int) else 0
    return 0


def _summed(value: Any, start: Any) -> int:
    """Return the cost of a sum: each addition copies the intermediate result."""
    if not isinstance(start, int | float):
        return _length(value) * weight(value) // (4 * VALUE)
    most = max((_bits(item) for item in value if isinstance(item, int)), default=0) if _length(value) else 0
    return _length(value) * most // STEP


def _firsts(pairs: Any) -> list[Any]:
    """Return the keys of a mapping that is built from pairs."""
    items = pairs if isinstance(pairs, list | tuple) else ()
    return [item[0] for item in items if isinstance(item, list | tuple) and item]


def _collisions(value: Any) -> int:
    """Return the cost of a set or a mapping with integers that share a hash."""
    large = sorted(item for item in value if isinstance(item, int) and abs(item) >= _HASHES) if _length(value) else []
    counts: dict[int, int] = {}
    for item in (item for item, after in pairwise([*large, None]) if item != after):
        counts[hash(item)] = counts.get(hash(item), 0) + 1
    return 4 * sum(number * number for number in counts.values() if number > 1)


def _wrapped(text: str, width: Any, given: tuple[Any, ...]) -> int:
    """Return the cost of `wordwrap`: each word, each line, and for each line of a long word the rest of that word."""
    each: int = max(1, width) if isinstance(width, int) else 1
    words = text.split()
    longest = max(map(len, words), default=0)
    chunks = 2 * len(words) + 2 * text.count("-") + len(text) // each
    make(len(text) + chunks * max((len(item) for item in given if isinstance(item, str)), default=1))
    return 8 * len(text) + 2 * STEP * chunks + 16 * STEP * len(text.splitlines()) + longest * longest // each // 16


def _indented(value: Any, indent: int) -> int:
    """Return the cost of indented JSON: a line for each value, indented by its depth."""
    cost, depth, level = 0, 0, [value]
    while level and cost <= MOST_WORK:
        depth += 1
        below: list[Any] = []
        for part in level:
            if isinstance(part, Mapping):
                below.extend(part.values())
            elif isinstance(part, list | tuple):
                below.extend(part)
        cost += len(below) * (STEP + indent * depth)
        level = below
    return cost


def tested(name: str, value: Any, args: tuple[Any, ...]) -> int:
    """Return the cost of a test."""
    if name in _PLAIN:
        return STEP
    if name in _COMPARING and args:
        return STEP + compared(_COMPARING[name], value, args[0])
    if name in _DIVIDING:
        return STEP + calculated("%", value, _DIVIDING[name] or (args[0] if args else 1))
    return STEP + weight(value) + weight(args)


def called(function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> int:
    """Return the cost of a call."""
    if isinstance(function, Macro | LoopContext | BlockReference):
        return CALL
    given = (*args, *kwargs.values())
    owner, name = getattr(function, "__self__", None), getattr(function, "__name__", "")
    if isinstance(owner, Mapping):
        return STEP + (weight(args[:1]) if name == "get" else VALUE * 2 * len(owner))
    if function in (dict, Namespace) and all(isinstance(arg, Mapping) for arg in args):
        return CALL + 2 * VALUE * sum(map(len, (*args, kwargs)))
    cost = CALL + weight(owner) + weight(given)
    if name in _PADDING:
        make(numbers(*given))
    if function is dict or name == "fromkeys":
        cost += sum(_collisions(arg) + _collisions(_firsts(arg)) for arg in args)
    if isinstance(owner, str | bytes):
        cost += _of_text(owner, name, given)
    return cost


def _of_text(owner: str | bytes, name: str, given: tuple[Any, ...]) -> int:
    """Return the cost of a string method, in addition to the weight of its arguments."""
    size, part = len(owner), max(map(_length, given), default=0)
    cost = 4 * size
    if name == "expandtabs":
        make(size * max(8, numbers(*given)))
    elif name == "replace":
        cost += _replaced(owner, given)  # type: ignore[arg-type]  # bytes have the same methods
    elif name == "translate":
        table = given[0] if given and isinstance(given[0], Mapping) else {}
        make(size * max(map(_length, table.values()), default=1))
        cost += 8 * size
    elif name in _BACKWARDS:
        cost += size * part // 8
    elif name in _STRIPPING:
        cost += size * part // _COPIED
    elif name in _SEARCHING:
        cost += _searched(owner, given[0] if given else " ")
    elif name in ("encode", "decode"):
        codec = str(given[0] if given else "utf-8").lower()
        cost += 0 if _CODECS.fullmatch(codec) else size * size + 16 * STEP * size
    return cost * (8 if isinstance(owner, Markup) else 1)
