"""Claude as a step's model: a prompt in, a checked value out, every paid answer accounted for.

Owns the body of a request, the reading of the stop reason before anything is validated, and the loop of re-asks.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import anthropic

from yamlgen import capabilities
from yamlgen.caller import by_surface, option
from yamlgen.cancellation import Cancelled
from yamlgen.claude.answer_keys import Keeping
from yamlgen.claude.answer_text import NoText, ReadOutput, rebuilt, stopped, text_of
from yamlgen.claude.error_mapping import REFUSALS, ErrorContext, FailureStreak, InvalidOutput, mapped, refused_before
from yamlgen.claude.output_modes import ClosedWay, Talk, Way, is_about_schema, warning_of
from yamlgen.claude.response_checks import Received, fault_of
from yamlgen.claude.transport import holding
from yamlgen.claude.usage import charge_of, usage_of
from yamlgen.errors import Code, RowError
from yamlgen.interfaces import AttemptLog, Check, PriceFunction, RequestContext
from yamlgen.pacing.limiter import Slot
from yamlgen.row_result import Answer
from yamlgen.simulator.row_headers import AGAIN_HEADER, ROW_HEADER
from yamlgen.steps.fields import Settings, Thinking
from yamlgen.values import JSON, Attempt, Charge, Prompt, Refusal

if TYPE_CHECKING:
    from yamlgen.claude.structured import Structured

STREAM_ABOVE: Final = 21_333
"""The most `max_tokens` that the SDK deems safe without streaming: more may idle past a proxy's patience."""

_PATH: Final = "/v1/messages"
_BYTES: Final = anthropic.AsyncAPIResponse[bytes]
_EVENTS: Final = anthropic.AsyncStream[Any]
_TO_SEND: Final = "a run that is not offline sends it"
_HOUR: Final = 3600.0
_AN_HOUR: Final = 128_000
"""The tokens of an answer that take an hour, by the SDK's own reckoning: one that may take longer than a request has
is streamed."""

_LEAVE_OUT: Final = "leave `mode` out: `auto` asks by a tool where the API does not take the schema natively"
_NO_PROMPT: Final = Prompt(None, ())


class ClaudeModel:
    """A model with its settings, and how its answers are to be read.

    Args:
        client: the SDK's client, its own retries at 0.
        settings: the model's settings; `id` is set.
        sender: who sends, for the sentences of errors.
        structured: how JSON is asked for; `None` for text.
        reasks: how often an invalid output is sent back; a text is invalid where it is blank or a check says so.
        timeout: seconds that one request may take: an answer that may take longer is streamed.
        keeping: where answers are kept; without it each is asked for.
        tariff: what usage costs; `None` where nobody knows.
        warn: told what the user of the run should know.
    """

    def __init__(  # noqa: PLR0913 - each is one part of a model, by name
        self,
        client: anthropic.AsyncAnthropic,
        settings: Settings,
        sender: ErrorContext,
        *,
        structured: Structured | None = None,
        reasks: int = 0,
        timeout: float = math.inf,
        keeping: Keeping | None = None,
        tariff: PriceFunction | None = None,
        warn: Callable[[str], None] | None = None,
    ) -> None:
        self._client = client
        self._sender = sender
        self._reasks = reasks
        self._streak = FailureStreak()
        self._keeping = keeping
        self._tariff = tariff
        self._warn = warn
        self._constant = _constant(settings, timeout)
        self._first = Way(structured)
        self._other: Way | None = None
        self._schema = b""
        self._insists = structured is not None and structured.mode == "native" and structured.other is None
        if structured is not None and structured.other is not None:
            self._other = Way(structured.other)
            if keeping is not None:
                self._schema = keeping.schema(_body(self._arguments(_NO_PROMPT, self._first)))
                structured.is_refused |= keeping.recorder.is_refused(self._schema)

    def request(self, prompt: Prompt) -> dict[str, JSON]:
        """The body of the first request for `prompt`, exactly as it would be sent."""
        way = self._other if self._other is not None and self._first.is_closed else self._first
        return _body(self._arguments(prompt, way))

    async def answer(self, prompt: Prompt, asker: RequestContext, check: Check | None = None) -> Answer:
        """Ask, check, and ask again while the output is invalid and re-asks are left."""
        attempts: list[Attempt] = []
        try:
            return await self._by(self._first, prompt, asker, check, attempts)
        except ClosedWay:
            assert self._other is not None  # noqa: S101 - it is raised where there is one
            return await self._by(self._other, prompt, asker, check, attempts)

    async def _by(
        self, way: Way, prompt: Prompt, asker: RequestContext, check: Check | None, attempts: list[Attempt]
    ) -> Answer:
        """The answer that one way of asking leads to.

        Raises:
            ClosedWay: the API does not take the schema in this way; `attempts` has what it was answered before.
        """
        arguments = self._arguments(prompt, way)
        if self._keeping is None:
            return await self._ask(arguments, Talk(way, asker, check, None, attempts), (b"",))
        body = _body(arguments)
        way.setup = way.setup or self._keeping.setup(body)
        keys = self._keeping.keys(body, asker)
        async with self._keeping.recorder.chain(keys, asker) as chain:
            return await self._ask(arguments, Talk(way, asker, check, chain, attempts), keys)

    async def _ask(self, arguments: dict[str, Any], talk: Talk, first: tuple[bytes, ...]) -> Answer:
        attempts, keys = talk.attempts, first
        for left in range(self._reasks, -1, -1):
            try:
                attempt = await self._next(arguments, talk, keys)
            except RowError as error:
                raise self._with(error, arguments, attempts, first) from None
            talk.asker.watch.received(attempt, reask=bool(attempts))
            try:
                output = self._read(attempt, talk.way)
                attempt = replace(attempt, notes=output.notes)
                errors = talk.check(output.value) if talk.check is not None else ()
                if errors:
                    raise InvalidOutput(errors, by_check=True)  # noqa: TRY301 - it is dealt with as the schema's are
            except RowError as error:
                attempts.append(replace(attempt, errors=(self._sender.masked(error.message),)))
                raise self._with(error, arguments, attempts, first) from None
            except InvalidOutput as invalid:
                attempts.append(replace(attempt, errors=tuple(map(self._sender.masked, invalid.errors))))
                if left == 0:
                    raise self._with(self._invalid(invalid), arguments, attempts, first) from None
                arguments = self._reask(arguments, attempt, invalid, talk.way)
                keys = self._keeping.keys(_body(arguments), talk.asker) if self._keeping else (b"",)
            else:
                return Answer(output.value, (*attempts, attempt), first[0])
        raise AssertionError("a loop over at least one attempt ends inside it")

    async def _next(self, arguments: dict[str, Any], talk: Talk, keys: tuple[bytes, ...]) -> Attempt:
        """The answer to a request: the one that it has had, or one that is paid for now and kept."""
        chain = talk.chain
        attempt = None if chain is None else chain.recall(keys)
        if attempt is None:
            attempt = await self._new(arguments, talk, keys[0])
        if chain is not None:
            self._streak.answered()
            await chain.prove(talk.way.setup)
        return attempt

    async def _new(self, arguments: dict[str, Any], talk: Talk, key: bytes) -> Attempt:
        """The answer to a request that has had none."""
        chain = talk.chain
        talk.way.check()
        refusal = None if chain is None else chain.refused(key)
        if refusal is not None:
            await self._leave(talk, refusal)
            raise refused_before(refusal, _ask_again(self._keeping))
        if chain is not None and not chain.sends:
            raise RowError("no answer to this request is in the store", code=Code.NOT_STORED, hint=_TO_SEND)
        try:
            return await self._pay(arguments, talk, key)
        except RowError as error:
            if error.status is not None:
                await self._leave(talk, Refusal(error.status, error.message))
                if self._insists and is_about_schema(error.status, error.message):
                    error.hint = _LEAVE_OUT
            if chain is not None:
                await self._fail(error, key, talk.way, chain)
            raise

    async def _leave(self, talk: Talk, refusal: Refusal) -> None:
        """Leave a way of asking for good, where a refusal says that the API does not take the schema in it.

        Raises:
            ClosedWay: it does not.
        """
        structured = talk.way.structured
        if structured is None or self._other is None or talk.way is self._other:
            return
        if not is_about_schema(refusal.status, refusal.message):
            return
        chain = talk.chain
        if not structured.is_refused and (chain is None or chain.sends):  # a forecast leaves nothing for good
            structured.is_refused = True  # before anything is waited for: the others come here too
            if self._warn is not None:
                model, said = str(self._constant["model"]), self._sender.clean(refusal.message)
                self._warn(warning_of(talk.asker.step, model, said, is_kept=self._keeping is not None))
            if self._keeping is not None:
                await self._keeping.recorder.refuse(self._schema, refusal)
        raise ClosedWay

    async def _fail(self, error: RowError, key: bytes, way: Way, chain: AttemptLog) -> None:
        """Keep a refusal, and mark a failure that may be that of all rows."""
        if chain.is_proven(way.setup):
            self._streak.answered()
        self._streak.failed(error)
        if error.status in REFUSALS:
            await chain.refuse(key, way.setup, Refusal(error.status, error.message))

    async def _pay(self, arguments: dict[str, Any], talk: Talk, key: bytes) -> Attempt:
        """Send a request, and keep its answer before another one may take its place in flight."""
        asker, chain = talk.asker, talk.chain
        slot = Slot(asker, lost=partial(self._lose, asker, chain), begin=talk.way.check)
        token = holding.set(slot)
        try:
            attempt = await self._send(arguments, self._told(asker, key, chain))
            slot.note(attempt.usage)
            if chain:
                attempt = await chain.record(key, talk.way.setup, _body(arguments), attempt)
        finally:
            holding.reset(token)
            slot.give_back()
        return attempt

    async def _lose(self, asker: RequestContext, chain: AttemptLog | None, message: Mapping[str, JSON]) -> None:
        """Count what a stream took that broke off."""
        usage = usage_of(message)
        cost = self._cost(charge_of(message, usage))
        if chain:
            await chain.cut(str(self._constant["model"]), usage, cost)
        asker.watch.cut(usage, cost)

    def _told(self, asker: RequestContext, key: bytes, chain: AttemptLog | None) -> dict[str, str]:
        """What the simulator is told besides the request: which row asks, and how often it was answered before."""
        if chain is None or self._keeping is None or not self._keeping.tell_row:
            return {}
        return {ROW_HEADER: self._keeping.told(asker), AGAIN_HEADER: str(chain.answered(key))}

    async def _send(self, arguments: dict[str, Any], told: Mapping[str, str]) -> Attempt:
        started = time.monotonic()
        try:
            received = await self._exchange(arguments, told)
        except (Cancelled, ClosedWay):
            raise
        except Exception as error:  # noqa: BLE001 - whatever the foreign code raises is mapped, here and only here
            slot = holding.get()
            raise mapped(error, self._sender, slot.request_id if slot is not None else None) from None
        response, usage = self._sender.scrubbed(received.body), usage_of(received.body)  # what is kept is what is read
        seconds, name = time.monotonic() - started, self._sender.named(received.request_id)
        return Attempt(response, usage, (), name, seconds, self._cost(charge_of(response, usage)))

    async def _exchange(self, arguments: dict[str, Any], told: Mapping[str, str]) -> Received:
        """The answer to a request, which the transport has read.

        A request of texts alone is posted as it is: the SDK walks through it twice, which takes as long as all the rest
        of it. What it may have to translate, it sends itself.
        """
        streams = bool(arguments.get("stream"))
        sent: Any
        if all(isinstance(turn["content"], str) for turn in arguments["messages"]):
            options: Any = {"headers": told}
            body = _body(arguments)
            sent = self._client.post(
                _PATH,
                cast_to=_BYTES,
                body=body,
                options=options,
                stream=streams,
                stream_cls=_EVENTS if streams else None,
            )
        else:
            sent = self._client.messages.create(**arguments, extra_headers=told)
        received: Received = await sent
        return received

    def _cost(self, charge: Charge) -> float | None:
        """What an answer cost; whatever the list of prices makes of odd tokens, the answer is worth keeping."""
        try:
            return None if self._tariff is None else self._tariff(charge)
        except (ArithmeticError, LookupError, ValueError):
            return None

    @staticmethod
    def _read(attempt: Attempt, way: Way) -> ReadOutput:
        """The output in an answer.

        Raises:
            InvalidOutput: it is none, or not as its schema wants it.
            RowError: the answer is not whole.
        """
        fault = fault_of(attempt.response)
        if fault is not None:
            raise InvalidOutput((f"$: {fault}",))
        message = rebuilt(attempt)
        error = stopped(message)
        if error is not None:
            raise error
        return ReadOutput(text_of(message)) if way.structured is None else way.structured.parse(message)

    def _reask(self, arguments: dict[str, Any], attempt: Attempt, invalid: InvalidOutput, way: Way) -> dict[str, Any]:
        """The arguments of the request that shows the model its answer and what is wrong with it."""
        said: list[dict[str, Any]] = []
        if fault_of(attempt.response) is None:
            message = rebuilt(attempt)
            if way.structured is not None:
                return way.structured.reask(arguments, message, invalid)
            if not isinstance(invalid, NoText):  # the API refuses a turn that says nothing
                said = [{"role": "assistant", "content": text_of(message)}]
        told = f"Your answer is not valid:\n{invalid}\nAnswer again, in full and without a comment."
        return {**arguments, "messages": [*arguments["messages"], *said, {"role": "user", "content": told}]}

    def _invalid(self, invalid: InvalidOutput) -> RowError:
        asked = f" after {self._reasks} re-ask{'s' if self._reasks != 1 else ''}" if self._reasks else ""
        more = f" (and {len(invalid.errors) - 1} more)" if len(invalid.errors) > 1 else ""
        message = f"the output is invalid{asked}: {invalid.errors[0]}{more}"
        code = Code.INVALID_OUTPUT
        if isinstance(invalid, NoText):
            code, message = Code.NO_TEXT, f"{invalid.errors[0]}{asked}"
        message = self._sender.clean(message)  # before a part of it is left out: half a key is not found
        error = RowError(message, code=code, hint="see the attempts in the failed file")
        error.is_useless = not invalid.by_check
        return error

    def _with(
        self, error: RowError, arguments: Mapping[str, Any], attempts: Sequence[Attempt], keys: tuple[bytes, ...]
    ) -> RowError:
        """The error with its account; its words may quote an answer, and an answer may quote the key."""
        error.message = self._sender.clean(error.message)
        error.request, error.attempts, error.key = _body(arguments), tuple(attempts), keys[0]
        return error

    def _arguments(self, prompt: Prompt, way: Way) -> dict[str, Any]:
        arguments = dict(self._constant)
        if prompt.system and prompt.system.strip():
            arguments["system"] = prompt.system
        arguments["messages"] = [{"role": turn.role, "content": turn.content} for turn in prompt.messages]
        return way.structured.prepare(arguments) if way.structured else arguments


def _ask_again(keeping: Keeping | None) -> str:
    simulated = " --simulate" if keeping is not None and keeping.tell_row else ""
    retry = by_surface(command=f"`yamlgen retry PIPELINE RUN{simulated}`", python=option("retry", "RUN"))
    return f"mend the row, or ask again with {retry}; nothing was paid for it"


def _constant(settings: Settings, timeout: float) -> dict[str, Any]:
    """The arguments that are the same for every row."""
    most = settings.answer_limit
    arguments: dict[str, Any] = {"model": settings.id, "max_tokens": most}
    if settings.stop_sequences:
        arguments["stop_sequences"] = list(settings.stop_sequences)
    if settings.thinking is not None:
        more = settings.thinking.model_dump(exclude_none=True) if isinstance(settings.thinking, Thinking) else {}
        arguments["thinking"] = {"type": settings.thinking_type, **more}
    if settings.effort is not None:
        arguments["output_config"] = {"effort": settings.effort}
    # The SDK no longer has these as arguments; older models under the older API version still take them.
    sampling = {key: getattr(settings, key) for key in capabilities.SAMPLING if getattr(settings, key) is not None}
    if sampling:
        arguments["extra_body"] = sampling
    if most > STREAM_ABOVE or most * _HOUR / _AN_HOUR > timeout:
        arguments["stream"] = True
    return arguments


def _body(arguments: Mapping[str, Any]) -> dict[str, JSON]:
    """What the arguments of a call become on the wire."""
    body = {key: value for key, value in arguments.items() if key != "extra_body"}
    return {**body, **arguments.get("extra_body", {})}
