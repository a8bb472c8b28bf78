"""The files that a pipeline may read, as its own text and those of its parts name them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from glob import has_magic
from pathlib import Path
from typing import Final

from yamlgen.parsing.file_patterns import fits
from yamlgen.pipeline.parsed_file import ParsedFile
from yamlgen.steps.step_config import StepConfig

_REFERENCE: Final = re.compile(r"""["']?\$ref["']?\s*:\s*["']?([^"'#\s,}]+)""")
_SCHEMAS: Final = (".json", ".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class NamedFile:
    """A file that a pipeline names.

    Attributes:
        path: its path, or the folder with which a pattern begins.
        pattern: the pattern of its files, relative to `path`; `None` for one file.
        is_data: whether it is data, which may lie outside of git, and not a part of the pipeline.
        is_pipeline: whether it is another pipeline, which names files itself.
    """

    path: Path
    pattern: str | None = None
    is_data: bool = False
    is_pipeline: bool = False

    def has(self, path: Path) -> bool:
        """Return whether a file is the one, or matches the pattern."""
        if self.pattern is None:
            return path == self.path
        parts = tuple(part for part in self.pattern.split("/") if part)
        return path.is_relative_to(self.path) and fits(path.relative_to(self.path).as_posix(), parts)


def named_files(parsed: ParsedFile, folder: Path) -> Iterator[NamedFile]:
    """Yield the files that a pipeline names, whether they exist or not.

    Args:
        parsed: the pipeline file.
        folder: the folder that its paths are relative to.
    """
    spec = parsed.pipeline.input
    if spec.folder is not None:
        yield NamedFile(_joined(folder, spec.folder), spec.pattern, is_data=True)
    for table in (spec.tables or {}).values():
        if isinstance(table, str):
            yield _named(folder, table, is_data=True)
        elif table.path is not None:
            yield _named(folder, table.path, is_data=True)
        elif table.pipeline is not None:
            yield NamedFile(_joined(folder, table.pipeline), is_pipeline=True)
    if spec.path not in (None, "-"):
        yield _named(folder, str(spec.path), is_data=True)
    for step in parsed.pipeline.steps.values():
        parts = {*StepConfig.files(step, _as_written)}
        if step.has_code:
            parts |= {file for file in step.files(_as_written) if file.endswith(".py")}
            yield NamedFile(folder, "**/*.py")
        yield from (_named(folder, file, is_data=file not in parts) for file in step.files(_as_written))


def referred(path: Path, place: Path) -> Iterator[Path]:
    """Yield the files that the `$ref` of a schema names.

    Args:
        path: the file of the schema.
        place: where its content is.
    """
    if path.suffix not in _SCHEMAS:
        return
    try:
        text = place.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return
    yield from {_joined(path.parent, found) for found in _REFERENCE.findall(text) if ":" not in found}


def _as_written(reference: str) -> list[str]:
    return [reference]


def _named(folder: Path, written: str, *, is_data: bool) -> NamedFile:
    parts = written.split("/")
    magic = next((at for at, part in enumerate(parts) if has_magic(part)), None)
    if magic is None:
        return NamedFile(_joined(folder, written), is_data=is_data)
    return NamedFile(_joined(folder, "/".join(parts[:magic]) or "."), "/".join(parts[magic:]), is_data=is_data)


def _joined(folder: Path, written: str) -> Path:
    return Path(os.path.normpath(folder / written))
