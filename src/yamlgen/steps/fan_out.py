"""Fan-out: running a step several times for a row, by `for_each`, `matrix` and `samples`, outermost first.

Owns the cases of a step with their number and names, the list that is made of their values and types, and the checks of
the fan-out keys for all kinds of steps.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any, Final, TypeAlias

from yamlgen.diagnostics import Diagnostic
from yamlgen.errors import Code, RowError
from yamlgen.expressions.evaluation import evaluate, shown
from yamlgen.expressions.static_types import ANYTHING, NamespaceView, SchemaView, TypeView
from yamlgen.expressions.type_inference import INTEGER
from yamlgen.schemas.type_words import described
from yamlgen.schemas.types import Type, list_of, nullable, object_of, observed
from yamlgen.steps.step_config import StepConfig
from yamlgen.steps.step_file import StepFile
from yamlgen.value_objects import JSON

MOST_ITEMS: Final = 100_000
"""The maximum length of a `for_each` list: more items in one row are a mistake that would be expensive."""

MOST_CASES: Final = 1000
"""The maximum number of combinations and samples of one item."""

KEYS: Final = ("for_each", "matrix", "samples", "on_item_error")
"""The keys that set how often a step runs, and what happens to a failed case."""

KEY_OF: Final = {"item": "for_each", "item_index": "for_each", "matrix": "matrix"}
"""The additional names that the templates of a case can read, each with the key that defines it."""

Scope: TypeAlias = Mapping[str, Any]
"""What templates and expressions can read: `row`, `params`, `steps`, and in a case `item`, `item_index`, `matrix`."""


@dataclass(frozen=True, slots=True)
class Case:
    """One execution of a step for a row.

    Attributes:
        scope: the names that its templates can read.
        item: the index in the list of `for_each`; 0 without `for_each`.
        combination: the index among the combinations of the matrix; 0 without a matrix.
        sample: the index of the sample; 0 without `samples`.
        twin: for a draw, the number of equal items before this one.
    """

    scope: Scope
    item: int = 0
    combination: int = 0
    sample: int = 0
    twin: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FanOut:
    """How often a step runs for a row.

    Attributes:
        for_each: the expression that returns the items.
        least_items: the known minimum number of items.
        most_items: the known maximum number of items; `None` if it is unknown.
        matrix: the combinations, each from name to value; `None` without a matrix.
        samples: the number of samples; `None` for one sample that is not in a list.
        null_items: whether a failed item is null in its list and the row continues.
    """

    for_each: str | None = None
    least_items: int = 0
    most_items: int | None = None
    matrix: tuple[Mapping[str, JSON], ...] | None = None
    samples: int | None = None
    null_items: bool = False

    @property
    def is_single(self) -> bool:
        """Whether the step runs once for a row, so that its value is not a list."""
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
        """How often the step runs for an item: once for each combination and sample."""
        return len(self.matrix or ((),)) * (self.samples or 1)

    def cases_of(self, value: JSON) -> int:
        """Return how often the step ran for a row, given the step's value."""
        return self.cases_per_item * (1 if self.for_each is None else len(value))

    def cases(self, scope: Scope) -> list[Case]:
        """Return the cases of the step for a row: for each item, each combination, each sample, in this order.

        Raises:
            RowError: the value of `for_each` is not a list, or the list is too long.
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
        for index, item in enumerate(items_of(self.for_each, scope)):
            yield {**scope, "item": item, "item_index": index}

    def whole(self, values: Sequence[JSON]) -> JSON:
        """Return the step's value, built from the values of its cases in their order."""
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
        """Return the name of a case in messages: `item 3`, `sample 2`, `tone=dry`; counted from 1."""
        parts = [f"item {case.item + 1}"] if self.for_each is not None else []
        if self.matrix is not None:
            parts.extend(f"{name}={shown(str(value))}" for name, value in self.matrix[case.combination].items())
        if self.samples is not None:
            parts.append(f"sample {case.sample + 1}")
        return ", ".join(parts)


def items_of(source: str, scope: Scope, *, is_written: bool = False) -> list[JSON]:
    """Return the items of a `for_each`; the arguments are those of `evaluate`.

    Raises:
        RowError: its value is not a list, or the list is too long.
    """
    items = evaluate(source, scope, is_written=is_written)
    if not isinstance(items, list):
        raise _no_items(source, f"must be a list, not {described(items)}")
    if len(items) > MOST_ITEMS:
        raise _no_items(source, f"has {len(items):,} items, more than {MOST_ITEMS:,}")
    return items


def _no_items(source: str, given: str) -> RowError:
    return RowError(f"`for_each: {shown(source)}` {given}", code=Code.ROW_TEMPLATE, source=(source, 0))


def _key(value: JSON) -> str:
    """Return a key that distinguishes the values of an axis."""
    return json.dumps(value, sort_keys=True)


def matrix_of(step: StepConfig) -> Mapping[str, list[JSON]]:
    """Return the axes of a step's matrix; empty for a kind without a matrix."""
    axes: Mapping[str, list[JSON]] | None = getattr(step, "matrix", None)
    return axes or {}


def samples_of(step: StepConfig) -> int | None:
    """Return the `samples` of a step; `None` if the key is missing or the kind has no samples."""
    count: int | None = getattr(step, "samples", None)
    return count


def is_listed(step: StepConfig) -> bool:
    """Return whether a step runs for items, combinations or samples, so that its value is a list."""
    return step.for_each is not None or bool(matrix_of(step)) or samples_of(step) is not None


def views(step: StepConfig, file: StepFile, item: TypeView | None) -> dict[str, TypeView]:
    """Return the views of the additional names that the templates of a case can read.

    Args:
        step: the step, as written.
        file: the file that contains it.
        item: the view of an item, if it is known.
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
    """Return the combinations of a step's matrix; the last axis varies fastest. `None` without a matrix."""
    axes = matrix_of(step)
    return tuple(dict(zip(axes, values, strict=True)) for values in product(*axes.values())) if axes else None


def planned(step: StepConfig, items: tuple[int, int | None]) -> dict[str, Any]:
    """Return the fields of `FanOut` for a step.

    Args:
        step: the step, as written.
        items: the known minimum and maximum number of items of its `for_each`.
    """
    return {
        "for_each": step.for_each,
        "least_items": items[0],
        "most_items": items[1],
        "matrix": combinations(step),
        "samples": samples_of(step),
        "null_items": step.null_items,
    }


def list_type(made: Type, step: StepConfig, items: tuple[int, int | None]) -> Type:
    """Return the type of a step's value, built from the type of one output.

    Args:
        made: the type of one output.
        step: the step, as written.
        items: the known minimum and maximum number of items of its `for_each`.
    """
    axes, samples = matrix_of(step), samples_of(step)
    if step.null_items:
        made = nullable(made, "a failed item is null (`on_item_error: null`)")
    if samples is not None:
        made = list_of(made, samples, samples)
    if axes:
        labels = {name: axis_type(values) for name, values in axes.items()}
        count = prod(map(len, axes.values()))
        made = list_of(object_of({**labels, "output": made}), count, count)
    return made if step.for_each is None else list_of(made, *items)


def axis_type(values: list[JSON]) -> Type:
    """Return the type of the values of one axis of a matrix."""
    made = observed(values)
    closed = {"additionalProperties": False} if made.get("type") == "object" else {}
    return Type({**made, **closed, "enum": values})


def check(name: str, step: StepConfig, file: StepFile) -> Iterator[Diagnostic]:
    """Check the fan-out keys of a step."""
    axes, samples = matrix_of(step), samples_of(step)
    if step.null_items and not is_listed(step) and not any(map(file.is_broken, KEYS)):
        message = f"`on_item_error` has no effect: step `{name}` has no items"
        hint = "add `for_each`, `samples` or `matrix`, or remove `on_item_error`"
        yield Diagnostic(Code.CONFLICT, message, file.mark("on_item_error", key=True), hint)
    for axis, values in axes.items():
        seen: set[str] = set()
        for index, value in enumerate(values):
            text = _key(value)
            if text in seen:
                mark = file.mark("matrix", axis, index)
                message = f"{text} is listed twice under `{axis}`"
                yield Diagnostic(Code.BAD_MATRIX, message, mark, "remove it; use `samples` to repeat a request")
            seen.add(text)
        if axis == "output":
            mark = file.mark("matrix", axis, key=True)
            message = "`output` is reserved: each result has its output under this name"
            yield Diagnostic(Code.BAD_MATRIX, message, mark, "use another name")
    cases = (samples or 1) * prod(map(len, axes.values()))
    if axes and cases > MOST_CASES:
        message = f"the matrix and the samples of step `{name}` produce {cases:,} requests for one item"
        mark = file.mark("matrix", key=True)
        yield Diagnostic(Code.BAD_MATRIX, message, mark, f"reduce them to at most {MOST_CASES:,}")
