"""What is wrong with cases that were written from a run: draws that differ, requests that the run did not send."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from yamlgen.errors import Code, UsageError
from yamlgen.option_names import option
from yamlgen.store.run_reader import RunEntry, RunReader
from yamlgen.store.stored_results import StoredRow
from yamlgen.testing.judging import judge_case
from yamlgen.testing.recordings import RecordedAnswers
from yamlgen.testing.replay import replay
from yamlgen.testing.suite import CheckedSuite

_DRAW = "draw"


def other_draws(
    suite: CheckedSuite, run_reader: RunReader, run: RunEntry, rows: Mapping[str, StoredRow]
) -> dict[str, str]:
    """Return why the `draw` steps of rows would draw other values in a test than in a run, by the names of the cases.

    Draws depend on the identity of a row. Without `input.id`, this includes the number of the row among equal rows,
    which a case of one row does not have.

    Args:
        suite: the test file with the cases.
        run_reader: the store of the run.
        run: the run.
        rows: the rows of the new cases.
    """
    found: dict[str, str] = {}
    for case in suite.cases:
        row = rows.get(case.name)
        draws = [step.name for step in case.plan.steps if step.kind == _DRAW]
        if row is None or not draws or not case.is_single:
            continue
        given = next(iter(case.rows()))
        same = run_reader.find(run, given.identity)
        if same == row.number:
            continue
        why = "the pipeline reads other columns of the row than in the run"
        if same is not None:
            why = f"the row is equal to row {same + 1} of the run; set `input.id`, and run the pipeline again"
        elif given.row != run_reader.columns(row):
            why = "the identity of the row contains a value that `redact` leaves out; set `input.id` to another column"
        found[case.name] = f"step `{draws[0]}` would draw other values than in the run: {why}"
    return found


def refuse_if_none(left_out: Mapping[str, str], rest: Sequence[object], run: str) -> None:
    """Check that any case is left.

    Raises:
        UsageError: all cases are left out.
    """
    if left_out and not rest:
        name, why = next(iter(left_out.items()))
        fact, _, hint = why.partition("; ")
        message = f"no case written from run {run}: {name}: {fact}"
        raise UsageError(message, code=Code.CONFLICT, hint=hint or "run the pipeline again")


async def case_warnings(
    suite: CheckedSuite, answers: RecordedAnswers, rows: Mapping[str, StoredRow], run: str
) -> list[str]:
    """Return warnings about new cases that do not pass on the recordings of their run.

    The case of a row that failed in the run is expected to fail.

    Args:
        suite: the test file.
        answers: the recordings.
        rows: the rows of the new cases, by the names of the cases.
        run: the name of the run.
    """
    changed: dict[str, list[str]] = {}
    failed: list[tuple[str, str]] = []
    lacking: dict[str, list[str]] = {}
    for case in suite.cases:
        row = rows.get(case.name)
        if row is None:
            continue
        async with replay(case, answers, redact=suite.config.redact) as done:
            for step in dict.fromkeys(each.step for each in done.missing):
                (changed if row.status == "finished" else lacking).setdefault(step, []).append(case.name)
            if not done.missing and row.status == "finished":
                judged = judge_case(suite, case, done.run_reader, done.entry)
                failed += [(case.name, flaw.what) for flaw in judged.flaws[:1]]
    return [*_missing(changed, lacking, run), *_failing(failed, run)]


def _missing(changed: Mapping[str, list[str]], lacking: Mapping[str, list[str]], run: str) -> Iterator[str]:
    for step, names in changed.items():
        what = f"`{step}` now sends another request than in run {run}"
        yield f"warning: {_of(names)}: {what}; run the pipeline again, or record with {option('record')}"
    for step, names in lacking.items():
        what = f"run {run} has no answer to a request of `{step}`"
        yield f"warning: {_of(names)}: {what}; run the pipeline again, or record with {option('record')}"


def _failing(failed: Sequence[tuple[str, str]], run: str) -> Iterator[str]:
    if failed:
        name, what = failed[0]
        more = f", and {len(failed) - 1} more cases," if len(failed) > 1 else ""
        yield f"warning: {name}{more} will fail, although the row finished in run {run}: {what}"


def _of(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{len(names)} cases, such as {names[0]}"
