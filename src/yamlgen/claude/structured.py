"""Structured output through instructor: how a step requests JSON, parses it, and re-asks.

Owns the choice between native output, a tool and JSON in text. instructor's handlers are used directly rather than
through a patched client, because the stop reason must be checked before validation, and the usage of every attempt
must be recorded. Requests are built as instructor builds them, but without it, because it takes half a second to
import; only the words of JSON in text come from it.
"""

from __future__ import annotations

import re
import warnings
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import ValidationError

from yamlgen import model_capabilities
from yamlgen.claude.json_in_text import fault_of
from yamlgen.claude.parsed_answer import InvalidOutput, Judge, OutputRejected, ParsedOutput
from yamlgen.claude.reask_turns import about_unshown, sendable
from yamlgen.schemas import native_output_schema
from yamlgen.schemas.author_schema import JSONSchema
from yamlgen.schemas.root_wrapper import outgoing
from yamlgen.steps.config_fields import Settings

if TYPE_CHECKING:
    from instructor.v2.core.handler import ModeHandler

    from yamlgen.claude.instructor_handlers import ResponseModel

Mode = Literal["native", "tools", "json"]

_TOOL_NAME: Final = 64
_CALL: Final = "Answer with a call of the tool `{}` and no other text."
_DESCRIPTION: Final = "Correctly extracted `{}` with all the required parameters with correct types"
"""What instructor says about a tool whose schema has no description."""


class StructuredOutput:
    """The structured output of one step, built once for all rows.

    Args:
        name: the name of the output, from which the tool's name is made.
        schema: the author's schema, bundled.
        settings: the model's settings; `id` is set.
        mode: the mode that the author sets, or `auto`.
        judge: validates a value instead of the schema, and makes the output of it.

    Attributes:
        is_refused: whether the API has refused the schema in this mode, so that `other` is used.
    """

    def __init__(
        self,
        name: str,
        schema: JSONSchema,
        settings: Settings,
        mode: Literal["auto"] | Mode,
        judge: Judge | None = None,
    ) -> None:
        whole = schema.value
        self.able = model_capabilities.of(settings.id or "")
        sent, wrapped = outgoing(whole)
        self.is_refused = False
        self._made_of = name, schema, settings
        self._judge = judge
        self._is_free = mode == "auto"
        self.mode: Mode = native_output_schema.choose_mode(sent, self.able) if mode == "auto" else mode
        if self.mode == "native":
            sent = native_output_schema.reduce(sent)
        tool = re.sub(r"[^a-zA-Z0-9_-]+", "_", str(whole.get("title") or name))[:_TOOL_NAME].strip("_") or "answer"
        judged = staticmethod(judge or (lambda value: (schema.errors(value), value)))
        own = {"judge": judged, "schema_": schema, "sent": sent, "wrapped": wrapped}
        self._response = tool, {"__doc__": None, **own}
        self._name, self._sent = tool, sent
        self._forced = self.able.forced_tools is True and settings.thinking in (None, "disabled")

    @cached_property  # made when it is used: few outputs ever need the model of their `other`
    def response(self) -> type[ResponseModel]:
        """The pydantic model of an answer."""
        from yamlgen.claude.instructor_handlers import ResponseModel  # noqa: PLC0415 - takes half a second

        name, attributes = self._response
        return type(name, (ResponseModel,), attributes)

    @cached_property
    def handler(self) -> ModeHandler:
        """The handler of instructor for the mode."""
        from yamlgen.claude.instructor_handlers import HANDLERS  # noqa: PLC0415 - takes half a second

        return HANDLERS[self.mode](self.response)

    @cached_property
    def _unreadable(self) -> tuple[type[Exception], ...]:
        """The errors of instructor about an answer without the output."""
        from yamlgen.claude.instructor_handlers import UNREADABLE  # noqa: PLC0415 - takes half a second

        return UNREADABLE

    @cached_property  # built once for all rows
    def _tools(self) -> list[dict[str, Any]]:
        """The tool of the output, as instructor describes it, with the author's schema unchanged."""
        description = self._sent.get("description", _DESCRIPTION.format(self._name))
        return [{"name": self._name, "description": description, "input_schema": dict(self._sent)}]

    @cached_property
    def _form(self) -> dict[str, Any]:
        """The native form of the output."""
        return {"type": "json_schema", "schema": dict(self._sent)}

    @cached_property
    def other(self) -> StructuredOutput | None:
        """The output to use if the API refuses the schema natively; `None` if the author sets the mode."""
        if self.mode != "native" or not self._is_free:
            return None
        return StructuredOutput(*self._made_of, native_output_schema.other_mode(self.able), self._judge)

    def prepare(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        """Return the arguments of a request for the output."""
        if self.mode == "tools":
            return {**self.choose_tool(kwargs), "messages": _plain(kwargs["messages"]), "tools": self._tools}
        if self.mode == "native":
            return {**kwargs, "output_config": {**kwargs.get("output_config", {}), "format": self._form}}
        _, prepared = self.handler.prepare_request(self.response, kwargs)
        return prepared

    def choose_tool(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        """Return the arguments of a request that makes the model call the tool, by `tool_choice` or by a sentence."""
        name = self._name
        if self._forced:
            return {**kwargs, "tool_choice": {"type": "tool", "name": name, "disable_parallel_tool_use": True}}
        call = _CALL.format(name)
        system = f"{kwargs['system']}\n\n{call}" if kwargs.get("system") else call
        return {**kwargs, "system": system, "tool_choice": {"type": "auto", "disable_parallel_tool_use": True}}

    def parse(self, message: Any) -> ParsedOutput:
        """Return the output in a message.

        Raises:
            InvalidOutput: there is none, or the author's schema does not accept it.
        """
        if self.mode != "tools" and not any(block.type == "text" and block.text.strip() for block in message.content):
            raise InvalidOutput(("$: the answer holds no text",))
        try:
            read: Any = self.handler.parse_response(message, self.response)
        except ValidationError as error:
            raise InvalidOutput(_errors_of(error, self.mode)) from None
        except self._unreadable as error:
            raise InvalidOutput((f"$: {str(error).splitlines()[0]}",)) from None
        except ValueError as error:  # json.JSONDecodeError, and integers of thousands of digits
            raise InvalidOutput((f"$: the answer is not JSON: {fault_of(error)}",)) from None
        except RecursionError:
            raise InvalidOutput(("$: the answer is nested too deep",)) from None
        output: ParsedOutput = read.output
        return output

    def reask(self, kwargs: dict[str, Any], message: Any, invalid: InvalidOutput) -> dict[str, Any]:
        """Return the arguments of the request that shows the model its answer and the errors."""
        said: list[Any] = list(kwargs["messages"])
        try:
            with warnings.catch_warnings():
                # pydantic warns of blocks that the SDK does not know; the re-ask reports the errors.
                warnings.simplefilter("ignore")
                asked = self.handler.handle_reask({**kwargs, "messages": [*said]}, message, invalid)
            added = sendable(asked["messages"][len(said) :])
        except (ValueError, RecursionError):  # too deep, or with keys that cannot be encoded
            asked, added = kwargs, about_unshown(invalid)
        return {**asked, "messages": said + added}


def _plain(turns: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return copies of turns as the API takes them: each part of a content is a block, as data."""
    if all(isinstance(turn["content"], str) or all(map(_is_block, turn["content"])) for turn in turns):
        return [turn.copy() for turn in turns]
    from instructor.v2.providers.anthropic.handlers import process_messages_for_anthropic  # noqa: PLC0415 - rare

    return process_messages_for_anthropic(turns)


def _is_block(part: Any) -> bool:
    return isinstance(part, dict) and isinstance(part.get("type"), str)


def _errors_of(error: ValidationError, mode: Mode) -> tuple[str, ...]:
    found: list[str] = []
    for detail in error.errors(include_url=False):
        cause = detail.get("ctx", {}).get("error")
        if isinstance(cause, OutputRejected):
            found.extend(cause.errors)
        elif mode == "tools" and detail["type"] in ("too_short", "too_long"):
            found.append("$: the answer must be one call of the tool, no more and no less")
        else:
            found.append(f"$: {detail['msg']}")
    return tuple(found)
