"""What a step that asks a model may say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field

from yamlgen.parsing.source_map import DataPath
from yamlgen.steps.config_fields import FileText, FrozenModel, ModelSettings, Name, Settings, Text
from yamlgen.steps.step_config import Expression, StepConfig, StepText


class Turn(FrozenModel):
    """One message of a conversation."""

    model_config = ConfigDict(json_schema_extra={"required": ["role", "content"]})

    role: Literal["user", "assistant"] = "user"
    """Who speaks."""
    content: Text | FileText = ""
    """What is said: a template, or `{file: path}`."""


class StepOutput(FrozenModel):
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


class Check(FrozenModel):
    """One thing that must hold of an output."""

    model_config = ConfigDict(json_schema_extra={"required": ["expression"]})

    expression: Expression = ""
    """An expression over `output` and all that the step's templates see. It must hold; one that fails does not."""
    message: Text | None = None
    """What the model is told when it does not: a template over the same names."""


class Generate(Settings, StepConfig):
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

    does: ClassVar[str] = "asks a model; the kind of a step that says none"
    gives: ClassVar[str] = "a text, or what its schema describes"

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

    def sources(self) -> Iterator[StepText]:
        """Its templates and expressions; of its messages in the order in which they are sent."""
        yield from super().sources()
        yield StepText("system", self.system, ("system",))
        yield StepText("user", self.prompt, ("prompt",))
        for index, turn in enumerate(self.messages or ()):
            yield StepText(turn.role, turn.content, ("messages", index, "content"))
        for index, check in enumerate(self.check or ()):
            at = ("check", index)
            if isinstance(check, str):
                yield StepText("check", check, at, str(index))
            else:
                yield StepText("check", check.expression, (*at, "expression"), str(index))
                yield StepText("message", check.message, (*at, "message"), str(index))

    def models_named(self) -> Mapping[DataPath, Any]:
        """Its model, or those of its matrix."""
        if "model" in (self.matrix or {}):
            return {("matrix", "model", index): model for index, model in enumerate((self.matrix or {})["model"])}
        return {("model",): self.model}
