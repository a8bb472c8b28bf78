"""The ways of failing as they are shown: each with its example, cut where it is long, and each cut told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from yamlgen.data.row_identity import full_row_name
from yamlgen.html.field_cards import name_shown
from yamlgen.html.page_detail import Detail
from yamlgen.profiles.failure_profile import FailedAnswer, FailureWay
from yamlgen.reports.amount_words import counted
from yamlgen.reports.value_lines import ValueLine, clean, cut, value_lines
from yamlgen.value_objects import JSON


@dataclass(frozen=True, slots=True)
class AnswerShown:
    """An answer of an example.

    Attributes:
        title: which answer it is.
        lines: its text.
        errors: the words of the validator.
    """

    title: str
    lines: tuple[ValueLine, ...]
    errors: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FailureCard:
    """What is shown of a way of failing.

    Attributes:
        number: its number on the page, from 1.
        way: the way itself.
        message: its words, cut.
        hint: how to mend it, cut.
        row: the name of the row of the example; only its number if no text is shown.
        command: the command that mends it.
        shows: the command that shows the example; empty if no text is shown, for it may hold an id.
        request: the request of the example; empty if there was none, or no text is shown.
        answers: the answers of the example.
        more: how many answers are left out, as a phrase.
    """

    number: int
    way: FailureWay
    message: str
    hint: str
    row: str
    command: str
    shows: str
    request: tuple[ValueLine, ...]
    answers: tuple[AnswerShown, ...]
    more: str


def failure_cards(ways: Sequence[FailureWay], detail: Detail) -> tuple[FailureCard, ...]:
    """Return the cards of the first ways of failing."""
    return tuple(_card(way, number, detail) for number, way in enumerate(ways[: detail.ways], 1))


def _card(way: FailureWay, number: int, detail: Detail) -> FailureCard:
    if not detail.text:
        return FailureCard(number, way, "", "", f"row {way.row}", text_shown(way.command, detail), "", (), (), "")
    shown = way.answers[-detail.answers :]
    first = len(way.answers) - len(shown)
    answers = tuple(_answer(each, at, detail) for at, each in enumerate(shown, first + 1))
    more = f"{counted(first, 'earlier answer')} not shown" if first else ""
    request = _lines(_ordered(way.request), detail) if way.request is not None else ()
    return FailureCard(
        number,
        way,
        text_shown(way.message, detail),
        text_shown(way.hint, detail),
        clean(full_row_name(way.row - 1, way.id)),
        text_shown(way.command, detail),
        text_shown(way.shows, detail),
        request,
        answers,
        more,
    )


def _answer(answer: FailedAnswer, number: int, detail: Detail) -> AnswerShown:
    notes = [name_shown(each, detail) for each in (answer.case, answer.model, answer.stop_reason) if each]
    title = f"answer {number}{':' if notes else ''} {', '.join(notes)}"
    errors = tuple(text_shown(each, detail) for each in answer.errors[: detail.lines])
    more = len(answer.errors) - len(errors)
    errors = (*errors, f"and {counted(more, 'more error')}") if more else errors
    return AnswerShown(title, _lines(answer.text, detail), errors)


def _ordered(request: JSON) -> JSON:
    """Return a request with what differs from row to row first."""
    if not isinstance(request, dict):
        return request
    return {name: request[name] for name in sorted(request, key=lambda name: (name != "messages", name != "system"))}


def _lines(value: JSON, detail: Detail) -> tuple[ValueLine, ...]:
    return value_lines(value, most=detail.lines, most_text=detail.excerpt)


def text_shown(text: str, detail: Detail) -> str:
    """Return a text, cleaned and cut if it is long."""
    shown, left_out = cut(text, detail.excerpt)
    return f"{shown} … ({left_out})" if left_out else shown
