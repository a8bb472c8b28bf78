"""The source of rows for the `input` of a pipeline, or for what a caller gives in its place."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from yamlgen.data.input_file import InputFile, settings_of
from yamlgen.data.input_listing import InputListing
from yamlgen.data.row_selection import RowCondition, RowSelection, SeededRanks
from yamlgen.data.source import Source
from yamlgen.pipeline.input_config import Input
from yamlgen.value_objects import JSON

if TYPE_CHECKING:
    from yamlgen.data.given_rows import GivenRows


def selection_of(spec: Input, params: Mapping[str, JSON]) -> RowSelection:
    """Return which rows of an input are read, with the values of the parameters."""
    where = None if spec.where is None else RowCondition(spec.where, params)
    sample = None if spec.sample is None else SeededRanks(spec.sample.n, spec.sample.seed)
    return RowSelection(where, sample, spec.limit)


def most_rows(spec: Input) -> int | None:
    """Return how many rows of an input are read at most; `None`: all."""
    sizes = (spec.limit, None if spec.sample is None else spec.sample.n)
    return min((size for size in sizes if size is not None), default=None)


def source_of(spec: Input, file: Path, shown: str, *, is_given: bool = False, rows: GivenRows | None = None) -> Source:
    """Return the source for a pipeline's `input`.

    Args:
        spec: the input as written.
        file: the pipeline file, which the input's path is relative to.
        shown: the pipeline file as the user wrote it.
        is_given: whether the path comes from the caller, not from the pipeline.
        rows: the rows of a Python caller, in place of the input; they are copied, unless they are a table.

    Raises:
        UsageError: a value of `rows` is not a row.
    """
    if rows is not None:
        from yamlgen.data.given_rows import SHOWN, copied  # noqa: PLC0415 - of Python callers only

        return Source(rows_inline=copied(rows), id=spec.id, shown=SHOWN, is_given=True)
    if spec.rows is not None:
        return Source(rows_inline=tuple(spec.rows), id=spec.id, shown=shown)
    if spec.range is not None:
        from yamlgen.data.range_rows import RangeRows  # noqa: PLC0415 - of few pipelines, like a query

        return Source(rows_inline=RangeRows(spec.range), id=spec.id, shown=shown)
    if spec.sql is not None and spec.tables and spec.id:
        from yamlgen.data.sql_query import query_of  # noqa: PLC0415

        query = query_of(spec, file, shown)
        return Source(id=spec.id, shown=query.shown, query=query)
    settings = settings_of(spec)
    if spec.folder is None and spec.path in (None, "-"):
        only = InputFile(None, "standard input", spec.format, settings)
        return Source(files=(only,), id=spec.id, shown="standard input")
    folder, here = file.parent, Path(shown).parent
    each = InputFile(None, "", spec.format, settings, is_given=is_given)
    if spec.folder is not None:
        root = folder / spec.folder
        listing = InputListing(root, str(here / spec.folder), spec.pattern, each, is_folder=True)
        location = root
    else:
        name = str(spec.path)
        listing = InputListing(folder, str(here), name, each, folder if spec.file_column else None)
        location = folder / name
    return Source(
        files=listing.files(),
        id=spec.id,
        shown=listing.name(),
        location=str(location),
        is_given=is_given,
        listing=None if listing.has_one_file else listing,
    )
