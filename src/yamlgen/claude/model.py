"""Claude as a step's model: a prompt in, a checked value out, every paid answer accounted for.

Owns the body of a request, the reading of the stop reason before anything is validated, and the loop of re-asks.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

import anthropic
from anthropic.types import Message

from yamlgen.claude.failure import Sender, Streak, mapped, not_a_message
from yamlgen.claude.structured import InvalidOutput, Structured
from yamlgen.claude.transport import notice
from yamlgen.errors import Code, RowError, RunStopped
from yamlgen.halt import Halted
from yamlgen.language import capabilities
from yamlgen.language.plan import DEFAULT_MAX_TOKENS
from yamlgen.language.spec import Settings, Thinking
from yamlgen.ports import JSON, Answer, Attempt, Notice, Prompt, Usage

STREAM_ABOVE: Final = 21_333
"""The most `max_tokens` that the SDK deems safe without streaming: more may idle past a proxy's patience."""

_DONE: Final = frozenset({"end_turn", "stop_sequence", "tool_use"})
_SHOWN: Final = 300


class ClaudeModel:
    """A model with its settings, and how its answers are to be read.

    Args:
        client: the SDK's client, its own retries at 0.
        settings: the model's settings; `id` is set.
        sender: who sends, for the sentences of errors.
        structured: how JSON is asked for; `None` for text.
        reasks: how often an invalid output is sent back.
        streak: counts equal failures across all models of a run.
    """

    def __init__(
        self,
        client: anthropic.AsyncAnthropic,
        settings: Settings,
        sender: Sender,
        *,
        structured: Structured | None = None,
        reasks: int = 0,
        streak: Streak | None = None,
    ) -> None:
        self._client = client
        self._sender = sender
        self._structured = structured
        self._reasks = reasks if structured else 0
        self._streak = streak or Streak()
        self._constant = _constant(settings)

    def request(self, prompt: Prompt) -> dict[str, JSON]:
        """The body of the first request for `prompt`, exactly as it would be sent."""
        return _body(self._arguments(prompt))

    async def answer(self, prompt: Prompt, watch: Notice) -> Answer:
        """Ask, check, and ask again while the output is invalid and re-asks are left."""
        token = notice.set(watch)
        attempts: list[Attempt] = []
        arguments = self._arguments(prompt)
        try:
            return await self._ask(arguments, attempts)
        except RowError as error:
            self._streak.failed(error)
            raise
        finally:
            notice.reset(token)

    async def _ask(self, arguments: dict[str, Any], attempts: list[Attempt]) -> Answer:
        for left in range(self._reasks, -1, -1):
            message, seconds = await self._send(arguments, attempts)
            stopped = _stopped(message)
            if stopped is not None:
                attempts.append(_attempt(message, seconds, (stopped.message,)))
                raise self._with(stopped, arguments, attempts)
            try:
                value = self._read(message)
            except InvalidOutput as invalid:
                attempts.append(_attempt(message, seconds, invalid.errors))
                if left == 0:
                    raise self._with(self._invalid(invalid), arguments, attempts) from None
                assert self._structured is not None  # noqa: S101 - text is never sent back
                arguments = self._structured.reask(arguments, message, invalid)
            else:
                attempts.append(_attempt(message, seconds, ()))
                return Answer(value, tuple(attempts))
        raise AssertionError("a loop over at least one attempt ends inside it")

    async def _send(self, arguments: dict[str, Any], attempts: list[Attempt]) -> tuple[Message, float]:
        started = time.monotonic()
        try:
            message = await self._client.messages.create(**arguments)
        except Halted:
            if not attempts:
                raise
            stopped = RowError("the run ended before the answer was valid", code=Code.STOPPED)
            raise self._with(stopped, arguments, attempts) from None
        except Exception as error:  # noqa: BLE001 - whatever the foreign code raises is mapped, here and only here
            ours = mapped(error, self._sender)
            if isinstance(ours, RunStopped):
                ours.attempts = tuple(attempts)
            raise self._with(ours, arguments, attempts) if isinstance(ours, RowError) else ours from None
        self._streak.broken()
        if not _is_message(message):
            shown = self._sender.clean(str(message))[:_SHOWN]
            raise self._with(not_a_message(f"it begins with {shown!r}", self._sender), arguments, attempts)
        return message, time.monotonic() - started

    def _read(self, message: Message) -> JSON:
        if self._structured is not None:
            return self._structured.parse(message)
        text = "".join(block.text for block in message.content if block.type == "text")
        if not text:
            raise InvalidOutput(("the answer holds no text",))
        try:
            text.encode()
        except UnicodeEncodeError:
            raise InvalidOutput(("the answer holds half of a surrogate pair, which is no text",)) from None
        return text

    def _invalid(self, invalid: InvalidOutput) -> RowError:
        if self._structured is None:
            return RowError(invalid.errors[0], code=Code.NO_TEXT)
        asked = f" after {self._reasks} re-ask{'s' if self._reasks != 1 else ''}" if self._reasks else ""
        more = f" (and {len(invalid.errors) - 1} more)" if len(invalid.errors) > 1 else ""
        message = f"the output is invalid{asked}: {invalid.errors[0]}{more}"
        return RowError(message, code=Code.INVALID_OUTPUT, hint="see the attempts in the failed file")

    def _with(self, error: RowError, arguments: Mapping[str, Any], attempts: list[Attempt]) -> RowError:
        """The error with its account; its words may quote an answer, and an answer may quote the key."""
        error.message = self._sender.clean(error.message)
        error.args = (error.message,)
        error.request = _body(arguments)
        error.attempts = tuple(attempts)
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
    blocks: list[Any] = list(answer.content)
    return all(
        isinstance(kind := getattr(block, "type", None), str) and (kind != "text" or isinstance(block.text, str))
        for block in blocks
    )


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


def _response(message: Message) -> dict[str, JSON]:
    """An answer as the API gave it; of one that pydantic cannot put into JSON, what identifies it."""
    try:
        return message.to_dict(mode="json", warnings=False)
    except (ValueError, RecursionError) as error:
        head = {key: getattr(message, key) for key in ("id", "type", "role", "model", "stop_reason")}
        return {**head, "content": [{"type": "text", "text": f"(not kept: {type(error).__name__})"}]}


def _tokens(usage: Any, name: str) -> int:
    """A count of tokens, 0 where a gateway sends something else."""
    count = getattr(usage, name, 0)
    return count if isinstance(count, int) and count >= 0 else 0


def _attempt(message: Message, seconds: float, errors: tuple[str, ...]) -> Attempt:
    usage = message.usage
    return Attempt(
        response=_response(message),
        usage=Usage(
            _tokens(usage, "input_tokens"),
            _tokens(usage, "output_tokens"),
            _tokens(usage, "cache_creation_input_tokens"),
            _tokens(usage, "cache_read_input_tokens"),
        ),
        errors=errors,
        request_id=getattr(message, "_request_id", None),
        seconds=seconds,
    )
