"""Where the report of a run is written: by default beside the record of the run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Final

from yamlgen.api.page_file import PageFile
from yamlgen.api.stored_run import Run
from yamlgen.errors import UsageError
from yamlgen.html.report_page import is_report_page
from yamlgen.option_names import by_surface
from yamlgen.output.files import OutputPaths, output_paths
from yamlgen.output.row_composer import outputs_of
from yamlgen.store.location import StoreLocation, location_of
from yamlgen.store.run_reader import TESTED

_BESIDE: Final = Path("report.html")


def report_file(run: Run, path: Path | None = None) -> PageFile:
    """Return the file of the report of a run.

    Args:
        run: the run.
        path: the file. Default: beside the record of the run, such as `out/NAME.report.html`; in the current folder if
            it is not known where the pipeline is.
    """
    folder, written = _folder(run), list[Path]()
    for simulated in (False, True):
        for limit in {None, run.entry.about.get("limit")}:
            paths = _paths(run, folder, simulated=simulated, limit=limit)
            written += [] if paths is None else paths.all
            if (simulated, limit) == (run.simulated, run.entry.about.get("limit")):
                default = _BESIDE if paths is None else paths.report
    if run.name.endswith(TESTED):  # it has no output
        default = default.with_name(default.name.replace(".report.", ".test.report."))
    if folder is None and not default.is_absolute():
        default = Path(default.name)
    read = [] if folder is None else [folder / run.pipeline, *run.input_files]
    hint = f"choose another file with {by_surface(command='`-o PATH`', python='`path=PATH`')}"
    return _page(default if path is None else path, hint, read, [*written, *_files(run.place)])


def coming_file(paths: OutputPaths, place: StoreLocation, read: Iterable[Path]) -> PageFile:
    """Return the file of the report of a run that is about to start.

    Args:
        paths: the files of the run.
        place: its store.
        read: the files that the run reads.
    """
    later = by_surface(command="`yamlgen report -o PATH`", python="`yamlgen.report(path=PATH)`")
    hint = f"make the report after the run with {later}"
    return _page(paths.report, hint, read, [*paths.all, *_files(place)])


def _page(path: Path, hint: str, read: Iterable[Path], written: Iterable[Path]) -> PageFile:
    return PageFile(path, "the page of a report", is_report_page, hint, frozenset(read), frozenset(written))


def _folder(run: Run) -> Path | None:
    """Return the folder of the pipeline; `None` if the store is elsewhere, and does not know it."""
    if run.is_beside_pipeline:
        return run.home
    known = Path(run.entry.about["pipeline"]["file"])
    is_known = known.is_file() and location_of(known, run.place.folder).name == run.place.name
    return known.parent if is_known else None


def _paths(run: Run, folder: Path | None, *, simulated: bool, limit: int | None) -> OutputPaths | None:
    """Return the files of such a run; `None` if its outputs are not known, or cannot be files any more."""
    given = (run.entry.about.get("options") or {}).get("output") or {}
    given = given if isinstance(given, dict) else {"": given}  # as earlier versions recorded it
    try:
        return output_paths(outputs_of(run.entry), folder or Path(), given, simulated=simulated, limit=limit)
    except UsageError:
        return None


def _files(place: StoreLocation) -> list[Path]:
    """Return the files of both stores of a pipeline."""
    both = [replace(place, simulated=each) for each in (False, True)]
    logs = [each.database.with_name(f"{each.database.name}{ending}") for each in both for ending in ("-wal", "-shm")]
    return [*logs, *(file for each in both for file in (each.database, each.lock))]
