r"""Draws strings that match a regular expression.

No library was suitable: rstr builds negated sets in hash order, so its strings differ between processes, and it repeats
`*` up to a hundred times; exrex uses the global random state. Here Python parses the expression, and this module walks
the parse tree. Look-arounds and boundaries are ignored: the caller checks the result.
"""

from __future__ import annotations

import importlib
import re
import string
import warnings
from functools import lru_cache
from random import Random
from typing import Any

# Private, but unchanged since Python 3.11; its public name, `sre_parse`, is deprecated.
_PARSER: Any = importlib.import_module("re._parser")

_WORD = string.ascii_lowercase + string.ascii_uppercase + string.digits + "_"
_ANY = string.ascii_letters + string.digits + " -.!#"
_ALL = "".join(chr(code) for code in range(32, 127))
_CATEGORIES = {
    "CATEGORY_DIGIT": string.digits,
    "CATEGORY_NOT_DIGIT": string.ascii_letters,
    "CATEGORY_SPACE": " ",
    "CATEGORY_NOT_SPACE": string.ascii_letters + string.digits,
    "CATEGORY_WORD": _WORD,
    "CATEGORY_NOT_WORD": " -.",
}
_PROPERTIES = {
    "L": "a-zA-Z",
    "Letter": "a-zA-Z",
    "Lu": "A-Z",
    "Ll": "a-z",
    "N": "0-9",
    "Nd": "0-9",
    "P": ".,!-",
    "Z": " ",
    "Zs": " ",
}
_REPEATS = 6
_MOST = 1000


class PatternError(ValueError):
    """An expression for which no string can be drawn."""


def draw(pattern: str, rng: Random, least: int = 0) -> str:
    """Draw a string that should match `pattern`; check it before use.

    Args:
        pattern: a regular expression, as in JSON Schema.
        rng: the source of random choices.
        least: a length to aim for if the expression allows several.

    Raises:
        PatternError: the expression cannot be read.
    """
    return _Walk(rng, max(_REPEATS, min(least, _MOST))).sequence(_parsed(pattern))


@lru_cache(maxsize=512)
def compiled(pattern: str) -> re.Pattern[str]:
    """Compile `pattern` for Python.

    Raises:
        PatternError: the expression cannot be read.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return re.compile(_python(pattern))
    except (re.error, RecursionError, OverflowError) as error:
        raise PatternError(str(error)) from None


@lru_cache(maxsize=512)
def _parsed(pattern: str) -> Any:
    return _PARSER.parse(compiled(pattern).pattern)


def _python(pattern: str) -> str:
    """Translate the expression to Python's syntax, which differs for named groups and Unicode properties."""

    def letters(match: re.Match[str]) -> str:
        characters = _PROPERTIES.get(match[1])
        if characters is None:
            raise PatternError(f"\\p{{{match[1]}}}")
        before = pattern[: match.start()]
        return characters if before.count("[") > before.count("]") else f"[{characters}]"

    return re.sub(r"\(\?<(?![=!])", "(?P<", re.sub(r"\\p\{(\w+)\}", letters, pattern))


class _Walk:
    """One walk through a parsed expression."""

    def __init__(self, rng: Random, repeats: int) -> None:
        self.rng = rng
        self.repeats = repeats
        self.groups: dict[int, str] = {}

    def sequence(self, parsed: Any) -> str:
        return "".join(self._one(operator.name, value) for operator, value in parsed)

    def _one(self, name: str, value: Any) -> str:  # noqa: PLR0911 - one line for each operator
        match name:
            case "LITERAL":
                return chr(value)
            case "NOT_LITERAL":
                return self.rng.choice(_ANY.replace(chr(value), ""))
            case "ANY":
                return self.rng.choice(_ANY)
            case "IN":
                return self._set(value)
            case "BRANCH":
                return self.sequence(self.rng.choice(value[1]))
            case "SUBPATTERN":
                text = self.sequence(value[3])
                if value[0] is not None:
                    self.groups[value[0]] = text
                return text
            case "ATOMIC_GROUP":
                return self.sequence(value)
            case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
                return self._repeat(*value)
            case "GROUPREF":
                return self.groups.get(value, "")
            case "GROUPREF_EXISTS":
                branch = value[1] if value[0] in self.groups else value[2]
                return self.sequence(branch) if branch else ""
            case _:
                return ""

    def _repeat(self, least: int, most: Any, parsed: Any) -> str:
        times = self.rng.randint(least, max(least, min(int(most), least + self.repeats)))
        return "".join(self.sequence(parsed) for _ in range(times))

    def _set(self, items: Any) -> str:
        characters: list[str] = []
        for operator, value in items:
            match operator.name:
                case "LITERAL":
                    characters.append(chr(value))
                case "RANGE":
                    # The beginning of a wide range is enough.
                    characters.extend(map(chr, range(value[0], min(value[1], value[0] + 255) + 1)))
                case "CATEGORY":
                    characters.extend(_CATEGORIES[value.name])
        if items[0][0].name == "NEGATE":
            left_out = set(characters)
            characters = [c for c in _ANY if c not in left_out] or [c for c in _ALL if c not in left_out]
        if not characters:
            raise PatternError("an empty set")
        return self.rng.choice(characters)
