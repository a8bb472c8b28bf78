"""Conversations of the SDK with a simulator of their own, and what its rules refuse."""

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
    """The message that answers one body."""
    return talk(lambda client, _: client.messages.create(**body), **options)


def refusal(body, version="2026-10-21", betas=()):
    """The sentence with which the simulator refuses a body, empty where it takes it."""
    try:
        check_message(body, version, frozenset(betas))
    except SimulatedAPIError as problem:
        return problem.message
    return ""
