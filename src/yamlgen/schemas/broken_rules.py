"""Which keyword of a schema a value breaks and where, by the words of the validator.

The store keeps the words of the errors of each answer. They begin with the path and the value, which may contain
anything, so that the value is read as JSON and skipped before the words are looked at.
"""

from __future__ import annotations

import json
import re
from typing import Final, NamedTuple

from yamlgen.value_objects import JSON

_PATH: Final = re.compile(r"(\$(?:[.\[].*?)?): ", re.DOTALL)
_MOST_PATH: Final = 2000
"""A path ends within so many characters: the time of the search grows with their square, and names may be long."""

_INDEX: Final = re.compile(r"\[\d+\]")
_VALUE: Final = json.JSONDecoder()
_FIRST: Final = (
    ("additionalProperties", "Additional properties are not allowed"),
    ("unevaluatedProperties", "Unevaluated properties are not allowed"),
    ("unevaluatedItems", "Unevaluated items are not allowed"),
    ("contains", "None of "),
    ("false", "False schema does not allow "),
)
"""How the words begin that do not begin with the value; `false` is the schema that forbids a value."""

_LAST: Final = (
    ("required", r" is a required property"),
    ("enum", r" is not one of .*"),
    ("const", r" was expected"),
    ("type", r" is not of types? \".*"),
    ("minLength", r" is shorter than \d+ characters?"),
    ("maxLength", r" is longer than \d+ characters?"),
    ("exclusiveMinimum", r" is less than or equal to the minimum of .*"),
    ("minimum", r" is less than the minimum of .*"),
    ("exclusiveMaximum", r" is greater than or equal to the maximum of .*"),
    ("maximum", r" is greater than the maximum of .*"),
    ("multipleOf", r" is not a multiple of .*"),
    ("pattern", r" does not match \".*"),
    ("format", r" is not a \".*"),
    ("minItems", r" has less than \d+ items?"),
    ("maxItems", r" has more than \d+ items?"),
    ("uniqueItems", r" has non-unique elements"),
    ("minProperties", r" has less than \d+ propert(?:y|ies)"),
    ("maxProperties", r" has more than \d+ propert(?:y|ies)"),
    ("anyOf", r" is not valid under any of the schemas listed in the 'anyOf' keyword"),
    ("oneOf", r" is (?:not valid under any|valid under more than one) of the schemas listed in the 'oneOf' keyword"),
    ("not", r" is not allowed for .*"),
)
_ENDS: Final = tuple((keyword, re.compile(f"{words}\\Z", re.DOTALL)) for keyword, words in _LAST)


class BrokenRule(NamedTuple):
    """A keyword that a value breaks.

    Attributes:
        place: the path of the value, with `[]` for any item of a list, such as `$.tags[]`; of a `required` property
            that is missing, its own path; empty if none is told.
        keyword: the keyword, such as `maxLength`; empty if the words are not about one.
    """

    place: str = ""
    keyword: str = ""


def broken_rule_in(words: str) -> BrokenRule:
    """Return the first keyword of a schema that an error is about; an empty one if it is about none."""
    found = _PATH.search(words, 0, _MOST_PATH)
    if found is None:
        return BrokenRule()
    place, told = _INDEX.sub("[]", found[1]), words[found.end() :]
    keyword, value = _keyword(told)
    if keyword == "required" and isinstance(value, str):
        place = f"{place}.{value}"
    return BrokenRule(place, keyword) if keyword else BrokenRule()


def _keyword(told: str) -> tuple[str, JSON]:
    """Return the keyword that words are about, and the value that they begin with, as far as it can be read."""
    for keyword, beginning in _FIRST:
        if told.startswith(beginning):
            return keyword, None
    try:
        value, end = _VALUE.raw_decode(told)
    except (ValueError, RecursionError):  # the value was cut, or is no JSON
        return next((keyword for keyword, words in _ENDS if words.search(told)), ""), None
    return next((keyword for keyword, words in _ENDS if words.match(told, end)), ""), value
