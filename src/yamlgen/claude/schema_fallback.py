"""Where the API does not take a schema natively, a tool asks for it: from then on, in later runs too.

The limits that are documented are known before a request is made (`schemas.native_subset`). How large the grammar of
a schema becomes is known to the API alone, which refuses the request.
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
_LEAVE_OUT: Final = "leave `mode` out: `auto` asks by a tool where the API does not take the schema natively"


class SchemaFallback:
    """The ways in which one model is asked for its output, and how the first is left for the other.

    Args:
        structured: how JSON is asked for; `None` for text.
        builder: of the model's requests.
        error_context: who sends, for the sentence of the warning.
        store: where it is kept that a schema was refused; `None` where it is not.
        warn: told when a way is left.

    Attributes:
        first: the way that is tried first.
        other: the way after it, if there is one.
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
        """The way in which the next request is sent."""
        return self.other if self.other is not None and self.first.is_closed else self.first

    async def consider(self, request: Request, refusal: Refusal) -> None:
        """Leave the way of a request for good, where its refusal says that the API does not take the schema in it.

        Raises:
            RequestModeRefused: it does not.
        """
        structured = request.mode.structured
        if structured is None or self.other is None or request.mode is self.other or not _is_about_schema(refusal):
            return
        if not structured.is_refused and (request.log is None or request.log.sends):  # a forecast leaves nothing
            structured.is_refused = True  # before anything is waited for: the others come here too
            if self._warn is not None:
                said = self._error_context.clean(refusal.message)
                is_kept = self._store is not None
                self._warn(_warning(request.context.step, self._model, said, is_kept=is_kept))
            if self._store is not None:
                await self._store.refuse(self._schema, refusal)
        raise RequestModeRefused

    def advised(self, error: RowError) -> RowError:
        """The error, which tells an author who insists on native output what else there is, where it is about that."""
        if self._insists and _is_about_schema(Refusal(error.status, error.message)):
            return error.replace(hint=_LEAVE_OUT)
        return error


def _is_about_schema(refusal: Refusal) -> bool:
    """Whether a refusal of a request with a native schema is about that schema."""
    return refusal.status in _STATUSES and _SAID.search(refusal.message) is not None


def _warning(step: str, model: str, message: str, *, is_kept: bool) -> str:
    """The warning of a step, or of a model by itself, that goes over to a tool; `is_kept` where a store notes it."""
    who, asked = (f"step `{step}`: ", "the step asks") if step else ("", "it is asked")
    until = "from now on, in later runs too" if is_kept else "from now on"
    return f"{who}`{model}` does not take the schema as native output, so {asked} by a tool {until}; {message}"
