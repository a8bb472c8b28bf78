"""The pipeline language, version 1, as frozen models: the one source of its JSON Schema and its reference.

The JSON Schema made of these models and of the steps' is the gate for shape; a document that passed it only has to
construct.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StringConstraints

from yamlgen.formats.format_table import FormatName
from yamlgen.steps.config_fields import MOST_CONCURRENCY, FrozenModel, ModelSettings, Name, Text
from yamlgen.steps.step_kinds import Step

PERCENT = r"^(100(\.0+)?|[0-9]{1,2}(\.[0-9]+)?)%$"


class Runtime(FrozenModel):
    """The way to the API. Only `base_url` and `api_version` decide what is sent.

    A change of any other key asks for nothing again.

    ```yaml
    runtime:
      api_key_env: TEAM_ANTHROPIC_KEY
      timeout: 120
      concurrency: 20
    steps:
      haiku: {model: claude-haiku-5-5, prompt: "A haiku about {{ row.topic }}."}
    ```
    """

    api_key_env: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] = "ANTHROPIC_API_KEY"
    """The name of the environment variable that holds the API key. Never the key."""
    base_url: Annotated[str, StringConstraints(pattern=r"^https?://[^\s/@?#]+(/[^\s?#]*)?$")] | None = None
    """The address of the API, without a query. Without one: the variable ANTHROPIC_BASE_URL, then
    https://api.anthropic.com."""
    timeout: float = Field(600, gt=0, le=86400)
    """Seconds that one request may take until its answer is complete."""
    max_retries: int = Field(6, ge=0, le=100)
    """How often a request is sent again after a failure of the connection or the server. Rate limits cost none."""
    concurrency: Literal["auto"] | Annotated[int, Field(ge=1, le=MOST_CONCURRENCY)] = "auto"
    """How many requests may be in flight at once: `auto`, or a ceiling."""
    api_version: Literal["2023-06-01", "2026-10-21"] = "2026-10-21"
    """The version of the API. `2023-06-01` is for models that still take sampling parameters."""
    allow_http: bool = False
    """Allow a plain `http://` address beyond this machine, such as a gateway in a private network."""


class Limits(FrozenModel):
    """Where a run stops, and what it asks before it starts. What was paid for is kept: the next run goes on from it.

    Only what a run itself asks for counts, not what the store answers. A limit is overshot by at most what was in
    flight.

    ```yaml
    limits:
      max_cost_usd: 20
      max_failures: 5%
      confirm_above_usd: 5
    steps:
      haiku: {model: claude-haiku-5-5, prompt: "A haiku about {{ row.topic }}."}
    ```
    """

    max_requests: int | None = Field(None, ge=1)
    """The most requests that a run may send, those that are sent again included. The run stops before the next one."""
    max_failures: Annotated[int, Field(ge=0)] | Annotated[str, StringConstraints(pattern=PERCENT)] | None = None
    """How many rows that a run asks for may fail, or lose an item: a number, or `5%` of those that are done, once they
    are fifty."""
    max_cost_usd: float | None = Field(None, gt=0)
    """The most US dollars that a run may spend. The price of each model must be known: see `price` under a model."""
    confirm_above_usd: float | None = Field(None, ge=0)
    """Ask before a run that may cost more US dollars than this, or whose price nobody knows. 0 asks before each."""
    max_unusable: Literal["none"] | Annotated[str, StringConstraints(pattern=PERCENT)] | None = None
    """The share of the first fifty rows that a step pays for at which a run stops if so many come to nothing: cut off,
    empty, unreadable, or against the schema. Refusals and failed checks do not count. 90% where none is set; `none`
    never stops."""
    max_pause: float | None = Field(None, gt=0, le=86400)
    """Seconds that a run waits for an API that lets nothing through, before it stops; 600 where none is set."""


class Input(FrozenModel):
    """Where the rows come from: a file, standard input, or rows written here.

    Say `path` or `rows`, one of them. The values of a CSV file are texts, an empty cell is `""`. Give the rows an `id`
    where you can: by it an answer finds its row again when other columns change.

    A CSV file is UTF-8, as in RFC 4180. A NUL in it is read as U+FFFD. A byte order mark behind its beginning, as in
    files that were joined, stays in its value. Both are told, with a warning.

    A file is read through before the first request, and may not change until the run has ended. What is appended
    meanwhile is left out, with a warning. After any other change of its bytes the run ends with exit code 3: the
    answers are kept, and nothing is written.

    `reviews.csv`:

    ```csv
    review_id,text
    r-1,The kettle leaks.
    r-2,Came in a day. Great colour!
    ```

    ```yaml
    input:
      path: reviews.csv
      id: review_id
    steps:
      summary: {model: claude-haiku-5-5, prompt: "Sum this up in five words: {{ row.text }}"}
    ```
    """

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["path"]}, {"required": ["rows"]}]},
    )

    path: Text | None = None
    """A file of rows, relative to this file, or `-` for standard input."""
    format: FormatName | None = None
    """The format of the rows, where the file's ending does not say it."""
    delimiter: Annotated[str, StringConstraints(min_length=1, max_length=1)] | None = None
    """The character between the cells of a CSV file."""
    id: Text | None = None
    """The column that names a row, in messages and for `--row`. Its values must be there and must be unique."""
    rows: list[dict[str, Any]] | None = None
    """The rows themselves, each a mapping from column to value."""


class Output(FrozenModel):
    """The file of finished rows; failed rows and the run's record stand beside it.

    A row of the output is the row of the input with the values of all steps behind it, in file order. In CSV a value
    that is no text is written as JSON, and a NUL as U+FFFD, with a warning. In JSON, U+0085, U+2028 and U+2029 stand as
    escapes: some readers take them for line ends.

    ```yaml
    steps:
      haiku: {model: claude-haiku-5-5, prompt: "A haiku about {{ row.topic }}."}
    output:
      path: out/haikus.csv
      provenance: true
    ```
    """

    model_config = ConfigDict(json_schema_extra={"required": ["path"]})

    path: Text = ""
    """The file that is written, relative to this file: .jsonl, .json or .csv."""
    provenance: bool = False
    """Add a column `provenance` to each row: the runs that paid, models that answered, stop reasons, usage, cost."""

    @property
    def added(self) -> tuple[str, ...]:
        """The columns that are added to each row, behind the values of the steps."""
        return ("provenance",) if self.provenance else ()


class PipelineModel(FrozenModel):
    """A pipeline: rows in, each through every step, rows out.

    Unknown keys are errors, everywhere. Only keys at the top that begin with `x-` are free, as a place for anchors.
    Names of steps, parameters and models are small letters, digits and `_`, and begin with a letter. Paths are relative
    to the file.

    A path that leaves the file's folder says so itself: `../shared/style.md`, or an absolute path. Where a link leads a
    text, a schema or the module of a `call` out of the folder, that is an error, and no `$ref` of a schema leaves it.
    Data may be links: the input, the files of draws, the output, the store.

    ```yaml
    version: 1
    name: haikus
    model: claude-haiku-5-5
    input:
      rows: [{topic: tea}, {topic: rain}]
    steps:
      haiku:
        prompt: A haiku about {{ row.topic }}.
      title:
        prompt: |
          A title for this haiku, in five words at most:
          {{ steps.haiku }}
    output:
      path: out/haikus.jsonl
    ```
    """

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
    """Parameters of a run (`-p name=value`), each a JSON Schema; with a `default` it may be left out.

    The value of `-p` is read as YAML is, so `-p count=3` gives a number, and is then held against the schema.
    Parameters are for templates and expressions; `--set` changes any other value of the file.

    ```yaml
    params:
      language: {type: string, enum: [English, French], default: English}
      words: {type: integer, minimum: 10, default: 50}
    steps:
      article:
        model: claude-haiku-5-5
        prompt: Write {{ params.words }} words about {{ row.topic }}, in {{ params.language }}.
    ```
    """
    models: dict[Name, ModelSettings] = Field(default_factory=dict)
    """Models by alias, so that a model changes on one line.

    Once a file has `models`, a text under `model` must be one of them, at the top and in a step; without `models` it is
    an id.
    """
    model: Text | ModelSettings | None = None
    """The model of each step that names none: an id, an alias of `models`, or settings.

    A step whose `model` is a text, or has an `id`, names its own and takes nothing from here, and neither does a matrix
    of models. A step without `model`, or with a `model` of settings alone, takes what it does not set itself, key by
    key.

    ```yaml
    model: {id: claude-haiku-5-5, max_tokens: 300}
    steps:
      haiku: {prompt: "A haiku about {{ row.topic }}."}
      essay: {prompt: "An essay about {{ row.topic }}.", max_tokens: 2000}
      verdict: {prompt: "Is this a good essay? {{ steps.essay }}", model: claude-sonnet-5-5}
    ```
    """
    runtime: Runtime = Field(default_factory=Runtime)
    """How the API is reached."""
    limits: Limits = Field(default_factory=Limits)
    """Where a run stops, and what it asks before it starts."""
    input: Input = Field(default_factory=Input)
    """Where the rows come from."""
    steps: Annotated[dict[Name, Step], Field(min_length=1)] = Field(default_factory=dict)
    """The steps, in the order in which a reader would tell the story.

    A step that refers to another one runs after it; the order in the file does not matter. Steps that do not need each
    other run side by side, and a row moves on as soon as its own step is done. A row that fails at a step is set aside,
    and its siblings go on. A step may not be named like a column of the input. What a step does is its `kind`:

    | kind | does | its value |
    |---|---|---|
    KINDS

    Any step can be done several times for a row. What does that nests, from the outside in: `for_each` gives a list
    with an entry for each item; `matrix` a list of `{labels..., output}`, one for each combination; `samples` a list of
    outputs.

    ```yaml
    steps:
      questions:
        model: claude-haiku-5-5
        prompt: Questions that a customer may have about {{ row.topic }}.
        output:
          schema: {type: array, minItems: 2, maxItems: 4, items: {type: string}}
      answers:
        for_each: steps.questions
        matrix: {tone: [dry, warm]}
        samples: 3
        model: claude-haiku-5-5
        prompt: "Answer in a {{ matrix.tone }} tone: {{ item }}"
      picked:
        kind: compute
        values:
          first_dry: steps.answers[0][0].output[0]
          tones: steps.answers[0] | map(attribute="tone") | list
    ```

    The value of `answers` above, for two questions:

    ```json
    [
      [{"tone": "dry", "output": ["...", "...", "..."]}, {"tone": "warm", "output": ["...", "...", "..."]}],
      [{"tone": "dry", "output": ["...", "...", "..."]}, {"tone": "warm", "output": ["...", "...", "..."]}]
    ]
    ```
    """
    output: Output = Field(default_factory=Output)
    """Where the rows go."""
