"""The static types of lists: what to write in place of a value that is not one, and the messages of a conversation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from yamlgen.diagnostics import Diagnostic
from yamlgen.errors import Code
from yamlgen.expressions import type_inference
from yamlgen.expressions.evaluation import shown
from yamlgen.expressions.static_types import Absent, TypeView
from yamlgen.schemas.type_words import spoken
from yamlgen.steps.step_template import Role, StepTemplate

_ROLES: Final = frozenset({"system", "user", "assistant"})
_FORM: Final = "each message of a conversation is an object with `role` and `content`, which are strings"
_BLOCKS: Final = "a list of content blocks is not accepted: join their text in a `compute` or a `python` step"


def list_hints(role: Role, source: str) -> Mapping[frozenset[str], str]:
    """Return the fixes for an expression that must be a list, by the types that it has instead."""
    if role == "turns":
        return {
            frozenset({"array", "null"}): f"skip the step for null, with `when: {source}`",
            frozenset({"string"}): "for a string, write a message: `{role: user, content: ...}`",
        }
    return {
        frozenset({"array", "null"}): f"write `({source}) or []` for an empty list instead of null",
        frozenset({"string"}): f'to split a string of several values, write `({source}).split(";")`',
    }


def message_faults(template: StepTemplate, messages: TypeView) -> Iterator[Diagnostic]:
    """Yield a diagnostic for each way in which the items of a list cannot be messages.

    Args:
        template: the expression that returns the list.
        messages: the type of the list, as far as it is known.
    """
    mark, item = template.mark(0, len(template.source)), type_inference.item_of(messages)
    source = shown(template.source)
    if item.types() and "object" not in item.types():
        message = f"an item of `{source}` is {spoken(item.types())}, not a message"
        yield Diagnostic(Code.WRONG_KIND, message, mark, _FORM)
        return
    for key in ("role", "content"):
        try:
            member = item.solid().member(key)
        except Absent as absent:
            yield Diagnostic(Code.UNKNOWN_FIELD, absent.message, mark, _FORM)
            continue
        kinds, words = member.types(), member.type().schema.get("enum", _ROLES)
        if kinds and "string" not in kinds:
            message = f"`{key}` of an item of `{source}` is {spoken(kinds)}, not a string"
            yield Diagnostic(Code.WRONG_KIND, message, mark, _BLOCKS if "array" in kinds else _FORM)
        elif key == "role" and not any(word in words for word in _ROLES):
            message = f"`role` of an item of `{source}` is never `user` or `assistant`"
            yield Diagnostic(Code.WRONG_VALUE, message, mark, "list `user` and `assistant` in the schema of its step")
