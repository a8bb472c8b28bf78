"""Which stored answers a run uses, and which requests it may send."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ReusePolicy:
    """Which stored answers a run uses, and which requests it may send.

    Attributes:
        fresh: uses no answers of earlier runs.
        offline: sends no requests.
        retry: retries only the failed rows of one run, without the answers that failed them. Contains the number of
            that run, after the numbers of its retries that did not complete. Rows that finished or failed in one of
            these retries are not retried again.
    """

    fresh: bool = False
    offline: bool = False
    retry: tuple[int, ...] = ()
