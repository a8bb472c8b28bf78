"""What a person sees of a run: live bars on a terminal, a plain line now and then elsewhere, a summary at the end.

Everything is a fold over the events, through the same report that the run's record is made of, and everything goes
to stderr. Nothing is animated into a pipe.
"""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from yamlgen.cli.messages import echo, safe
from yamlgen.cli.terminal import above, beneath, style, visible
from yamlgen.environment import variable
from yamlgen.errors import near
from yamlgen.events import (
    Event,
    ItemFailed,
    PaceChanged,
    RequestRetried,
    RowFailed,
    RunDraining,
    RunFinished,
    RunForecast,
    RunStarted,
)
from yamlgen.observe.report import Bill, FailureGroup, Report, StepCount, largest_first

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.live import Live
    from rich.progress import Progress, TaskID

    from yamlgen.data.outputs import OutputPaths

_EVERY: Final = 5.0
_FRAME: Final = 0.1
_HELD: Final = 0.05
_LEAST: Final = 0.0001
_HEAD: Final = [
    "step",
    "rows",
    "failed",
    "answers",
    "re-asks",
    "retried",
    "input tokens",
    "output tokens",
    "cost",
    "stored",
]


class Display:
    """Shows nothing, and keeps the report that the others show."""

    def __init__(self, *, verbose: bool = False, quiet: bool = False) -> None:
        self.report = Report()
        self.verbose = verbose
        self.quiet = quiet
        self.started = time.monotonic()
        self._kept: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def observe(self, event: Event) -> None:
        """Fold one event, and show what changed."""
        self.report.observe(event)
        if isinstance(event, RunFinished):
            self._kept = event.kept
        if isinstance(event, RunForecast) and not self.quiet:
            self.say(foretold(event))
        if isinstance(event, RunStarted) and event.headers and not self.quiet:
            self.say(f"every request carries ANTHROPIC_CUSTOM_HEADERS: {', '.join(event.headers)}")
        if self.verbose:
            self._tell(event)
        self.update(event)

    def _tell(self, event: Event) -> None:
        if isinstance(event, RequestRetried):
            self.say(f"row {event.row + 1}, {event.step}: {safe(event.reason)}, again in {event.wait:.1f} s")
        elif isinstance(event, RowFailed | ItemFailed):
            self.say(f"row {event.row + 1}, {event.step}: {event.code}: {safe(event.message)}")
        elif isinstance(event, RunDraining):
            self.say(f"ending: {safe(event.reason)}")

    def kept(self) -> str:
        """What a run that did not come to its end has kept, and where."""
        sent = any(step.sent for step in self.report.steps.values())
        return self._kept or ("what was answered is in the store" if sent else "nothing was sent")

    def update(self, event: Event) -> None:
        """Show what an event changed."""

    def say(self, text: str) -> None:
        """Say a line besides the progress."""
        echo(text)

    def close(self) -> None:
        """Leave the terminal as it was."""


class PlainDisplay(Display):
    """A line every few seconds, for logs."""

    def __init__(self, *, verbose: bool = False, quiet: bool = False) -> None:
        super().__init__(verbose=verbose, quiet=quiet)
        self._last = time.monotonic()

    def update(self, event: Event) -> None:
        """Say where the run is, if it is time."""
        now = time.monotonic()
        if isinstance(event, RunStarted):
            self.started = now
        elif self.report.run and now - self._last >= _EVERY and not isinstance(event, RunFinished):
            self._last = now
            echo(self._line(now))

    def _line(self, now: float) -> str:
        report = self.report
        done = report.finished + report.failed
        paid = report.paid
        rate = done / max(now - self.started, 0.001)
        left = f", about {_duration((report.rows - done) / rate)} left" if report.rows and done else ""
        tokens = f"{_short(paid.usage.input_tokens)} in, {_short(paid.usage.output_tokens)} out{_spent(paid)}"
        line = f"{done}/{report.rows} rows, {report.failed} failed, {rate:.1f}/s, {tokens}{left}"
        return "; ".join([line, *_left_out(report), *map(pace_told, report.pace.values())])


class LiveDisplay(Display):
    """A bar for each step, while it runs."""

    def __init__(self, *, verbose: bool = False, quiet: bool = False) -> None:
        super().__init__(verbose=verbose, quiet=quiet)
        self._progress: Progress | None = None
        self._shown = ExitStack()
        self._tasks: dict[str, TaskID] = {}
        self._drawn = 0.0

    def update(self, event: Event) -> None:
        """Move the bars, as often as an eye sees it."""
        if isinstance(event, RunStarted):
            self.started = time.monotonic()
            self._progress, live = _bars(self._paces)
            for step in event.steps:
                self._tasks[step] = self._progress.add_task(step, total=event.rows, note="")
            self._shown.enter_context(live)
            say = partial(live.console.print, markup=False, emoji=False, highlight=False, soft_wrap=True)
            self._shown.enter_context(above(sys.stderr, say))
        elif self._progress is not None and time.monotonic() - self._drawn >= _FRAME:
            self._draw()

    def _paces(self) -> str:
        return "\n".join(map(pace_told, list(self.report.pace.values())))  # it is drawn in a thread of its own

    def _draw(self) -> None:
        self._drawn = time.monotonic()
        if self._progress is not None:
            for name, count in self.report.steps.items():
                elsewhere = self.report.failed - count.failed
                total = max((self.report.rows or 0) - elsewhere, count.done)
                self._progress.update(self._tasks[name], completed=count.done, total=total, note=self._note(count))

    def _note(self, count: StepCount) -> str:
        failed = f"[red]{count.failed} failed[/red]  " if count.failed else ""
        skipped = f"{count.skipped:,} skipped  " if count.skipped else ""
        items = f"{_many(count.failed_items, 'item')} failed  " if count.failed_items else ""
        rate = count.done / max(time.monotonic() - self.started, 0.001)
        usage = count.paid.usage
        tokens = f"{_short(usage.input_tokens)} in  {_short(usage.output_tokens)} out{_spent(count.paid)}"
        reused = f"  {count.reused.attempts:,} stored" if count.reused.attempts else ""
        return f"{failed}{skipped}{items}{rate:.1f}/s  {tokens}{reused}"

    def close(self) -> None:
        """Draw the bars a last time, and leave them standing."""
        self._draw()
        self._shown.close()


def _bars(below: Callable[[], str]) -> tuple[Progress, Live]:
    """The bars, and what draws them, with a text below them."""
    from rich.console import Console, Group  # noqa: PLC0415 - for a terminal only
    from rich.live import Live  # noqa: PLC0415
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    columns: list[Any] = [
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
        TimeRemainingColumn(elapsed_when_finished=True),
    ]
    console = Console(file=beneath(sys.stderr))
    progress = Progress(*columns, console=console)

    def drawn() -> Group:
        told = visible(below())
        return Group(progress, Text(told, style="dim")) if told else Group(progress)

    live = Live(
        get_renderable=drawn, console=console, refresh_per_second=8, redirect_stdout=False, redirect_stderr=False
    )
    return progress, live


def choose(mode: str, *, verbose: bool, quiet: bool = False, rows_shown: bool = False) -> Display:
    """The display for a mode; `auto` is live where a person looks at a terminal that is not shown the rows as well."""
    if mode == "auto":
        drawable = sys.stderr.isatty() and variable("TERM") != "dumb"
        mode = "live" if drawable and not (rows_shown and sys.stdout.isatty()) else "plain"
    kinds = {"live": LiveDisplay, "plain": PlainDisplay, "none": Display}
    return kinds["none" if quiet else mode](verbose=verbose, quiet=quiet)


def summary(report: Report, paths: OutputPaths, *, to_stdout: bool, simulated: bool) -> str:
    """The last words of a run: counts, tokens, failures in groups, and where the files are."""
    how = " (simulated)" if simulated else ""
    failed = f"{report.failed} failed"
    failed = style(failed, fg="red") if report.failed else failed
    lines = [
        f"{report.pipeline}: {_many(report.finished, 'row')} finished, {failed} in {_duration(report.seconds)}{how}"
    ]
    lines.extend(outlay(report))
    lines.extend(failures(report))
    lines.extend(f"  warning  {safe(warning)}" for warning in report.warnings)
    where = "standard output" if to_stdout else near(paths.rows)
    lines.append(f"  output  {where}" if report.finished else "  output  none: no row was finished")
    if report.failed:
        lines.append(f"  failed  {near(paths.failed)}")
    lines.append(f"  record  {near(paths.run)}")
    return "\n".join(lines)


def outlay(report: Report) -> list[str]:
    """What each step did, and what the run paid, as lines."""
    steps = [_step_row(name, step) for name, step in report.steps.items()]
    return [*table([_HEAD, *steps]), *(f"  {told}" for told in _left_out(report)), _bill(report), *_pace_lines(report)]


def failures(report: Report) -> list[str]:
    """The failures of a run in groups, as lines: those of rows, then those of items in rows that did not fail."""
    rows = [_group_lines(group, group.step) for group in largest_first(report.groups)]
    items = [_group_lines(group, f"items of {group.step}") for group in largest_first(report.item_groups)]
    return [line for lines in rows + items for line in lines]


def _group_lines(group: FailureGroup, where: str) -> list[str]:
    examples = (f"      row {row + 1}: {safe(message)}" for row, message in group.examples)
    return [f"  {group.count:,} x {group.code} in {where}:", *examples]


def _left_out(report: Report) -> list[str]:
    """What steps were not done for, and items that they have no value for, as phrases; none where there is neither."""
    told = []
    for name, step in report.steps.items():
        whose = "its list" if step.failed_items == 1 else "their lists"
        skipped = [f"{step.skipped:,} skipped"] if step.skipped else []
        items = [f"{_many(step.failed_items, 'item')} failed, null in {whose}"] if step.failed_items else []
        if skipped or items:
            told.append(f"{name}: {', '.join(skipped + items)}")
    return told


def _step_row(name: str, step: StepCount) -> list[str]:
    usage = step.paid.usage
    read = usage.input_tokens + usage.cache_creation_input_tokens + usage.cache_read_input_tokens
    counts = (step.finished, step.failed, step.paid.attempts, step.reasks, step.retried, read, usage.output_tokens)
    cost = "unknown" if step.paid.cost_usd is None else dollars(step.paid.cost_usd)
    return [name, *(f"{count:,}" for count in counts), cost, f"{step.reused.attempts:,}"]


def _bill(report: Report) -> str:
    """What was paid now, and what would have been without the store."""
    paid, reused = report.paid, report.reused
    sent = sum(step.sent for step in report.steps.values())
    told = "paid: price unknown" if paid.cost_usd is None else f"paid: {dollars(paid.cost_usd)}"
    if not paid.attempts:
        told = f"{sent:,} sent, none answered" if sent else "nothing was sent"
    if reused.attempts:
        worth = "" if reused.cost_usd is None else f", worth {dollars(reused.cost_usd)}"
        told += f"; {reused.attempts:,} answers from the store{worth}"
    return f"  {told}"


def pace_told(pace: PaceChanged) -> str:
    """How fast the API lets requests through now, in one line."""
    told = [f"{pace.pool}: {pace.in_flight} in flight of {pace.limit}"]
    if pace.waiting:
        told.append(f"{pace.waiting} waiting for {'the API' if pace.closed else 'quota'}")
    if pace.closed:
        told.append(f"closed for {pace.closed:.1f} s")
    return ", ".join([*told, *_objections(pace), *([safe(pace.reason)] if pace.reason else [])])


def _objections(pace: PaceChanged) -> list[str]:
    counts = ((pace.limited, "rate limit"), (pace.overloaded, "failure"))
    return [_many(count, what) for count, what in counts if count]


def _pace_lines(report: Report) -> list[str]:
    """How fast the API let requests through, as lines; none where it was never asked."""
    lines = []
    for pace in report.pace.values():
        held = [f"held for {_duration(pace.held)}"] if pace.held >= _HELD else []
        told = ", ".join([f"up to {pace.most} in flight", *_objections(pace), *held])
        lines.append(f"  {pace.pool}: {told}")
    return lines


def _spent(bill: Bill) -> str:
    return "" if not bill.attempts or bill.cost_usd is None else f"  {dollars(bill.cost_usd)}"


def dollars(amount: float) -> str:
    """An amount of money, in cents where it is a dollar or more."""
    if amount and amount < _LEAST:
        return f"<${_LEAST}"
    return f"${amount:,.2f}" if amount >= 1 or not amount else f"${amount:.4f}"


def foretold(forecast: RunForecast) -> str:
    """What a run will ask, in one line."""
    about = "about " if forecast.sampled is not None else ""
    known = (
        f"{forecast.pipeline}: {_many(forecast.rows, 'row')}, {about}{_many(forecast.stored, 'answer')} in the store"
    )
    if not forecast.requests:
        if forecast.sampled is None:
            return f"{known}, nothing to send"
        return f"{known}, little or nothing to send ({_many(forecast.sampled, 'row')} looked at)"
    least, most = (sum(step.output_tokens[end] for step in forecast.steps) for end in (0, 1))
    tokens = (
        f"{_short(sum(step.input_tokens for step in forecast.steps))} tokens in, {_short(least)} to {_short(most)} out"
    )
    cost = forecast.cost
    price = "cost unknown" if cost is None else f"{dollars(cost[0])} to {dollars(cost[1])}"
    return f"{known}, {about}{_many(forecast.requests, 'request')} to send: {tokens}, {price}"


def _many(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def table(rows: list[list[str]]) -> list[str]:
    """The lines of a table: the first column to the left, the others to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]

    def line(row: list[str]) -> str:
        counts = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        return "  ".join(["", row[0].ljust(widths[0]), *counts])

    return [line(row) for row in rows]


def _short(number: float) -> str:
    for size, letter in ((1_000_000, "M"), (1_000, "k")):
        if number >= size:
            return f"{number / size:.1f}{letter}"
    return str(int(number))


def _duration(seconds: float) -> str:
    if seconds < 60:  # noqa: PLR2004 - a minute
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"  # noqa: PLR2004
