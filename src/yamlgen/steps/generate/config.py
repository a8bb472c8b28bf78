"""The keys of a `generate` step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Final, Literal, TypeAlias

from pydantic import ConfigDict, Field

from yamlgen.parsing.source_map import DataPath
from yamlgen.steps.batch_config import Batch
from yamlgen.steps.config_fields import Cache, FileText, FrozenModel, ModelSettings, Name, Settings, Text
from yamlgen.steps.step_config import Expression, StepConfig, StepText
from yamlgen.steps.step_template import Role


class Turn(FrozenModel):
    """One message of a conversation."""

    model_config = ConfigDict(json_schema_extra={"required": ["role", "content"]})

    role: Literal["user", "assistant", "system"] = "user"
    """The author of the message. `system` is an instruction in the middle of a conversation: after a message of the
    user, and last or before one of the assistant. See *What each model takes* in the reference."""
    content: Text | FileText = ""
    """The text of the message: a template, or `{file: path}`."""
    cache: Cache | None = None
    """Cache the prompt up to the end of this message, for five minutes or an hour after its last use."""


class MessagesFrom(FrozenModel):
    """The messages of a conversation, out of a column or a step."""

    model_config = ConfigDict(json_schema_extra={"required": ["from"]})

    from_: Expression = Field("", alias="from")
    """An expression that returns a list of messages, each an object with `role` and `content`."""


def _by_from(schema: dict[str, Any]) -> None:
    """Choose by the key `from`, because for a union a validator only reports that no alternative matches."""
    other, taken = schema.pop("anyOf")
    schema.update({"if": {"type": "object", "required": ["from"]}, "then": taken, "else": other})


Turns: TypeAlias = Annotated[
    list[Annotated[Turn | MessagesFrom, Field(json_schema_extra=_by_from)]], Field(min_length=1)
]
"""The messages of a conversation, in their order."""


class SystemText(FileText):
    """A system prompt that ends with a breakpoint of the prompt cache, or is in a file of its own.

    ```yaml
    steps:
      answer:
        model: claude-opus-5-5
        system: {text: "You answer letters to a shop for tea.", cache: 1h}
        prompt: "{{ row.text }}"
    ```
    """

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["file"]}, {"required": ["text"]}]})

    text: Text | None = None
    """The system prompt: a template."""
    cache: Cache | None = None
    """Cache the prompt up to the end of the system prompt, for five minutes or an hour after its last use."""


class StepOutput(FrozenModel):
    """The output of a step whose model answers in JSON.

    Every answer is validated against every keyword of the schema, including `format`. A `$ref` can refer to a file in
    the pipeline's folder or a folder below it; nothing is downloaded. The schema can describe any JSON value, not only
    an object.

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
    """The JSON Schema (draft 2020-12) of the output: a path (.json, .yaml), or the schema itself. Without a schema, the
    output is a string."""
    mode: Literal["auto", "native", "tools", "json"] = "auto"
    """How JSON is requested: as native structured output, with a tool, or as JSON in the text. `auto` chooses by the
    model and the schema. If the API refuses the schema, `auto` changes to a tool; the store remembers this for later
    runs. Default: `auto`."""
    reasks: int = Field(2, ge=0, le=10)
    """Maximum number of times that an invalid answer is sent back to the model with its errors. A string is invalid if
    it is blank or a `check` is false. Default: 2."""
    keep_thinking: bool = False
    """Whether the model's thinking is kept: as `thinking.NAME` for templates and expressions, and as the column
    `NAME_thinking` of the output. Default: false."""


class Check(FrozenModel):
    """A condition with its own message, written as a mapping."""

    model_config = ConfigDict(json_schema_extra={"required": ["expression"]})

    expression: Expression = ""
    """The condition: an expression that can read `output` and everything that the step's templates can read. It must
    be true; an evaluation error counts as false."""
    message: Text | None = None
    """The message that is sent to the model if the condition is false: a template over the same names."""


class Generate(Settings, StepConfig):
    """A request to a model, for each row.

    Write either `prompt` or `messages`. The step runs after the steps that its templates refer to. See also
    [model settings](#models) and [every step](#every-step).

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

    does: ClassVar[str] = "sends a request to a model; the default kind"
    gives: ClassVar[str] = "a string, or JSON that fits its schema"

    kind: Literal["generate"] = "generate"
    """The kind of the step: `generate` sends a request to a model."""
    model: Text | ModelSettings | None = None
    """The model: an alias of `models`, or a mapping of settings. If the file has no `models`, a string is a model's id.
    Default: the model at the [top of the file](#model)."""
    system: Text | SystemText | None = None
    """The system prompt: a template, `{file: path}`, or `{text: template, cache: 5m}`."""
    prompt: Text | FileText | None = None
    """The user's message: a template, or `{file: path}`."""
    messages: Annotated[Turns | MessagesFrom, Field(json_schema_extra=_by_from)] | None = None
    """A whole conversation instead of `prompt`: a list of messages, or `{from: EXPRESSION}` for the messages in a
    column or a step. The last message is the user's, or one with the role `system` after it.

    The expression returns a list of objects with `role` and `content`. Other keys are not sent. The first of them can
    have the role `system`: it is the system prompt, if the step has no `system`. The other roles alternate between
    `user` and `assistant`, beginning with `user`. A later message with the role `system` follows one of the user, and
    is the last or is followed by one of the assistant. Each `content` is a string. A row whose messages do not follow
    these rules fails, and nothing is sent for it. The content is not a template: it is sent as it is.

    `{from: EXPRESSION}` can be an entry of a list too, before or after other messages:

    ```yaml
    input:
      rows:
        - chat:
            - {role: system, content: You sell kettles.}
            - {role: user, content: "Which one is quiet?"}
            - {role: assistant, content: The glass one.}
    steps:
      question:
        model: claude-haiku-5-5
        messages:
          - from: row.chat
          - {role: user, content: "How much is it, in {{ params.currency }}?"}
    params:
      currency: {enum: [euros, pounds], default: euros}
    ```
    """
    cache: Cache | None = None
    """Cache what the prompts of this step share, for five minutes (`5m`) or an hour (`1h`) after its last use: the part
    that is the same for every row, or for all items of a row. If they share no part that is long enough for the model,
    the API caches each whole request. `cache` is no part of a request's key.

    ```yaml
    input:
      rows:
        - {question: "How long is the warranty?"}
        - {question: "Can I return a gift?"}
    steps:
      answer:
        model: claude-haiku-5-5
        system: {file: handbook.md, template: false}
        prompt: "Answer with the handbook: {{ row.question }}"
        cache: 5m
    ```

    `handbook.md`:

    ```md
    The warranty takes two years. Gifts can be returned within 30 days.
    ```
    """
    on_truncated: Literal["fail", "retry_larger"] = "fail"
    """What happens when an answer is cut off at `max_tokens`: with `fail`, the step fails; with `retry_larger`, it is
    requested again with twice the `max_tokens`, up to the model's maximum. Default: `fail`.

    If the maximum of a model is unknown, `max_tokens` is doubled up to three times. Each request is paid for, and has
    its own stored answer: if you add the key later, only the truncated rows are sent again.

    ```yaml
    steps:
      summary:
        model: claude-haiku-5-5
        max_tokens: 500
        on_truncated: retry_larger
        prompt: "Summarize this report: {{ row.text }}"
    ```
    """
    on_refusal: Literal["fail", "default"] | Annotated[list[Text], Field(min_length=1, max_length=3)] = "fail"
    """What happens when the model refuses: with `fail`, the step fails; with `default`, the API asks a model of its
    choice; a list names up to three models that are asked in turn. Default: `fail`.

    The names are aliases of `models`, or ids if the file has no `models`. The settings of the step apply to each model.
    At Anthropic's own address, the API asks the models within the same request if it supports this for them and for
    their settings. Otherwise, and in batches, yamlgen sends a request to each. `default` needs the API: it is not
    possible at the address of a gateway or in a batch.

    ```yaml
    models:
      writer: {id: claude-opus-5, max_tokens: 2000}
      other: {id: claude-opus-4-8, effort: low}
    steps:
      summary:
        model: writer
        on_refusal: [other]
        prompt: "Summarize this report: {{ row.text }}"
    ```
    """
    output: StepOutput | None = None
    """The schema of the answer, and how often an invalid answer is re-asked. Without a schema, the value is a
    string; a blank answer is invalid."""
    check: Annotated[list[Expression | Check], Field(min_length=1)] | None = None
    """Conditions that an answer must meet in addition to its schema, as expressions over `output` and everything that
    the step's templates can read. If one is false, the answer is invalid and is sent back to the model, up to
    `output.reasks` times.

    Checks apply to strings and to JSON that fits its schema, and to each sample and item separately. An answer that is
    still invalid after the last re-ask fails.

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
    """Number of independent answers to request. The step's value is the list of them. If you raise the number, the
    next run requests only the new answers.

    ```yaml
    steps:
      votes:
        model: claude-haiku-5-5
        prompt: "How angry is this customer, from 1 to 5? {{ row.text }}"
        output: {schema: {type: integer, minimum: 1, maximum: 5}}
        samples: 5
        on_item_error: null
      anger:
        kind: compute
        when: steps.votes | reject("none") | list | length > 2
        values:
          mean: steps.votes | reject("none") | sum / steps.votes | reject("none") | list | length
    ```
    """
    matrix: Annotated[dict[Name, Annotated[list[Any], Field(min_length=1)]], Field(min_length=1)] | None = None
    """Values to combine, such as `{model: [writer, judge], tone: [dry, warm]}`: the step runs once for each
    combination, and its value is a list of `{model, tone, output}`. Templates can read `matrix.tone`. The name `model`
    selects the model.

    The last name varies fastest. The values can have any type. An item can have at most 1000 combinations and samples.

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

    batch: bool | Batch | None = None
    """Whether the requests of this step are sent in Message Batches: `true`, `false`, or a mapping of settings.
    Default: [`batch`](#batch) at the top of the file.

    Steps that use its value wait for its batches, so each batched step in a chain takes up to 24 hours.

    ```yaml
    model: claude-haiku-5-5
    steps:
      labels: {prompt: "Label this review: {{ row.text }}", batch: {minimum: 50, wait: 12h}}
      reply: {prompt: "Answer this review: {{ row.text }}"}
    ```
    """

    def sources(self) -> Iterator[StepText]:
        """Yield its templates and expressions; messages in the order in which they are sent."""
        yield from super().sources()
        yield self._system_text()
        yield StepText("user", self.prompt, ("prompt",))
        for at, turn in self.turns().items():
            if isinstance(turn, MessagesFrom):
                yield StepText("turns", turn.from_, (*at, "from"))
            else:
                role: Role = "system_turn" if turn.role == "system" else turn.role
                yield StepText(role, turn.content, (*at, "content"))
        for index, check in enumerate(self.check or ()):
            at = ("check", index)
            if isinstance(check, str):
                yield StepText("check", check, at, str(index))
            else:
                yield StepText("check", check.expression, (*at, "expression"), str(index))
                yield StepText("message", check.message, (*at, "message"), str(index))

    def _system_text(self) -> StepText:
        """Return its system prompt, wherever it is written."""
        if isinstance(self.system, SystemText) and self.system.text is not None:
            return StepText("system", self.system.text, ("system", "text"))
        return StepText("system", self.system, ("system",))

    def turns(self) -> Mapping[DataPath, Turn | MessagesFrom]:
        """Return the entries of its messages, by their paths in the step."""
        if isinstance(self.messages, MessagesFrom):
            return {("messages",): self.messages}
        return {("messages", index): turn for index, turn in enumerate(self.messages or ())}

    def models_named(self) -> Mapping[DataPath, Any]:
        """Return its model, or the models of its matrix."""
        if "model" in (self.matrix or {}):
            return {("matrix", "model", index): model for index, model in enumerate((self.matrix or {})["model"])}
        return {("model",): self.model}


KEYS: Final = Generate
