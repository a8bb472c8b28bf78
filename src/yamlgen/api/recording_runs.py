"""Recording: the answers of missing requests, or of all, are asked for by ordinary runs and written next to the tests.

An answer is in the store of the pipeline before it is in the file, so that nothing is paid for twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from yamlgen.api.case_runs import CaseRun, CaseRunner
from yamlgen.api.test_files import OpenedSuite
from yamlgen.claude.answer_keys import AnswerKeys
from yamlgen.claude.provider import ClaudeProvider
from yamlgen.claude.provider_setup import open_provider
from yamlgen.data.row_identity import without_number
from yamlgen.errors import YamlgenError, near
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


async def record_suite(
    opened: OpenedSuite,
    missing: Sequence[tuple[CheckedCase, frozenset[int] | None]],
    runner: CaseRunner,
    tell: Tell,
    *,
    everything: bool = False,
) -> OpenedSuite:
    """Run the rows that lack recordings, write their recordings, and return the test file with them.

    Args:
        opened: the test file.
        missing: the cases to run, each with the positions of its rows; `None` for all rows.
        runner: runs them, in the store of the pipeline.
        tell: receives what the user should know.
        everything: whether these are all rows of all cases.

    Raises:
        LimitReached: the runs are not confirmed, or a limit stopped them; what was answered is in the store.
        YamlgenError: a run could not start, or ended early.
    """
    if missing:
        with replacing(opened.suite.recordings, "a recording"):  # before anything is paid
            pass
    for case, rows in missing:
        if rows is not None and opened.answers.are_simulated == runner.options.simulate:
            await _share(opened, case, runner)
    runs = [CaseRun.of(opened.suite, case, rows) for case, rows in missing]
    await runner.foresee(runs)
    told: dict[str, None] = {}
    made, of_rows = RecordedAnswers(), list[Recording]()
    for each, (case, rows) in zip(runs, missing, strict=True):
        done = await runner.run(each)
        chosen = [row for row in case.rows() if rows is None or row.index in rows]
        identities = {number: row.identity for number, row in enumerate(chosen)}
        with open_runs(done.place) as run_reader:
            entry = run_reader.run(done.entry.name)
            found = extract(run_reader, entry, case.plan, identities, redact=opened.suite.config.redact)
        made, of_rows = made.with_newer(found.recordings, found.of_rows), [*of_rows, *found.of_rows]
        # Another process may have recorded meanwhile.
        known = read_recordings(opened.suite.recordings).recordings
        opened = replace(opened, answers=known.with_newer(made, of_rows, everything=everything))
        written = write_recordings(opened.suite.recordings, opened.answers, secrets=secrets_of(case.plan))
        told.update(dict.fromkeys([*written.warnings, *still_recorded(opened.suite, found)]))
    for warning in told:
        tell(warning)
    return opened


async def _share(opened: OpenedSuite, case: CheckedCase, runner: CaseRunner) -> None:
    """Add the recorded answers of a case to the store of its pipeline, so that they are not paid for again."""
    plan, options = case.plan, runner.options
    async with open_provider(plan.runtime, options.simulation, sends=False) as provider:
        keys = AnswerKeys(provider.answerer(), plan.runtime.api_version, provider.headers().betas)
    redact = opened.suite.config.redact
    async with replay(case, opened.answers, redact=redact, store_keys=keys) as replayed:
        found = replayed.found
    if found:
        place = location_of(plan.file, options.store, simulated=options.simulate)
        keep_known(place, found, f"the recordings of {opened.suite.shown}")


def still_recorded(suite: CheckedSuite, found: Extraction) -> Iterator[str]:
    """Yield which values to be left out were recorded all the same, because a template or a model changed them."""
    for name in sorted(found.remaining):
        what = f"the value of `{name[1:-1]}` in other letters or percent-encoded, which `redact` does not leave out"
        yield f"warning: {near(suite.recordings)} contains {what}; send the value as it is, or a column without it"


def secrets_of(plan: Plan) -> list[str]:
    """Return the API key and the secret headers of this environment, which no file may contain."""
    provider, found = ClaudeProvider(plan.runtime), list[str]()
    with suppress(YamlgenError):
        found.append(provider.key())
    with suppress(YamlgenError):
        found += provider.headers().secrets
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
