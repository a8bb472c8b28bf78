"""Test cases out of a run in the store: its rows, what its steps returned, and the recordings. Nothing is sent."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from yamlgen.api.case_warnings import case_warnings, other_draws, refuse_if_none
from yamlgen.api.history import find_run, store_locations
from yamlgen.api.loaded_pipeline import Pipeline
from yamlgen.api.loading import check_suite, load
from yamlgen.api.recording_runs import secrets_of, still_recorded
from yamlgen.api.stored_run import Run, find_row
from yamlgen.canonical_json import canonical
from yamlgen.diagnostics import InvalidPipeline
from yamlgen.errors import Code, UsageError, YamlgenError, near
from yamlgen.expressions.evaluation import shown
from yamlgen.option_names import option
from yamlgen.output.atomic_write import replacing
from yamlgen.parsing.project_folder import is_folder
from yamlgen.parsing.source_map import Document
from yamlgen.parsing.yaml_parser import compose, read
from yamlgen.store.run_reader import RunReader
from yamlgen.store.run_session import open_runs
from yamlgen.store.stored_results import StoredRow
from yamlgen.sync_bridge import wait_for
from yamlgen.testing.extraction import extract
from yamlgen.testing.recording_file import read_recordings, write_recordings
from yamlgen.testing.recordings import RecordedAnswers
from yamlgen.testing.redaction_warnings import staying_values
from yamlgen.testing.replay import MissingRequest, replay
from yamlgen.testing.stand_ins import StandIns, replaced, stand_ins_of, staying_value
from yamlgen.testing.suite import CheckedCase, CheckedSuite
from yamlgen.testing.suite_files import ENDINGS, is_test_file, stem_of
from yamlgen.testing.verdicts import place_of
from yamlgen.testing.written_cases import NewCase, expectations, null_condition, with_cases
from yamlgen.value_objects import JSON

ROWS: Final = "10"
"""The rows to write if none are chosen: the first ten."""

_NUMBER: Final = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class _Target:
    """The test file to write: its path, its pipeline, and its content until now; `None` if it does not exist."""

    path: Path
    pipeline: Path
    document: Document | None

    @property
    def text(self) -> str | None:
        """The content of the file."""
        return None if self.document is None else self.document.source.text

    @property
    def data(self) -> Mapping[str, Any]:
        """The content as data; empty if the file does not exist."""
        return {} if self.document is None or not isinstance(self.document.data, dict) else self.document.data


def cases_from_run(
    path: str | Path,
    run: str | None = None,
    *,
    rows: str | None = None,
    store: str | Path | None = None,
    simulate: bool = False,
) -> list[str]:
    """Write test cases and their recordings out of a run in the store. Nothing is sent, and nothing is paid.

    Each row becomes a case. Its conditions are the values that the steps returned, as far as they are booleans,
    numbers, or words out of a list.

    Args:
        path: a test file, which is created or extended; or a pipeline, whose test file is next to it.
        run: the name of the run, or its beginning. Default: the latest run.
        rows: ids, separated by commas; or `failed`; or a number, for the first rows. Default: the first ten rows.
        store: the folder of the store. Default: `.yamlgen/` next to the pipeline.
        simulate: use a simulated run.

    Returns:
        What was written, as sentences.

    Raises:
        InvalidPipeline: the pipeline, the test file or its recordings have errors.
        UsageError: there is no such run or row, or the test file cannot be extended.
        EnvironmentProblem: a file cannot be read or written.
    """
    target = _target(Path(path))
    stores = store_locations([target.pipeline], None if store is None else Path(store))
    if simulate:
        stores = [place for place in stores if place.simulated]
    found = find_run(stores, run)
    pipeline = load(target.pipeline)
    with open_runs(found.place) as run_reader:
        if rows is not None and _NUMBER.fullmatch(rows) and not int(rows):
            message = f"{option('rows', rows)} chooses no row"
            raise UsageError(message, code=Code.BAD_PARAM, hint="write a number from 1, ids, or `failed`")
        chosen = list(_chosen(run_reader, found, rows or ROWS))
        if not chosen:
            what = "no failed row" if rows == "failed" else "no row that finished or failed"
            raise UsageError(f"run {found.name} has {what}", code=Code.NO_RUN, hint="choose another run, or other rows")
        cases = {_name(target, run_reader, found, row): row for row in chosen}
        known = {str(each.get("name")) for each in target.data.get("cases") or [] if isinstance(each, dict)}
        new = [
            _case(target, run_reader, found, pipeline, name, row) for name, row in cases.items() if name not in known
        ]
        suite = _written(target, found, pipeline, new)
        try:
            added = {each.name: cases[each.name] for each in new}
            left_out = other_draws(suite, run_reader, found.entry, added)
            if left_out:
                _restore(target, new)
                new = [each for each in new if each.name not in left_out]
                refuse_if_none(left_out, new, found.name)
                suite = _written(target, found, pipeline, new)
            cases = {name: row for name, row in cases.items() if name not in left_out}
            told = list(_recorded(suite, run_reader, found, cases, new))
            return [*told, *(f"warning: {name}: not written: {why}" for name, why in left_out.items())]
        except YamlgenError:
            _restore(target, new)
            raise


def _target(path: Path) -> _Target:
    if is_folder(path):
        hint = "write the path of a pipeline, or of the test file to write"
        raise UsageError(f"{near(path)} is a folder", code=Code.UNKNOWN_FORMAT, hint=hint)
    if not is_test_file(path):
        test = path.with_name(f"{path.stem}{ENDINGS[0]}")
        return _Target(test, path, _document(test))
    document = _document(path)
    if document is not None:
        named = document.data.get("pipeline") if isinstance(document.data, dict) else None
        if isinstance(named, str):
            return _Target(path, path.parent / named, document)
    stem = stem_of(path)
    beside = [each for each in (path.with_name(f"{stem}{ending}") for ending in (".yaml", ".yml")) if each.exists()]
    if not beside:
        hint = f"specify the pipeline, or write `pipeline:` in {near(path)}"
        raise UsageError(f"{near(path)} has no pipeline {stem}.yaml next to it", code=Code.MISSING_FILE, hint=hint)
    return _Target(path, beside[0], document)


def _document(path: Path) -> Document | None:
    if not path.exists():
        return None
    text, found = read(path, near(path))
    document, more = (None, []) if text is None else compose(text)
    if document is None:
        raise InvalidPipeline((*found, *more))
    return document


def _chosen(run_reader: RunReader, run: Run, rows: str) -> Iterator[StoredRow]:
    if rows == "failed":
        yield from (row for row in run_reader.failed(run.entry) if row.status == "failed")
    elif _NUMBER.fullmatch(rows):
        for count, row in enumerate(run_reader.rows(run.entry, failed=True)):
            if count >= int(rows):
                return
            yield row
    else:
        for name in filter(None, (each.strip() for each in rows.split(","))):
            found = run_reader.row(run.entry, find_row(run_reader, run.entry, name, bool))
            if found is not None and found.status != "missing":
                yield found


def _name(target: _Target, run_reader: RunReader, run: Run, row: StoredRow) -> str:
    """Return the name of the case of a row: its id, unless it is left out."""
    known = run_reader.id(run.entry, row)
    name = f"row {known}"
    is_known = known is not None and _stand_ins(target, run_reader.columns(row)).hide(name) == name
    return name if is_known else f"row {row.number + 1}"


def _stand_ins(target: _Target, columns: Mapping[str, JSON]) -> StandIns:
    return stand_ins_of([each for each in target.data.get("redact") or [] if isinstance(each, str)], columns)


def _case(target: _Target, run_reader: RunReader, run: Run, pipeline: Pipeline, name: str, row: StoredRow) -> NewCase:
    columns = run_reader.columns(row)
    stand_ins = _stand_ins(target, columns)
    steps = {step.name: step for step in pipeline.plan(run.entry.about["params"]).steps}
    values = run_reader.values(row, frozenset(steps))
    schemas = {step: known.type.value for step, known in steps.items() if step in values}
    lost = [each.step for each in row.results if each.step in values and any(run_reader.lost(each))]
    # Without a condition for null, the case of a row that lost a step would fail.
    nulls = filter(None, (null_condition(step, values[step]) for step in lost))
    told = [each for each in (*expectations(values, schemas), *nulls) if stand_ins.hide(each) == each]
    given: Mapping[str, JSON] = {**_defaults(pipeline), **(target.data.get("params") or {})}
    params = {key: value for key, value in run.entry.about["params"].items() if not _is_same(given, key, value)}
    return NewCase(name, replaced(columns, stand_ins), params if target.document is not None else {}, tuple(told))


def _defaults(pipeline: Pipeline) -> Mapping[str, JSON]:
    """Return the default values of the parameters of a pipeline."""
    plan = pipeline.compiled.plan
    return {} if plan is None else plan.params


def _is_same(values: Mapping[str, JSON], name: str, value: JSON) -> bool:
    """Return whether a parameter has a value without a test file that sets it."""
    return name in values and canonical(values[name]) == canonical(value)


def _written(target: _Target, run: Run, pipeline: Pipeline, new: Sequence[NewCase]) -> CheckedSuite:
    """Write the cases, check the file, and return it; if it has errors, it is restored."""
    if new:
        defaults = _defaults(pipeline)
        params = {key: each for key, each in run.entry.about["params"].items() if not _is_same(defaults, key, each)}
        _write(target.path, with_cases(target.document, target.pipeline.name, params, new))
    suite, found = check_suite(near(target.path))
    if suite is None:
        _restore(target, new)
        raise InvalidPipeline(tuple(found))
    return suite


def _restore(target: _Target, new: Sequence[NewCase]) -> None:
    """Make the test file what it was before these cases were written."""
    if new and target.text is None:
        target.path.unlink(missing_ok=True)
    elif new and target.text is not None:
        _write(target.path, target.text)


def _write(path: Path, text: str) -> None:
    with replacing(path, f"the test file {near(path)}") as staging:
        staging.write(path, [text.encode()])
        staging.replace()


def _recorded(
    suite: CheckedSuite, run_reader: RunReader, run: Run, cases: Mapping[str, StoredRow], new: Sequence[NewCase]
) -> Iterator[str]:
    """Write the recordings of the cases, and yield what was written."""
    answers, found = read_recordings(suite.recordings).recordings, set[bytes]()
    told: dict[str, None] = {}
    staying: dict[int, JSON] = {}
    written_now = {each.name for each in new}
    for case in suite.cases:
        row = cases.get(case.name)
        if row is not None and case.is_single:
            identity = next(iter(case.rows())).identity
            made = extract(run_reader, run.entry, case.plan, {row.number: identity}, redact=suite.config.redact)
            answers = answers.with_newer(made.recordings, made.of_rows)
            found.update(each.fingerprint for each in made.recordings)
            told.update(dict.fromkeys(still_recorded(suite, made)))
            if suite.config.redact and case.name in written_now:
                columns = run_reader.columns(row)
                wait_for(_check_replaced(suite, case, answers, columns))
                staying |= {
                    at: value
                    for at, each in enumerate(suite.config.redact)
                    if (value := staying_value(each, columns)) is not None
                }
    for each in staying_values(suite, staying):
        told[f"warning: {each.place}: {each.message}; {each.hint}"] = None
    written = write_recordings(suite.recordings, answers, secrets=secrets_of(suite.cases[0].plan))
    yield f"{suite.shown}: {_counted(len(new), 'case')} written from run {run.name}"
    if kept := len(cases) - len(new):
        yield f"{suite.shown}: {_counted(kept, 'case')} of this name existed already, and did not change"
    yield f"{near(suite.recordings)}: {_counted(len(found), 'recording')} written"
    if run.entry.about.get("overrides"):
        names = ", ".join(f"`{shown(name)}`" for name in run.entry.about["overrides"])
        yield f"warning: the run has overridden {names}, which tests do not: its requests may differ"
    yield from [*written.warnings, *told]
    added = {name: row for name, row in cases.items() if name in written_now}
    yield from wait_for(case_warnings(suite, answers, added, run.name))


async def _check_replaced(
    suite: CheckedSuite, case: CheckedCase, answers: RecordedAnswers, columns: Mapping[str, JSON]
) -> None:
    """Check that a row with stand-ins finds the recordings that it would find with its values.

    Raises:
        UsageError: it sends other requests.
    """

    async def lacking(given: CheckedCase) -> tuple[MissingRequest, ...]:
        async with replay(given, answers, redact=suite.config.redact) as done:
            return done.missing

    missing = await lacking(case)
    with_values = [replace(row, row=columns) for row in case.rows()]
    if not missing or await lacking(replace(case, rows=lambda: with_values)):  # the pipeline has changed
        return
    names = " and ".join(f"`{each}`" for each in suite.config.redact)
    message = (
        f"{case.name}: step `{missing[0].step}` sends another request if {names} is left out of the row: a template or "
        "condition computes with the value or formats it, or the prompt contains the same string elsewhere"
    )
    mark = suite.redacted[0]
    hint = f"choose other rows, send the value unchanged, or remove it from `redact` ({place_of(mark)})"
    raise UsageError(message, code=Code.CONFLICT, hint=hint)


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
