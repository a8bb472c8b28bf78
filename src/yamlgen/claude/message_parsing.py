"""The parsing of an answer: whether it is a complete message, and its output."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from anthropic.types import Message
from pydantic import ValidationError

from yamlgen.claude.parsed_answer import EmptyAnswer, InvalidOutput, ParsedOutput
from yamlgen.claude.response_checks import fault_of
from yamlgen.claude.stop_reasons import stopped
from yamlgen.value_objects import JSON, Attempt

if TYPE_CHECKING:
    from yamlgen.claude.structured import StructuredOutput

_BOUNDARY: Final = "fallback"
"""The block between what two models have written."""


def read(attempt: Attempt, structured: StructuredOutput | None) -> ParsedOutput:
    """Return the output of an answer: parsed by `structured`, or its text.

    Raises:
        InvalidOutput: there is no output, or its schema does not accept it.
        RowError: the answer is incomplete.
    """
    fault = fault_of(attempt.response)
    if fault is not None:
        raise InvalidOutput((f"$: {fault}",))
    message = message_of(attempt, structured)
    error = stopped(message)
    if error is not None:
        raise error
    return ParsedOutput(text_of(message)) if structured is None else structured.parse(message)


def message_of(attempt: Attempt, structured: StructuredOutput | None = None) -> Message:
    """Return the body as a message: validated or, if it has unknown parts, constructed as the SDK does.

    If the API has asked a fallback model, the message has what that model wrote. A text continues what the model before
    it wrote; a call of a tool and native output do not.
    """
    body = attempt.response
    if any(block["type"] == _BOUNDARY for block in body["content"]):
        is_continued = structured is None or structured.mode == "json"
        body = {**body, "content": _answered(body["content"], is_continued=is_continued)}
    try:
        return Message.model_validate(body)
    except ValidationError:
        return Message.model_construct(**body)


def _answered(content: list[dict[str, JSON]], *, is_continued: bool) -> list[dict[str, JSON]]:
    """Return the blocks of the answer, without the boundaries between models."""
    kept: list[dict[str, JSON]] = []
    for block in content:
        if block["type"] != _BOUNDARY:
            kept.append(block)
        elif not is_continued:
            kept.clear()
    return kept


def text_of(message: Message) -> str:
    """Return the text of an answer.

    Raises:
        EmptyAnswer: there is none.
    """
    text = "".join(block.text for block in message.content if block.type == "text")
    if not text.strip():
        raise EmptyAnswer(("the answer holds no text",))
    try:
        text.encode()
    except UnicodeEncodeError:
        raise EmptyAnswer(("the answer holds half of a surrogate pair, which is no text",)) from None
    return text
