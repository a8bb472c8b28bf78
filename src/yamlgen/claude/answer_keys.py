"""The key of an answer: made of what distinguishes one request from another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from yamlgen.canonical_json import digest
from yamlgen.interfaces import RequestContext
from yamlgen.pipeline.keyed_fields import UNKEYED
from yamlgen.value_objects import JSON

_ASKED: Final = frozenset({"messages", "system", "stream"})
"""The parts of a body that differ from row to row, or that do not affect the answer."""

_UNSTREAMED: Final = 21_333
"""The `max_tokens` above which all answers were streamed when `stream` was a part of the key."""


_IN_BLOCKS: Final = "cache_control"
"""The field that blocks of content and tools have, too."""


@dataclass(frozen=True, slots=True)
class AnswerKeys:
    """The keys of the answers of one server.

    Attributes:
        address: the normalised base URL, or the simulator's settings.
        api_version: the version of the API.
        betas: the beta features that a header requests, sorted.
    """

    address: str
    api_version: str
    betas: tuple[str, ...] = ()

    def keys(self, body: Mapping[str, JSON], context: RequestContext) -> tuple[bytes, ...]:
        """Return the key of the answer to `body` for this row and sample; for long answers an older key too.

        The fields in `UNKEYED` are not a part of the key: a request has one key, in a batch and by itself. `stream`
        once was a part, so that long answers of that time are found by the older key.
        """
        asked = {**self._server(), "row": context.identity, "sample": context.sample}
        bare = keyed(body)
        key = digest({**asked, "body": bare})
        if body["max_tokens"] <= _UNSTREAMED:
            return (key,)
        return key, digest({**asked, "body": {**bare, "stream": True}})

    def setup(self, body: Mapping[str, JSON]) -> bytes:
        """Return a digest of what makes a server accept or refuse requests of any content: address and settings."""
        settings = {name: value for name, value in body.items() if name not in _ASKED}
        return digest({**self._server(), "settings": settings})

    def schema(self, body: Mapping[str, JSON]) -> bytes:
        """Return a digest of what makes a server accept or refuse a native schema: address, model and schema.

        `body` must have a native schema.
        """
        form = body["output_config"]["format"]
        return digest({**self._server(), "model": body["model"], "format": form})

    def _server(self) -> dict[str, JSON]:
        server: dict[str, JSON] = {"address": self.address, "api_version": self.api_version}
        return (
            {**server, "betas": list(self.betas)} if self.betas else server
        )  # without betas, keys are the same as before there were any


def keyed(body: Mapping[str, JSON]) -> dict[str, JSON]:
    """Return the fields of a request's body that are a part of the key of its answer."""
    return {name: _unmarked(value) for name, value in body.items() if name not in UNKEYED}


def _unmarked(value: JSON) -> JSON:
    """Return messages, blocks of content or tools without their `cache_control`; any other value as it is."""
    return [_unmarked_block(block) for block in value] if isinstance(value, list) else value


def _unmarked_block(block: JSON) -> JSON:
    if not isinstance(block, dict):
        return block
    bare = {name: value for name, value in block.items() if name != _IN_BLOCKS}
    if isinstance(bare.get("content"), list):
        bare["content"] = _unmarked(bare["content"])
    if isinstance(bare.get("source"), dict):
        bare["source"] = _unmarked_block(bare["source"])
    return bare
