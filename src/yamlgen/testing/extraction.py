"""Recordings out of a store: the answers and refusals that rows of a run were made of.

Owns how an attempt of a run becomes a recording: its fingerprint, which needs the number of the request among the equal
requests of its step for its row, and the parts of the answer that are recorded.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Final

from yamlgen.canonical_json import digest
from yamlgen.claude.answer_keys import AnswerKeys, keyed
from yamlgen.claude.error_mapping import NAMED
from yamlgen.claude.requests import RequestBuilder, RequestMode
from yamlgen.claude.streams import UNREAD
from yamlgen.claude.structured import StructuredOutput
from yamlgen.errors import Code, RowError
from yamlgen.planning.plan import Plan
from yamlgen.steps.plan_step import PlanStep, Variant
from yamlgen.store.run_reader import RunEntry, RunReader
from yamlgen.store.stored_results import StoredAttempt, StoredResult, StoredRow
from yamlgen.testing.recordings import Recording, fingerprint_of, row_digest, schema_fingerprint
from yamlgen.testing.stand_ins import StandIns, stand_ins_of
from yamlgen.value_objects import JSON, Prompt, Refusal

KEPT: Final = ("content", "stop_reason", "model", "usage")
"""The parts of an answer that are recorded."""

_KEPT_IF_SET: Final = ("stop_details", UNREAD, "broken")
"""Parts that affect the error of an unusable answer."""

_STATUS: Final = re.compile(r"the API refused the request \((\d{3})\)")
_REQUEST_ID: Final = re.compile(f"{NAMED.pattern}$")
_REFUSED: Final = 400
_SIMULATED: Final = "msg_sim_"
"""The start of the ids of simulated messages, also of those from a simulator at an address of its own."""

_NO_PROMPT: Final = Prompt(None, ())
_PROMPT: Final = ("system", "messages")
_NOT_NATIVE: Final = "output_config.format: the API does not accept this schema natively"


@dataclass(frozen=True, slots=True)
class Extraction:
    """What was extracted.

    Attributes:
        recordings: the recordings, in the order of their keys.
        of_rows: the recordings that each row needs, each with its row.
        remaining: the values to be left out that a recording contains in other letters, such as `[row.email]`.
    """

    recordings: tuple[Recording, ...]
    of_rows: tuple[Recording, ...]
    remaining: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _RowRecording:
    """A recording, for which row it is, and how new it is."""

    recording: Recording
    row: bytes
    newness: tuple[date, int]


def extract(
    run_reader: RunReader,
    run: RunEntry,
    plan: Plan,
    rows: Mapping[int, str],
    *,
    redact: Sequence[str] = (),
) -> Extraction:
    """Return the recordings that a replay of some rows of a run needs.

    Args:
        run_reader: the store.
        run: the run.
        plan: the plan of the run, or of the pipeline as it is now.
        rows: the position of each row in the run (from 0), with the identity that the row has in its case. A row that
            the run has not finished has no recordings.
        redact: the expressions whose values the recordings must not contain.
    """
    extractor = _Extractor(run_reader, run, plan, redact)
    found: list[_RowRecording] = []
    for number, identity in rows.items():
        row = run_reader.row(run, number)
        if row is not None:
            found.extend(extractor.row(row, row_digest(identity)))
    by_fingerprint: defaultdict[bytes, list[_RowRecording]] = defaultdict(list)
    for each in found:
        by_fingerprint[each.recording.fingerprint].append(each)
    newest = {same: max(each, key=lambda one: one.newness).recording for same, each in by_fingerprint.items()}
    of_rows = tuple(replace(each.recording, row=each.row) for each in _newest_of_rows(found))
    own = (each for each in of_rows if not each.answers_as(newest[each.fingerprint]))
    recordings = sorted((*newest.values(), *own), key=lambda each: each.key)
    return Extraction(tuple(recordings), of_rows, frozenset(extractor.remaining))


def _newest_of_rows(found: Iterable[_RowRecording]) -> Iterable[_RowRecording]:
    """Return the newest recording of each request for each row."""
    newest: dict[tuple[bytes, bytes], _RowRecording] = {}
    for each in found:
        key = each.recording.fingerprint, each.row
        if key not in newest or each.newness > newest[key].newness:
            newest[key] = each
    return newest.values()


class _Extractor:
    """Makes recordings of the rows of one run."""

    def __init__(self, run_reader: RunReader, run: RunEntry, plan: Plan, redact: Sequence[str]) -> None:
        resolved: Mapping[str, Any] = run.about.get("resolved") or {}
        runtime: Mapping[str, Any] = resolved.get("runtime") or {}
        self._run_reader = run_reader
        self._run = run
        self._plan = plan
        self._redact = redact
        self._steps = {step.name: step for step in plan.generating}
        self._api_version = str(runtime.get("api_version") or plan.runtime.api_version)
        self._is_simulated = run_reader.place.simulated
        self._fallbacks = {name: list(self._fallbacks_of(step)) for name, step in self._steps.items()}
        self.remaining: set[str] = set()
        self._day = date.fromisoformat((run.ended or run.started)[:10])

    def row(self, row: StoredRow, digest: bytes) -> Iterator[_RowRecording]:
        """Yield what was answered and refused for a row."""
        columns = self._run_reader.columns(row)
        stand_ins = stand_ins_of(self._redact, columns)
        names = {each.step for each in row.results}
        thinking = self._run_reader.thinking(row, names)
        scope = self._plan.scope(columns, self._run_reader.values(row, names), thinking)
        for result in row.results:
            step = self._steps.get(result.step)
            samples = {} if step is None or step.is_single else _samples(step, scope)
            answered = set()
            for attempt in self._run_reader.attempts(result):
                found = self._answer(result.step, attempt, samples.get(attempt.case, 0), stand_ins)
                answered.add(found.fingerprint)
                yield _RowRecording(found, digest, (found.date, attempt.number))
                yield from (_RowRecording(each, digest, (found.date, 0)) for each in self._schemas(found))
            for refused in self._refusals(result, samples, stand_ins):
                if refused.fingerprint not in answered:
                    yield _RowRecording(refused, digest, (refused.date, 0))
                    yield from (_RowRecording(each, digest, (refused.date, 0)) for each in self._schemas(refused))

    def _answer(self, step: str, attempt: StoredAttempt, sample: int, stand_ins: StandIns) -> Recording:
        request, response = self._run_reader.exchange(attempt)
        kept = {name: response[name] for name in KEPT if name in response}
        kept |= {name: response[name] for name in _KEPT_IF_SET if response.get(name) is not None}
        hidden = {name: value if name in ("usage", "model") else stand_ins.hide(value) for name, value in kept.items()}
        day = date.fromisoformat(attempt.received[:10])
        is_simulated = str(response.get("id")).startswith(_SIMULATED)
        made = self._recording(step, request, sample, stand_ins, day, response=hidden)
        return replace(made, simulated=made.simulated or is_simulated)

    def _recording(
        self,
        step: str,
        request: Mapping[str, JSON],
        sample: int,
        stand_ins: StandIns,
        day: date,
        *,
        response: Mapping[str, JSON] | None = None,
        refusal: tuple[int, str] | None = None,
    ) -> Recording:
        sent = keyed(request)
        body = stand_ins.hide_request(sent)
        self.remaining |= stand_ins.remaining([body, response, refusal])
        fingerprint = fingerprint_of(self._api_version, sample, body)
        original = b"" if body == sent else digest(sent)
        simulated = self._is_simulated
        return Recording(
            fingerprint, step, body, response, refusal, day, sample, simulated=simulated, original=original
        )

    def _refusals(self, result: StoredResult, samples: Mapping[str, int], stand_ins: StandIns) -> Iterator[Recording]:
        """Yield the refused requests of a step for a row. Which of several equal requests it was is not stored."""
        error = self._run_reader.error(result)
        errors = [] if error is None else error.get("items") or [error]
        for each in [*errors, *self._run_reader.lost(result)]:
            if each["code"] != Code.BAD_REQUEST or not each.get("request"):
                continue
            message = _bare(str(each["message"]), samples)
            named = _STATUS.match(message)
            refusal = (int(named[1]) if named else _REFUSED, stand_ins.hide(_unnamed(message)))
            for sample in sorted(set(samples.values()) or {0}):
                yield self._recording(result.step, each["request"], sample, stand_ins, self._day, refusal=refusal)

    def _address(self, variant: Variant) -> str:
        """Return the address that the run has recorded for a model."""
        about = self._run.about
        return str((about.get("addresses") or {}).get(variant.name) or about.get("address") or "")

    def _fallbacks_of(self, step: PlanStep) -> Iterator[tuple[JSON, dict[str, JSON], str]]:
        """Yield the settings of requests that are sent after the refusal of a schema, the native ones, the address."""
        if step.schema is None:
            return
        for variant in step.every_variant:
            structured = StructuredOutput(step.name, step.schema, variant.settings, variant.mode)
            if structured.other is None:
                continue
            builder = RequestBuilder(variant.settings)
            native = builder.body(_NO_PROMPT, RequestMode(structured))
            yield _settings(builder.body(_NO_PROMPT, RequestMode(structured.other))), native, self._address(variant)

    def _schemas(self, found: Recording) -> Iterator[Recording]:
        """Yield the refusal of a schema, if a request shows that the schema was refused."""
        for settings, native, address in self._fallbacks.get(found.step, ()):
            if _settings(found.request) == settings:
                form, model = native["output_config"]["format"], native["model"]
                refusal = self._refusal_of(native, address)
                request = {"model": model, "output_config": {"format": form}}
                yield Recording(
                    schema_fingerprint(self._api_version, model, form),
                    found.step,
                    request,
                    None,
                    (refusal.status, _unnamed(refusal.message)),
                    found.date,
                    simulated=found.simulated,
                )

    def _refusal_of(self, native: Mapping[str, JSON], address: str) -> Refusal:
        """Return the stored refusal of a schema."""
        stored = self._run_reader.refusal(AnswerKeys(address, self._api_version).schema(native))
        return stored or Refusal(_REFUSED, _NOT_NATIVE)


def _samples(step: PlanStep, scope: Mapping[str, Any]) -> dict[str, int]:
    """Return the number of each case's request among the equal requests of the step for the row, by its name."""
    equal: Counter[Hashable] = Counter()
    found: dict[str, int] = {}
    try:
        cases = step.cases(scope)
    except RowError:
        return found
    for case in cases:
        try:
            request = step.variant(case).alike, step.fill(case.scope)
        except RowError:  # the case sent no request
            continue
        found[step.spoken(case)] = equal[request]
        equal[request] += 1
    return found


def _settings(body: Mapping[str, JSON]) -> dict[str, JSON]:
    """Return what requests of one variant have in common."""
    return {name: value for name, value in keyed(body).items() if name not in _PROMPT}


def _unnamed(message: str) -> str:
    """Return the message of a refusal without the id of the request, which comes from a header."""
    return _REQUEST_ID.sub("", message)


def _bare(message: str, names: Iterable[str]) -> str:
    """Return the message of an error without the name of its case."""
    for name in names:
        if name and message.startswith(f"{name}: "):
            return message.removeprefix(f"{name}: ")
    return message
