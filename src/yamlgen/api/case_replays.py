"""The verdicts of cases: of a replay on recorded answers, or of runs through the models."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from yamlgen.api.case_runs import CaseRun, CaseRunner
from yamlgen.api.test_files import OpenedSuite
from yamlgen.errors import YamlgenError, near
from yamlgen.store.run_session import open_runs
from yamlgen.testing.goldens import write_golden
from yamlgen.testing.judging import Judgement, judge_case
from yamlgen.testing.misses import RecordedSteps, misses_of
from yamlgen.testing.recordings import RecordingKey
from yamlgen.testing.replay import replay
from yamlgen.testing.suite import CheckedCase, CheckedSuite
from yamlgen.testing.verdicts import CaseVerdict, Flaw, Verdict


@dataclass(frozen=True, slots=True)
class CaseReplay:
    """The replay of a case.

    Attributes:
        verdict: its verdict.
        used: the keys of the recordings that it used.
        missing: the positions of the rows that lack a recording.
    """

    verdict: CaseVerdict
    used: frozenset[RecordingKey]
    missing: frozenset[int]


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
        YamlgenError: the rows cannot be run, or a golden file cannot be read or written.
    """
    suite, started = opened.suite, time.monotonic()
    async with replay(case, opened.answers, redact=suite.config.redact) as done:
        rows = frozenset(each.row for each in done.missing)
        if rows:
            place = partial(_row_place, suite, case)
            misses = misses_of(case.plan, done.missing, done.not_reached, recorded, place)
            seconds = time.monotonic() - started
            verdict = CaseVerdict(suite.shown, case.name, case.mark, Verdict.MISSED, seconds, misses=misses)
            return CaseReplay(verdict, done.used, rows)
        made = judge_case(case, suite.path.parent, done.run_reader, done.entry, update=update)
    if update and made.golden is not None and case.config.golden is not None:
        write_golden(suite.path.parent / case.config.golden, made.golden)
    return CaseReplay(_verdict(suite, case, made, started), done.used, rows)


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
                made.append(judge_case(case, suite.path.parent, run_reader, run_reader.run(done.entry.name)))
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


def _row_place(suite: CheckedSuite, case: CheckedCase, row: int) -> str:
    """Return the place of a row of a case."""
    rows = case.config.rows
    if rows is None:
        return f"{case.mark.file}:{case.mark.line}"
    return f"{near(Path(suite.shown).parent / rows.path)}, row {row + 1}"
