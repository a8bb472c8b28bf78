"""A query is checked without being executed, or executed once, into a file that everything reads.

This module imports DuckDB and pyarrow, which are optional: other modules import it inside functions.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, TypeVar

import duckdb
import pyarrow as pa
from pyarrow import parquet

from yamlgen.data.input_file import InputFile
from yamlgen.data.snapshot import changed
from yamlgen.data.source import Source
from yamlgen.data.sql_query import QueryFailed, SqlIssue, SqlQuery
from yamlgen.data.sql_stability import unstable_parts
from yamlgen.data.sql_statement import Locations, Statement, parse_statement
from yamlgen.data.sql_tables import OpenTables, name_in_sql, open_tables, told_by
from yamlgen.data.temporary_folder import temporary_folder
from yamlgen.errors import Code, EnvironmentProblem, YamlgenError
from yamlgen.formats.arrow_rows import column_types
from yamlgen.suggestions import Hint, nearest, suggestion
from yamlgen.system_limits import start
from yamlgen.value_objects import JSON, Columns

T = TypeVar("T")

_HEAD: Final = 100
"""How many rows of a file without column types are read to prepare a query."""

_GROUP: Final = 16_384
"""How many rows of the result are in memory at once."""

_PREFIX: Final = "prepare checked as "

_SUBQUERY: Final = "select * from ("

_UNREADABLE: Final = re.compile(r"\b(BLOB|BIT|INTERVAL|BIGNUM|UNION|VARIANT|GEOMETRY|TIME WITH TIME ZONE)\b")
"""The types that JSON cannot represent."""

_FIXES: Final = {"INTERVAL": "epoch({})", "BLOB": "base64({})"}


@dataclass(frozen=True, slots=True)
class CheckedQuery:
    """What is known of a query that was not executed.

    Attributes:
        columns: the columns of its result; `None` if the query is wrong, or a file is missing.
        issues: errors and warnings about the query.
        fault: the error of a file of a table.
        told: warnings about the files.
    """

    columns: Columns | None = None
    issues: tuple[SqlIssue, ...] = ()
    fault: YamlgenError | None = None
    told: tuple[str, ...] = ()


def check_query(query: SqlQuery, *, is_readable: bool) -> CheckedQuery:
    """Check a query: parse it, and if the files of its tables exist, prepare it. Nothing is executed.

    Args:
        query: the query.
        is_readable: whether the files of all tables exist.
    """
    statement = _parsed(query)
    if statement.issues:
        return CheckedQuery(issues=statement.issues)
    if not is_readable:
        return CheckedQuery(issues=tuple(unstable_parts(statement.root, query.text, frozenset())))
    try:
        with TemporaryDirectory(prefix="yamlgen-") as folder, open_tables(query, Path(folder), _HEAD) as tables:
            schema, issues = _prepared(tables, query, statement)
            issues += unstable_parts(statement.root, query.text, tables.columns)
            types = {} if schema is None else column_types(schema, query.shown)
            types = {name: _without_null(type_) for name, type_ in types.items()}
            columns = None if schema is None else Columns(tuple(types), tables.is_whole, types, complete=True)
            return CheckedQuery(columns, tuple(issues), told=tuple(tables.told))
    except YamlgenError as error:
        return CheckedQuery(fault=error)


@contextmanager
def executed(source: Source, query: SqlQuery, folder: Path | None) -> Iterator[Source]:
    """Execute a query, and yield the source of its rows, which are in a temporary file until exit.

    Args:
        source: the source of the query.
        query: its query.
        folder: the folder for temporary files; `None`: that of the system.

    Raises:
        EnvironmentProblem: a file is missing, cannot be read or changed, or there is not enough memory or space.
        QueryFailed: the query fails.
        UsageError: a file of a table is broken.
    """
    statement = _parsed(query)
    for issue in statement.issues:
        raise QueryFailed(issue)
    with temporary_folder(folder) as place:
        result = place / "result.parquet"
        with _mapped(query), open_tables(query, place) as tables:
            schema, issues = _prepared(tables, query, statement)
            for issue in issues:
                raise QueryFailed(issue)
            _interruptible(tables.connection, lambda: _write(tables.connection, query, statement, schema, result))
            files = tuple(tables.files)
        for path in tables.paths:
            path.unlink()
        for file in files:
            if file.grown() and file.kind().is_random_access:
                raise changed(file.name(), "it was written to while the query read it")
        made = InputFile(result, query.shown, "parquet")
        yield replace(source, files=(made,), tables=files, told=tuple(tables.told))


def _parsed(query: SqlQuery) -> Statement:
    """Parse a query on a connection that has no tables."""
    return _statement(query.text, tuple(table.name for table in query.tables))


@lru_cache(maxsize=64)
def _statement(text: str, tables: tuple[str, ...]) -> Statement:
    """Parse a query; a run does so when it checks the query and when it executes it, and a connection takes long."""
    with duckdb.connect(":memory:", config={"errors_as_json": True}) as parser:
        return parse_statement(parser, text, tables)


def _prepared(tables: OpenTables, query: SqlQuery, statement: Statement) -> tuple[pa.Schema | None, list[SqlIssue]]:
    """Return the schema of the result, and the errors of a query: names, types, columns."""
    where, connection = Locations(query.text), tables.connection
    try:
        connection.execute(f"{_PREFIX}{statement.text}")
        result = connection.sql(statement.text)
    except duckdb.Error as error:
        return None, [_issue(error, where, len(_PREFIX), tables.columns)]
    names, kinds = result.columns, [str(kind) for kind in result.types]
    issues = [*_name_issues(names, statement, where), *_type_issues(names, kinds, statement, where)]
    if issues:
        return None, issues
    nulls = ", ".join(f"null::{kind} as c{at}" for at, kind in enumerate(kinds))
    schema = connection.sql(f"select {nulls}").to_arrow_reader().schema
    return _renamed(schema, names), []


def _without_null(schema: JSON) -> JSON:
    """Return a JSON Schema without the nulls that SQL allows everywhere, although most columns have none."""
    made = {key: _without_null(value) if isinstance(value, dict) else value for key, value in schema.items()}
    if isinstance(schema.get("type"), list):
        kinds = [kind for kind in schema["type"] if kind != "null"]
        made["type"] = kinds[0] if len(kinds) == 1 else kinds
    return made


def _renamed(schema: pa.Schema, names: list[str]) -> pa.Schema:
    return pa.schema([field.with_name(name) for field, name in zip(schema, names, strict=True)])


def _name_issues(names: list[str], statement: Statement, where: Locations) -> Iterator[SqlIssue]:
    seen: dict[str, str] = {}
    for at, name in enumerate(names):
        other = seen.setdefault(name.lower(), name)
        if other is not name:
            same = f"two columns have the name `{name}`"
            fact = same if other == name else f"the names of the columns `{other}` and `{name}` are equal in SQL"
            hint = f"rename one of them: `... as other_name`, or leave it out: `* exclude ({name})`"
            yield SqlIssue(fact, hint, *_of_column(at, statement, where))
            return


def _type_issues(names: list[str], kinds: list[str], statement: Statement, where: Locations) -> Iterator[SqlIssue]:
    for at, (name, kind) in enumerate(zip(names, kinds, strict=True)):
        plain = re.sub(r"'(''|[^'])*'|\"(\"\"|[^\"])*\"", "", kind)
        found = _UNREADABLE.search(plain)
        if found is not None:
            cast = _FIXES.get(plain, "cast({} as varchar)").format(
                name_in_sql(name) if not name.isidentifier() else name
            )
            message = f"the column `{name}` is of type {plain}, which JSON cannot represent"
            yield SqlIssue(message, f"convert it: `{cast}`", *_of_column(at, statement, where))


def _of_column(at: int, statement: Statement, where: Locations) -> tuple[int, int]:
    """Return the place of a column of the result, if it is written as one expression."""
    chosen: list[dict[str, Any]] = statement.root.get("select_list", [])
    is_plain = all(each.get("type") != "STAR" for each in chosen[: at + 1])
    return where.of(chosen[at] if is_plain and at < len(chosen) else {})


def _issue(error: Exception, where: Locations, prefix: int, columns: frozenset[str]) -> SqlIssue:
    """Return an error of DuckDB at its place in the query."""
    message, told = told_by(error)
    start, length = json.loads(told.get("location") or "[-1,0]")
    message = message.rstrip("!").replace('"', "`")
    lacking = re.search(r"does not have a column named `(.*?)`", message)
    kind = told.get("error_subtype")
    hint = "correct the statement here"
    if lacking is not None or kind == "COLUMN_NOT_FOUND":
        name = lacking[1] if lacking is not None else told["name"]
        message = f"unknown column `{name}`"
        hint = suggestion(name, sorted(columns), "columns") or hint
    elif kind == "MISSING_ENTRY":
        message = f"unknown {told.get('type', 'name').lower()} `{told['name']}`"
        candidates = [each.strip() for each in told.get("candidates", "").split(",") if each.strip()]
        near = nearest(told["name"], candidates)
        hint = Hint(f"did you mean `{near}`?" if near else hint, candidates)
    elif "VARCHAR" in message:
        hint = "cells of CSV files are text: convert them, such as `cast(stars as integer)`"
    return SqlIssue(message, hint, *where.range(start - prefix, length))


def _write(
    connection: duckdb.DuckDBPyConnection, query: SqlQuery, statement: Statement, schema: pa.Schema | None, result: Path
) -> None:
    """Execute the query, and write its rows."""
    before, after = ("", "") if statement.is_sorted else (_SUBQUERY, f"\n) order by {name_in_sql(query.id)}")
    try:
        reader = connection.sql(f"{before}{statement.text}{after}").to_arrow_reader(_GROUP)
        with parquet.ParquetWriter(result, schema or reader.schema, compression="zstd") as writer:
            for batch in reader:
                writer.write_batch(batch)
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        raise _failure(error, query, len(before)) from error


def _failure(error: Exception, query: SqlQuery, prefix: int) -> YamlgenError | QueryFailed:
    """Return the error of a query that fails while it is executed."""
    message, told = told_by(error)
    if "Out of Memory" in str(error):
        hint = (
            f"set `input.memory` to more than {query.memory}" if query.memory else "set `input.memory`, such as `8GB`"
        )
        hint += ", or select fewer rows and columns"
        return EnvironmentProblem(f"{query.shown} needs more memory: {message}", code=Code.SCARCE, hint=hint)
    if isinstance(error, OSError) or "IO Error" in str(error):
        hint = "make room on the disk of the store, or set `input.memory` to more"
        return EnvironmentProblem(f"{query.shown} fails: {message}", code=Code.DISK, hint=hint)
    where = Locations(query.text)
    start, length = json.loads(told.get("location") or "[-1,0]")
    hint = "correct the values, or the statement"
    if "Conversion" in str(error)[:40] or "convert" in message:
        hint = "`try_cast(x as integer)` is null for a value that cannot be converted"
    return QueryFailed(SqlIssue(f"the query fails: {message}", hint, *where.range(start - prefix, length)))


@contextmanager
def _mapped(query: SqlQuery) -> Iterator[None]:
    """Convert errors: of the disk; and of DuckDB, if Ctrl-C arrives while it works in this thread."""
    try:
        yield
    except OSError as error:
        raise _failure(error, query, 0) from error
    except RuntimeError as error:
        if str(error) == "Query interrupted":
            raise KeyboardInterrupt from None
        raise


def _interruptible(connection: duckdb.DuckDBPyConnection, work: Callable[[], T]) -> T:
    """Return what `work` returns; an exception in this thread, such as Ctrl-C, ends the query."""
    result: Future[T] = Future()

    def call() -> None:
        try:
            result.set_result(work())
        except BaseException as error:  # noqa: BLE001 - raised in the caller
            result.set_exception(error)

    thread = start(call, "yamlgen query")
    try:
        return result.result()
    finally:
        while not result.done():
            with suppress(duckdb.Error):  # it is in use for an instant
                connection.interrupt()
            with suppress(TimeoutError):
                result.exception(0.05)
        thread.join()
