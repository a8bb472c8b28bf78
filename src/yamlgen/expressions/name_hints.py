"""Hints for unknown names and members in expressions.

Owns the names that other tools use, and the hints about where a bare name belongs.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, Final

from jinja2 import nodes

from yamlgen.expressions.jinja_environment import filters
from yamlgen.expressions.narrowing import Path
from yamlgen.expressions.static_types import ANYTHING, Absent, NamespaceView, TypeView
from yamlgen.expressions.syntax_errors import RAW
from yamlgen.suggestions import Hint, Rewrite, correction, knowing, listing, nearest

_MEMBER: Final = re.compile(r"\.(\w+)")
_COMPARED: Final = re.compile(r"(?:[=!]=|\bin|[\[,]|(?<!\brange)(?<=\w)\()\s*\Z")
_COMPARES: Final = re.compile(r"\s*[=!]=")
"""The context before or after a name that may be a string without quotes."""

_ROOTS: Final = {
    **dict.fromkeys(("input", "inputs", "record", "column", "columns"), "row"),
    **dict.fromkeys(("output", "outputs", "result", "results"), "steps"),
    **dict.fromkeys(("vars", "variables", "parameters", "args"), "params"),
}
"""The names of other tools for the values that a template receives."""

_LITERALS: Final = {"null": "none", "nil": "none", "undefined": "none"}

_ELSEWHERE: Final = {
    "item": "in a step or output with `for_each`, except in its `when`, `for_each` and `split`",
    "item_index": "in a step or output with `for_each`, except in its `when`, `for_each` and `split`",
    "matrix": "in a step with `matrix`, except in its `when` and `for_each`",
    "output": "in the `check` of a step",
    "steps": "in a step, and in the expressions of an output",
    "thinking": "if a step keeps it, with `output: {keep_thinking: true}`",
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
_OF_MAP: Final = ["attribute", "default"]
"""The named arguments of `map` without the name of a filter."""

_NO_SCHEMA: Final = "to get an answer with fields, set a schema in its step: `output: {schema: ...}`"
AS_A_WHOLE: Final = "its schema describes a string"
"""How the hint about a member of an answer with the schema of a string begins."""

_FLATTEN: Final = frozenset({"flatten", "flat", "concat"})
_ANSWERS: Final = frozenset({"output", "text", "result", "content", "response", "answer", "value"})
_OF_DATES: Final = frozenset({"strftime", "isoformat", "date", "year", "month", "day", "hour", "weekday", "timestamp"})


def meant(  # noqa: PLR0911 - a table
    source: str, start: int, word: str, scope: Mapping[str, TypeView], names: Collection[str]
) -> str | None:
    """Return the hint for an unknown bare name: it may lack its root, or be a string without quotes.

    Args:
        source: the expression or the template.
        start: the offset of the name.
        word: the unknown name.
        scope: the names that are known at that place.
        names: the roots among them.
    """
    if f"${{{{ {word}" in source:  # syntax of another tool, such as GitHub Actions
        return RAW
    if word in _ELSEWHERE:
        return f"`{word}` is available only {_ELSEWHERE[word]}"
    if FILTERS.get(word, word) in set(filters()) - {"items"}:
        return f"use the filter: `... | {FILTERS.get(word, word)}`"
    for holder in ("row", "params", "steps", "matrix"):
        members = getattr(scope.get(holder), "members", ())
        named = [each for each in (word, word.removeprefix(holder).lstrip("_")) if each in members]
        if named and (word in members or word.startswith(holder)):
            return _rooted(source[:start], word, f"{holder}.{named[0]}", scope)
    if word.lower() in _LITERALS or word.lower() in ("true", "false"):
        return f"write `{_LITERALS.get(word.lower(), word.lower())}`"
    if hint := of_column(word, getattr(scope.get("thinking"), "members", ())):
        return hint
    bound = [*dict.fromkeys((*names, *scope))]
    if (slip := correction(word, bound)) is not None and nearest(word, bound) is not None:
        return Hint.knowing(slip, references(scope, names)) if isinstance(slip, Hint) else slip
    row, member = scope.get("row"), _MEMBER.match(source, start + len(word))
    columns = row.members if isinstance(row, NamespaceView) else None
    near = "row" if columns and member and member[1] in columns else None
    if near is None and (_COMPARED.search(source[:start]) or _COMPARES.match(source, start + len(word))):
        return quoted(word)
    near = near or _near(word, scope, names)
    text = f"a string is written `\"'{word}'\"`; " if source.strip() == word else ""
    in_scope = f"in scope: {', '.join(f'`{name}`' for name in names)}"
    known = f"columns: {listing(map(column, columns), 8)}" if columns else f"a column is `row.{word}`"
    rest = "" if row is None else f"; {known}"  # without rows: the path of an output
    return f"did you mean `{near}`?" if near else f"{text}{in_scope}{rest}"


def of_column(name: str, steps: Collection[str]) -> str | None:
    """Return the hint for a name that is the default column of what the model of a step thought, or `None`."""
    step = name.removesuffix("_thinking")
    return f"did you mean `thinking.{step}`?" if step != name and step in steps else None


def _rooted(before: str, word: str, meant: str, scope: Mapping[str, TypeView]) -> str:
    """Return the hint for a name without its root. After a comparison, it may be a string without quotes."""
    hint = f"did you mean `{meant}`?"
    holders = [each for each in ("row", "params", "steps", "matrix") if word in getattr(scope.get(each), "members", ())]
    is_certain = holders != ["steps"] and [f"{each}.{word}" for each in holders] == [meant]  # a step may need this one
    is_certain = is_certain and not _COMPARED.search(before)
    return Rewrite(hint, word, meant) if is_certain else hint


def references(scope: Mapping[str, TypeView], names: Collection[str]) -> list[str]:
    """Return every reference that is known at a place: the members of the roots, and what else is in scope."""
    found: list[str] = []
    for name in dict.fromkeys((*names, *scope)):
        members = getattr(scope.get(name), "members", None)
        found += [name] if members is None else [f"{name}.{each}" for each in members]
    return found


def wrong_arguments(node: nodes.Filter | nodes.Test, function: Callable[..., Any]) -> Iterator[tuple[str, str | None]]:
    """Yield why a filter or a test cannot be called with its arguments, and the hint; nothing if it can."""
    before: list[Any] = [None] * hasattr(inspect.unwrap(function), "jinja_pass_arg")
    named = {str(pair.key): None for pair in node.kwargs}
    signature = inspect.signature(function)
    own = _OF_MAP if node.name == "map" and not node.args else [*signature.parameters][len(before) + 1 :]
    unknown = next((name for name in named if name not in own), None)
    try:
        signature.bind(*before, None, *node.args, **named)
        if own is not _OF_MAP or unknown is None:
            return
        fact = f"got an unexpected keyword argument '{unknown}'"
    except TypeError as error:
        fact = str(error)
    hint = f"arguments: {listing(own)}" if unknown is None and own else correction(unknown or "", own, "arguments")
    if isinstance(node, nodes.Test) and node.args:
        hint = "join it with `and` or `or` to what follows"
    yield f"`{node.name}` has wrong arguments: {fact}", hint or f"write `{node.name}` without arguments"


def _near(word: str, scope: Mapping[str, TypeView], names: Collection[str]) -> str | None:
    """Return the name that a bare name is similar to: a root under another tool's name, or a member of a root."""
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


def other_filter(name: str, known: Collection[str], what: str) -> str | None:
    """Return the hint for an unknown filter or test, which may have the name of another tool."""
    if name in _FLATTEN and what == "filter":
        strings = "; to join strings, write `~`" if name == "concat" else ""
        return knowing(f"to join a list of lists, write `| sum(start=[])`{strings}", known)
    other = FILTERS.get(name)
    return knowing(f"did you mean `{other}`?", known) if other in known else correction(name, known, f"{what}s")


def instead(path: Path, named: str, key: str, owner: TypeView) -> str | None:
    """Return the hint for a member that a string or a list does not have, but values in other tools have.

    Args:
        path: the path of the string or list; empty if it is not a reference.
        named: the string or list as the template writes it.
        key: the member.
        owner: the type of the string or list.
    """
    if key == "thinking" and path[:1] == ("steps",) and len(path) == 2:  # noqa: PLR2004 - a whole step
        return f"write `thinking.{path[1]}`, with `output: {{keep_thinking: true}}` in the step"
    if owner.types() not in ({"string"}, {"array"}) or not path:
        return None
    if key in ("contains", "includes", "has"):
        return f'write `"..." in {named}`'
    if FILTERS.get(key, key) in filters():
        return f"use the filter: `{named} | {FILTERS.get(key, key)}`" if key != "items" else None
    return _of_list(named, key, owner) if owner.types() == {"array"} else _of_string(path, named, key, owner)


def _of_string(path: Path, named: str, key: str, owner: TypeView) -> str | None:
    """Return the hint for a member that a string does not have."""
    if key in _OF_DATES:
        return f"a date is a string here: its year is `{named}[:4]`, and its month is `{named}[5:7]`"
    if key in _ANSWERS and path[:1] == ("steps",):
        return f"write `{named}` alone"
    methods = [name for name in dir(str) if name[0] != "_"]
    if near := get_close_matches(key, methods, n=1, cutoff=0.75):
        return Hint(f"did you mean `{near[0]}`?", methods)
    is_answer = (path[:1], len(path)) in ((("steps",), 2), (("output",), 1))
    if not is_answer:
        return None
    has_schema = owner.solid().type().schema != {"type": "string"}
    return f"{AS_A_WHOLE}: write `{named}`" if has_schema else _NO_SCHEMA


def _of_list(named: str, key: str, owner: TypeView) -> str | None:
    """Return the hint for a member that a list does not have, but its items or lists of other languages have."""
    if key in _FLATTEN:
        return f"to join a list of lists, write `{named} | sum(start=[])`"
    attribute = json.dumps(key, ensure_ascii=False)
    is_of_items = _has_field(owner, key)
    return f"write `{named} | map(attribute={attribute}) | list`, or use `for_each`" if is_of_items else None


def _has_field(owner: TypeView, key: str) -> bool:
    """Whether the items of a list are objects with this field."""
    try:
        item = owner.solid().element().solid()
        return item.types() == {"object"} and item.member(key) is not ANYTHING
    except Absent:
        return False


def quoted(text: str) -> str:
    """Return the hint for a string without quotes; single quotes are valid inside double-quoted YAML."""
    return f"put a string in quotes: `'{text}'`"


def column(name: str) -> str:
    """Return a reference to a column."""
    return f"row.{name}" if name.isidentifier() else f"row[{json.dumps(name, ensure_ascii=False)}]"
