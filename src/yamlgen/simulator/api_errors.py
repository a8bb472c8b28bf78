"""The error for a request that the API refuses, with its status, error type and message, and its envelope."""

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
        message: the message in the envelope.
        kind: one of the API's error types.
        status: the HTTP status. Default: the usual one of `kind`.
        details: details for the client, if the API adds them.
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
        """Return the body of the response in the API's format."""
        details = {"details": self.details} if self.details else {}
        return {
            "type": "error",
            "error": {"type": self.kind, "message": self.message, **details},
            "request_id": request_id,
        }
