"""The lines of a step's templates, and which of them a line of a rendered prompt comes from."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from yamlgen.errors import Mark
from yamlgen.steps.plan_step import PlanStep
from yamlgen.steps.step_template import StepTemplate

_TAG: Final = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
_DATA: Final = re.compile(r"\b(row|item)\b")
_OTHER: Final = re.compile(r"\b(steps|params|matrix)\b")


@dataclass(frozen=True, slots=True)
class TemplateLine:
    """A line that a template can render.

    Attributes:
        pattern: what its rendered lines look like: each value can be anything.
        literal: the number of characters of its own, apart from values and white space.
        has_only_data: whether it contains values, none of them out of parameters or other steps.
        mark: its place.
    """

    pattern: re.Pattern[str]
    literal: int
    has_only_data: bool
    mark: Mark

    def fits(self, line: str) -> bool:
        """Return whether a rendered line can come from it."""
        return self.pattern.fullmatch(line.strip()) is not None


def template_lines(step: PlanStep, role: str) -> list[TemplateLine]:
    """Return the lines of the templates of a step with a role: `system`, `user` or `assistant`."""
    return [line for template in step.templates if template.role == role for line in _lines(template)]


def matching(lines: Sequence[TemplateLine], rendered: str) -> TemplateLine | None:
    """Return the line that a rendered line most likely comes from: the one that it shares most characters with."""
    fitting = [line for line in lines if line.fits(rendered)]
    return max(fitting, key=lambda line: line.literal, default=None)


def _lines(template: StepTemplate) -> Iterator[TemplateLine]:
    if template.is_verbatim and template.file is not None:
        text = template.file.text
        for start, line in _split(text, 0):
            if line.strip():
                mark = template.file.mark(start, start + len(line))
                yield TemplateLine(
                    re.compile(re.escape(line.strip())), len(line.strip()), has_only_data=False, mark=mark
                )
        return
    source = template.source
    parts: list[str | tuple[str]] = []  # a value is a tuple
    begin = position = 0
    for tag in [*_TAG.finditer(source), None]:
        end = len(source) if tag is None else tag.start()
        for number, (start, piece) in enumerate(_split(source[position:end], position)):
            if number:
                yield from _line(template, parts, begin)
                parts, begin = [], start
            parts.append(piece)
        if tag is not None:
            if tag[0].startswith("{{"):
                parts.append((tag[0],))
            position = tag.end()
    yield from _line(template, parts, begin)


def _line(template: StepTemplate, parts: Sequence[str | tuple[str]], begin: int) -> Iterator[TemplateLine]:
    """Yield the line of these parts, unless it is blank."""
    first, *rest = parts or [""]
    whole = [first.lstrip() if isinstance(first, str) else first, *rest]
    if isinstance(whole[-1], str):
        whole[-1] = whole[-1].rstrip()
    values = [part[0] for part in whole if isinstance(part, tuple)]
    literal = sum(len("".join(part.split())) for part in whole if isinstance(part, str))
    if not values and not literal:
        return
    pattern = "".join("(.*)" if isinstance(part, tuple) else re.escape(part) for part in whole)
    is_data = bool(values) and not any(map(_OTHER.search, values))
    is_data = is_data and (any(map(_DATA.search, values)) or not _OTHER.search(template.source))
    start = begin + len(template.source[begin:]) - len(template.source[begin:].lstrip())
    yield TemplateLine(re.compile(pattern), literal, is_data, template.mark(start, start + 1))


def _split(text: str, offset: int) -> Iterator[tuple[int, str]]:
    """Yield each line of a text with its offset."""
    for line in text.split("\n"):
        yield offset, line.rstrip("\r")
        offset += len(line) + 1
