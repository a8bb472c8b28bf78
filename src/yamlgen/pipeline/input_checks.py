"""Checks of a pipeline's input against the file system and the columns."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from glob import has_magic
from pathlib import Path, PurePath
from typing import Final

from yamlgen.collector import Collector
from yamlgen.diagnostics import Diagnostic, Mark
from yamlgen.errors import Code
from yamlgen.formats.byte_layers import compression_of
from yamlgen.formats.format_table import ENDINGS, USUAL_ENDINGS, format_of
from yamlgen.parsing.file_patterns import is_pattern, matching
from yamlgen.parsing.project_folder import (
    FETCH,
    POINTS,
    is_beyond,
    is_folder,
    is_pointer,
    is_socket,
    status,
    unusable,
)
from yamlgen.parsing.similar_paths import neighbour, way_to_files
from yamlgen.parsing.source_map import DataPath
from yamlgen.parsing.unrendered_templates import UNEXPANDED, unexpanded
from yamlgen.pipeline.file_settings import check_settings
from yamlgen.pipeline.parsed_file import ParsedFile
from yamlgen.suggestions import Hint, correction
from yamlgen.value_objects import Columns

_OTHER_COMPRESSIONS: Final = (".gzip", ".bz2", ".xz", ".zip", ".zstd", ".lz4", ".br", ".7z", ".tgz")
_FOLDER: Final = ("input", "folder")
_PATTERN: Final = ("input", "pattern")

_ADDRESS: Final = re.compile(r"([A-Za-z][\w+.-]*)://")
_DOWNLOADS: Final = {
    "s3": "download it, as with `aws s3 cp`",
    "gs": "download it, as with `gcloud storage cp`",
    "hf": "download it, as with `hf download --repo-type dataset`",
    "file": "remove `file://`",
}
"""How to get a file of another system to this machine, by the scheme of its URL."""


def check_input(parsed: ParsedFile, columns: Columns | None) -> list[Diagnostic]:
    """Return the diagnostics for the input."""
    checker = _InputChecker(parsed, columns)
    checker.check()
    return [*checker.diagnostics, *check_settings(parsed, columns)]


@dataclass
class _InputChecker(Collector):
    parsed: ParsedFile
    columns: Columns | None

    def check(self) -> None:
        source = self.parsed.pipeline.input
        if source.path and source.path != "-":
            self.check_reference(("input", "path"), source.path, source.format)
        if source.folder:
            self.check_reference(_FOLDER, source.folder, None)
        for name, table in (source.tables or {}).items():
            at: DataPath = ("input", "tables", name)
            if isinstance(table, str):
                self.check_reference(at, table, None)
            elif table.path is not None:
                self.check_reference((*at, "path"), table.path, table.format)
        self.check_file_column()
        if source.id and self.columns is not None and source.id not in self.columns.names:
            mark = self.parsed.document.mark(("input", "id"))
            hint = correction(source.id, self.columns.names, "columns")
            self.complain(Code.UNKNOWN_COLUMN, f"the input has no column `{source.id}`", mark, hint)

    def check_reference(self, at: DataPath, written: str, format: str | None) -> None:  # noqa: A002 - the YAML key
        """Check the path of a file, a pattern, or the path of a folder."""
        if self.parsed.is_broken(*at):
            return
        path, shown = self.parsed.beside(written)
        mark = self.parsed.document.mark(at)
        kind = "folder" if at == _FOLDER else "file"
        if is_beyond(path):
            return
        if no_path := unusable(path, shown):
            self.complain(Code.MISSING_INPUT, no_path, mark, f"write the path of a {kind}")
        elif address := _ADDRESS.match(written):
            message = f"`{written}` is a URL, but the input must be a {kind} on this machine"
            way = _DOWNLOADS.get(address[1].lower(), "download it") + f", and write the path of the {kind}"
            self.complain(Code.MISSING_INPUT, message, mark, way)
        elif at == _FOLDER:
            self.check_listing(_PATTERN, path, self.parsed.pipeline.input.pattern, shown, is_known=True)
        elif is_pattern(self.parsed.path.parent, written):
            self.check_listing(at, self.parsed.path.parent, written, self.parsed.folder, is_known=format is not None)
        else:
            self.check_file(at, path, shown, written, is_known=format is not None)

    def check_listing(self, path: DataPath, folder: Path, pattern: str, shown: str, *, is_known: bool) -> None:
        """Check that a pattern matches files, and that their formats are known."""
        at, in_folder = self.parsed.document.mark(path), path == _PATTERN
        found = matching(folder, pattern) if is_folder(folder) else []
        if not found:
            fact, way = way_to_files(folder, pattern, shown, "" if in_folder else ENDINGS)
            way = (UNEXPANDED if unexpanded(pattern) else way) or "create them before you run the pipeline"
            is_sure = in_folder and status(folder) is not None and not is_folder(folder)
            mark = at if not in_folder or is_folder(folder) else self.parsed.document.mark(_FOLDER)
            self.complain(Code.MISSING_INPUT, fact, mark, way, warn=not is_sure)
        if is_known or self.parsed.is_broken(*path[:-1], "format"):
            return
        unknown = next((path for path in found or [pattern] if format_of(PurePath(path)) is None), None)
        if unknown is not None and (found or not has_magic(PurePath(pattern).suffix or "*")):
            told = unknown_format(unknown, at, _format_set(path))
            way = f"{told.hint}; or write a pattern for fewer files, such as `*.csv`" if found else told.hint
            self.diagnostics.append(replace(told, hint=way))

    def check_file(self, at: DataPath, path: Path, shown: str, written: str, *, is_known: bool) -> None:
        """Check the path of one file."""
        parsed, mark = self.parsed, self.parsed.document.mark(at)
        if is_folder(path):
            endings = Counter(each.suffix for each in path.iterdir() if format_of(each) is not None)
            first = next((ending for ending, _ in endings.most_common(1)), ".jsonl")
            way = f"for its files of rows, write a pattern: `path: {written.rstrip('/')}/*{first}`; "
            way += f"for one row per text file, write `folder: {written}`"
            if "tables" in at:
                way = f"for its files of rows, write a pattern: `{written.rstrip('/')}/*{first}`"
            self.complain(Code.MISSING_INPUT, f"{shown} is a folder", mark, way)
        elif format_of(path) is None and not is_known:
            if not parsed.is_broken(*at[:-1], "format"):
                self.diagnostics.append(unknown_format(written, mark, _format_set(at)))
        elif status(path) is None and path.is_symlink():
            way = "create its file before you run the pipeline"
            self.complain(Code.MISSING_INPUT, f"{shown} is a broken link", mark, way, warn=True)
        elif status(path) is None:
            create = "create it before you run the pipeline"
            way = UNEXPANDED if unexpanded(written) else neighbour(path, shown, create)
            self.complain(Code.MISSING_INPUT, f"{shown} does not exist", mark, way, warn=True)
        elif is_socket(path):
            self.complain(Code.MISSING_INPUT, f"{shown} is a socket", mark, "write the path of a file")
        elif is_pointer(path):
            self.complain(Code.MISSING_INPUT, f"{shown} {POINTS}", mark, FETCH, warn=True)

    def check_file_column(self) -> None:
        """Check that the column of the file is not set for rows that come from elsewhere."""
        parsed, source = self.parsed, self.parsed.pipeline.input
        other = next((key for key in ("folder", "range", "sql", "rows") if getattr(source, key) is not None), None)
        if not source.file_column or parsed.is_broken("input", "file_column"):
            return
        mark = parsed.document.mark(("input", "file_column"), key=True)
        if other is not None:
            way = "remove it: the column `path` has the path of each file" if other == "folder" else "remove it"
            self.complain(Code.CONFLICT, f"`file_column` requires `path`, not `{other}`", mark, way)
        elif source.path == "-" and not parsed.rows_given:
            self.complain(Code.CONFLICT, "`file_column` requires files, not standard input", mark, "remove it")


def _format_set(at: DataPath) -> str:
    """Return how to set the format of a file whose path is written at a place."""
    if "tables" not in at:
        return "add `format:` under `input`"
    return "add `format:`" if at[-1] == "path" else "write `{path: ..., format: ...}`"


def unknown_format(path: str, mark: Mark, way: str = "") -> Diagnostic:
    """Return the error for a path whose extension is not a known format.

    Args:
        path: the path.
        mark: its place.
        way: how to set its format, if that is possible.
    """
    packing = compression_of(PurePath(path))
    ending = (PurePath(path) if packing is None else PurePath(path).with_suffix("")).suffix
    what = f"the extension `{ending}` is not a known format" if ending else f"`{path}` has no extension"
    if packing is not None and not ending:
        what = f"`{path}` has no extension before `{packing}`, which is only a compression"
    hint = f"use {USUAL_ENDINGS}{f' before `{packing}`' if packing else ''}"
    hint += way and f", or {way}"
    if ending.lower() in _OTHER_COMPRESSIONS:
        hint = "a compressed file must end with `.gz` (gzip) or `.zst` (zstd) after its format, such as `rows.jsonl.gz`"
    return Diagnostic(Code.UNKNOWN_FORMAT, what, mark, Hint(hint, ENDINGS.split(", ")))
