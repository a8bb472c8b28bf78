"""How long a run takes: by the rate limits that an API has shown last, and by how long earlier answers took."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Final

from yamlgen.forecast import RequestLoad, RunDuration, StepForecast
from yamlgen.value_objects import RateLimits

_MINUTE: Final = 60.0


@dataclass
class _PoolLoad:
    """The requests and tokens of a run in one pool; those of answers are a minimum and a maximum."""

    requests: float = 0.0
    input_tokens: float = 0.0
    output_tokens: tuple[float, float] = (0.0, 0.0)

    def add(self, load: RequestLoad) -> None:
        self.requests += load.requests
        self.input_tokens += load.input_tokens
        least, most = self.output_tokens
        self.output_tokens = least + load.output_tokens[0], most + load.output_tokens[1]

    def span(self, name: str) -> tuple[float, float]:
        value = getattr(self, name)
        return value if isinstance(value, tuple) else (value, value)


def duration_of(
    steps: Iterable[StepForecast],
    accounts: Mapping[str, str],
    limits_of: Mapping[str, Callable[[str], tuple[RateLimits, str] | None]],
    *,
    share: float,
    concurrency: int,
) -> RunDuration | None:
    """Return how long the requests of a run take that are not sent in batches; `None` if nothing is known about it.

    Args:
        steps: the forecasts of the steps.
        accounts: whose rate limits apply to each variant.
        limits_of: for each of them, returns the rate limits of a pool that were seen last, and when.
        share: the part of the limits that the run uses.
        concurrency: the maximum number of requests at once.
    """
    loads = [load for step in steps if not step.batched for load in step.loads if load.requests]
    pools: dict[tuple[str, str], _PoolLoad] = {}
    for load in loads:
        pools.setdefault((accounts[load.variant], load.pool), _PoolLoad()).add(load)
    known = {(account, pool): limits_of[account](pool) for account, pool in pools}
    found = [one for key, load in pools.items() if (one := _by_limits(key[1], load, known[key], share))]
    if loads and all(load.seconds is not None for load in loads):
        seconds = sum(load.requests * (load.seconds or 0.0) for load in loads)
        parallel = max(1.0, min(concurrency, sum(load.requests for load in loads)))
        found.append(RunDuration((seconds / parallel, seconds / parallel), "concurrency"))
    longest = max(found, key=lambda each: each.seconds[1], default=None)
    if longest is None:
        return None
    least = max(each.seconds[0] for each in found)
    return RunDuration(
        (least, longest.seconds[1]), longest.limit, longest.per_minute, longest.pool, longest.seen, share
    )


def _by_limits(pool: str, load: _PoolLoad, known: tuple[RateLimits, str] | None, share: float) -> RunDuration | None:
    """Return how long the requests of a pool take by its limits, with the limit that takes longest."""
    if known is None:
        return None
    limits, seen = known
    found = []
    for each in fields(RateLimits):
        limit = getattr(limits, each.name)
        if limit is not None:
            least, most = (amount / (limit * share) * _MINUTE for amount in load.span(each.name))
            found.append(RunDuration((least, most), each.name, limit, pool, seen, share))
    if not found:
        return None
    binding = max(found, key=lambda each: each.seconds[1])
    least = max(each.seconds[0] for each in found)
    return RunDuration((least, binding.seconds[1]), binding.limit, binding.per_minute, pool, seen, share)
