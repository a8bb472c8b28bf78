"""The parts of the language that others are made of: names, texts, and what a request says about a model.

Everything here, and in the `config` of each kind of step, is a wire type: a template stays a string, a reference a
name; anything richer belongs to the plan. The docstring under a field is what editors show on hover, and what the
reference page says. What the schema requires may still have a neutral default, so that a file with mistakes constructs
without its broken parts and the rest of it can be checked too.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from yamlgen.model_capabilities import LEAST_BUDGET

_MAX_TOKENS: Final = 4096
MOST_CONCURRENCY: Final = 1000
"""How many requests may be in flight where nothing is set; how many are is for the API to say."""
MOST: Final = 1_000_000_000
"""The most of any count, far above what there is: JSON has integers that are no longer counts, such as `1e308`."""
NAME = r"^[a-z][a-z0-9_]*$"

Name: TypeAlias = Annotated[str, StringConstraints(pattern=NAME)]
Text: TypeAlias = Annotated[str, StringConstraints(min_length=1)]


class FrozenModel(BaseModel):
    """A mapping of the language: frozen, and closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class FileText(FrozenModel):
    """A text that lives in a file of its own."""

    model_config = ConfigDict(json_schema_extra={"required": ["file"]})

    file: Text = ""
    """Path of the text, relative to this file. The text is a template, like one written inline."""


class Thinking(FrozenModel):
    """Extended thinking in the API's own form: with a budget of tokens, or with a say in what is shown of it.

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
    """How it thinks. `enabled`, which needs `budget_tokens`, where none is set."""
    budget_tokens: int | None = Field(None, ge=LEAST_BUDGET, le=MOST)
    """How many tokens the model may think, at least 1024 and less than `max_tokens`. For `enabled` alone."""
    display: Literal["summarized", "omitted"] | None = None
    """What an answer shows of the thinking; newer models omit it where none is set. It is kept with the answer, and
    never part of the step's value."""


class Settings(FrozenModel):
    """What a request says about the model, key by key: a step's own settings win over its alias."""

    id: Text | None = None
    """The model's id, such as `claude-haiku-5-5`. Any id is sent as it is: gateways and fine-tunes have their own."""
    max_tokens: int | None = Field(None, ge=1, le=MOST)
    """The most tokens of an answer, thinking included. 4096 where none is set."""
    stop_sequences: list[Text] | None = None
    """Texts at which the model stops writing. White space alone is none."""
    thinking: Literal["adaptive", "disabled", "between_tools"] | Thinking | None = None
    """Extended thinking: `adaptive`, `disabled`, `between_tools` (off before the answer), or a mapping such as
    `{budget_tokens: 2048}`. The model's own default where none is set. See *What each model takes* in the reference."""
    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    """How much effort the model puts into an answer. See *What each model takes* in the reference."""
    temperature: float | None = Field(None, ge=0, le=1)
    """Randomness of the answer. Only models up to 4.6 take it, under `runtime.api_version: "2023-06-01"`."""
    top_p: float | None = Field(None, ge=0, le=1)
    """Nucleus sampling. Only models up to 4.6 take it, under `runtime.api_version: "2023-06-01"`."""
    top_k: int | None = Field(None, ge=0, le=MOST)
    """Sample from the `top_k` likeliest tokens. Only models up to 4.6, under `runtime.api_version: "2023-06-01"`."""

    @field_validator("thinking")
    @classmethod
    def _shortened(cls, thinking: str | Thinking | None) -> str | Thinking | None:
        """One value for what is one request: a mapping of a type alone is that type."""
        if isinstance(thinking, Thinking) and thinking.model_fields_set == {"type"} and thinking.type != "enabled":
            return thinking.type
        return thinking

    @property
    def answer_limit(self) -> int:
        """The most tokens of an answer: `max_tokens`, or its default."""
        return self.max_tokens or _MAX_TOKENS

    @property
    def thinks(self) -> bool:
        """Whether the request turns thinking on, in so many words."""
        return self.thinking_type in ("adaptive", "enabled")

    @property
    def thinking_type(self) -> str | None:
        """The type of `thinking` that is sent, `None` where none is."""
        return (self.thinking.type or "enabled") if isinstance(self.thinking, Thinking) else self.thinking


class Price(FrozenModel):
    """What a model costs, in US dollars per million tokens."""

    model_config = ConfigDict(json_schema_extra={"required": ["input", "output"]})

    input: float = Field(0, ge=0)
    """US dollars per million tokens of input that the prompt cache has no part in."""
    output: float = Field(0, ge=0)
    """US dollars per million tokens of output, thinking included."""
    cache_read: float | None = Field(None, ge=0)
    """US dollars per million tokens read from the prompt cache. A tenth of `input` where none is set."""
    cache_write: float | None = Field(None, ge=0)
    """US dollars per million tokens written to the prompt cache. Where none is set it is 1.25 times `input`, and twice
    `input` for those that are kept for an hour."""


class ModelSettings(Settings):
    """A model: its settings, and what it costs.

    The settings stand under `models`, in the file's or a step's `model: {...}`, or in the step itself; the step's own
    win, key by key. Any `id` is sent as it is, so gateways and fine-tunes work.

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

    price: Price | None = None
    """The price of this `id`, for a gateway or a fine-tune. Never sent. The public list price where none is set."""
