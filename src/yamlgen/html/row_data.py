"""A row of a report as data of its page: what the script shows as text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from yamlgen.data.row_identity import id_name
from yamlgen.html.marked_prompt import marked_prompt, marked_values
from yamlgen.profiles.failure_profile import answer_text
from yamlgen.profiles.row_choice import ChoiceReason
from yamlgen.reports.amount_words import counted, time_told
from yamlgen.reports.bill import dollars
from yamlgen.reports.row_cards import card_of
from yamlgen.reports.row_facts import RowFacts
from yamlgen.reports.value_lines import ValueLine, clean, cut
from yamlgen.store.row_scan import ScannedRow, ScannedStep
from yamlgen.store.stored_results import StoredAttempt
from yamlgen.value_objects import JSON

_MOST_PROMPTS: Final = 3
_MOST_ATTEMPTS: Final = 8


class RowDescriber:
    """Describes rows.

    Args:
        exchange: returns the request and the response of an attempt.
        run: the name of the run.
        simulated: whether it is simulated.
    """

    def __init__(self, exchange: Callable[[StoredAttempt], tuple[JSON, JSON]], run: str, *, simulated: bool) -> None:
        self._exchange = exchange
        self._run = run
        self._simulated = simulated

    def describe(self, row: ScannedRow, facts: RowFacts, reasons: Sequence[ChoiceReason]) -> dict[str, JSON]:
        """Return what the page shows of a row: see `report_page.js`.

        Args:
            row: the row.
            facts: the same, as a card shows it.
            reasons: why it was chosen.
        """
        card = card_of(facts, simulated=self._simulated)
        given, *steps = card.parts
        values = marked_values(row.columns)
        return {
            "id": cut(row.id if isinstance(row.id, str) else id_name(row.number + 1 if row.id is None else row.id))[0],
            "number": row.number + 1,
            "title": card.title,
            "status": card.status,
            "why": [[each.rule, clean(each.detail)] for each in reasons],
            "cost": card.cost,
            "input": [_line(each) for each in given.lines],
            "steps": [
                {
                    "name": clean(part.name),
                    "note": part.note,
                    "lines": [_line(each) for each in part.lines],
                    "remarks": part.remarks,
                    **self._asked(row.steps.get(name), values),
                }
                for part, name in zip(steps, (step.name for step in facts.steps), strict=True)
            ],
        }

    def _asked(self, step: ScannedStep | None, values: Sequence[str]) -> dict[str, JSON]:
        """Return the prompts of a step and its attempts; nothing if it has asked no model."""
        attempts = [] if step is None else step.attempts
        if step is None or not attempts:
            request = step.error.get("request") if step is not None and step.error is not None else None
            prompts: list[list[JSON]] = [["", marked_prompt(request, values)]] if isinstance(request, dict) else []
            return {"prompts": prompts, "attempts": [], "count": 0} if prompts else {}
        read = [(each, *self._exchange(each)) for each in attempts[:_MOST_ATTEMPTS]]
        first = {each.case: request for each, request, _ in reversed(read)}
        cases = dict.fromkeys(each.case for each in attempts)
        made = [self._attempt(each, response) for each, _, response in read]
        prompts = list(_prompts({case: first.get(case) for case in cases}, values))
        return {"prompts": prompts, "attempts": made, "count": len(attempts)}

    def _attempt(self, attempt: StoredAttempt, response: JSON) -> list[JSON]:
        """Return an attempt: what it was, its answer, how much of that is left out, and what is wrong with it."""
        about = ", ".join(self._about(attempt))
        told = [shown + (f" … ({more})" if more else "") for shown, more in map(cut, attempt.errors)]
        notes = [clean(each) for each in attempt.notes]
        return [clean(about), *cut(answer_text(response)), [*told, *notes]]

    def _about(self, attempt: StoredAttempt) -> Iterator[str]:
        usage, read = attempt.usage, attempt.usage.cache_read_input_tokens
        sent = usage.input_tokens + usage.cache_creation_input_tokens + read
        if attempt.case:
            yield attempt.case
        yield attempt.model or "unknown model"
        yield attempt.stop_reason or "no stop reason"
        yield f"{sent:,} tokens in{f' ({read:,} from the cache)' if read else ''}, {usage.output_tokens:,} out"
        if attempt.batch is None:
            yield time_told(attempt.seconds) if attempt.seconds >= 1 else f"{attempt.seconds:.2f} s"
        else:
            yield f"batch {attempt.batch}"
        yield "unknown cost" if attempt.cost is None else dollars(attempt.cost, simulated=self._simulated)
        if attempt.run != self._run:
            yield f"stored by {f'run {attempt.run}' if attempt.run else 'a run that was pruned'}"


def _prompts(requests: Mapping[str, JSON], values: Sequence[str]) -> Iterator[list[JSON]]:
    """Yield the prompts of the cases of a step, each with its case; messages as in the first of them only once.

    Args:
        requests: the first request of each case; `None` if it was not read.
        values: what is marked in them.
    """
    shown: dict[str, list[JSON]] = {}
    equal = left_out = 0
    for case, request in requests.items():
        prompt = None if request is None else marked_prompt(request, values)
        if prompt in shown.values():
            equal += 1
        elif prompt is None or len(shown) == _MOST_PROMPTS:
            left_out += 1
        else:
            shown[case] = prompt
    known = next(iter(shown.values()), [])
    for case, prompt in shown.items():
        other = prompt if prompt is known else [each for each in prompt if each not in known]
        same = len(prompt) - len(other)
        note = f"{counted(same, 'message')} as before"
        yield [clean(case), [*([["", [{"note": note}]]] if same else []), *other]]
    if equal:
        yield [f"{counted(equal, 'more case')} with the same prompt", []]
    if left_out:
        yield [f"{counted(left_out, 'more case')}", []]


def _line(line: ValueLine) -> list[JSON]:
    return [line.depth, line.name, line.text, line.left_out] if line.left_out else [line.depth, line.name, line.text]
