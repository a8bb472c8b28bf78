"""How a request differs from a recorded one, by file and line: a line of a prompt, or a key of the pipeline."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from yamlgen.expressions.evaluation import parse_expression
from yamlgen.expressions.rendered_parts import paths_of
from yamlgen.parsing.source_map import DataPath
from yamlgen.planning.plan import Plan
from yamlgen.planning.step_places import StepPlaces, line_of, unequal
from yamlgen.steps.plan_step import PlanStep
from yamlgen.testing.line_ends import with_lf
from yamlgen.testing.prompt_changes import Change, TextChanges, short
from yamlgen.testing.recordings import Recording, fingerprint_of
from yamlgen.testing.sent_parts import MissedRow, SentPart, sent_parts, text_of
from yamlgen.value_objects import JSON

MOST: Final = 10
"""The number of changes that are reported one by one."""

_KEYS: Final[Mapping[str, str]] = {"output_config.effort": "effort", "tool_choice": "output", "stream": "max_tokens"}
"""The keys of a step that other fields of a request come from."""

_SCHEMAS: Final = ("output_config.format.schema", "tools.0.input_schema", "output_config.format", "tools")


@dataclass(frozen=True, slots=True)
class ChangeFinder:
    """Finds how the requests of a step differ from recorded ones.

    Attributes:
        plan: the plan that sends the requests.
        step: the step.
        row: the row of the request.
        others: all recorded requests of the step.
    """

    plan: Plan
    step: PlanStep
    row: MissedRow
    others: Sequence[Mapping[str, JSON]]

    @property
    def _places(self) -> StepPlaces:
        return StepPlaces(self.plan, self.step)

    def between(self, old: Recording, new: Mapping[str, JSON]) -> tuple[Change, ...]:
        """Return how a request differs from a recorded one; at most ten changes, and how many more there are."""
        recorded = with_lf(old.request)
        found = list(dict.fromkeys([*self._texts(recorded, new), *self._settings(recorded, new)]))
        found = found or [*self._parts(recorded, new)] or [self._unseen(old)]
        more = len(found) - MOST
        return tuple(found[:MOST]) + (((f"and {more} more", None, None),) if more > 0 else ())

    def _texts(self, old: Mapping[str, JSON], new: Mapping[str, JSON]) -> Iterator[Change]:
        before, after = _texts_of(old), _texts_of(new)
        changed = [field for field in {**after, **before} if before.get(field, "") != after.get(field, "")]
        if not changed:
            return
        parts = sent_parts(self.step, self.row, after)
        others = [_texts_of(each) for each in self.others]
        for field in changed:
            same = frozenset(each[field] for each in others if field in each)
            known = parts.get(field, [])
            text = after.get(field, "")
            if not text.startswith("".join(part.text for part in known)):
                known = []
            yield from TextChanges(field, before.get(field, ""), text, known, same, self._value_place)

    def _value_place(self, part: SentPart) -> str | None:
        """Return the place of the values that a part of a prompt is made of; `None` if it is not known."""
        if not part.reads:
            return part.place()
        reads = set(part.reads)
        if any(path[0] in ("item", "item_index") for path in reads) and self.step.for_each is not None:
            reads = {path for path in reads if path[0] not in ("item", "item_index")}
            reads |= set(paths_of(parse_expression(self.step.for_each)))
        roots = {path[0] for path in reads}
        if roots == {"row"}:
            return self.row.place
        if roots == {"matrix"}:
            return self._places.key("matrix")
        if roots == {"steps"} and len(reads) == 1:
            return f"`{'.'.join(reads.pop())}`"
        if roots == {"params"} and len(reads) == 1:
            return self._places.parameter(reads.pop()[-1])
        return None

    def _parts(self, old: Mapping[str, JSON], new: Mapping[str, JSON]) -> Iterator[Change]:
        """Yield the parts of the prompt that differ, although their texts are the same."""
        for name in ("system", "messages"):
            for path, one, two in unequal(old.get(name), new.get(name), (name,)):
                yield f"`{'.'.join(map(str, path))}`", _member((), one), _member((), two)

    def _settings(self, old: Mapping[str, JSON], new: Mapping[str, JSON]) -> Iterator[Change]:
        for name in sorted({*old, *new} - {"messages", "system"}):
            nothing: JSON = {} if name == "output_config" else None
            for path, one, two in unequal(old.get(name, nothing), new.get(name, nothing), (name,)):
                shown = ".".join(map(str, path))
                schema = next((each for each in _SCHEMAS if shown == each or shown.startswith(f"{each}.")), None)
                if schema is not None:
                    inner = path[len(schema.split(".")) :]
                    yield (
                        self._places.schema(inner) or self._places.key("output"),
                        _member(inner, one),
                        _member(inner, two),
                    )
                else:
                    key = _KEYS.get(shown, name)
                    place = self._places.model(one) if name == "model" else self._places.key(key)
                    yield place, _member((key,), one), _member((key,), two)

    def _unseen(self, old: Recording) -> Change:
        """Return the change of a request whose body is the same as the recorded one."""
        version, document = self.plan.runtime.api_version, self._places.document
        if fingerprint_of(version, old.sample, old.request) == old.fingerprint:
            keys = {"samples": self.step.samples, "for_each": self.step.for_each, "matrix": self.step.matrix}
            key = next((name for name, value in keys.items() if value is not None), None)
            return "`samples`" if key is None else self._places.key(key), None, "another sample"
        node = None if document is None else document.root.get("runtime", "api_version")
        if document is None or node is None:
            return "`api_version`", None, short(version)
        return line_of(document.mark(("runtime", "api_version"), key=True)), None, f"api_version: {version}"


def _texts_of(body: Mapping[str, JSON]) -> dict[str, str]:
    """Return the texts of a request by their fields: `system`, `messages[0]`."""
    made = {"system": text_of(body["system"])} if body.get("system") else {}
    turns = enumerate(body.get("messages") or [])
    return {**made, **{f"messages[{index}]": text_of(turn.get("content")) for index, turn in turns}}


def _member(path: DataPath, value: JSON) -> str | None:
    if value is None:
        return None
    name = f"{path[-1]}: " if path else ""
    return short(f"{name}{json.dumps(value, ensure_ascii=False)}")
