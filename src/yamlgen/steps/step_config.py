"""What every step may say, whatever its kind, and what there is to ask of it before it is checked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, Literal, NamedTuple, TypeAlias

from pydantic import ConfigDict, Field

from yamlgen.parsing.source_map import DataPath
from yamlgen.steps.config_fields import FileText, FrozenModel, Text
from yamlgen.steps.step_template import Role

Expression: TypeAlias = Text
"""A Jinja expression, without braces around it."""


class StepText(NamedTuple):
    """A template or an expression of a step, as it is written.

    Attributes:
        content: its text, or the file that holds it; nothing where it was left out.
        path: where it stands in the step.
        name: what tells it from others of its role: of a value or an argument its name, of a check its number.
    """

    role: Role
    content: str | FileText | None
    path: DataPath
    name: str = ""


class TypedOutput(FrozenModel):
    """The output of a step without a model."""

    model_config = ConfigDict(json_schema_extra={"required": ["schema"]})

    schema_: Text | dict[str, Any] | None = Field(None, alias="schema")
    """The JSON Schema (draft 2020-12) that the value must satisfy: a path (.json, .yaml), or the schema itself."""


class StepConfig(FrozenModel):
    """What every step may say, whatever its kind."""

    does: ClassVar[str]
    """What a step of the kind does, as the reference says it."""
    gives: ClassVar[str]
    """What its value is, as the reference says it."""

    description: str | None = None
    """What the step is for. Not sent."""
    when: Expression | None = None
    """An expression: where it is false for a row, the step is skipped and its value is null. A step that reads
    it in that row is skipped too, unless its own `when` asks about it.

    It is asked once for a row, before any item of `for_each`. [Null](guides/templates.md#null) has an example.
    """
    for_each: Expression | None = None
    """An expression that gives a list: the step is done once for each `item`, side by side, and its value is the list
    of outputs in order. Templates see `item` and `item_index` (from 0).

    An empty list gives an empty list. A row has at most 100,000 items. With `maxItems` in the schema that makes the
    list, `yamlgen plan` knows what the step may cost at most. [`steps`](#steps) has an example.
    """
    on_item_error: Literal["fail", "null"] = "fail"
    """What one failed item of `for_each`, `samples` or `matrix` does: `fail` sets the row aside, `"null"` (in quotes)
    leaves a null in the list.

    The other items are kept either way. A run tells how many are null, and ends with exit code 1 if a step lost every
    item of every row. `yamlgen runs failed` lists them, `yamlgen retry` asks for them again, and `limits.max_failures`
    counts their rows. [`generate`: `samples`](#generate-samples) has an example.
    """

    def sources(self) -> Iterator[StepText]:
        """Its templates and expressions; of its messages in the order in which they are sent."""
        yield StepText("when", self.when, ("when",))
        yield StepText("for_each", self.for_each, ("for_each",))

    def files(self, fitting: Callable[[str], list[str]]) -> Iterator[str]:
        """The paths that it names for reading; `fitting` gives those that a pattern stands for."""
        del fitting  # only some kinds have patterns
        yield from (source.content.file for source in self.sources() if isinstance(source.content, FileText))
        written = self.schema_written()
        if isinstance(written, str):
            yield written

    def models_named(self) -> Mapping[DataPath, Any]:
        """What it says of the models that it asks, each by its place; nothing of a kind that asks none.

        An alias, an id or settings (as written, where it stands in a matrix); `None` where the pipeline's own is asked.
        """
        return {}

    def schema_written(self) -> str | dict[str, Any] | None:
        """What stands under `output.schema`; `None` of a step, or a kind, that has none."""
        output: TypedOutput | None = getattr(self, "output", None)
        return None if output is None else output.schema_
