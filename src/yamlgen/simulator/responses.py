"""What the routes of the simulator share: the headers of a response, its defects, and the errors that faults cause."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any, Final

from aiohttp import web

from yamlgen.simulator.api_errors import SimulatedAPIError
from yamlgen.simulator.row_headers import SIMULATOR_HEADER

REQUEST_ID: ContextVar[str] = ContextVar("request_id")

FAULT_ERRORS: Final = {
    "rate_limit": SimulatedAPIError("This request would exceed your organization's rate limit.", "rate_limit_error"),
    "overloaded": SimulatedAPIError("Overloaded", "overloaded_error"),
    "server_error": SimulatedAPIError("Internal server error", "api_error"),
    "bad_request": SimulatedAPIError("messages: this content is not allowed (a simulated refusal)"),
}
"""The errors of the faults that refuse a request."""


def own_headers() -> dict[str, str]:
    """Return the headers that every response has."""
    return {"request-id": REQUEST_ID.get(), SIMULATOR_HEADER: "true"}


def no_constant(name: str) -> Any:
    """Refuse `NaN` and infinities, which JSON does not have: the `parse_constant` of a decoder."""
    raise ValueError(f"{name} is not JSON")


def unreadable(message: Mapping[str, Any]) -> str:
    """Return a message as a broken gateway sends it, with a number that no parser accepts."""
    return json.dumps({**message, "broken": 0}).replace('"broken": 0', f'"broken": {"9" * 5000}')


def hang_up(request: web.Request) -> None:
    """Close the connection of a request."""
    if request.transport is not None:
        request.transport.close()
