"""The keys of an output: where its rows are written, which rows they are, and what is in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, Literal, NamedTuple

from pydantic import ConfigDict, Field, model_validator
from typing_extensions import TypeAliasType

from yamlgen.parsing.source_map import DataPath
from yamlgen.steps.config_fields import NAME, FrozenModel, Name, Text
from yamlgen.steps.step_config import Expression
from yamlgen.steps.step_template import Role

Column = TypeAliasType("Column", "Expression | list[Column] | dict[Text, Column]")
"""A value of an output row: an expression, or a list or mapping of them."""

_SHARE: Final[dict[str, Any]] = {"type": "number", "exclusiveMinimum": 0, "maximum": 1}
_PARTS: Final = {
    "type": "object",
    "minProperties": 1,
    "propertyNames": {"pattern": NAME},
    "additionalProperties": _SHARE,
}


class CsvSettings(FrozenModel):
    """How an output is written as CSV. Values that are not strings are written as JSON."""

    delimiter: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    """The character between cells. Default: a comma, and a tab for `.tsv`."""
    formulas: Literal["keep", "escape"] = "keep"
    """`escape` writes an apostrophe before a string that a spreadsheet would calculate, because it begins with `=`,
    `+`, `-`, `@`, a tab or a carriage return. Strings that are numbers are not changed."""


class Split(FrozenModel):
    """Parts of an output, each in a file of its own.

    Write the names of the parts with their shares, which sum to 1. The part of a row depends on a hash of the row's id,
    or without `input.id` on all its columns. So a row stays in its part if other rows are added, removed or sorted, and
    all output rows of one input row are in the same part. To keep rows with a common value together, write the
    expression under `by`, and the parts under `into`.

    ```yaml
    steps:
      haiku: {model: claude-haiku-5-5, prompt: "A haiku about {{ row.topic }}."}
    output:
      path: out/haikus.jsonl
      split: {by: row.topic, into: {train: 0.9, test: 0.1}}
    ```

    This writes `out/haikus.train.jsonl` and `out/haikus.test.jsonl`.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "additionalProperties": _SHARE,
            "propertyNames": {"pattern": NAME},
            "minProperties": 1,
            "dependentRequired": {"by": ["into"]},
        }
    )

    by: Expression | None = None
    """An expression over `row`, `steps` and `params`: rows with equal values are in the same part."""
    into: Annotated[dict[Name, Annotated[float, Field(gt=0, le=1)]], Field(min_length=1)] | None = None
    """The parts and their shares, if `by` is set."""

    @model_validator(mode="before")
    @classmethod
    def _collected(cls, written: Any) -> Any:
        """Return parts that are written directly under `split` as `into`."""
        if isinstance(written, Mapping) and "into" not in written and "by" not in written:
            return {"into": dict(written)}
        return written

    @property
    def parts(self) -> dict[str, float]:
        """The parts, each with its share."""
        return self.into or {}


class OutputExpression(NamedTuple):
    """An expression of an output, as written: its role, its source, and its path in the output."""

    role: Role
    source: str
    path: DataPath


class Output(FrozenModel):
    """An output: a file of rows. The failed rows and the record of the run are written next to it.

    An output row is the input row, followed by the values of all steps in the order of the file, and after a step with
    `keep_thinking` what its model thought; or, with `columns`,
    the columns that you define. The keys are applied in the order `for_each`, `where`, `unique`, `split`. If an
    expression fails, the row fails at the step `output`. A change under `output` sends no request: the next run writes
    the stored answers in the new shape.

    In CSV, a value that is not a string is written as JSON, and NUL characters and half surrogate pairs as U+FFFD, with
    a warning. In JSON, U+0085, U+2028 and U+2029 are escaped, because some readers treat them as line ends.

    In Parquet, a column has the type that the pipeline declares; without one, all values decide. Objects are structs,
    lists are lists, and integers have 64 bits. A column is JSON text if its values are mixed, recursive, objects with
    any properties, or larger integers. Parquet needs `pip install 'yamlgen[sql]'`.

    ```yaml
    params:
      language: {type: string, default: en}
    steps:
      questions:
        model: claude-haiku-5-5
        prompt: "Questions and answers on this text, in {{ params.language }}, each with a score: {{ row.text }}"
        output:
          schema:
            type: array
            items:
              type: object
              required: [question, answer, score]
              additionalProperties: false
              properties: {question: {type: string}, answer: {type: string}, score: {type: integer}}
    output:
      path: out/{{ params.language }}.jsonl
      for_each: steps.questions
      where: item.score >= 4
      unique: item.question | lower
      columns:
        topic: row.topic
        messages:
          - {role: "'user'", content: item.question}
          - {role: "'assistant'", content: item.answer}
      shape: chat
      split: {train: 0.9, test: 0.1}
    ```
    """

    model_config = ConfigDict(
        json_schema_extra={"required": ["path"], "dependentRequired": {"rejected": ["where"]}},
    )

    path: Text = ""
    """The output file, relative to the pipeline file: .jsonl, .json, .parquet, .csv or .tsv; after it, except after
    .parquet, `.gz` or `.zst` compress the file. May contain `{{ params.NAME }}`."""
    for_each: Expression | None = None
    """An expression that returns a list: each item becomes an output row. Other expressions can read `item` and
    `item_index` (from 0)."""
    where: Expression | None = None
    """A condition: output rows for which it is false are dropped and counted."""
    rejected: Text | None = None
    """A file for the rows that `where` drops, in the same columns. May contain `{{ params.NAME }}`."""
    unique: Expression | None = None
    """An expression: of several output rows with equal values, the first in input order is written."""
    columns: Annotated[dict[Text, Column], Field(min_length=1)] | None = None
    """The columns of an output row: expressions by name, in mappings and lists as needed. A constant string needs two
    pairs of quotes: `role: "'user'"`.

    Default: the columns of the input row, followed by the values of the steps. With `for_each: steps.x`, the step `x`
    is replaced by a column `item`.
    """
    exclude: Annotated[list[Text], Field(min_length=1)] | None = None
    """Columns to leave out of the default columns: an input column, `steps.NAME`, or `thinking.NAME` for
    what a model thought."""
    shape: Literal["chat", "instruction", "preference"] | None = None
    """A format of training data that every output row must have. A row in another shape fails.

    | shape | columns |
    |---|---|
    | `chat` | `messages`: a list of `{role, content}` that ends with the assistant |
    | `instruction` | `prompt` and `completion` |
    | `preference` | `prompt`, `chosen` and `rejected` |

    The columns of `instruction` and `preference` are all strings, or all lists of messages. Other columns are allowed.
    """
    split: Split | None = None
    """Parts of the output, each in a file of its own, such as `{train: 0.9, test: 0.1}`."""
    failed: Literal["separate", "keep"] = "separate"
    """`keep` also writes a failed row to the output, as one output row with null for what it lacks. `where`, `unique`
    and `shape` do not apply to it. Default: `separate`, only in the failed rows file."""
    csv: CsvSettings | None = None
    """How the output is written as CSV."""
    provenance: bool = False
    """Add a column `provenance` to each row: which runs sent the requests, models, stop reasons, tokens and cost."""

    def written(self) -> dict[str, Any]:
        """Return the output as a file would declare it; keys with their defaults are left out, but `provenance`."""
        made = self.model_dump(exclude_none=True, exclude_defaults=True)
        made["provenance"] = self.provenance
        if self.split is not None and self.split.by is None:
            made["split"] = dict(self.split.parts)
        return made

    @property
    def added(self) -> tuple[str, ...]:
        """The columns that are added to each row, after the values of the steps."""
        return ("provenance",) if self.provenance else ()

    def expressions(self) -> Iterator[OutputExpression]:
        """Yield its expressions in the order in which they are evaluated, those of the columns last."""
        if self.for_each is not None:
            yield OutputExpression("for_each", self.for_each, ("for_each",))
        if self.where is not None:
            yield OutputExpression("where", self.where, ("where",))
        if self.unique is not None:
            yield OutputExpression("unique", self.unique, ("unique",))
        if self.split is not None and self.split.by is not None:
            yield OutputExpression("split_by", self.split.by, ("split", "by"))
        for path, source in leaves(self.columns or {}):
            yield OutputExpression("column", source, ("columns", *path))


def leaves(column: Any, path: DataPath = ()) -> Iterator[tuple[DataPath, str]]:
    """Yield the expressions of a column, or of all columns, with their paths in it."""
    if isinstance(column, str):
        yield path, column
        return
    for key, value in column.items() if isinstance(column, Mapping) else enumerate(column):
        yield from leaves(value, (*path, key))
