"""The verdicts of cases: of a replay on recorded answers, or of runs through the models."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from yamlgen.api.case_runs import CaseRun, CaseRunner
from yamlgen.api.recording_runs import left_in, secrets_of
from yamlgen.api.test_files import OpenedSuite
from yamlgen.errors import YamlgenError, near
from yamlgen.store.run_session import open_runs
from yamlgen.testing.goldens import write_golden
from yamlgen.testing.judging import Judgement, judge_case
from yamlgen.testing.line_ends import with_lf
from yamlgen.testing.misses import RecordedSteps, misses_of
from yamlgen.testing.recordings import RecordingKey
from yamlgen.testing.replay import Originals, ReplayedCase, replay
from yamlgen.testing.sent_parts import MissedRow
from yamlgen.testing.stand_ins import stand_ins_of
from yamlgen.testing.suite import CheckedCase, CheckedSuite
from yamlgen.testing.verdicts import CaseVerdict, Flaw, Verdict
from yamlgen.value_objects import JSON


@dataclass(frozen=True, slots=True)
class CaseReplay:
    """The replay of a case.

    Attributes:
        verdict: its verdict.
        used: the keys of the recordings that it used.
        missing: the positions of the rows that lack a recording.
        originals: the requests that each of these recordings has answered, if values are left out of them.
        staying: the values to be left out that cannot be, by the number of the expression.
        notes: what was not written into its golden file, and what was, as sentences.
    """

    verdict: CaseVerdict
    used: frozenset[RecordingKey]
    missing: frozenset[int]
    originals: Mapping[RecordingKey, Originals] = field(default_factory=dict)
    staying: Mapping[int, JSON] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


async def replay_case(
    opened: OpenedSuite, case: CheckedCase, recorded: RecordedSteps, *, update: bool = False
) -> CaseReplay:
    """Replay a case on the recordings of its file, and judge it. Nothing is sent.

    Args:
        opened: the test file.
        case: the case.
        recorded: the recordings of the file, to find the nearest one of a missing request.
        update: whether to write the golden file anew.

    Raises:
        YamlgenError: the rows cannot be run, or a golden file cannot be read or written; or it would contain a secret.
    """
    suite, started = opened.suite, time.monotonic()
    async with replay(case, opened.answers, redact=suite.config.redact) as done:
        rows = frozenset(each.row for each in done.missing)
        if rows:
            row = partial(_missed_row, suite, case, done)
            misses = misses_of(case.plan, done.missing, done.not_reached, recorded, row, done.used)
            seconds = time.monotonic() - started
            verdict = CaseVerdict(suite.shown, case.name, case.mark, Verdict.MISSED, seconds, misses=misses)
            notes = tuple(_written(suite, verdict, case, None) if update else ())
            return CaseReplay(verdict, done.used, rows, done.originals, done.staying, notes)
        made = judge_case(
            suite,
            case,
            done.run_reader,
            done.entry,
            limit=done.limit,
            unasked=done.unasked,
            update=update,
        )
    verdict = _verdict(suite, case, made, started)
    notes = tuple(_written(suite, verdict, case, made) if update else ())
    return CaseReplay(verdict, done.used, rows, done.originals, done.staying, notes)


def _written(suite: CheckedSuite, verdict: CaseVerdict, case: CheckedCase, made: Judgement | None) -> Iterator[str]:
    """Write the golden file of a case that has passed otherwise, and yield what a reader should know."""
    if case.config.golden is None:
        return
    path = suite.path.parent / case.config.golden
    if made is None or made.golden is None or made.flaws:
        why = "is not recorded" if verdict.verdict is Verdict.MISSED else "failed, perhaps without some of its rows"
        yield f"{near(path)} is not written: case `{case.name}` {why}"
        return
    write_golden(path, made.golden, case, secrets_of(case.plan))
    yield from left_in(path, made.staying)


async def ask_case(
    suite: CheckedSuite, case: CheckedCase, runner: CaseRunner, repeat: int = 1, min_pass: int | None = None
) -> CaseVerdict:
    """Run a case through the models and judge it, several times if it is to be repeated. No answer is kept.

    Args:
        suite: the test file.
        case: the case.
        runner: runs it, in temporary stores.
        repeat: how often it runs.
        min_pass: how often it must pass. Default: each time.

    Raises:
        YamlgenError: a run could not start, or ended early.
    """
    started, given = time.monotonic(), CaseRun.of(suite, case)
    made: list[Judgement] = []
    for number in range(repeat):
        with TemporaryDirectory(prefix="yamlgen-test-", ignore_cleanup_errors=True) as folder:
            options = replace(runner.options, store=Path(folder))
            if options.simulate:
                options = replace(options, seed=options.seed + number)
            try:
                done = await runner.run(given, options)
            except YamlgenError as error:
                raise error.replace(hint=_without_store(error.hint)) from error.__cause__
            with open_runs(done.place) as run_reader:
                made.append(judge_case(suite, case, run_reader, run_reader.run(done.entry.name)))
    return _of_repeats(suite, case, made, min_pass, started)


def _without_store(hint: str | None) -> str | None:
    """Return the hint of a run that ended early, without what it says of its store, which is gone."""
    parts = [] if hint is None else hint.split("; ")
    kept = [each for each in parts if " stored" not in each and "continues from there" not in each]
    return "; ".join([*kept, "no answer is kept"]) if len(kept) < len(parts) else hint


def _of_repeats(
    suite: CheckedSuite, case: CheckedCase, made: Sequence[Judgement], min_pass: int | None, started: float
) -> CaseVerdict:
    first = next((each for each in made if each.flaws), made[0])
    if len(made) == 1:
        return _verdict(suite, case, first, started)
    needed, passed = min_pass or len(made), sum(not each.flaws for each in made)
    flaws: tuple[Flaw, ...] = ()
    if passed < needed:
        count = f"{passed} of {len(made)} runs passed, {needed} must"
        flaws = (Flaw(case.mark, count, "the flaws of the first run that failed follow"), *first.flaws)
    verdict = _verdict(suite, case, replace(first, flaws=flaws), started)
    return replace(verdict, repeats=(passed, len(made)))


def _verdict(suite: CheckedSuite, case: CheckedCase, made: Judgement, started: float) -> CaseVerdict:
    kind = Verdict.FAILED if made.flaws else Verdict.PASSED
    seconds = time.monotonic() - started
    return CaseVerdict(suite.shown, case.name, case.mark, kind, seconds, made.flaws, gold=made.gold)


def _missed_row(suite: CheckedSuite, case: CheckedCase, done: ReplayedCase, number: int) -> MissedRow:
    """Return a row of a case whose requests are not recorded, with what its steps returned."""
    row = next((each for each in case.rows() if each.index == number), None)
    stored = done.run_reader.row(done.entry, number)
    names = frozenset(step.name for step in case.plan.steps)
    values = {} if stored is None else done.run_reader.values(stored, names)
    thinking = {} if stored is None else done.run_reader.thinking(stored, names)
    columns = {} if row is None else with_lf(row.row)
    stand_ins = stand_ins_of(suite.config.redact, columns)
    return MissedRow(case.place(number), with_lf(case.plan.scope(columns, values, thinking)), stand_ins)
