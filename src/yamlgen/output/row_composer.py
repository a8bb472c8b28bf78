"""Makes the output rows of a run from its stored rows, as JSON lines in input order.

With the default columns, JSON from the store is copied into the line without parsing, which is fast.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Self

from yamlgen.canonical_json import one_line
from yamlgen.data.occurrence_counter import OccurrenceCounter
from yamlgen.data.row_identity import id_identity
from yamlgen.schemas.author_schema import json_schema
from yamlgen.shaping.output_config import Output
from yamlgen.shaping.output_plan import ITEM, OutputPlan, OutputRow
from yamlgen.steps.fan_out import Scope
from yamlgen.store.codec import text_of
from yamlgen.store.run_reader import RunEntry, RunReader
from yamlgen.store.stored_results import StoredResult, StoredRow, usage_json
from yamlgen.value_objects import JSON, Usage

_NOTHING: Final = (None, None)

REJECTED: Final = None
"""The part of the rows that `where` drops."""


@dataclass
class OutputCounts:
    """How many rows an output has.

    Attributes:
        rows: the rows that are written, without rejected ones.
        rejected: the rows for which `where` is false.
        duplicates: the rows that `unique` drops.
        kept: the failed rows among `rows`.
        parts: the rows of each part of a split, also of an empty part.
        digest: the sha256 of its file, in hexadecimal; of several files, a digest of theirs; `None` if it was printed,
            or left as it was.
    """

    rows: int = 0
    rejected: int = 0
    duplicates: int = 0
    kept: int = 0
    parts: Counter[str] = field(default_factory=Counter)
    digest: str | None = None

    def rows_of(self, part: str | None) -> int:
        """Return the number of rows of a part; of all, if the part is empty."""
        return self.parts[part] if part else self.rows

    def as_json(self) -> dict[str, JSON]:
        """Return the counts as JSON values."""
        return {**vars(self), "parts": dict(self.parts)}


def outputs_of(run: RunEntry) -> list[OutputPlan]:
    """Return the outputs of a run, as they were when it ran."""
    resolved: Mapping[str, Any] = run.about.get("resolved") or {}
    written = resolved.get("outputs") or {"": resolved.get("output") or {}}
    declared: Mapping[str, Any] = resolved.get("steps") or {}
    steps = tuple(declared)
    kept = frozenset(name for name, keys in declared.items() if (keys.get("output") or {}).get("keep_thinking"))
    types = run.about.get("types") or {}
    made = []
    for name, keys in written.items():
        added = {key: run.about[key] for key in _ADDED if key in run.about}  # as older versions recorded it
        kind = json_schema(types.get(name) or {"type": "object"})
        config = Output.model_validate({**added, **keys})
        made.append(OutputPlan(name=name, config=config, steps=steps, keep_thinking=kept, type=kind))
    return made


class RowComposer:
    """Makes the rows of one output, in input order; a context manager.

    Args:
        run_reader: the store.
        run: the run.
        output: the output.
    """

    def __init__(self, run_reader: RunReader, run: RunEntry, output: OutputPlan) -> None:
        self._run_reader = run_reader
        self._run = run
        self.output = output
        self._params: JSON = run.about.get("params", {})
        self._id = run_reader.id_column(run)
        self._seen: OccurrenceCounter | None = None
        self.counts = self._begun()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._forget()

    def _begun(self) -> OutputCounts:
        split = self.output.config.split
        return OutputCounts(parts=Counter(dict.fromkeys(split.parts if split else (), 0)))

    def _forget(self) -> None:
        if self._seen is not None:
            self._seen.close()
        self._seen = None

    def lines(self) -> Iterator[bytes]:
        """Yield all rows but the rejected ones. Each call begins again, with new counts."""
        return (line for part, line in self.parted() if part is not REJECTED)

    def numbered(self) -> Iterator[tuple[int, bytes]]:
        """Yield all rows but the rejected ones, each with the position of its row in the input."""
        self._forget()
        self.counts = self._begun()
        for row in self._run_reader.rows(self._run, failed=self.output.config.failed == "keep"):
            yield from ((row.number, line) for part, line in self.compose(row) if part is not REJECTED)

    def parted(self) -> Iterator[tuple[str | None, bytes]]:
        """Yield all rows, each with its part: empty without a split, `REJECTED` for a row that `where` drops."""
        self._forget()
        self.counts = self._begun()
        if self._is_spliced:
            for source, done in self._run_reader.texts(self._run):
                self.counts.rows += 1
                yield "", _line_of(self._default_members(source[1:-1], done))
            return
        for row in self._run_reader.rows(self._run, failed=self.output.config.failed == "keep"):
            yield from self.compose(row)

    @cached_property
    def _is_spliced(self) -> bool:
        """Whether each finished row is one line of what is stored, and no other row has one."""
        output, config = self.output, self.output.config
        return output.is_plain and config.split is None and config.failed != "keep" and not config.added

    def line(self, number: int) -> bytes | None:
        """Return the lines of one row (from 0), empty if it has none; `None` if it has not finished.

        Call it for each row in order, and not again for a row that had finished.
        """
        row = self._run_reader.row(self._run, number)
        if row is None:
            return None
        return b"".join(line for part, line in self.compose(row) if part is not REJECTED)

    def compose(self, row: StoredRow) -> Iterator[tuple[str | None, bytes]]:
        """Yield the output rows of a row, each with its part."""
        output = self.output
        has_failed = row.status == "failed"
        if row.status != "finished" and not (has_failed and output.config.failed == "keep"):
            return
        if output.is_plain and output.config.split is None and not has_failed:
            self.counts.rows += 1
            yield "", self._line(row, OutputRow(None))
            return
        scope = self._scope(row)
        identity = None if self._id is None else id_identity(scope["row"].get(self._id))
        part: str | None = None
        for made in [output.failed_row(scope)] if has_failed else output.rows(scope):
            if made.is_rejected:
                self.counts.rejected += 1
                if output.config.rejected is not None:
                    yield REJECTED, self._line(row, made)
            elif made.digest is not None and self._count(made.digest):
                self.counts.duplicates += 1
            else:
                self.counts.rows += 1
                self.counts.kept += has_failed
                if part is None:  # only now: `where` may have dropped the rows for which `split.by` fails
                    part = output.part(scope, identity, has_failed=has_failed)
                if part:
                    self.counts.parts[part] += 1
                yield part, self._line(row, made)

    def _count(self, digest: bytes) -> int:
        if self._seen is None:
            self._seen = OccurrenceCounter()
        return self._seen.count(digest)

    def _scope(self, row: StoredRow) -> Scope:
        """Return the names that the expressions of an output can read in a row."""
        values = self._run_reader.values(row, self.output.needs)
        scope = {"row": self._run_reader.columns(row), "params": self._params, "steps": values}
        if not self.output.keep_thinking:
            return scope
        return {**scope, "thinking": self._run_reader.thinking(row, self.output.needs & self.output.keep_thinking)}

    def _line(self, row: StoredRow, made: OutputRow) -> bytes:
        output = self.output
        if made.columns is not None:
            members = [text_of(made.columns)[1:-1]]
        else:
            done = {each.step: (each.value, each.thinking) for each in row.results if _is_done(each)}
            members = self._default_members(self._input_columns(row), done)
            if output.config.for_each is not None:
                members.append(f'"{ITEM}": {text_of(made.item)}')
        for name in output.config.added:
            members.append(f'"{name}": {text_of(_ADDED[name](self._run_reader, row))}')
        return _line_of(members)

    def _default_members(self, columns: str, done: Mapping[str, tuple[str | None, str | None]]) -> list[str]:
        """Return the default columns, as the members of a JSON object.

        Args:
            columns: those of the input, as such members.
            done: for each step that is done, its value, and what its model thought, as JSON.
        """
        members = [columns] if columns else []
        for step, named, thought in self._named:
            value, thinking = done.get(step, _NOTHING)
            members.append(named + (value or "null"))
            if thought is not None:
                members.append(thought + (thinking or "null"))
        return members

    @cached_property
    def _named(self) -> list[tuple[str, str, str | None]]:
        """The steps that are default columns, each with the JSON before its value and before its thinking."""
        each = ((step, self.output.thinking_column(step)) for step in self.output.step_columns)
        return [(step, f'"{step}": ', None if thought is None else f'"{thought}": ') for step, thought in each]

    def _input_columns(self, row: StoredRow) -> str:
        """Return the columns of the input that are default columns, as the members of a JSON object."""
        if not self.output.excluded:
            return row.source[1:-1]
        columns = self._run_reader.columns(row)
        return text_of({name: value for name, value in columns.items() if name not in self.output.excluded})[1:-1]


def _line_of(members: list[str]) -> bytes:
    return f"{{{one_line(', '.join(members))}}}\n".encode()


def _is_done(result: StoredResult) -> bool:
    """Return whether a result has a value, which is null if the step was skipped."""
    return result.status != "failed"


def _provenance(run_reader: RunReader, row: StoredRow) -> dict[str, JSON]:
    """Return the origin of the value of each step."""
    return {result.step: _origin(run_reader, result) for result in row.results if _is_done(result)}


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
