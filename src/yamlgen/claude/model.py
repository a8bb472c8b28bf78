"""Claude as a step's model: a prompt in, a checked value out, every paid answer accounted for.

Owns the body of a request, the reading of the stop reason before anything is validated, and the loop of re-asks.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast

import anthropic
from anthropic._models import construct_type
from anthropic.types import Message
from pydantic import ValidationError

from yamlgen.claude.failure import REFUSALS, InvalidOutput, Sender, Streak, mapped, refused_before
from yamlgen.claude.headers import AGAIN_HEADER, ROW_HEADER
from yamlgen.claude.keeping import Keeping
from yamlgen.claude.limiter import Slot
from yamlgen.claude.received import Received, fault_of
from yamlgen.claude.transport import holding
from yamlgen.claude.usage import charge_of, usage_of
from yamlgen.errors import Code, RowError
from yamlgen.halt import Halted
from yamlgen.language import capabilities
from yamlgen.language.parts import DEFAULT_MAX_TOKENS, Settings, Thinking
from yamlgen.ports import JSON, Answer, Asker, Attempt, Chain, Charge, Check, Prompt, Refusal, Tariff

if TYPE_CHECKING:
    from yamlgen.claude.structured import Structured

STREAM_ABOVE: Final = 21_333
"""The most `max_tokens` that the SDK deems safe without streaming: more may idle past a proxy's patience."""

_PATH: Final = "/v1/messages"
_BYTES: Final = anthropic.AsyncAPIResponse[bytes]
_EVENTS: Final = anthropic.AsyncStream[Any]
_TO_SEND: Final = "`yamlgen run` sends it"
_HOUR: Final = 3600.0
_AN_HOUR: Final = 128_000
"""The tokens of an answer that take an hour, by the SDK's own reckoning: one that may take longer than a request has
is streamed."""

_DONE: Final = frozenset({"end_turn", "stop_sequence", "tool_use"})
_ASK_AGAIN: Final = "mend the row, or ask again with `yamlgen retry`; nothing was paid for it"


class ClaudeModel:
    """A model with its settings, and how its answers are to be read.

    Args:
        client: the SDK's client, its own retries at 0.
        settings: the model's settings; `id` is set.
        sender: who sends, for the sentences of errors.
        structured: how JSON is asked for; `None` for text.
        reasks: how often an invalid output is sent back; a text is invalid only where a check says so.
        timeout: seconds that one request may take: an answer that may take longer is streamed.
        keeping: where answers are kept; without it each is asked for.
        tariff: what usage costs; `None` where nobody knows.
    """

    def __init__(  # noqa: PLR0913 - each is one part of a model, by name
        self,
        client: anthropic.AsyncAnthropic,
        settings: Settings,
        sender: Sender,
        *,
        structured: Structured | None = None,
        reasks: int = 0,
        timeout: float = math.inf,
        keeping: Keeping | None = None,
        tariff: Tariff | None = None,
    ) -> None:
        self._client = client
        self._sender = sender
        self._structured = structured
        self._reasks = reasks
        self._streak = Streak()
        self._keeping = keeping
        self._tariff = tariff
        self._constant = _constant(settings, timeout)
        self._setup = b""

    def request(self, prompt: Prompt) -> dict[str, JSON]:
        """The body of the first request for `prompt`, exactly as it would be sent."""
        return _body(self._arguments(prompt))

    async def answer(self, prompt: Prompt, asker: Asker, check: Check | None = None) -> Answer:
        """Ask, check, and ask again while the output is invalid and re-asks are left."""
        arguments = self._arguments(prompt)
        if self._keeping is None:
            return await self._ask(arguments, asker, check, (b"",), None)
        body = _body(arguments)
        self._setup = self._setup or self._keeping.setup(body)
        keys = self._keeping.keys(body, asker)
        async with self._keeping.recorder.chain(keys, asker) as chain:
            return await self._ask(arguments, asker, check, keys, chain)

    async def _ask(
        self,
        arguments: dict[str, Any],
        asker: Asker,
        check: Check | None,
        first: tuple[bytes, ...],
        chain: Chain | None,
    ) -> Answer:
        attempts: list[Attempt] = []
        keys = first
        for left in range(self._reasks, -1, -1):
            try:
                attempt = await self._next(arguments, asker, keys, chain)
            except RowError as error:
                raise self._with(error, arguments, attempts, first) from None
            asker.watch.received(attempt, reask=bool(attempts))
            try:
                value = self._valid(attempt, check)
            except RowError as error:
                attempts.append(replace(attempt, errors=(self._sender.masked(error.message),)))
                raise self._with(error, arguments, attempts, first) from None
            except InvalidOutput as invalid:
                attempts.append(replace(attempt, errors=tuple(map(self._sender.masked, invalid.errors))))
                if left == 0:
                    raise self._with(self._invalid(invalid), arguments, attempts, first) from None
                arguments = self._reask(arguments, attempt, invalid)
                keys = self._keeping.keys(_body(arguments), asker) if self._keeping else (b"",)
            else:
                return Answer(value, (*attempts, attempt), first[0])
        raise AssertionError("a loop over at least one attempt ends inside it")

    async def _next(
        self, arguments: dict[str, Any], asker: Asker, keys: tuple[bytes, ...], chain: Chain | None
    ) -> Attempt:
        """The answer to a request: the one that it has had, or one that is paid for now and kept."""
        if chain is None:
            return await self._pay(arguments, asker, keys[0], None)
        attempt = chain.recall(keys)
        if attempt is None:
            refusal = chain.refused(keys[0])
            if refusal is not None:
                raise refused_before(refusal, _ASK_AGAIN)
            if not chain.sends:
                raise RowError("no answer to this request is in the store", code=Code.NOT_STORED, hint=_TO_SEND)
            try:
                attempt = await self._pay(arguments, asker, keys[0], chain)
            except RowError as error:
                await self._fail(error, keys[0], chain)
                raise
        self._streak.answered()
        await chain.prove(self._setup)
        return attempt

    async def _fail(self, error: RowError, key: bytes, chain: Chain) -> None:
        """Keep a refusal, and mark a failure that may be that of all rows."""
        if chain.is_proven(self._setup):
            self._streak.answered()
        self._streak.failed(error)
        if error.status in REFUSALS:
            await chain.refuse(key, self._setup, Refusal(error.status, error.message))

    async def _pay(self, arguments: dict[str, Any], asker: Asker, key: bytes, chain: Chain | None) -> Attempt:
        """Send a request, and keep its answer before another one may take its place in flight."""
        slot = Slot(asker, lost=partial(self._lose, asker, chain))
        token = holding.set(slot)
        try:
            attempt = await self._send(arguments, self._told(asker, key, chain))
            slot.note(attempt.usage)
            if chain:
                attempt = await chain.record(key, self._setup, _body(arguments), attempt)
        finally:
            holding.reset(token)
            slot.give_back()
        return attempt

    async def _lose(self, asker: Asker, chain: Chain | None, message: Mapping[str, JSON]) -> None:
        """Count what a stream took that broke off."""
        usage = usage_of(message)
        cost = self._cost(charge_of(message, usage))
        if chain:
            await chain.cut(str(self._constant["model"]), usage, cost)
        asker.watch.cut(usage, cost)

    def _told(self, asker: Asker, key: bytes, chain: Chain | None) -> dict[str, str]:
        """What the simulator is told besides the request: which row asks, and how often it was answered before."""
        if chain is None or self._keeping is None or not self._keeping.tell_row:
            return {}
        return {ROW_HEADER: self._keeping.told(asker), AGAIN_HEADER: str(chain.answered(key))}

    async def _send(self, arguments: dict[str, Any], told: Mapping[str, str]) -> Attempt:
        started = time.monotonic()
        try:
            received = await self._exchange(arguments, told)
        except Halted:
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

    def _valid(self, attempt: Attempt, check: Check | None) -> JSON:
        """The output in an answer.

        Raises:
            InvalidOutput: it is none, or not as its schema or its checks want it.
            RowError: the answer is not whole, holds no text, or cannot be checked.
        """
        fault = fault_of(attempt.response)
        if fault is not None:
            raise InvalidOutput((f"$: {fault}",))
        message = _rebuilt(attempt)
        stopped = _stopped(message)
        if stopped is not None:
            raise stopped
        value = self._structured.parse(message) if self._structured is not None else _text_of(message)
        errors = check(value) if check is not None else ()
        if errors:
            raise InvalidOutput(errors, by_check=True)
        return value

    def _reask(self, arguments: dict[str, Any], attempt: Attempt, invalid: InvalidOutput) -> dict[str, Any]:
        """The arguments of the request that shows the model its answer and what is wrong with it."""
        said: list[dict[str, Any]] = []
        if fault_of(attempt.response) is None:
            message = _rebuilt(attempt)
            if self._structured is not None:
                return self._structured.reask(arguments, message, invalid)
            said = [{"role": "assistant", "content": _text_of(message)}]
        told = f"Your answer is not valid:\n{invalid}\nAnswer again, in full and without a comment."
        return {**arguments, "messages": [*arguments["messages"], *said, {"role": "user", "content": told}]}

    def _invalid(self, invalid: InvalidOutput) -> RowError:
        asked = f" after {self._reasks} re-ask{'s' if self._reasks != 1 else ''}" if self._reasks else ""
        more = f" (and {len(invalid.errors) - 1} more)" if len(invalid.errors) > 1 else ""
        message = f"the output is invalid{asked}: {invalid.errors[0]}{more}"
        error = RowError(message, code=Code.INVALID_OUTPUT, hint="see the attempts in the failed file")
        error.is_useless = not invalid.by_check
        return error

    def _with(
        self, error: RowError, arguments: Mapping[str, Any], attempts: Sequence[Attempt], keys: tuple[bytes, ...]
    ) -> RowError:
        """The error with its account; its words may quote an answer, and an answer may quote the key."""
        error.message = self._sender.clean(error.message)
        error.args = (error.message,)
        error.request, error.attempts, error.key = _body(arguments), tuple(attempts), keys[0]
        return error

    def _arguments(self, prompt: Prompt) -> dict[str, Any]:
        arguments = dict(self._constant)
        if prompt.system:
            arguments["system"] = prompt.system
        arguments["messages"] = [{"role": turn.role, "content": turn.content} for turn in prompt.messages]
        return self._structured.prepare(arguments) if self._structured else arguments


def _constant(settings: Settings, timeout: float) -> dict[str, Any]:
    """The arguments that are the same for every row."""
    most = settings.max_tokens or DEFAULT_MAX_TOKENS
    arguments: dict[str, Any] = {"model": settings.id, "max_tokens": most}
    if settings.stop_sequences:
        arguments["stop_sequences"] = list(settings.stop_sequences)
    if isinstance(settings.thinking, Thinking):
        arguments["thinking"] = {"type": "enabled", "budget_tokens": settings.thinking.budget_tokens}
    elif settings.thinking is not None:
        arguments["thinking"] = {"type": settings.thinking}
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


def _text_of(message: Message) -> str:
    """The text of an answer.

    Raises:
        RowError: there is none.
    """
    text = "".join(block.text for block in message.content if block.type == "text")
    if not text.strip():
        raise RowError("the answer holds no text", code=Code.NO_TEXT)
    try:
        text.encode()
    except UnicodeEncodeError:
        fact = "the answer holds half of a surrogate pair, which is no text"
        raise RowError(fact, code=Code.NO_TEXT) from None
    return text


def _stopped(message: Message) -> RowError | None:
    """The error of an answer that ended before it was whole, or `None`."""
    reason = message.stop_reason
    match reason:
        case _ if reason in _DONE:
            return None
        case "max_tokens":
            hint = "raise `max_tokens`: it bounds thinking and answer together"
            return RowError("the answer was cut off at `max_tokens`", code=Code.TRUNCATED, hint=hint)
        case "refusal":
            details = getattr(message.stop_details, "explanation", None) if message.stop_details else None
            return RowError(f"the model refused{f': {details}' if details else ''}", code=Code.REFUSED)
        case "model_context_window_exceeded":
            return RowError("the model's context window is full", code=Code.CONTEXT_EXCEEDED, hint="shorten the row")
        case _:
            return RowError(f"the answer ended for an unknown reason, `{reason}`", code=Code.UNKNOWN_STOP)


def _rebuilt(attempt: Attempt) -> Message:
    """The message that a body is: validated, which is quick, or as the SDK takes what it does not know."""
    try:
        message = Message.model_validate(attempt.response)
    except ValidationError:
        message = cast("Message", construct_type(type_=Message, value=dict(attempt.response)))
    message._request_id = attempt.request_id  # noqa: SLF001 - as the SDK sets it
    return message
