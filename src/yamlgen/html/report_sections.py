"""All of a report that is above its rows, as HTML: with as much detail as fits into its size."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from markupsafe import Markup, escape

from yamlgen.html.charts import Rectangle, span
from yamlgen.html.embedding import page_template
from yamlgen.html.failure_cards import failure_cards, text_shown
from yamlgen.html.field_cards import field_cards, name_shown, value_shown
from yamlgen.html.page_detail import Detail, details
from yamlgen.html.step_cards import step_cards
from yamlgen.html.time_strip import time_strip
from yamlgen.profiles.fields.field_profile import Agreement, Basis, GroupedNumbers
from yamlgen.profiles.headline import Headline, verdict
from yamlgen.profiles.run_profile import RunProfile
from yamlgen.reports.amount_words import counted, figure, share_told
from yamlgen.reports.value_lines import clean

MOST_BYTES: Final = 45_000
"""The size of what is above the rows, without a comparison with another run."""


_MOST_PARAMS: Final = 12


@dataclass(frozen=True, slots=True)
class Accusation:
    """A suspicion as it is shown.

    Attributes:
        place: what it is about.
        target: the id of the field or the step on the page; empty if it is about another thing.
        message: the sentence.
        rows: a few rows in which it shows, counted from 1.
        rule: its rule.
    """

    place: str
    target: str
    message: str
    rows: tuple[int, ...]
    rule: str


@dataclass(frozen=True, slots=True)
class SpanRow:
    """The numbers of a group: its value, where they are on the common axis, and what they are."""

    label: str
    span: Rectangle
    numbers: tuple[str, ...]


def coded(text: str) -> Markup:
    """Return our own sentence, with what is between backticks as code."""
    parts = clean(text).split("`")
    if len(parts) % 2 == 0:
        return escape(clean(text))
    return Markup().join(Markup("<code>{}</code>").format(each) if at % 2 else each for at, each in enumerate(parts))


def moment_told(moment: str) -> str:
    """Return a moment in ISO 8601 as a page shows it: `2026-11-29 02:26:53 UTC`."""
    return clean(moment.replace("T", " ").replace("+00:00", " UTC"))


FILTERS: Final[Mapping[str, Callable[..., Any]]] = {"number": "{:,}".format, "clean": clean, "coded": coded}
"""What the templates of a report can apply."""


def report_sections(profile: RunProfile, *, text: bool = True, most: int | None = MOST_BYTES) -> Markup:
    """Return the headline, suspicions, failures, fields and steps.

    Args:
        profile: the run in numbers.
        text: whether texts that come from rows and answers are shown.
        most: the most bytes; `None` for as much detail as there is.
    """
    template = page_template("report_sections.jinja", FILTERS)
    made = ""
    for detail in details(text=text):
        made = template.render(_shown(profile, detail))
        if most is None or len(made.encode()) <= most:
            break
    return Markup(made)  # noqa: S704 - our own template, which has escaped it


def _shown(profile: RunProfile, detail: Detail) -> dict[str, Any]:
    """Return what the template reads."""
    head = profile.headline
    hidden = sum(each.count for each in profile.failures[detail.ways :]) + profile.more_failures
    more_fields = max(len(profile.fields) - detail.fields, 0) + profile.basis.left_out
    return {
        "detail": detail,
        "has_rows": detail.text and bool(profile.chosen),
        "short": partial(text_shown, detail=detail),
        "named": partial(name_shown, detail=detail),
        "head": head,
        "verdict": verdict(head),
        "outcome": _outcome(head),
        "facts": tuple(_facts(head, detail)),
        "links": _links(profile),
        "suspicions": _accusations(profile, detail),
        "suspicions_cut": _more(len(profile.suspicions) - detail.suspicions, "suspicion"),
        "failures": failure_cards(profile.failures, detail),
        "failures_cut": f"Not shown: {counted(hidden, 'failure')} of other ways." if hidden else "",
        "basis": _basis(profile.basis, detail),
        "fields": field_cards(profile.fields, detail),
        "fields_cut": _more(more_fields, "field"),
        "agreements": tuple(_agreement(each, detail) for each in profile.agreements[: detail.groups]),
        "agreements_cut": _more(len(profile.agreements) - detail.groups, "sampled field"),
        "groups": tuple(_group(each, detail) for each in profile.groups[: detail.groups]),
        "groups_cut": _more(len(profile.groups) - detail.groups, "grouped number"),
        "steps": step_cards(profile.steps, detail, simulated=head.simulated),
        "steps_cut": _more(len(profile.steps) - detail.steps, "step"),
        "strip": time_strip(profile.timeline, detail.slots) if profile.timeline else None,
        "why_no_strip": clean(profile.why_no_timeline),
    }


def _more(number: int, what: str) -> str:
    """Return what a list leaves out, as a sentence; nothing if it is whole."""
    return f"Not shown: {counted(number, f'more {what}')}." if number > 0 else ""


def _links(profile: RunProfile) -> tuple[tuple[str, str, int | None], ...]:
    """Return the sections: their ids, names, and how many things each has, if they are counted."""
    failures = sum(each.count for each in profile.failures) + profile.more_failures
    return (
        ("suspicions", "Suspicions", len(profile.suspicions)),
        ("failures", "Failures", failures),
        ("fields", "Fields", len(profile.fields) + profile.basis.left_out),
        ("steps", "Steps", len(profile.steps)),
        *([("against", "Against", None)] if profile.against else []),
        ("rows", "Rows", None),
    )


def _outcome(head: Headline) -> tuple[tuple[str, int, Rectangle], ...]:
    """Return the parts of the bar of rows: for each its name, its number, and where it is."""
    counts = {"finished": head.finished, "failed": head.failed, "missing": head.missing}
    whole = max(head.rows or 0, sum(counts.values()))
    made, at = [], 0
    for name, count in counts.items():
        if count:
            made.append((name, count, Rectangle(100 * at / whole, 100 * count / whole, 0, 8)))
            at += count
    return tuple(made)


def _facts(head: Headline, detail: Detail) -> Iterator[tuple[str, str]]:
    yield "run", f"{name_shown(head.run, detail)}, {head.status}"
    yield "started", moment_told(head.started)
    if head.version:
        yield "yamlgen", clean(head.version)
    if head.commit:
        yield (
            "commit",
            f"{clean(head.commit[:12])}{', with uncommitted changes' if head.dirty else ', without changes'}",
        )
    else:
        yield "commit", "none: not in git"
    for requested, answered in head.models.items():
        models = ", ".join(
            f"{counted(count, 'answer')} of {name_shown(name, detail)}" for name, count in answered.items()
        )
        yield f"model {name_shown(requested, detail)}", models or "no answer"
    for name, value in list(head.params.items())[:_MOST_PARAMS]:
        shown, left_out = value_shown(value, detail.characters)
        yield f"parameter {name_shown(name, detail)}", f"{shown} … ({left_out})" if left_out else shown
    if len(head.params) > _MOST_PARAMS:
        yield "parameters", f"{len(head.params) - _MOST_PARAMS:,} more not shown"


def _accusations(profile: RunProfile, detail: Detail) -> tuple[Accusation, ...]:
    targets = {each.name: f"step-{number}" for number, each in enumerate(profile.steps[: detail.steps], 1)}
    targets |= {each.name: f"field-{number}" for number, each in enumerate(profile.fields[: detail.fields], 1)}
    made = []
    for each in profile.suspicions[: detail.suspicions]:
        message, left_out = value_shown(each.message, detail.excerpt)
        message = f"{message} … ({left_out})" if left_out else message
        made.append(
            Accusation(name_shown(each.place, detail), targets.get(each.place, ""), message, each.rows, each.rule)
        )
    return tuple(made)


def _basis(basis: Basis, detail: Detail) -> str:
    """Return in which rows the fields were counted, as sentences."""
    rows = counted(basis.rows, "row")
    if basis.source == "steps":
        several = f", because there are {len(basis.outputs)} outputs" if len(basis.outputs) > 1 else ""
        return f"Values of the steps in {rows} that finished{several}."
    name = f" {name_shown(basis.output, detail)}" if basis.output else ""
    copied = [name_shown(each, detail) for each in basis.copied[:_MOST_PARAMS]]
    more = f" and {len(basis.copied) - len(copied):,} more" if len(basis.copied) > len(copied) else ""
    left_out = f" Columns copied from the input are left out: {', '.join(copied)}{more}." if copied else ""
    return f"{rows} of the output{name}, as written.{left_out}"


def _agreement(each: Agreement, detail: Detail) -> tuple[str, ...]:
    """Return a row of the table of samples."""
    name = f"{each.step}.{each.field}" if each.field else each.step
    shares = (share_told(each.unanimous, each.cases), share_told(each.majority, 1), share_told(each.pairs, 1))
    return (name_shown(name, detail), f"{each.samples:,}", f"{each.cases:,}", *shares)


def _group(each: GroupedNumbers, detail: Detail) -> dict[str, Any]:
    """Return the table of a number by the values of a draw or an axis."""
    shown: Sequence[Any] = each.groups[: detail.values]
    least = min((one.quantiles.least for one in shown), default=0)
    most = max((one.quantiles.most for one in shown), default=0)
    rows = []
    for one in shown:
        q = one.quantiles
        numbers = (figure(q.p5), figure(q.p50), figure(q.p95), figure(one.mean), f"{one.count:,}")
        rows.append(SpanRow(value_shown(one.value, detail.name)[0], span(q, least, most), numbers))
    return {
        "field": name_shown(each.field, detail),
        "by": name_shown(each.by, detail),
        "explained": share_told(each.explained, 1),
        "rows": rows,
        "cut": _more(len(each.groups) - len(shown) + each.left_out, "value"),
    }
