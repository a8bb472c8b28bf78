"""The headline of a report: what came of the rows, the cost, the time, and what a reader has to know first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from yamlgen.option_names import by_surface
from yamlgen.output.batch_detail import open_batches
from yamlgen.reports.amount_words import counted, share_told, time_told
from yamlgen.reports.bill import dollars
from yamlgen.shaping.output_plan import STEP
from yamlgen.store.run_reader import RunEntry, RunReader
from yamlgen.value_objects import JSON

_DROPPED: Final = {"where": "rejected", "unique": "duplicates"}
"""The keys of an output that drop rows, with their counts in the record of a run."""

_PARTIAL: Final = {
    "running": "still running: ",
    "stopped": "partial, stopped early: ",
    "killed": "partial, killed: ",
    "detached": "partial, its batches are in progress: ",
}
"""How the verdict of a run begins that has not come to its end, by its status."""


@dataclass(frozen=True, slots=True)
class Headline:
    """What came of a run.

    Attributes:
        run: the name of the run.
        pipeline: the name of the pipeline.
        status: `running`, `finished`, `stopped`, `detached` or `killed`.
        started: when it started: ISO 8601, UTC.
        simulated: whether the simulator answered.
        rows: the number of rows of its input; `None` if it is unknown.
        finished: the rows that finished.
        failed: the rows that failed.
        missing: the rows that lack an answer.
        ways: in how many ways rows failed: by step, code and keyword.
        nulls: the items and steps that failed and are null.
        cost_usd: what it has paid until now, in US dollars; `None` if a price is unknown.
        seconds: its duration, of a running one until now; `None` if it was killed.
        quota_used: the largest share of a limit per minute that it used in any minute, from 0 to 1; `None` if no limit
            is known.
        commit: the git commit of the pipeline; `None` outside of git.
        dirty: whether its folder had changes that were not committed.
        params: the parameters.
        models: for each model that was requested, how many answers came from each model, the most frequent first.
        banners: what a reader has to know first, as sentences: that it is simulated, partial or still running.
        version: the version of yamlgen that made it; empty if it is unknown.
        limit: to how many rows of its input it was limited; `None` if it was not.
        error: why it ended early, as a sentence, which may quote an answer; empty if it has not.
    """

    run: str
    pipeline: str
    status: str
    started: str
    simulated: bool
    rows: int | None
    finished: int
    failed: int
    missing: int
    ways: int
    nulls: int
    cost_usd: float | None
    seconds: float | None
    quota_used: float | None
    commit: str | None
    dirty: bool
    params: Mapping[str, JSON]
    models: Mapping[str, Mapping[str, int]]
    banners: tuple[str, ...]
    version: str = ""
    limit: int | None = None
    error: str = ""


def headline_of(
    run_reader: RunReader, run: RunEntry, *, ways: int, models: Mapping[str, Mapping[str, int]], now: datetime
) -> Headline:
    """Return the headline of a run.

    Args:
        run_reader: the store.
        run: the run.
        ways: in how many ways rows failed.
        models: the answers of each model, by the model that was requested.
        now: the time.
    """
    about, report, git = run.about, run.report or {}, run.about.get("git") or {}
    paces: Mapping[str, Mapping[str, float | None]] = report.get("pace") or {}
    used = [share for pace in paces.values() if (share := pace.get("quota_used")) is not None]
    until_now = (now - datetime.fromisoformat(run.started)).total_seconds()
    return Headline(
        run=run.name,
        pipeline=about["pipeline"]["name"],
        status=run.status,
        started=run.started,
        simulated=run_reader.place.simulated,
        rows=about.get("rows"),
        finished=run.finished,
        failed=run.failed,
        missing=run.missing,
        ways=ways,
        nulls=run.failed_items,
        cost_usd=run.paid["cost_usd"],
        seconds=max(0.0, until_now) if run.status == "running" else report.get("seconds"),
        quota_used=max(used, default=None),
        commit=git.get("commit"),
        dirty=bool(git.get("dirty")),
        params=about.get("params") or {},
        models=models,
        banners=tuple(_banners(run_reader, run)),
        version=(about.get("versions") or {}).get("yamlgen", ""),
        limit=about.get("limit"),
        error=_sentence(report.get("error") or ""),
    )


def _banners(run_reader: RunReader, run: RunEntry) -> Iterator[str]:
    """Yield what a reader has to know first."""
    about, rows = run.about, run.about.get("rows")
    done = run.finished + run.failed + run.missing
    reached = counted(done, "row") if rows is None else f"{done:,} of {counted(rows, 'row')}"
    if run_reader.place.simulated:
        yield "The run is simulated: the simulator made the answers up, and nothing was billed."
    if run.status == "running":
        yield f"The run is still in progress: this is what came of {reached}."
    elif run.status == "killed":
        yield f"The run was killed: this is what came of {reached}."
    elif run.status in ("stopped", "detached"):
        yield f"The run ended early: this is what came of {reached}."
    batches = open_batches(run_reader, run)
    if batches:
        requests = sum(batch.requests for batch in batches)
        what = f"{counted(len(batches), 'batch')} with {counted(requests, 'request')}"
        again = by_surface(command="the same command", python="the same call")
        yield f"{what} may still be in progress: {again} collects their answers."
    if has_cut(about.get("limit"), rows):
        yield f"The run has a limit: it covers only the first {counted(about['limit'], 'row')} of the input."
    for name, counts in ((run.report or {}).get("outputs") or {}).items():
        if run.finished and not counts["rows"]:
            which = "The output" if name == STEP else f"Output {name}"
            yield f"{which} has no rows: {_dropped(counts)}."
    if run.missing and run.status == "finished":
        lack = "row lacks an answer" if run.missing == 1 else "rows lack an answer"
        yield f"{run.missing:,} {lack} that the run was not allowed to request."
    if "declared" not in about:
        yield "An earlier version of yamlgen made the run: it recorded less than this one does."


def _dropped(counts: Mapping[str, int]) -> str:
    """Return why an output has none of the rows that finished."""
    dropped = [f"`{key}` dropped {counted(counts[count], 'row')}" for key, count in _DROPPED.items() if counts[count]]
    return ", ".join(dropped) or "`for_each` found no items"


def has_cut(limit: int | None, rows: int | None) -> bool:
    """Return whether the input may have more rows than the run has taken.

    Args:
        limit: the limit of rows; `None` without one.
        rows: how many rows it has taken; `None` if it is unknown.
    """
    return limit is not None and (rows is None or rows >= limit)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}." if text else ""


def verdict(headline: Headline) -> str:
    """Return what came of a run in one line.

    For example `1,987 of 2,000 rows; 13 failed in 3 ways; $4.12; 4 min 31 s at 96% of the quota`.
    """
    begins = "partial, the first rows of the input: " if has_cut(headline.limit, headline.rows) else ""
    return _PARTIAL.get(headline.status, begins) + "; ".join(_phrases(headline))


def _phrases(headline: Headline) -> Iterator[str]:
    if headline.rows is None:
        yield counted(headline.finished, "row")
    else:
        yield f"{headline.finished:,} of {counted(headline.rows, 'row')}"
    if headline.failed:
        yield f"{headline.failed:,} failed in {counted(headline.ways, 'way')}"
    if headline.missing:
        yield f"{headline.missing:,} without an answer"
    if headline.nulls:
        are = "failed item or step is" if headline.nulls == 1 else "failed items or steps are"
        yield f"{headline.nulls:,} {are} null"
    if headline.cost_usd is None:
        yield "price unknown"
    else:
        yield dollars(headline.cost_usd, simulated=headline.simulated)
    if headline.seconds is not None:
        quota = "the quota of the simulator" if headline.simulated else "the quota"
        pace = "" if headline.quota_used is None else f" at {share_told(headline.quota_used, 1)} of {quota}"
        yield time_told(headline.seconds) + pace
