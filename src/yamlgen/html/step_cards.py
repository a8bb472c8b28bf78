"""The steps of a run as they are shown: a card for each, with its numbers in words, and its bars."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from yamlgen.html.charts import Histogram, ShareBar, bar, histogram
from yamlgen.html.field_cards import name_shown, quantiles_told, value_shown
from yamlgen.html.page_detail import Detail
from yamlgen.profiles.step_profile import ReaskReason, StepProfile
from yamlgen.reports.amount_words import counted
from yamlgen.reports.bill import dollars

_TOKENS = {
    "input_tokens": "tokens in",
    "cache_read_input_tokens": "read from the cache",
    "cache_creation_input_tokens": "written to the cache",
    "output_tokens": "tokens out",
}


@dataclass(frozen=True, slots=True)
class StepCard:
    """What is shown of a step.

    Attributes:
        name: its name.
        kind: its kind.
        statuses: what became of it in how many rows, as a phrase.
        numbers: names and numbers.
        bars: charts with their titles: why answers were sent back, stop reasons, models.
        cut: what the charts leave out, as a sentence.
        histogram: the seconds that answers took.
    """

    name: str
    kind: str
    statuses: str
    numbers: tuple[tuple[str, str], ...]
    bars: tuple[tuple[str, tuple[ShareBar, ...]], ...]
    cut: str
    histogram: Histogram | None


def step_cards(steps: Sequence[StepProfile], detail: Detail, *, simulated: bool) -> tuple[StepCard, ...]:
    """Return the cards of the first steps."""
    return tuple(_card(step, detail, simulated=simulated) for step in steps[: detail.steps])


def _card(step: StepProfile, detail: Detail, *, simulated: bool) -> StepCard:
    more = step.more + sum(each.count for each in step.why[detail.values :])
    drawn = histogram(step.latency_bins, step.latency, detail.columns) if step.latency else None
    return StepCard(
        name_shown(step.name, detail),
        step.kind,
        " · ".join(f"{count:,} {status}" for status, count in step.statuses.items() if count),
        tuple(_numbers(step, simulated=simulated)) if step.answers or step.sent else (),
        tuple(_charts(step, detail)),
        f"{counted(more, 'more answer')} sent back for other reasons." if more else "",
        drawn,
    )


def _numbers(step: StepProfile, *, simulated: bool) -> Iterator[tuple[str, str]]:
    counts = {
        "requests sent": step.sent,
        "retried": step.retried or None,
        "answers": step.answers,
        "from the store": step.stored or None,
        "with batches": step.batched or None,
        "re-asks": step.reasks,
        "re-asks with more tokens": step.larger or None,
        "of another model, after a refusal": step.refused or None,
        **{told: step.usage[name] or None for name, told in _TOKENS.items() if name in step.usage},
    }
    yield from ((name, f"{count:,}") for name, count in counts.items() if count is not None)
    yield "cost", "unknown" if step.cost_usd is None else dollars(step.cost_usd, simulated=simulated)
    if step.cache_saved_usd:
        saved = dollars(abs(step.cache_saved_usd), simulated=simulated)
        yield ("saved by the cache" if step.cache_saved_usd > 0 else "lost to the cache"), saved
    if step.latency:
        told = quantiles_told(step.latency)
        yield from ((f"seconds, {name}", each) for name, each in told if name in ("p50", "p95", "most"))


def _charts(step: StepProfile, detail: Detail) -> Iterator[tuple[str, tuple[ShareBar, ...]]]:
    if step.why:
        whole = sum(each.count for each in step.why) + step.more
        shown = step.why[: detail.values]
        yield "why re-asked", tuple(_why(each, whole, detail) for each in shown)
    stops = {str(each.value): each.count for each in step.stop_reasons}
    if stops:
        yield "stop reasons", _counts(stops, detail)
    if len(step.models) > 1:
        yield "models that answered", _counts(step.models, detail)


def _counts(counts: Mapping[str, int], detail: Detail) -> tuple[ShareBar, ...]:
    whole = sum(counts.values())
    shown = list(counts.items())[: detail.values]
    bars = [bar(name_shown(name, detail), count, whole) for name, count in shown]
    rest = whole - sum(count for _, count in shown)
    return (*bars, *([bar("all others", rest, whole, style="quiet")] if rest else []))


def _why(reason: ReaskReason, whole: int, detail: Detail) -> ShareBar:
    """Return the bar of a reason: its keyword and place, or the words of a check, which may quote an answer."""
    if reason.keyword:
        place = f" at {name_shown(reason.place, detail)}" if reason.place and detail.text else ""
        return bar(name_shown(reason.keyword, detail) + place, reason.count, whole)
    if not detail.text:
        return bar("a reason in words", reason.count, whole, style="quiet")
    label, left_out = value_shown(reason.message, detail.characters)
    return bar(label, reason.count, whole, left_out=left_out)
