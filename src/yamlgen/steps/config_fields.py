"""Parts that several models of the language share: names, strings and the settings of a model.

The models here, and in the `config` of each kind of step, are wire types: a template is a string, and a reference is a
name. The plan has richer types. The docstring of a field is its hover text in editors and its text in the reference.
A field that the schema requires may still have a neutral default, so that a model can be built without the broken
parts of a file and the rest of the file can be checked.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, StringConstraints, field_validator

from yamlgen.model_capabilities import LEAST_BUDGET
from yamlgen.steps.field_docstrings import docstrings_of

_MAX_TOKENS: Final = 4096
MOST_CONCURRENCY: Final = 1000
"""The default maximum of requests in flight; the API's rate limits decide how many are."""
MOST_USER_ID: Final = 256
"""The maximum length of the identifier of a person."""
MOST: Final = 1_000_000_000
"""The maximum of any count, far above realistic values: it excludes JSON integers such as `1e308`."""
NAME = r"^[a-z][a-z0-9_]*$"
VARIABLE = r"^[A-Za-z_][A-Za-z0-9_]*$"
WORKSPACE = r"^[!-#%-z|~]+$"  # no `$`, `{` and `}`: `$WORKSPACE` of other tools is not an id
HEADER = r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"
BETA = r"^[A-Za-z0-9._-]+$"
ADDRESS = r"^https?://[^\s/@?#]+(/[^\s?#]*)?$"

Name: TypeAlias = Annotated[str, StringConstraints(pattern=NAME)]
Text: TypeAlias = Annotated[str, StringConstraints(min_length=1)]
R = TypeVar("R", bound="FrozenModel")

Cache: TypeAlias = Literal["5m", "1h"]
"""How long the API caches a prompt after its last use."""


class FrozenModel(BaseModel):
    """A mapping of the language: frozen, and closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Return the model's JSON Schema, in which the docstrings of the fields describe the properties."""
        schema = handler(core_schema)
        properties = handler.resolve_ref_schema(schema).get("properties", {})
        docstrings = docstrings_of(cls)
        for name in cls.model_fields.keys() & docstrings.keys():
            properties[cls.model_fields[name].alias or name]["description"] = docstrings[name]
        return schema


class FileText(FrozenModel):
    """A text in a file of its own.

    `few_shot.md`:

    ```md
    Templates of our shop look like this: Dear {{ customer }}, thank you for {{ order }}.
    ```

    ```yaml
    steps:
      letter:
        model: claude-haiku-5-5
        system: {file: few_shot.md, template: false}
        prompt: Write such a template for a customer who complains about {{ row.topic }}.
    ```
    """

    model_config = ConfigDict(json_schema_extra={"required": ["file"]})

    file: Text = ""
    """Path of the text file, relative to this file. Its content is a template, like an inline template."""
    template: bool = True
    """Whether the content is a template. With `false`, it is sent exactly as it is: braces have no meaning, and a line
    break at the end is kept. Default: true."""


class Thinking(FrozenModel):
    """Extended thinking in the API's own form, to set a token budget or what the answer shows of the thinking.

    ```yaml
    models:
      planner: {id: claude-opus-5-5, thinking: {type: adaptive, display: summarized}}
      counter: {id: claude-haiku-4-5, max_tokens: 8192, thinking: {budget_tokens: 2048}}
    steps:
      plan:
        model: planner
        prompt: Plan an essay about {{ row.topic }}.
      words:
        model: counter
        prompt: "How many verbs does this plan have? {{ steps.plan }}"
    ```
    """

    type: Literal["adaptive", "enabled", "disabled", "between_tools"] | None = None
    """The type of thinking. Default: `enabled`, which requires `budget_tokens`."""
    budget_tokens: int | None = Field(None, ge=LEAST_BUDGET, le=MOST)
    """Maximum number of thinking tokens. At least 1024 and less than `max_tokens`. Only for `enabled`."""
    display: Literal["summarized", "omitted"] | None = None
    """What an answer shows of the thinking. Newer models omit it by default. It is stored with the answer and is never
    part of the step's value; to use it, set `output.keep_thinking`."""


class Metadata(FrozenModel):
    """What a request says about the person for whom it is sent."""

    model_config = ConfigDict(json_schema_extra={"required": ["user_id"]})

    user_id: Text | None = None
    """A template of an opaque identifier of the person, such as `"{{ row.user_hash }}"`: at most 256 characters. Where
    it is blank or null, the request says nothing. Never a name or an address."""


class Settings(FrozenModel):
    """The settings of a model in a request. Each setting of a step overrides the same setting of its alias."""

    id: Text | None = None
    """The model's id, such as `claude-haiku-5-5`. Any id is sent unchanged, so gateways and fine-tunes work."""
    max_tokens: int | None = Field(None, ge=1, le=MOST)
    """Maximum number of tokens in an answer, including thinking. Default: 4096."""
    stop_sequences: list[Text] | None = None
    """Strings at which the model stops writing. Each must contain more than white space."""
    thinking: Literal["adaptive", "disabled", "between_tools"] | Thinking | None = None
    """Extended thinking: `adaptive`, `disabled`, `between_tools` (off before the answer), or a mapping such as
    `{budget_tokens: 2048}`. Default: the model's own. See *What each model takes* in the reference."""
    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    """How much effort the model spends on an answer. See *What each model takes* in the reference."""
    temperature: float | None = Field(None, ge=0, le=1)
    """Randomness of the answer. Only for models up to 4.6, with `runtime.api_version: "2023-06-01"`."""
    top_p: float | None = Field(None, ge=0, le=1)
    """Nucleus sampling. Only for models up to 4.6, with `runtime.api_version: "2023-06-01"`."""
    top_k: int | None = Field(None, ge=0, le=MOST)
    """Number of most likely tokens to sample from. Only for models up to 4.6, with
    `runtime.api_version: "2023-06-01"`."""
    service_tier: Literal["auto", "standard_only"] | None = None
    """The priority of the requests: `auto` uses the account's priority capacity, `standard_only` does not. Default:
    the API's own."""
    inference_geo: Text | None = None
    """Where the API processes the requests: `us`, which costs 1.1 times the price, or `global`. Default: the
    workspace's own. See *What each model takes* in the reference."""
    speed: Literal["standard", "fast"] | None = None
    """The speed of the answer. `fast` has its own price and its own rate limit, and no batches. See *What each model
    takes* in the reference."""
    metadata: Metadata | None = None
    """What a request says about the person for whom it is sent: `user_id` is a template of an opaque identifier.

    The identifier has at most 256 characters: a row with a longer one fails, and nothing is sent for it. Where it is
    blank or null, the request says nothing. The API uses it to detect abuse, so write a hash, never a name or an
    address. A change of it asks nothing again, and a column that only it reads is not a part of the identity of a row.

    ```yaml
    steps:
      reply:
        model: claude-haiku-5-5
        metadata: {user_id: "{{ row.topic }}"}
        prompt: "Answer this customer: {{ row.text }}"
    ```
    """
    betas: list[Annotated[str, StringConstraints(pattern=BETA)]] | None = None
    """Beta features of the API that the requests need, as the header `anthropic-beta` names them. They are added to
    those in ANTHROPIC_CUSTOM_HEADERS."""
    extra_body: dict[str, Any] | None = None
    """Further fields of the request, for what has no key of its own. They are sent unchanged.

    An object is merged into an object of the request, key by key. A field that has a key of its own, such as
    `max_tokens`, is an error.

    ```yaml
    steps:
      essay:
        model:
          id: claude-opus-5-5
          betas: [task-budgets-2026-03-13]
          extra_body: {output_config: {task_budget: {type: tokens, total: 20000}}}
        effort: low
        prompt: An essay about {{ row.topic }}.
    ```
    """

    @field_validator("thinking")
    @classmethod
    def _shortened(cls, thinking: str | Thinking | None) -> str | Thinking | None:
        """Return the type itself for a mapping that has only a type, since both send the same request."""
        if isinstance(thinking, Thinking) and thinking.model_fields_set == {"type"} and thinking.type != "enabled":
            return thinking.type
        return thinking

    @property
    def answer_limit(self) -> int:
        """The maximum number of tokens in an answer: `max_tokens`, or its default."""
        return self.max_tokens or _MAX_TOKENS

    @property
    def thinks(self) -> bool:
        """Whether the request turns thinking on explicitly."""
        return self.thinking_type in ("adaptive", "enabled")

    @property
    def thinking_type(self) -> str | None:
        """The type of `thinking` that is sent; `None` if none is sent."""
        return (self.thinking.type or "enabled") if isinstance(self.thinking, Thinking) else self.thinking


class Price(FrozenModel):
    """The price of a model, in US dollars per million tokens. In a batch, half of it is charged."""

    model_config = ConfigDict(json_schema_extra={"required": ["input", "output"]})

    input: float = Field(0, ge=0)
    """US dollars per million tokens of uncached input."""
    output: float = Field(0, ge=0)
    """US dollars per million tokens of output, including thinking."""
    cache_read: float | None = Field(None, ge=0)
    """US dollars per million tokens read from the prompt cache. Default: a tenth of `input`."""
    cache_write: float | None = Field(None, ge=0)
    """US dollars per million tokens written to the prompt cache. Default: 1.25 times `input`, and twice `input` for
    tokens that are cached for an hour."""


class FromVariable(FrozenModel):
    """A value that an environment variable contains."""

    model_config = ConfigDict(json_schema_extra={"required": ["env"]})

    env: Annotated[str, StringConstraints(pattern=VARIABLE)] = ""
    """The name of the environment variable."""


Auth: TypeAlias = Literal["key", "token", "profile", "federation"]
"""A kind of credentials."""

_CREDENTIALS: Final = frozenset({"auth", "api_key_env", "workspace"})
_OF_ADDRESS: Final = frozenset({"headers", "workspace"})
"""What belongs to the credentials of a connection, and to its address."""


class ModelRuntime(FrozenModel):
    """The connection of one model, such as a judge behind another gateway.

    Each key overrides the same key of [`runtime`](#runtime). `auth` and `api_key_env` belong together: if one of them
    is set here, neither of the file's applies, nor does its `workspace`. With a `base_url` here, the file's `headers`
    and `workspace` are not sent. Models with the same address and the same credentials share one
    connection. Each connection has its own rate limits, its own pauses and its own `limits.max_pause`;
    `runtime.concurrency` is the maximum of all connections together.

    ```yaml
    models:
      judge:
        id: claude-sonnet-5-5
        runtime: {base_url: "https://gateway.example.com", api_key_env: GATEWAY_KEY}
    steps:
      title:
        model: {id: claude-haiku-5-5}
        prompt: A title for an article about {{ row.topic }}, and nothing else.
      verdict:
        model: judge
        prompt: Is "{{ steps.title }}" a good title for an article about {{ row.topic }}? Say yes or no, and why.
    ```
    """

    base_url: Annotated[str, StringConstraints(pattern=ADDRESS)] | None = None
    """The address of the API of this model, without a query. ANTHROPIC_BASE_URL does not replace it. Default: the
    address of `runtime`."""
    auth: Auth | None = None
    """The credentials of this model, as in [`runtime`](#runtime)."""
    api_key_env: Annotated[str, StringConstraints(pattern=VARIABLE)] | None = None
    """The name of the environment variable that contains the API key of this model, or its token."""
    timeout: float | None = Field(None, gt=0, le=86400)
    """Maximum seconds for one request to this model."""
    allow_http: bool | None = None
    """Allow an unencrypted `http://` address on another machine."""
    headers: dict[Annotated[str, StringConstraints(pattern=HEADER)], FromVariable] | None = None
    """Headers to send with every request to this model, as in [`runtime`](#runtime)."""
    workspace: Annotated[str, StringConstraints(pattern=WORKSPACE)] | FromVariable | None = None
    """The workspace that the requests to this model are for, as in [`runtime`](#runtime)."""

    def over(self, base: R) -> R:
        """Return a connection with these keys in place of its own.

        Another address gets neither its headers nor its workspace; other credentials have another workspace.
        """
        given = {name: value for name, value in self if value is not None}
        left = _OF_ADDRESS if "base_url" in given else frozenset()
        left |= _CREDENTIALS if given.keys() & {"auth", "api_key_env"} else frozenset()
        fields = type(base).model_fields
        return base.model_copy(
            update={name: fields[name].get_default(call_default_factory=True) for name in left} | given
        )


class ModelSettings(Settings):
    """The settings and the price of a model.

    Settings can be under `models`, in `model: {...}` of the file or of a step, or in the step itself. Each setting in
    the step itself overrides the same setting elsewhere. Any `id` is sent unchanged, so gateways and fine-tunes work.

    ```yaml
    models:
      writer: {id: claude-haiku-5-5, max_tokens: 2048}
      judge: {id: claude-sonnet-5-5, effort: low}
      tuned:
        id: our-own-model
        price: {input: 1, output: 5}
    steps:
      title:
        model: writer
        max_tokens: 200
        prompt: A title for an article about {{ row.topic }}, and nothing else.
      verdict:
        model: judge
        prompt: Is "{{ steps.title }}" a good title for an article about {{ row.topic }}? Say yes or no, and why.
    ```
    """

    runtime: ModelRuntime | None = None
    """A connection of its own for this model: each key overrides the same key of [`runtime`](#runtime)."""
    price: Price | None = None
    """The price of this `id`, for a gateway or a fine-tune. Never sent. Default: the public list price."""
