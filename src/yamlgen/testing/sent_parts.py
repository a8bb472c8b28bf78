"""Where each part of a request's prompt comes from: the line of a template, or a value of the row."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby, islice
from typing import Final

from jinja2 import nodes

from yamlgen.errors import RowError
from yamlgen.expressions.evaluation import evaluate, parse_expression
from yamlgen.expressions.jinja_environment import parse
from yamlgen.expressions.rendered_parts import Path, paths_of, rendered_parts
from yamlgen.parsing.source_map import SourceText
from yamlgen.steps.fan_out import Scope
from yamlgen.steps.plan_step import PlanStep
from yamlgen.steps.step_template import SENT, StepTemplate
from yamlgen.testing.line_ends import with_lf
from yamlgen.testing.stand_ins import NOTHING_HIDDEN, StandIns
from yamlgen.value_objects import JSON, Prompt

_MOST_CASES: Final = 200
"""The number of cases of a step that are rendered to find the one of a request."""


@dataclass(frozen=True, slots=True)
class MissedRow:
    """The row of a request that is not recorded.

    Attributes:
        place: its place, as `file:line`.
        scope: the names that templates can read in it.
        stand_ins: its stand-ins.
    """

    place: str
    scope: Scope
    stand_ins: StandIns = NOTHING_HIDDEN


@dataclass(frozen=True, slots=True)
class SentPart:
    """A part of a text that is sent.

    Attributes:
        text: the part.
        template: the template or expression.
        offset: the offset in the template of its first character, or of the expression.
        reads: the values that it is made of; `None` for the own text of the template.
        is_conditional: whether a condition or a loop decides if and how often it is sent.
    """

    text: str
    template: StepTemplate
    offset: int
    reads: frozenset[Path] | None
    is_conditional: bool = False

    @property
    def is_value(self) -> bool:
        """Whether it is not own text of the template."""
        return self.reads is not None

    def place(self, at: int = 0) -> str:
        """Return the place of a character of it."""
        file = self.template.file
        if self.template.is_verbatim and file is not None:
            mark = SourceText(file.file, with_lf(file.text)).mark(at, at + 1)
        else:
            start = self.offset + (0 if self.is_value else at)
            mark = self.template.mark(start, start + 1)
        return f"{mark.file}:{mark.line}"


def sent_parts(step: PlanStep, row: MissedRow, texts: Mapping[str, str]) -> dict[str, list[SentPart]]:
    """Return the parts of each text of a request, as far as its templates render it.

    Args:
        step: the step that sends the request.
        row: its row.
        texts: the texts by their fields: `system`, `messages[0]`.
    """
    try:
        for case in islice(step.cases(row.scope), _MOST_CASES):
            prompt = step.fill(case.scope)
            if isinstance(prompt, Prompt) and _is_sent(prompt, row, texts):
                return dict(_of(step, case.scope, row, prompt))
    except RowError:
        pass
    return {}


@lru_cache(maxsize=256)
def own_texts(source: str) -> tuple[str, ...]:
    """Return the lines of a template's own text, those in conditions and loops too, without white space around."""
    data = (each.data for each in parse(source).find_all(nodes.TemplateData))
    return tuple(line.strip() for text in data for line in text.splitlines() if line.strip())


def _is_sent(prompt: Prompt, row: MissedRow, texts: Mapping[str, str]) -> bool:
    hide = row.stand_ins.hide
    own = with_lf(prompt.system or "")
    system = not own.strip() or texts.get("system", "").startswith(hide(own))
    return system and all(
        texts.get(f"messages[{index}]") == hide(with_lf(text_of(each.content)))
        for index, each in enumerate(prompt.messages)
    )


def _of(step: PlanStep, scope: Scope, row: MissedRow, prompt: Prompt) -> Iterator[tuple[str, list[SentPart]]]:
    unused = list(step.of(*SENT, "turns"))
    told: list[tuple[str, str, str]] = [("system", "system", prompt.system or "")]
    for index, each in enumerate(prompt.messages):
        role = "system_turn" if each.role == "system" else each.role
        told.append((f"messages[{index}]", role, text_of(each.content)))
    for field, role, text in with_lf(told):
        for template in unused:
            parts = _parts(template, role, text, scope)
            if parts is not None:
                hidden = [_hidden(each, row.stand_ins) for each in parts]
                if "".join(each.text for each in hidden) == row.stand_ins.hide(text):
                    yield field, hidden
                if template.role != "turns":
                    unused.remove(template)
                break


def _hidden(part: SentPart, stand_ins: StandIns) -> SentPart:
    text = stand_ins.hide(part.text)
    return SentPart(text, part.template, part.offset, part.reads, part.is_conditional)


def _parts(template: StepTemplate, role: str, text: str, scope: Scope) -> list[SentPart] | None:
    """Return the parts of a text, if this template renders to it."""
    if template.role == "turns":
        taken = evaluate(template.source, scope)
        known = [each.get("content") for each in taken if isinstance(each, dict)] if isinstance(taken, list) else []
        reads = frozenset(paths_of(parse_expression(template.source)))
        return [SentPart(text, template, 0, reads)] if text in known else None
    if template.role != role:
        return None
    if template.is_verbatim:
        return [SentPart(text, template, 0, None)] if template.file and with_lf(template.file.text) == text else None
    found = rendered_parts(template.source, scope)
    if found is None or "".join(each.text for each in found) != text:
        return None
    return [SentPart(each.text, template, each.offset, each.reads, each.is_conditional) for each in found]


def text_of(content: JSON) -> str:
    """Return the text of a system prompt or of the content of a message."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return json.dumps(content, ensure_ascii=False)
    texts = (each.get("text") if isinstance(each, dict) else None for each in content)
    return "\n".join(
        json.dumps(block, ensure_ascii=False) if text is None else str(text)
        for block, text in zip(content, texts, strict=True)
    )


def old_values(parts: Sequence[SentPart], text: str) -> list[tuple[SentPart, str]] | None:
    """Return the values that an older text has in place of these, if the own text of the templates is the same.

    Returns:
        Each part that is a value, with the older value; `None` if the own text differs.
    """
    made: list[tuple[SentPart, str]] = []
    waiting: list[SentPart] = []
    position, groups = 0, [(is_own, list(each)) for is_own, each in groupby(parts, lambda part: part.reads is None)]
    for number, (is_own, group) in enumerate(groups):
        if not is_own:
            waiting = group
            continue
        own = "".join(part.text for part in group)
        at = text.find(own, position) if waiting else position
        if waiting and number == len(groups) - 1:
            at = len(text) - len(own)
        if at < position or not text.startswith(own, at):
            return None
        made += _shared_out(waiting, text[position:at])
        waiting, position = [], at + len(own)
    if not waiting and position != len(text):
        return None
    return [*made, *_shared_out(waiting, text[position:])]


def _shared_out(waiting: Sequence[SentPart], text: str) -> Iterator[tuple[SentPart, str]]:
    """Yield the values that follow each other, each with its part of an older text."""
    for number, part in enumerate(waiting):
        is_last = number == len(waiting) - 1
        size = len(part.text) if not is_last and text.startswith(part.text) else 0
        yield part, text if is_last else text[:size]
        text = text[size:]
