"""A plan as a graph of its steps, for a person: as text that can be read and diffed, and as a Mermaid flowchart.

Owns what the graph shows of a step (its kind, when and how often it runs, its references, its type) and both formats.
An author's words may contain any character, so they are made printable first. In Mermaid, every character that its
parser, its Markdown or a browser could interpret is written as a numeric entity.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from yamlgen.expressions.narrowing import Path
from yamlgen.planning.plan import Plan
from yamlgen.redaction import redact
from yamlgen.schemas.type_words import BARE
from yamlgen.schemas.types import kind_of, referred
from yamlgen.shaping.output_plan import OutputPlan
from yamlgen.steps.plan_step import PlanStep
from yamlgen.value_objects import JSON

_WIDTH: Final = 100
_LONGEST: Final = 80
_WORD: Final = re.compile(r"[A-Za-z_]\w*")
_INSIDE: Final = re.compile(r"\{.*\}|\(.*\)")
_SPECIAL: Final = re.compile(r"(?!(?<=\w)[-._/](?=\w))[^\w ,:?']|(?<!\w)_|_(?!\w)")


def as_text(plan: Plan) -> str:
    """Return the graph as text, in order of execution; steps of one level run in parallel; at most 100 columns."""
    lines = [*_entry("pipeline", _printable(plan.name)), *_entry("input", _input(plan))]
    for number, level in enumerate(_levels(plan), 1):
        lines += ["", f"level {number}{', in parallel' if len(level) > 1 else ''}"]
        for step in level:
            lines += _entry(f"  {step.name} ", _what(step))
            for word, value in _facts(step):
                lines += _entry(f"    {word}", value)
    lines.append("")
    for output in plan.outputs:
        lines += _entry(_output_name(output), _printable(output.config.path))
        for word, value in _output_facts(output):
            lines += _entry(f"  {word}", value)
    return "\n".join([*lines, ""])


def as_mermaid(plan: Plan) -> str:
    """Return the graph as a Mermaid flowchart; an edge to a step that `when` refers to is dashed."""
    lines = ["flowchart TD", f"  input[({_label(plan.name, _input(plan))})]"]
    steps = [step for level in _levels(plan) for step in level]
    for step in steps:
        opened, closed = step.shape
        facts = [f"{word} {value}" for word, value in _facts(step) if word != "needs"]
        lines.append(f"  step_{step.name}{opened}{_label(step.name, _what(step), *facts)}{closed}")
    for output in plan.outputs:
        label = _label(*filter(None, (output.name, output.config.path)))
        lines.append(f"  {_output_id(output)}[({label})]")
    for step in steps:
        lines += [] if step.needs else [f"  input --> step_{step.name}"]
        for name, references in _references(step).items():
            arrow = "-.->" if name in step.asks else "-->"
            lines.append(f"  step_{name} {arrow}|{_label(', '.join(references))}| step_{step.name}")
    needed = frozenset().union(*(step.needs for step in steps))
    for output in plan.outputs:
        ends = output.needs if output.config.columns is not None else output.needs - needed
        lines += [f"  step_{step.name} --> {_output_id(output)}" for step in steps if step.name in ends]
    return "\n".join([*lines, ""])


def _output_name(output: OutputPlan) -> str:
    return f"output {output.name}" if output.name else "output"


def _output_facts(output: OutputPlan) -> Iterator[tuple[str, str]]:
    """Yield the facts about an output that is not plain, each as a word and its value."""
    for word in ("for_each", "where", "unique", "shape"):
        value = getattr(output.config, word)
        if value is not None:
            yield word, _printable(value)
    if output.config.split is not None:
        split = output.config.split
        by = "" if split.by is None else f" by {split.by}"
        yield (
            "split",
            _printable(", ".join(f"{part}: {share:g}" for part, share in split.parts.items()) + by),
        )
    if not output.is_plain:
        yield "row", describe_type(output.type.value)


def _output_id(output: OutputPlan) -> str:
    return f"output_{output.name}" if output.name else "output"


def _levels(plan: Plan) -> list[list[PlanStep]]:
    """Return the steps by level, the longest chain of steps before them; within a level, in file order."""
    height: dict[str, int] = {}
    for step in plan.ordered():
        height[step.name] = 1 + max((height[name] for name in step.needs), default=-1)
    return [[step for step in plan.steps if height[step.name] == level] for level in sorted(set(height.values()))]


def _input(plan: Plan) -> str:
    given = plan.input
    if plan.rows_given:
        parts = ["rows from Python"]
    elif given.folder is not None:
        parts = [f"{_printable(given.folder)}, files {_printable(given.pattern)}"]
    elif given.path is not None:
        parts = ["standard input" if given.path == "-" else _printable(given.path)]
    elif given.range is not None:
        parts = [f"{given.range:,} numbered rows"]
    else:
        parts = ["the rows of a query" if given.sql is not None else "rows in the pipeline file"]
    if given.id is not None:
        parts.append(f"id {_printable(given.id)}")
    if given.where is not None:
        parts.append(f"where {_printable(given.where)}")
    if given.sample is not None:
        parts.append(f"a sample of {given.sample.n:,}")
    if given.limit is not None:
        parts.append(f"at most {given.limit:,} rows")
    return ", ".join(parts)


def _what(step: PlanStep) -> str:
    """Return the kind of a step, with its models or its function."""
    about = ", ".join(map(_printable, step.about()))
    return f"{step.kind}: {about}" if about else step.kind


def _facts(step: PlanStep) -> Iterator[tuple[str, str]]:
    """Yield the facts about a step, each as a word and its value."""
    for name, references in _references(step).items():
        yield "needs", ", ".join(references) + (" (tested by when)" if name in step.asks else "")
    if step.columns is None:
        yield "reads", "the whole row"
    elif step.columns:
        yield "reads", ", ".join(map(_printable, sorted(step.columns)))
    for word, source in (("when", step.when), ("for_each", step.for_each)):
        if source is not None:
            yield word, _printable(source)
    if step.matrix is not None:
        axes = {name: dict.fromkeys(map(_json, values)) for name, values in step.axes.items()}
        yield "matrix", ", ".join(f"{name}: [{', '.join(values)}]" for name, values in axes.items())
    if step.samples is not None:
        yield "samples", str(step.samples)
    yield from step.facts()
    yield "value", describe_type(step.type.value)


def _references(step: PlanStep) -> dict[str, list[str]]:
    """Return the references to each step that this one needs, by name, as an author writes them."""
    found = sorted(frozenset().union(*(template.references.paths for template in step.templates)), key=repr)
    each = {name: [_written(path) for path in found if path[1] == name] for name in sorted(step.needs)}
    return {name: references or [f"steps.{name}"] for name, references in each.items()}


def _written(path: Path) -> str:
    keys = (f".{key}" if isinstance(key, str) and _WORD.fullmatch(key) else f"[{_json(key)}]" for key in path[1:])
    return str(path[0]) + "".join(keys)


def describe_type(schema: Mapping[str, Any]) -> str:
    """Return a type in a few words, such as `list of {title: string, points: list of string}`; cut if it is long."""
    said = [_Speaker(schema).say(schema, depth) for depth in (4, 3, 2, 1)]
    tail = " or null" if said[-1].endswith(" or null") else ""
    return _cut(next((short for short in said if len(short) <= _LONGEST), said[-1]), tail)


@dataclass
class _Speaker:
    """Describes parts of one schema: at most a hundred, since a line has little room and a type may contain itself."""

    root: JSON
    left: int = 100

    def say(self, schema: JSON, depth: int) -> str:
        self.left -= 1
        if self.left < 0 or not isinstance(schema, dict):
            return "..." if self.left < 0 else "anything" if schema else "nothing"
        if "$ref" in schema:
            target = referred(self.root, schema["$ref"])
            return "anything" if target is None else self.say(target, depth)
        if "const" in schema or "enum" in schema:
            return _values(schema["enum"] if "enum" in schema else [schema["const"]])
        if not schema.keys() & {"type", "properties", "items"}:
            for word in ("anyOf", "oneOf", "allOf"):
                if word in schema:
                    each = [self.say(branch, depth) for branch in schema[word]]
                    return " and ".join(dict.fromkeys(each)) if word == "allOf" else _any(each)
        kinds = schema.get("type", "object" if "properties" in schema else "array" if "items" in schema else "anything")
        return _any([self._kind(kind, schema, depth) for kind in (kinds if isinstance(kinds, list) else [kinds])])

    def _kind(self, kind: str, schema: Mapping[str, Any], depth: int) -> str:
        members, needed = schema.get("properties"), schema.get("required", ())
        if kind == "array" and "prefixItems" in schema:
            each = [self.say(item, depth) for item in schema["prefixItems"]]
            return f"[{', '.join([*each, *([] if schema.get('items') is False else ['...'])])}]"
        if kind == "array" and "items" in schema:
            item = self.say(schema["items"], depth)
            return f"list of ({item})" if " or " in _INSIDE.sub("", item) else f"list of {item}"
        if kind == "object" and depth > 0 and members:
            names = {name: _printable(name) + ("" if name in needed else "?") for name in members}
            return f"{{{', '.join(f'{names[name]}: {self.say(members[name], depth - 1)}' for name in members)}}}"
        return BARE.get(kind, kind)


def _any(each: Iterable[str]) -> str:
    """Return types joined by `or`, with null at the end."""
    return " or ".join(sorted(dict.fromkeys(each), key=lambda said: said == "null")) or "nothing"


def _values(values: list[JSON]) -> str:
    said = _any(map(_json, values))
    kinds = [str(kind_of(value)) for value in values]
    return said if len(said) <= _LONGEST // 2 else _any(BARE.get(kind, kind) for kind in kinds)


def _json(value: JSON) -> str:
    return _printable(json.dumps(value, ensure_ascii=False))


def _printable(text: str) -> str:
    """Return an author's words on one line, without secrets and control characters."""
    return "".join(c if c.isprintable() else "\ufffd" for c in " ".join(redact(text).split()))


def _cut(text: str, tail: str = "") -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3 - len(tail)]}...{tail}"


def _entry(word: str, value: str) -> list[str]:
    """Return the lines of a word and its value, with the value aligned."""
    return textwrap.wrap(f"{word:<13} {value}", _WIDTH, subsequent_indent=" " * 14, break_on_hyphens=False)


def _label(*lines: str) -> str:
    """Return lines as a quoted label; long lines are cut."""
    cut = (_cut(_printable(line)) for line in lines)
    return '"' + "<br/>".join(_SPECIAL.sub(lambda found: f"#{ord(found[0])};", line) for line in cut) + '"'
