"""The parts of the language that others are made of: names, texts, and what a request says about a model.

Everything here, and in the `config` of each kind of step, is a wire type: a template stays a string, a reference a
name; anything richer belongs to the plan. The docstring under a field is what editors show on hover, and what the
reference page says. What the schema requires may still have a neutral default, so that a file with mistakes constructs
without its broken parts and the rest of it can be checked too.

## Templates and expressions

`system`, `prompt`, the `content` of `messages` and the `message` of a check are **templates**: text with `{{ ... }}`
and `{% ... %}` in it. `when`, `for_each`, `check`, `values` and `args` are **expressions**: what would stand between
the braces, without the braces. Both are [Jinja](https://jinja.palletsprojects.com/en/stable/templates/). A template
gives text; an expression gives a JSON value. Nothing else is filled in: `{{ row.name }}` in a path, a model, a matrix,
a draw or a schema is an error.

| name | what it is | where |
|---|---|---|
| `row` | the row of the input | everywhere |
| `params` | the parameters of the run | everywhere |
| `steps` | the values of other steps, by name | everywhere |
| `item`, `item_index` | an item of `for_each`, and its place, from 0 | in a step with `for_each`; not in its `when` |
| `matrix` | the values of one combination | in a step with `matrix`; not in its `when`, `for_each` |
| `output` | the answer that is checked | in `check` and its `message` |

A column whose name is no identifier stands in brackets: `row["First name"]`. The keys of a mapping win over Jinja's
methods: `row.items` is the column. `{{ steps.facts | tojson }}` writes a value as JSON. In an expression, filters bind
tighter than operators: `steps.a | length > 3` compares a length. In YAML, an expression that begins with a quote, a
bracket or a brace, or that holds `: `, stands in quotes of its own.

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
tag on a line of its own leaves no empty line behind. A comment, `{# so #}`, is not sent; what stands between
`{% raw %}` and `{% endraw %}` is sent as it is, braces and all.

**Missing values.** A reference that cannot be there is an error of `validate`. A value that is missing in one row sets
that row aside; `row.note | default("none")` and `row.note is defined` allow for it.

### Null

A skipped step is null, and so is a failed item under `on_item_error: "null"`. `validate` reports where such a reference
may be null and the pipeline does not ask first. To ask:

- in the step's own `when`: `steps.a`, `steps.a is not none`, and the like; then all its templates may use `steps.a`,
- `when: steps.a is defined` asks too, and always holds: that `a` was skipped does not skip the step,
- in a template: `{% if steps.a %}`,
- in an expression: `steps.a or "none"`, `steps.a.score if steps.a else 0`, `steps.a is not none and steps.a.score > 3`,
- in a list: `steps.a | reject("none")`.

A step is skipped by what it reads in a row: a skipped step in a branch that is not taken skips nothing. What a `check`
names counts as read, since a check is asked once the answer is paid for.

A null that the row itself holds is not reported: a template prints it as `None`, `tojson` as `null`.

Here `thanks` is skipped where `apology` is. The `when` of `reply` asks about `thanks`, so it is done for each row:

```yaml
input:
  rows: [{text: The kettle leaks., stars: 1}, {text: Great colour!, stars: 5}]
steps:
  apology:
    when: row.stars < 3
    model: claude-haiku-5-5
    prompt: "Apologise for this: {{ row.text }}"
  thanks:
    model: claude-haiku-5-5
    prompt: "End this letter with thanks for the patience: {{ steps.apology }}"
  reply:
    when: steps.thanks is none or row.stars < 3
    kind: compute
    values:
      text: steps.thanks or "Thank you for your review!"
```

## Types

The plan knows a type, as a JSON Schema, for every reference: of a parameter by its declaration, of a step by its
`output.schema`, its draws or its expressions, of a column by the rows (a CSV cell is text; of a JSON file the first
rows tell). A step without a schema is text; a `python` step without one may be anything. `for_each`, `samples`,
`matrix`, `when` and `on_item_error` wrap the type as they wrap the value. So `validate` finds, before a request is
paid:

- a step, a parameter, a column or a field that cannot be there,
- a `for_each` over what is no list,
- an operator, a filter or a comparison that cannot work on what it is given, or can never hold,
- a reference that may be null, where the pipeline does not ask first.

What only the first rows of a JSON file say is a warning, since later rows may differ. In this file two things are
wrong:

`review.yaml`:

```yaml
version: 1
input:
  rows: [{text: The kettle leaks., stars: 2}]
steps:
  facts:
    model: claude-haiku-5-5
    prompt: "What is broken? {{ row.text }}"
    output:
      schema:
        type: object
        additionalProperties: false
        required: [product, defect]
        properties: {product: {type: string}, defect: {type: string}}
  apology:
    when: row.stars < 3
    model: claude-haiku-5-5
    prompt: Write an apology for {{ steps.facts.defcet }}.
  reply:
    when: row.stars < 5
    kind: compute
    values:
      text: steps.apology ~ " Your shop"
  all:
    kind: compute
    when: steps.apology is none or row.stars == 1
    values:
      letters: steps.apology | length
output:
  path: out.jsonl
```

```text
error[YG205]: `steps.facts` has no `defcet` by its schema
  --> review.yaml:17:37
   |
17 |     prompt: Write an apology for {{ steps.facts.defcet }}.
   |                                     ^^^^^^^^^^^^^^^^^^ did you mean `defect`?

error[YG210]: `steps.apology` may be null here: it has a `when`
  --> review.yaml:27:16
   |
27 |       letters: steps.apology | length
   |                ^^^^^^^^^^^^^ ask first, as in `... if steps.apology is not none else none`

2 errors, 0 warnings
```

`reply` is right: it is skipped where `apology` is. `all` asks whether `apology` is null, so it is done all the same,
and then its expression must ask too.

## How answers are kept

An answer is kept under what was sent, where it was sent to, which row asked, and its number among the equal requests
of that row. Nothing else: changing a step's `check` or its name asks for nothing again (but draws depend on the name).

- **Each sample and each item is an answer of its own.** Raising `samples` from 3 to 5 pays for two more. Lowering it
  pays for nothing. A run that was killed among the items of a row goes on with those that are missing.
- **An item is known by its request, not by its place.** One item more in the list that another step made asks for that
  item alone, wherever it stands. A template that uses `item_index` makes the place a part of the request.
- **Equal items are asked each for themselves**: a list of `[a, a]` makes two requests, and may give two values.
- **Two steps that send the same request for a row share its answer.**
- **A row is known by its `id`** (see [`input`](#input)). Without one it is known by its values in the columns that its
  requests depend on (in all of them, if a step draws, or a request needs `row` as a whole). So without an `id`, a
  change of a list in the input asks for all of its items again.
- **An answer is checked anew when it is used**, against the schema and the checks of today.

`compute` and `draw` keep nothing: they give the same value again. A `python` step is called in every run, unless it
says `keep: true`; its value is then kept under the function's name and the arguments, whichever row asks, and is used
while the files that it depends on are the same (see [`keep`](#python-keep)).
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
