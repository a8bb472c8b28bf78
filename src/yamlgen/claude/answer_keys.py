"""The key of an answer: what tells one request from another, and what decides nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from yamlgen.canonical_json import digest
from yamlgen.interfaces import RequestContext
from yamlgen.value_objects import JSON

_ASKED: Final = frozenset({"messages", "system", "stream"})
"""What of a body differs from row to row, or decides nothing."""

_UNSTREAMED: Final = 21_333
"""The `max_tokens` above which every answer was streamed when that was a part of the key."""


@dataclass(frozen=True, slots=True)
class AnswerKeys:
    """The keys of the answers of one server.

    Attributes:
        address: the normalised base URL, or the simulator's settings: who answers.
        api_version: the version of the API.
        betas: the features that a header asks for besides, sorted.
    """

    address: str
    api_version: str
    betas: tuple[str, ...] = ()

    def keys(self, body: Mapping[str, JSON], context: RequestContext) -> tuple[bytes, ...]:
        """What tells the answer to `body` for this context's row and sample from all others: the key, and an older one.

        Whether it is streamed decides nothing. It once did, so long answers of that time are found by the older key.
        """
        asked = {**self._server(), "row": context.identity, "sample": context.sample}
        bare = {name: value for name, value in body.items() if name != "stream"}
        key = digest({**asked, "body": bare})
        if body["max_tokens"] <= _UNSTREAMED:
            return (key,)
        return key, digest({**asked, "body": {**bare, "stream": True}})

    def setup(self, body: Mapping[str, JSON]) -> bytes:
        """What requests share by which a server takes or refuses them, whatever they ask: its address, the settings."""
        settings = {name: value for name, value in body.items() if name not in _ASKED}
        return digest({**self._server(), "settings": settings})

    def schema(self, body: Mapping[str, JSON]) -> bytes:
        """What requests share by which a server takes or refuses a native schema: its address, the model, the schema.

        `body` is that of a request with one.
        """
        form = body["output_config"]["format"]
        return digest({**self._server(), "model": body["model"], "format": form})

    def _server(self) -> dict[str, JSON]:
        server: dict[str, JSON] = {"address": self.address, "api_version": self.api_version}
        return {**server, "betas": list(self.betas)} if self.betas else server  # without any, keys are what they were
