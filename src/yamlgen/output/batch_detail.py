"""The batches of a run, as `runs show` prints them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from yamlgen.batches.batch_store import BatchRecord, State
from yamlgen.store.run_reader import RunEntry, RunReader
from yamlgen.value_objects import JSON

_SENT: Final = frozenset({State.POSTING, State.POSTED})


def open_batches(run_reader: RunReader, run: RunEntry) -> list[BatchRecord]:
    """Return the batches of a run that the API may still process. Those of a simulated run end with it."""
    if run_reader.place.simulated and run.status != "running":
        return []
    return [batch for batch in run_reader.batches(run.number) if batch.state in _SENT]


def describe_batches(run_reader: RunReader, run: RunEntry) -> list[JSON]:
    """Return the batches of a run with their state, as of the last check.

    Batches that a later run waits for, or has collected, are described as this run left them. What an ended run has
    gathered and not posted is not a batch.
    """
    still = open_batches(run_reader, run)
    stored = run_reader.batches(run.number)
    known_to_api = [each for each in stored if run.status == "running" or each.state is not State.GATHERING]
    batches = [_described(batch, is_open=batch in still) for batch in known_to_api]
    known = {batch["id"] for batch in batches}
    reported = [batch for batch in (run.report or {}).get("batches", []) if batch["id"] not in known]
    return [{**batch, "status": "continued"} for batch in reported if batch["status"] != "collected"] + batches


def _described(batch: BatchRecord, *, is_open: bool) -> dict[str, JSON]:
    created, ended = batch.created, batch.ended
    until = ended or (datetime.now(UTC) if is_open else None)
    status = str(State.LOST if batch.state in _SENT and not is_open else batch.state)
    return {
        "id": batch.id,
        "step": batch.step,
        "status": "in_progress" if status == State.POSTED else status,
        "requests": batch.requests,
        "created": None if created is None else created.isoformat(timespec="seconds"),
        "ended": None if ended is None else ended.isoformat(timespec="seconds"),
        "seconds": None if created is None or until is None else round((until - created).total_seconds(), 3),
        "counts": {name: count for name, count in (batch.counts or {}).items() if name != "processing"},
        "cost_usd": None if batch.cost is None else round(batch.cost, 9),
    }
