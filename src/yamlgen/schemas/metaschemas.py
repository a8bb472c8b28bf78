"""The metaschemas of JSON Schema, which a `$ref` may name; they are installed with yamlgen and never fetched."""

from __future__ import annotations

import json
from typing import Any, Final
from urllib.parse import urldefrag, urljoin

from yamlgen.schemas.keywords import subschemas

_DRAFTS: Final = frozenset(
    {f"https://json-schema.org/draft/{draft}/schema" for draft in ("2019-09", "2020-12")}
    | {f"http://json-schema.org/draft-0{draft}/schema" for draft in (6, 7)}
)
_NAMES: Final = ("$id", "$schema", "$vocabulary", "$comment", "$dynamicAnchor", "$recursiveAnchor")
_DYNAMIC: Final = ("$dynamicRef", "$recursiveRef")
"""Keywords that refer to the whole metaschema, in every vocabulary."""


def standard(address: str) -> dict[str, Any] | None:
    """Return a draft's metaschema as a self-contained schema; `None` for any other address."""
    if address not in _DRAFTS:
        return None
    parts: dict[str, Any] = {}
    root = _copied(address, address, parts)
    return {**root, "$defs": {**root.get("$defs", {}), **parts}} if parts else root


def _copied(address: str, root: str, parts: dict[str, Any]) -> dict[str, Any]:
    from jsonschema_specifications import REGISTRY  # type: ignore[import-untyped]  # noqa: PLC0415 - seldom needed

    schema: dict[str, Any] = json.loads(json.dumps(REGISTRY.contents(address)))
    for _, part in subschemas(schema):
        if any(part.pop(word, None) for word in _DYNAMIC):
            part["$ref"] = "#"
        elif isinstance(part.get("$ref"), str):
            target = urldefrag(urljoin(address, part["$ref"]))
            part["$ref"] = _within(target.url, target.fragment, root, parts)
        for word in _NAMES:
            part.pop(word, None)
    return schema


def _within(address: str, fragment: str, root: str, parts: dict[str, Any]) -> str:
    if address == root:
        return f"#{fragment}"
    name = address.rpartition("/")[2]
    if name not in parts:
        parts[name] = {}  # two vocabularies may refer to each other
        parts[name] = _copied(address, root, parts)
    return f"#/$defs/{name}{fragment}"
