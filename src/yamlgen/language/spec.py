"""The pipeline language, version 1, as frozen models: the one source of its JSON Schema and its reference.

These are wire types only: a template stays a string, a reference a name; anything richer belongs to the plan.
The docstring under a field is what editors show on hover. The JSON Schema made of these models is the gate for
shape; a document that passed it only has to construct. What the schema requires may still have a neutral default
here, so that a file with mistakes constructs without its broken parts and the rest of it can be checked too.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

NAME = r"^[a-z][a-z0-9_]*$"
PERCENT = r"^(100(\.0+)?|[0-9]{1,2}(\.[0-9]+)?)%$"

Name: TypeAlias = Annotated[str, StringConstraints(pattern=NAME)]
Text: TypeAlias = Annotated[str, StringConstraints(min_length=1)]


class Part(BaseModel):
    """A mapping of the language: frozen, and closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class FileText(Part):
    """A text that lives in a file of its own."""

    model_config = ConfigDict(json_schema_extra={"required": ["file"]})

    file: Text = ""
    """Path of the text, relative to this file. The text is a template, like one written inline."""


class Thinking(Part):
    """Extended thinking with a fixed budget, for models that take one."""

    model_config = ConfigDict(json_schema_extra={"required": ["budget_tokens"]})

    budget_tokens: int = Field(1024, ge=1024)
    """How many tokens the model may think, at least 1024 and less than `max_tokens`."""


class Settings(Part):
    """What a request says about the model, key by key: a step's own settings win over its alias."""

    id: Text | None = None
    """The model's id, such as `claude-haiku-5-5`. Any id is sent as it is: gateways and fine-tunes have their own."""
    max_tokens: int | None = Field(None, ge=1)
    """The most tokens of an answer, thinking included. 4096 where none is set."""
    stop_sequences: list[Text] | None = None
    """Texts at which the model stops writing."""
    thinking: Literal["adaptive", "disabled"] | Thinking | None = None
    """Extended thinking: `adaptive`, `disabled`, or `{budget_tokens: N}`. The model's own default where none is set."""
    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    """How much effort the model puts into an answer."""
    temperature: float | None = Field(None, ge=0, le=1)
    """Randomness of the answer. Only models up to 4.6 take it, under `runtime.api_version: "2023-06-01"`."""
    top_p: float | None = Field(None, ge=0, le=1)
    """Nucleus sampling. Only models up to 4.6 take it, under `runtime.api_version: "2023-06-01"`."""
    top_k: int | None = Field(None, ge=0)
    """Sample from the `top_k` likeliest tokens. Only models up to 4.6, under `runtime.api_version: "2023-06-01"`."""


class Price(Part):
    """What a model costs, in US dollars per million tokens."""

    model_config = ConfigDict(json_schema_extra={"required": ["input", "output"]})

    input: float = Field(0, ge=0)
    """US dollars per million tokens of input that the prompt cache has no part in."""
    output: float = Field(0, ge=0)
    """US dollars per million tokens of output, thinking included."""
    cache_read: float | None = Field(None, ge=0)
    """US dollars per million tokens read from the prompt cache. A tenth of `input` where none is set."""
    cache_write: float | None = Field(None, ge=0)
    """US dollars per million tokens written to the prompt cache. 1.25 times `input` where none is set."""


class ModelSettings(Settings):
    """A model: its settings, and what it costs."""

    price: Price | None = None
    """The price of this `id`, for a gateway or a fine-tune. Never sent. The public list price where none is set."""


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


class Turn(Part):
    """One message of a conversation."""

    model_config = ConfigDict(json_schema_extra={"required": ["role", "content"]})

    role: Literal["user", "assistant"] = "user"
    """Who speaks."""
    content: Text | FileText = ""
    """What is said: a template, or `{file: path}`."""


class StepOutput(Part):
    """The output of a step that answers in JSON."""

    model_config = ConfigDict(json_schema_extra={"required": ["schema"]})

    schema_: Text | dict[str, Any] = Field(default_factory=dict, alias="schema")
    """The JSON Schema (draft 2020-12) of the output: a path (.json, .yaml), or the schema itself."""
    mode: Literal["auto", "native", "tools", "json"] = "auto"
    """How the model is asked for it: `auto` picks by what the model can do."""
    reasks: int = Field(2, ge=0, le=10)
    """How often an invalid answer is sent back to the model with the errors."""


class Step(Settings):
    """One request for each row. A step whose templates refer to another step runs after it."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["prompt"]}, {"required": ["messages"]}]},
    )

    kind: Literal["generate"] = "generate"
    """What the step does: `generate` asks a model."""
    description: str | None = None
    """What the step is for. Not sent."""
    model: Text | ModelSettings | None = None
    """An alias of `models`, or the settings themselves. Without `models`, a string is a model's id."""
    system: Text | FileText | None = None
    """The system prompt: a template, or `{file: path}`."""
    prompt: Text | FileText | None = None
    """What the user says: a template, or `{file: path}`."""
    messages: Annotated[list[Turn], Field(min_length=1)] | None = None
    """A whole conversation in place of `prompt`, for examples (few-shot); the last message is the user's."""
    output: StepOutput | None = None
    """The schema of the answer. Without one the step's value is text."""


class Output(Part):
    """The file of finished rows; failed rows and the run's record stand beside it."""

    model_config = ConfigDict(json_schema_extra={"required": ["path"]})

    path: Text = ""
    """The file that is written, relative to this file: .jsonl, .json or .csv."""
    provenance: bool = False
    """Add a column `provenance` to each row: the runs that paid, models that answered, stop reasons, usage, cost."""


class Pipeline(Part):
    """A pipeline: rows in, one request for each step and row, rows out."""

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
