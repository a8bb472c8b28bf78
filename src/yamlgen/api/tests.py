"""Tests of pipelines on recorded answers, for Python users in the words of `yamlgen test`."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Literal, TypeVar

from yamlgen import model_capabilities
from yamlgen.api.case_replays import CaseReplay, ask_case, replay_case
from yamlgen.api.case_runs import CaseRun, CaseRunner, RunsOfFile
from yamlgen.api.confirmation import Confirm
from yamlgen.api.recording_runs import ToRecord, record_suites, rows_to_run
from yamlgen.api.test_files import OpenedSuite, find_test_files, open_suites
from yamlgen.api.test_options import TestOptions
from yamlgen.cancellation import Cancellation
from yamlgen.diagnostics import Diagnostic
from yamlgen.errors import Code, UsageError, near
from yamlgen.events import Emit
from yamlgen.option_names import by_surface, option
from yamlgen.sync_bridge import synchronous, wait_for
from yamlgen.testing.accuracy import confusion_table
from yamlgen.testing.misses import RecordedSteps
from yamlgen.testing.recording_file import write_recordings
from yamlgen.testing.recordings import RecordedAnswers
from yamlgen.testing.redaction_warnings import shared_answers, staying_values
from yamlgen.testing.suite import CheckedCase
from yamlgen.testing.verdict_lines import change_told, details, missed_told, not_reached_told, recording_told
from yamlgen.testing.verdicts import CaseVerdict, Flaw, Miss, TestReport, Verdict
from yamlgen.value_objects import JSON

__all__ = [
    "CaseVerdict",
    "Flaw",
    "Miss",
    "TestOptions",
    "TestReport",
    "Verdict",
    "atest",
    "change_told",
    "confusion_table",
    "details",
    "missed_told",
    "not_reached_told",
    "recording_told",
    "replayed_verdict",
    "run_tests",
    "test",
]

T = TypeVar("T")

_SIDE_BY_SIDE: Final = 4
"""The maximum number of cases that run at once."""


async def atest(  # noqa: PLR0913 - the options of the command
    *path: str | Path,
    cases: str | None = None,
    record: bool | Literal["all"] = False,
    live: bool = False,
    repeat: int = 1,
    min_pass: int | None = None,
    simulate: bool = False,
    update: bool = False,
    prune: bool = False,
    older: str | None = None,
    store: str | Path | None = None,
    max_cost_usd: float | None = None,
    max_requests: int | None = None,
    confirm_above_usd: float | None = None,
    max_concurrency: int | None = None,
    yes: bool = False,
    on_event: Emit | None = None,
) -> TestReport:
    """Run the tests of pipelines on their recorded answers. Nothing is sent, and no API key is needed.

    Args:
        path: test files, and folders of them. Default: the current folder and its subfolders.
        cases: run only the cases whose name, or the name of whose file without `.test.yaml`, contains this word.
        record: send the requests that are not recorded, and record their answers; `"all"` sends every request. They are
            billed.
        live: send every request, and keep no answer. They are billed.
        repeat: with `live` or `simulate`, run each case this many times.
        min_pass: the number of these runs that must pass. Default: all.
        simulate: answer with the simulator, and keep no answer; with `record`, record its answers.
        update: write the golden files anew.
        prune: remove the recordings that no case uses.
        older: report the recordings that are older, such as `90d`, with their models, and which models are retired.
        store: with `record`, the folder of the store. Default: `.yamlgen/` next to each pipeline.
        max_cost_usd: stop after this many US dollars.
        max_requests: stop each case after this many requests.
        confirm_above_usd: do not start runs that may cost more US dollars together, unless `yes` is set.
        max_concurrency: the maximum number of requests at once.
        yes: do not ask for confirmation, whatever the cost.
        on_event: called with the forecast of what will be sent, then with every event of the runs that send it.

    Returns:
        The verdict of each case: passed, failed, or not recorded.

    Raises:
        InvalidPipeline: a test file, its pipeline or its recordings have errors; `.diagnostics` contains all of them.
        UsageError: there is no test, or the options exclude each other.
        YamlgenError: with `record` or `live`: a run could not start, or ended early.
    """
    options = TestOptions(
        cases=cases,
        record=record,
        live=live,
        repeat=repeat,
        min_pass=min_pass,
        simulate=simulate,
        update=update,
        prune=prune,
        older=older,
        store=None if store is None else Path(store),
        max_cost_usd=max_cost_usd,
        max_requests=max_requests,
        confirm_above_usd=confirm_above_usd,
        max_concurrency=max_concurrency,
        yes=yes,
    )
    return await run_tests(path, options, emit=on_event)


test = synchronous(atest)


async def run_tests(
    paths: Sequence[str | Path],
    chosen: TestOptions,
    *,
    emit: Emit | None = None,
    confirm: Confirm | None = None,
    cancellation: Cancellation | None = None,
) -> TestReport:
    """Run tests.

    Args:
        paths: test files, and folders of them; the current folder, if there are none.
        chosen: the options.
        emit: receives the forecast of what will be sent, then every event of the runs that send it.
        confirm: returns whether runs may cost what their forecast says.
        cancellation: ends these runs early when requested.

    Raises:
        YamlgenError: as for `atest`.
    """
    suites, warnings = open_suites(find_test_files(paths), chosen.cases, update=chosen.update)
    runner, notes = CaseRunner(chosen.of_runs(), confirm, emit, cancellation or Cancellation()), list[str]()
    if chosen.replays:
        made = await _replayed(suites, runner, chosen, notes)
        unused = {each.opened.suite.shown: each.unused for each in made if each.unused is not None}
        notes += [note for each in made for replayed in each.replays for note in replayed.notes]
        for each in made if chosen.prune else ():
            notes += _pruned(each)
            unused.pop(each.opened.suite.shown, None)
        verdicts = [replayed.verdict for each in made for replayed in each.replays]
        suites = [each.opened for each in made]
    else:
        verdicts, unused, made = await _asked(suites, runner, chosen), {}, []
    notes += [note for each in suites for note in _old(each, chosen.age)] if chosen.age is not None else []
    # A golden file that does not exist is a flaw of its case, or was written.
    told = [each for each in warnings if each.code is not Code.MISSING_FILE]
    told += [each for done in made for each in _redaction_warnings(done)]
    simulated = {each.opened.suite.shown: count for each in made if (count := each.simulated)}
    return TestReport(tuple(verdicts), unused, tuple(notes), tuple(told), simulated, runner.forecast)


def replayed_verdict(opened: OpenedSuite, number: int) -> CaseVerdict:
    """Replay one case of a file, given its position, and return its verdict."""
    recorded = RecordedSteps(opened.answers)
    return wait_for(replay_case(opened, opened.cases[number], recorded)).verdict


@dataclass(frozen=True)
class _Replayed:
    """A test file, and the replays of its cases."""

    opened: OpenedSuite
    replays: tuple[CaseReplay, ...]

    @property
    def used(self) -> set[tuple[bytes, bytes]]:
        """The keys of the recordings that its cases use."""
        return {key for each in self.replays for key in each.used}

    @property
    def is_complete(self) -> bool:
        """Whether all cases were run, and everything is recorded."""
        return self.opened.is_whole and not any(each.missing for each in self.replays)

    @property
    def simulated(self) -> int:
        """The number of recordings that its cases use and that are answers of the simulator."""
        return self.opened.answers.simulated(self.used)

    @property
    def unused(self) -> int | None:
        """The number of recordings that no case uses; `None` if that is unknown."""
        return self.opened.answers.unused(self.used) if self.is_complete else None


def _redaction_warnings(done: _Replayed) -> Iterator[Diagnostic]:
    """Yield what leaving values out of the recordings of a file cannot do."""
    staying: dict[int, JSON] = {}
    for each in done.replays:
        staying = {**each.staying, **staying}
    yield from staying_values(done.opened.suite, staying)
    replayed = zip(done.opened.cases, done.replays, strict=True)
    yield from shared_answers([(case, each.originals) for case, each in replayed])


async def _replayed(
    suites: Sequence[OpenedSuite], runner: CaseRunner, chosen: TestOptions, notes: list[str]
) -> list[_Replayed]:
    """Replay the cases of the files; record what is missing first, if it is to be recorded."""
    if chosen.record:
        for each in suites:
            _check_replaced(each, chosen)
        suites = await record_suites([await _to_record(each, chosen) for each in suites], runner, notes.append)
    return [_Replayed(each, tuple(await _replays(each, update=chosen.update))) for each in suites]


async def _to_record(opened: OpenedSuite, chosen: TestOptions) -> ToRecord:
    """Return the rows of a file that lack recordings; all, if all are to be recorded."""
    real = replace(opened, answers=opened.answers.real)
    replaced = 0
    if not chosen.simulate and len(real.answers) < len(opened.answers):
        before = _Replayed(opened, tuple(await _replays(opened, update=False)))
        replaced = before.simulated
    known = []
    if chosen.record != "all":
        known = await _replays(opened if chosen.simulate else real, update=False)
    missing = {each.verdict.case: each.missing for each in known}
    runs = rows_to_run(opened.cases, missing, everything=chosen.record == "all")
    return ToRecord(opened, runs, everything=chosen.record == "all" and opened.is_whole, replaced=replaced)


def _check_replaced(opened: OpenedSuite, chosen: TestOptions) -> None:
    """Check that no answer of a model would be replaced by one of the simulator."""
    real = len(opened.answers.real)
    if real and chosen.record == "all" and chosen.simulate:
        answers = "1 answer of a model" if real == 1 else f"{real:,} answers of models"
        again = by_surface(command="`--record=all --simulate`", python="`record='all'` with `simulate=True`")
        message = f"{again} would replace {answers} in {near(opened.suite.recordings)}"
        hint = f"remove {option('simulate')}, or record only what is missing with {option('record')}"
        raise UsageError(message, code=Code.CONFLICT, hint=hint)


async def _replays(opened: OpenedSuite, *, update: bool) -> list[CaseReplay]:
    recorded = RecordedSteps(opened.answers)
    return await _together([_replay(opened, case, recorded, update) for case in opened.cases])


def _replay(
    opened: OpenedSuite,
    case: CheckedCase,
    recorded: RecordedSteps,
    update: bool,  # noqa: FBT001 - the option of this name
) -> Callable[[], Awaitable[CaseReplay]]:
    return lambda: replay_case(opened, case, recorded, update=update)


async def _asked(suites: Sequence[OpenedSuite], runner: CaseRunner, chosen: TestOptions) -> list[CaseVerdict]:
    """Run the cases through the models, in temporary stores."""
    if not chosen.simulate:
        runs = [tuple(CaseRun.of(opened.suite, case) for case in opened.cases) for opened in suites]
        files = [RunsOfFile(opened.suite, made, runner.options) for opened, made in zip(suites, runs, strict=True)]
        await runner.foresee(files, chosen.repeat)
    cases = [(opened.suite, case) for opened in suites for case in opened.cases]
    return [await ask_case(suite, case, runner, chosen.repeat, chosen.min_pass) for suite, case in cases]


async def _together(works: Iterable[Callable[[], Awaitable[T]]]) -> list[T]:
    """Return the results of works of which a few run at once; the first error is raised when all have ended."""
    places = asyncio.Semaphore(_SIDE_BY_SIDE)

    async def one(work: Callable[[], Awaitable[T]]) -> T:
        async with places:
            return await work()

    made = await asyncio.gather(*map(one, works), return_exceptions=True)
    done: list[T] = []
    for each in made:
        if isinstance(each, BaseException):
            raise each
        done.append(each)
    return done


def _pruned(done: _Replayed) -> list[str]:
    """Remove the recordings that no case uses, and return what happened."""
    path, unused = done.opened.suite.recordings, done.unused
    has_failed = any(each.verdict.verdict is Verdict.FAILED for each in done.replays)
    if unused is None or has_failed:
        why = "a case failed, perhaps before it used its recordings" if unused is not None else "a case is not recorded"
        why = why if done.opened.is_whole else "not all cases were run"
        return [f"{near(path)} is not pruned: {why}"]
    if not path.exists():
        return []
    written = write_recordings(path, done.opened.answers.without_unused(done.used), first=False)
    gone = f"{unused} unused recording{'' if unused == 1 else 's'}"
    return [*([f"{gone} removed from {near(path)}"] if unused else []), *written.warnings]


def _old(opened: OpenedSuite, age: timedelta) -> Iterator[str]:
    """Yield how many recordings are older, by step and model; those of retired models first."""
    answers: RecordedAnswers = opened.answers
    before = (datetime.now(UTC) - age).date()
    counts = Counter((each.step, str(each.request.get("model"))) for each in answers.older(before))

    def is_retired(model: str) -> bool:
        known = model_capabilities.of(model)
        return known.lifecycle == "retired" or (known.retires or "9") <= datetime.now(UTC).date().isoformat()

    for (step, model), count in sorted(counts.items(), key=lambda found: (not is_retired(found[0][1]), found[0])):
        which = f"{count} recording{'' if count == 1 else 's'} of `{step}` by {model}"
        retired = ", which is retired" if is_retired(model) else ""
        yield f"{near(opened.suite.recordings)}: {which}{retired}, from before {before}"
