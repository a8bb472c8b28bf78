"""Which failures are retried, and after which delay.

Owns the retry delay, and the reading of `x-should-retry` and `retry-after`. The package `pacing` decides how long a
rate limit holds requests.
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
"""Maximum seconds before the first retry (doubled before each further one), and before any retry."""


def delay_before(retry: int, retry_after: float | None) -> float:
    """Return the random seconds before a retry, counted from 1: at least `retry_after`, at most `MOST_DELAY`."""
    most = min(MOST_DELAY, FIRST_DELAY * 2 ** max(retry - 1, 0))
    backoff = random.uniform(0, most)  # noqa: S311 - jitter is no secret
    return backoff if retry_after is None else min(max(retry_after, backoff), MOST_DELAY)


@dataclass(frozen=True, slots=True)
class FinalOutcome:
    """The result for the SDK: its response, a parsed answer, or a final error."""

    value: Any = None
    error: Exception | None = None


@dataclass(frozen=True, slots=True)
class FailedAttempt:
    """An attempt that may be retried."""

    reason: str
    response: Any = None
    error: Exception | None = None
    limited: bool = False
    retry_after: float | None = None

    @property
    def overdue(self) -> bool:
        """Whether it exceeded its deadline."""
        return isinstance(self.error, RowError) and self.error.code is Code.DEADLINE


def classify_response(response: Any) -> FinalOutcome | FailedAttempt:
    """Classify an error response: final, transient, or a rate limit."""
    http, wanted = response.http_response, response.http_response.headers.get("x-should-retry")
    said = error_response_of(http)
    again = said.scope in (ErrorScope.AGAIN, ErrorScope.LIMITED)
    if wanted != "false" and (again or (wanted == "true" and said.stop is None)):
        limited, after = said.status == 429, _seconds(http.headers.get("retry-after"))  # noqa: PLR2004
        return FailedAttempt(_reason(said), response, None, limited, after)
    return FinalOutcome(response)


def classify_error(error: ServerError) -> FinalOutcome | FailedAttempt:
    """Classify an error in a 200."""
    if error.said.scope in (ErrorScope.AGAIN, ErrorScope.LIMITED):
        return FailedAttempt(_reason(error.said), None, error, error.said.scope is ErrorScope.LIMITED)
    return FinalOutcome(error=error)


def _reason(said: ErrorResponse) -> str:
    what = {429: "rate limit", 529: "overloaded"}.get(said.status)
    what = what or ("server error" if said.status >= 500 else "try again")  # noqa: PLR2004 - server errors
    return f"{what} ({said.kind if said.inside and said.kind else said.status})"


def _seconds(header: str | None) -> float | None:
    """Return a `retry-after` header in seconds; HTTP allows seconds or a date."""
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
