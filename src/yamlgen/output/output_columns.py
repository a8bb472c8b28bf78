"""Composes a row of the output: the columns of the input, the values of the steps, and the added columns.

JSON from the store is copied into the line without parsing, which is fast.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from yamlgen.canonical_json import one_line
from yamlgen.pipeline.pipeline_model import Output
from yamlgen.store.codec import text_of
from yamlgen.store.run_reader import RunEntry, RunReader
from yamlgen.store.stored_results import StoredResult, StoredRow, usage_json
from yamlgen.value_objects import JSON, Usage


def compose_rows(run_reader: RunReader, run: RunEntry) -> Iterator[bytes]:
    """Return the finished rows of a run as JSON lines, in input order."""
    added = _added(run)
    for row in run_reader.rows(run):
        yield _line(run_reader, row, added)


def compose_row(run_reader: RunReader, run: RunEntry, number: int) -> bytes | None:
    """Return the JSON line of one row (from 0): empty if it failed, `None` if it has not finished."""
    row = run_reader.row(run, number)
    if row is None:
        return None
    return _line(run_reader, row, _added(run)) if row.status == "finished" else b""


def added_columns(output: Output) -> dict[str, JSON]:
    """Return for each column that an output can add whether it is added, for the record of the run."""
    return {name: getattr(output, name) for name in _ADDED}


def _added(run: RunEntry) -> list[str]:
    return [name for name in _ADDED if run.about.get(name)]


def _line(run_reader: RunReader, row: StoredRow, added: list[str]) -> bytes:
    members = [f'"{result.step}": {result.value}' for result in row.results]
    if columns := row.source[1:-1]:
        members.insert(0, columns)
    members += [f'"{name}": {text_of(_ADDED[name](run_reader, row))}' for name in added]
    return f"{{{one_line(', '.join(members))}}}\n".encode()


def _provenance(run_reader: RunReader, row: StoredRow) -> dict[str, JSON]:
    """Return the origin of the value of each step."""
    return {result.step: _origin(run_reader, result) for result in row.results}


def _origin(run_reader: RunReader, result: StoredResult) -> dict[str, JSON]:
    if result.status == "skipped":
        return {"skipped": True}
    attempts = run_reader.attempts(result)
    costs = [each.cost for each in attempts if each.cost is not None]
    return {
        "runs": [each.run for each in attempts],
        "models": [each.model for each in attempts],
        "stop_reasons": [each.stop_reason for each in attempts],
        "usage": usage_json(sum((each.usage for each in attempts), Usage())),
        "cost_usd": round(sum(costs), 9) if len(costs) == len(attempts) else None,
        **({"simulated": True} if run_reader.place.simulated else {}),
    }


_ADDED: Final[Mapping[str, Callable[[RunReader, StoredRow], JSON]]] = {"provenance": _provenance}
"""The columns that an output can add, by their name under `output` in the pipeline, in order."""
