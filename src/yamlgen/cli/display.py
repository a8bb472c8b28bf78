"""The progress of a run on stderr: live bars at a terminal, a plain line every few seconds elsewhere.

Everything is computed from the events, by the report that the record of the run is made of.
"""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from yamlgen.api.results import Report, time_told
from yamlgen.cli.messages import echo, safe
from yamlgen.cli.open_batches import OpenBatches, news, waiting_told
from yamlgen.cli.summary import cost_told, foretold, left_out, pace_told, row_told, shortened
from yamlgen.cli.terminal import above
from yamlgen.environment import variable
from yamlgen.events import (
    BatchChecked,
    BatchPosted,
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
    from yamlgen.cli.bars import Bars


_EVERY: Final = 5.0
_EVERY_CHECK: Final = 180.0
"""Seconds between two lines while nothing but batches is in progress."""

_FRAME: Final = 0.1


class Display:
    """Shows no progress, and keeps the report that its subclasses show."""

    def __init__(self, *, verbose: bool = False, quiet: bool = False) -> None:
        self.report = Report()
        self.verbose = verbose
        self.quiet = quiet
        self.started = self._shown_at = time.monotonic()
        self._kept: str | None = None
        self.batches = OpenBatches(self.report)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def observe(self, event: Event) -> None:
        """Add one event to the report, and show what changed."""
        self.report.observe(event)
        self.batches.observe(event)
        if isinstance(event, RunFinished):
            self._kept = event.kept
        if isinstance(event, RunForecast) and not self.quiet:
            self.say(foretold(event))
        if isinstance(event, RunStarted) and event.headers and not self.quiet:
            self.say(f"further headers in every request: {', '.join(event.headers)}")
        if self.verbose:
            self._print(event)
        self.update(event)

    def _print(self, event: Event) -> None:
        if isinstance(event, RequestRetried):
            self.say(f"{row_told(event)}, {event.step}: {safe(event.reason)}, retrying in {event.wait:.1f} s")
        elif isinstance(event, RowFailed | ItemFailed):
            self.say(f"{row_told(event)}, {event.step}: {event.code}: {safe(event.message)}")
        elif isinstance(event, RunDraining):
            self.say(f"stopping: {safe(event.reason)}")
        else:
            self.say_news(event)

    def say_news(self, event: Event) -> None:
        """Print a line if a batch was posted, or has ended."""
        line = news(event, simulated=self.report.simulated)
        if line is not None:
            self.say(line)

    def kept(self) -> str:
        """Return what a run that ended early has stored."""
        sent = any(step.sent for step in self.report.steps.values())
        return self._kept or ("finished answers are in the store" if sent else "nothing was sent")

    def update(self, event: Event) -> None:
        """Show what an event changed."""

    def say(self, text: str) -> None:
        """Print a line next to the progress."""
        echo(text)

    def close(self) -> None:
        """Restore the terminal."""


class PlainDisplay(Display):
    """Prints a line every few seconds, for logs; every few minutes while nothing but batches is in progress."""

    def update(self, event: Event) -> None:
        """Print the progress, if it is time."""
        now = time.monotonic()
        if isinstance(event, RunStarted):
            self.started = now
            return
        if not self.verbose:
            self.say_news(event)
        if isinstance(event, BatchPosted):
            self._shown_at = now
        every = _EVERY_CHECK if isinstance(event, BatchChecked) else _EVERY
        if self.report.run and now - self._shown_at >= every and not isinstance(event, RunFinished):
            self._shown_at = now
            echo(self._line(now))

    def _line(self, now: float) -> str:
        report = self.report
        done = report.finished + report.failed
        paid = report.paid
        rate = done / max(now - self.started, 0.001)
        speed = f"{rate:.1f}/s, "
        left = f", about {time_told((report.rows - done) / rate)} left" if report.rows and done else ""
        if report.waiting or report.batches:  # who waits has no speed from which an end could be foretold
            speed, left = "", f", {waiting_told(report.waiting)}" if report.waiting else ""
        spent = cost_told(paid, simulated=report.simulated)
        tokens = f"{shortened(paid.usage.input_tokens)} in, {shortened(paid.usage.output_tokens)} out{spent}"
        line = f"{done}/{report.rows} rows, {report.failed} failed, {speed}{tokens}{left}"
        paces = [] if self.batches.only else map(pace_told, report.pace.values())
        return "; ".join([line, *left_out(report), *self.batches.lines(), *paces])


class LiveDisplay(Display):
    """Shows a bar for each step, which moves during the run."""

    def __init__(self, *, verbose: bool = False, quiet: bool = False) -> None:
        super().__init__(verbose=verbose, quiet=quiet)
        self.bars: Bars | None = None
        self._open = ExitStack()
        self._drawn = 0.0

    def update(self, event: Event) -> None:
        """Move the bars, at most ten times a second."""
        if isinstance(event, RunStarted):
            from yamlgen.cli.bars import Bars  # noqa: PLC0415 - loads rich, only for a terminal

            self.started = time.monotonic()
            self.bars = self._open.enter_context(Bars(self.report, self.started, self.batches))
            self._open.enter_context(above(sys.stderr, self.bars.print_above))
        elif time.monotonic() - self._drawn >= _FRAME:
            self._draw()

    def _draw(self) -> None:
        self._drawn = time.monotonic()
        if self.bars is not None:
            self.bars.update()

    def close(self) -> None:
        """Draw the bars a last time, and leave them on the screen."""
        self._draw()
        self._open.close()


def choose(mode: str, *, verbose: bool, quiet: bool = False, rows_shown: bool = False) -> Display:
    """Return the display of a mode.

    `auto` is `live` if stderr is a terminal that can draw, and that does not show the rows as well; otherwise `plain`.
    """
    if mode == "auto":
        drawable = sys.stderr.isatty() and variable("TERM") != "dumb"
        mode = "live" if drawable and not (rows_shown and sys.stdout.isatty()) else "plain"
    kinds = {"live": LiveDisplay, "plain": PlainDisplay, "none": Display}
    return kinds["none" if quiet else mode](verbose=verbose, quiet=quiet)
