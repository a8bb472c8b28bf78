"""JSON Pointers (RFC 6901), as the fragment of a `$ref` carries them: one walk for all who follow references."""

from __future__ import annotations

from urllib.parse import unquote

from yamlgen.ports import JSON


def follow(root: JSON, fragment: str) -> JSON:
    """The part of `root` that a pointer such as `/$defs/name` leads to; the empty one leads to `root` itself.

    Raises:
        LookupError: it leads nowhere.
    """
    target = root
    for part in unquote(fragment).split("/")[1:]:
        word = part.replace("~1", "/").replace("~0", "~")
        if isinstance(target, dict):
            target = target[word]
        elif isinstance(target, list) and word.isdigit():
            target = target[int(word)]
        else:
            raise LookupError(fragment)
    return target
