"""The fallback for a schema that the API does not accept natively: a tool, from then on and in later runs.

The documented limits are checked before a request is built (`schemas.native_output_schema`). Only the API knows how
large the grammar of a schema becomes, and refuses the request if it is too large.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from yamlgen.claude.error_mapping import ErrorContext
from yamlgen.claude.requests import Request, RequestBuilder, RequestMode, RequestModeRefused
from yamlgen.errors import RowError
from yamlgen.interfaces import ResponseStore
from yamlgen.value_objects import Refusal

if TYPE_CHECKING:
    from yamlgen.claude.structured import StructuredOutput

_SAID: Final = re.compile(
    r"compiled grammar|grammar compilation|schema is too complex|too many optional parameters"
    r"|too many parameters with union|output_config\.format[\w.]*:"
    r"|not support structured output|structured outputs? (?:is|are) not (?:supported|available)",
    re.IGNORECASE,
)
_STATUSES: Final = frozenset({400, 422})
_LEAVE_OUT: Final = "leave `mode` out: `auto` uses a tool if the API does not accept the schema natively"


class SchemaFallback:
    """The request modes of one model, and the switch from the first to the other.

    Args:
        structured: the structured output; `None` for text.
        builder: builds the model's requests.
        error_context: the sender, for the warning.
        store: stores that a schema was refused; `None` without a store.
        warn: receives a warning at the switch.

    Attributes:
        first: the mode that is tried first.
        other: the mode after it, if there is one.
    """

    def __init__(
        self,
        structured: StructuredOutput | None,
        builder: RequestBuilder,
        error_context: ErrorContext,
        store: ResponseStore | None = None,
        warn: Callable[[str], None] | None = None,
    ) -> None:
        self.first = RequestMode(structured)
        self.other: RequestMode | None = None
        self._model = builder.model
        self._error_context = error_context
        self._store = store
        self._warn = warn
        self._schema = b""
        self._insists = structured is not None and structured.mode == "native" and structured.other is None
        if structured is not None and structured.other is not None:
            self.other = RequestMode(structured.other)
            if store is not None:
                self._schema = builder.schema_key(self.first)
                structured.is_refused |= store.is_refused(self._schema)

    @property
    def mode(self) -> RequestMode:
        """The mode of the next request."""
        return self.other if self.other is not None and self.first.is_closed else self.first

    async def consider(self, request: Request, refusal: Refusal) -> None:
        """Close the mode of a request permanently if the API refuses the schema in it.

        Raises:
            RequestModeRefused: the API refuses the schema in this mode.
        """
        structured = request.mode.structured
        if structured is None or self.other is None or request.mode is self.other or not _is_about_schema(refusal):
            return
        if not structured.is_refused and (request.log is None or request.log.sends):  # a forecast changes nothing
            structured.is_refused = True  # before any await, because other requests come here too
            if self._warn is not None:
                said = self._error_context.clean(refusal.message)
                is_kept = self._store is not None
                self._warn(_warning(request.context.step, self._model, said, is_kept=is_kept))
            if self._store is not None:
                await self._store.refuse(self._schema, refusal)
        raise RequestModeRefused

    def advised(self, error: RowError) -> RowError:
        """Return the error, with a hint if it concerns native output on which the author insists."""
        if self._insists and _is_about_schema(Refusal(error.status, error.message)):
            return error.replace(hint=_LEAVE_OUT)
        return error


def _is_about_schema(refusal: Refusal) -> bool:
    """Return whether the refusal of a request with a native schema concerns that schema."""
    return refusal.status in _STATUSES and _SAID.search(refusal.message) is not None


def _warning(step: str, model: str, message: str, *, is_kept: bool) -> str:
    """Return the warning that a step, or a model without one, now uses a tool; `is_kept`: whether a store notes it."""
    who, uses = (f"step `{step}`: ", "the step uses") if step else ("", "requests use")
    until = "from now on, in later runs too" if is_kept else "from now on"
    return f"{who}`{model}` does not accept the schema as native output, so {uses} a tool {until}; {message}"
