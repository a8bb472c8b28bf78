"""Structured output through instructor: how a step requests JSON, parses it, and re-asks.

Owns the choice between native output, a tool and JSON in text. instructor's handlers are used directly rather than
through a patched client, because the stop reason must be checked before validation, and the usage of every attempt
must be recorded.
"""

from __future__ import annotations

import re
import warnings
from functools import cached_property
from typing import Any, Final, Literal

from instructor.v2.core.errors import IncompleteOutputException, ResponseParsingError
from instructor.v2.core.handler import ModeHandler
from pydantic import ValidationError

from yamlgen import model_capabilities
from yamlgen.claude.instructor_handlers import HANDLERS, Judge, Mode, OutputRejected, ResponseModel
from yamlgen.claude.json_in_text import fault_of
from yamlgen.claude.parsed_answer import InvalidOutput, ParsedOutput
from yamlgen.claude.reask_turns import about_unshown, sendable
from yamlgen.schemas import native_output_schema
from yamlgen.schemas.author_schema import JSONSchema
from yamlgen.schemas.root_wrapper import outgoing
from yamlgen.steps.config_fields import Settings

_TOOL_NAME: Final = 64
_CALL: Final = "Answer with a call of the tool `{}` and no other text."


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
        self._forced = self.able.forced_tools is True and settings.thinking in (None, "disabled")

    @cached_property  # made when it is used: few outputs ever need the model of their `other`
    def response(self) -> type[ResponseModel]:
        """The pydantic model of an answer."""
        name, attributes = self._response
        return type(name, (ResponseModel,), attributes)

    @cached_property
    def handler(self) -> ModeHandler:
        """The handler of instructor for the mode."""
        return HANDLERS[self.mode](self.response)

    @cached_property
    def other(self) -> StructuredOutput | None:
        """The output to use if the API refuses the schema natively; `None` if the author sets the mode."""
        if self.mode != "native" or not self._is_free:
            return None
        return StructuredOutput(*self._made_of, native_output_schema.other_mode(self.able), self._judge)

    def prepare(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        """Return the arguments of a request for the output."""
        if self.mode == "tools":
            kwargs = self.choose_tool(kwargs)
        _, prepared = self.handler.prepare_request(self.response, kwargs)
        return prepared

    def choose_tool(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        """Return the arguments of a request that makes the model call the tool, by `tool_choice` or by a sentence."""
        name = self.response.__name__
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
        except (ResponseParsingError, IncompleteOutputException) as error:
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
