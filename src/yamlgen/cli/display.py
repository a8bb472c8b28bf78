"""What a person sees of a run: live bars on a terminal, a plain line now and then elsewhere, a summary at the end.

Everything is a fold over the events, through the same report that the run's record is made of, and everything goes
to stderr. Nothing is animated into a pipe.
"""

from __future__ import annotations

import os
import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

import click

from yamlgen.cli.messages import echo, safe
from yamlgen.errors import near
from yamlgen.events import Event, RequestRetried, RowFailed, RunDraining, RunFinished, RunStarted
from yamlgen.observe.report import Report, StepCount

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from yamlgen.data.sink import OutputPaths

_EVERY: Final = 5.0


class Display:
    """Shows nothing, and keeps the report that the others show."""

    def __init__(self, *, verbose: bool = False) -> None:
        self.report = Report()
        self.verbose = verbose
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
        if self.verbose:
            self._tell(event)
        self.update(event)

    def _tell(self, event: Event) -> None:
        if isinstance(event, RequestRetried):
            self.say(f"row {event.row + 1}, {event.step}: {safe(event.reason)}, again in {event.wait:.1f} s")
        elif isinstance(event, RowFailed):
            self.say(f"row {event.row + 1}, {event.step}: {event.code}: {safe(event.message)}")
        elif isinstance(event, RunDraining):
            self.say(f"ending: {safe(event.reason)}")

    def kept(self) -> str:
        """What a run that did not come to its end has kept, and where."""
        return self._kept or "nothing was sent"

    def update(self, event: Event) -> None:
        """Show what an event changed."""

    def say(self, text: str) -> None:
        """Say a line besides the progress."""
        echo(text)

    def close(self) -> None:
        """Leave the terminal as it was."""


class PlainDisplay(Display):
    """A line at the start and every few seconds, for logs."""

    def __init__(self, *, verbose: bool = False) -> None:
        super().__init__(verbose=verbose)
        self._last = time.monotonic()

    def update(self, event: Event) -> None:
        """Say where the run is, if it is time."""
        now = time.monotonic()
        if isinstance(event, RunStarted):
            self.started = now
            echo(f"{event.pipeline}: {_rows(event.rows or 0)}, {', '.join(event.steps)}")
        elif now - self._last >= _EVERY and not isinstance(event, RunFinished):
            self._last = now
            echo(self._line(now))

    def _line(self, now: float) -> str:
        report = self.report
        done = report.finished + report.failed
        usage = report.usage
        rate = done / max(now - self.started, 0.001)
        left = f", about {_duration((report.rows - done) / rate)} left" if report.rows and done else ""
        tokens = f"{_short(usage.input_tokens)} in, {_short(usage.output_tokens)} out"
        return f"{done}/{report.rows} rows, {report.failed} failed, {rate:.1f}/s, {tokens}{left}"


class LiveDisplay(Display):
    """A bar for each step, while it runs."""

    def __init__(self, *, verbose: bool = False) -> None:
        super().__init__(verbose=verbose)
        self._progress: Progress | None = None
        self._tasks: dict[str, TaskID] = {}

    def update(self, event: Event) -> None:
        """Move the bars."""
        if isinstance(event, RunStarted):
            self.started = time.monotonic()
            self._progress = _bars()
            for step in event.steps:
                self._tasks[step] = self._progress.add_task(step, total=event.rows, note="")
            self._progress.start()
        elif self._progress is not None:
            for name, count in self.report.steps.items():
                elsewhere = self.report.failed - count.failed
                total = (self.report.rows or 0) - elsewhere
                done = count.finished + count.failed
                self._progress.update(self._tasks[name], completed=done, total=max(total, done), note=self._note(count))

    def _note(self, count: StepCount) -> str:
        failed = f"[red]{count.failed} failed[/red]  " if count.failed else ""
        rate = (count.finished + count.failed) / max(time.monotonic() - self.started, 0.001)
        tokens = f"{_short(count.usage.input_tokens)} in  {_short(count.usage.output_tokens)} out"
        return f"{failed}{rate:.1f}/s  {tokens}"

    def say(self, text: str) -> None:
        """Say a line above the bars."""
        if self._progress is None:
            echo(text)
        else:
            self._progress.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def close(self) -> None:
        """Draw the bars a last time, and leave them standing."""
        if self._progress is not None:
            self._progress.stop()


def _bars() -> Progress:
    from rich.console import Console  # noqa: PLC0415 - for a terminal only
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    columns: list[Any] = [
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
        TimeRemainingColumn(elapsed_when_finished=True),
    ]
    return Progress(*columns, console=Console(stderr=True), refresh_per_second=8)


def choose(mode: str, *, verbose: bool, rows_shown: bool = False) -> Display:
    """The display for a mode; `auto` is live where a person looks at a terminal that is not shown the rows as well."""
    if mode == "auto":
        drawable = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        mode = "live" if drawable and not (rows_shown and sys.stdout.isatty()) else "plain"
    kinds = {"live": LiveDisplay, "plain": PlainDisplay, "none": Display}
    return kinds[mode](verbose=verbose)


def summary(report: Report, paths: OutputPaths, *, to_stdout: bool, simulated: bool) -> str:
    """The last words of a run: counts, tokens, failures in groups, and where the files are."""
    how = " (simulated)" if simulated else ""
    failed = click.style(f"{report.failed} failed", fg="red" if report.failed else None)
    lines = [f"{report.pipeline}: {_rows(report.finished)} finished, {failed} in {_duration(report.seconds)}{how}"]
    rows = [["step", "rows", "failed", "answers", "retried", "input tokens", "output tokens"]]
    for name, step in report.steps.items():
        usage = step.usage
        read = usage.input_tokens + usage.cache_creation_input_tokens + usage.cache_read_input_tokens
        counts = (step.finished, step.failed, step.attempts, step.retried, read, usage.output_tokens)
        rows.append([name, *(f"{count:,}" for count in counts)])
    lines.extend(_table(rows))
    for group in sorted(report.groups.values(), key=lambda group: -group.count):
        lines.append(f"  {group.count} x {group.code} in {group.step}:")
        lines.extend(f"      row {row + 1}: {safe(message)}" for row, message in group.examples)
    where = "standard output" if to_stdout else near(paths.rows)
    lines.append(f"  output  {where}" if report.finished else "  output  none: no row was finished")
    if report.failed:
        lines.append(f"  failed  {near(paths.failed)}")
    lines.append(f"  record  {near(paths.run)}")
    return "\n".join(lines)


def _rows(number: int) -> str:
    return f"{number:,} row{'' if number == 1 else 's'}"


def _table(rows: list[list[str]]) -> list[str]:
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
