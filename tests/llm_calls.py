"""Calls of `AnthropicLLM` to a scripted server."""

import asyncio

from pydantic import BaseModel, Field

from scripted_api import ScriptedServer
from yamlgen import AnthropicLLM

HELLO = [{"role": "user", "content": "Hello world!"}]


class User(BaseModel):
    """A person."""

    name: str = Field(min_length=1)
    last_name: str
    id: int


USER = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "id": {"type": "integer", "minimum": 1}},
    "required": ["name", "id"],
    "additionalProperties": False,
}
ADA = {"name": "Ada", "last_name": "Lovelace", "id": 7}


def llm(server, **options):
    """Return a model that uses a server."""
    return AnthropicLLM(**{"model": "claude-haiku-5-5", "base_url": server.url, "max_retries": 0, **options})


def serve(reply, work):
    """Return the result of `work(server)`, with a server of these replies."""

    async def main():
        async with ScriptedServer(*(reply if isinstance(reply, list) else [reply])) as server:
            return await work(server), server

    return asyncio.run(main())


def generate(reply, inputs=(HELLO,), options=None, **arguments):
    """Return the result of `generate`, called from a thread as in a script, and the server."""

    async def work(server):
        model = llm(server, **(options or {}))
        return await asyncio.to_thread(model.generate, inputs=list(inputs), **arguments)

    return serve(reply, work)


def agenerate(reply, item=HELLO, options=None, **arguments):
    """Return the result of `agenerate`, and the server."""
    return serve(reply, lambda server: llm(server, **(options or {})).agenerate(item, **arguments))
