"""Claude as a step's model: a prompt in, a checked value out, every paid answer accounted for.

Owns the body of a request, the reading of the stop reason before anything is validated, and the loop of re-asks.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, cast

import anthropic
from anthropic._models import construct_type
from anthropic.types import Message
from pydantic import ValidationError

from yamlgen.canonical import digest, fingerprint
from yamlgen.claude.failure import InvalidOutput, Sender, Streak, mapped, not_a_message
from yamlgen.claude.headers import AGAIN_HEADER, ROW_HEADER
from yamlgen.claude.limiter import Slot
from yamlgen.claude.transport import holding
from yamlgen.errors import Code, RowError
from yamlgen.halt import Halted
from yamlgen.language import capabilities
from yamlgen.language.parts import DEFAULT_MAX_TOKENS, Settings, Thinking
from yamlgen.ports import JSON, Answer, Asker, Attempt, Chain, Check, Prompt, Recorder, Tariff, Usage

if TYPE_CHECKING:
    from yamlgen.claude.structured import Structured

STREAM_ABOVE: Final = 21_333
"""The most `max_tokens` that the SDK deems safe without streaming: more may idle past a proxy's patience."""

_PATH: Final = "/v1/messages"
_BYTES: Final = anthropic.AsyncAPIResponse[bytes]
_TO_SEND: Final = "`yamlgen run` sends it"
_MOST_TOKENS: Final = 2**53
_DONE: Final = frozenset({"end_turn", "stop_sequence", "tool_use"})
_SHOWN: Final = 300


@dataclass(frozen=True, slots=True)
class Keeping:
    """How answers are kept, and found again.

    Attributes:
        recorder: where they are.
        address: the normalised base URL, or the simulator's settings: who answers.
        api_version: the version of the API.
        tell_row: whether to tell the server which row asks: the simulator alone answers by it.
        betas: the features that a header asks for besides, sorted.
    """

    recorder: Recorder
    address: str
    api_version: str
    tell_row: bool = False
    betas: tuple[str, ...] = ()

    def key(self, body: Mapping[str, JSON], asker: Asker) -> bytes:
        """What tells the answer to `body` for this asker's row and sample from all others."""
        asked = {"address": self.address, "api_version": self.api_version, "body": body}
        betas = {"betas": list(self.betas)} if self.betas else {}  # without any, keys are what they always were
        return digest({**asked, **betas, "row": asker.identity, "sample": asker.sample})

    def told(self, asker: Asker) -> str:
        """Who asks, as the simulator is told: by nothing else can it answer equal requests differently."""
        return fingerprint([asker.identity, asker.sample] if asker.sample else asker.identity)


class ClaudeModel:
    """A model with its settings, and how its answers are to be read.

    Args:
        client: the SDK's client, its own retries at 0.
        settings: the model's settings; `id` is set.
        sender: who sends, for the sentences of errors.
        structured: how JSON is asked for; `None` for text.
        reasks: how often an invalid output is sent back; a text is invalid only where a check says so.
        streak: counts equal failures across all models of a run.
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
        streak: Streak | None = None,
        keeping: Keeping | None = None,
        tariff: Tariff | None = None,
    ) -> None:
        self._client = client
        self._sender = sender
        self._structured = structured
        self._reasks = reasks
        self._streak = streak or Streak()
        self._keeping = keeping
        self._tariff = tariff
        self._constant = _constant(settings)

    def request(self, prompt: Prompt) -> dict[str, JSON]:
        """The body of the first request for `prompt`, exactly as it would be sent."""
        return _body(self._arguments(prompt))

    async def answer(self, prompt: Prompt, asker: Asker, check: Check | None = None) -> Answer:
        """Ask, check, and ask again while the output is invalid and re-asks are left."""
        arguments = self._arguments(prompt)
        try:
            if self._keeping is None:
                return await self._ask(arguments, asker, check, b"", None)
            key = self._keeping.key(_body(arguments), asker)
            async with self._keeping.recorder.chain(key, asker) as chain:
                return await self._ask(arguments, asker, check, key, chain)
        except RowError as error:
            self._streak.failed(error)
            raise

    async def _ask(
        self, arguments: dict[str, Any], asker: Asker, check: Check | None, first: bytes, chain: Chain | None
    ) -> Answer:
        attempts: list[Attempt] = []
        key = first
        for left in range(self._reasks, -1, -1):
            try:
                message, attempt = await self._next(arguments, asker, key, chain)
            except RowError as error:
                raise self._with(error, arguments, attempts, first) from None
            asker.watch.received(attempt, reask=bool(attempts))
            try:
                value = self._valid(message, check)
            except RowError as error:
                attempts.append(replace(attempt, errors=(error.message,)))
                raise self._with(error, arguments, attempts, first) from None
            except InvalidOutput as invalid:
                attempts.append(replace(attempt, errors=invalid.errors))
                if left == 0:
                    raise self._with(self._invalid(invalid), arguments, attempts, first) from None
                arguments = self._reask(arguments, message, invalid)
                key = self._keeping.key(_body(arguments), asker) if self._keeping else b""
            else:
                return Answer(value, (*attempts, attempt), first)
        raise AssertionError("a loop over at least one attempt ends inside it")

    async def _next(
        self, arguments: dict[str, Any], asker: Asker, key: bytes, chain: Chain | None
    ) -> tuple[Message, Attempt]:
        """The answer to a request: the one that it has had, or one that is paid for now and kept."""
        attempt = chain.recall(key) if chain else None
        if attempt is not None:
            message = _rebuilt(attempt.response, attempt.request_id)
        else:
            if chain and not chain.sends:
                raise RowError("no answer to this request is in the store", code=Code.NOT_STORED, hint=_TO_SEND)
            message, attempt = await self._pay(arguments, asker, key, chain)
        return message, attempt

    async def _pay(
        self, arguments: dict[str, Any], asker: Asker, key: bytes, chain: Chain | None
    ) -> tuple[Message, Attempt]:
        """Send a request, and keep its answer before another one may take its place in flight."""
        slot = Slot(asker)
        token = holding.set(slot)
        try:
            message, attempt = await self._send(arguments, self._told(asker, key, chain))
            slot.note(attempt.usage)
            if chain:
                attempt = await chain.record(key, _body(arguments), attempt)
        finally:
            holding.reset(token)
            slot.give_back()
        return message, attempt

    def _told(self, asker: Asker, key: bytes, chain: Chain | None) -> dict[str, str]:
        """What the simulator is told besides the request: which row asks, and how often it was answered before."""
        if chain is None or self._keeping is None or not self._keeping.tell_row:
            return {}
        return {ROW_HEADER: self._keeping.told(asker), AGAIN_HEADER: str(chain.answered(key))}

    async def _send(self, arguments: dict[str, Any], told: Mapping[str, str]) -> tuple[Message, Attempt]:
        started = time.monotonic()
        try:
            message, response = await self._exchange(arguments, told)
        except Halted:
            raise
        except Exception as error:  # noqa: BLE001 - whatever the foreign code raises is mapped, here and only here
            raise mapped(error, self._sender) from None
        self._streak.broken()
        if not _is_message(message):
            shown = self._sender.clean(str(response or message))[:_SHOWN]
            raise not_a_message(f"it begins with {shown!r}", self._sender)
        usage = _usage(message)
        request_id, seconds = getattr(message, "_request_id", None), time.monotonic() - started
        attempt = Attempt(response, usage, (), request_id, seconds, self._cost(usage))
        if not self._sender.is_told(response):
            return message, attempt
        attempt = replace(attempt, response=self._sender.scrubbed(response))  # what is kept is what is read
        return _rebuilt(attempt.response, request_id), attempt

    async def _exchange(self, arguments: dict[str, Any], told: Mapping[str, str]) -> tuple[Any, dict[str, JSON]]:
        """The message that answers a request, and its body.

        A request of texts alone is posted as it is, and its answer read here: the SDK walks through both, twice, which
        takes as long as all the rest of it. What it may have to translate, and what streams, it sends itself.
        """
        plain = all(isinstance(turn["content"], str) for turn in arguments["messages"])
        if plain and "stream" not in arguments:
            answer = await self._client.post(_PATH, cast_to=_BYTES, body=_body(arguments), options={"headers": told})
            try:
                response = json.loads(answer.http_response.content)
            except ValueError as error:
                shown = self._sender.clean(answer.http_response.text)[:_SHOWN]
                raise ValueError(f"{error}; it begins with {shown!r}") from None
            if not isinstance(response, dict):
                return response, {}
            return _rebuilt(response, answer.request_id), response
        message = await self._client.messages.create(**arguments, extra_headers=told)
        if not isinstance(message, Message):
            return message, {}
        return message, message.to_dict(mode="python", warnings=False)  # JSON mode would lose infinities

    def _cost(self, usage: Usage) -> float | None:
        """What an answer cost; whatever the list of prices makes of odd tokens, the answer is worth keeping."""
        try:
            return None if self._tariff is None else self._tariff(usage)
        except (ArithmeticError, LookupError, ValueError):
            return None

    def _valid(self, message: Message, check: Check | None) -> JSON:
        """The output in a message.

        Raises:
            InvalidOutput: it is none, or not as its schema or its checks want it.
            RowError: the answer is not whole, holds no text, or cannot be checked.
        """
        stopped = _stopped(message)
        if stopped is not None:
            raise stopped
        value = self._structured.parse(message) if self._structured is not None else _text_of(message)
        errors = check(value) if check is not None else ()
        if errors:
            raise InvalidOutput(errors)
        return value

    def _reask(self, arguments: dict[str, Any], message: Message, invalid: InvalidOutput) -> dict[str, Any]:
        """The arguments of the request that shows the model its answer and what is wrong with it."""
        if self._structured is not None:
            return self._structured.reask(arguments, message, invalid)
        told = f"Your answer is not valid:\n{invalid}\nAnswer again, in full and without a comment."
        said = [{"role": "assistant", "content": _text_of(message)}, {"role": "user", "content": told}]
        return {**arguments, "messages": [*arguments["messages"], *said]}

    def _invalid(self, invalid: InvalidOutput) -> RowError:
        asked = f" after {self._reasks} re-ask{'s' if self._reasks != 1 else ''}" if self._reasks else ""
        more = f" (and {len(invalid.errors) - 1} more)" if len(invalid.errors) > 1 else ""
        message = f"the output is invalid{asked}: {invalid.errors[0]}{more}"
        return RowError(message, code=Code.INVALID_OUTPUT, hint="see the attempts in the failed file")

    def _with(self, error: RowError, arguments: Mapping[str, Any], attempts: Sequence[Attempt], key: bytes) -> RowError:
        """The error with its account; its words may quote an answer, and an answer may quote the key."""
        error.message = self._sender.clean(error.message)
        error.args = (error.message,)
        error.request, error.attempts, error.key = _body(arguments), tuple(attempts), key
        return error

    def _arguments(self, prompt: Prompt) -> dict[str, Any]:
        arguments = dict(self._constant)
        if prompt.system:
            arguments["system"] = prompt.system
        arguments["messages"] = [{"role": turn.role, "content": turn.content} for turn in prompt.messages]
        return self._structured.prepare(arguments) if self._structured else arguments


def _constant(settings: Settings) -> dict[str, Any]:
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
    if most > STREAM_ABOVE:
        arguments["stream"] = True
    return arguments


def _body(arguments: Mapping[str, Any]) -> dict[str, JSON]:
    """What the arguments of a call become on the wire."""
    body = {key: value for key, value in arguments.items() if key != "extra_body"}
    return {**body, **arguments.get("extra_body", {})}


def _is_message(answer: Any) -> bool:
    """Whether the SDK, which checks nothing, made a message out of what the server sent."""
    if not isinstance(answer, Message) or answer.type != "message" or not isinstance(answer.content, list):
        return False
    if not isinstance(answer.stop_reason, str | None):
        return False
    blocks: list[Any] = list(answer.content)
    return all(
        isinstance(kind := getattr(block, "type", None), str) and (kind != "text" or isinstance(block.text, str))
        for block in blocks
    )


def _text_of(message: Message) -> str:
    """The text of an answer.

    Raises:
        RowError: there is none.
    """
    text = "".join(block.text for block in message.content if block.type == "text")
    if not text:
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


def _tokens(usage: Any, name: str) -> int:
    """A count of tokens, 0 where a gateway sends something else."""
    count = getattr(usage, name, 0)
    return count if type(count) is int and 0 <= count < _MOST_TOKENS else 0


def _usage(message: Message) -> Usage:
    return Usage(*(_tokens(message.usage, name) for name in Usage.__dataclass_fields__))


def _rebuilt(response: Mapping[str, JSON], request_id: str | None) -> Message:
    """The message that a body is: validated, which is quick, or as the SDK takes what it does not know."""
    try:
        message = Message.model_validate(response)
    except ValidationError:
        message = cast("Message", construct_type(type_=Message, value=dict(response)))
    message._request_id = request_id  # noqa: SLF001 - as the SDK sets it
    return message
