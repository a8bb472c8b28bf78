"""An output of a plan: how it makes output rows of one row, as an immutable value that can be pickled.

All expressions of an output row are evaluated as one list, which is several times faster than one by one. If the list
cannot be computed, they are evaluated one by one, to find the one that fails.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Any, Final

from jinja2 import nodes
from jinja2.exceptions import TemplateSyntaxError

from yamlgen.canonical_json import short_digest
from yamlgen.errors import Code, RowError
from yamlgen.expressions.evaluation import evaluate, parse_expression, shown
from yamlgen.expressions.jinja_environment import render
from yamlgen.expressions.narrowing import path_of
from yamlgen.expressions.references import OF_STEPS, references
from yamlgen.parsing.source_map import DataPath
from yamlgen.schemas.author_schema import JSONSchema, json_schema
from yamlgen.shaping.output_config import Output, leaves
from yamlgen.shaping.partition import equal_bytes, part_of
from yamlgen.steps.fan_out import Scope, items_of
from yamlgen.steps.step_template import StepTemplate
from yamlgen.value_objects import JSON

STEP: Final = "output"
"""The step at which a row fails because of an output."""

ITEM: Final = "item"
_ITEMS: Final = frozenset({ITEM, "item_index"})
_STEPS: Final = "steps."
_THINKING: Final = "thinking."


@dataclass(frozen=True, slots=True)
class OutputRow:
    """One output row of a row.

    Attributes:
        columns: the values of the columns; `None` for the default columns.
        item: the item, if the output has items.
        digest: the digest of the value of `unique`; `None` without `unique`.
        is_rejected: whether `where` is false.
    """

    columns: dict[str, JSON] | None
    item: JSON = None
    digest: bytes | None = None
    is_rejected: bool = False


@dataclass(frozen=True, kw_only=True)
class OutputPlan:
    """An output of a plan.

    Attributes:
        name: its name under `outputs`; empty for `output`.
        config: its keys, as written.
        steps: the names of all steps, in file order.
        keep_thinking: those that keep what their models thought.
        items: the minimum and maximum number of items of a row; the maximum is `None` if it is unknown.
        tests_text: whether `where` tests whether a string is null, so that a string is true.
        type: a JSON Schema of its rows, as far as they are known before a run.
        templates: its expressions, with their places.
    """

    name: str
    config: Output
    steps: tuple[str, ...]
    keep_thinking: frozenset[str] = frozenset()
    items: tuple[int, int | None] = (0, None)
    tests_text: bool = False
    type: JSONSchema = field(default_factory=lambda: json_schema({"type": "object"}))
    templates: tuple[StepTemplate, ...] = field(default=(), repr=False, compare=False)

    @property
    def key(self) -> str:
        """Its key in the pipeline, for messages."""
        return ".".join(map(str, self.at))

    @property
    def at(self) -> DataPath:
        """Its path in the pipeline."""
        return ("outputs", self.name) if self.name else ("output",)

    @cached_property
    def is_plain(self) -> bool:
        """Whether each finished row is one output row, so that it cannot fail."""
        config = self.config
        keys = (config.for_each, config.where, config.unique, config.columns, config.exclude, config.shape)
        return all(key is None for key in keys) and (config.split is None or config.split.by is None)

    @cached_property
    def needs(self) -> frozenset[str]:
        """The steps whose values its rows contain or depend on."""
        used = frozenset[str]().union(*(self._steps_of(each.source) for each in self.config.expressions()))
        return used if self.config.columns is not None else used | set(self.step_columns)

    @cached_property
    def step_columns(self) -> tuple[str, ...]:
        """The steps that are default columns."""
        listed = _step_of(self.config.for_each)
        left = {name.removeprefix(_STEPS) for name in self.config.exclude or () if name.startswith(_STEPS)}
        return tuple(name for name in self.steps if name != listed and name not in left)

    def thinking_column(self, step: str) -> str | None:
        """Return the default column with what the model of a step thought; `None` if there is none."""
        is_left_out = f"{_THINKING}{step}" in (self.config.exclude or ())
        return f"{step}_thinking" if step in self.keep_thinking and not is_left_out else None

    @cached_property
    def default_names(self) -> list[str]:
        """The names of the default columns that come from steps."""
        named = ((name, self.thinking_column(name)) for name in self.step_columns)
        return [name for names in named for name in names if name is not None]

    @cached_property
    def excluded(self) -> frozenset[str]:
        """The input columns that are left out of the default columns."""
        return frozenset(name for name in self.config.exclude or () if not name.startswith((_STEPS, _THINKING)))

    @property
    def taken(self) -> frozenset[str]:
        """The names of output columns that an input column must not have."""
        if self.config.columns is not None:
            return frozenset()
        item = () if self.config.for_each is None else (ITEM,)
        return frozenset({*self.default_names, *item, *self.config.added}) - self.excluded

    def count(self, rows: int) -> tuple[int, int | None]:
        """Return the minimum and the maximum number of output rows of `rows` rows, if no row fails."""
        config = self.config
        least, most = (1, 1) if config.for_each is None else self.items
        if config.where is not None or config.unique is not None:
            least = 0
        return least * rows, None if most is None else most * rows

    def bound(self, params: Mapping[str, JSON]) -> OutputPlan:
        """Return the output with these parameters in its paths.

        Raises:
            RowError: a path cannot be rendered.
        """
        paths = {"path": self.config.path, "rejected": self.config.rejected}
        made = {key: rendered_path(path, params) for key, path in paths.items() if path and "{" in path}
        return replace(self, config=self.config.model_copy(update=made)) if made else self

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of each row, in order; empty if they depend on the rows."""
        return () if self.config.columns is None else (*self.config.columns, *self.config.added)

    def rows(self, scope: Scope, *, is_check: bool = False) -> Iterator[OutputRow]:
        """Yield the output rows of a finished row; a rejected one has null for what cannot be computed.

        Args:
            scope: the names.
            is_check: whether an unexpected string under `where` is an error. It is not for a row that was checked.

        Raises:
            RowError: an expression fails, or an output row does not have the shape.
        """
        config = self.config
        if config.for_each is None:
            yield self._row(scope, is_check=is_check)
            return
        for index, item in enumerate(items_of(config.for_each, scope, is_written=True)):
            with _named(index):
                made = self._row({**scope, ITEM: item, "item_index": index}, is_check=is_check)
            yield made

    def check(self, scope: Scope) -> None:
        """Check that the output rows of a finished row can be made.

        Raises:
            RowError: an expression fails, or an output row does not have the shape.
        """
        if self.is_plain:
            return
        is_written = False
        for index, row in enumerate(self.rows(scope, is_check=True)):
            is_written |= not row.is_rejected
            if self.config.shape is not None and not row.is_rejected:
                with _named(None if self.config.for_each is None else index):
                    self._check_shape(self.config.shape, row, scope)
        if is_written and self.config.split is not None and self.config.split.by is not None:
            _value(self.config.split.by, scope)

    def checked(self) -> dict[str, Any] | None:
        """Return all that decides whether `check` fails; `None` if it never does."""
        if self.is_plain:
            return None
        config = self.config
        keys = ("for_each", "where", "unique", "columns", "exclude", "shape", "split")
        made = {key: getattr(config, key) for key in keys}
        own = {"steps": self.steps, "keep_thinking": self.keep_thinking, "tests_text": self.tests_text}
        return {**made, **own, "name": self.name, "rejected": config.rejected is not None}

    def failed_row(self, scope: Scope) -> OutputRow:
        """Return the output row of a failed row: null for what it lacks.

        Args:
            scope: the names; `steps` contains the steps that finished.
        """
        return OutputRow(self._known(scope))

    def part(self, scope: Scope, identity: str | None = None, *, has_failed: bool = False) -> str:
        """Return the part that a row is in; empty without `split`.

        Args:
            scope: the names of the row.
            identity: the identity of the row; `None` if its input has no ids.
            has_failed: use null if `by` cannot be computed.

        Raises:
            RowError: `split.by` fails.
        """
        split = self.config.split
        if split is None:
            return ""
        if split.by is None:
            return part_of(split.parts, scope["row"] if identity is None else identity)
        try:
            return part_of(split.parts, _value(split.by, scope))
        except RowError:
            if not has_failed:
                raise
            return part_of(split.parts, None)

    def _row(self, scope: Scope, *, is_check: bool) -> OutputRow:
        config = self.config
        item = scope.get(ITEM)
        if config.where is not None and not _holds(config.where, scope, is_strict=is_check and not self.tests_text):
            return OutputRow(self._known(scope) if config.rejected is not None else None, item, is_rejected=True)
        digest, values = None, self._evaluated(scope)
        if config.unique is not None:
            digest = short_digest(equal_bytes(next(values)))
        return OutputRow(None if config.columns is None else _filled(config.columns, values), item, digest)

    def _evaluated(self, scope: Scope) -> Iterator[JSON]:
        """Return the values of `unique`, if there is one, and of the columns."""
        if not self._sources:
            return iter(())
        try:
            return iter(_value(self._joined, scope))
        except RowError:
            return iter([_value(source, scope) for source in self._sources])

    @cached_property
    def _sources(self) -> Sequence[str]:
        unique = [] if self.config.unique is None else [self.config.unique]
        return (*unique, *(source for _, source in leaves(self.config.columns or {})))

    @cached_property
    def _joined(self) -> str:
        return f"[{', '.join(f'({source})' for source in self._sources)}]"

    def _known(self, scope: Scope) -> dict[str, JSON] | None:
        """Return the columns, with null for those that cannot be computed."""
        if self.config.columns is None:
            return None
        values = (self._or_null(source, scope) for _, source in leaves(self.config.columns))
        known: dict[str, JSON] = _filled(self.config.columns, values)
        return known

    def _or_null(self, source: str, scope: Scope) -> JSON:
        if not self._steps_of(source) <= scope["steps"].keys() or (ITEM not in scope and self._reads_item(source)):
            return None
        try:
            return _value(source, scope)
        except RowError:
            return None

    def _reads_item(self, source: str) -> bool:
        return self.config.for_each is not None and bool(_read_by(source)[1] & _ITEMS)

    def _steps_of(self, source: str) -> AbstractSet[str]:
        """Return the steps that an expression reads; all, if it reads `steps` as a whole."""
        named, names = _read_by(source)
        return named or (named if names.isdisjoint(OF_STEPS) else frozenset(self.steps))

    def _check_shape(self, shape: str, row: OutputRow, scope: Scope) -> None:
        from yamlgen.schemas.trainer_formats import shape_errors  # noqa: PLC0415 - few outputs have a shape

        errors = shape_errors(shape, row.columns if row.columns is not None else self.default_columns(row.item, scope))
        if errors:
            more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
            message = f"the output row does not have the shape `{shape}`: {errors[0]}{more}"
            raise RowError(message, code=Code.INVALID_VALUE, source=(shape, 0))

    def default_columns(self, item: JSON, scope: Scope) -> dict[str, JSON]:
        """Return the default columns of an output row, without those that are added."""
        columns = {name: value for name, value in scope["row"].items() if name not in self.excluded}
        values: dict[str, JSON] = {}
        for name in self.step_columns:
            values[name] = scope["steps"].get(name)
            if (thought := self.thinking_column(name)) is not None:
                values[thought] = scope["thinking"].get(name)
        return {**columns, **values, **({ITEM: item} if self.config.for_each is not None else {})}


WHOLE: Final = OutputPlan(name="", config=Output(), steps=())
"""The only output of a pipeline, where its keys do not matter."""


def rendered_path(path: str, params: Mapping[str, JSON]) -> str:
    """Return the path of an output with these parameters; a boolean is written as in YAML.

    Raises:
        RowError: a parameter has no value, or the path cannot be rendered.
    """
    words = {name: json.dumps(value) if isinstance(value, bool) else value for name, value in params.items()}
    return render(path, {"params": words})


def _step_of(source: str | None) -> str | None:
    """Return the step whose value an expression is; `None` for another expression, or one that cannot be read."""
    with suppress(TemplateSyntaxError, RecursionError, ValueError):
        tree = parse_expression(source or "none")
        if isinstance(tree, nodes.Or) and tree.right == nodes.List([]):  # a list that may be null
            tree = tree.left
        match path_of(tree):
            case ("steps", str(name)):
                return name
    return None


@contextmanager
def _named(index: int | None) -> Iterator[None]:
    """Name the item, from 0, in the error of a row; nothing if there are no items."""
    try:
        yield
    except RowError as error:
        if index is None:
            raise
        raise error.replace(message=f"item {index + 1}: {error.message}") from None


def _value(source: str, scope: Scope) -> JSON:
    return evaluate(source, scope, is_written=True)


def _holds(source: str, scope: Scope, *, is_strict: bool) -> bool:
    """Return whether a condition is true.

    Raises:
        RowError: the condition fails; or, if `is_strict`, it is a string: `no` and `false` would be true.
    """
    value = _value(source, scope)
    if is_strict and isinstance(value, str):
        message = f"`where: {shown(source)}` is the string {json.dumps(value, ensure_ascii=False)}, not a condition"
        hint = f'compare it, as in `{shown(source)} == "yes"`'
        raise RowError(message, code=Code.ROW_TEMPLATE, hint=hint, source=(source, 0))
    return bool(value)


@lru_cache(maxsize=4096)
def _read_by(source: str) -> tuple[frozenset[str], frozenset[str]]:
    """Return the steps and the names that an expression reads."""
    tree = parse_expression(source)
    found = [tree] if isinstance(tree, nodes.Name) else []
    names = frozenset(node.name for node in (*found, *tree.find_all(nodes.Name)))
    return references(source, is_expression=True).named, names


def _filled(column: Any, values: Iterator[JSON]) -> Any:
    """Return a column with each expression replaced by the next value."""
    if isinstance(column, str):
        return next(values)
    if isinstance(column, Mapping):
        return {key: _filled(value, values) for key, value in column.items()}
    return [_filled(value, values) for value in column]
