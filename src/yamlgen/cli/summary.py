"""The forecast, the summary, the cost and the failures of a run, as lines of text."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from yamlgen.api.results import (
    SIMULATED,
    Example,
    FailureGroup,
    LostStep,
    Report,
    StepCount,
    UsageTotal,
    counted,
    dollars,
    largest_first,
    row_name,
    time_told,
)
from yamlgen.cli.duration_text import about as about_told
from yamlgen.cli.messages import safe
from yamlgen.cli.terminal import style, terminal_width
from yamlgen.errors import LACKING, LACKING_IN_OUTPUT, Code, near
from yamlgen.events import ItemFailed, PaceChanged, RequestRetried, RowFailed, RunForecast

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from yamlgen.api.results import OutputPaths, RowsFile
    from yamlgen.value_objects import JSON

_HELD: Final = 0.05
_SHOWN: Final = 60.0
"""The minimum number of seconds that a run takes for its first line to say so."""

_MADE_UP: Final = "the simulator makes answers up: a `check` that compares them with the row may fail here only"

_HEAD: Final = ["step", "rows", "failed", "answers", "re-asks", "retried", "input tokens", "output tokens"]


def summary(report: Report, paths: OutputPaths, *, simulation: Mapping[str, JSON] | None = None) -> str:
    """Return the summary of a run: counts, tokens, failures in groups, and the files."""
    how = f" ({simulator(simulation)})" if simulation else ""
    failed = f"{report.failed} failed"
    failed = style(failed, fg="red") if report.failed else failed
    finished = counted(report.finished, "row")
    lines = [f"{safe(report.pipeline)}: {finished} finished, {failed} in {time_told(report.seconds)}{how}"]
    lines.extend(map(_lost, report.lost_steps))
    lines.extend(outlay(report))
    lines.extend(failures(report))
    lines.extend(f"  warning  {safe(warning)}" for warning in report.warnings)
    lines.extend(_outputs(report, paths))
    if report.failed:
        lines.append(f"  failed  {near(paths.failed)}")
    lines.append(f"  record  {near(paths.run)}")
    lines += page_told(report)
    return "\n".join(lines)


def page_told(report: Report) -> list[str]:
    """Return where the report of a run was written, as a line; none if it was not."""
    page = report.page
    return [] if page is None or page.error else [f"  report  {near(page.path)} ({size_told(page.size)})"]


def size_told(size: int) -> str:
    """Return the size of a file."""
    return f"{size / 1000:,.0f} kB" if size < 10**6 else f"{size / 10**6:,.1f} MB"


def _outputs(report: Report, paths: OutputPaths) -> Iterator[str]:
    """Yield where each output was written, and what it left out."""
    for name, counts in report.outputs.items():
        files = paths.of(name) or paths.of("")
        rows = [each for each in files if each.part is not None]
        written = [near(each.path) for each in rows] or ["standard output"]
        if paths.unchanged.intersection(each.path for each in rows):
            has = {True: "unchanged", False: "0 rows"}
            written = [f"{near(each.path)} ({has[each.path in paths.unchanged]})" for each in rows]
            written.append("no row finished")
        elif len(rows) > 1:
            written = [f"{near(each.path)} ({counted(counts['parts'].get(each.part, 0), 'row')})" for each in rows]
        elif counts["rows"] != report.finished or len(report.outputs) > 1 or not report.finished:
            written.append(counted(counts["rows"], "row"))
        yield f"  output  {', '.join([*written, *_dropped(counts, files)])}"


def _dropped(counts: Mapping[str, JSON], files: Sequence[RowsFile]) -> Iterator[str]:
    """Yield what an output left out, and which failed rows it kept."""
    if counts["rejected"]:
        kept = "".join(f" (see {near(each.path)})" for each in files if each.part is None)
        yield f"{counted(counts['rejected'], 'row')} dropped by `where`{kept}"
    if counts["duplicates"]:
        yield f"{counted(counts['duplicates'], 'duplicate')} dropped by `unique`"
    if counts["kept"]:
        yield f"{counted(counts['kept'], 'failed row')} kept"


def next_lines(commands: list[str]) -> list[str]:
    """Return the commands that continue from a run, as lines."""
    return [f"{'next:' if number == 0 else '':6}{safe(each)}" for number, each in enumerate(commands)]


def outlay(report: Report) -> list[str]:
    """Return what each step did, and what the run cost, as lines."""
    steps = [_step_row(name, step) for name, step in report.steps.items()]
    head = [*_HEAD, column(simulated=report.simulated), "stored"]
    return [
        *table(_fitting([head, *steps])),
        *(f"  {each}" for each in left_out(report)),
        *(f"  {each}" for each in asked_again(report)),
        *(f"  {each}" for each in _batched(report)),
        f"  {bill(report)}",
        *_cache_line(report),
        *_pace_lines(report),
    ]


def failures(report: Report) -> list[str]:
    """Return the failures of a run in groups, as lines: failed rows, then failed items and steps that are null."""
    made_up = report.simulated
    rows = [_group_lines(group, group.step, made_up=made_up) for group in largest_first(report.groups)]
    nulls = [
        _group_lines(
            group, f"items of {group.step}" if group.is_item else f"{group.step}, which is null", made_up=made_up
        )
        for group in largest_first(report.item_groups)
    ]
    return [line for lines in rows + nulls for line in lines]


def _group_lines(group: FailureGroup, where: str, *, made_up: bool) -> list[str]:
    examples = (f"      {row_told(each)}: {safe(each.message)}" for each in group.examples)
    is_lacking = any(" in the mapping" in each.message for each in group.examples if group.code == Code.ROW_TEMPLATE)
    way = LACKING_IN_OUTPUT if where == "output" else LACKING
    ways = [way] if is_lacking else [_MADE_UP] if made_up and group.code == Code.INVALID_OUTPUT else []
    return [f"  {group.count:,} x {group.code} in {where}:", *examples, *(f"      = {way}" for way in ways)]


def row_told(failed: RequestRetried | RowFailed | ItemFailed | Example) -> str:
    """Return the name of a row."""
    return safe(row_name(failed.row, failed.id))


def _lost(step: LostStep) -> str:
    """Return the line about a step that lost every item, or failed in every row, with the most frequent reason."""
    what = "lost every item of every row" if step.has_items else "failed in every row"
    head = style(f"step `{step.step}` {what}", fg="red")
    like = f"{step.reason.count:,} of {step.items:,} with this error: {step.reason.code}"
    return f"  {head}, {like}: {safe(step.reason.examples[0].message)}"


def left_out(report: Report) -> list[str]:
    """Return how many rows each step skipped, and how many of its rows and items are null; nothing if none are."""
    phrases = []
    for name, step in report.steps.items():
        are = "is" if step.failed_items == 1 else "are"
        skipped = [f"{step.skipped:,} skipped"] if step.skipped else []
        items = [f"{items_told(step)} failed and {are} null"] if step.failed_items else []
        rows = [f"failed and is null in {counted(step.null_rows, 'row')}"] if step.null_rows else []
        if skipped or rows or items:
            phrases.append(f"{name}: {', '.join(skipped + rows + items)}")
    return phrases


def asked_again(report: Report) -> list[str]:
    """Return how many answers each step has from larger requests and from fallback models, as lines."""
    lines = []
    for name, step in report.steps.items():
        told = [f"{counted(step.larger, 'answer')} to requests with more tokens"] if step.larger else []
        models = sorted(step.fallbacks.items(), key=lambda each: -each[1])
        told += [f"{counted(count, 'answer')} of {safe(model)} after a refusal" for model, count in models]
        if told:
            lines.append(f"{safe(name)}: {', '.join(told)}")
    return lines


def _batched(report: Report) -> list[str]:
    """Return what came of the batches of each step; nothing for steps without batches."""
    lines = []
    for step in dict.fromkeys(batch.step for batch in report.batches.values()):
        batches = [batch for batch in report.batches.values() if batch.step == step]
        done, left = ([each for each in batches if each.is_open is is_open] for is_open in (False, True))
        counts: Counter[str] = Counter()
        for batch in done:
            counts.update(batch.counts)
        told = [f"{', '.join(outcomes(counts))} in {counted(len(done), 'batch')}"] if done else []
        if left:
            requests = counted(sum(batch.requests for batch in left), "request")
            state = "that ended with the simulator" if report.simulated else "still in progress"
            told.append(f"{requests} in {counted(len(left), 'batch')} {state}")
        lines.append(f"{safe(step)}: {'; '.join(told)}")
    return lines


def outcomes(counts: Mapping[str, int]) -> list[str]:
    """Return how many requests of a batch had each outcome, without those that none had."""
    return [f"{count:,} {outcome}" for outcome, count in counts.items() if count] or ["no results"]


def items_told(step: StepCount) -> str:
    """Return how many items of a step failed."""
    return f"{'all ' if step.is_lost else ''}{counted(step.failed_items, 'item')}"


def _step_row(name: str, step: StepCount) -> list[str]:
    usage = step.paid.usage
    read = usage.input_tokens + usage.cache_creation_input_tokens + usage.cache_read_input_tokens
    counts = (step.finished, step.failed, step.paid.attempts, step.reasks, step.retried, read, usage.output_tokens)
    cost = "unknown" if step.paid.cost_usd is None else dollars(step.paid.cost_usd)
    return [name, *(f"{count:,}" for count in counts), cost, f"{step.reused.attempts:,}"]


def bill(report: Report) -> str:
    """Return what this run cost, and what the store saved."""
    paid, reused = report.paid, report.reused
    sent = sum(step.sent for step in report.steps.values())
    cost = "price unknown" if paid.cost_usd is None else dollars(paid.cost_usd, simulated=report.simulated)
    told = f"{'cost' if report.simulated else 'paid'}: {cost}"
    if not paid.attempts:
        told = f"{sent:,} sent, none answered" if sent else "nothing was sent"
    if reused.attempts:
        saved = "" if reused.cost_usd is None else f", saved {dollars(reused.cost_usd, simulated=report.simulated)}"
        told += f"; {counted(reused.attempts, 'answer')} from the store{saved}"
    return told


def _cache_line(report: Report) -> list[str]:
    """Return what was read from the prompt cache and written to it; nothing if nothing was."""
    paid = report.paid
    read, written = paid.usage.cache_read_input_tokens, paid.usage.cache_creation_input_tokens
    if not (read or written):
        return []
    told = f"  prompt cache: {read:,} tokens read, {written:,} written"
    saved = paid.cache_saved_usd
    if saved is None:
        return [told]
    amount = dollars(abs(saved), simulated=report.simulated)
    return [f"{told}, saved {amount}" if saved >= 0 else f"{told}, cost {amount} more than without it"]


def pace_told(pace: PaceChanged) -> str:
    """Return how fast the API accepts requests now, as one line."""
    phrases = [f"{_pool(pace)}: {pace.in_flight} in flight of {pace.limit}"]
    if pace.waiting:
        phrases.append(f"{pace.waiting} waiting for {'the API' if pace.closed else 'quota'}")
    if pace.closed:
        phrases.append(f"paused for {pace.closed:.1f} s")
    return ", ".join([*phrases, *_objections(pace), *([safe(pace.reason)] if pace.reason else [])])


def _pool(pace: PaceChanged) -> str:
    """Return the name of a rate limit, after the aliases of the models that share it."""
    aliases = ", ".join(each for each in pace.models if pace.pool not in each)
    return safe(f"{aliases} ({pace.pool})" if aliases else pace.pool)


def _objections(pace: PaceChanged) -> list[str]:
    counts = ((pace.limited, "rate limit"), (pace.overloaded, "failure"))
    return [counted(count, what) for count, what in counts if count]


def _pace_lines(report: Report) -> list[str]:
    """Return how fast the API accepted requests, as lines; none if nothing was sent."""
    lines = []
    for pace in report.pace.values():
        held = [f"waited {time_told(pace.held)}"] if pace.held >= _HELD else []
        phrases = ", ".join([f"up to {pace.most} in flight", *_objections(pace), *held])
        lines.append(f"  {_pool(pace)}: {phrases}")
    return lines


def cost_told(bill: UsageTotal, *, simulated: bool) -> str:
    """Return what a bill amounts to; nothing if that is unknown."""
    return "" if not bill.attempts or bill.cost_usd is None else f"  {dollars(bill.cost_usd, simulated=simulated)}"


def column(*, simulated: bool) -> str:
    """Return the head of a column of dollars."""
    return "simulated cost" if simulated else "cost"


def simulator(simulation: Mapping[str, JSON]) -> str:
    """Return which simulator answers."""
    seed = [f"seed {simulation['seed']}"] if simulation["seed"] else []
    return ", ".join(["simulated", *seed, *(f"{name}={rate}" for name, rate in simulation["faults"].items())])


def foretold(forecast: RunForecast) -> str:
    """Return the forecast of a run as one line."""
    about = "about " if forecast.sampled is not None else ""
    how = f" ({simulator(forecast.simulation)})" if forecast.simulation else ""
    is_unsure = bool(about) and not forecast.stored
    stored = f"{'few or no answers' if is_unsure else about + counted(forecast.stored, 'answer')} in the store"
    known = f"{safe(forecast.pipeline)}{how}: {counted(forecast.rows, 'row')}, {stored}"
    if forecast.waiting:
        known += f", {about}{counted(forecast.waiting, 'request')} in a batch already"
    if forecast.replaced:
        known += f", {counted(forecast.replaced, 'simulated answer')} to replace"
    if not forecast.requests:
        if forecast.sampled is None:
            return f"{known}, nothing to send"
        return f"{known}, little or nothing to send (estimated from {counted(forecast.sampled, 'row')})"
    least, most = (sum(step.output_tokens[end] for step in forecast.steps) for end in (0, 1))
    sent = shortened(sum(step.input_tokens for step in forecast.steps))
    tokens = f"{sent} tokens in, {between(shortened(least), shortened(most))} out"
    cost = forecast.cost
    price = "cost unknown" if cost is None else span_told(cost)
    price += SIMULATED if cost is not None and forecast.simulation else ""
    is_batched = any(step.batched for step in forecast.steps)
    single = forecast.single_cost if is_batched else None
    price += f" ({span_told(single)} one by one)" if single is not None and single != cost else ""
    s = "" if forecast.requests == 1 else "s"
    requests = f"{about}{range_told(forecast.least_requests, forecast.requests)} request{s}"
    duration = forecast.duration
    takes = f", {about_told(duration)}" if duration and duration.seconds[1] >= _SHOWN else ""
    return f"{known}, {requests} to send{' in batches' * is_batched}: {tokens}, {price}{takes}"


def span_told(ends: tuple[float, float]) -> str:
    """Return a minimum and a maximum of US dollars, or one amount if they look alike."""
    return between(*map(dollars, ends))


def between(least: str, most: str) -> str:
    """Return a minimum and a maximum, or one of them if they look alike."""
    return least if least == most else f"{least} to {most}"


def range_told(least: int | None, most: int) -> str:
    """Return a range of numbers, which may be one number."""
    if least is None or least >= most:
        return f"{most:,}"
    return f"{least:,} to {most:,}" if least else f"up to {most:,}"


def _fitting(rows: list[list[str]]) -> list[list[str]]:
    """Return a table without its columns of zeros if it is wider than the terminal."""
    width = terminal_width()
    if width is None or len(table(rows)[0]) <= width:
        return rows
    kept = [column for column in range(len(rows[0])) if column == 0 or any(row[column] != "0" for row in rows[1:])]
    return [[row[column] for column in kept] for row in rows]


def table(rows: list[list[str]]) -> list[str]:
    """Return the lines of a table: the first column is aligned left, the others right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]

    def line(row: list[str]) -> str:
        counts = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        return "  ".join(["", row[0].ljust(widths[0]), *counts])

    return [line(row) for row in rows]


def shortened(number: float) -> str:
    """Return a number in about four characters."""
    for size, letter in ((1_000_000, "M"), (1_000, "k")):
        if number >= size:
            return f"{number / size:.1f}{letter}"
    return str(int(number))
