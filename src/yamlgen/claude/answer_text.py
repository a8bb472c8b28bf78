"""What a paid answer is as a message: whether it is whole, what text it holds, and what an output is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, cast

from anthropic._models import construct_type
from anthropic.types import Message
from pydantic import ValidationError

from yamlgen.claude.error_mapping import InvalidOutput
from yamlgen.errors import Code, RowError
from yamlgen.values import JSON, Attempt

_DONE: Final = frozenset({"end_turn", "stop_sequence", "tool_use"})


@dataclass(frozen=True, slots=True)
class ReadOutput:
    """A valid output, and what had to be done to read it, as sentences."""

    value: JSON
    notes: tuple[str, ...] = ()


class NoText(InvalidOutput):
    """An answer without a text: nothing, white space, a block of thinking alone, or what no file can hold."""


def text_of(message: Message) -> str:
    """The text of an answer.

    Raises:
        NoText: there is none.
    """
    text = "".join(block.text for block in message.content if block.type == "text")
    if not text.strip():
        raise NoText(("the answer holds no text",))
    try:
        text.encode()
    except UnicodeEncodeError:
        raise NoText(("the answer holds half of a surrogate pair, which is no text",)) from None
    return text


def stopped(message: Message) -> RowError | None:
    """The error of an answer that ended before it was whole, or `None`."""
    reason = message.stop_reason
    match reason:
        case _ if reason in _DONE:
            return None
        case "max_tokens":
            hint = "raise `max_tokens`: it bounds thinking and answer together"
            return RowError("the answer was cut off at `max_tokens`", code=Code.TRUNCATED, hint=hint)
        case "refusal":
            details = getattr(message.stop_details, "explanation", None) if message.stop_details else None
            return RowError(f"the model refused{f': {details}' if details else ''}", code=Code.REFUSED)
        case "model_context_window_exceeded":
            return RowError("the model's context window is full", code=Code.CONTEXT_EXCEEDED, hint="shorten the row")
        case _:
            return RowError(f"the answer ended for an unknown reason, `{reason}`", code=Code.UNKNOWN_STOP)


def rebuilt(attempt: Attempt) -> Message:
    """The message that a body is: validated, which is quick, or as the SDK takes what it does not know."""
    try:
        message = Message.model_validate(attempt.response)
    except ValidationError:
        message = cast("Message", construct_type(type_=Message, value=dict(attempt.response)))
    message._request_id = attempt.request_id  # noqa: SLF001 - as the SDK sets it
    return message
