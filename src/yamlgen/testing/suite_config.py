"""The language of test files, version 1, as frozen models: the source of its JSON Schema and its reference."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from yamlgen.formats.format_table import FormatName
from yamlgen.steps.config_fields import FrozenModel, Text
from yamlgen.steps.step_config import Expression


class Expectation(FrozenModel):
    """A condition with its own message, written as a mapping."""

    model_config = ConfigDict(json_schema_extra={"required": ["expression"]})

    expression: Expression = ""
    """The condition. An evaluation error counts as false."""
    message: Text | None = None
    """The message if the condition is false: a template over the same names."""


class CaseRows(FrozenModel):
    """The rows of a case, out of a file."""

    model_config = ConfigDict(json_schema_extra={"required": ["path"]})

    path: Text = ""
    """The file of rows, relative to the test file."""
    format: FormatName | None = None
    """The format of the rows. Default: the format of the file's extension."""
    limit: int | None = Field(None, ge=1)
    """Use only the first rows. Default: all."""


class Gold(FrozenModel):
    """Values that are known to be right, such as labels by hand: columns of the rows of the case."""

    model_config = ConfigDict(json_schema_extra={"required": ["on", "fields"]})

    on: Text = ""
    """The column by which output rows and input rows are matched. It must be different in each row."""
    fields: Annotated[dict[Text, Text], Field(min_length=1)] = Field(default_factory=dict)
    """For each value of an output row, such as `label.topic`, the column of the input row with the right value."""


class CaseModel(FrozenModel):
    """A case: one row or several rows, and what is expected of them.

    All of its rows are run: `where`, `sample` and `limit` of the pipeline's `input` do not apply.
    """

    model_config = ConfigDict(
        json_schema_extra={"required": ["name"], "oneOf": [{"required": ["row"]}, {"required": ["rows"]}]}
    )

    name: Text = ""
    """The name of the case, unique in its file."""
    row: dict[str, Any] | None = None
    """The row, as a mapping from columns to values."""
    rows: CaseRows | None = None
    """The rows, out of a file."""
    params: dict[str, Any] = Field(default_factory=dict)
    """Parameters of this case, in addition to those of the file."""
    expect: list[Expression | Expectation] = Field(default_factory=list)
    """The conditions that must be true."""
    golden: Text | None = None
    """A file with the expected output rows, relative to the test file. `--update` writes it.

    Of several outputs, only the first one is compared.
    """
    gold: Gold | None = None
    """The right values, for the accuracy."""


class TestSuiteModel(FrozenModel):
    """A test file: cases of one pipeline."""

    __test__ = False

    model_config = ConfigDict(
        title="yamlgen tests",
        json_schema_extra={
            "required": ["version", "pipeline", "cases"],
            "patternProperties": {"^x-": {"description": "Ignored: a place for YAML anchors."}},
        },
    )

    version: Literal[1] = 1
    """The version of the language of test files: 1."""
    pipeline: Text = ""
    """The pipeline, relative to the test file."""
    params: dict[str, Any] = Field(default_factory=dict)
    """Parameters of the pipeline."""
    redact: list[Expression] = Field(default_factory=list)
    """Values that are left out of the recorded answers, such as `row.email`: a stand-in takes their place.

    Strings and numbers have stand-ins; booleans do not. A change of such a value is not a miss.
    """
    cases: Annotated[list[CaseModel], Field(min_length=1)] = Field(default_factory=list)
    """The cases."""
