"""The fingerprint of a run: a digest of all that decides what a row comes to.

A row of an earlier run with the same fingerprint, with the same identity and the same columns, comes to the same result
from the same answers. Whatever may matter is a part of it: if it changes without need, rows go the long way once.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import fields, is_dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel

from yamlgen.claude.provider import ClaudeProvider
from yamlgen.parsing.project_folder import digest_of
from yamlgen.planning.plan import Plan
from yamlgen.value_objects import JSON

DECIDING_PACKAGES: Final = (
    "anthropic",
    "faker",
    "instructor",
    "jinja2",
    "jiter",
    "jsonschema",
    "jsonschema-rs",
    "jsonschema-specifications",
    "markupsafe",
    "pydantic",
    "pydantic-core",
    "pyyaml",
    "referencing",
)
"""The packages that render prompts, build requests, read answers, validate values or draw."""

_INFO: Final = ".dist-info"
_SEPARATORS: Final = re.compile(r"[-_.]+")


def run_fingerprint(plan: Plan, provider: ClaudeProvider, by_tool: AbstractSet[str]) -> bytes | None:
    """Return the fingerprint of a run, 32 bytes; `None` if a step may come to another value for the same row.

    Limits, prices of the list, timeouts, concurrency, credentials, the input and the files of outputs are not in it.
    The files that functions depend on are read.

    Args:
        plan: the plan of the run, including its options and parameters.
        provider: the connection to the API or the simulator.
        by_tool: the variants whose requests use a tool.

    Raises:
        EnvironmentProblem: the environment may not set a header, or lacks the value of one.
    """
    steps = [step.repeated() for step in plan.steps]
    if None in steps:
        return None
    parts = {
        "steps": [[step.kind, own] for step, own in zip(plan.steps, steps, strict=True)],
        "params": plan.params,
        "outputs": [output.checked() for output in plan.outputs],
        "ends": list(_ends(plan, provider)),
        "by_tool": by_tool,
        "source": source_digest(),
        "python": [sys.implementation.name, *sys.version_info],
        "packages": package_versions(),
    }
    return hashlib.sha256(_text(parts).encode("utf-8", "surrogatepass")).digest()


def files_agree(plan: Plan) -> Callable[[Mapping[str, str]], bool]:
    """Return the function that tells whether files, sha256 by path relative to the pipeline, are as they were.

    Without steps that keep values, none are.
    """
    if not any(step.keeps_values for step in plan.steps):
        return lambda _: False
    folder = plan.folder.absolute()
    return lambda files: all(digest_of(folder / path) == known for path, known in files.items())


def _ends(plan: Plan, provider: ClaudeProvider) -> Iterator[list[Any]]:
    """Yield for each variant how its answers are found, and which variant is the first one at the same end."""
    ends = provider.endpoints(plan)
    first: dict[tuple[str, ...], str] = {}
    for step, variant in plan.variants:
        end = ends[variant.name]
        keys = end.keys() if provider.keys is None else provider.keys(variant.name)
        has_others = bool(variant.fallbacks or variant.by_default)  # only without batches, the API asks them itself
        same = first.setdefault(end.identity, variant.name)
        yield [variant.name, keys, same, end.has_fallbacks, has_others and step.batch is not None]


@cache
def source_digest() -> str:
    """Return the sha256 of yamlgen's own Python files, in hexadecimal. They are read once in a process."""
    made = hashlib.sha256()
    folder = str(Path(__file__).parents[1])
    for path in sorted(_python_files(folder)):
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - twice as fast for so many small files
            source = file.read()
        made.update(f"{path.removeprefix(folder)} {len(source)}\n".encode())
        made.update(source)
    return made.hexdigest()


def _python_files(folder: str) -> Iterator[str]:
    """Yield the paths of the Python files in a folder."""
    with os.scandir(folder) as entries:
        for each in entries:
            if each.name.endswith(".py"):
                yield each.path
            elif "." not in each.name and each.name != "__pycache__" and each.is_dir():
                yield from _python_files(each.path)


@cache
def package_versions() -> dict[str, str | None]:
    """Return the versions of the packages that decide, by name; `None` for one that is not installed."""
    listed: dict[str, str] = {}
    for folder in reversed(sys.path):  # the first one is the one that is imported
        with suppress(OSError):
            for name in os.listdir(folder or os.curdir):  # noqa: PTH208 - much faster than reading the metadata
                if name.endswith(_INFO):
                    package, _, number = name.removesuffix(_INFO).partition("-")
                    listed[_plain(package)] = number
    return {name: listed.get(_plain(name)) or _version(name) for name in DECIDING_PACKAGES}


def _plain(name: str) -> str:
    return _SEPARATORS.sub("_", name).lower()


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _text(value: Any) -> str:
    return json.dumps(_parts(value), ensure_ascii=False)


def _parts(value: Any) -> JSON:
    """Return a value as JSON that differs for different values; mappings keep their order, and sets are sorted."""
    if isinstance(value, str | int | float | None):
        return value
    if isinstance(value, Mapping):
        return ["mapping", *([_parts(key), _parts(each)] for key, each in value.items())]
    if isinstance(value, list | tuple):
        return ["list", *map(_parts, value)]
    if isinstance(value, AbstractSet):
        return ["set", *sorted(map(_text, value))]
    if isinstance(value, BaseModel):
        return [type(value).__name__, *([name, _parts(each)] for name, each in value)]
    if is_dataclass(value):
        return [type(value).__name__, *([each.name, _parts(getattr(value, each.name))] for each in fields(value))]
    return [type(value).__name__, repr(value)]
