"""Recording: the answers of missing requests, or of all, are asked for by ordinary runs and written next to the tests.

An answer is in the store of the pipeline before it is in the file, so that nothing is paid for twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from yamlgen.api.case_runs import CaseRun, CaseRunner, RunsOfFile
from yamlgen.api.run_options import RunOptions
from yamlgen.api.test_files import OpenedSuite
from yamlgen.claude.provider import ClaudeProvider
from yamlgen.claude.provider_setup import open_provider
from yamlgen.data.row_identity import without_number
from yamlgen.errors import YamlgenError, near
from yamlgen.events import RunWarned
from yamlgen.output.atomic_write import replacing
from yamlgen.planning.plan import Plan
from yamlgen.store.known_answers import keep_known
from yamlgen.store.location import location_of
from yamlgen.store.run_session import open_runs
from yamlgen.testing.extraction import Extraction, extract
from yamlgen.testing.recording_file import read_recordings, write_recordings
from yamlgen.testing.recordings import RecordedAnswers, Recording
from yamlgen.testing.replay import replay
from yamlgen.testing.suite import CheckedCase, CheckedSuite

Tell = Callable[[str], object]
"""Receives what the user should know, as a sentence."""


@dataclass(frozen=True, slots=True)
class ToRecord:
    """What is to be recorded of a test file.

    Attributes:
        opened: the test file.
        missing: the cases to run, each with the positions of its rows; `None` for all rows.
        everything: whether these are all rows of all cases.
        replaced: the number of used answers of the simulator that answers of models replace.
    """

    opened: OpenedSuite
    missing: Sequence[tuple[CheckedCase, frozenset[int] | None]]
    everything: bool = False
    replaced: int = 0


async def record_suites(given: Sequence[ToRecord], runner: CaseRunner, tell: Tell) -> list[OpenedSuite]:
    """Run the rows that lack recordings, write their recordings, and return the test files with what was written.

    The cost of all files is confirmed together, before anything is sent.

    Args:
        given: the test files, each with the rows to run.
        runner: runs them, in the stores of their pipelines.
        tell: receives what the user should know.

    Raises:
        LimitReached: the runs are not confirmed, or a limit stopped them; finished rows are recorded, and what was
            answered is in the store.
        YamlgenError: a run could not start, or ended early.
    """
    for each in given:
        if each.missing:
            with replacing(each.opened.suite.recordings, "a recording"):  # before anything is paid
                pass
    with ExitStack() as stack:
        runs = [await _runs_of(each, runner, stack) for each in given]
        await runner.foresee(runs)
        return [await _record(each, of_file, runner, tell) for each, of_file in zip(given, runs, strict=True)]


async def _runs_of(given: ToRecord, runner: CaseRunner, stack: ExitStack) -> RunsOfFile:
    """Return the runs of a test file, whose recorded answers are in the store."""
    suite, answers, options = given.opened.suite, given.opened.answers, runner.options
    if options.simulate and len(answers.real):
        # The store of simulated runs may have answered a request that a model has answered in the recordings.
        folder = stack.enter_context(TemporaryDirectory(prefix="yamlgen-test-", ignore_cleanup_errors=True))
        options = replace(options, store=Path(folder))
    known = answers if options.simulate else answers.real
    for case, rows in given.missing:
        if rows is not None and len(known):
            await _share(suite, case, known, options)
    runs = tuple(CaseRun.of(suite, case, rows) for case, rows in given.missing)
    return RunsOfFile(suite, runs, options, given.replaced)


async def _record(given: ToRecord, of_file: RunsOfFile, runner: CaseRunner, tell: Tell) -> OpenedSuite:
    """Run the rows of a test file, and return the file with the recordings that it has now."""
    book, options = _Book(given.opened, everything=given.everything), of_file.options
    for number, (each, (case, rows)) in enumerate(zip(of_file.runs, given.missing, strict=True), start=1):
        try:
            await runner.run(each, options)
        except BaseException:  # a run that ends early has finished rows, too
            if runner.started is not None:
                with suppress(YamlgenError):
                    book.add(case, rows, options, runner.started)
            for warning in book.told:
                runner.observe(RunWarned(warning))
            raise
        assert runner.started is not None  # noqa: S101 - it has finished
        book.add(case, rows, options, runner.started, is_last=number == len(of_file.runs))
    for warning in book.told:
        tell(warning)
    if not of_file.runs:
        return given.opened
    # An answer with a secret is not in the file: what is judged is what the next test finds.
    return replace(given.opened, answers=read_recordings(given.opened.suite.recordings).recordings)


@dataclass
class _Book:
    """The recordings of a test file, to which those of one run after another are added.

    Attributes:
        opened: the test file with its recordings.
        everything: whether all rows of all cases are run.
        told: what the user should know.
    """

    opened: OpenedSuite
    everything: bool
    told: dict[str, None] = field(default_factory=dict)
    _made: RecordedAnswers = field(default_factory=RecordedAnswers)
    _of_rows: list[Recording] = field(default_factory=list)

    def add(
        self, case: CheckedCase, rows: frozenset[int] | None, options: RunOptions, run: str, *, is_last: bool = False
    ) -> None:
        """Write the recordings of the finished rows of a run.

        Args:
            case: the case.
            rows: the positions of its rows that were run; `None` for all rows.
            options: the options of the run.
            run: its name.
            is_last: whether all runs have finished now, so that older answers of other rows are no longer needed.
        """
        suite = self.opened.suite
        chosen = [row for row in case.rows() if rows is None or row.index in rows]
        identities = {number: row.identity for number, row in enumerate(chosen)}
        with open_runs(location_of(case.plan.file, options.store, simulated=options.simulate)) as run_reader:
            found = extract(run_reader, run_reader.run(run), case.plan, identities, redact=suite.config.redact)
        self._made = self._made.with_newer(found.recordings, found.of_rows)
        self._of_rows += found.of_rows
        # Another process may have recorded meanwhile.
        known = read_recordings(suite.recordings).recordings
        if is_last and self.opened.is_whole and not options.simulate:  # every case has answers of models now
            known = known.real
        everything = self.everything and is_last
        self.opened = replace(self.opened, answers=known.with_newer(self._made, self._of_rows, everything=everything))
        written = write_recordings(suite.recordings, self.opened.answers, secrets=secrets_of(case.plan))
        self.told.update(dict.fromkeys([*written.warnings, *still_recorded(suite, found)]))


async def _share(suite: CheckedSuite, case: CheckedCase, known: RecordedAnswers, options: RunOptions) -> None:
    """Add the recorded answers of a case to the store of its pipeline, so that they are not paid for again."""
    plan = case.plan
    async with open_provider(plan, options.simulation, sends=False) as provider:
        keys = {name: end.keys() for name, end in provider.endpoints(plan).items()}
    async with replay(case, known, redact=suite.config.redact, store_keys=keys) as replayed:
        found = replayed.found
    if found:
        place = location_of(plan.file, options.store, simulated=options.simulate)
        keep_known(place, found, f"the recordings of {suite.shown}")


def still_recorded(suite: CheckedSuite, found: Extraction) -> Iterator[str]:
    """Yield which values to be left out were recorded all the same, because a template or a model changed them."""
    return left_in(suite.recordings, found.remaining)


def left_in(path: Path, stand_ins: Iterable[str]) -> Iterator[str]:
    """Yield which values to be left out a file contains all the same, given their stand-ins."""
    for name in sorted(stand_ins):
        what = f"the value of `{name[1:-1]}` in other letters or percent-encoded, which `redact` does not leave out"
        yield f"warning: {near(path)} contains {what}; send the value as it is, or a column without it"


def secrets_of(plan: Plan) -> list[str]:
    """Return the keys, tokens and secret headers of this environment, which no file may contain."""
    provider, found = ClaudeProvider(plan.runtime), list[str]()
    with suppress(YamlgenError):
        for end in provider.endpoints(plan).values():
            with suppress(YamlgenError):
                credentials = end.credentials()
                credentials.close()
                found += credentials.secrets()
    with suppress(YamlgenError):
        found += provider.headers(plan).secrets
    return found


def rows_to_run(
    cases: Sequence[CheckedCase], missing: Mapping[str, frozenset[int]], *, everything: bool
) -> list[tuple[CheckedCase, frozenset[int] | None]]:
    """Return the cases to run, each with the positions of the rows that lack a recording; `None` for all rows."""
    if everything:
        return [(case, None) for case in cases]
    return [(case, _with_equal(case, missing[case.name])) for case in cases if missing.get(case.name)]


def _with_equal(case: CheckedCase, rows: frozenset[int]) -> frozenset[int]:
    """Return positions of rows, and those of equal rows before them, whose numbers draws depend on."""
    wanted, last = set[str](), max(rows)
    found = []
    for row in reversed([row for row in case.rows() if row.index <= last]):
        if row.index in rows:
            wanted.add(without_number(row.identity))
        if without_number(row.identity) in wanted:
            found.append(row.index)
    return frozenset(found)
