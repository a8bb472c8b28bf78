"""Checks of the keys of `input` and its tables that say how the bytes of a file become rows."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePath
from typing import Final

from yamlgen.collector import Collector
from yamlgen.diagnostics import Diagnostic, Mark
from yamlgen.errors import Code
from yamlgen.formats.byte_layers import encoding_fault
from yamlgen.formats.format import SETTINGS, Format, is_delimiter
from yamlgen.formats.format_table import DOCUMENT, FORMATS, STREAMED, format_named
from yamlgen.parsing.source_map import DataPath
from yamlgen.pipeline.input_config import FileOptions, Input, Table
from yamlgen.pipeline.parsed_file import ParsedFile
from yamlgen.suggestions import correction
from yamlgen.value_objects import Columns

_INPUT: Final = ("input",)
_KEYS: Final = ("format", *sorted(SETTINGS))
_LISTS: Final = ("columns", "json_columns")
_OTHERS: Final = ("range", "sql", "rows", "pipeline")
"""The keys that say where rows come from, if not out of files."""


def check_settings(parsed: ParsedFile, columns: Columns | None) -> list[Diagnostic]:
    """Return the diagnostics for the settings of the input file, and of the files of its tables.

    Args:
        parsed: the pipeline file.
        columns: the columns of the input; `None` if they are unknown.
    """
    found: list[Diagnostic] = []
    for at, source in _parts(parsed):
        checker = _SettingsChecker(parsed, at, source, columns if at == _INPUT else None)
        checker.check()
        found += checker.diagnostics
    return found


def input_format(source: FileOptions) -> Format | None:
    """Return the format of the file of an input; `None` if it is unknown, or if the input is not a file of rows."""
    if any(getattr(source, key, None) is not None for key in ("folder", *_OTHERS)):
        return None
    if source.path in (None, "-"):
        return FORMATS[source.format] if source.format else STREAMED
    return format_named(source.format, PurePath(str(source.path)))


def setting_marks(parsed: ParsedFile) -> set[Mark]:
    """Return the places of the settings that are set, their keys, and the items of those that are lists."""
    mark, marks = parsed.document.mark, set[Mark]()
    for at, source in _parts(parsed):
        given = _given(parsed, at, source)
        marks |= {mark((*at, key), key=is_key) for key in given for is_key in (True, False)}
        items = ((key, number) for key in _LISTS if key in given for number in range(len(getattr(source, key))))
        marks |= {mark((*at, *item)) for item in items}
    return marks


def _parts(parsed: ParsedFile) -> Iterator[tuple[DataPath, FileOptions]]:
    """Yield the input and its tables, each with its place."""
    yield _INPUT, parsed.pipeline.input
    for name, table in (parsed.pipeline.input.tables or {}).items():
        if isinstance(table, Table):
            yield (*_INPUT, "tables", name), table


def _given(parsed: ParsedFile, at: DataPath, source: FileOptions) -> list[str]:
    """Return the settings that are not the default and not broken."""
    is_set = [key for key in _KEYS if getattr(source, key) != FileOptions.model_fields[key].default]
    return [key for key in is_set if not parsed.is_broken(*at, key)]


@dataclass
class _SettingsChecker(Collector):
    parsed: ParsedFile
    at: DataPath
    source: FileOptions
    columns: Columns | None

    def mark(self, *path: str | int, key: bool = False) -> Mark:
        return self.parsed.document.mark((*self.at, *path), key=key)

    def check(self) -> None:
        given, source, mark = _given(self.parsed, self.at, self.source), self.source, self.mark
        found = None if self.parsed.is_broken(*self.at, "format") else self.supported()
        if found is None:
            return
        supported, fact, fix = found
        for key in given:
            if key not in supported:
                self.complain(Code.CONFLICT, f"`{key}` {fact}", mark(key, key=True), fix)
        if not supported.issuperset(given):
            return
        fault = encoding_fault(source.encoding)
        if fault is not None:
            self.complain(Code.WRONG_VALUE, fault[0], mark("encoding"), fault[1])
        if source.delimiter is not None and not is_delimiter(source.delimiter):
            message = f"{json.dumps(source.delimiter)} cannot separate the cells of a CSV file"
            hint = 'write one character, such as ";" or "\\t"'
            self.complain(Code.WRONG_VALUE, message, mark("delimiter"), hint)
        self.check_header()
        self.check_names()

    def supported(self) -> tuple[frozenset[str], str, str] | None:
        """Return the settings of the format, and the fact and the fix for another one; `None` if it is unknown."""
        source = self.source
        if isinstance(source, Input) and source.folder is not None:
            return DOCUMENT.settings(), "does not apply to a folder of text files", "remove it"
        other = next((key for key in _OTHERS if getattr(source, key, None) is not None), None)
        if other is not None:
            return frozenset(), f"does not apply to `{other}`: it is an option of a file", "remove it"
        kind = input_format(source)
        if kind is None:
            return None
        fix = "remove it" if kind.separator is not None else "remove it, or set `format` if the file is CSV or TSV"
        return kind.settings() | {"format"}, f"is not an option of the format `{kind.name}`", fix

    def check_header(self) -> None:
        source, mark = self.source, self.mark
        if not source.header and source.columns is None and not self.parsed.is_broken_within(*self.at, "columns"):
            message = "`header: false` requires `columns`: no row of the file names them"
            hint = "add the names of the columns, in order, such as `columns: [id, text]`"
            self.complain(Code.MISSING_KEY, message, mark("header", key=True), hint)
        if source.header and source.columns is not None and not self.parsed.is_broken(*self.at, "header"):
            message = "`columns` requires `header: false`: otherwise the first row names the columns"
            hint = "add `header: false` if the file has no header, otherwise remove `columns`"
            self.complain(Code.CONFLICT, message, mark("columns", key=True), hint)

    def check_names(self) -> None:
        source, mark = self.source, self.mark
        for key in _LISTS:
            counts = Counter[str]()
            for at, name in enumerate(getattr(source, key) or ()):
                counts[name] += 1
                if counts[name] == 2:  # noqa: PLR2004 - the second one
                    message = f"`{key}` contains `{name}` twice"
                    hint = "give each column a different name" if key == "columns" else "remove one of them"
                    self.complain(Code.WRONG_VALUE, message, mark(key, at), hint)
        for at, name in enumerate(source.json_columns or ()):
            if self.columns is not None and self.columns.closed and name not in self.columns.names:
                message = f"the input has no column `{name}`"
                near = correction(name, self.columns.names, "columns")
                self.complain(Code.UNKNOWN_COLUMN, message, mark("json_columns", at), near)
