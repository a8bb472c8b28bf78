"""JSON Pointers (RFC 6901) as fragments of a `$ref`: parsing, following and writing them."""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import quote, unquote

from yamlgen.parsing.source_map import DataPath, PathKey
from yamlgen.value_objects import JSON

_INDEX: Final = re.compile(r"0|[1-9][0-9]{0,8}")


def follow(root: JSON, fragment: str) -> JSON:
    """Return the part of `root` at a pointer such as `/$defs/name`; the empty pointer returns `root` itself.

    Raises:
        LookupError: there is no such part.
    """
    return within(root, steps(root, fragment))


def steps(root: JSON, fragment: str) -> DataPath:
    """Return the path from `root` to the target of a pointer.

    Raises:
        LookupError: there is no such part.
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
    """Return the part of `root` at an existing path."""
    for part in path:
        root = root[part]
    return root


def written(path: DataPath) -> str:
    """Return the pointer to a path, as a fragment: `/$defs/name`."""
    return "".join("/" + quote(str(part).replace("~", "~0").replace("/", "~1"), safe="$~") for part in path)
