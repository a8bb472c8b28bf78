"""The pipeline language, version 1, as frozen models: the source of its JSON Schema and its reference.

The JSON Schema is generated from these models and those of the steps. A document that validates against it can be
constructed.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StringConstraints

from yamlgen.pipeline.input_config import Input
from yamlgen.shaping.output_config import Output
from yamlgen.steps.batch_config import Batch
from yamlgen.steps.config_fields import (
    ADDRESS,
    HEADER,
    MOST_CONCURRENCY,
    VARIABLE,
    WORKSPACE,
    Auth,
    FromVariable,
    FrozenModel,
    ModelSettings,
    Name,
    Text,
)
from yamlgen.steps.step_kinds import Step

MOST_WORKERS = 512
"""The maximum of `python_workers`, above the cores of any machine."""
PERCENT = r"^(100(\.0+)?|[0-9]{1,2}(\.[0-9]+)?)%$"


class Runtime(FrozenModel):
    """The connection to the API.

    A change of `base_url`, `api_version` or `workspace` sends requests again, and so does a profile with another
    address or workspace. After any other change, the stored answers are still used.

    ```yaml
    runtime:
      api_key_env: TEAM_ANTHROPIC_KEY
      timeout: 120
      concurrency: 20
    steps:
      haiku: {model: claude-haiku-5-5, prompt: "A haiku about {{ row.topic }}."}
    ```
    """

    auth: Auth | None = None
    """The credentials: `key`, an API key; `token`, an access token; `profile`, a profile of the Anthropic SDK;
    `federation`, an identity token that is exchanged for an access token. Default: `key` if `api_key_env` is set, or
    else the first that the environment has, in this order."""
    api_key_env: Annotated[str, StringConstraints(pattern=VARIABLE)] | None = None
    """The name of the environment variable that contains the API key or the token, never the key itself. Default:
    ANTHROPIC_API_KEY, or with `auth: token` ANTHROPIC_AUTH_TOKEN."""
    base_url: Annotated[str, StringConstraints(pattern=ADDRESS)] | None = None
    """The address of the API, without a query. Default: the environment variable ANTHROPIC_BASE_URL, or the address of
    the profile, or else https://api.anthropic.com."""
    timeout: float = Field(600, gt=0, le=86400)
    """Maximum seconds for one request, until its answer is complete."""
    max_retries: int = Field(6, ge=0, le=100)
    """Maximum retries of a request after a connection or server error. Waiting for a rate limit does not count."""
    concurrency: Literal["auto"] | Annotated[int, Field(ge=1, le=MOST_CONCURRENCY)] = "auto"
    """Maximum number of requests in flight at once: `auto`, or a number."""
    quota_share: float = Field(1, gt=0, le=1)
    """The part of each rate limit that a run uses, so that the rest is free for others: `0.25` sends a quarter of what
    the API allows per minute. The limits are those in the headers of its answers. Batches have limits of their own."""
    api_version: Literal["2023-06-01", "2026-10-21"] = "2026-10-21"
    """The version of the API. Use `2023-06-01` for models that still accept sampling parameters."""
    allow_http: bool = False
    """Allow an unencrypted `http://` address on another machine, such as a gateway in a private network."""
    headers: dict[Annotated[str, StringConstraints(pattern=HEADER)], FromVariable] | None = None
    """Headers to send with every request, such as those of a gateway. Each value is in an environment variable, never
    in the file, and no message shows it.

    A header here overrides the same header in ANTHROPIC_CUSTOM_HEADERS. A change of a value asks nothing again.

    ```yaml
    runtime:
      headers: {x-team-token: {env: TEAM_TOKEN}}
    steps:
      haiku: {model: claude-haiku-5-5, prompt: "A haiku about {{ row.topic }}."}
    ```
    """
    workspace: Annotated[str, StringConstraints(pattern=WORKSPACE)] | FromVariable | None = None
    """The id of the workspace that the requests are for, or `{env: VARIABLE}`. Default: that of the key."""

    python_workers: Literal["auto"] | Annotated[int, Field(ge=0, le=MOST_WORKERS)] = 0
    """Number of processes that call the functions of `python` steps: `auto`, one for each core that the run may use, or
    a number. With 0, threads of the run call them, which is faster for short functions but computes on one core only.

    A coroutine function always runs in the run's own process. A process ends with the call if it takes longer than
    `timeout`, and a function that ends its process fails only its row. Processes get the environment without the
    variables of credentials. A change of this key sends nothing again. See
    [Functions that compute](guides/steps.md#functions-that-compute).

    ```yaml
    runtime: {python_workers: auto}
    steps:
      stats: {kind: python, call: "textstats:stats", args: {text: row.text}}
    ```
    """

    @property
    def variables(self) -> frozenset[str]:
        """The environment variables with credentials that it names."""
        given = [*(self.headers or {}).values(), self.workspace]
        return frozenset({self.key_name, *(each.env for each in given if isinstance(each, FromVariable))})

    @property
    def key_name(self) -> str:
        """The environment variable that has the key or the token."""
        return self.api_key_env or ("ANTHROPIC_AUTH_TOKEN" if self.auth == "token" else "ANTHROPIC_API_KEY")


class Limits(FrozenModel):
    """When a run stops, and when it asks for confirmation. Answers are stored, and the next run uses them.

    Only requests that the run sends count, not answers from the store. When a limit is reached, requests in flight
    still complete, so a run may exceed the limit by these requests.

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
    """Maximum number of requests that a run sends, including retries. The run stops before it sends another."""
    max_failures: Annotated[int, Field(ge=0)] | Annotated[str, StringConstraints(pattern=PERCENT)] | None = None
    """Maximum number of rows that may fail, or lose a step or an item: a count, or a percentage such as `5%`. A
    percentage is of the rows that are done, and applies after 50 rows. Rows for which the run sends no request do not
    count."""
    max_cost_usd: float | None = Field(None, gt=0)
    """Maximum cost of a run in US dollars. The price of each model must be known: see `price` under a model."""
    confirm_above_usd: float | None = Field(None, ge=0)
    """Ask for confirmation before a run that may cost more US dollars than this, or whose price is unknown. 0 asks
    before every run."""
    max_unusable: Literal["none"] | Annotated[str, StringConstraints(pattern=PERCENT)] | None = None
    """Stop a run if this percentage of a step's first 50 rows with requests gets unusable answers: cut off, empty,
    unreadable, or not valid against the schema. Refusals and failed checks do not count. `none` never stops a run.
    Default: 90%."""
    max_pause: float | None = Field(None, gt=0, le=86400)
    """Seconds that a run waits while the API accepts no request, before it stops. Default: 600."""


class PipelineModel(FrozenModel):
    """A pipeline reads rows, runs each row through every step, and writes the results.

    Unknown keys are errors, except top-level keys that begin with `x-`, which are for YAML anchors. Names of steps,
    parameters and models consist of lowercase letters, digits and `_`, and begin with a letter. Paths are relative to
    the pipeline file.

    A prompt file, a schema or the module of a `call` must be in the pipeline's folder, unless its path shows
    otherwise: `../shared/style.md`, or an absolute path. A symbolic link that leaves the folder is an error, and so is
    a `$ref` of a schema that leaves it. Data may be symbolic links: the input, the files of draws, the output, the
    store.

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
            "required": ["version", "input", "steps"],
            "oneOf": [{"required": ["output"]}, {"required": ["outputs"]}],
            "patternProperties": {"^x-": {"description": "Ignored: a place for YAML anchors."}},
        },
    )

    version: Literal[1] = 1
    """The version of the language: 1."""
    name: Text | None = None
    """The pipeline's name in messages and reports. Default: the file's name."""
    description: str | None = None
    """A description of the pipeline, for people. It is not sent."""
    params: dict[Name, dict[str, Any]] = Field(default_factory=dict)
    """Parameters of a run (`-p name=value`), each a JSON Schema. A parameter with a `default` is optional.

    The value of `-p` is parsed as YAML, so `-p count=3` is a number, and is then validated against the schema.
    Templates and expressions read parameters. To change any other value of the file, use `--set`.

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
    """Your own names for models. To change a model, edit one line.

    If the file has `models`, a string under `model` must be one of its aliases, at the top and in a step. Otherwise,
    the string is a model id.
    """
    model: Text | ModelSettings | None = None
    """The default model of all steps: an id, an alias of `models`, or settings.

    A step without `model`, or whose `model` has settings but no `id`, inherits each key that it does not set. If a
    step's `model` is a string or has an `id`, the step inherits nothing. A step with a matrix of models inherits
    nothing either.

    ```yaml
    model: {id: claude-haiku-5-5, max_tokens: 300}
    steps:
      haiku: {prompt: "A haiku about {{ row.topic }}."}
      essay: {prompt: "An essay about {{ row.topic }}.", max_tokens: 2000}
      verdict: {prompt: "Is this a good essay? {{ steps.essay }}", model: claude-sonnet-5-5}
    ```
    """
    batch: bool | Batch = False
    """Whether requests are sent in Message Batches, at half the price: `true`, or a mapping of settings.

    A batch ends within 24 hours, usually within one. A run waits for its batches; if it is interrupted, the next run
    waits for the same batches. `batch` under a step overrides this key as a whole. `--batch` and `--no-batch` of a run
    override both. See [Batches](guides/batches.md).

    ```yaml
    batch: true
    model: claude-haiku-5-5
    steps:
      draft: {prompt: "A haiku about {{ row.topic }}."}
      title: {prompt: "A title for this haiku: {{ steps.draft }}", batch: false}
    ```
    """
    runtime: Runtime = Field(default_factory=Runtime)
    """The connection to the API."""
    limits: Limits = Field(default_factory=Limits)
    """When a run stops, and when it asks for confirmation."""
    input: Input = Field(default_factory=Input)
    """The source of the rows."""
    steps: Annotated[dict[Name, Step], Field(min_length=1)] = Field(default_factory=dict)
    """The steps that each row runs through, by name.

    A step that refers to another step runs after it; the order in the file does not matter. Steps that do not depend on
    each other run in parallel, and each row continues without waiting for the other rows. If a step fails for a row,
    the row is written to the failed rows file, and the other rows continue. A step must not have the name of an input
    column. The `kind` of a step determines what it does:

    | kind | does | its value |
    |---|---|---|
    KINDS

    A step can run several times for a row. The keys for this nest, outermost first: `for_each` produces a list with an
    entry for each item, `matrix` a list of `{labels..., output}` with an entry for each combination, and `samples` a
    list of outputs.

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
    output: Output | None = None
    """The file of finished rows."""
    outputs: Annotated[dict[Name, Output], Field(min_length=1)] | None = None
    """Several outputs instead of `output`, by name, each with its own file and shape.

    The failed rows file and the record of the run are named after the first output.

    ```yaml
    steps:
      mood:
        model: claude-haiku-5-5
        prompt: "The mood of this review: {{ row.text }}"
        output: {schema: {enum: [pleased, angry, unclear]}}
    outputs:
      labels:
        path: out/labels.jsonl
        where: steps.mood != "unclear"
        columns: {text: row.text, label: steps.mood}
      review:
        path: out/review.csv
        where: steps.mood == "unclear"
    ```
    """

    @property
    def named_outputs(self) -> dict[str, Output]:
        """The outputs by name; the name of `output` is empty."""
        return self.outputs or {"": self.output or Output()}
