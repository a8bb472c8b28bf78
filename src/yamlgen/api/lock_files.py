"""Writes the lock of a pipeline from the last whole run of its store, and holds a run against it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from math import ceil
from operator import itemgetter
from pathlib import Path

from pydantic import ValidationError

from yamlgen.api.found_files import files_of
from yamlgen.api.loaded_pipeline import Pipeline
from yamlgen.api.loading import loaded
from yamlgen.api.opened_input import read_digest
from yamlgen.api.run_options import RunOptions
from yamlgen.comparison.lock import Lock, LockedAnswers, LockedRun, Tokens, lock_path, read_lock
from yamlgen.comparison.locked_parts import MADE_OF, STRICT, differences, lock_of
from yamlgen.diagnostics import InvalidPipeline
from yamlgen.errors import Code, UsageError, YamlgenError, near
from yamlgen.option_names import by_surface, option
from yamlgen.output.atomic_write import replacing
from yamlgen.planning.plan import Plan
from yamlgen.store.location import StoreLocation, location_of
from yamlgen.store.run_reader import RunEntry, RunReader
from yamlgen.store.run_session import open_runs
from yamlgen.testing.suite_files import is_test_file
from yamlgen.value_objects import JSON

_MOST_TOLD = 5


@dataclass(frozen=True, slots=True)
class LockChange:
    """What became of a lock file.

    Attributes:
        path: the file.
        is_new: whether there was none before.
        changes: what is different from before, as phrases; empty if the file is new or has not changed.
        run: the name of the run that it describes; `None` if there is none.
        note: why it was not written, or what is missing in it, as a sentence; `None`: nothing.
        is_written: whether the file is the lock of the run now.
        error: the error because of which it could not be written.
    """

    path: Path
    is_new: bool = False
    changes: tuple[str, ...] = ()
    run: str | None = None
    note: str | None = None
    is_written: bool = True
    error: YamlgenError | None = None

    def __str__(self) -> str:
        shown = near(self.path)
        if not self.is_written:
            return f"{shown} was not written: {self.note}"
        lines = [f"{shown}: {'written' if self.is_new else 'changed' if self.changes else 'unchanged'}"]
        lines += [f"  {each}" for each in self.changes]
        return "\n".join([*lines, *([f"  {self.note}"] if self.note else [])])

    def as_json(self) -> dict[str, JSON]:
        """Return it as JSON."""
        return {
            "file": str(self.path),
            "written": self.is_written,
            "new": self.is_new,
            "changes": list(self.changes),
            "run": self.run,
            "note": self.note,
        }


def lock(
    pipeline: str | Path | Pipeline,
    *,
    params: Mapping[str, JSON] | None = None,
    overrides: Mapping[str, JSON] | None = None,
    store: str | Path | None = None,
) -> LockChange:
    """Write the lock of a pipeline (`NAME.lock.json`) from the last whole run of its store.

    A run counts if it has finished all rows: no limited, simulated or stopped run, and no test. Without such a run, the
    lock has the steps, the parameters, the types of the outputs and the digest of the input, but no sizes; a lock that
    has the sizes of a run of another store is then left as it is. The file is written only if its content changes.

    Args:
        pipeline: a pipeline file, or what `load` returned.
        params: the parameters, by name; for a pipeline without a run.
        overrides: values to set, by dotted path; not if `pipeline` is loaded.
        store: the folder of the store. Default: `.yamlgen/` next to the pipeline.

    Returns:
        What has changed in the file.

    Raises:
        InvalidPipeline: the pipeline has errors.
        EnvironmentProblem: the store cannot be read, or the file cannot be read or written.
    """
    found = loaded(pipeline, overrides, None, None)
    options = RunOptions(store=None if store is None else Path(store))
    return write_lock(found, params, location_of(found.path, options.store), options=options)


def pipelines_of(paths: Iterable[Path]) -> list[Path]:
    """Return the pipelines that are named, and those of the folders that are named; by default, of the current folder.

    Raises:
        UsageError: a folder contains no pipeline and no test file.
    """
    files, _ = files_of(list(paths) or [Path()])
    return [path for path in files if not is_test_file(path)]


def needed_of(pipeline: Pipeline, last: Mapping[str, JSON]) -> dict[str, JSON]:
    """Return the last values of the parameters of a pipeline that have no default."""
    declared = pipeline.compiled.parameters
    lacking = declared.schemas.keys() - declared.defaults.keys()
    return {name: value for name, value in last.items() if name in lacking}


def last_whole_run(run_reader: RunReader, *, own_files: bool = False) -> RunEntry | None:
    """Return the last run that has finished all rows; `None` if there is none.

    Args:
        run_reader: the store.
        own_files: only a run that wrote the files that the pipeline names, not others in their place.
    """
    whole = (run for run in reversed(run_reader.runs()) if run.is_whole)
    return next((run for run in whole if not (own_files and run.about.get("options", {}).get("output"))), None)


def lock_of_run(run_reader: RunReader, run: RunEntry) -> Lock | None:
    """Return the lock of a whole run; `None` if an older version of yamlgen has made the run."""
    report = run.report or {}
    try:
        lock = Lock.model_validate(run.about["lock"])
    except (KeyError, ValidationError):
        return None
    digest = report.get("input_digest")
    given = lock.input.model_copy(update={"digest": digest, "rows": run.about["rows"] if digest else None})
    outputs = {name: counts.get("digest") for name, counts in report.get("outputs", {}).items()}
    answers = answers_of(run_reader, run)
    made = LockedRun(finished=run.finished, failed=run.failed, lost=run.failed_items, answers=answers, outputs=outputs)
    return lock.model_copy(update={"input": given, "run": made})


def answers_of(run_reader: RunReader, run: RunEntry) -> dict[str, dict[str, LockedAnswers]]:
    """Return the answers that the rows of a run are made of, by step and by the model that was asked."""
    made: dict[str, dict[str, LockedAnswers]] = {}
    for (step, asked), each in groupby(sorted(run_reader.sizes(run)), key=itemgetter(0, 1)):
        answers = list(each)
        made.setdefault(step, {})[asked] = LockedAnswers(
            answered_by=sorted({name for _, _, name, _, _ in answers}),
            answers=len(answers),
            input_tokens=_tokens([read for *_, read, _ in answers]),
            output_tokens=_tokens([written for *_, written in answers]),
        )
    return made


def write_lock(
    pipeline: Pipeline,
    params: Mapping[str, JSON] | None,
    place: StoreLocation,
    name: str | None = None,
    options: RunOptions | None = None,
) -> LockChange:
    """Write the lock of a pipeline, if it differs from the file. A file that cannot be used is replaced.

    Args:
        pipeline: the pipeline.
        params: its parameters; one without a default may be missing if there is a run.
        place: its store.
        name: the name of the run that has just finished. Default: the last whole run of the store.
        options: the options of a run, on which the input depends if no run has read it.

    Raises:
        InvalidPipeline: a parameter is missing or wrong.
        EnvironmentProblem: the store cannot be read, or the file cannot be read or written.
    """
    path = lock_path(pipeline.path)
    before, run, found, note = None, None, None, None
    with suppress(InvalidPipeline):
        before = read_lock(path)
    if place.exists:
        with open_runs(place) as run_reader:
            run = last_whole_run(run_reader) if name is None else run_reader.run(name)
            if run is not None and (why_not := _why_not(run, place)):
                return LockChange(path, run=run.name, note=why_not, is_written=False)
            found = None if run is None else lock_of_run(run_reader, run)
        if run is not None and found is None:
            run, note = None, "the last run was made by an older version: run again; stored answers are used"
        elif found is not None:
            plan = pipeline.plan({**needed_of(pipeline, found.params), **(params or {})})
            if run is not None and any(each.part in MADE_OF for each in differences(found, lock_of(plan))):
                note = f"the pipeline was changed after run {run.name}: run it again"
    if found is None and before is not None and before.run is not None:
        why_not = note or "it has the sizes of a run that is not in this store: run the pipeline to replace it"
        return LockChange(path, note=why_not, is_written=False)
    if found is None:
        last = {} if before is None else before.params
        plan = pipeline.plan({**needed_of(pipeline, last), **(params or {})})
        found, unread = _without_run(pipeline, plan, place, options or RunOptions())
        note = unread or note or "the pipeline has no whole run yet: the lock has no sizes"
    content, is_new = found.content(), not path.exists()
    if is_new or path.read_bytes() != content:
        with replacing(path, f"the lock of {pipeline.shown}") as staging:
            staging.write(path, [content])
            staging.replace()
    changes = tuple(each.what for each in differences(before, found)) if before is not None else ()
    if before is None and not is_new:
        changes = ("the file that was there could not be used",)
    return LockChange(path, is_new, changes, None if run is None else run.name, note)


def _without_run(pipeline: Pipeline, plan: Plan, place: StoreLocation, options: RunOptions) -> tuple[Lock, str | None]:
    """Return the lock of a pipeline without a run, and why it has no digest of the input."""
    made = lock_of(plan)
    if not pipeline.source.is_repeatable:
        return made, None
    try:
        rows = read_digest(pipeline, plan, place.folder, options)
    except YamlgenError as error:
        return made, f"the lock has neither sizes nor a digest of the input: {error.message}"
    given = made.input.model_copy(update={"rows": rows.rows, "digest": rows.value})
    return made.model_copy(update={"input": given}), None


def locked_to(pipeline: Pipeline, plan: Plan) -> Lock:
    """Return the lock to which a run is locked.

    Raises:
        UsageError: there is no lock; or the steps, the Python functions, the type of an output or a model differ.
        InvalidPipeline: the file is not a lock that can be used.
    """
    path = lock_path(pipeline.path)
    lock, way = read_lock(path), option("locked")
    if lock is None:
        message = f"{way} needs the lock {near(path)}, which does not exist"
        writes = by_surface(command="`yamlgen lock`", python="`yamlgen.lock`")
        raise UsageError(message, code=Code.LOCK_DIFFERS, hint=f"write it with {writes}, or remove {way}")
    every = differences(lock, lock_of(plan))
    if any(each.part in STRICT for each in every):
        found = [each.what for each in every if each.part in {*STRICT, "params"}]
        more = f", and {len(found) - _MOST_TOLD} more" if len(found) > _MOST_TOLD else ""
        message = f"{pipeline.shown} differs from its lock: {'; '.join(found[:_MOST_TOLD])}{more}"
        hint = f"undo the change, or run with {option('lock')} in place of {way} to accept it"
        raise UsageError(message, code=Code.LOCK_DIFFERS, hint=hint)
    return lock


def other_models(run_reader: RunReader, run: RunEntry, lock: Lock) -> Iterator[str]:
    """Yield a warning for each model that has answered under a name that it does not have in a lock."""
    for step, models in answers_of(run_reader, run).items():
        for asked, answers in models.items():
            known = () if lock.run is None else lock.run.answers.get(step, {}).get(asked, answers).answered_by
            new = [name for name in answers.answered_by if known and name not in known]
            if new:
                names = [", ".join(f"`{name}`" for name in each) for each in (new, known)]
                yield f"step `{step}`: {names[0]} answered for `{asked}`; in the lock, it was {names[1]}"


def _why_not(run: RunEntry, place: StoreLocation) -> str | None:
    """Return why a run cannot be locked; `None` if it can."""
    if place.simulated:
        return "the run is simulated"
    if run.about["limit"]:
        return "the run was limited to a part of the rows"
    return None if run.is_whole else "the run has not finished all rows"


def _tokens(numbers: list[int]) -> Tokens:
    ranked = sorted(numbers)
    return Tokens(mean=round(sum(ranked) / len(ranked), 1), p95=ranked[ceil(len(ranked) * 0.95) - 1])
