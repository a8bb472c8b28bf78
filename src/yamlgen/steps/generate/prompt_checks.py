"""Checks of a step's messages against the rules of the API: blank messages, their roles, and their length.

Owns the analysis of a template without a row: the text that it contains in every row.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from jinja2 import nodes
from jinja2.exceptions import TemplateError

from yamlgen import model_capabilities
from yamlgen.diagnostics import Diagnostic
from yamlgen.errors import Code
from yamlgen.expressions.jinja_environment import parse
from yamlgen.steps.generate.config import Generate, Turn
from yamlgen.steps.plan_step import Variant
from yamlgen.steps.step_file import StepFile
from yamlgen.steps.step_template import StepTemplate

_LAST_END: Final = re.compile(r"(\r\n|\r|\n)\Z")
"""The line break at the end, which Jinja removes."""

_PREFILL: Final = "prefill (a last message with `role: assistant`)"

_OPAQUE: Final = (nodes.FilterBlock, nodes.CallBlock, nodes.Include, nodes.Extends, nodes.Block)
"""Statements that may output text that they do not contain."""


@dataclass(frozen=True, slots=True)
class Constant:
    """The part of a template that is the same for every row.

    Attributes:
        parts: the strings that every rendering contains, in order.
        ends: whether every rendering ends with the last of them.
        is_blank: whether every rendering is only white space, in all branches.
    """

    parts: tuple[str, ...]
    ends: bool
    is_blank: bool


def constant(source: str) -> Constant:
    """Return the part of a template that is the same for every row; empty if the template cannot be read."""
    if "{" not in source:
        return Constant((_LAST_END.sub("", source),), ends=True, is_blank=not source.strip())
    try:
        tree = parse(source)
        written = [_text(part) for output in tree.find_all(nodes.Output) for part in output.nodes]
        is_open = any(isinstance(node, _OPAQUE) for node in tree.find_all(nodes.Stmt))
    except (TemplateError, RecursionError, ValueError):  # reported where templates are read
        return Constant((), ends=False, is_blank=False)
    made = [part for node in tree.body for part in (node.nodes if isinstance(node, nodes.Output) else [node])]
    texts = [_text(part) for part in made if not isinstance(part, nodes.Assign | nodes.AssignBlock | nodes.Macro)]
    return Constant(
        tuple(text for text in texts if text),
        ends=bool(texts) and bool(texts[-1]),
        is_blank=not is_open and not any(text is None or text.strip() for text in written),
    )


def _text(node: nodes.Node) -> str | None:
    if isinstance(node, nodes.TemplateData):
        return node.data
    return node.value if isinstance(node, nodes.Const) and isinstance(node.value, str) else None


def check(
    file: StepFile, step: Generate, said: Sequence[StepTemplate], variants: Sequence[Variant]
) -> Iterator[Diagnostic]:
    """Check the messages of a step.

    Args:
        file: the file that contains the step.
        step: the step.
        said: its system prompt and its messages, in their order.
        variants: its models.
    """
    known = [constant(template.source) for template in said]
    for template, text in zip(said, known, strict=True):
        if text.is_blank:
            mark = template.mark(0, len(template.source))
            hint = "write a text, or remove the key"
            yield Diagnostic(Code.WRONG_VALUE, "this text is blank for every row, which the API refuses", mark, hint)
    yield from _too_long(said, known, variants)
    turns = list(step.turns().values())
    if not turns or file.is_broken("messages"):
        return
    roles = [turn.role if isinstance(turn, Turn) else None for turn in turns]
    yield from _system_turns(file, roles, variants)
    if roles[0] == "assistant":
        mark = file.mark("messages", 0, "role")
        hint = "add a message with `role: user` before it"
        yield Diagnostic(Code.WRONG_VALUE, "the first message of a conversation must be the user's", mark, hint)
    is_whole = not file.is_broken_within("messages")
    for index, (one, other) in enumerate(pairwise(roles), 1) if None in roles and is_whole else ():
        if one is not None and one == other:
            message = f"the message before it has the role `{one}` too: next to `from`, the roles must alternate"
            yield Diagnostic(Code.WRONG_VALUE, message, file.mark("messages", index, "role"), "join the two messages")
    if roles[-1] == "assistant" and len(roles) > 1 and is_whole:
        end = known[-1] if said and said[-1].role == "assistant" else None
        if end is not None and end.ends and not end.is_blank and end.parts[-1] != end.parts[-1].rstrip():
            length = len(said[-1].source)
            message = "a prefill ends with white space, which the API refuses"
            hint = "remove the white space; in YAML, `|-` removes the last line break"
            if said[-1].is_verbatim:
                hint = "remove the white space at the end of the file, or `template: false`, which keeps it"
            yield Diagnostic(Code.WRONG_VALUE, message, said[-1].mark(length - 1, length), hint)
        yield from _prefill_faults(file, step, len(roles) - 1, variants)


def _system_turns(file: StepFile, roles: Sequence[str | None], variants: Sequence[Variant]) -> Iterator[Diagnostic]:
    """Report the messages with the role `system` that stand at a wrong place, and the models that accept none.

    Args:
        file: the file that contains the step.
        roles: the roles of the messages; `None` for messages out of a column or a step.
        variants: the models of the step.
    """
    places = [index for index, role in enumerate(roles) if role == "system"]
    if file.is_broken_within("messages"):
        return  # a message may be missing
    for index in places:
        mark, hint = file.mark("messages", index, "role"), "put it after a message with `role: user`"
        if index == 0:
            message = "the first message of a conversation must be the user's"
            yield Diagnostic(Code.WRONG_VALUE, message, mark, "write this text under `system` of the step")
        elif roles[index - 1] not in ("user", None):
            message = "a message with the role `system` must follow one of the user"
            hint = "write both texts in one message" if roles[index - 1] == "system" else hint
            yield Diagnostic(Code.WRONG_VALUE, message, mark, hint)
        elif roles[index + 1 : index + 2] not in ([], ["assistant"], ["system"], [None]):
            message = "a message with the role `system` must be the last, or be followed by one of the assistant"
            yield Diagnostic(Code.WRONG_VALUE, message, mark, "put it after the last message with `role: user`")
    for variant in variants if places else ():
        if model_capabilities.of(variant.model).system_turns is False:
            message = f"`{variant.model}` does not accept messages with the role `system`"
            hint = "write the text under `system` of the step, or use a newer model"
            mark = file.mark("messages", places[0], "role")
            yield Diagnostic(Code.SETTING_REFUSED, message, mark, hint, "warning")


def _prefill_faults(file: StepFile, step: Generate, last: int, variants: Sequence[Variant]) -> Iterator[Diagnostic]:
    """Report the models that do not accept a prefill."""
    for variant in variants:
        able = model_capabilities.of(variant.model)
        thinks = able.prefill and variant.settings.thinks
        if able.prefill is False:
            message, hint = f"`{variant.model}` does not accept a {_PREFILL}", "end with the user's message"
        elif thinks:
            message, hint = f"a model that thinks does not accept a {_PREFILL}", "end with the user's message"
        elif file.schema and step.output and variant.mode_for(file.schema) == "native":
            message = f"native output does not accept a {_PREFILL}"
            hint = "end with the user's message, or write `output.mode: json`"
        else:
            continue
        yield Diagnostic(Code.SETTING_REFUSED, message, file.mark("messages", last, "role"), hint, "warning")


def _too_long(
    said: Sequence[StepTemplate], known: Sequence[Constant], variants: Sequence[Variant]
) -> Iterator[Diagnostic]:
    """Report texts that are longer than a model's context, without any values of a row."""
    sizes = [sum(map(len, text.parts)) for text in known]
    for variant in variants:
        able = model_capabilities.of(variant.model)
        tokens = round(sum(sizes) / able.tokenizer.characters)
        if able.context is not None and tokens > able.context:
            largest = said[sizes.index(max(sizes))]
            mark = largest.mark(0, len(largest.source))
            message = (
                f"`{variant.model}` accepts at most {able.context:,} tokens; "
                f"the texts have about {tokens:,} before any values of a row"
            )
            yield Diagnostic(Code.SETTING_REFUSED, message, mark, "shorten them", "warning")
