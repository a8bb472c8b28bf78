"""The steps of a pipeline, one model for each kind, as authors may write them.

Wire types, as in `parts`: an expression stays a string. What a kind does not know is an unknown key of it, so each
kind says its own keys, and shares with the others only what means the same everywhere.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import ConfigDict, Discriminator, Field, StringConstraints, Tag

from yamlgen.steps.draw.rules import DrawRule
from yamlgen.steps.fields import FileText, ModelSettings, Name, Part, Settings, Text

CALL = r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*:[A-Za-z_][A-Za-z0-9_]*$"

Argument: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
"""The name of a parameter of a Python function."""

Expression: TypeAlias = Text
"""A Jinja expression, without braces around it."""


class Common(Part):
    """What every step may say, whatever its kind."""

    description: str | None = None
    """What the step is for. Not sent."""
    when: Expression | None = None
    """An expression: where it is false for a row, the step is skipped and its value is null. A step that reads
    it in that row is skipped too, unless its own `when` asks about it.

    It is asked once for a row, before any item of `for_each`. [Null](#null) has an example.
    """
    for_each: Expression | None = None
    """An expression that gives a list: the step is done once for each `item`, side by side, and its value is the list
    of outputs in order. Templates see `item` and `item_index` (from 0).

    An empty list gives an empty list. A row has at most 100,000 items. With `maxItems` in the schema that makes the
    list, `yamlgen plan` knows what the step may cost at most. [`steps`](#steps) has an example.
    """
    on_item_error: Literal["fail", "null"] = "fail"
    """What one failed item of `for_each`, `samples` or `matrix` does: `fail` sets the row aside, `"null"` (in quotes)
    leaves a null in the list.

    The other items are kept either way. A run tells how many are null, and ends with exit code 1 if a step lost every
    item of every row. `yamlgen runs failed` lists them, `yamlgen retry` asks for them again, and `limits.max_failures`
    counts their rows. [`generate`: `samples`](#generate-samples) has an example.
    """


class Turn(Part):
    """One message of a conversation."""

    model_config = ConfigDict(json_schema_extra={"required": ["role", "content"]})

    role: Literal["user", "assistant"] = "user"
    """Who speaks."""
    content: Text | FileText = ""
    """What is said: a template, or `{file: path}`."""


class StepOutput(Part):
    """The output of a step that answers in JSON.

    Every keyword of the schema is enforced on every answer, `format` included. `$ref` may lead to files in the
    pipeline's folder tree; nothing is fetched. A schema need not be an object: the step's value is what it describes.

    `labels.json`:

    ```json
    {
      "type": "object", "required": ["topic", "urgent"], "additionalProperties": false,
      "properties": {"topic": {"enum": ["delivery", "defect", "praise"]}, "urgent": {"type": "boolean"}}
    }
    ```

    ```yaml
    steps:
      labels:
        model: claude-haiku-5-5
        prompt: "Label this review: {{ row.text }}"
        output: {schema: labels.json, reasks: 3}
    ```
    """

    model_config = ConfigDict(json_schema_extra={"dependentRequired": {"mode": ["schema"]}})

    schema_: Text | dict[str, Any] | None = Field(None, alias="schema")
    """The JSON Schema (draft 2020-12) of the output: a path (.json, .yaml), or the schema itself. Without one the
    output is text."""
    mode: Literal["auto", "native", "tools", "json"] = "auto"
    """How the model is asked for it: `auto` picks by what the model and the schema are, and goes over to a tool
    where the API refuses the schema (which the store keeps, so that later runs ask in the same way)."""
    reasks: int = Field(2, ge=0, le=10)
    """How often an invalid answer is sent back to the model with the errors. A text is invalid where it is blank, or
    where a `check` is false."""


class TypedOutput(Part):
    """The output of a step without a model."""

    model_config = ConfigDict(json_schema_extra={"required": ["schema"]})

    schema_: Text | dict[str, Any] | None = Field(None, alias="schema")
    """The JSON Schema (draft 2020-12) that the value must satisfy: a path (.json, .yaml), or the schema itself."""


class Check(Part):
    """One thing that must hold of an output."""

    model_config = ConfigDict(json_schema_extra={"required": ["expression"]})

    expression: Expression = ""
    """An expression over `output` and all that the step's templates see. It must hold; one that fails does not."""
    message: Text | None = None
    """What the model is told when it does not: a template over the same names."""


class Generate(Settings, Common):
    """One request for each row, to a model. A step whose templates refer to another step runs after it.

    Say `prompt` or `messages`, one of them. See also [model settings](#models) and [every step](#every-step).

    `style.md`:

    ```md
    You write as a customer of a small shop would: short, concrete, no adjectives in pairs.
    ```

    ```yaml
    steps:
      review:
        model: claude-haiku-5-5
        max_tokens: 500
        system: {file: style.md}
        prompt: A review of a kettle that was bought for {{ row.topic }}.
      mood:
        model: claude-haiku-5-5
        messages:
          - {role: user, content: "Came in a day. Great colour!"}
          - {role: assistant, content: pleased}
          - {role: user, content: "{{ steps.review }}"}
    ```
    """

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["prompt"]}, {"required": ["messages"]}]},
    )

    kind: Literal["generate"] = "generate"
    """What the step does: `generate` asks a model."""
    model: Text | ModelSettings | None = None
    """An alias of `models`, or the settings themselves. Without `models`, a string is a model's id. The model at the
    [top of the file](#model) where none is named."""
    system: Text | FileText | None = None
    """The system prompt: a template, or `{file: path}`."""
    prompt: Text | FileText | None = None
    """What the user says: a template, or `{file: path}`."""
    messages: Annotated[list[Turn], Field(min_length=1)] | None = None
    """A whole conversation in place of `prompt`, for examples (few-shot); the last message is the user's."""
    output: StepOutput | None = None
    """The schema of the answer. Without one the step's value is text, which is never blank."""
    check: Annotated[list[Expression | Check], Field(min_length=1)] | None = None
    """What must hold of an output besides its schema, as expressions over `output` and all that the step's templates
    see. One that does not hold makes the answer invalid: the model is told, within `output.reasks`.

    Checks are for texts, too. An answer that fits its schema is checked, each sample and item for itself. One that is
    still invalid in the end has failed.

    ```yaml
    steps:
      paraphrase:
        model: claude-haiku-5-5
        prompt: "Say this in other words: {{ row.text }}"
        output: {reasks: 4}
        check:
          - output | length < 1000
          - expression: output | lower != row.text | lower
            message: You repeated "{{ row.text }}". Use other words.
    ```
    """
    samples: Annotated[int, Field(ge=1, le=1000)] | None = None
    """How many independent answers to ask for; the value is a list of them. Raising it pays for the new ones only.

    ```yaml
    steps:
      votes:
        model: claude-haiku-5-5
        prompt: "How angry is this customer, from 1 to 5? {{ row.text }}"
        output: {schema: {type: integer, minimum: 1, maximum: 5}}
        samples: 5
        on_item_error: "null"
      anger:
        kind: compute
        when: steps.votes | reject("none") | list | length > 2
        values:
          mean: steps.votes | reject("none") | sum / steps.votes | reject("none") | list | length
    ```
    """
    matrix: Annotated[dict[Name, Annotated[list[Any], Field(min_length=1)]], Field(min_length=1)] | None = None
    """Once for each combination of these values, such as `{model: [writer, judge], tone: [dry, warm]}`. Templates see
    `matrix.tone`; `model` names the model that is asked. The value is a list of `{model, tone, output}`.

    The last name turns fastest. The values may be of any type. Of combinations and samples an item has at most 1000.

    ```yaml
    models:
      small: {id: claude-haiku-5-5}
      large: {id: claude-sonnet-5-5}
    steps:
      answers:
        matrix: {model: [small, large], words: [20, 80]}
        prompt: Explain {{ row.topic }} in {{ matrix.words }} words.
    ```
    """


class Compute(Common):
    """Values made from others by expressions, without a model.

    An expression does not see the other values of its own step.

    ```yaml
    steps:
      score:
        model: claude-haiku-5-5
        prompt: "Rate this text from 1 to 10: {{ row.text }}"
        output: {schema: {type: integer, minimum: 1, maximum: 10}}
      verdict:
        kind: compute
        values:
          label: '"good" if steps.score >= 7 else "bad"'
          words: row.text.split() | length
    ```
    """

    model_config = ConfigDict(json_schema_extra={"required": ["kind", "values"]})

    kind: Literal["compute"] = "compute"
    """What the step does: `compute` evaluates expressions."""
    values: Annotated[dict[Name, Expression], Field(min_length=1)] = Field(default_factory=dict)
    """Expressions by name. The step's value is the mapping of their JSON values."""
    output: TypedOutput | None = None
    """The schema of the value. A value that does not fit sets the row aside; later steps know the types by it."""


class Python(Common):
    """A function of your own, from a file beside the pipeline.

    `validate` reads the file and does not run it. The function is given copies of its arguments. It returns a JSON
    value: None, a bool, a number, a text, or lists and dicts of them. What it raises sets the row aside. The module is
    loaded once a run; it may import its siblings.

    `textstats.py`:

    ```python
    def stats(text, least=1):
        return {"words": sum(len(word) >= least for word in text.split())}
    ```

    ```yaml
    steps:
      essay:
        model: claude-haiku-5-5
        prompt: An essay about {{ row.topic }}.
      stats:
        kind: python
        call: textstats:stats
        args: {text: steps.essay, least: "4"}
        output: {schema: {type: object, required: [words], properties: {words: {type: integer}}}}
    ```
    """

    model_config = ConfigDict(json_schema_extra={"required": ["kind", "call"]})

    kind: Literal["python"] = "python"
    """What the step does: `python` calls a function."""
    call: Annotated[str, StringConstraints(pattern=CALL)] = "module:function"
    """The function, as `module:function`; `module` is a file beside the pipeline, `module.py`. A coroutine function is
    awaited, any other runs in a thread. Its value must be a JSON value."""
    args: dict[Argument, Expression] = Field(default_factory=dict)
    """The keyword arguments, each an expression."""
    timeout: float | None = Field(None, gt=0, le=86400)
    """Seconds that one call may take; `runtime.timeout` where none is set."""
    keep: bool = False
    """Keep the results in the store, by the arguments, and do not call again for them while the function is the same:
    its module, what that imports from the pipeline's folder, and the files under `reads`.

    Kept values go along with the folder, since its files are told by their contents and their paths in it. A change of
    one of them, of a comment too, calls again for what is needed; so does another list under `reads`. While a file is
    changed under a run, nothing that depends on it is kept. What is installed elsewhere, and the time of day, are no
    part of this.

    Without `keep` `yamlgen plan` cannot know what the steps behind this one ask: it tells the most that they may.
    """
    reads: Annotated[list[Text], Field(min_length=1)] | None = None
    """The files that the function reads, as paths relative to the pipeline: with `keep: true`, a change of one of them
    calls again. Patterns such as `data/*.csv` stand for all files that fit, `**` for folders at any depth.

    `validate` warns of a file that the function opens by a literal name and that is not listed. A file that it both
    writes and reads does not belong here.

    `terms.json`:

    ```json
    {"tea": "an infusion", "kettle": "what the water boils in"}
    ```

    `glossary.py`:

    ```python
    import json
    from pathlib import Path


    def terms(text):
        known = json.loads(Path(__file__).with_name("terms.json").read_text(encoding="utf-8"))
        return {word: meaning for word, meaning in known.items() if word in text.lower()}
    ```

    ```yaml
    steps:
      terms: {kind: python, call: glossary:terms, args: {text: row.text}, keep: true, reads: [terms.json]}
    ```
    """
    output: TypedOutput | None = None
    """The schema of the value. A value that does not fit sets the row aside; later steps know the types by it."""


class Draw(Common):
    """Seeded draws, for variety. The same row always draws the same, whatever the order of the rows.

    Each draw has a chance of its own, made from the seed, the row's `id` (or all its values), the step's name, the
    item, the sample and the draw's name. So a draw that is added, removed or moved changes no other one, and a weight
    that changes a little changes few rows.

    `towns.csv`:

    ```csv
    town,country
    Lima,PE
    Oslo,NO
    ```

    ```yaml
    steps:
      customer:
        kind: draw
        draws:
          age: {integer: [18, 90]}
          mood: {choices: [calm, angry], weights: [3, 1]}
          town: {path: towns.csv, column: town}
          language: {given: town, cases: {Lima: {choices: [Spanish, Quechua]}}, otherwise: {choices: [Norwegian]}}
      complaint:
        model: claude-haiku-5-5
        prompt: |
          Write a complaint about {{ row.topic }} in {{ steps.customer.language }}. The customer is
          {{ steps.customer.age }} years old, lives in {{ steps.customer.town }} and is {{ steps.customer.mood }}.
    ```
    """

    model_config = ConfigDict(json_schema_extra={"required": ["kind", "draws"]})

    kind: Literal["draw"] = "draw"
    """What the step does: `draw` draws values."""
    seed: int = 0
    """Another seed gives other draws."""
    draws: Annotated[dict[Name, DrawRule], Field(min_length=1)] = Field(default_factory=dict)
    """The values to draw, by name. The step's value is the mapping of them."""
    samples: Annotated[int, Field(ge=1, le=1000)] | None = None
    """How many independent draws to make; the value is a list of them."""


KINDS: dict[str, type[Common]] = {"generate": Generate, "compute": Compute, "python": Python, "draw": Draw}


def _kind(step: Any) -> str:
    kind = step.get("kind", "generate") if isinstance(step, dict) else getattr(step, "kind", "generate")
    return kind if kind in KINDS else "generate"


Step: TypeAlias = Annotated[
    Annotated[Generate, Tag("generate")]
    | Annotated[Compute, Tag("compute")]
    | Annotated[Python, Tag("python")]
    | Annotated[Draw, Tag("draw")],
    Discriminator(_kind),
]
"""A step of any kind; one that says none is a `generate`."""
