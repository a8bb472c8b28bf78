"""Checks of what a step caches: the rules of the API, and parts of prompts that are certainly never read.

Owns the breakpoints as they are written: `system`, messages, and the step itself, whose breakpoint is the last.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from jinja2 import nodes

from yamlgen import model_capabilities
from yamlgen.diagnostics import Diagnostic, Mark
from yamlgen.errors import Code
from yamlgen.model_capabilities import Tokenizer
from yamlgen.parsing.source_map import DataPath
from yamlgen.steps.generate.config import Generate, SystemText, Turn
from yamlgen.steps.generate.prompt_cache import OF_ROW, beginning, names_in, printed
from yamlgen.steps.plan_step import Variant
from yamlgen.steps.step_file import StepFile
from yamlgen.steps.step_template import StepTemplate
from yamlgen.token_estimate import MARGIN, tokens_in

MOST: Final = 4
"""The maximum number of breakpoints in a request."""

_INSTRUCTIONS: Final = 300
"""More tokens than are added to a request for an answer in JSON, besides those of a tool and of the schema."""

_TURN: Final = 10
"""More tokens than a turn has in addition to its text."""


@dataclass(frozen=True, slots=True)
class Breakpoint:
    """A `cache` key.

    Attributes:
        path: its path in the step.
        lifetime: its value.
        texts: the number of texts before it: the system prompt and the messages.
    """

    path: DataPath
    lifetime: str
    texts: int

    @property
    def key(self) -> str:
        """The key and its value, as messages show them."""
        return f"`cache: {self.lifetime}`"


def breakpoints(step: Generate, texts: Sequence[StepTemplate]) -> list[Breakpoint]:
    """Return the `cache` keys of a step, in the order of their breakpoints.

    Args:
        step: the step.
        texts: its system prompt and its messages, in their order.
    """
    system = sum(text.role == "system" for text in texts)
    found: list[Breakpoint] = []
    if isinstance(step.system, SystemText) and step.system.cache:
        found.append(Breakpoint(("system", "cache"), step.system.cache, system))
    for number, (path, turn) in enumerate(step.turns().items(), 1):
        if isinstance(turn, Turn) and turn.cache:
            found.append(Breakpoint((*path, "cache"), turn.cache, system + number))
    if step.cache:
        found.append(Breakpoint(("cache",), step.cache, len(texts)))
    return found


def check(
    file: StepFile, step: Generate, texts: Sequence[StepTemplate], variants: Sequence[Variant], *, is_batched: bool
) -> Iterator[Diagnostic]:
    """Check what a step caches.

    Args:
        file: the file that contains the step.
        step: the step.
        texts: its system prompt and its messages, in their order.
        variants: its models.
        is_batched: whether its requests are sent in batches.
    """
    found = breakpoints(step, texts)
    for each in found[MOST:]:
        message = f"a request can have at most {MOST} cache breakpoints, and this is number {found.index(each) + 1}"
        yield Diagnostic(Code.CONFLICT, message, _mark(file, each), "remove one; the `cache` of the step counts too")
    for one, other in pairwise(found):
        if (one.lifetime, other.lifetime) == ("5m", "1h"):
            message = f"{other.key} must not come after {one.key}: the API refuses such requests"
            hint = "write `1h` in the part before it too, or `5m` here"
            yield Diagnostic(Code.CONFLICT, message, _mark(file, other), hint)
    for each in found:
        if each.lifetime == "5m" and is_batched:
            message = f"{each.key} is short for a batch, whose requests may be processed more than 5 minutes apart"
            yield _warning(Code.CONFLICT, message, _mark(file, each), "write `cache: 1h`")
    yield from _too_short(file, found, texts, variants)
    if [each.path for each in found] == [("cache",)] and not _repeats(step):
        yield from _only_begins_alike(file, found[0], texts, variants)


def _repeats(step: Generate) -> bool:
    """Return whether a row has several prompts, which may share more of them, or all."""
    return step.for_each is not None or (step.samples or 1) > 1 or bool((step.matrix or {}).keys() - {"model"})


def _only_begins_alike(
    file: StepFile, each: Breakpoint, texts: Sequence[StepTemplate], variants: Sequence[Variant]
) -> Iterator[Diagnostic]:
    """Report that rows share the beginning of a text, which is not cached, and no whole text that is long enough."""
    differing = next((text for text in texts if names_in(text.source, is_expression=text.is_expression) & OF_ROW), None)
    if differing is None or differing.is_expression:
        return
    before = [_whole_text(text) for text in texts[: texts.index(differing)]]
    for variant in variants:
        able = model_capabilities.of(variant.model)
        if able.cache_minimum is None or None in before:
            continue
        shared = sum(tokens_in(text or "", able.tokenizer) for text in before)
        tokens = tokens_in(beginning(differing.source), able.tokenizer)
        if shared * (1 + MARGIN) < able.cache_minimum <= tokens * (1 - MARGIN):
            message = (
                f"{each.key} does not cache the beginning of the prompt, about {round(tokens):,} tokens that are the "
                "same for every row: what rows share ends with `system` or with a message"
            )
            hint = "write the beginning in `system`, and what differs by row in the prompt"
            yield _warning(Code.CONFLICT, message, _mark(file, each), hint)
            return


def _too_short(
    file: StepFile, found: Sequence[Breakpoint], texts: Sequence[StepTemplate], variants: Sequence[Variant]
) -> Iterator[Diagnostic]:
    """Report parts that are certainly shorter than what a model caches."""
    written = [_whole_text(text) for text in texts]
    schema = "" if file.schema is None else json.dumps(file.schema.value, ensure_ascii=False)
    for each in found:
        before = written[: each.texts]
        for variant in variants:
            able = model_capabilities.of(variant.model)
            if able.cache_minimum is None or None in before:
                continue
            tokens = sum(tokens_in(text or "", able.tokenizer) for text in before)
            most = (1 + MARGIN) * (tokens + len(before) * _TURN + _for_schema(schema, able.tokenizer))
            if most < able.cache_minimum:
                message = (
                    f"{each.key} has no effect: `{variant.model}` caches at least {able.cache_minimum:,} tokens, "
                    f"and the prompt up to here has about {round(tokens):,}"
                )
                hint = "remove `cache`, or put it after a longer part of the prompt"
                yield _warning(Code.SETTING_REFUSED, message, _mark(file, each), hint)
                break


def _for_schema(schema: str, tokenizer: Tokenizer) -> float:
    """Return more tokens than a schema adds to a request, in any mode; 0 without a schema."""
    if not schema:
        return 0.0
    return tokens_in(schema, tokenizer) + max(tokenizer.tool_forced, tokenizer.tool_offered) + _INSTRUCTIONS


def _whole_text(template: StepTemplate) -> str | None:
    """Return the text that a template renders to; `None` if it depends on anything."""
    if template.is_expression:
        return None
    if "{" not in template.source:
        return template.source
    parts = printed(template.source)
    texts = [part.data for part in parts if isinstance(part, nodes.TemplateData)]
    return "".join(texts) if texts and len(texts) == len(parts) else None


def _mark(file: StepFile, each: Breakpoint) -> Mark:
    return file.mark(*each.path)


def _warning(code: Code, message: str, mark: Mark, hint: str) -> Diagnostic:
    return Diagnostic(code, message, mark, hint, "warning")


def unread_breakpoints(file: StepFile, step: Generate, texts: Sequence[StepTemplate]) -> Iterator[Diagnostic]:
    """Yield the breakpoints after a text with the id of the row, so that only a re-ask reads them.

    The breakpoint of the whole step is none of them: it also caches the part that the rows share.

    Args:
        file: the file that contains the step.
        step: the step.
        texts: its system prompt and its messages, in their order.
    """
    name = file.row_id
    if name is None or step.for_each is not None or step.matrix is not None or (step.samples or 1) > 1:
        return
    for each in breakpoints(step, texts):
        if each.path != ("cache",) and any(_prints(template, name) for template in texts[: each.texts]):
            message = f"{each.key} is never read by another row: the prompt before it has the id of the row, `{name}`"
            hint = "put `cache` before the first part that differs by row, or remove it"
            yield Diagnostic(Code.CONFLICT, message, file.mark(*each.path), hint, "warning")


def _prints(template: StepTemplate, name: str) -> bool:
    """Return whether a template prints a column in every row, as it is."""
    if template.is_expression or "{" not in template.source:
        return False
    return any(
        isinstance(part, nodes.Getattr | nodes.Getitem)
        and isinstance(part.node, nodes.Name)
        and part.node.name == "row"
        and name == (part.attr if isinstance(part, nodes.Getattr) else getattr(part.arg, "value", None))
        for part in printed(template.source)
    )
