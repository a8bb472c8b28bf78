"""How often the samples of a step agree, by field."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from yamlgen.canonical_json import canonical
from yamlgen.profiles.fields.field_profile import Agreement
from yamlgen.profiles.fields.value_tally import noted
from yamlgen.profiles.step_values import StepShape
from yamlgen.store.row_scan import ScannedRow
from yamlgen.value_objects import JSON

_LONGEST: Final = 60
"""A field with a longer text, in characters, is free text: nobody expects that two are equal."""

_MOST_FIELDS: Final = 100
_DRAW: Final = "draw"


@dataclass(slots=True)
class _Compared:
    cases: int = 0
    unanimous: int = 0
    majority: float = 0.0
    pairs: float = 0.0
    split_rows: list[int] = field(default_factory=list)


class AgreementObserver:
    """Compares the samples of each case. Draws are not compared: they differ by chance.

    Args:
        shapes: the steps.
    """

    def __init__(self, shapes: Mapping[str, StepShape]) -> None:
        self._sampled = [each for each in shapes.values() if (each.samples or 0) > 1 and each.kind != _DRAW]
        self._fields: dict[tuple[str, str], _Compared | None] = {}

    def add(self, row: ScannedRow) -> None:
        """Add the samples of a row."""
        for shape in self._sampled:
            if (step := row.steps.get(shape.name)) is not None:
                for _, _, made in shape.cases(step.value):
                    samples = [each for each in made if each is not None] if isinstance(made, list) else []
                    if len(samples) > 1:
                        self._compare(shape.name, samples, row.number + 1)

    def _compare(self, step: str, samples: list[JSON], row: int) -> None:
        each = [dict(_answers(sample, "")) for sample in samples]
        for name in {name: None for answers in each for name in answers}:
            at = (step, name)
            if at not in self._fields and len(self._fields) < _MOST_FIELDS:
                self._fields[at] = _Compared()
            compared = self._fields.get(at)
            if compared is None:
                continue
            found = [answers.get(name, b"null") for answers in each]
            if any(answer is None for answer in found):
                self._fields[at] = None
                continue
            _count(compared, Counter(found), row)

    def agreements(self) -> tuple[Agreement, ...]:
        """Return how often samples agree, by step and field."""
        samples = {shape.name: shape.samples or 0 for shape in self._sampled}
        return tuple(
            Agreement(
                step=step,
                field=name,
                samples=samples[step],
                cases=each.cases,
                unanimous=each.unanimous,
                majority=each.majority / each.cases,
                pairs=each.pairs / each.cases,
                split_rows=tuple(each.split_rows),
            )
            for (step, name), each in self._fields.items()
            if each is not None
        )


def _count(compared: _Compared, answers: Counter[bytes | None], row: int) -> None:
    size = answers.total()
    compared.cases += 1
    compared.majority += max(answers.values()) / size
    compared.pairs += sum(count * (count - 1) for count in answers.values()) / (size * (size - 1))
    if len(answers) == 1:
        compared.unanimous += 1
    else:
        noted(compared.split_rows, row)


def _answers(value: JSON, name: str) -> Iterator[tuple[str, bytes | None]]:
    """Yield the fields of a sample, each as bytes that are equal for equal values; `None` for free text."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _answers(each, f"{name}.{key}" if name else key)
    elif isinstance(value, str) and len(value) > _LONGEST:
        yield name, None
    else:
        yield name, canonical(int(value) if isinstance(value, float) and value.is_integer() else value)
