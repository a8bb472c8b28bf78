"""The key of an answer: made of what distinguishes one request from another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Self

from yamlgen.canonical_json import digest
from yamlgen.interfaces import RequestContext
from yamlgen.steps.keyed_fields import UNKEYED
from yamlgen.value_objects import JSON

_ASKED: Final = frozenset({"messages", "system", "stream", "metadata"})
"""The parts of a body that differ from row to row, or that do not affect the answer."""

_UNSTREAMED: Final = 21_333
"""The `max_tokens` above which all answers were streamed when `stream` was a part of the key."""


_IN_BLOCKS: Final = "cache_control"
"""The field that blocks of content and tools have, too."""


_TEXT: Final = frozenset({"type", "text"})


@dataclass(frozen=True, slots=True)
class AnswerKeys:
    """The keys of the answers of one server.

    Attributes:
        address: the normalised base URL, or the simulator's settings.
        api_version: the version of the API.
        betas: the beta features that a header requests, sorted.
        workspace: the id of the workspace, if a header names one.
    """

    address: str
    api_version: str
    betas: tuple[str, ...] = ()
    workspace: str = ""

    def with_betas(self, betas: Sequence[str]) -> Self:
        """Return the keys of the answers of a model whose requests name these betas too."""
        return replace(self, betas=tuple(sorted({*self.betas, *betas}))) if betas else self

    def keys(self, body: Mapping[str, JSON], context: RequestContext) -> tuple[bytes, ...]:
        """Return the key of the answer to `body` for this row and sample; for long answers an older key too.

        The fields in `UNKEYED` are not a part of the key: a request has one key, in a batch and by itself, with and
        without what is cached of it. Answers of earlier versions are found by the older keys: `stream` once was a part
        of them, and a single text in a list was not the same as the text.
        """
        asked = {**self._server(), "row": context.identity, "sample": context.sample}
        listed = _listed(body)
        bare = _joined_body(listed)
        made = [digest({**asked, "body": each}) for each in ([bare] if listed is bare else [bare, listed])]
        if body["max_tokens"] > _UNSTREAMED:
            made.append(digest({**asked, "body": {**listed, "stream": True}}))
        return tuple(made)

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
        # Without betas and without a workspace, keys are the same as before there were any.
        server |= {"betas": list(self.betas)} if self.betas else {}
        return server | ({"workspace": self.workspace} if self.workspace else {})


def keyed(body: Mapping[str, JSON]) -> dict[str, JSON]:
    """Return the fields of a request's body that are a part of the key of its answer.

    A single text in a list of blocks is the same as the text by itself, so that what is cached makes no difference.
    """
    return _joined_body(_listed(body))


def _joined_body(listed: dict[str, JSON]) -> dict[str, JSON]:
    """Return the fields with single texts by themselves; the same value if there are none in lists."""
    system, messages = listed.get("system"), listed.get("messages")
    joined = {}
    if isinstance(system, list) and (text := _joined(system)) is not system:
        joined["system"] = text
    if isinstance(messages, list):
        turns = list(map(_joined_turn, messages))
        if any(turn is not each for turn, each in zip(turns, messages, strict=True)):
            joined["messages"] = turns
    return {**listed, **joined} if joined else listed


def _listed(body: Mapping[str, JSON]) -> dict[str, JSON]:
    """Return the same as `keyed`, with single texts in lists as they are."""
    return {name: _unmarked(value) for name, value in body.items() if name not in UNKEYED}


def _joined_turn(turn: JSON) -> JSON:
    if not isinstance(turn, dict) or not isinstance(turn.get("content"), list):
        return turn
    content = turn["content"]
    joined = _joined(content)
    return turn if joined is content else {**turn, "content": joined}


def _joined(blocks: list[JSON]) -> JSON:
    """Return the text of a list that has only one block, a text; any other list as it is."""
    is_text = len(blocks) == 1 and isinstance(blocks[0], dict) and blocks[0].keys() == _TEXT
    return blocks[0]["text"] if is_text and blocks[0]["type"] == "text" else blocks


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
