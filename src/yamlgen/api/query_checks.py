"""The query of an input as `validate` checks it: prepared where its files exist, each problem at its place."""

from __future__ import annotations

from yamlgen.data.input_head import InputHead
from yamlgen.data.source import Source
from yamlgen.data.sql_query import SqlIssue, SqlQuery, extra_missing
from yamlgen.diagnostics import Diagnostic, Mark
from yamlgen.errors import Code
from yamlgen.formats.format_table import format_of
from yamlgen.parsing.project_folder import is_file, is_pointer
from yamlgen.pipeline.file_settings import check_settings
from yamlgen.pipeline.parsed_file import ParsedFile

_TEXT = ("input", "sql")


def issue_diagnostic(parsed: ParsedFile, issue: SqlIssue) -> Diagnostic:
    """Return an error or a warning about the query of a pipeline, at its place."""
    mark = parsed.document.within(_TEXT, issue.start, issue.end)
    code = Code.UNSTABLE_SQL if issue.is_warning else Code.BAD_SQL
    return Diagnostic(code, issue.message, mark, issue.hint, "warning" if issue.is_warning else "error")


def checked_head(parsed: ParsedFile, source: Source, query: SqlQuery) -> tuple[InputHead, list[Diagnostic]]:
    """Return what is known of the rows of a query that was not executed, and what is wrong with it."""
    if parsed.is_broken_within("input"):
        return InputHead(source), []
    files = [file for table in query.tables for file in table.files]
    has_all = all(
        file.path and is_file(file.path) and not is_pointer(file.path) and (file.format or format_of(file.path))
        for file in files
    )
    is_readable = query.is_ready and has_all and not check_settings(parsed, None)
    document = parsed.document
    try:
        from yamlgen.data.sql_execution import check_query  # noqa: PLC0415 - its packages are optional
    except ImportError as error:
        missing = extra_missing(error)
        return InputHead(source), [
            Diagnostic(missing.code, missing.message, document.mark(_TEXT, key=True), missing.hint)
        ]
    checked = check_query(query, is_readable=is_readable)

    found = [issue_diagnostic(parsed, issue) for issue in checked.issues]

    def place(message: str) -> Mark:
        named = (each.name for each in query.tables if any(file.name() in message for file in each.files))
        return document.mark(("input", "tables", *[*named][:1]))

    found += [Diagnostic(Code.BAD_INPUT, told, place(told), severity="warning") for told in checked.told]
    if (fault := checked.fault) is not None:
        found.append(Diagnostic(fault.code, fault.message, place(fault.message), fault.hint))
    return InputHead(source, columns=checked.columns), found
