"""Structured output through instructor: how a step asks for JSON, reads it, and asks again.

Owns the choice between native output, a tool and JSON in text, and the small classes that let instructor's own mode
handlers carry the author's schema unchanged: they prepare the request, parse the answer and write the re-ask. The
handlers are used directly rather than through a patched client, because the stop reason must be looked at before
anything is validated, and every attempt's usage kept. Nothing is registered globally: a host application has its
own instructor.
"""

from __future__ import annotations

import json
import math
import re
import warnings
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import cached_property
from itertools import pairwise
from typing import Any, ClassVar, Final, Literal, Protocol

from instructor.v2.core.errors import IncompleteOutputException, ResponseParsingError
from instructor.v2.core.function_calls import ResponseSchema
from instructor.v2.core.handler import ModeHandler
from instructor.v2.providers.anthropic.handlers import (
    AnthropicJSONHandler,
    AnthropicStructuredOutputsHandler,
    AnthropicToolsHandler,
    combine_system_messages,
    process_messages_for_anthropic,
)
from pydantic import PrivateAttr, RootModel, ValidationError, model_validator

from yamlgen import capabilities
from yamlgen.claude.json_in_text import fault_of, spans_of
from yamlgen.claude.outputs import InvalidOutput, ReadOutput
from yamlgen.schemas import native_subset
from yamlgen.schemas.author_schema import JSONSchema, json_schema
from yamlgen.schemas.json_strings import unpacked
from yamlgen.schemas.root_wrapper import WRAP, outgoing
from yamlgen.steps.fields import Settings
from yamlgen.values import JSON

Mode = Literal["native", "tools", "json"]

_TOOL_NAME: Final = 64
_CALL: Final = "Answer with a call of the tool `{}` and no other text."
_AN_OBJECT: Final = json_schema({"type": "object"})
_ALL_DIFFER: Final = json_schema({"uniqueItems": True})
_UNSAID: Final = frozenset({"thinking", "redacted_thinking"})
"""What of an answer is no part of what was said: a turn of nothing else is none."""


class _Rejected(ValueError):  # noqa: N818 - caught where it is raised to
    """The errors of a value, on their way through pydantic."""

    def __init__(self, errors: tuple[str, ...]) -> None:
        super().__init__("; ".join(errors))
        self.errors = errors


class Checked(Protocol):
    """What an output is held against: a JSON Schema to send, and the errors of a value."""

    @property
    def value(self) -> dict[str, Any]:
        """The schema."""
        ...

    def errors(self, value: JSON) -> tuple[str, ...]:
        """What is wrong with a value, each with its path."""
        ...


class Response(RootModel[Any], ResponseSchema):
    """What instructor takes for a response model: the author's schema on the way out, its whole check on the way in."""

    checked: ClassVar[Checked]
    schema_: ClassVar[JSONSchema]
    sent: ClassVar[Mapping[str, Any]]
    wrapped: ClassVar[bool]

    @classmethod
    def model_json_schema(cls, *args: Any, **kwargs: Any) -> dict[str, Any]:  # noqa: ARG003 - pydantic's signature
        """The schema to send, with a title, because instructor reads one."""
        return {"title": cls.__name__, **cls.sent}

    _strings: tuple[str, ...] = PrivateAttr(())
    _is_bare: bool = PrivateAttr(default=False)

    @model_validator(mode="after")
    def _check(self) -> Response:
        value: JSON = self.root
        strings: tuple[str, ...] = ()
        if self.wrapped:
            value, strings = unpacked(value, _AN_OBJECT)
            if isinstance(value, dict) and set(value) == {WRAP}:
                value = value[WRAP]
            else:
                self._is_bare = True
        errors = self.checked.errors(value)
        if self._is_bare and (errors or (isinstance(value, dict) and WRAP in value)):
            raise _Rejected((f"$: the answer must be an object with the one key `{WRAP}`",))
        if errors:
            value, more = unpacked(value, self.schema_)
            if not more or self.checked.errors(value):
                raise _Rejected(errors)
            strings += more
        self.root, self._strings = value, strings
        return self

    @property
    def output(self) -> ReadOutput:
        """The output as it is checked and unwrapped."""
        return ReadOutput(self.root, tuple(f"{path} came as a JSON string" for path in self._strings))

    @property
    def is_bare(self) -> bool:
        """Whether it is the author's schema that the answer fits, and not the object around it that was asked for."""
        return self._is_bare


class _Tools(AnthropicToolsHandler):
    """instructor's tool mode, with the author's schema as the tool's, untouched; the tool is made once for all rows."""

    def __init__(self, response: type[Response]) -> None:
        super().__init__()
        _, made = super().prepare_request(response, {"messages": []})
        self._tools = [{**made["tools"][0], "name": response.__name__, "input_schema": dict(response.sent)}]

    def prepare_request(self, response_model: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        messages = process_messages_for_anthropic(kwargs["messages"])
        return response_model, {**kwargs, "messages": messages, "tools": self._tools}

    def parse_response(self, response: Any, response_model: Any, *args: Any, **kwargs: Any) -> Any:
        calls = [block for block in response.content if block.type == "tool_use"]
        if len(calls) != 1 or response.stop_reason == "max_tokens":
            return super().parse_response(response, response_model, *args, **kwargs)
        # What instructor does with one call; to see that it is one, it builds a validator for each answer.
        return response_model.model_validate_json(json.dumps(calls[0].input))


class _Native(AnthropicStructuredOutputsHandler):
    """instructor's structured outputs, by the parameter that the API has today."""

    def __init__(self, response: type[Response]) -> None:
        super().__init__()
        self._form = {"type": "json_schema", "schema": dict(response.sent)}

    def prepare_request(self, response_model: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        return response_model, {**kwargs, "output_config": {**kwargs.get("output_config", {}), "format": self._form}}


class _InText(AnthropicJSONHandler):
    """instructor's JSON in text; what it says of the schema is made once for all rows."""

    def __init__(self, response: type[Response]) -> None:
        super().__init__()
        _, made = super().prepare_request(response, {"messages": []})
        self._told = made["system"]

    def prepare_request(self, response_model: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        messages = process_messages_for_anthropic(kwargs["messages"])
        system = combine_system_messages(kwargs.get("system"), self._told)
        return response_model, {**kwargs, "messages": messages, "system": system}

    def parse_response(self, response: Any, response_model: Any, *args: Any, **kwargs: Any) -> Any:
        """The one value in the text that the schema accepts, wherever it stands; what differs from it is none."""
        texts = [block.text for block in response.content if block.type == "text"]
        if not texts or response.stop_reason == "max_tokens":
            return super().parse_response(response, response_model, *args, **kwargs)
        text = "".join(texts)
        spans = spans_of(text)
        if not spans.values and not spans.broken:
            with suppress(ValueError, RecursionError):  # an object as a JSON string, or what the schema says more of
                spans.values.append(json.loads(text))
        found, refused = [], None
        for value in spans.values:
            try:
                found.append(response_model.model_validate(value))
            except ValidationError as error:
                refused = error
        answers = [each for each in found if not each.is_bare] or found
        for answer, other in pairwise(answers):
            if not _ALL_DIFFER.errors([answer.root, other.root]):
                raise InvalidOutput(("$: the answer holds several values that fit the schema: give one alone",))
        if answers:
            return answers[-1]
        if refused is None or spans.broken:
            raise InvalidOutput((f"$: the answer is not JSON: {spans.broken or 'it holds no list and no object'}",))
        raise refused


_HANDLERS: Final[Mapping[Mode, Callable[[type[Response]], ModeHandler]]] = {
    "native": _Native,
    "tools": _Tools,
    "json": _InText,
}


class Structured:
    """One step's structured output, built once: what does not depend on the row is here.

    Args:
        name: what the output is called; the tool's name comes from it.
        schema: the author's schema, bundled.
        settings: the model's settings; `id` is set.
        mode: what the author insists on, or `auto`.

    Attributes:
        is_refused: whether the API has refused the schema in this way, so that `other` asks for it.
    """

    def __init__(self, name: str, schema: Checked, settings: Settings, mode: Literal["auto"] | Mode) -> None:
        whole = schema.value
        self.able = capabilities.of(settings.id or "")
        sent, wrapped = outgoing(whole)
        self.is_refused = False
        self._made_of = name, schema, settings
        self._is_free = mode == "auto"
        self.mode: Mode = native_subset.choose_mode(sent, self.able) if mode == "auto" else mode
        if self.mode == "native":
            sent = native_subset.reduce(sent)
        tool = re.sub(r"[^a-zA-Z0-9_-]+", "_", str(whole.get("title") or name))[:_TOOL_NAME].strip("_") or "answer"
        own = {"checked": schema, "schema_": json_schema(whole), "sent": sent, "wrapped": wrapped}
        self.response: type[Response] = type(tool, (Response,), {"__doc__": None, **own})
        self._handler = _HANDLERS[self.mode](self.response)
        self._forced = self.able.forced_tools is True and settings.thinking in (None, "disabled")

    @cached_property
    def other(self) -> Structured | None:
        """How to ask where the API turns out not to take the schema natively; `None` where the author insists."""
        if self.mode != "native" or not self._is_free:
            return None
        return Structured(*self._made_of, native_subset.other_mode(self.able))

    def prepare(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        """The arguments of a request that asks for the output."""
        if self.mode == "tools":
            kwargs = self._choose_tool(kwargs)
        _, prepared = self._handler.prepare_request(self.response, kwargs)
        return prepared

    def _choose_tool(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        name = self.response.__name__
        if self._forced:
            return {**kwargs, "tool_choice": {"type": "tool", "name": name, "disable_parallel_tool_use": True}}
        call = _CALL.format(name)
        system = f"{kwargs['system']}\n\n{call}" if kwargs.get("system") else call
        return {**kwargs, "system": system, "tool_choice": {"type": "auto", "disable_parallel_tool_use": True}}

    def parse(self, message: Any) -> ReadOutput:
        """The output in a message.

        Raises:
            InvalidOutput: there is none, or the author's schema does not accept it.
        """
        if self.mode != "tools" and not any(block.type == "text" and block.text.strip() for block in message.content):
            raise InvalidOutput(("$: the answer holds no text",))
        try:
            read: Any = self._handler.parse_response(message, self.response)
        except ValidationError as error:
            raise InvalidOutput(_errors_of(error, self.mode)) from None
        except (ResponseParsingError, IncompleteOutputException) as error:
            raise InvalidOutput((f"$: {str(error).splitlines()[0]}",)) from None
        except ValueError as error:  # json.JSONDecodeError, and integers of thousands of digits
            raise InvalidOutput((f"$: the answer is not JSON: {fault_of(error)}",)) from None
        except RecursionError:
            raise InvalidOutput(("$: the answer is nested too deep",)) from None
        output: ReadOutput = read.output
        return output

    def reask(self, kwargs: dict[str, Any], message: Any, invalid: InvalidOutput) -> dict[str, Any]:
        """The arguments of the request that shows the model its answer and what is wrong with it."""
        said: list[Any] = list(kwargs["messages"])
        try:
            with warnings.catch_warnings():
                # pydantic warns of blocks that are not as the SDK has them; the model is about to be told.
                warnings.simplefilter("ignore")
                asked = self._handler.handle_reask({**kwargs, "messages": [*said]}, message, invalid)
            added = [_sendable(turn) for turn in _spoken(asked["messages"][len(said) :])]
        except (ValueError, RecursionError):  # too deep, or of keys that no text can hold: it cannot be shown
            asked = kwargs
            added = [{"role": "user", "content": f"Your answer was invalid:\n{invalid}\nAnswer again."}]
        return {**asked, "messages": said + added}


def _spoken(turns: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Turns without what says nothing, which the API refuses: a blank text, a turn of no more than thinking."""
    made = []
    for turn in turns:
        if isinstance(turn["content"], str):
            made.append(turn)
            continue
        content = [block for block in turn["content"] if block["type"] != "text" or block["text"].strip()]
        if any(block["type"] not in _UNSAID for block in content):
            made.append({**turn, "content": content})
    return made


def _sendable(part: JSON) -> JSON:
    """A part of a request without what no request can carry, and with tool inputs that the API takes back."""
    if isinstance(part, str):
        return part.encode(errors="replace").decode()
    if isinstance(part, float) and not math.isfinite(part):
        return None
    if isinstance(part, list):
        return [_sendable(item) for item in part]
    if isinstance(part, dict):
        made = {_sendable(key): _sendable(value) for key, value in part.items()}
        if made.get("type") == "tool_use" and not isinstance(made.get("input"), dict):
            made["input"] = {WRAP: made.get("input")}
        return made
    return part


def _errors_of(error: ValidationError, mode: Mode) -> tuple[str, ...]:
    found: list[str] = []
    for detail in error.errors(include_url=False):
        cause = detail.get("ctx", {}).get("error")
        if isinstance(cause, _Rejected):
            found.extend(cause.errors)
        elif mode == "tools" and detail["type"] in ("too_short", "too_long"):
            found.append("$: the answer must be one call of the tool, no more and no less")
        else:
            found.append(f"$: {detail['msg']}")
    return tuple(found)
