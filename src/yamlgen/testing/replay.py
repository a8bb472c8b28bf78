"""The replay of a case: a run of its rows on recorded answers, in a store of its own. Nothing is sent.

Owns the temporary store, and what the run could not find among the recordings. Output rows, failed rows and their order
are made by the readers of any run.
"""

from __future__ import annotations

import secrets
import sqlite3
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, closing
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeAlias

from yamlgen.cancellation import Cancellation
from yamlgen.claude.answer_keys import AnswerKeys
from yamlgen.claude.answer_recording import Accounting
from yamlgen.claude.prices import price_function_of
from yamlgen.claude.provider import ClaudeProvider
from yamlgen.claude.usage import usage_of
from yamlgen.engine.local_engine import LocalEngine
from yamlgen.engine.trial_rows import UnreadRows
from yamlgen.errors import Code, LimitReached, RowError
from yamlgen.events import Emit, Event, RunStarted
from yamlgen.interfaces import AttemptLog, RequestContext
from yamlgen.planning.expansion import resolved
from yamlgen.planning.plan import Plan
from yamlgen.reports.report import Report
from yamlgen.row_result import RowResult
from yamlgen.store.database import connect, create, read
from yamlgen.store.known_answers import KnownAnswer
from yamlgen.store.location import StoreLocation
from yamlgen.store.reuse_policy import ReusePolicy
from yamlgen.store.run_reader import RunEntry, RunReader
from yamlgen.store.run_recorder import RunRecorder
from yamlgen.store.run_session import StoreSession, begin_run
from yamlgen.store.stored_rows import ATTEMPT, attempt_values, packed_request
from yamlgen.testing.fingerprints import Fingerprints
from yamlgen.testing.recordings import RecordedAnswers, Recording, RecordingKey
from yamlgen.testing.replayed_limits import ReplayedLimits
from yamlgen.testing.stand_ins import NOTHING_HIDDEN, StandIns, stand_ins_of, staying_value
from yamlgen.testing.suite import CheckedCase
from yamlgen.value_objects import JSON, Attempt, InputRow, Refusal

_NOWHERE: Final = "http://127.0.0.1:0"
"""An address that cannot be reached."""

_ANSWERER: Final = "recorded"

_SENDS_NOTHING: Final = "a replay sends nothing"

_MESSAGE: Final[Mapping[str, JSON]] = {"id": "", "type": "message", "role": "assistant", "stop_sequence": None}
"""The parts of a message that are not recorded."""


Originals: TypeAlias = Mapping[bytes, tuple[str, int]]
"""Digests of requests as they would be sent, each with its step and the position of its first row."""


@dataclass(frozen=True, slots=True)
class MissingRequest:
    """A request that is not recorded.

    Attributes:
        step: the step that would send it.
        variant: the variant of the step whose model would receive it.
        row: the position of its row in the case, from 0.
        body: the body, as it would be sent.
        recorded: the part of it that a recording would contain, to be compared with recordings.
        reask: whether it follows an invalid answer, which is recorded.
    """

    step: str
    variant: str
    row: int
    body: Mapping[str, JSON]
    recorded: Mapping[str, JSON]
    reask: bool


@dataclass(frozen=True, slots=True)
class ReplayedCase:
    """A case that was run. Its store exists as long as the context of `replay`.

    Attributes:
        run_reader: reads the rows of the run.
        entry: the run.
        used: the keys of the recordings that were used.
        missing: the requests that are not recorded, in the order of rows and steps.
        not_reached: for each step with missing requests, the number of rows by the steps behind it that did not run.
        found: the recorded answers for the store of the pipeline, if they are wanted.
        originals: for each used recording, the requests that it has answered as they would be sent, if values are left
            out of them: the digest of each, with its step and the first row.
        staying: the values to be left out that no stand-in can replace: the number of the expression, with the value.
        unasked: the steps and rows whose further re-asks are not recorded, after an answer that a check has rejected.
        limit: the limit on failures at which a run that sends these requests stops; `None` if it reaches none.
    """

    run_reader: RunReader
    entry: RunEntry
    used: frozenset[RecordingKey]
    missing: tuple[MissingRequest, ...]
    not_reached: Mapping[str, Mapping[str, int]]
    found: tuple[KnownAnswer, ...] = ()
    originals: Mapping[RecordingKey, Originals] = field(default_factory=dict)
    staying: Mapping[int, JSON] = field(default_factory=dict)
    limit: LimitReached | None = None
    unasked: frozenset[tuple[str, int]] = frozenset()

    @property
    def is_complete(self) -> bool:
        """Whether every request was recorded."""
        return not self.missing


class ReplayRecorder(RunRecorder):
    """The store of a replay: it answers from recordings, and stores the rows.

    Args:
        reader: a read-only connection of this thread.
        path: the database, for messages.
        recordings: the recordings.
        fingerprints: computes the fingerprints of requests.
        plan: the plan of the run.
    """

    def __init__(
        self,
        reader: sqlite3.Connection,
        path: Path,
        recordings: RecordedAnswers,
        fingerprints: Fingerprints,
        plan: Plan,
    ) -> None:
        super().__init__(reader, path, ReusePolicy(offline=True))
        self._recordings = recordings
        self._fingerprints = fingerprints
        self._needs = {step.name: frozenset(step.needs) for step in plan.ordered()}
        self._order = {step.name: place for place, step in enumerate(plan.steps)}
        self._prices = {variant.model: variant.price for _, variant in plan.variants}
        self._numbers = 0
        self.used: set[RecordingKey] = set()
        self.missing: list[MissingRequest] = []
        self.unasked: set[tuple[str, int]] = set()
        self.not_reached: dict[str, Counter[str]] = {}
        self.found: list[KnownAnswer] = []
        self.originals: dict[RecordingKey, dict[bytes, tuple[str, int]]] = {}

    @asynccontextmanager
    async def attempts_of(self, keys: tuple[bytes, ...], context: RequestContext) -> AsyncIterator[AttemptLog]:  # noqa: ARG002
        """Open the attempts of a row. Equal requests need not wait for each other."""
        yield _RecordedAttempts(self, context)

    def recorded(self, key: bytes, context: RequestContext) -> Attempt | None:
        """Return the recorded answer to a request; `None` if there is none."""
        found = self._find(key, context.identity)
        if found is None or found.response is None:
            return None
        if (original := self._fingerprints.originals.get((key, context.identity))) is not None:
            self.originals.setdefault(found.key, {}).setdefault(original, (context.step, context.row))
        stand_ins = self._fingerprints.stand_ins.get(context.row, NOTHING_HIDDEN)
        response: dict[str, JSON] = {**_MESSAGE, **stand_ins.restore(dict(found.response))}
        usage, cost = usage_of(response), self._cost(str(found.request.get("model")), response)
        attempt = Attempt(response, usage, cost=cost, reused=True, number=self._numbers + 1)
        values = attempt_values(key, self._run, context.step, _no_request(found.request.get("model")), attempt)
        # Its number is known before it is written: only this object writes attempts, one after the other.
        self._numbers += 1
        if (noted := self._fingerprints.noted.get((key, context.identity))) is not None:
            self.found.append(KnownAnswer(noted[0], context.step, noted[1], attempt))
        self.submit(lambda connection: connection.execute(ATTEMPT, values))
        return attempt

    def _cost(self, model: str, response: Mapping[str, JSON]) -> float | None:
        """Return what an answer has cost, at the price of today."""
        return _accounting(model, self._prices[model]).cost_of(response) if model in self._prices else None

    def has(self, key: bytes, context: RequestContext) -> bool:
        """Return whether a request has a recording."""
        return self._recordings.find(key, context.identity) is not None

    def refusal_of(self, key: bytes, context: RequestContext) -> Refusal | None:
        """Return the recorded refusal of a request; `None` if there is none."""
        found = self._find(key, context.identity)
        return None if found is None or found.refusal is None else Refusal(*found.refusal)

    def is_refused(self, schema: bytes) -> bool:
        """Return whether the refusal of a native schema is recorded."""
        found = self._find(schema)
        return found is not None and found.refusal is not None

    def _find(self, key: bytes, identity: str = "") -> Recording | None:
        found = self._recordings.find(key, identity)
        if found is not None:
            self.used.add(found.key)
        return found

    async def add(self, outcome: RowResult) -> None:
        """Store the result of a row, and note its missing requests."""
        lacking = {step: error for step, error in outcome.failures.items() if error.code is Code.NOT_STORED}
        for step, error in lacking.items():
            parts = [each for each in error.parts if each.code is Code.NOT_STORED] or [error]
            self.missing.extend(self._missing(step, outcome.row.index, each) for each in parts)
        for step in lacking:
            behind = self.not_reached.setdefault(step, Counter())
            reached = outcome.answers.keys() | outcome.failures.keys()
            behind.update(each for each in self._behind(step) if each not in reached)
        await super().add(outcome)

    def _missing(self, step: str, row: int, error: RowError) -> MissingRequest:
        body = error.request or {}
        recorded = self._fingerprints.recorded(body, row)
        return MissingRequest(step, error.variant, row, body, recorded, reask=bool(error.attempts))

    def _behind(self, step: str) -> list[str]:
        """Return the steps that need a step, directly or not."""
        reached = {step}
        for name, needs in self._needs.items():
            if reached & needs:
                reached.add(name)
        return sorted(reached - {step}, key=self._order.__getitem__)

    def in_order(self) -> tuple[MissingRequest, ...]:
        """Return the missing requests in the order of rows and steps."""
        return tuple(sorted(self.missing, key=lambda each: (each.row, self._order[each.step])))


@dataclass(frozen=True, slots=True)
class _RecordedAttempts:
    recorder: ReplayRecorder
    context: RequestContext

    @property
    def sends(self) -> bool:
        return False

    def recall(self, keys: tuple[bytes, ...]) -> Attempt | None:
        return self.recorder.recorded(keys[0], self.context)

    def may_follow(self, keys: tuple[bytes, ...]) -> bool:
        is_recorded = self.recorder.has(keys[0], self.context)
        if not is_recorded:
            self.recorder.unasked.add((self.context.step, self.context.row))
        return is_recorded

    def answered(self, key: bytes) -> int:  # noqa: ARG002 - for requests that are sent
        return 0

    def had_fallbacks(self, attempt: Attempt) -> bool:  # noqa: ARG002 - a recording does not tell
        return True

    async def record(self, *_: object, **__: object) -> Attempt:
        raise AssertionError(_SENDS_NOTHING)

    async def cut(self, *_: object, **__: object) -> None:
        raise AssertionError(_SENDS_NOTHING)

    async def prove(self, setup: bytes) -> None:
        """Do nothing: recorded refusals are those of proven setups."""

    def is_proven(self, setup: bytes) -> bool:  # noqa: ARG002
        return True

    def refused(self, key: bytes) -> Refusal | None:
        return self.recorder.refusal_of(key, self.context)

    async def refuse(self, *_: object, **__: object) -> None:
        raise AssertionError(_SENDS_NOTHING)


def _at_one_address(plan: Plan) -> Plan:
    """Return a plan whose models have no connections of their own: equal requests to two addresses are numbered."""
    steps = (
        replace(step, variants=tuple(replace(each, connection=None) for each in step.variants)) for step in plan.steps
    )
    return replace(plan, steps=tuple(steps))


@asynccontextmanager
async def replay(
    case: CheckedCase,
    recordings: RecordedAnswers,
    emit: Emit | None = None,
    *,
    redact: Sequence[str] = (),
    cancellation: Cancellation | None = None,
    store_keys: Mapping[str, AnswerKeys] | None = None,
) -> AsyncIterator[ReplayedCase]:
    """Run the rows of a case on recordings. Several cases can be run at once on one event loop.

    Args:
        case: the case.
        recordings: the recordings.
        emit: receives the events of the run.
        redact: the expressions whose values the recordings do not contain.
        cancellation: ends the run early.
        store_keys: what computes the keys of answers in the store of the pipeline, by the names of the plan's variants,
            if the found answers are wanted for it.

    Raises:
        YamlgenError: the run could not start or ended early.
    """
    plan, listen = _at_one_address(case.plan), emit or (lambda _: None)
    stand_ins: dict[int, StandIns] = {}
    visible: dict[int, JSON] = {}
    fingerprints = Fingerprints(plan.runtime.api_version, stand_ins=stand_ins)

    def keys(variant: str) -> AnswerKeys:
        return replace(fingerprints, store_keys=(store_keys or {}).get(variant))

    provider = ClaudeProvider(plan.runtime, base_url=_NOWHERE, simulator=_ANSWERER, keys=keys)

    def rows() -> Iterator[InputRow]:
        return _noting(case.rows(), redact, stand_ins, visible)

    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="yamlgen-test-")))
        place = StoreLocation(folder, "test", recordings.are_simulated)
        connection = stack.enter_context(closing(_created(place.database)))
        reader = stack.enter_context(closing(read(place.database)))
        recorder = ReplayRecorder(reader, place.database, recordings, fingerprints, plan)
        run_reader, report, limits = RunReader(reader, place), Report(), ReplayedLimits(plan.limits)
        about = {"params": dict(plan.params), "resolved": resolved(plan), "rows": case.count}
        name = f"test-{secrets.token_hex(3)}"

        def tell(event: Event) -> None:
            report.observe(event)
            limits.observe(event)
            listen(event)

        async with begin_run(StoreSession(run_reader, recorder), connection, name, about) as run:
            tell(RunStarted(name, plan.name, tuple(step.name for step in plan.steps), case.count))
            runtime = plan.runtime.model_copy(update={"python_workers": 0})  # a case has few rows: processes cost more
            engine = LocalEngine(
                replace(plan, runtime=runtime), provider, recorder, tell, cancellation or Cancellation()
            )
            await engine.run(rows(), UnreadRows(case.count, rows))
            await run.end("finished", report.as_json())
        entry = run_reader.run(name)
        lacking, found = recorder.in_order(), tuple(recorder.found)
        used, originals, behind = frozenset(recorder.used), recorder.originals, recorder.not_reached
        unasked, limit = frozenset(recorder.unasked), limits.reached()
        yield ReplayedCase(run_reader, entry, used, lacking, behind, found, originals, visible, limit, unasked)


def _noting(
    rows: Iterable[InputRow], redact: Sequence[str], stand_ins: dict[int, StandIns], visible: dict[int, JSON]
) -> Iterator[InputRow]:
    """Yield rows, and note the stand-ins of each before it is run, and the first values that have none."""
    for row in rows:
        if redact and row.index not in stand_ins:
            stand_ins[row.index] = stand_ins_of(redact, row.row)
            for number, expression in enumerate(redact):
                if number not in visible and (value := staying_value(expression, row.row)) is not None:
                    visible[number] = value
        yield row


def _created(path: Path) -> sqlite3.Connection:
    """Create a store that need not survive this process, and open it for writing."""
    path.write_bytes(_empty_store())
    connection = connect(path)
    connection.execute("PRAGMA synchronous = OFF")
    return connection


@cache
def _empty_store() -> bytes:
    """Return the content of an empty store, which takes long to create."""
    with tempfile.TemporaryDirectory(prefix="yamlgen-test-") as folder:
        path = Path(folder) / "empty.db"
        create(path)
        return path.read_bytes()


@cache
def _accounting(model: str, price: Any) -> Accounting:
    return Accounting(model, price_function_of(model, price))


@cache
def _no_request(model: Any) -> Any:
    """Return what stands for a request, which is in the recordings."""
    return packed_request({"model": model})
