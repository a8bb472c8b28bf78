"""A request that the API turns away: its status, its error type, its sentence, and the envelope around them.

One exception carries all three from wherever a check fails to the one place that writes the response.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

STATUS = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "overloaded_error": 529,
}


class SimulatedAPIError(Exception):
    """A refused request.

    Args:
        message: the sentence in the envelope.
        kind: one of the API's error types.
        status: the HTTP status, where it is not the usual one of `kind`.
        details: what a client may act on, where the API tells it.
    """

    def __init__(
        self,
        message: str,
        kind: str = "invalid_request_error",
        status: int | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.kind = kind
        self.status = status or STATUS[kind]
        self.details = details

    def envelope(self, request_id: str) -> dict[str, Any]:
        """The body of the response, in the API's shape."""
        details = {"details": self.details} if self.details else {}
        return {
            "type": "error",
            "error": {"type": self.kind, "message": self.message, **details},
            "request_id": request_id,
        }
