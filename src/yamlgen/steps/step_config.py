"""The keys that every kind of step has, and what can be read from a step before it is checked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, Literal, NamedTuple, TypeAlias

from pydantic import ConfigDict, Field

from yamlgen.parsing.source_map import DataPath
from yamlgen.steps.config_fields import FileText, FrozenModel, Text
from yamlgen.steps.step_template import Role

Expression: TypeAlias = Text
"""A Jinja expression, without braces around it."""

OnFailure: TypeAlias = Literal["fail", None, "null"]  # noqa: PYI061 - lists null as a word in the JSON Schema
"""What happens when a step, or an item of it, fails. Null may be quoted."""


class StepText(NamedTuple):
    """A template or an expression of a step, as written.

    Attributes:
        content: its source, or the file that contains it; `None` if the key is missing.
        path: its path in the step.
        name: distinguishes it from others with its role: the name of a value or an argument, the number of a check.
    """

    role: Role
    content: str | FileText | None
    path: DataPath
    name: str = ""


class TypedOutput(FrozenModel):
    """The output of a step without a model."""

    model_config = ConfigDict(json_schema_extra={"required": ["schema"]})

    schema_: Text | dict[str, Any] | None = Field(None, alias="schema")
    """The JSON Schema (draft 2020-12) of the value: a path (.json, .yaml), or the schema itself."""


class StepConfig(FrozenModel):
    """The keys that every kind of step has."""

    does: ClassVar[str]
    """What a step of the kind does, for the reference."""
    gives: ClassVar[str]
    """What the value of a step of the kind is, for the reference."""
    has_code: ClassVar[bool] = False
    """Whether a step of the kind runs modules of the pipeline's folder."""

    description: str | None = None
    """A description of the step, for readers. Not sent."""
    when: Expression | None = None
    """An expression: if it is false for a row, the step is skipped and its value is null.

    A step that reads a skipped step is skipped too, unless its own `when` tests for null. See
    [Null](guides/templates.md#null) for an example. `when` is evaluated once for each row, before `for_each`.
    """
    for_each: Expression | None = None
    """An expression that returns a list: the step runs once for each item. Its value is the list of outputs, in order.

    Templates can read `item` and `item_index` (from 0). The items of a row run in parallel. An empty list produces an
    empty list. A row can have at most 100,000 items. Set `maxItems` in the schema of the list, so that `yamlgen plan`
    can calculate the maximum cost. See [`steps`](#steps) for an example.
    """
    on_item_error: OnFailure = "fail"
    """What happens when one item of `for_each`, `samples` or `matrix` fails: with `fail`, the step fails; with `null`,
    the item is null in the list. Default: `fail`.

    The answers of the other items are stored in both cases. A run reports how many items are null. A run in
    which every item of a step failed, in all rows, ends with exit code 1. `yamlgen runs failed` lists the failed items,
    `yamlgen retry` retries them, and `limits.max_failures` counts their rows. See
    [`generate`: `samples`](#generate-samples) for an example.
    """
    on_error: OnFailure = "fail"
    """What happens when the step fails for a row: with `fail`, the row fails; with `null`, the step is null and the row
    continues. Default: `fail`.

    A step fails when its request fails after all retries and re-asks, when an expression fails, or when one of its
    items fails under `on_item_error: fail`. A step that reads a null step is skipped, unless its own `when` tests for
    null: see [Null](guides/templates.md#null). The row is written to the output, not to the failed rows file. A run
    reports in how many rows the step is null. A run in which the step failed in every row ends with exit code 1.
    `yamlgen runs failed` lists the null steps, `yamlgen retry` retries them, and `limits.max_failures` counts their
    rows. See [When something fails](guides/failures.md#one-step-of-a-row) for an example.
    """

    def sources(self) -> Iterator[StepText]:
        """Yield its templates and expressions; messages in the order in which they are sent."""
        yield StepText("when", self.when, ("when",))
        yield StepText("for_each", self.for_each, ("for_each",))

    def files(self, fitting: Callable[[str], list[str]]) -> Iterator[str]:
        """Yield the paths of files that it reads; `fitting` returns the paths that match a pattern."""
        del fitting  # only some kinds have patterns
        yield from (source.content.file for source in self.sources() if isinstance(source.content, FileText))
        written = self.schema_written()
        if isinstance(written, str):
            yield written

    def models_named(self) -> Mapping[DataPath, Any]:
        """Return the models of the step by their paths; empty for a kind that uses no model.

        Each is an alias, an id or settings (as written, if it is in a matrix); `None` means the pipeline's own model.
        """
        return {}

    @property
    def null_items(self) -> bool:
        """Whether a failed item is null."""
        return self.on_item_error != "fail"

    @property
    def null_if_failed(self) -> bool:
        """Whether the step is null for a row for which it fails."""
        return self.on_error != "fail"

    def schema_written(self) -> str | dict[str, Any] | None:
        """Return the value of `output.schema`; `None` if the step, or its kind, has no schema."""
        output: TypedOutput | None = getattr(self, "output", None)
        return None if output is None else output.schema_
