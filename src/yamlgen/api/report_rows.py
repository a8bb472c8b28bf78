"""The rows of a report: read from the store, and packed into its page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from yamlgen.api.stored_run import Run
from yamlgen.html.row_data import RowDescriber
from yamlgen.html.row_packing import PackedRows, RowPacker, packed
from yamlgen.option_names import option
from yamlgen.profiles.row_choice import EACH, RULES, ChosenRow
from yamlgen.profiles.step_profile import kinds_of
from yamlgen.reports.row_facts import FactReader
from yamlgen.store.row_scan import RowScan
from yamlgen.store.run_reader import RunReader
from yamlgen.store.run_session import open_runs
from yamlgen.value_objects import JSON

__all__ = ["NO_ROWS", "packed_rows"]

_TOGETHER: Final = 100
"""Rows that are read at once."""

NO_ROWS: Final = PackedRows(("The rows are left out, and all text that comes from them.",), has_rows=False)
"""What a page without texts has in place of its rows."""


def packed_rows(run: Run, chosen: Sequence[ChosenRow], room: int | None) -> PackedRows:
    """Return the rows of a run, as its page shows them.

    Args:
        run: the run.
        chosen: the rows to show, the most important first.
        room: the bytes that they may have; `None` for all rows of the run, in input order, which are read while the
            data is.

    Raises:
        EnvironmentProblem: the store cannot be read.
    """
    count = max(run.entry.finished + run.entry.failed + run.entry.missing, len(chosen))  # it may still be running
    if not count:
        return PackedRows(("No row has finished or failed.",), has_rows=False)
    if room is None:
        return PackedRows((_all_told(count, in_order=True),), packed(_all(run, chosen)))
    packer, shown = RowPacker(room), list[ChosenRow]()
    with open_runs(run.place, snapshot=True) as run_reader:
        reader = _ShownRows(run, run_reader)
        for start in range(0, len(chosen), _TOGETHER):
            part = chosen[start : start + _TOGETHER]
            rows, before = reader.rows(part), len(shown)
            for each in part:  # after one that does not fit, smaller ones may
                if each.number in rows and packer.add(rows[each.number]):
                    shown.append(each)
            if len(shown) == before:
                break
    told = _all_told(count, in_order=False) if len(shown) == count else _told(shown, len(chosen), count)
    return PackedRows((told,), (packer.data(),), has_rows=bool(shown))


def _all(run: Run, chosen: Sequence[ChosenRow]) -> Iterator[dict[str, JSON]]:
    with open_runs(run.place, snapshot=True) as run_reader:
        yield from _ShownRows(run, run_reader).each(chosen)


class _ShownRows:
    """Reads rows as the page shows them."""

    def __init__(self, run: Run, run_reader: RunReader) -> None:
        self._scan = RowScan(run_reader, run.entry)
        self._facts = FactReader(run.entry, kinds_of(run.entry.about))
        self._describer = RowDescriber(run_reader.exchange, run.name, simulated=run.simulated)

    def each(self, chosen: Sequence[ChosenRow], *, only: bool = False) -> Iterator[dict[str, JSON]]:
        """Yield all rows, or only those that were chosen, in input order."""
        reasons = {each.number: each.reasons for each in chosen}
        for row in self._scan.rows(list(reasons) if only else None):
            yield self._describer.describe(row, self._facts.facts(row), reasons.get(row.number, ()))

    def rows(self, chosen: Sequence[ChosenRow]) -> Mapping[int, dict[str, JSON]]:
        """Return the rows that were chosen, by their position, from 0."""
        return {int(row["number"]) - 1: row for row in self.each(chosen, only=True)}


def _all_told(count: int, *, in_order: bool) -> str:
    rows = "The only row is shown." if count == 1 else f"All {count:,} rows are shown"
    return rows if count == 1 else f"{rows}{', in the order of the input' if in_order else ', the most telling first'}."


def _told(shown: Sequence[ChosenRow], chosen: int, count: int) -> str:
    """Return how many of how many rows are shown, and by which rules; each row counts for its first rule."""
    rules = Counter(each.reasons[0].rule for each in shown)
    parts = [f"{rules[rule]:,} {words.format(each=EACH)}" for rule, words in RULES.items() if rules[rule]]
    more = chosen - len(shown)
    unfit = f" {more:,} more did not fit into the page." if more else ""
    by_rule = f", the most telling first: {', '.join(parts)}" if parts else ""
    return f"{len(shown):,} of {count:,} rows are shown{by_rule}.{unfit} {option('rows', 'all')} shows all."
