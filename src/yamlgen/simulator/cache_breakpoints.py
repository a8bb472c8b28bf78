"""The rules about prompt cache breakpoints: their number, lifetimes and order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from yamlgen.simulator.api_errors import SimulatedAPIError
from yamlgen.simulator.body_fields import check_object, present

_MOST: Final = 4


def check_breakpoints(body: Mapping[str, Any]) -> None:
    """Refuse invalid cache breakpoints. The rest of the body must already be valid."""
    short, found = False, 0
    for where, control in _breakpoints(body):
        check_object(control, where, "type=ephemeral ttl=5m|1h")
        ttl = control.get("ttl", "5m")
        if short and ttl == "1h":
            raise SimulatedAPIError(
                f"{where}.ttl: a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block. "
                "Note that blocks are processed in the following order: `tools`, `system`, `messages`."
            )
        short = short or ttl == "5m"
        found += 1
    if found > _MOST:
        raise SimulatedAPIError(f"A maximum of {_MOST} blocks with cache_control may be provided. Found {found}.")


def _breakpoints(body: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield each breakpoint with its place, in the order in which the API reads them."""
    yield from _marked(body.get("tools"), "tools")
    yield from _marked(body.get("system"), "system")
    for index, message in enumerate(body["messages"]):
        yield from _marked(message.get("content"), f"messages.{index}.content")
    # The breakpoint of the whole request applies to its last block.
    if present(body, "cache_control"):
        yield "cache_control", body["cache_control"]


def _marked(blocks: Any, where: str) -> Iterator[tuple[str, Any]]:
    if not isinstance(blocks, list):
        return
    for index, block in enumerate(blocks):
        if block.get("type") == "tool_result":
            yield from _marked(block.get("content"), f"{where}.{index}.content")
        if present(block, "cache_control"):
            yield f"{where}.{index}.cache_control", block["cache_control"]
