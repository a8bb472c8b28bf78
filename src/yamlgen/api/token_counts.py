"""How far the estimated tokens of requests are from those that the API counts, from a sample of the requests.

A count costs nothing, and has a rate limit of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from http import HTTPStatus
from typing import Final

from yamlgen.claude.endpoints import Endpoint
from yamlgen.claude.free_requests import FreeRequests, Reply, open_free_requests
from yamlgen.errors import Code, EnvironmentProblem, UsageError, YamlgenError
from yamlgen.option_names import by_surface, option
from yamlgen.planning.request_costs import TokenRatio
from yamlgen.value_objects import JSON

_PATIENCE: Final = 20.0
"""Seconds that each count may take."""

_AT_ONCE: Final = 8


async def measured_ratios(
    ends: Mapping[str, Endpoint], samples: Mapping[str, Sequence[tuple[Mapping[str, JSON], int]]]
) -> dict[str, TokenRatio]:
    """Return the ratio of the counted to the estimated tokens of each variant.

    Args:
        ends: the end of each variant.
        samples: for each variant, some of its requests, each with its estimated tokens.

    Raises:
        EnvironmentProblem: there is no key, or the API cannot be reached, or does not count tokens.
        UsageError: the API refuses the requests of a variant.
    """
    async with AsyncExitStack() as stack:
        opened: dict[tuple[str, ...], FreeRequests] = {}
        for name in samples:
            if (key := ends[name].client_key) not in opened:
                opened[key] = await stack.enter_async_context(open_free_requests(ends[name], _PATIENCE))
        gate = asyncio.Semaphore(_AT_ONCE)
        counts = [_counts(opened[ends[name].client_key], gate, name, sample) for name, sample in samples.items()]
        return dict(zip(samples, await asyncio.gather(*counts), strict=True))


async def _counts(
    requests: FreeRequests, gate: asyncio.Semaphore, name: str, sample: Sequence[tuple[Mapping[str, JSON], int]]
) -> TokenRatio:
    async def count(request: Mapping[str, JSON]) -> Reply:
        async with gate:
            return await requests.count(request)

    replies = await asyncio.gather(*(count(request) for request, _ in sample))
    counted = [(_tokens(reply), estimate) for reply, (_, estimate) in zip(replies, sample, strict=True)]
    known = [(tokens, estimate) for tokens, estimate in counted if tokens]
    if not known:
        raise _refused(name, replies[0])
    total, estimated = (sum(each[index] for each in known) for index in (0, 1))
    return TokenRatio(len(known), total / max(1, estimated))


def _tokens(reply: Reply) -> int | None:
    tokens = (reply.body or {}).get("input_tokens") if reply.status == HTTPStatus.OK else None
    return tokens if isinstance(tokens, int) and not isinstance(tokens, bool) and tokens > 0 else None


def _refused(name: str, reply: Reply) -> YamlgenError:
    """Return the error about a variant none of whose requests could be counted."""
    said = reply.fault or "the answer has no number of tokens"
    message = f"the API does not count the tokens of `{name}`"
    without = f"estimate without {by_surface(command='`--count`', python=option('count'))}"
    if not reply.status:
        hint = reply.hint or "check the network and the address"
        return EnvironmentProblem(f"{message}: {said}", code=Code.UNREACHABLE, hint=hint)
    message = f"{message} ({reply.status}): {said}"
    if reply.status == HTTPStatus.UNAUTHORIZED:
        return EnvironmentProblem(message, code=Code.KEY_REJECTED, hint="check the key")
    if reply.status == HTTPStatus.BAD_REQUEST:
        hint = f"a run would be refused as well: correct the step; or {without}"
        return UsageError(message, code=Code.BAD_REQUEST, hint=hint)
    return EnvironmentProblem(message, code=Code.UNREACHABLE, hint=f"{without}, or try again later")
