"""The SQL query of an input: its tables, its text, and what is found wrong in it, before any of it is opened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yamlgen.data.input_file import InputFile, settings_of
from yamlgen.errors import Code, EnvironmentProblem, near
from yamlgen.formats.parquet import INSTALL
from yamlgen.parsing.file_patterns import matching
from yamlgen.pipeline.input_config import Input, Table


@dataclass(frozen=True, slots=True)
class SqlTable:
    """A table of a query.

    Attributes:
        name: its name in the query.
        files: its files, in the order of their paths; none if the pattern matches none.
        shown: the path or the pattern as messages show it.
        pipeline: whether it is the output of another pipeline; then `files` are empty until that has run.
        schema: a JSON Schema of its rows, if that pipeline declares them.
    """

    name: str
    files: tuple[InputFile, ...]
    shown: str
    pipeline: bool = False
    schema: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class SqlQuery:
    """A query whose rows are an input: a picklable value without a connection.

    Attributes:
        text: one SELECT statement, as written.
        id: the column by which the rows are sorted, unless the statement sorts them.
        tables: the only tables that exist for it.
        shown: its name in messages.
        memory: its maximum memory, such as `2GB`; `None`: the default of DuckDB.
    """

    text: str
    id: str
    tables: tuple[SqlTable, ...]
    shown: str
    memory: str | None = None

    @property
    def is_ready(self) -> bool:
        """Whether every table has its files, as far as their paths show."""
        return all(table.files or table.schema is not None for table in self.tables)


@dataclass(frozen=True, slots=True)
class SqlIssue:
    """An error or a warning about a query: fact and fix, and the characters of its text that it is about."""

    message: str
    hint: str
    start: int
    end: int
    is_warning: bool = False


class QueryFailed(Exception):  # noqa: N818 - reported at the place of its issue
    """A query fails while it is executed."""

    def __init__(self, issue: SqlIssue) -> None:
        super().__init__(issue)
        self.issue = issue


def query_of(spec: Input, file: Path, shown: str) -> SqlQuery:
    """Return the query of a pipeline's `input`, which has `sql`, `tables` and `id`.

    Args:
        spec: the input as written.
        file: the pipeline file, which the paths are relative to.
        shown: the pipeline file as the user wrote it.
    """
    folder, here = file.parent, Path(shown).parent

    def table(name: str, written: str | Table) -> SqlTable:
        as_table = Table(path=written) if isinstance(written, str) else written
        if as_table.path is None:
            return SqlTable(name, (), str(as_table.pipeline), pipeline=True)
        settings = settings_of(as_table)
        files = tuple(
            InputFile(folder / path, near(here / path), as_table.format, settings)
            for path in matching(folder, as_table.path)
        )
        return SqlTable(name, files, near(here / as_table.path))

    tables = tuple(table(name, written) for name, written in (spec.tables or {}).items())
    return SqlQuery(str(spec.sql), str(spec.id), tables, f"`input.sql` of {shown}", spec.memory)


def extra_missing(error: ImportError) -> EnvironmentProblem:
    """Return the error of a query without the packages that run it."""
    message = f"`input.sql` needs the package {error.name or 'duckdb'}, which is not installed"
    return EnvironmentProblem(message, code=Code.NO_EXTRA, hint=INSTALL)
