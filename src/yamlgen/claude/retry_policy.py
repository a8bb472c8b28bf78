"""Which failures are tried again, and after how long.

Owns the retry delay, and the reading of `x-should-retry` and `retry-after`. How long a rate limit holds requests is the
business of `pacing`.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Final

from yamlgen.claude.error_mapping import ServerError
from yamlgen.claude.server_errors import ErrorResponse, ErrorScope, error_response_of
from yamlgen.errors import Code, RowError

FIRST_DELAY: Final = 0.5
MOST_DELAY: Final = 30.0
"""Seconds before the first retry at the most, twice as many before each one that follows, and before any of them."""


def delay_before(retry: int, retry_after: float | None) -> float:
    """Seconds before a retry, counted from 1: at random, and not less than the API asks for, within reason."""
    most = min(MOST_DELAY, FIRST_DELAY * 2 ** max(retry - 1, 0))
    backoff = random.uniform(0, most)  # noqa: S311 - jitter is no secret
    return backoff if retry_after is None else min(max(retry_after, backoff), MOST_DELAY)


@dataclass(frozen=True, slots=True)
class FinalOutcome:
    """What goes back to the SDK: its response, an answer that was read, or an error that is final."""

    value: Any = None
    error: Exception | None = None


@dataclass(frozen=True, slots=True)
class FailedAttempt:
    """An attempt that may be made again."""

    reason: str
    response: Any = None
    error: Exception | None = None
    limited: bool = False
    retry_after: float | None = None

    @property
    def overdue(self) -> bool:
        """Whether its deadline ended it."""
        return isinstance(self.error, RowError) and self.error.code is Code.DEADLINE


def classify_response(response: Any) -> FinalOutcome | FailedAttempt:
    """Whether a response that is no success is final, transient, or a rate limit."""
    http, wanted = response.http_response, response.http_response.headers.get("x-should-retry")
    said = error_response_of(http)
    again = said.scope in (ErrorScope.AGAIN, ErrorScope.LIMITED)
    if wanted != "false" and (again or (wanted == "true" and said.stop is None)):
        limited, after = said.status == 429, _seconds(http.headers.get("retry-after"))  # noqa: PLR2004
        return FailedAttempt(_reason(said), response, None, limited, after)
    return FinalOutcome(response)


def classify_error(error: ServerError) -> FinalOutcome | FailedAttempt:
    """The same of an error that came inside of a 200."""
    if error.said.scope in (ErrorScope.AGAIN, ErrorScope.LIMITED):
        return FailedAttempt(_reason(error.said), None, error, error.said.scope is ErrorScope.LIMITED)
    return FinalOutcome(error=error)


def _reason(said: ErrorResponse) -> str:
    what = {429: "rate limit", 529: "overloaded"}.get(said.status)
    what = what or ("server error" if said.status >= 500 else "try again")  # noqa: PLR2004 - the server's own errors
    return f"{what} ({said.kind if said.inside and said.kind else said.status})"


def _seconds(header: str | None) -> float | None:
    """A `retry-after`, which HTTP allows to be seconds or a date."""
    try:
        value = float(header or "")
    except ValueError:
        pass
    else:
        return value if value >= 0 else None
    try:
        return max(0.0, parsedate_to_datetime(header or "").timestamp() - time.time())
    except (ValueError, OverflowError):
        return None
