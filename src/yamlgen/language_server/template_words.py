"""The filters, tests, tags and names of templates, each in one line."""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from yamlgen.expressions.jinja_environment import filters, sandbox

ROOTS: Final = {
    "row": "The columns of the input row.",
    "params": "The parameters of the run.",
    "steps": "The values of other steps, by name.",
    "thinking": "What the models of steps with `keep_thinking` thought.",
    "item": "The item of `for_each`.",
    "item_index": "The number of the item, from 0.",
    "matrix": "The labels of the combination.",
    "output": "The output of this step.",
}
"""The names in the scope of a template."""

TAGS: Final = {
    "if": "Text that depends on a condition: `{% if ... %} ... {% endif %}`.",
    "elif": "Another condition of an `if`.",
    "else": "What applies otherwise.",
    "endif": "The end of an `if`.",
    "for": "Text for each item: `{% for item in ... %} ... {% endfor %}`.",
    "endfor": "The end of a `for`.",
    "set": "A variable: `{% set name = ... %}`.",
}
"""The tags of templates."""

_OWN: Final = {"tojson": "The value as JSON, with its keys in their order and without escapes for HTML."}
_ROLE: Final = re.compile(r":\w+:`([^`<]*?)(?:\s*<[^>]*>)?`")


@cache
def filter_docs() -> dict[str, str]:
    """Return the filters that templates may use, each with its documentation in one line."""
    known = sandbox().filters
    return {name: _OWN.get(name) or _line(known[name].__doc__) for name in sorted(filters())}


@cache
def test_docs() -> dict[str, str]:
    """Return the tests that may follow `is`, each with its documentation in one line."""
    return {name: _line(test.__doc__) for name, test in sorted(sandbox().tests.items()) if name[0].isalpha()}


def _line(text: str | None) -> str:
    """Return the first sentence of a docstring, as Markdown."""
    paragraph = " ".join((text or "").strip().partition("\n\n")[0].split())
    sentence = re.split(r"(?<=[.!?])\s|:\s*$", paragraph, maxsplit=1)[0]
    return _ROLE.sub(r"`\1`", sentence).replace("``", "`")
