"""The parsing of an answer: whether it is a complete message, and its output."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anthropic.types import Message
from pydantic import ValidationError

from yamlgen.claude.parsed_answer import EmptyAnswer, InvalidOutput, ParsedOutput
from yamlgen.claude.response_checks import fault_of
from yamlgen.claude.stop_reasons import stopped
from yamlgen.value_objects import Attempt

if TYPE_CHECKING:
    from yamlgen.claude.structured import StructuredOutput


def read(attempt: Attempt, structured: StructuredOutput | None) -> ParsedOutput:
    """Return the output of an answer: parsed by `structured`, or its text.

    Raises:
        InvalidOutput: there is no output, or its schema does not accept it.
        RowError: the answer is incomplete.
    """
    fault = fault_of(attempt.response)
    if fault is not None:
        raise InvalidOutput((f"$: {fault}",))
    message = message_of(attempt)
    error = stopped(message)
    if error is not None:
        raise error
    return ParsedOutput(text_of(message)) if structured is None else structured.parse(message)


def message_of(attempt: Attempt) -> Message:
    """Return the body as a message: validated or, if it has unknown parts, constructed as the SDK does."""
    try:
        return Message.model_validate(attempt.response)
    except ValidationError:
        return Message.model_construct(**attempt.response)


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
