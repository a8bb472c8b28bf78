"""JSON Pointers (RFC 6901), as the fragment of a `$ref` carries them: one walk for all who follow references."""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import quote, unquote

from yamlgen.parsing.source_map import DataPath, PathKey
from yamlgen.value_objects import JSON

_INDEX: Final = re.compile(r"0|[1-9][0-9]{0,8}")


def follow(root: JSON, fragment: str) -> JSON:
    """The part of `root` that a pointer such as `/$defs/name` leads to; the empty one leads to `root` itself.

    Raises:
        LookupError: it leads nowhere.
    """
    return within(root, steps(root, fragment))


def steps(root: JSON, fragment: str) -> DataPath:
    """The path from `root` to where a pointer leads.

    Raises:
        LookupError: it leads nowhere.
    """
    target: Any = root
    path: list[PathKey] = []
    for part in unquote(fragment).split("/")[1:]:
        word = part.replace("~1", "/").replace("~0", "~")
        if not isinstance(target, dict) and not (isinstance(target, list) and _INDEX.fullmatch(word)):
            raise LookupError(fragment)
        step: Any = word if isinstance(target, dict) else int(word)
        path.append(step)
        target = target[step]
    return tuple(path)


def within(root: JSON, path: DataPath) -> JSON:
    """The part of `root` at a path that it has."""
    for part in path:
        root = root[part]
    return root


def written(path: DataPath) -> str:
    """The pointer to a path, as a fragment: `/$defs/name`."""
    return "".join("/" + quote(str(part).replace("~", "~0").replace("/", "~1"), safe="$~") for part in path)
