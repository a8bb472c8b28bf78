"""A comparison of two sides as text."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from yamlgen.api.results import counted, dollars
from yamlgen.cli.messages import safe
from yamlgen.cli.summary import span_told
from yamlgen.cli.terminal import style

if TYPE_CHECKING:
    from yamlgen.api.differences import DiffReport, FirstDifference, PipelineChange, StepChange
    from yamlgen.forecast import StepForecast

_COLOURS = {"asks again": "red", "asks more": "red", "behind": "yellow", "rechecks": "yellow"}


def text(report: DiffReport, arguments: Sequence[str]) -> str:
    """Return a report as text for a terminal.

    Args:
        report: the report.
        arguments: the command that made it, without its name.
    """
    lines: list[str] = []
    for change in report.pipelines:
        lines.append(safe(f"{change.file}  {report.headline}"))
        lines += _aligned(list(change_rows(change, with_ids=True)))
        lines += [f"  note: {safe(note)}" for note in change.notes]
    if not report.pipelines:
        lines.append(safe(report.headline))
    lines += _end(report, arguments)
    return "\n".join([*lines, ""])


def change_rows(change: PipelineChange, *, with_ids: bool) -> Iterator[tuple[str, str, list[str]]]:
    """Yield what is told about a pipeline: the part, the verdict, and lines about it.

    Args:
        change: what changes.
        with_ids: whether to name rows by their ids, which are values of the input.
    """
    if change.move == "renamed":
        yield "file", "renamed", [f"it was {change.before}"]
    if change.id is not None:
        old, new = (f"`{each}`" if each else "no id" for each in (change.id.old, change.id.new))
        yield "input", "id", [f"{change.id.place}  {old} -> {new}: the key of every answer is new"]
    if change.move in ("added", "removed"):
        yield (
            "file",
            change.move,
            ["only the new side has it" if change.move == "added" else "only the old side has it"],
        )
    if change.unknown is not None:
        yield "rows", "unknown", [change.unknown]
    elif change.rows is not None:
        for name in ("added", "removed", "changed"):
            number = getattr(change.rows, name)
            if number:
                ids = f": {_listed(change.rows.names[name], number)}" if with_ids else ""
                yield "rows", name, [f"{number:,}{ids}"]
    for step in change.steps:
        if step.verdict != "same" or step.move:
            yield step.step, str(step.verdict), list(step_lines(step, is_stored=change.is_stored))
    same = [step.step for step in change.steps if step.verdict == "same" and not step.move]
    if same and len(same) < len(change.steps):
        yield "same", "", [", ".join(same)]
    for output in change.outputs:
        name = output.output or "output"
        if output.change is None:
            yield name, str(output.move), ["breaks readers"] if output.breaks else []
        else:
            told = f"{output.change.message}{'  breaks readers' if output.breaks else ''}"
            yield name, output.change.path or "rows", [told]


def _listed(names: Sequence[str], number: int) -> str:
    """Return the names of the first of a number of rows."""
    more = number - len(names)
    return ", ".join(names) + (f" and {more:,} more" if more > 0 else "")


def step_lines(step: StepChange, *, is_stored: bool) -> Iterator[str]:
    """Yield what is told about a step: where it differs, and how many rows it asks at which cost."""
    if step.move == "renamed":
        yield f"renamed from {step.before}"
    elif step.move is not None:
        yield f"the step was {step.move}"
    if step.first is not None and step.move is None:
        yield difference(step.first)
    if step.verdict == "cosmetic" and step.first is None:
        yield "no request differs"
    if step.move == "removed":
        return
    rows = _rows_told(step, is_stored=is_stored)
    if rows:
        yield rows


def difference(first: FirstDifference) -> str:
    """Return a place, and what was and is there."""
    old, new = first.old, first.new
    if first.is_text:
        old, new = (None if each is None else json.dumps(each, ensure_ascii=False) for each in (old, new))
    if old is None and new is None:
        return first.place
    if old is None:
        return f"{first.place}  {new}{' is new' if first.is_text else ''}"
    return f"{first.place}  {old} {'is gone' if new is None else f'-> {new}'}"


def _rows_told(step: StepChange, *, is_stored: bool) -> str:
    tally, verdict = step.tally, str(step.verdict)
    where = f"where {' or '.join(f'`{name}`' for name in step.behind)} comes out different: " if step.behind else ""
    if tally is None:
        if not step.is_paid:
            return "free" if verdict == "recomputed" else ""
        return f"{where}rows and cost unknown" if step.asks or verdict == "rechecks" else ""
    if not step.is_paid:
        number = max(tally.values, tally.opened)
        return f"{'at most ' if tally.opened else ''}{counted(number, 'row')}, free" if verdict == "recomputed" else ""
    parts: list[str] = []
    if verdict == "rechecks":
        parts.append(_rechecked(step, is_stored=is_stored))
    if tally.sure:
        most = "" if is_stored else "at most "
        parts.append(f"{most}{tally.sure:,} of {counted(tally.rows, 'row')}, {_cost(step.sure)}")
    if tally.opened:
        more = " more" if tally.sure else ""
        parts.append(f"{where}at most {counted(tally.opened, f'{more.strip()} row'.strip())}, {_most(step)}")
    elif where and tally.sure:
        parts[-1] = f"{where}{parts[-1]}"
    if tally.stored:
        parts.append(f"{tally.stored:,} answered already")
    if verdict == "asks less":
        parts.append(f"{counted(tally.less, 'row')} less")
    if tally.pending and is_stored:
        parts.append(f"{counted(tally.pending, 'row')} without an answer on both sides")
    return "; ".join(parts)


def _rechecked(step: StepChange, *, is_stored: bool) -> str:
    assert step.tally is not None  # noqa: S101 - its caller has checked
    tally = step.tally
    if not is_stored:
        return "how many answers no longer pass is unknown without a store"
    told = f"{tally.rejected:,} of {tally.answered:,} stored answers no longer pass"
    return told + (f", {tally.accepted:,} that failed now pass" if tally.accepted else "")


def _cost(sure: StepForecast | None) -> str:
    if sure is None or sure.cost is None:
        return "cost unknown"
    if sure.likely_cost is None or not sure.earlier_answers:
        return f"at most {dollars(sure.cost[1])}"
    by = "stored answers" if "by the lock" not in sure.how else "answers in the lock"
    return f"about {dollars(sure.likely_cost)} ({span_told(sure.cost)}, by {sure.earlier_answers:,} {by})"


def _most(step: StepChange) -> str:
    if step.most is None or step.sure is None or step.most.cost is None or step.sure.cost is None:
        return "cost unknown"
    return f"{dollars(0)} to {dollars(step.most.cost[1] - step.sure.cost[1])}"


def total(report: DiffReport) -> str:
    """Return the total cost."""
    if not report.asks:
        others = f"; {counted(len(report.invalid), 'invalid pipeline')} not compared" if report.invalid else ""
        return f"nothing is asked again{others}"
    if report.cost is None:
        return "asks again: cost unknown"
    likely, most = report.likely, report.cost[1]
    about = f"about {dollars(likely)}, " if likely else ""
    return f"asks again: {about}{'maximum unknown' if most is None else f'at most {dollars(most)}'}"


def _end(report: DiffReport, arguments: Sequence[str]) -> Iterator[str]:
    """Yield the last lines: the total, and how to see a request."""
    asking = next((step.step for each in report.pipelines for step in each.steps if step.asks and step.first), None)
    why = ""
    if asking is not None:
        end = list(arguments).index("--") if "--" in arguments else len(arguments)  # behind it, all are arguments
        words = [*arguments[:end], "--why", asking, *arguments[end:]]
        why = f"      why: yamlgen {safe(shlex.join(words))}"
    same = f"{counted(report.same, 'pipeline')} the same"
    if report.pipelines:
        yield f"{total(report)}{why}"
        if report.same:
            yield same
    else:
        yield same if not report.invalid else "no valid pipeline differs"


def _aligned(rows: Sequence[tuple[str, str, list[str]]]) -> list[str]:
    widths = [max((len(row[at]) for row in rows), default=0) for at in (0, 1)]
    lines = []
    for name, verdict, told in rows:
        shown = verdict.ljust(widths[1])
        if verdict in _COLOURS:
            shown = style(shown, fg=_COLOURS[verdict])
        first, *rest = told or [""]
        lines.append(f"  {safe(name).ljust(widths[0])}  {shown}  {safe(first)}".rstrip())
        lines += [f"  {' ' * widths[0]}  {' ' * widths[1]}  {safe(line)}" for line in rest]
    return lines
