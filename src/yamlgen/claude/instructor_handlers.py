"""instructor's mode handlers with the author's schema unchanged: native output, a tool, JSON in text.

Owns the classes that instructor accepts as a response model and as a mode. They parse the answer and write the re-ask.
Nothing is registered globally, because a host application has its own instructor. Only `instructor_import` and the
outputs that are parsed import this module, which takes half a second.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from itertools import pairwise
from typing import Any, ClassVar, Final

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

from yamlgen.claude.json_in_text import find_json
from yamlgen.claude.parsed_answer import InvalidOutput, Judge, OutputRejected, ParsedOutput
from yamlgen.schemas.author_schema import JSONSchema, json_schema
from yamlgen.schemas.json_strings import unpacked
from yamlgen.schemas.root_wrapper import WRAP
from yamlgen.value_objects import JSON

UNREADABLE: Final = (ResponseParsingError, IncompleteOutputException)
"""The errors of instructor about an answer without the output."""

_AN_OBJECT: Final = json_schema({"type": "object"})
_ALL_DIFFER: Final = json_schema({"uniqueItems": True})


class ResponseModel(RootModel[Any], ResponseSchema):
    """The response model for instructor: it sends the author's schema, and validates answers against all of it."""

    judge: ClassVar[Judge]
    schema_: ClassVar[JSONSchema]
    sent: ClassVar[Mapping[str, Any]]
    wrapped: ClassVar[bool]

    @classmethod
    def model_json_schema(cls, *args: Any, **kwargs: Any) -> dict[str, Any]:  # noqa: ARG003 - pydantic's signature
        """Return the schema to send, with the title that instructor reads."""
        return {"title": cls.__name__, **cls.sent}

    _made: JSON = PrivateAttr(None)
    _strings: tuple[str, ...] = PrivateAttr(())
    _is_bare: bool = PrivateAttr(default=False)

    @model_validator(mode="after")
    def _check(self) -> ResponseModel:
        value: JSON = self.root
        strings: tuple[str, ...] = ()
        if self.wrapped:
            value, strings = unpacked(value, _AN_OBJECT)
            if isinstance(value, dict) and set(value) == {WRAP}:
                value = value[WRAP]
            else:
                self._is_bare = True
        judge = type(self).judge
        errors, made = judge(value)
        if self._is_bare and (errors or (isinstance(value, dict) and WRAP in value)):
            raise OutputRejected((f"$: the answer must be an object with the one key `{WRAP}`",))
        if errors:
            value, more = unpacked(value, self.schema_)
            again, made = judge(value) if more else (errors, None)
            if again:
                raise OutputRejected(errors)
            strings += more
        self.root, self._made, self._strings = value, made, strings
        return self

    @property
    def output(self) -> ParsedOutput:
        """The validated output, without its wrapper."""
        return ParsedOutput(self._made, tuple(f"{path} came as a JSON string" for path in self._strings))

    @property
    def is_bare(self) -> bool:
        """Whether the answer is the bare value, without the requested wrapper object."""
        return self._is_bare


class _Tools(AnthropicToolsHandler):
    """instructor's tool mode with the author's schema unchanged."""

    def parse_response(self, response: Any, response_model: Any, *args: Any, **kwargs: Any) -> Any:
        calls = [block for block in response.content if block.type == "tool_use"]
        if len(calls) != 1 or response.stop_reason == "max_tokens":
            return super().parse_response(response, response_model, *args, **kwargs)
        # The same as instructor does with one call, without the validator that it builds for each answer.
        return response_model.model_validate_json(json.dumps(calls[0].input))


class _InText(AnthropicJSONHandler):
    """instructor's JSON in text. The description of the schema is built once for all rows."""

    def __init__(self, response: type[ResponseModel]) -> None:
        super().__init__()
        _, made = super().prepare_request(response, {"messages": []})
        self._told = made["system"]

    def prepare_request(self, response_model: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        messages = process_messages_for_anthropic(kwargs["messages"])
        system = combine_system_messages(kwargs.get("system"), self._told)
        return response_model, {**kwargs, "messages": messages, "system": system}

    def parse_response(self, response: Any, response_model: Any, *args: Any, **kwargs: Any) -> Any:
        """Return the only value in the text that the schema accepts; several different ones are an error."""
        texts = [block.text for block in response.content if block.type == "text"]
        if not texts or response.stop_reason == "max_tokens":
            return super().parse_response(response, response_model, *args, **kwargs)
        text = "".join(texts)
        spans = find_json(text)
        if not spans.values and not spans.broken:
            with suppress(ValueError, RecursionError):  # a JSON string with an object, or a scalar
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


HANDLERS: Final[Mapping[str, Callable[[type[ResponseModel]], ModeHandler]]] = {
    "native": lambda _: AnthropicStructuredOutputsHandler(),
    "tools": lambda _: _Tools(),
    "json": _InText,
}
"""The handler of each mode of structured output, made for a response model."""
