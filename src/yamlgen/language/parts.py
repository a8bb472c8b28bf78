"""The parts of the language that others are made of: names, texts, and what a request says about a model.

Everything here and in `kinds` and `spec` is a wire type: a template stays a string, a reference a name; anything
richer belongs to the plan. The docstring under a field is what editors show on hover, and what the reference page says.
What the schema requires may still have a neutral default, so that a file with mistakes constructs without its broken
parts and the rest of it can be checked too.

## Templates and expressions

`system`, `prompt`, the `content` of `messages` and the `message` of a check are **templates**: text with `{{ ... }}`
and `{% ... %}` in it. `when`, `for_each`, `check`, `values` and `args` are **expressions**: what would stand between
the braces, without the braces. Both are [Jinja](https://jinja.palletsprojects.com/en/stable/templates/). A template
gives text; an expression gives a JSON value.

| name | what it is | where |
|---|---|---|
| `row` | the row of the input | everywhere |
| `params` | the parameters of the run | everywhere |
| `steps` | the values of other steps, by name | everywhere |
| `item`, `item_index` | an item of `for_each`, and its place, from 0 | in a step with `for_each`, but not in `when`, `for_each` |
| `matrix` | the values of one combination | in a step with `matrix`, but not in `when`, `for_each` |
| `output` | the answer that is checked | in `check` and its `message` |

A column whose name is no identifier stands in brackets: `row["First name"]`. The keys of a mapping win over Jinja's
methods: `row.items` is the column. `{{ steps.facts | tojson }}` writes a value as JSON. In an expression, filters bind
tighter than operators: `steps.a | length > 3` compares a length. In a YAML list, put an expression that begins with a
quote, a bracket or a brace into quotes of its own.

```yaml
steps:
  facts:
    model: claude-haiku-5-5
    prompt: |
      {% if row.text | length > 200 %}
      List the three main facts of this text.
      {% else %}
      List the facts of this text.
      {% endif %}

      {{ row.text }}
  short:
    kind: compute
    values:
      lines: steps.facts.splitlines() | map("trim") | reject("equalto", "") | list
      is_long: steps.facts | length > 500
```

**The sandbox.** There is no `include` and no `import`, no name that begins with `_`, no `random` filter. How much a
template does and makes is limited. What stands in a row or in an answer is data: it is never rendered as a template. A
tag on a line of its own leaves no empty line behind.

**Missing values.** A reference that cannot be there is an error of `validate`. A value that is missing in one row sets
that row aside; `row.note | default("none")` and `row.note is defined` allow for it.

**Null.** A skipped step is null, and so is a failed item under `on_item_error: "null"`. `validate` reports where such a
reference may be null and the pipeline does not ask first: by the step's own `when`, by `{% if steps.a %}` or
`a if steps.a else b`, by `steps.a is not none and ...`, or by `steps.a or "none"`. `| reject("none")` takes the nulls
out of a list. A null that the row itself holds is not reported: a template prints it as `None`, `tojson` as `null`.
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
    """Extended thinking: `adaptive`, `disabled`, or `{budget_tokens: N}`, which is less than `max_tokens`. The model's
    own default where none is set."""
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
    """A model: its settings, and what it costs.

    The settings stand under `models`, in a step's `model: {...}`, or in the step itself; the step's own win, key by
    key. Any `id` is sent as it is, so gateways and fine-tunes work.

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
