"""Fan-out: a step that is done several times for a row, by `for_each`, `matrix` and `samples`, in this order.

Owns the cases of a step, their number and their names; how their values, and their types, become one list; and what can
be wrong with the keys that say so, whatever the kind of the step is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any, Final, TypeAlias

from yamlgen.errors import Code, Diagnostic, RowError
from yamlgen.expressions.evaluation import evaluate, shown
from yamlgen.expressions.static_types import ANYTHING, NamespaceView, SchemaView, TypeView
from yamlgen.expressions.type_inference import INTEGER
from yamlgen.schemas.type_words import described
from yamlgen.schemas.types import Type, list_of, nullable, object_of, observed
from yamlgen.steps.step_config import StepConfig
from yamlgen.steps.step_file import StepFile
from yamlgen.value_objects import JSON

MOST_ITEMS: Final = 100_000
"""The longest list that `for_each` takes: more in one row is a mistake that would cost much."""

MOST_CASES: Final = 1000
"""How many combinations and samples one item may have."""

KEYS: Final = ("for_each", "matrix", "samples", "on_item_error")
"""The keys that say how often a step is done, and what becomes of a failed time."""

KEY_OF: Final = {"item": "for_each", "item_index": "for_each", "matrix": "matrix"}
"""The names that the templates of a case see besides, each with the key that makes it."""

Scope: TypeAlias = Mapping[str, Any]
"""What templates and expressions see: `row`, `params`, `steps`, and of a case `item`, `item_index`, `matrix`."""


@dataclass(frozen=True, slots=True)
class Case:
    """One of the times that a step is done for a row.

    Attributes:
        scope: what its templates see.
        item: the index in the list of `for_each`; 0 without one.
        combination: the index among the combinations of the matrix; 0 without one.
        sample: the number of the sample; 0 without several.
        twin: of a draw, how many equal items come before this one.
    """

    scope: Scope
    item: int = 0
    combination: int = 0
    sample: int = 0
    twin: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FanOut:
    """How often a step is done for a row.

    Attributes:
        for_each: the expression that gives the items.
        least_items: the fewest items that it gives, as far as is known.
        most_items: the most of them; `None` where nothing says that.
        matrix: the combinations, each from name to value; `None` without a matrix.
        samples: how many samples there are; `None` for one that is no list.
        null_items: whether an item that fails is null in its list, and the row goes on.
    """

    for_each: str | None = None
    least_items: int = 0
    most_items: int | None = None
    matrix: tuple[Mapping[str, JSON], ...] | None = None
    samples: int | None = None
    null_items: bool = False

    @property
    def is_single(self) -> bool:
        """Whether the step is done once for a row, so that its value is no list."""
        return self.for_each is None and self.matrix is None and self.samples is None

    @property
    def axes(self) -> dict[str, list[JSON]]:
        """The values of each axis of the matrix, in their order."""
        combinations = self.matrix or ()
        names = combinations[0] if combinations else ()
        each = {name: {_key(labels[name]): labels[name] for labels in combinations} for name in names}
        return {name: list(values.values()) for name, values in each.items()}

    @property
    def cases_per_item(self) -> int:
        """How often the step is done for an item: once for each combination and sample."""
        return len(self.matrix or ((),)) * (self.samples or 1)

    def cases_of(self, value: JSON) -> int:
        """How often the step was done for a row, by the value that came of it."""
        return self.cases_per_item * (1 if self.for_each is None else len(value))

    def cases(self, scope: Scope) -> list[Case]:
        """The times that the step is done for a row: for each item, each combination, each sample, in this order.

        Raises:
            RowError: `for_each` gives no list, or one that is too long.
        """
        made: list[Case] = []
        for item, seen in enumerate(self._items(scope)):
            for combination, labels in enumerate(self.matrix or ({},)):
                full = seen if self.matrix is None else {**seen, "matrix": labels}
                made.extend(Case(full, item, combination, sample) for sample in range(self.samples or 1))
        return made

    def _items(self, scope: Scope) -> Iterator[Scope]:
        if self.for_each is None:
            yield scope
            return
        items = evaluate(self.for_each, scope)
        if not isinstance(items, list):
            raise _no_items(self.for_each, f"no list, but {described(items)}")
        if len(items) > MOST_ITEMS:
            raise _no_items(self.for_each, f"{len(items):,} items, more than {MOST_ITEMS:,}")
        for index, item in enumerate(items):
            yield {**scope, "item": item, "item_index": index}

    def whole(self, values: Sequence[JSON]) -> JSON:
        """The step's value from those of its cases, in their order."""
        combinations = self.matrix or ({},)
        each = iter(values)

        def samples() -> JSON:
            return next(each) if self.samples is None else [next(each) for _ in range(self.samples)]

        def labelled() -> JSON:
            return samples() if self.matrix is None else [{**labels, "output": samples()} for labels in combinations]

        if self.for_each is None:
            return labelled()
        return [labelled() for _ in range(len(values) // self.cases_per_item)]

    def spoken(self, case: Case) -> str:
        """Which case it is, as messages say it: `item 3`, `sample 2`, `tone=dry`; they count from 1."""
        parts = [f"item {case.item + 1}"] if self.for_each is not None else []
        if self.matrix is not None:
            parts.extend(f"{name}={shown(str(value))}" for name, value in self.matrix[case.combination].items())
        if self.samples is not None:
            parts.append(f"sample {case.sample + 1}")
        return ", ".join(parts)


def _no_items(source: str, given: str) -> RowError:
    return RowError(f"`for_each: {shown(source)}` gives {given}", code=Code.ROW_TEMPLATE, source=(source, 0))


def _key(value: JSON) -> str:
    """What tells the values of an axis apart."""
    return json.dumps(value, sort_keys=True)


def matrix_of(step: StepConfig) -> Mapping[str, list[JSON]]:
    """The axes of a step's matrix; none of a kind that has no matrix."""
    axes: Mapping[str, list[JSON]] | None = getattr(step, "matrix", None)
    return axes or {}


def samples_of(step: StepConfig) -> int | None:
    """How many samples a step asks for; `None` of one that says nothing, or of a kind that has no samples."""
    count: int | None = getattr(step, "samples", None)
    return count


def is_listed(step: StepConfig) -> bool:
    """Whether a step is done for items, combinations or samples, so that its value is a list."""
    return step.for_each is not None or bool(matrix_of(step)) or samples_of(step) is not None


def views(step: StepConfig, file: StepFile, item: TypeView | None) -> dict[str, TypeView]:
    """What the templates of a case see besides.

    Args:
        step: as it is written.
        file: where it stands.
        item: the view of an item, where it is known.
    """
    made: dict[str, TypeView] = {}
    if step.for_each is not None or file.is_broken("for_each"):
        made |= {"item": item or ANYTHING, "item_index": INTEGER}
    if axes := matrix_of(step):
        each = {name: SchemaView.of(axis_type(values), f"matrix.{name}") for name, values in axes.items()}
        made["matrix"] = NamespaceView(Code.UNKNOWN_FIELD, "matrix value", each)
    elif file.is_broken("matrix"):
        made["matrix"] = ANYTHING
    return made


def combinations(step: StepConfig) -> tuple[Mapping[str, JSON], ...] | None:
    """The combinations of a step's matrix, the last axis turning fastest; `None` without a matrix."""
    axes = matrix_of(step)
    return tuple(dict(zip(axes, values, strict=True)) for values in product(*axes.values())) if axes else None


def planned(step: StepConfig, items: tuple[int, int | None]) -> dict[str, Any]:
    """The fields of `FanOut` for a step.

    Args:
        step: as it is written.
        items: the fewest and the most items of its `for_each`, as far as is known.
    """
    return {
        "for_each": step.for_each,
        "least_items": items[0],
        "most_items": items[1],
        "matrix": combinations(step),
        "samples": samples_of(step),
        "null_items": step.on_item_error == "null",
    }


def list_type(made: Type, step: StepConfig, items: tuple[int, int | None]) -> Type:
    """The type of a step's value, made of the type of one output.

    Args:
        made: of one output.
        step: as it is written.
        items: the fewest and the most items of its `for_each`, as far as is known.
    """
    axes, samples = matrix_of(step), samples_of(step)
    if step.on_item_error == "null":
        made = nullable(made, 'a failed item of it is null (`on_item_error: "null"`)')
    if samples is not None:
        made = list_of(made, samples, samples)
    if axes:
        labels = {name: axis_type(values) for name, values in axes.items()}
        count = prod(map(len, axes.values()))
        made = list_of(object_of({**labels, "output": made}), count, count)
    return made if step.for_each is None else list_of(made, *items)


def axis_type(values: list[JSON]) -> Type:
    """The type of the values of one axis of a matrix, all of which are known."""
    made = observed(values)
    closed = {"additionalProperties": False} if made.get("type") == "object" else {}
    return Type({**made, **closed, "enum": values})


def check(name: str, step: StepConfig, file: StepFile) -> Iterator[Diagnostic]:
    """What is wrong with the keys of a step that say how often it is done."""
    axes, samples = matrix_of(step), samples_of(step)
    if step.on_item_error == "null" and not is_listed(step) and not any(map(file.is_broken, KEYS)):
        message = f"step `{name}` has no items: `on_item_error` says nothing"
        hint = "add `for_each`, `samples` or `matrix`, or remove it"
        yield Diagnostic(Code.CONFLICT, message, file.mark("on_item_error", key=True), hint)
    for axis, values in axes.items():
        seen: set[str] = set()
        for index, value in enumerate(values):
            text = _key(value)
            if text in seen:
                mark = file.mark("matrix", axis, index)
                message = f"{text} stands twice under `{axis}`"
                yield Diagnostic(Code.BAD_MATRIX, message, mark, "`samples` asks more than once")
            seen.add(text)
        if axis == "output":
            mark = file.mark("matrix", axis, key=True)
            message = "each output stands under `output`, beside its labels"
            yield Diagnostic(Code.BAD_MATRIX, message, mark, "take another name")
    cases = (samples or 1) * prod(map(len, axes.values()))
    if axes and cases > MOST_CASES:
        message = f"the matrix and the samples of step `{name}` make {cases:,} requests for one item"
        mark = file.mark("matrix", key=True)
        yield Diagnostic(Code.BAD_MATRIX, message, mark, f"at most {MOST_CASES:,} make sense")
