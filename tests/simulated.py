"""Conversations of the SDK with a simulator of their own."""

import asyncio

import anthropic

from yamlgen.claude.simulator import Simulator


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
