"""The stop reason of an answer, which is checked before the answer is validated."""

from __future__ import annotations

from typing import Final

from anthropic.types import Message

from yamlgen.errors import Code, RowError

_DONE: Final = frozenset({"end_turn", "stop_sequence", "tool_use"})


def stopped(message: Message) -> RowError | None:
    """Return the error of an incomplete answer, or `None`."""
    reason = message.stop_reason
    match reason:
        case _ if reason in _DONE:
            return None
        case "max_tokens":
            hint = "raise `max_tokens`, for thinking and answer together, or write `on_truncated: retry_larger`"
            return RowError("the answer was cut off at `max_tokens`", code=Code.TRUNCATED, hint=hint)
        case "refusal":
            details = getattr(message.stop_details, "explanation", None) if message.stop_details else None
            hint = "name other models under `on_refusal`, or change the prompt"
            return RowError(f"the model refused{f': {details}' if details else ''}", code=Code.REFUSED, hint=hint)
        case "model_context_window_exceeded":
            return RowError("the model's context window is full", code=Code.CONTEXT_EXCEEDED, hint="shorten the row")
        case _:
            return RowError(f"the answer ended for an unknown reason, `{reason}`", code=Code.UNKNOWN_STOP)
