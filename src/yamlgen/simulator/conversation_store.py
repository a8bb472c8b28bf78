"""Conversations that the server holds: a request that goes on with one sends its new turns only."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Final

from yamlgen.simulator.api_errors import SimulatedAPIError

_MOST: Final = 1_000
_OF_THREAD: Final = ("system", "tools")


class Conversations:
    """What is held, by the id of the answer that it ends with; the oldest is let go of first."""

    def __init__(self) -> None:
        self._held: OrderedDict[str, dict[str, Any]] = OrderedDict()

    def resumed(self, body: Any) -> Any:
        """The whole of a request that goes on with a conversation; any other request as it is.

        Raises:
            APIProblem: 404 for an unknown conversation, 400 for a field that comes from it.
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
        """Keep a conversation that asks for it, as it stands after an answer."""
        if body.get("thread") is None or not message["content"]:
            return
        turn = {"role": "assistant", "content": message["content"]}
        held = {name: body[name] for name in _OF_THREAD if name in body}
        self._held[message["id"]] = {**held, "messages": [*body["messages"], turn]}
        if len(self._held) > _MOST:
            self._held.popitem(last=False)
