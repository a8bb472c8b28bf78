"""The parts of a request that the API's prompt cache reads: everything up to a breakpoint.

Owns what makes two of them the same part. The API reads tools first, then the system prompt, then the messages.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from yamlgen.model_capabilities import Tokenizer, tokenizer_of
from yamlgen.model_capabilities import of as capabilities_of
from yamlgen.token_estimate import added_tokens, tokens_in, tokens_of
from yamlgen.value_objects import JSON

MARK: Final = "cache_control"
"""The field of a block, a tool or a whole request that sets a breakpoint."""

SECONDS: Final[Mapping[str, float]] = {"5m": 300.0, "1h": 3600.0}
"""How long a part is cached after its last use, by the lifetime of its breakpoint."""

_LEAST: Final = 512
"""The smallest number of tokens that any model caches: for models whose minimum is unknown."""

_SIZE: Final = 16
_DECIDING: Final = ("model", "thinking", "tool_choice", "output_config")
"""The settings without which equal text is not the same part."""


@dataclass(frozen=True, slots=True)
class Block:
    """A block of a request, and everything before it.

    Attributes:
        digest: a digest of the request up to its end.
        tokens: the estimated tokens of the request up to its end.
        lifetime: the lifetime of its breakpoint, `5m` or `1h`; `None` if it has none.
    """

    digest: bytes
    tokens: int
    lifetime: str | None


def least_cached(model: str) -> int:
    """Return the minimum number of tokens that a model caches."""
    return capabilities_of(model).cache_minimum or _LEAST


def is_marked(body: Mapping[str, JSON]) -> bool:
    """Return whether a request has a breakpoint."""
    if body.get(MARK):
        return True
    lists = (body.get("tools"), body.get("system"), *(turn.get("content") for turn in body["messages"]))
    return any(_lifetime(block) for blocks in lists if isinstance(blocks, list) for block in blocks)


def blocks_of(body: Mapping[str, JSON]) -> list[Block]:
    """Return the blocks of a request, in the order in which the API reads them."""
    tokenizer = tokenizer_of(str(body.get("model")))
    hashed = hashlib.blake2b(_json({name: body[name] for name in _DECIDING if body.get(name)}), digest_size=_SIZE)
    tokens = added_tokens(body)
    made: list[Block] = []
    for role, block, text in _parts(body):
        hashed.update(b"%d %s " % (len(text), role.encode()))
        hashed.update(text)
        tokens += _tokens(block, tokenizer)
        made.append(Block(hashed.digest(), round(tokens), _lifetime(block)))
    automatic = _lifetime(body)
    if automatic and made:
        made[-1] = Block(made[-1].digest, made[-1].tokens, automatic)
    return made


def cached_parts(body: Mapping[str, JSON]) -> list[Block]:
    """Return the last block of each part of a request that has a breakpoint."""
    return [block for block in blocks_of(body) if block.lifetime] if is_marked(body) else []


def tokens_before(body: Mapping[str, JSON], end: int) -> int:
    """Return the estimated tokens of a request up to an end; 0 if there is nothing before it.

    Args:
        body: the request.
        end: a number of messages; 0 for the end of the system prompt, -1 for that of the tools.
    """
    part = {**body, "messages": body["messages"][: max(end, 0)]}
    if end < 0:
        part.pop("system", None)
    return tokens_of(part) if end > 0 or part.get("system") or part.get("tools") else 0


def _parts(body: Mapping[str, JSON]) -> Iterator[tuple[str, JSON, bytes]]:
    """Yield each block with what it is a part of, and what distinguishes it from others."""
    for tool in body.get("tools") or ():
        yield "tool", tool, _json(_bare(tool))
    for block in _blocks(body.get("system")):
        yield "system", block, _json(_bare(block))
    for turn in body["messages"]:
        for block in _blocks(turn.get("content")):
            yield str(turn.get("role")), block, _json(_bare(block))


def _blocks(content: JSON) -> list[JSON]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    return content if isinstance(content, list) else []


def _tokens(block: JSON, tokenizer: Tokenizer) -> float:
    if isinstance(block, dict) and block.get("type") == "text":
        return _text_tokens(str(block.get("text")), tokenizer)
    bare = {name: value for name, value in _bare(block).items() if name != "source"}
    return tokens_in(json.dumps(bare, ensure_ascii=False), tokenizer)


@lru_cache(maxsize=64)
def _text_tokens(text: str, tokenizer: Tokenizer) -> float:
    """Return the estimated tokens of a text. Requests share long ones."""
    return tokens_in(text, tokenizer)


def _bare(block: JSON) -> dict[str, JSON]:
    return {name: value for name, value in block.items() if name != MARK} if isinstance(block, dict) else {"": block}


def _lifetime(marked: JSON) -> str | None:
    control = marked.get(MARK) if isinstance(marked, dict) else None
    return str(control.get("ttl") or "5m") if isinstance(control, dict) else None


def _json(value: JSON) -> bytes:
    return json.dumps(value, ensure_ascii=False, sort_keys=True).encode("utf-8", "surrogatepass")
