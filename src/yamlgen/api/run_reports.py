"""The report of a run: its numbers, and its page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeAlias

from yamlgen.api.chosen_outputs import find_output
from yamlgen.api.history import find_run, store_locations
from yamlgen.api.other_run import changes_between, find_other
from yamlgen.api.page_file import PageFile
from yamlgen.api.report_numbers import report_numbers
from yamlgen.api.report_place import coming_file, report_file
from yamlgen.api.report_rows import NO_ROWS, packed_rows
from yamlgen.api.stored_run import Run
from yamlgen.errors import Code, UsageError, YamlgenError
from yamlgen.events import ReportWritten
from yamlgen.html.report_page import report_page, room_for_rows
from yamlgen.output.files import OutputPaths
from yamlgen.output.row_composer import outputs_of
from yamlgen.profiles.compared.run_comparison import ComparedSide, RunComparison, compare, comparison_verdict
from yamlgen.profiles.headline import verdict
from yamlgen.profiles.run_profile import RunProfile, profile
from yamlgen.store.location import StoreLocation
from yamlgen.store.run_reader import RunReader
from yamlgen.store.run_session import open_runs
from yamlgen.value_objects import JSON

__all__ = [
    "ReportOptions",
    "RunProfile",
    "comparison_verdict",
    "most_rows",
    "profiled",
    "report",
    "report_file",
    "report_numbers",
    "verdict",
    "written",
]


MakePage: TypeAlias = Callable[[], ReportWritten]
"""Makes the page of a run that has ended, and tells what became of it."""


@dataclass(frozen=True, slots=True)
class ReportOptions:
    """What a report shows.

    Attributes:
        output: the output whose rows are profiled, by its name; `None` for the only one, or for the values of the
            steps if there are several.
        against: the name of another run of the same pipeline, or its beginning; `None` for no comparison.
        rows: the maximum number of rows that the page shows; `None` for all.
        text: whether the page shows rows, prompts, answers, messages and the values of text fields.
    """

    output: str | None = None
    against: str | None = None
    rows: int | None = 200
    text: bool = True


def profiled(run: Run, options: ReportOptions) -> RunProfile:
    """Return a run in numbers.

    Args:
        run: the run.
        options: what the report shows.

    Raises:
        UsageError: the run has no such output; or no run or several runs have the name of the other run.
        EnvironmentProblem: the store cannot be read.
    """
    if options.output is not None:
        find_output(outputs_of(run.entry), options.output)
    other = None if options.against is None else find_other(run, options.against)
    with open_runs(run.place, snapshot=True) as run_reader:
        if other is None:
            return _profiled(run_reader, run, options)
        with open_runs(other.place, snapshot=True) as other_reader:
            made = _profiled(other_reader, other, replace(options, rows=0))
            side = ComparedSide(other_reader, other.entry, made.headline, made.basis, made.fields, made.steps)
            return _profiled(
                run_reader, run, options, partial(compare, other=side, changes=changes_between(other, run))
            )


def _profiled(
    run_reader: RunReader,
    run: Run,
    options: ReportOptions,
    against: Callable[[ComparedSide], RunComparison] | None = None,
) -> RunProfile:
    entry = run_reader.run(run.name)  # as it is now: its counts and its cost agree with its rows
    return profile(run_reader, entry, most_rows=options.rows, output=options.output, against=against)


def page_of(run: Run, made: RunProfile, options: ReportOptions) -> Iterable[bytes]:
    """Return the page of a run, in parts.

    Args:
        run: the run.
        made: its numbers, as `profiled` returns them.
        options: what the report shows.

    Raises:
        EnvironmentProblem: the store cannot be read.
    """
    if not options.text:
        return report_page(made, NO_ROWS, text=False)
    return report_page(made, packed_rows(run, made.chosen, None if options.rows is None else room_for_rows(made)))


def report(  # noqa: PLR0913 - the options of the command
    pipeline: str | Path | None = None,
    run: str | None = None,
    *,
    output: str | None = None,
    against: str | None = None,
    rows: int | str = 200,
    text: bool = True,
    path: str | Path | None = None,
    store: str | Path | None = None,
) -> dict[str, JSON]:
    """Return a run in numbers, as `yamlgen report --output-format json` prints them, without `version`.

    It also works during a run, and after a run was stopped or killed.

    Args:
        pipeline: the pipeline file, or a folder of them. Default: the current folder and its subfolders.
        run: the name of the run, or its beginning. Default: the latest run, which is simulated only if all are.
        output: the name of the output whose rows are shown. Default: the only output; with several, the values of the
            steps are shown.
        against: the name of another run of the same pipeline, or its beginning, to compare this run with.
        rows: the maximum number of rows on the page, or `"all"`.
        text: whether the page shows rows and other texts that come from them; without, it shows numbers, names and
            the values of enums.
        path: also write the page to this HTML file; it replaces an earlier report, and no other file.
        store: the folder of the store. Default: `.yamlgen/` next to the pipeline.

    Raises:
        UsageError: no run or several runs have this name; the run has no such output; or `path` is another file.
        EnvironmentProblem: the store cannot be read, or the page cannot be written.
    """
    options = ReportOptions(output, against, most_rows(rows), text)
    found = find_run(
        store_locations([] if pipeline is None else [Path(pipeline)], None if store is None else Path(store)), run
    )
    if path is None:
        return report_numbers(profiled(found, options), text=text)
    return report_numbers(written(found, options, report_file(found, Path(path)))[0], text=text)


def written(run: Run, options: ReportOptions, file: PageFile) -> tuple[RunProfile, int]:
    """Write the page of a run; return the run in numbers, and the size of the page in bytes.

    Args:
        run: the run.
        options: what the report shows.
        file: the file of the page.

    Raises:
        UsageError: the page would replace another file; or as in `profiled`.
        EnvironmentProblem: the store cannot be read, or the page cannot be written.
    """
    with file.reserved(f"a report of {run.name}") as write:
        made = profiled(run, options)
        return made, write(page_of(run, made, options))


@contextmanager
def reserved_report(run: str, place: StoreLocation, paths: OutputPaths, read: Iterable[Path]) -> Iterator[MakePage]:
    """Reserve the page of a run that is about to start.

    Args:
        run: the name of the run.
        place: its store.
        paths: the files of the run, one of which is the page.
        read: the files that the run reads.

    Yields:
        The function that makes the page from the store, and tells what became of it; it raises no `YamlgenError`.

    Raises:
        UsageError: the page would replace another file.
        EnvironmentProblem: the file cannot be written, or another process is writing it.
    """

    def make() -> ReportWritten:
        try:
            with open_runs(place) as run_reader:
                ended = Run(place, run_reader.run(run))
            options = ReportOptions()
            size = write(page_of(ended, profiled(ended, options), options))
        except YamlgenError as error:  # the run is not lost
            return ReportWritten(paths.report, 0, error)
        return ReportWritten(paths.report, size)

    file = coming_file(paths, place, read)
    with file.reserved(f"the report of run {run}") as write:
        yield make


def most_rows(rows: int | str) -> int | None:
    """Return the maximum number of rows on a page; `None` for all.

    Args:
        rows: the number, 0 or more, or `"all"`.

    Raises:
        UsageError: it is something else.
    """
    if rows == "all":
        return None
    if isinstance(rows, bool) or not isinstance(rows, int) or rows < 0:
        message = f"`rows` is {rows!r}, which is not a number of rows"
        raise UsageError(message, code=Code.BAD_PARAM, hint="write a number such as 200, or 'all'")
    return rows
