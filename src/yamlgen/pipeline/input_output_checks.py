"""The input and the output of a pipeline, as far as the file system and the columns tell."""

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
    """What is wrong with where the rows come from and where they go."""
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
        """Nothing else may be written under the name of a column that the output adds."""
        document = self.parsed.document
        for name in self.parsed.pipeline.output.added:
            if self.columns is not None and name in self.columns.names:
                mark = document.mark(("output", name), key=True)
                message = f"the column that `output.{name}` adds is named like a column of the input"
                hint = "both would be written under that name: rename the input's, or leave this out"
                self.complain(Code.NAME_TAKEN, message, mark, hint)
            elif name in self.parsed.pipeline.steps:
                mark = document.mark(("steps", name), key=True)
                message = f"step `{name}` is named like the column that `output.{name}` adds"
                self.complain(Code.NAME_TAKEN, message, mark, "both would be written under that name: rename the step")

    def check_input(self) -> None:
        parsed, document = self.parsed, self.parsed.document
        source = parsed.pipeline.input
        if source.path and source.path != "-" and not parsed.is_broken("input", "path"):
            path, shown = parsed.beside(source.path)
            mark = document.mark(("input", "path"))
            if no_path := unusable(path, shown):
                self.complain(Code.MISSING_INPUT, no_path, mark, "name a file by its path")
            elif "://" in source.path:
                message = f"`{source.path}` is an address, and the input is a file"
                self.complain(Code.MISSING_INPUT, message, mark, "save it beside the pipeline: nothing is fetched")
            elif is_folder(path):
                self.complain(Code.MISSING_INPUT, f"{shown} is a folder", mark, "name a file in it")
            elif format_of(path) is None and source.format is None:
                self.unknown_format(source.path, "input")
            elif status(path) is None and path.is_symlink():
                self.complain(
                    Code.MISSING_INPUT, f"{shown} is a link that leads nowhere", mark, "a run needs its file", warn=True
                )
            elif status(path) is None:
                way = UNEXPANDED if unexpanded(source.path) else neighbour(path, shown) or "a run needs it"
                self.complain(Code.MISSING_INPUT, f"{shown} does not exist", mark, way, warn=True)
            elif is_socket(path):
                self.complain(Code.MISSING_INPUT, f"{shown} is a socket", mark, "name a file")
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
                way = f"write it out, or leave it to your shell with {option('output', 'PATH')}"
                self.complain(Code.OUTPUT_PATH, f"`{shell}` would be a folder of that name here", mark, way)
            elif no_path := unusable(path, shown):
                self.complain(Code.OUTPUT_PATH, no_path, mark, "name a file by its path")
            elif is_folder(path):
                self.complain(Code.OUTPUT_PATH, f"{shown} is a folder", mark, "name a file in it, such as rows.jsonl")
            elif format_of(path) is None:
                self.unknown_format(target.path, "output")
            elif source.path and real(path) == real(parsed.beside(source.path)[0]):
                self.complain(Code.OUTPUT_PATH, "the output would replace the input", mark, "name another file")

    def unknown_format(self, path: str, part: str) -> None:
        if self.parsed.is_broken(part, "format"):
            return
        ending = PurePath(path).suffix
        what = f"the ending `{ending}` names no format" if ending else f"`{path}` has no ending that names its format"
        hint = f"end it in {USUAL_ENDINGS}" + (", or add `format:` under `input`" if part == "input" else "")
        self.complain(Code.UNKNOWN_FORMAT, what, self.parsed.document.mark((part, "path")), hint)
