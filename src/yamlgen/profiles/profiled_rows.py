"""The rows in which the fields of a report are counted: those of an output, or the values of the steps."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cached_property
from typing import Any, Final, Self

from jinja2.exceptions import TemplateSyntaxError

from yamlgen.expressions.evaluation import parse_expression
from yamlgen.expressions.narrowing import path_of
from yamlgen.output.row_composer import REJECTED, RowComposer, outputs_of
from yamlgen.profiles.fields.field_profile import Basis
from yamlgen.profiles.step_values import step_types
from yamlgen.schemas.types import object_of
from yamlgen.shaping.output_plan import ITEM, STEP, OutputPlan
from yamlgen.store.row_scan import ScannedRow
from yamlgen.store.run_reader import RunEntry, RunReader
from yamlgen.value_objects import JSON

_ROW: Final = "row"


class ProfiledRows:
    """Makes the rows whose fields are counted of the rows of a run, in input order; a context manager.

    With one output, or one that is chosen by its name, these are the rows of that output as it is written: after
    `for_each`, `where`, `unique` and `columns`. With several, they are the values of the steps of finished rows.
    What an output copies from the input is left out, and so is the origin of values.

    Args:
        run_reader: the store.
        run: the run.
        name: the name of the output; `None` for the only one. If there is no such output, it is not used.
    """

    def __init__(self, run_reader: RunReader, run: RunEntry, name: str | None = None) -> None:
        self._run = run
        self._run_reader = run_reader
        self._outputs = outputs_of(run)
        named = [each for each in self._outputs if each.name == ("" if name == STEP else name)]
        only = self._outputs[0] if len(self._outputs) == 1 and self._outputs[0].steps else None
        self._output = named[0] if named and named[0].steps else only  # an early version recorded no steps
        self._composer = None if self._output is None else RowComposer(run_reader, run, self._output)
        self._input_columns: tuple[str, ...] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._composer is not None:
            self._composer.__exit__(*error)

    @cached_property
    def _kept(self) -> frozenset[str]:
        """The default columns that are not copied from the input."""
        output = self._output
        if output is None:
            return frozenset()
        return frozenset({*output.default_names, *((ITEM,) if output.config.for_each is not None else ())})

    @property
    def schema(self) -> Mapping[str, JSON]:
        """The JSON Schema of the rows, as far as it is known."""
        output = self._output
        if output is None:
            types: Mapping[str, JSON] = object_of(step_types(self._run.about)).schema
            return types
        known = output.type.value
        if output.config.columns is not None:
            return known
        members = {name: part for name, part in (known.get("properties") or {}).items() if name in self._kept}
        return {**known, "properties": members}

    @cached_property
    def left_out(self) -> frozenset[str]:
        """The fields of the rows that are copied from the input or tell the origin of values."""
        if self._output is None or self._output.config.columns is None:
            return frozenset()
        config = self._output.config
        is_of_input = config.for_each is not None and _root(config.for_each) == _ROW
        sources = {_ROW, ITEM} if is_of_input else {_ROW}
        return frozenset((*_copies(config.columns, sources, ""), *config.added))

    def basis(self, rows: int, left_out: int) -> Basis:
        """Return what the fields were counted in.

        Args:
            rows: how many rows there were.
            left_out: how many fields were left out, because there are too many.
        """
        output, names = self._output, tuple(each.name for each in self._outputs)
        if output is None:
            return Basis("steps", "", rows, names, left_out)
        if output.config.columns is None:
            copied = tuple(name for name in self._input_columns or () if name not in output.excluded)
        else:
            copied = tuple(sorted(self.left_out - {*output.config.added}))
        return Basis("output", output.name, rows, names, left_out, copied)

    def of(self, row: ScannedRow) -> Iterator[dict[str, JSON]]:
        """Yield the rows that a row of the run, the next one, comes to."""
        if self._input_columns is None:
            self._input_columns = tuple(row.columns)
        output = self._output
        if output is None:
            if row.status == "finished":
                yield {name: step.value for name, step in row.steps.items()}
        elif self._is_direct(output):
            if row.status == "finished" or (row.status == "failed" and output.config.failed == "keep"):
                yield self._default_columns(output, row)
        else:
            yield from self._composed(output, row)

    def _is_direct(self, output: OutputPlan) -> bool:
        """Whether the rows of an output are the values of steps beside columns of the input."""
        config = output.config
        return all(each is None for each in (config.for_each, config.where, config.unique, config.columns))

    def _default_columns(self, output: OutputPlan, row: ScannedRow) -> dict[str, JSON]:
        values: dict[str, JSON] = {}
        for name in output.step_columns:
            step = row.steps.get(name)
            values[name] = None if step is None else step.value
            thought = output.thinking_column(name)
            if thought is not None:
                values[thought] = self._run_reader.thinking(row.stored, {name}).get(name)
        return values

    def _composed(self, output: OutputPlan, row: ScannedRow) -> Iterator[dict[str, JSON]]:
        if self._composer is None:
            return
        for part, line in self._composer.compose(row.stored):
            if part is not REJECTED:
                values = json.loads(line)
                if output.config.columns is None:
                    values = {name: value for name, value in values.items() if name in self._kept}
                yield values


def _root(source: str) -> str | int | None:
    """Return the first name of a reference such as `row.name`; `None` for another expression."""
    with suppress(TemplateSyntaxError, RecursionError, ValueError):
        return next(iter(path_of(parse_expression(source))), None)
    return None


def _copies(columns: Any, roots: set[str], at: str) -> Iterator[str]:
    """Yield the names of the columns that are copied from one of these roots."""
    for name, column in columns.items():
        path = f"{at}.{name}" if at else name
        if isinstance(column, dict):
            yield from _copies(column, roots, path)
        elif isinstance(column, str) and _root(column) in roots:
            yield path
