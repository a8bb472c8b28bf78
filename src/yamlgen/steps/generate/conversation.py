"""The messages of a conversation, as templates in a plan and as rendered for a row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from yamlgen.errors import Code, RowError
from yamlgen.expressions.jinja_environment import render
from yamlgen.value_objects import Message

_HINT: Final = "the API refuses blank messages: test for the value in the step's `when`, or add text to the template"


@dataclass(frozen=True, slots=True)
class TemplateMessage:
    """One message of a conversation, whose content is the source of a template."""

    role: Literal["user", "assistant"]
    content: str

    def filled(self, scope: Mapping[str, Any], step: str) -> Message:
        """Return the message for a row.

        Raises:
            RowError: a value that the template needs is missing in this row, or the message is blank.
        """
        content = render(self.content, scope)
        if not content.strip():
            message = f"the `{self.role}` message of step `{step}` is blank for this row"
            raise RowError(message, code=Code.ROW_TEMPLATE, hint=_HINT, source=(self.content, 0))
        return Message(self.role, content)
