"""The parts of the language that others are made of: names, texts, and what a request says about a model.

Everything here and in `kinds` and `spec` is a wire type: a template stays a string, a reference a name; anything
richer belongs to the plan. The docstring under a field is what editors show on hover, and what the reference page says.
What the schema requires may still have a neutral default, so that a file with mistakes constructs without its broken
parts and the rest of it can be checked too.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

DEFAULT_MAX_TOKENS: Final = 4096
NAME = r"^[a-z][a-z0-9_]*$"

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
