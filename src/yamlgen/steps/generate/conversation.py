"""The turns of a conversation as a plan has them, and as a row fills them in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from yamlgen.errors import Code, RowError
from yamlgen.expressions.jinja_environment import render
from yamlgen.value_objects import Message

_HINT: Final = "the API refuses that: ask for a value in the step's `when`, or write words around it"


@dataclass(frozen=True, slots=True)
class TemplateMessage:
    """One turn of a conversation, its content a template's source."""

    role: Literal["user", "assistant"]
    content: str

    def filled(self, scope: Mapping[str, Any], step: str) -> Message:
        """What is said in a row.

        Raises:
            RowError: a value that the template needs is missing in this row, or nothing is said.
        """
        content = render(self.content, scope)
        if not content.strip():
            message = f"the `{self.role}` message of step `{step}` is blank for this row"
            raise RowError(message, code=Code.ROW_TEMPLATE, hint=_HINT, source=(self.content, 0))
        return Message(self.role, content)
