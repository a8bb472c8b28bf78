"""Checks of a pipeline's input against the file system and the columns."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath

from yamlgen.collector import Collector
from yamlgen.errors import Code, Diagnostic, Mark
from yamlgen.formats.format_table import USUAL_ENDINGS, format_of
from yamlgen.parsing.project_folder import is_folder, is_socket, status, unusable
from yamlgen.parsing.similar_paths import neighbour
from yamlgen.parsing.unrendered_templates import UNEXPANDED, unexpanded
from yamlgen.pipeline.parsed_file import ParsedFile
from yamlgen.suggestions import suggestion
from yamlgen.value_objects import Columns


def check_input(parsed: ParsedFile, columns: Columns | None) -> list[Diagnostic]:
    """Return the diagnostics for the input."""
    checker = _InputChecker(parsed, columns)
    checker.check()
    return checker.diagnostics


@dataclass
class _InputChecker(Collector):
    parsed: ParsedFile
    columns: Columns | None

    def check(self) -> None:
        parsed, document = self.parsed, self.parsed.document
        source = parsed.pipeline.input
        if source.path and source.path != "-" and not parsed.is_broken("input", "path"):
            path, shown = parsed.beside(source.path)
            mark = document.mark(("input", "path"))
            if no_path := unusable(path, shown):
                self.complain(Code.MISSING_INPUT, no_path, mark, "write the path of a file")
            elif "://" in source.path:
                message = f"`{source.path}` is a URL, but the input must be a file"
                self.complain(Code.MISSING_INPUT, message, mark, "download it, and write the path of the file")
            elif is_folder(path):
                self.complain(Code.MISSING_INPUT, f"{shown} is a folder", mark, "write the path of a file in it")
            elif format_of(path) is None and source.format is None:
                if not parsed.is_broken("input", "format"):
                    self.diagnostics.append(unknown_format(source.path, mark, "input"))
            elif status(path) is None and path.is_symlink():
                way = "create its file before you run the pipeline"
                self.complain(Code.MISSING_INPUT, f"{shown} is a broken link", mark, way, warn=True)
            elif status(path) is None:
                create = "create it before you run the pipeline"
                way = UNEXPANDED if unexpanded(source.path) else neighbour(path, shown) or create
                self.complain(Code.MISSING_INPUT, f"{shown} does not exist", mark, way, warn=True)
            elif is_socket(path):
                self.complain(Code.MISSING_INPUT, f"{shown} is a socket", mark, "write the path of a file")
        if source.id and self.columns is not None and source.id not in self.columns.names:
            mark = document.mark(("input", "id"))
            hint = suggestion(source.id, self.columns.names, "columns")
            self.complain(Code.UNKNOWN_COLUMN, f"the input has no column `{source.id}`", mark, hint)


def unknown_format(path: str, mark: Mark, part: str = "output") -> Diagnostic:
    """Return the error for a path whose extension is not a known format."""
    ending = PurePath(path).suffix
    what = f"the extension `{ending}` is not a known format" if ending else f"`{path}` has no extension"
    hint = f"use {USUAL_ENDINGS}" + (", or add `format:` under `input`" if part == "input" else "")
    return Diagnostic(Code.UNKNOWN_FORMAT, what, mark, hint)
