"""The bars of the live display, in as many columns as the terminal has room for."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any, Final, Self, TypeAlias

from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.control import Control
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.segment import ControlType, Segment
from rich.table import Column, Table
from rich.text import Text

from yamlgen.api.results import Report, StepCount
from yamlgen.cli.open_batches import OpenBatches, waiting_told
from yamlgen.cli.summary import cost_told, items_told, pace_told, shortened
from yamlgen.cli.terminal import beneath
from yamlgen.visible_text import visible

_Layouts: TypeAlias = tuple[tuple[ProgressColumn, ...], ...]

_FIELDS: Final = ("description", "fields[counts]", "fields[rate]", "fields[tokens]")
_UNBOUNDED: Final = 1000
"""More columns than a terminal has."""

_SHORT: Final = 12
"""Characters of a step's name if nothing else can be left out."""


class Bars:
    """A bar for each step of a run; a context that draws until it is left.

    Below are the open batches, and the pace of each rate limit. Requests in a batch do not move a bar before it ends.

    A terminal that is too narrow shows fewer columns: first the tokens are left out, then the rate, then the bar.
    """

    def __init__(self, report: Report, started: float, batches: OpenBatches) -> None:
        self._report = report
        self._batches = batches
        self._started = started
        self._console = Console(file=beneath(sys.stderr))
        self.progress = Progress(console=self._console)
        total = report.rows
        self._tasks = {
            step: self.progress.add_task(step, total=total, counts="", rate="", tokens="", waits=False)
            for step in report.steps
        }
        self._layouts = _layouts()
        self._lengths: list[int] = []
        self._width = self._console.width
        self._live = Live(
            get_renderable=self._next_frame,
            console=self._console,
            refresh_per_second=8,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def __enter__(self) -> Self:
        self._live.start(refresh=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def print_above(self, text: str) -> None:
        """Print lines above the bars."""
        if self._console.width != self._width:
            self._live.refresh()
        self._console.print(text, markup=False, emoji=False, highlight=False, soft_wrap=True)

    def update(self) -> None:
        """Move the bars to where the report is."""
        for name, count in self._report.steps.items():
            elsewhere = self._report.failed - count.failed
            total = max((self._report.rows or 0) - elsewhere, count.done)
            if name in self._tasks:  # a batch of an earlier run may be of a step that is no more
                fields = self._fields(count, self._batches.of_step(name))
                self.progress.update(self._tasks[name], completed=count.done, total=total, **fields)

    def _fields(self, count: StepCount, in_batches: int) -> dict[str, Any]:
        failed = [f"[red]{count.failed} failed[/red]"] if count.failed else []
        skipped = [f"{count.skipped:,} skipped"] if count.skipped else []
        lost = [f"{count.null_rows:,} null"] if count.null_rows else []
        lost += [f"{items_told(count)} failed"] if count.failed_items else []
        lost = [f"[red]{each}[/red]" for each in lost] if count.is_lost else lost
        usage = count.paid.usage
        spent = cost_told(count.paid, simulated=self._report.simulated)
        waits = [f"{in_batches:,} in batches"] if in_batches else []
        rate = "" if self._report.batches else f"{count.done / max(time.monotonic() - self._started, 0.001):.1f}/s"
        reused = f"  {count.reused.attempts:,} stored" if count.reused.attempts else ""
        return {
            "counts": "  ".join(failed + skipped + lost + waits),
            "waits": bool(waits) or self._batches.only,
            "rate": rate,
            "tokens": f"{shortened(usage.input_tokens)} in  {shortened(usage.output_tokens)} out{spent}{reused}",
        }

    def _next_frame(self) -> _Frame:
        """Return what is drawn next; it is called by the thread of `Live`, before the last frame is erased."""
        self._clear_reflowed()
        waiting = [waiting_told(self._report.waiting)] if self._report.waiting else []
        paces = [] if self._batches.only else map(pace_told, list(self._report.pace.values()))
        below = "\n".join([*waiting, *self._batches.lines(), *paces])
        return _Frame(self.progress, self._layouts, visible(below), self._lengths)

    def _clear_reflowed(self) -> None:
        """Erase the lines that a narrower terminal has made of the last frame, besides those that were drawn.

        Terminals wrap the lines on the screen when they become narrower. `Live` then erases too few lines.
        """
        width = self._console.width
        if width < self._width:
            erase = [(ControlType.ERASE_IN_LINE, 2), (ControlType.CURSOR_UP, 1)]
            self._console.control(Control(ControlType.CARRIAGE_RETURN, *(erase * wrapped(self._lengths, width))))
        self._width = width


def wrapped(lengths: list[int], width: int) -> int:
    """Return how many lines are added if lines of these lengths wrap at a width."""
    return sum(max(0, -(-length // width) - 1) for length in lengths)


class _Frame:
    """One drawing of the bars. Its lines never wrap."""

    def __init__(self, progress: Progress, layouts: _Layouts, below: str, lengths: list[int]) -> None:
        self._progress = progress
        self._layouts = layouts
        self._below = below
        self._lengths = lengths

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        below = [Text(self._below, style="dim", no_wrap=True, overflow="ellipsis")] if self._below else []
        lines = console.render_lines(Group(self._table(console, options), *below), options, pad=False)
        self._lengths[:] = [Segment.get_line_length(line) for line in lines]
        for number, line in enumerate(lines):
            yield from line
            if number < len(lines) - 1:
                yield Segment.line()

    def _table(self, console: Console, options: ConsoleOptions) -> Table:
        """Return the bars in the first layout that fits, else in the last one."""
        for columns in self._layouts:
            self._progress.columns = columns
            table = self._progress.make_tasks_table(self._progress.tasks)
            if console.measure(table, options=options.update(max_width=_UNBOUNDED)).maximum <= options.max_width:
                break
        return table


class _TimeLeft(TimeRemainingColumn):
    """The time that a step still takes; nothing while it waits for batches, which have no speed."""

    def render(self, task: Task) -> Text:
        return Text("") if task.fields["waits"] else super().render(task)


def _layouts() -> _Layouts:
    """Return the columns of the bars, from all of them to as few as a narrow terminal has room for."""

    def text(format_: str) -> TextColumn:
        return TextColumn(format_, table_column=Column(no_wrap=True))

    name, counts, rate, tokens = (text(f"{{task.{field}}}") for field in _FIELDS)
    bar = BarColumn(bar_width=24, table_column=Column(no_wrap=True))
    done = MofNCompleteColumn(table_column=Column(no_wrap=True))
    left = _TimeLeft(elapsed_when_finished=True, table_column=Column(no_wrap=True))
    short = TextColumn("{task.description}", table_column=Column(no_wrap=True, max_width=_SHORT))
    return (
        (name, bar, done, counts, rate, tokens, left),
        (name, bar, done, counts, rate, left),
        (name, bar, done, counts, left),
        (name, done, counts, left),
        (short, done, counts),
    )
