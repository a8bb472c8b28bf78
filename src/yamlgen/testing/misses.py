"""Requests that are not recorded: which, how they differ from what was recorded, and what recording them would cost."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import Final

from yamlgen.claude.prices import price_function_of
from yamlgen.planning.plan import Plan
from yamlgen.planning.request_costs import PastAnswers, reckoned
from yamlgen.steps.plan_step import Variant
from yamlgen.testing.changes import ChangeFinder
from yamlgen.testing.line_ends import with_lf
from yamlgen.testing.recordings import Recording, RecordingKey
from yamlgen.testing.replay import MissingRequest
from yamlgen.testing.sent_parts import MissedRow, text_of
from yamlgen.testing.verdicts import Miss
from yamlgen.value_objects import JSON

_WORD: Final = re.compile(r"\w+")
_MOST_COMPARED: Final = 10
_MOST_CHARACTERS: Final = 4000


@dataclass
class RecordedSteps:
    """The recorded answers of a test file, by step, to find the nearest one of a request."""

    recordings: Iterable[Recording]
    _by_step: dict[str, list[Recording]] = field(init=False)
    _words: dict[int, Counter[str]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self._by_step = {}
        for each in (each for each in self.recordings if each.response is not None):
            self._by_step.setdefault(each.step, []).append(each)

    def requests(self, step: str) -> list[Mapping[str, JSON]]:
        """Return all recorded requests of a step."""
        return [with_lf(each.request) for each in self._by_step.get(step, [])]

    def nearest(self, step: str, body: Mapping[str, JSON], used: Collection[RecordingKey] = ()) -> Recording | None:
        """Return the recording of a step whose request is most similar; `None` if the step has none.

        Of equally similar recordings, those that other requests have used are the less likely ones.
        """
        known = self._by_step.get(step, [])
        wanted, turns = _words_of(body), len(body.get("messages") or [])

        def likeness(each: Recording) -> tuple[bool, float, int, bool]:
            key = id(each)
            words = self._words.setdefault(key, _words_of(each.request))
            shared = sum((words & wanted).values())
            total = sum(words.values()) + sum(wanted.values())
            same = sum(body.get(name) == each.request.get(name) for name in body)
            is_alike = len(each.request.get("messages") or []) == turns
            return is_alike, 2 * shared / (total or 1), same, each.key not in used

        best = max(map(likeness, known), default=None)
        nearest = [each for each in known if likeness(each) == best][:_MOST_COMPARED]
        if len(nearest) <= 1:
            return next(iter(nearest), None)
        text = _text_of(body)
        return max(nearest, key=lambda each: SequenceMatcher(None, text, _text_of(each.request)).ratio())

    def past(self, step: str, model: JSON) -> PastAnswers | None:
        """Return the usage of the recorded answers of a model in a step; `None` if there are none."""
        same = [each for each in self._by_step.get(step, []) if each.request.get("model") == model and each.response]
        usages = [(each, each.response["usage"]) for each in same if each.response and each.response.get("usage")]
        return PastAnswers.of(
            (
                _input(usage),
                int(usage.get("output_tokens") or 0),
                len(json.dumps(dict(each.request), ensure_ascii=False)),
            )
            for each, usage in usages
        )


def misses_of(
    plan: Plan,
    missing: Sequence[MissingRequest],
    not_reached: Mapping[str, Mapping[str, int]],
    recorded: RecordedSteps,
    row: Callable[[int], MissedRow],
    used: Collection[RecordingKey] = (),
) -> tuple[Miss, ...]:
    """Return the requests that are not recorded, by step in file order.

    Args:
        plan: the plan of the case.
        missing: the requests that have no recording.
        not_reached: for each step with missing requests, the steps behind it that were not reached.
        recorded: the recorded answers of the test file.
        row: returns a row of the case, given its position.
        used: the keys of the recordings that other requests of the case have used.
    """
    variants = {variant.name: variant for _, variant in plan.variants}
    made = []
    for step in plan.generating:
        requests = [each for each in missing if each.step == step.name]
        if not requests:
            continue
        first = requests[0]
        near = recorded.nearest(step.name, first.recorded, used)
        finder = ChangeFinder(plan, step, row(first.row), recorded.requests(step.name))
        made.append(
            Miss(
                step.name,
                len({each.row for each in requests}),
                len(requests),
                _cost(requests, variants, recorded),
                None if near is None else near.date.isoformat(),
                () if near is None else finder.between(near, with_lf(first.recorded)),
                tuple(not_reached.get(step.name, ())),
            )
        )
    return tuple(made)


def _cost(
    requests: Sequence[MissingRequest], variants: Mapping[str, Variant], recorded: RecordedSteps
) -> tuple[float, float] | None:
    """Return the minimum and maximum cost of requests, each sent by itself; `None` if a price is unknown."""
    least = most = 0.0
    for name in dict.fromkeys(each.variant for each in requests):
        variant = variants[name]
        price = price_function_of(variant.model, variant.price)
        if price is None:
            return None
        past = recorded.past(requests[0].step, variant.model)
        output = past.output if past else (1, variant.max_tokens)
        for each in requests:
            if each.variant == name:
                _, costs = reckoned(each.body, past, price, output)
                least, most = least + costs.single[0], most + costs.single[1]
    return least, most


def _words_of(body: Mapping[str, JSON]) -> Counter[str]:
    texts = [body.get("system"), *(turn.get("content") for turn in body.get("messages") or [])]
    return Counter(word for text in texts for word in _WORD.findall(text_of(text)))


def _text_of(body: Mapping[str, JSON]) -> str:
    """Return the start of the texts of a request."""
    texts = [body.get("system"), *(turn.get("content") for turn in body.get("messages") or [])]
    return "\n".join(map(text_of, texts))[:_MOST_CHARACTERS]


def _input(usage: Mapping[str, JSON]) -> int:
    names = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
    return sum(int(usage.get(name) or 0) for name in names)
