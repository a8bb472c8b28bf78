"""Counts, row by row, how the requests of each step differ between two sides."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from yamlgen.comparison.row_states import RowState, StateTable, StepState
from yamlgen.value_objects import InputRow

NAMED: Final = 5
"""How many rows are named of those that were added, removed or changed."""

_NOTHING: Final = StepState(frozenset(), frozenset(), 0, b"", b"")


@dataclass
class RowCounts:
    """The rows of the input that were added, removed or changed: their number, and the names of the first ones."""

    total: int = 0
    added: int = 0
    removed: int = 0
    changed: int = 0
    names: dict[str, list[str]] = field(default_factory=dict)

    def note(self, what: str, name: str) -> None:
        """Count a row, and remember its name if it is one of the first."""
        setattr(self, what, getattr(self, what) + 1)
        names = self.names.setdefault(what, [])
        if len(names) < NAMED:
            names.append(name)


@dataclass
class StepTally:
    """How a step differs, by the number of rows.

    Attributes:
        rows: the rows of the new side that need a request of the step, or may need one.
        again: the rows of both sides whose requests differ.
        more: the rows that need requests in addition.
        less: the rows that need fewer requests.
        opened: the rows whose requests depend on a missing answer, and may differ.
        rechecked: those of them whose missing answers would be the same, and may need a re-ask that they did not need.
        sure: the rows that need a request whose answer is missing, which the old side does not miss.
        pending: the rows that lack an answer, or may lack one, under both sides.
        stored: the rows whose requests differ, and whose answers the store has.
        rejected: the stored answers that only the new side does not accept.
        accepted: the stored answers that only the old side did not accept.
        answered: the stored answers of the rows that both sides have.
        values: the rows whose value differs, for a step without a model.
        first: the name of the first row that differs.
        changed: whether a row differs whose own columns differ.
    """

    rows: int = 0
    again: int = 0
    more: int = 0
    less: int = 0
    opened: int = 0
    rechecked: int = 0
    sure: int = 0
    pending: int = 0
    stored: int = 0
    rejected: int = 0
    accepted: int = 0
    answered: int = 0
    values: int = 0
    first: str | None = None
    changed: bool = False


@dataclass
class TallyKeeper:
    """Compares the rows of the new side, one after another, with those of the old side.

    Args:
        before: the rows of the old side.
        steps: for each step of the new side, the name that it has on the old side; `None` if it is new.
        removed: the steps that only the old side has.
        rechecked: the steps of the new side whose checks differ, or the part of their schemas that is not sent.
        is_waiting: returns whether the request with a key is in a batch already.
    """

    before: StateTable
    steps: Mapping[str, str | None]
    removed: Iterable[str] = ()
    rechecked: Collection[str] = ()
    is_waiting: Callable[[bytes], bool] = lambda _: False
    counts: RowCounts = field(default_factory=RowCounts)
    tallies: dict[str, StepTally] = field(init=False)
    _left_out: dict[str, frozenset[bytes]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self.tallies = {name: StepTally() for name in (*self.steps, *self.removed)}

    def add(self, row: InputRow, state: RowState, name: str) -> None:
        """Compare a row of the new side."""
        found = self.before.take(row.identity)
        self.counts.total += 1
        if found is None:
            self.counts.note("added", name)
        elif found[1].content != state.content:
            self.counts.note("changed", name)
        old = RowState(b"", {}) if found is None else found[1]
        is_other = found is None or old.content != state.content
        self._left_out = {}
        for step, now in state.steps.items():
            was = old.steps.get(self.steps[step] or "")
            self._count(step, was, now, name, is_new=found is None, is_other=is_other)

    def is_left_out(self, _: str, step: str, key: bytes) -> bool:
        """Return whether a request of the last row is not due to the change: the old side needs it too."""
        return key in self._left_out.get(step, ())

    def end(self) -> None:
        """Count the rows that only the old side has; call it after all rows of the new side."""
        names = {old: new for new, old in self.steps.items() if old is not None}
        for name, state in self.before.untaken():
            self.counts.note("removed", name)
            for step, was in state.steps.items():
                tally = self.tallies[names.get(step, step)]
                tally.less += was.keys is None or bool(was.keys)
                if was.keys is None or was.keys or was.value:
                    tally.changed, tally.first = True, tally.first or name

    def _count(
        self, step: str, was: StepState | None, now: StepState, name: str, *, is_new: bool, is_other: bool
    ) -> None:
        tally, before = self.tallies[step], was or _NOTHING
        tally.rows += now.keys is None or bool(now.keys)
        is_same = now.is_same(before) if was is not None else now.keys is not None and not (now.keys or now.value)
        missing = {key for key in now.missing if not self.is_waiting(key)}
        pending = missing & before.missing
        if now.keys is None and is_same:
            pending = {b""}
        tally.pending += bool(pending)
        self._left_out[step] = frozenset(pending)
        if missing - pending:
            tally.sure += 1
        if is_same and pending and step in self.rechecked:
            tally.opened += 1
            tally.rechecked += 1
            tally.first = tally.first or name
        if not is_same:
            tally.first = tally.first or name
            tally.changed |= is_other
            self._relate(tally, before, now, is_new=is_new)
        elif now.keys and not is_new:
            tally.rejected += max(0, now.failed - before.failed)
            tally.accepted += max(0, before.failed - now.failed)
            tally.answered += len(now.keys - now.missing)
            if now.failed != before.failed or missing - pending:
                tally.first = tally.first or name

    def _relate(self, tally: StepTally, was: StepState, now: StepState, *, is_new: bool) -> None:
        if now.keys is None:
            tally.opened += 1
            return
        if now.value or was.value:
            tally.values += now.value != was.value
            return
        known = was.keys
        if is_new or (known is not None and known < now.keys):
            tally.more += 1
        elif known is not None and known > now.keys:
            tally.less += 1
        else:
            tally.again += 1
        tally.stored += not now.missing
