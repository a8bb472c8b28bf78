"""The pipeline language, version 1, as frozen models: the one source of its JSON Schema and its reference.

The JSON Schema made of these models, of `kinds` and of `parts` is the gate for shape; a document that passed it only
has to construct.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StringConstraints

from yamlgen.language.kinds import Step
from yamlgen.language.parts import ModelSettings, Name, Part, Text

PERCENT = r"^(100(\.0+)?|[0-9]{1,2}(\.[0-9]+)?)%$"


class Runtime(Part):
    """The way to the API. Only `base_url` and `api_version` decide what is sent."""

    api_key_env: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] = "ANTHROPIC_API_KEY"
    """The name of the environment variable that holds the API key. Never the key."""
    base_url: Annotated[str, StringConstraints(pattern=r"^https?://[^\s/@]+(/\S*)?$")] | None = None
    """The address of the API. Without one: the variable ANTHROPIC_BASE_URL, then https://api.anthropic.com."""
    timeout: float = Field(600, gt=0, le=86400)
    """Seconds that one request may take until its answer is complete."""
    max_retries: int = Field(6, ge=0, le=100)
    """How often a request is sent again after a failure of the connection or the server. Rate limits cost none."""
    concurrency: Literal["auto"] | Annotated[int, Field(ge=1, le=1000)] = "auto"
    """How many requests may be in flight at once: `auto`, or a ceiling."""
    api_version: Literal["2023-06-01", "2026-10-21"] = "2026-10-21"
    """The version of the API. `2023-06-01` is for models that still take sampling parameters."""
    allow_http: bool = False
    """Allow a plain `http://` address beyond this machine, such as a gateway in a private network."""


class Limits(Part):
    """Where a run stops, and what it asks before it starts. What was paid for is kept: the next run goes on from it."""

    max_requests: int | None = Field(None, ge=1)
    """The most requests that a run may send, those that are sent again included. The run stops before the next one."""
    max_failures: Annotated[int, Field(ge=0)] | Annotated[str, StringConstraints(pattern=PERCENT)] | None = None
    """How many rows that a run asks for may fail: a number, or `5%` of those that are done, once they are fifty."""
    max_cost_usd: float | None = Field(None, gt=0)
    """The most US dollars that a run may spend. The price of each model must be known: see `price` under a model."""
    confirm_above_usd: float | None = Field(None, ge=0)
    """Ask before a run that may cost more US dollars than this, or whose price nobody knows. 0 asks before each."""
    max_pause: float | None = Field(None, gt=0, le=86400)
    """Seconds that a run waits for an API that lets nothing through, before it stops; 600 where none is set."""


class Input(Part):
    """Where the rows come from: a file, standard input, or rows written here."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["path"]}, {"required": ["rows"]}]},
    )

    path: Text | None = None
    """A file of rows, relative to this file, or `-` for standard input."""
    format: Literal["jsonl", "csv", "json"] | None = None
    """The format of the rows, where the file's ending does not say it."""
    delimiter: Annotated[str, StringConstraints(min_length=1, max_length=1)] | None = None
    """The character between the cells of a CSV file."""
    id: Text | None = None
    """The column that names a row. Its values must be there and must be unique."""
    rows: list[dict[str, Any]] | None = None
    """The rows themselves, each a mapping from column to value."""


class Output(Part):
    """The file of finished rows; failed rows and the run's record stand beside it."""

    model_config = ConfigDict(json_schema_extra={"required": ["path"]})

    path: Text = ""
    """The file that is written, relative to this file: .jsonl, .json or .csv."""
    provenance: bool = False
    """Add a column `provenance` to each row: the runs that paid, models that answered, stop reasons, usage, cost."""


class Pipeline(Part):
    """A pipeline: rows in, each through every step, rows out."""

    model_config = ConfigDict(
        title="yamlgen pipeline",
        json_schema_extra={
            "required": ["version", "input", "steps", "output"],
            "patternProperties": {"^x-": {"description": "Free: a place for anchors."}},
        },
    )

    version: Literal[1] = 1
    """The version of the language: 1."""
    name: Text | None = None
    """The pipeline's name in messages and reports. The file's name where none is set."""
    description: str | None = None
    """What the pipeline is for."""
    params: dict[Name, dict[str, Any]] = Field(default_factory=dict)
    """Parameters of a run (`-p name=value`), each a JSON Schema; with a `default` it may be left out."""
    models: dict[Name, ModelSettings] = Field(default_factory=dict)
    """Models by alias, so that a model changes on one line."""
    runtime: Runtime = Field(default_factory=Runtime)
    """How the API is reached."""
    limits: Limits = Field(default_factory=Limits)
    """Where a run stops, and what it asks before it starts."""
    input: Input = Field(default_factory=Input)
    """Where the rows come from."""
    steps: Annotated[dict[Name, Step], Field(min_length=1)] = Field(default_factory=dict)
    """The steps, in the order in which a reader would tell the story."""
    output: Output = Field(default_factory=Output)
    """Where the rows go."""
