"""The messages of a conversation: written as templates, or taken out of a row or a step; and as sent for a row.

Owns the rules for messages that are taken: their form, their roles, and the order of the whole conversation. The API
would refuse some of these conversations, and read others as the author did not mean them. Nothing of them is rendered:
they are data.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, Literal, TypeAlias

from yamlgen.errors import Code, RowError
from yamlgen.expressions.evaluation import evaluate, shown
from yamlgen.expressions.jinja_environment import render
from yamlgen.schemas.type_words import described
from yamlgen.steps.generate.prompt_cache import PromptCache
from yamlgen.value_objects import JSON, Message, Prompt

_HINT: Final = "the API refuses blank messages: test for the value in the step's `when`, or add text to the template"
_BLANK: Final = "the API refuses blank messages: leave it out, or skip the row with the step's `when`"
_REBUILD: Final = (
    "rebuild the messages in a `compute` step: `for_each: {}`, and an object with `role` and `content` as its `value`"
)
_BLOCKS: Final = "a list of content blocks is not accepted: join their text in a `compute` or a `python` step"
_ROLES: Final = "write `user`, `assistant` or `system`"

MessageRole: TypeAlias = Literal["user", "assistant", "system"]


@dataclass(frozen=True, slots=True)
class TemplateMessage:
    """One message of a conversation, whose content is the source of a template.

    Attributes:
        cache: how long the prompt is cached up to the end of the message: `5m`, `1h`, or `None`.
    """

    role: MessageRole
    content: str
    cache: str | None = None

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

    def unfilled(self) -> Message:
        """Return the message with its template as written."""
        return Message(self.role, self.content)

    def written(self) -> dict[str, str]:
        """Return the message as a file declares it."""
        return {"role": self.role, "content": self.content, **({"cache": self.cache} if self.cache else {})}


@dataclass(frozen=True, slots=True)
class TakenMessages:
    """The messages that an expression returns, each an object with `role` and `content`."""

    source: str

    def taken(self, scope: Mapping[str, Any]) -> list[tuple[MessageRole, str]]:
        """Return the role and the content of each message for a row.

        Raises:
            RowError: the value of the expression is not a list of messages.
        """
        value = evaluate(self.source, scope)
        if not isinstance(value, list):
            raise self.error(f"`from: {shown(self.source)}` must be a list of messages, not {described(value)}")
        return [self._message(value, index) for index in range(len(value))]

    def _message(self, value: Sequence[JSON], index: int) -> tuple[MessageRole, str]:
        message, where = value[index], self.named(index)
        rebuild = _REBUILD.format(shown(self.source))
        if not isinstance(message, dict):
            told = f"{where} must be an object with `role` and `content`, not {described(message)}"
            raise self.error(told, rebuild)
        for key in ("role", "content"):
            if key not in message:
                raise self.error(f"{where} has no `{key}`", rebuild)
        role, content = message["role"], message["content"]
        if role not in ("user", "assistant", "system"):
            said = f"the role `{shown(role)}`" if isinstance(role, str) else f"{described(role)} as its role"
            raise self.error(f"{where} has {said}", _ROLES)
        if not isinstance(content, str):
            told = f"the content of {where} must be a string, not {described(content)}"
            raise self.error(told, _BLOCKS if isinstance(content, list) else rebuild)
        return role, content

    def named(self, index: int) -> str:
        """Return the name of a message in errors; counted from 1, like items."""
        return f"message {index + 1} of `{shown(self.source)}`"

    def error(self, message: str, hint: str | None = None) -> RowError:
        """Return an error of a row, at the expression."""
        return RowError(message, code=Code.ROW_TEMPLATE, hint=hint, source=(self.source, 0))

    def unfilled(self) -> Message:
        """Return a message with the expression as written, in place of those that it returns."""
        return Message("user", self.source)

    def written(self) -> dict[str, str]:
        """Return the messages as a file declares them."""
        return {"from": self.source}


@dataclass(frozen=True, slots=True)
class _PlacedMessage:
    """A message, and its origin.

    Attributes:
        origin: the messages of which it is one; `None` if it is written in the pipeline.
        name: its name in errors.
    """

    message: Message
    origin: TakenMessages | None
    name: str


def prompt_of(
    system: str | None,
    parts: Sequence[TemplateMessage | TakenMessages],
    scope: Mapping[str, Any],
    step: str,
    cache: PromptCache,
) -> Prompt:
    """Return the prompt of a step for a row.

    Args:
        system: the step's own system prompt, rendered.
        parts: its messages.
        scope: the names that they can read.
        step: the name of the step.
        cache: what is cached of it.

    Raises:
        RowError: a value is missing in this row, or the conversation cannot be sent.
    """
    turns: list[_PlacedMessage] = []
    ends: list[int] = []
    for index, part in enumerate(parts):
        if isinstance(part, TemplateMessage):
            turns.append(_PlacedMessage(part.filled(scope, step), None, f"`messages[{index}]`"))
        else:
            taken = part.taken(scope)
            is_system = not index and bool(taken) and taken[0][0] == "system"
            if is_system:
                system = _system(part, taken.pop(0)[1], system, step)
            turns.extend(_turns(part, taken, int(is_system)))
        ends.append(len(turns))
    sources = [part for part in parts if isinstance(part, TakenMessages)]
    if sources:
        _check_order(turns, sources[0], step)
    return Prompt(system, tuple(turn.message for turn in turns), cache.marks(ends))


def _system(part: TakenMessages, content: str, own: str | None, step: str) -> str | None:
    """Return the system prompt, given that the first message is one; a blank one is none."""
    if own is not None and content.strip():
        without = f'{shown(part.source)} | rejectattr("role", "equalto", "system") | list'
        message = f"{part.named(0)} is a system prompt, and step `{step}` has a `system` too"
        raise part.error(message, f"remove `system`, or leave out the message: `from: {without}`")
    return content if content.strip() else own


def _turns(part: TakenMessages, taken: Sequence[tuple[MessageRole, str]], before: int) -> Iterator[_PlacedMessage]:
    """Yield the messages of a row; `before` is the number of those that are left out at the beginning."""
    for index, (role, content) in enumerate(taken, before):
        if not content.strip():
            raise part.error(f"{part.named(index)} is blank", _BLANK)
        yield _PlacedMessage(Message(role, content), part, part.named(index))


def _check_order(turns: Sequence[_PlacedMessage], source: TakenMessages, step: str) -> None:
    """Check that the turns begin and end with the user's, and alternate; the last one may be written otherwise.

    Raises:
        RowError: they do not.
    """
    if not turns:
        raise source.error(
            f"the conversation of step `{step}` has no messages", "skip such rows with the step's `when`"
        )
    first, last = turns[0], turns[-1]
    _check_system_turns(turns, source)
    if first.message.role != "user":
        message = f"{first.name}, the first of the conversation, is the assistant's: the user must begin"
        raise (first.origin or source).error(message, "add a message with `role: user` before it, or leave it out")
    for one, other in pairwise(turns):
        if one.message.role == other.message.role:
            message = (
                f"{other.name} has the role `{other.message.role}`, like {one.name} before it: they must alternate"
            )
            hint = "join the two messages, or leave one out"
            if one.origin is not None and one.origin is not other.origin:
                hint = f"leave out the last message of the list: `from: {shown(_all_but_last(one.origin.source))}`"
            raise (other.origin or one.origin or source).error(message, hint)
    if last.origin is not None and last.message.role == "assistant":
        shorter = shown(_all_but_last(last.origin.source))
        hint = f"add a message with `role: user` after it, or leave it out: `from: {shorter}`"
        raise last.origin.error(f"{last.name}, the last of the conversation, must be the user's", hint)


def _check_system_turns(turns: Sequence[_PlacedMessage], source: TakenMessages) -> None:
    """Check that each turn of the role `system` follows one of the user, and is the last or before the assistant's.

    Raises:
        RowError: one does not.
    """
    neighbours = zip((None, *turns[:-1]), turns, (*turns[1:], None), strict=True)
    for before, turn, after in neighbours:
        if turn.message.role != "system":
            continue
        if before is None or before.message.role != "user":
            message = f"{turn.name} has the role `system`, but does not follow a message of the user"
            raise (turn.origin or source).error(message, "put it after a message with `role: user`, or leave it out")
        if after is not None and after.message.role != "assistant":
            message = f"{turn.name} has the role `system`, but is neither the last message nor before the assistant's"
            hint = "put it after the last message with `role: user`, or leave it out"
            raise (turn.origin or source).error(message, hint)


def _all_but_last(source: str) -> str:
    """Return the expression for a list without its last item."""
    return f"{source}[:-1]" if source.replace(".", "").replace("_", "").isalnum() else f"({source})[:-1]"
