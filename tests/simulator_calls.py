"""Calls of a simulator with the SDK, and the requests that it refuses."""

import asyncio

import anthropic

from yamlgen.simulator.api_errors import SimulatedAPIError
from yamlgen.simulator.request_checks import check_message
from yamlgen.simulator.server import Simulator

HELLO = {"role": "user", "content": "Hello."}
SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["name"],
    "properties": {"name": {"type": "string"}},
}
TOOL = {"name": "user", "input_schema": SCHEMA}
RESULT = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "ok"}]}


def talk(conversation, **options):
    """Run `conversation(client, simulator)` with the SDK against a simulator."""

    async def main():
        async with (
            Simulator(**options) as simulator,
            anthropic.AsyncAnthropic(base_url=simulator.url, api_key="x", max_retries=0) as client,
        ):
            return await conversation(client, simulator)

    return asyncio.run(main())


def ask(body, **options):
    """Return the simulator's answer to a body."""
    return talk(lambda client, _: client.messages.create(**body), **options)


def refusal(body, version="2026-10-21", betas=()):
    """Return the message with which the simulator refuses a body; empty if it accepts it."""
    try:
        check_message(body, version, frozenset(betas))
    except SimulatedAPIError as problem:
        return problem.message
    return ""
