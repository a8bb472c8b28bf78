"""Checks of a pipeline's input and output against the file system and the columns."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath

from yamlgen.collector import Collector
from yamlgen.errors import Code, Diagnostic
from yamlgen.formats.format_table import USUAL_ENDINGS, format_of
from yamlgen.option_names import option
from yamlgen.parsing.project_folder import is_folder, is_socket, real, status, unusable
from yamlgen.parsing.similar_paths import neighbour
from yamlgen.parsing.unrendered_templates import UNEXPANDED, unexpanded
from yamlgen.pipeline.parsed_file import ParsedFile
from yamlgen.suggestions import suggestion
from yamlgen.value_objects import Columns


def check_files(parsed: ParsedFile, columns: Columns | None) -> list[Diagnostic]:
    """Return the diagnostics for the input and the output."""
    checker = _Checker(parsed, columns)
    checker.check_added()
    checker.check_input()
    checker.check_output()
    return checker.diagnostics


@dataclass
class _Checker(Collector):
    parsed: ParsedFile
    columns: Columns | None

    def check_added(self) -> None:
        """Check that no column and no step has the name of a column that the output adds."""
        document = self.parsed.document
        for name in self.parsed.pipeline.output.added:
            if self.columns is not None and name in self.columns.names:
                mark = document.mark(("output", name), key=True)
                message = f"the column that `output.{name}` adds has the name of an input column"
                hint = "rename the input column, or remove this key: both would be the same output column"
                self.complain(Code.NAME_TAKEN, message, mark, hint)
            elif name in self.parsed.pipeline.steps:
                mark = document.mark(("steps", name), key=True)
                message = f"step `{name}` has the name of the column that `output.{name}` adds"
                self.complain(Code.NAME_TAKEN, message, mark, "rename it: both would be the same output column")

    def check_input(self) -> None:
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
                self.unknown_format(source.path, "input")
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

    def check_output(self) -> None:
        parsed, document = self.parsed, self.parsed.document
        source, target = parsed.pipeline.input, parsed.pipeline.output
        if target.path and not parsed.is_broken("output", "path"):
            path, shown = parsed.beside(target.path)
            mark, shell = document.mark(("output", "path")), unexpanded(target.path)
            if shell is not None:
                way = f"write the full path, or let your shell expand it with {option('output', 'PATH')}"
                self.complain(Code.OUTPUT_PATH, f"`{shell}` is not expanded: it is read as a folder name", mark, way)
            elif no_path := unusable(path, shown):
                self.complain(Code.OUTPUT_PATH, no_path, mark, "write the path of a file")
            elif is_folder(path):
                hint = "write the path of a file in it, such as rows.jsonl"
                self.complain(Code.OUTPUT_PATH, f"{shown} is a folder", mark, hint)
            elif format_of(path) is None:
                self.unknown_format(target.path, "output")
            elif source.path and real(path) == real(parsed.beside(source.path)[0]):
                self.complain(Code.OUTPUT_PATH, "the output would replace the input", mark, "write another path")

    def unknown_format(self, path: str, part: str) -> None:
        if self.parsed.is_broken(part, "format"):
            return
        ending = PurePath(path).suffix
        what = f"the extension `{ending}` is not a known format" if ending else f"`{path}` has no extension"
        hint = f"use {USUAL_ENDINGS}" + (", or add `format:` under `input`" if part == "input" else "")
        self.complain(Code.UNKNOWN_FORMAT, what, self.parsed.document.mark((part, "path")), hint)
