"""The files of an input that is a pattern or a folder: listed when a pipeline is loaded, and again by each run."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Final

from yamlgen.data.input_file import InputFile
from yamlgen.errors import Code, EnvironmentProblem, near
from yamlgen.formats.format_table import DOCUMENT, ENDINGS
from yamlgen.option_names import option
from yamlgen.parsing.file_patterns import is_pattern, matching
from yamlgen.parsing.similar_paths import way_to_files
from yamlgen.value_objects import JSON

FILE_COLUMN: Final = "_file"
"""The column with the path of the file of a row, if it is asked for."""


@dataclass(frozen=True, slots=True)
class InputListing:
    """What is listed, and how each file is read.

    Attributes:
        folder: the folder that the reference is relative to.
        shown: the same folder in messages.
        reference: a path or a pattern.
        file: the settings of each file.
        home: the folder of the pipeline, which the column `_file` is relative to; `None` without this column.
        is_folder: whether each file is a document: a row with the columns `path`, `name` and `text`.
    """

    folder: Path
    shown: str
    reference: str
    file: InputFile
    home: Path | None = None
    is_folder: bool = False

    def files(self) -> tuple[InputFile, ...]:
        """Return the files in the order of their paths."""
        return tuple(
            replace(
                self.file,
                path=self.folder / path,
                shown=near(Path(self.shown) / path),
                format=DOCUMENT.name if self.is_folder else self.file.format,
                added=self._added(path),
            )
            for path in matching(self.folder, self.reference)
        )

    def name(self) -> str:
        """Return the name of the input in messages."""
        return near(Path(self.shown)) if self.is_folder else near(Path(self.shown) / self.reference)

    @property
    def has_one_file(self) -> bool:
        """Whether it is the path of one file, which need not exist."""
        return not self.is_folder and not is_pattern(self.folder, self.reference)

    def nothing(self) -> EnvironmentProblem:
        """Return the error for a pattern that no file matches."""
        fact, fix = way_to_files(self.folder, self.reference, near(Path(self.shown)), "" if self.is_folder else ENDINGS)
        hint = fix or f"correct the pattern, or choose another input with {option('input', 'PATH')}"
        return EnvironmentProblem(fact, code=Code.MISSING_INPUT, hint=hint)

    def _added(self, path: str) -> Mapping[str, JSON]:
        if self.is_folder:
            return {"path": path, "name": PurePath(path).name}
        if self.home is None:
            return {}
        return {FILE_COLUMN: PurePath(os.path.relpath(self.folder / path, self.home)).as_posix()}
