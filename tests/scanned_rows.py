"""Rows of a run as its scan gives them, without a store."""

from yamlgen.store.row_scan import ScannedRow, ScannedStep
from yamlgen.store.stored_results import StoredAttempt
from yamlgen.value_objects import Usage


def attempt(stop_reason="end_turn", *, model="claude-haiku-5-5", errors=()):
    """One answer to a request."""
    return StoredAttempt(
        number=1,
        errors=list(errors),
        case="",
        notes=[],
        run="run",
        received="2026-01-01T00:00:00+00:00",
        model=model,
        stop_reason=stop_reason,
        requested="claude-haiku-5-5",
        request_id=None,
        usage=Usage(),
        cost=0.0,
        seconds=1.0,
        batch=None,
    )


def step(value=None, *, status="finished", attempts=(), failed_items=(), code=None):
    """What a step did."""
    return ScannedStep(status, code and {"code": code}, list(failed_items), list(attempts), None, None, value)


def row(number=0, *, status="finished", columns=None, **steps):
    """A row that a run has reached; its position counts from 0."""
    return ScannedRow(number, status, steps, None, None, None, {} if columns is None else columns)
