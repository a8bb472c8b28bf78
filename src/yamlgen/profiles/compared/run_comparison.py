"""A run against another run of the same pipeline: fields, values, failures, cost and time.

Everywhere here, rows are positions in the input of this run, counted from 1.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Final

from yamlgen.errors import Code
from yamlgen.output.row_composer import REJECTED, RowComposer, outputs_of
from yamlgen.profiles.compared.row_pairs import OTHER, THIS, PairCounts, RowPairs
from yamlgen.profiles.compared.value_changes import FEW_ROWS, ChangeObserver, ValueChanges
from yamlgen.profiles.fields.field_profile import Basis, Field
from yamlgen.profiles.headline import Headline, has_cut
from yamlgen.profiles.step_profile import StepProfile
from yamlgen.reports.amount_words import counted
from yamlgen.store.run_reader import RunEntry, RunReader
from yamlgen.store.stored_results import StoredRow
from yamlgen.value_objects import JSON

MOST_WAYS: Final = 12
"""The ways of failing that are listed as gained, and as lost."""

NAMED_ROWS: Final = 2
"""The rows of a way of failing, or of a change of a value, that a page names, and shows among its rows."""

_MOST_CITED: Final = 100
_LONGEST: Final = 30
_CHOICES: Final = ("choice", "boolean")


@dataclass(frozen=True, slots=True)
class ComparedSide:
    """One of the two runs that are compared: its store, and its profile.

    Attributes:
        run_reader: its store.
        run: the run.
        headline: as in the profile of the run; the others, too.
        basis: in which rows its fields were counted.
        fields: its fields.
        steps: its steps.
    """

    run_reader: RunReader
    run: RunEntry
    headline: Headline
    basis: Basis
    fields: Sequence[Field]
    steps: Sequence[StepProfile]


@dataclass(frozen=True, slots=True)
class FailureChange:
    """A way of failing that rows of both runs have in one of them only.

    Attributes:
        step: the step; `output` if an output row could not be made.
        code: the code of the error.
        effect: `failed row`, `null step`, `null item` or `missing row`.
        count: in how many rows.
        rows: the first of them.
    """

    step: str
    code: str
    effect: str
    count: int
    rows: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class FieldComparison:
    """A field of this run and of the other one.

    Attributes:
        name: its path.
        this: the field in this run; `None` if it lacks it.
        other: the field in the other run; `None` if it lacks it.
        changes: how its values differ in the rows that both have finished; `None` for a field of one run, and for a
            field of the items of a list.
    """

    name: str
    this: Field | None
    other: Field | None
    changes: ValueChanges | None


@dataclass(frozen=True, slots=True)
class StepComparison:
    """A step of this run and of the other one; `None` if a run lacks it."""

    name: str
    this: StepProfile | None
    other: StepProfile | None


@dataclass(frozen=True, slots=True)
class RunComparison:
    """A run against another run.

    Attributes:
        other: the headline of the other run.
        usage: the tokens that this run paid for.
        other_usage: the tokens that the other run paid for.
        notes: what limits the comparison, as sentences.
        changes: what differs between the pipelines as they ran, as phrases; `None` if the other run or this one has not
            recorded it.
        matched_by: how rows were matched: `identity`, or `content` if no identity is in both runs: the columns of the
            input are equal.
        rows: how many rows are in both runs, and in one of them alone.
        finished: how many rows both have finished.
        newly_failed: how many rows have finished in the other run alone.
        mended: how many rows have finished in this run alone, of those that both have.
        uneven: how many rows came to more output rows in one of the runs than in the other, and were not compared.
        gained: the ways of failing that only this run has in some rows, the most frequent first; at most 12.
        lost: those that only the other run has.
        ways_left_out: how many ways `gained` and `lost` leave out.
        fields: the fields of both runs, in the order of this one.
        steps: the steps of both runs, in the order of this one.
        ids: the ids of the rows that are named, by their numbers; empty if the input has none.
    """

    other: Headline
    usage: Mapping[str, int]
    other_usage: Mapping[str, int]
    notes: tuple[str, ...]
    changes: tuple[str, ...] | None
    matched_by: str
    rows: PairCounts
    finished: int
    newly_failed: int
    mended: int
    uneven: int
    gained: tuple[FailureChange, ...]
    lost: tuple[FailureChange, ...]
    ways_left_out: int
    fields: tuple[FieldComparison, ...]
    steps: tuple[StepComparison, ...]
    ids: Mapping[int, JSON]

    def cited(self) -> tuple[tuple[int, str], ...]:
        """Return the rows that are named first: the position of each, from 0, and how it differs, as a phrase."""
        found = [
            (number - 1, f"{each.effect} in {where} run alone: {each.step} {each.code}")
            for where, ways in (("this", self.gained), ("the other", self.lost))
            for each in ways
            for number in each.rows[:NAMED_ROWS]
        ]
        for field in self.fields:
            if field.changes is None:
                continue
            found += [
                (number - 1, f"{field.name}: {_told(flip.other)} -> {_told(flip.this)}")
                for flip in field.changes.table or ()
                for number in flip.rows[:NAMED_ROWS]
            ]
            found += [(number - 1, f"{field.name} differs") for number in field.changes.rows[:NAMED_ROWS]]
        return tuple(found[:_MOST_CITED])


def comparison_verdict(against: RunComparison) -> str:
    """Return what came of it in a line: `against NAME: 24 rows in both; 2 failed anew; 3 of 9 fields differ`."""
    told = [f"against {against.other.run}: {counted(against.rows.both, 'row')} in both"]
    told += [f"{against.newly_failed:,} failed anew"] if against.newly_failed else []
    told += [f"{against.mended:,} mended"] if against.mended else []
    compared = [each.changes for each in against.fields if each.changes is not None and each.changes.compared]
    if compared:
        differ = sum(1 for each in compared if each.changed)
        told.append(f"{differ:,} of {counted(len(compared), 'field')} {'differs' if differ == 1 else 'differ'}")
    return "; ".join(told)


def compare(this: ComparedSide, other: ComparedSide, changes: Sequence[str] | None) -> RunComparison:
    """Compare a run with another run.

    Args:
        this: the run.
        other: the other run of the same pipeline.
        changes: what differs between the pipelines as they ran; `None` if that is unknown.

    Raises:
        EnvironmentProblem: a store cannot be read, or the folder for temporary files is full.
    """
    with RowPairs() as pairs:
        for number, side in ((THIS, this), (OTHER, other)):
            pairs.add(number, side.run_reader.identities(side.run))
        counts, matched_by = pairs.match(), "identity"
        if not counts.both:
            counts, matched_by = pairs.match(by_content=True), "content"
        gained, lost = _failures(pairs, this, other)
        observer = _observed(pairs, this, other)
        finished, newly_failed, mended = pairs.outcomes()
    made = RunComparison(
        other=other.headline,
        usage=this.run.paid["usage"],
        other_usage=other.run.paid["usage"],
        notes=tuple(_notes(this, other, counts, matched_by)),
        changes=None if changes is None else tuple(changes),
        matched_by=matched_by if counts.both else "identity",
        rows=counts,
        finished=finished,
        newly_failed=newly_failed,
        mended=mended,
        uneven=observer.uneven,
        gained=gained[:MOST_WAYS],
        lost=lost[:MOST_WAYS],
        ways_left_out=sum(max(0, len(ways) - MOST_WAYS) for ways in (gained, lost)),
        fields=_fields(this.fields, other.fields, observer.changes()),
        steps=_steps(this.steps, other.steps),
        ids={},
    )
    return replace(made, ids=_ids(this, made))


def _observed(pairs: RowPairs, this: ComparedSide, other: ComparedSide) -> ChangeObserver:
    """Return an observer that has seen the values of the rows that both runs have finished."""
    theirs = {field.name: field for field in other.fields}
    shared = [field for field in this.fields if field.name in theirs and "[]" not in field.name]
    choices = {field.name for field in shared if _CHOICES.count(field.kind) or _CHOICES.count(theirs[field.name].kind)}
    observer = ChangeObserver([field.name for field in shared], choices)
    if not shared:
        return observer
    for number, rows in _rows(other):
        paired = pairs.this(number)
        if paired is not None:
            pairs.keep(paired, observer.text(rows))
    for number, rows in _rows(this):
        kept = pairs.kept(number)
        if kept is not None:
            observer.add(number + 1, rows, kept)
    return observer


def _rows(side: ComparedSide) -> Iterator[tuple[int, list[dict[str, JSON]]]]:
    """Yield the position of each finished row, from 0, with the rows in which its fields were counted."""
    reader, run, basis = side.run_reader, side.run, side.basis
    if basis.source == "steps":
        for row in reader.rows(run):
            yield row.number, [reader.values(row, frozenset(each.step for each in row.results))]
        return
    output = next(each for each in outputs_of(run) if each.name == basis.output)
    with RowComposer(reader, run, output) as composer:
        for row in reader.rows(run):
            yield row.number, [json.loads(line) for part, line in composer.compose(row) if part is not REJECTED]


def _failures(
    pairs: RowPairs, this: ComparedSide, other: ComparedSide
) -> tuple[tuple[FailureChange, ...], tuple[FailureChange, ...]]:
    """Return the ways of failing that this run has gained, and those that it has lost, the most frequent first."""
    for run, side in ((THIS, this), (OTHER, other)):
        for row in side.run_reader.failed(side.run, items=True):
            number = pairs.this(row.number) if run == OTHER else row.number if pairs.has(row.number) else None
            if number is not None:
                for step, code, effect in _ways(side.run_reader, row):
                    pairs.fail(run, number, step, code, effect)
    return _grouped(pairs.failures_of(THIS)), _grouped(pairs.failures_of(OTHER))


def _ways(reader: RunReader, row: StoredRow) -> Iterator[tuple[str, str, str]]:
    """Yield the ways in which a row failed: step, code, effect."""
    for result in row.results:
        error = reader.error(result)
        if error is not None:
            yield result.step, error["code"], "missing row" if error["code"] == Code.NOT_STORED else "failed row"
        for each in reader.lost(result):
            is_step = each["item"] is None and result.value == "null"
            yield result.step, each["code"], "null step" if is_step else "null item"


def _grouped(failures: Iterator[tuple[str, str, str, int]]) -> tuple[FailureChange, ...]:
    made = []
    for (step, code, effect), group in groupby(failures, key=lambda each: each[:3]):
        count, rows = 0, []
        for *_, number in group:
            count += 1
            if count <= FEW_ROWS:
                rows.append(number + 1)
        made.append(FailureChange(step, code, effect, count, tuple(rows)))
    return tuple(sorted(made, key=lambda each: -each.count))


def _fields(
    this: Sequence[Field], other: Sequence[Field], changes: Sequence[ValueChanges]
) -> tuple[FieldComparison, ...]:
    known, theirs = {each.field: each for each in changes}, {field.name: field for field in other}
    mine = {field.name: field for field in this}
    return tuple(
        FieldComparison(name, mine.get(name), theirs.get(name), known.get(name))
        for name in dict.fromkeys([*mine, *theirs])
    )


def _steps(this: Sequence[StepProfile], other: Sequence[StepProfile]) -> tuple[StepComparison, ...]:
    mine, theirs = ({step.name: step for step in steps} for steps in (this, other))
    return tuple(StepComparison(name, mine.get(name), theirs.get(name)) for name in dict.fromkeys([*mine, *theirs]))


def _ids(this: ComparedSide, made: RunComparison) -> dict[int, JSON]:
    """Return the ids of the rows that a comparison names."""
    if this.run_reader.id_column(this.run) is None:
        return {}
    numbers = {number for each in (*made.gained, *made.lost) for number in each.rows}
    for field in made.fields:
        if field.changes is not None:
            numbers.update(field.changes.rows)
            numbers.update(number for each in field.changes.table or () for number in each.rows)
    found = {number: this.run_reader.row(this.run, number - 1) for number in sorted(numbers)}
    return {number: this.run_reader.id(this.run, row) for number, row in found.items() if row is not None}


def _notes(this: ComparedSide, other: ComparedSide, counts: PairCounts, matched_by: str) -> Iterator[str]:
    """Yield what limits a comparison, as sentences."""
    mine, theirs = this.headline, other.headline
    if mine.simulated != theirs.simulated:
        first, second = (mine, theirs) if mine.simulated else (theirs, mine)
        yield (
            f"Run {first.run} is simulated, and run {second.run} is not: simulated answers have the form of answers, "
            "and no meaning."
        )
    for side in (this, other):
        partly = _partly(side)
        if partly:
            yield partly
    if not counts.both:
        yield "The runs have no row in common, so that no values are compared."
    elif matched_by == "content":
        yield (
            "No row has the same identity in both runs (`input.id`, or the columns that the pipeline reads, have "
            "changed). Rows are matched by their columns instead."
        )
    if this.basis.source != other.basis.source or this.basis.output != other.basis.output:
        yield f"Run {theirs.run} has other outputs: fields with the same name are compared."


def _partly(side: ComparedSide) -> str:
    """Return why a run has not finished all rows of its input, as a sentence; empty if it has come to its end."""
    run, rows = side.run, side.headline.rows
    reached = run.finished + run.failed + run.missing
    if run.status == "finished":
        if not has_cut(side.headline.limit, rows):
            return ""
        return f"Run {run.name} has a limit: it covers only the first {counted(reached, 'row')} of the input."
    of = "" if rows is None else f" of {rows:,}"
    how = "is still running" if run.status == "running" else f"was {run.status}"
    return f"Run {run.name} {how}: it has reached {reached:,}{of} rows."


def _told(value: JSON) -> str:
    text = value if isinstance(value, str) and value.strip() else json.dumps(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
