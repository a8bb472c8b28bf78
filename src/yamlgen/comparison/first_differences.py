"""The first place where a step differs between two sides: a line of a prompt, or a key."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import accumulate, takewhile, zip_longest
from typing import Any, Final, NamedTuple

from yamlgen.errors import near
from yamlgen.excerpts import brief
from yamlgen.parsing.source_map import DataPath
from yamlgen.planning.plan import Plan
from yamlgen.planning.step_fingerprints import StepFingerprint, fingerprint_of
from yamlgen.planning.step_places import StepPlaces, line_of, unequal
from yamlgen.steps.keyed_fields import UNKEYED
from yamlgen.steps.plan_step import PlanStep
from yamlgen.steps.step_template import SENT, Role, StepTemplate
from yamlgen.value_objects import JSON

_ORDER: Final = ("system", "messages", "model", "output.schema", "when", "for_each", "matrix", "samples")
"""The keys in which a change is told first: what a reader of the change looks at."""

_ROLES: Final[Mapping[str, tuple[Role, ...]]] = {
    "system": ("system",),
    "messages": (*SENT[1:], "turns"),
    "when": ("when",),
    "for_each": ("for_each",),
    "value": ("value",),
    "values": ("value",),
    "args": ("arg",),
    "check": ("check", "message"),
}
"""The keys that are texts, with the roles of their templates."""

_LONG: Final = 60
"""The number of characters from which on only the words of a line that differ are shown."""


class FirstDifference(NamedTuple):
    """A place, and what was and is there; `None`: nothing. `is_text` says whether that is a line of a text."""

    place: str
    old: str | None = None
    new: str | None = None
    is_text: bool = False

    def as_json(self) -> dict[str, JSON]:
        """Return it as JSON."""
        return {"place": self.place, "old": self.old, "new": self.new}


@dataclass(frozen=True)
class StepSide:
    """A step on one side.

    Attributes:
        plan: the plan of the side.
        step: the step.
        fingerprint: its fingerprint.
        text: its own text, as its author wrote it, with that of its files.
    """

    plan: Plan
    step: PlanStep
    fingerprint: StepFingerprint
    text: str

    @classmethod
    def of(cls, plan: Plan, step: PlanStep, text: str) -> StepSide:
        """Return the side of a step."""
        return cls(plan, step, fingerprint_of(plan, step), text)

    @property
    def places(self) -> StepPlaces:
        """The places of its keys."""
        return StepPlaces(self.plan, self.step)


def first_asked(before: StepSide, after: StepSide) -> FirstDifference | None:
    """Return the first place that makes requests, or values, differ; `None`: their parts are the same."""
    return _first(before, after, before.fingerprint.asking, after.fingerprint.asking)


def first_accepted(before: StepSide, after: StepSide) -> FirstDifference | None:
    """Return the first place that makes the validity of answers differ; `None`: its parts are the same."""
    return _first(before, after, before.fingerprint.accepting, after.fingerprint.accepting)


def _first(before: StepSide, after: StepSide, old: Mapping[str, str], new: Mapping[str, str]) -> FirstDifference | None:
    changed = [name for name in {**new, **old} if old.get(name) != new.get(name)]
    if before.step.kind != after.step.kind:
        return FirstDifference(after.places.key("kind"), f"kind: {before.step.kind}", f"kind: {after.step.kind}")
    for name in sorted(changed, key=lambda name: (*_ORDER, name).index(name)):
        return next(_differences(name, before, after), FirstDifference(after.places.key(name.rpartition(".")[2])))
    return None


def _differences(name: str, before: StepSide, after: StepSide) -> Iterator[FirstDifference]:
    """Yield how a part of a step differs."""
    if name in _ROLES:
        yield from _texts(name, before, after)
        return
    match name:
        case "model":
            yield from _models(before, after)
        case "output.schema":
            one, two = (None if each.step.schema is None else each.step.schema.value for each in (before, after))
            for path, old, new in unequal(one or {}, two or {}, ()):
                yield FirstDifference(after.places.schema(path) or after.places.key("output"), *_both(path, old, new))
        case "params":
            for path, old, new in unequal(dict(before.plan.params), dict(after.plan.params), ()):
                place = after.places.parameter(str(path[0]))
                yield FirstDifference(place or f"`params.{path[0]}`", *_both(path, old, new))
        case "runtime":
            yield from _connections(before, after)
        case "python" | "reads":
            yield from _modules(before, after)
        case _:
            old, new = (each.step.written(frozenset()).get(name.partition(".")[0]) for each in (before, after))
            yield FirstDifference(after.places.key(name.rpartition(".")[2]), *_both((name,), old, new))


def _texts(name: str, before: StepSide, after: StepSide) -> Iterator[FirstDifference]:
    """Yield how the templates of a key differ, in their order."""
    for one, two in zip_longest(*(list(each.step.of(*_ROLES[name])) for each in (before, after))):
        if two is None:
            yield FirstDifference(after.places.key(name), _told(one.source), None, is_text=True)
        elif one is None:
            yield FirstDifference(line_of(two.mark(0, 1)), None, _told(two.source), is_text=True)
        elif (one.source.strip(), one.role) != (two.source.strip(), two.role):
            yield _line(one, two)


def _line(one: StepTemplate, two: StepTemplate) -> FirstDifference:
    """Return the first line that differs."""
    old, new = _text_of(one).splitlines(), _text_of(two).splitlines()
    starts = [0, *accumulate(len(line) + 1 for line in new)]
    for kind, first, last, start, end in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            continue
        left, right = (next(iter(lines), None) for lines in (old[first:last], new[start:end]))
        if left is not None and right is not None:
            left, right = _narrowed(left, right)
        place = _place(two, starts[min(start, max(len(new) - 1, 0))])
        return FirstDifference(place, _told(left), _told(right), is_text=True)
    return FirstDifference(_place(two, 0))


def _text_of(template: StepTemplate) -> str:
    return template.file.text if template.is_verbatim and template.file is not None else template.source


def _place(template: StepTemplate, offset: int) -> str:
    if template.is_verbatim and template.file is not None:
        return line_of(template.file.mark(offset, offset + 1))
    return line_of(template.mark(offset, offset + 1))


def _narrowed(old: str, new: str) -> tuple[str, str]:
    """Return the words of two lines that differ, with one word around them, if the lines are long."""
    if max(len(old), len(new)) <= _LONG:
        return old, new
    one, two = old.split(" "), new.split(" ")
    start = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, two, strict=False)))
    rest = list(zip(reversed(one[start:]), reversed(two[start:]), strict=False))
    end = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], rest))
    low = max(0, start - 1)
    return " ".join(one[low : len(one) - max(0, end - 1)]), " ".join(two[low : len(two) - max(0, end - 1)])


def _models(before: StepSide, after: StepSide) -> Iterator[FirstDifference]:
    for one, two in zip_longest(before.step.variants, after.step.variants):
        if one is None or two is None:
            yield FirstDifference(after.places.key("model"), getattr(one, "model", None), getattr(two, "model", None))
            continue
        old, new = (
            {**each.settings.model_dump(exclude_none=True, exclude=set(UNKEYED)), "max_tokens": each.max_tokens}
            for each in (one, two)
        )
        for path, was, now in unequal(old, new, ()):
            place = after.places.model(was) if path == ("id",) else after.places.key(str(path[0]))
            yield FirstDifference(place, *_both(path, was, now))


def _connections(before: StepSide, after: StepSide) -> Iterator[FirstDifference]:
    """Yield how the connection of the file differs, and those of the models."""
    for key in ("base_url", "api_version", "workspace"):
        old, new = getattr(before.plan.runtime, key), getattr(after.plan.runtime, key)
        if old != new:
            yield FirstDifference(_top(after, ("runtime", key)), *_both((key,), old, new))
    for one, two in zip(before.step.every_variant, after.step.every_variant, strict=False):
        for key in ("base_url", "workspace"):
            old, new = (getattr(each.connection, key, None) for each in (one, two))
            if old != new:
                named = (name for name, each in after.plan.models.items() if each.runtime == two.connection is not None)
                alias = next(named, None)
                place = after.places.key("model") if alias is None else _top(after, ("models", alias, "runtime", key))
                yield FirstDifference(place, *_both((key,), old, new))


def _modules(before: StepSide, after: StepSide) -> Iterator[FirstDifference]:
    old, new = ({**side.step.code(), **side.step.reads()} for side in (before, after))
    for path in {**new, **old}:
        if old.get(path) != new.get(path):
            yield FirstDifference(near(after.plan.folder / path))


def _top(side: StepSide, path: DataPath) -> str:
    document = side.places.document
    return f"`{'.'.join(map(str, path))}`" if document is None else line_of(document.mark(path, key=True))


def _both(path: DataPath, old: Any, new: Any) -> tuple[str | None, str | None]:
    return _member(path, old), _member(path, new)


def _member(path: DataPath, value: JSON) -> str | None:
    if value is None:
        return None
    name = f"{path[-1]}: " if path else ""
    return _told(f"{name}{json.dumps(value, ensure_ascii=False, default=str)}")


def _told(text: str | None) -> str | None:
    """Return a text as it is shown: its first line, shortened."""
    return None if text is None else brief(next(iter(text.strip().splitlines()), ""))
