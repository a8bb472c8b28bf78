"""What a person sees of a run: live bars on a terminal, a plain line now and then elsewhere.

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

from yamlgen.api.results import Report, StepCount
from yamlgen.cli.messages import echo, safe
from yamlgen.cli.summary import cost_told, foretold, items_told, left_out, pace_told, row_told, shortened, time_told
from yamlgen.cli.terminal import above, beneath, visible
from yamlgen.environment import variable
from yamlgen.events import (
    Event,
    ItemFailed,
    RequestRetried,
    RowFailed,
    RunDraining,
    RunFinished,
    RunForecast,
    RunStarted,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.live import Live
    from rich.progress import Progress, TaskID


_EVERY: Final = 5.0
_FRAME: Final = 0.1


class Display:
    """Shows nothing, and keeps the report that the others show."""

    def __init__(self, *, verbose: bool = False, quiet: bool = False) -> None:
        self.report = Report()
        self.verbose = verbose
        self.quiet = quiet
        self.started = self._told = time.monotonic()
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
            self.say(f"{row_told(event)}, {event.step}: {safe(event.reason)}, again in {event.wait:.1f} s")
        elif isinstance(event, RowFailed | ItemFailed):
            self.say(f"{row_told(event)}, {event.step}: {event.code}: {safe(event.message)}")
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

    def update(self, event: Event) -> None:
        """Say where the run is, if it is time."""
        now = time.monotonic()
        if isinstance(event, RunStarted):
            self.started = now
        elif self.report.run and now - self._told >= _EVERY and not isinstance(event, RunFinished):
            self._told = now
            echo(self._line(now))

    def _line(self, now: float) -> str:
        report = self.report
        done = report.finished + report.failed
        paid = report.paid
        rate = done / max(now - self.started, 0.001)
        left = f", about {time_told((report.rows - done) / rate)} left" if report.rows and done else ""
        spent = cost_told(paid, simulated=report.simulated)
        tokens = f"{shortened(paid.usage.input_tokens)} in, {shortened(paid.usage.output_tokens)} out{spent}"
        line = f"{done}/{report.rows} rows, {report.failed} failed, {rate:.1f}/s, {tokens}{left}"
        return "; ".join([line, *left_out(report), *map(pace_told, report.pace.values())])


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
        items = f"{items_told(count)} failed  " if count.failed_items else ""
        items = f"[red]{items}[/red]" if count.is_lost else items
        rate = count.done / max(time.monotonic() - self.started, 0.001)
        usage = count.paid.usage
        spent = cost_told(count.paid, simulated=self.report.simulated)
        tokens = f"{shortened(usage.input_tokens)} in  {shortened(usage.output_tokens)} out{spent}"
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
