"""Conversations stored on the server: a request that continues one sends only its new turns."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Final

from yamlgen.simulator.api_errors import SimulatedAPIError

_MOST: Final = 1_000
_OF_THREAD: Final = ("system", "tools")


class Conversations:
    """The stored conversations, by the id of their last answer; the oldest is discarded first."""

    def __init__(self) -> None:
        self._held: OrderedDict[str, dict[str, Any]] = OrderedDict()

    def resumed(self, body: Any) -> Any:
        """Return the full body of a request that continues a conversation; other requests are returned unchanged.

        Raises:
            SimulatedAPIError: 404 for an unknown conversation, 400 for a field that the conversation defines.
        """
        thread = body.get("thread") if isinstance(body, dict) else None
        if not isinstance(thread, dict) or thread.get("type") != "continue":
            return body
        if not isinstance(body.get("messages"), list):
            raise SimulatedAPIError("messages: Input should be a valid array")
        held = self._held.get(str(thread.get("previous_message_id")))
        if held is None:
            raise SimulatedAPIError(
                "thread: no usable Thread state was found for `previous_message_id`",
                "not_found_error",
                details={"error_code": "thread_not_found"},
            )
        for name in _OF_THREAD:
            if name in body:
                raise SimulatedAPIError(
                    f"thread: `{name}` is taken from the thread on a continue",
                    details={"error_code": "thread_unsupported_request", "unsupported": [name]},
                )
        return {**held, **body, "messages": [*held["messages"], *body["messages"]]}

    def hold(self, body: Mapping[str, Any], message: Mapping[str, Any]) -> None:
        """Store the conversation after an answer, if the request has a `thread`."""
        if body.get("thread") is None or not message["content"]:
            return
        turn = {"role": "assistant", "content": message["content"]}
        held = {name: body[name] for name in _OF_THREAD if name in body}
        self._held[message["id"]] = {**held, "messages": [*body["messages"], turn]}
        if len(self._held) > _MOST:
            self._held.popitem(last=False)
