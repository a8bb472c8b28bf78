"""What an unknown name or member of an expression was probably meant to be.

Owns the hints about them: what other tools call them, and where the names live that stand alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Final

from yamlgen.expressions.jinja_environment import filters
from yamlgen.expressions.narrowing import Path
from yamlgen.expressions.static_types import NamespaceView, TypeView
from yamlgen.expressions.syntax_errors import RAW
from yamlgen.suggestions import listing, nearest, suggestion

_MEMBER: Final = re.compile(r"\.(\w+)")
_COMPARED: Final = re.compile(r"(?:[=!]=|\bin|[\[,]|(?<!\brange)(?<=\w)\()\s*\Z")
_COMPARES: Final = re.compile(r"\s*[=!]=")
"""What stands before or behind a name that may be a text without its quotes."""

_ROOTS: Final = {
    **dict.fromkeys(("input", "inputs", "record", "column", "columns"), "row"),
    **dict.fromkeys(("output", "outputs", "result", "results"), "steps"),
    **dict.fromkeys(("vars", "variables", "parameters", "args"), "params"),
}
"""What other tools call what a template is given."""

_LITERALS: Final = {"null": "none", "nil": "none", "undefined": "none"}

_ELSEWHERE: Final = {
    "item": "in a step with `for_each`, behind its `when` and `for_each`",
    "item_index": "in a step with `for_each`, behind its `when` and `for_each`",
    "matrix": "in a step with `matrix`, behind its `when` and `for_each`",
    "output": "in the `check` of a step",
}
FILTERS: Final = {
    "len": "length",
    "sorted": "sort",
    "str": "string",
    "size": "length",
    "count_of": "length",
    "strip": "trim",
    "uppercase": "upper",
    "lowercase": "lower",
    "json": "tojson",
    "to_json": "tojson",
    "null": "none",
    "nil": "none",
    "None": "none",
    "empty": "none",
    "toUpperCase": "upper",
    "toLowerCase": "lower",
    "upcase": "upper",
    "downcase": "lower",
}
_ANSWERS: Final = frozenset({"output", "text", "result", "content", "response", "answer", "value"})
_OF_DATES: Final = frozenset({"strftime", "isoformat", "date", "year", "month", "day", "hour", "weekday", "timestamp"})


def meant(source: str, start: int, word: str, scope: Mapping[str, TypeView], names: Collection[str]) -> str | None:
    """The hint for a bare name: perhaps the author left out where it lives, or the quotes around a text.

    Args:
        source: the expression or the template.
        start: of the name in it.
        word: the name, which is unknown.
        scope: what is known at that place.
        names: the roots of it.
    """
    if f"${{{{ {word}" in source:  # of another tool, such as GitHub's actions
        return RAW
    if word in _ELSEWHERE:
        return f"`{word}` is there {_ELSEWHERE[word]}"
    if FILTERS.get(word, word) in set(filters()) - {"items"}:
        return f"it is a filter here: `... | {FILTERS.get(word, word)}`"
    for holder in ("row", "params", "steps", "matrix"):
        members = getattr(scope.get(holder), "members", ())
        named = [each for each in (word, word.removeprefix(holder).lstrip("_")) if each in members]
        if named and (word in members or word.startswith(holder)):
            return f"did you mean `{holder}.{named[0]}`?"
    if word.lower() in _LITERALS or word.lower() in ("true", "false"):
        return f"write `{_LITERALS.get(word.lower(), word.lower())}`"
    if nearest(word, names) is not None:
        return suggestion(word, names)
    row, member = scope.get("row"), _MEMBER.match(source, start + len(word))
    columns = row.members if isinstance(row, NamespaceView) else None
    near = "row" if columns and member and member[1] in columns else None
    if near is None and (_COMPARED.search(source[:start]) or _COMPARES.match(source, start + len(word))):
        return quoted(word)
    near = near or _near(word, scope, names)
    text = f"; a text is `\"'{word}'\"`" if source.strip() == word else ""
    in_scope = f"in scope: {', '.join(f'`{name}`' for name in names)}"
    known = f"columns: {listing(map(column, columns), 8)}" if columns else f"a column is `row.{word}`"
    return f"did you mean `{near}`?" if near else f"{in_scope}; {known}{text}"


def _near(word: str, scope: Mapping[str, TypeView], names: Collection[str]) -> str | None:
    """What a bare name is near to: a root by another tool's name, or a member of one."""
    root = _ROOTS.get(word.lower())
    if root == "steps" and "output" in names:
        return "output"
    if root in names:
        return root
    for holder in ("row", "params", "steps"):
        view = scope.get(holder)
        near = nearest(word, view.members) if isinstance(view, NamespaceView) else None
        if near is not None:
            return f"{holder}.{near}"
    return None


def instead(path: Path, named: str, key: str, owner: TypeView) -> str | None:
    """The hint for a member that a text or a list lacks, and values have elsewhere.

    Args:
        path: of the text or list; empty where it is no reference.
        named: it, as the template writes it.
        key: the member.
        owner: what is known of the text or list.
    """
    if owner.types() not in ({"string"}, {"array"}) or not path:
        return None
    if key in ("contains", "includes", "has"):
        return f'`"..." in {named}` asks that'
    if FILTERS.get(key, key) in filters():
        return f"it is a filter here: `{named} | {FILTERS.get(key, key)}`" if key != "items" else None
    if owner.types() == {"array"}:
        return None
    if key in _OF_DATES:
        return f"a date is text here: its year is `{named}[:4]`, and its month `{named}[5:7]`"
    if key in _ANSWERS and path[:1] == ("steps",):
        return f"the text is `{named}` itself"
    near = get_close_matches(key, (name for name in dir(str) if name[0] != "_"), n=1, cutoff=0.75)
    if near:
        return f"did you mean `{near[0]}`?"
    is_answer = (path[:1], len(path)) in ((("steps",), 2), (("output",), 1))
    return "an answer with fields has a schema, in its step: `output: {schema: ...}`" if is_answer else None


def quoted(text: str) -> str:
    """The hint for a text without its quotes, which may stand in a text of YAML that has double ones."""
    return f"a text stands in quotes: `'{text}'`"


def column(name: str) -> str:
    """A reference to a column."""
    return f"row.{name}" if name.isidentifier() else f"row[{json.dumps(name, ensure_ascii=False)}]"
