"""The rows that trainers accept: chat, instruction and preference data, and why a row is none of these.

The formats are those of TRL (conversational, prompt-completion, preference), which Unsloth uses too, OpenAI (chat
fine-tuning), Axolotl (`chat_template`) and LLaMA-Factory (OpenAI format). A row may have other columns. A message has
the keys that at least one of them documents, and a key with null is as good as absent.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from yamlgen.schemas.constraints import shown
from yamlgen.schemas.type_words import described
from yamlgen.suggestions import listing, nearest
from yamlgen.value_objects import JSON

ROLES: Final = ("system", "developer", "user", "assistant", "tool")
"""The roles of messages. `developer` is the newer name of `system` (OpenAI, and TRL's Harmony format)."""

INSTRUCTORS: Final = ("system", "developer")
"""The roles that only the first message may have."""

MADE_OF: Final = "a list of messages"


@dataclass(frozen=True, slots=True)
class MessageRules:
    """The rules for the messages of a column.

    Attributes:
        first: the roles that the first message may have.
        last: the roles that the last message may have.
        asks: whether a message from `user` is required.
        is_text: whether the column may be a string instead.
    """

    first: tuple[str, ...] = ROLES
    last: tuple[str, ...] = ROLES
    asks: bool = False
    is_text: bool = True


_PROMPT: Final = MessageRules(last=("user", "tool"))
_ANSWER: Final = MessageRules(first=("assistant",), last=("assistant",))

RULES: Final[Mapping[str, Mapping[str, MessageRules]]] = {
    "chat": {"messages": MessageRules(last=("assistant",), asks=True, is_text=False)},
    "instruction": {"prompt": _PROMPT, "completion": _ANSWER},
    "preference": {"prompt": _PROMPT, "chosen": _ANSWER, "rejected": _ANSWER},
}
"""The required columns of each shape."""

SHAPES: Final[tuple[str, ...]] = tuple(RULES)


def shape_columns(shape: str) -> tuple[str, ...]:
    """Return the required columns of a shape."""
    return tuple(RULES[shape])


def shape_errors(shape: str, row: Mapping[str, JSON]) -> list[str]:
    """Return why a row does not have a shape: sentences such as "`messages[2].role` is missing"; none if it does."""
    found: list[str] = []
    forms: dict[str, str] = {}
    for column, rules in RULES[shape].items():
        value = row.get(column)
        if column not in row:
            found.append(f"`{column}` is missing; the row must have this column")
        elif rules.is_text and isinstance(value, str):
            forms[column] = "a string"
        elif isinstance(value, list):
            forms[column] = MADE_OF
            _check_messages(column, value, rules, found)
        else:
            found.append(f"`{column}` {not_of(rules, described(value))}")
    if len(set(forms.values())) > 1:
        first, *others = forms
        other = next(column for column in others if forms[column] != forms[first])
        found.append(f"`{other}` {two_forms(forms[other], first, forms[first])}")
    return found


def not_of(rules: MessageRules, what: str) -> str:
    """Return the predicate for a column that is neither a string nor messages."""
    return f"must be {'a string or ' if rules.is_text else ''}{MADE_OF}, not {what}"


def two_forms(form: str, first: str, other: str) -> str:
    """Return the predicate for a column whose form is not that of the first column."""
    return f"is {form}, but `{first}` is {other}; write all of them in the same form"


def no_object(what: str) -> str:
    """Return the predicate for an item that is not a message."""
    return f"must be an object with `role` and `content`, not {what}"


def unknown_role(role: JSON) -> str:
    """Return the predicate for a role that trainers do not document."""
    meant = _OTHER_ROLES.get(role) or nearest(role, ROLES) if isinstance(role, str) else None
    known = f"write `{meant}`" if meant else f"roles: {listing(ROLES)}"
    return f"cannot be {shown(role)}; {known}"


def misplaced(role: str) -> str:
    """Return the predicate for a system message that is not the first message."""
    return f"cannot be `{role}`: only the first message can be from `{role}`"


def wrong_end(roles: tuple[str, ...], where: str, role: str) -> str:
    """Return the predicate for a role that the first or the last message cannot have."""
    return f"cannot be `{role}`: the {where} message must be from {' or '.join(f'`{each}`' for each in roles)}"


def unknown_key(key: str, keys: Collection[str]) -> str:
    """Return the predicate for a key of `keys`, those of the message, that trainers do not document."""
    if key == "from" and len(keys) == 1:
        return "is not a key of a message; join lists in an expression, as in `row.messages + [...]`"
    near = _OTHER_KEYS.get(key) or nearest(key, KEYS)
    return f"is not a key of a message; {f'did you mean `{near}`?' if near else f'keys: {listing(KEYS)}'}"


def for_others(key: str, role: str) -> str:
    """Return the predicate for a key that only messages from another role may have."""
    return f"is for messages from `{OPTIONAL[key].role}`, not from `{role}`"


EMPTY: Final = "is an empty list; a conversation has at least one message"
UNASKED: Final = "must contain a message from `user`"
MISSING: Final = "is missing"

_OTHER_ROLES: Final = {
    "human": "user",
    "gpt": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "ai": "assistant",
    "function": "tool",
    "observation": "tool",
    "ipython": "tool",
}
"""The names that other formats give to roles."""

_OTHER_KEYS: Final = {"from": "role", "value": "content", "text": "content"}


def _is_calls(value: JSON) -> bool:
    """Check for a list of calls, each as `{"function": {"name": ...}}` (OpenAI, TRL, Axolotl)."""
    if not isinstance(value, list) or not value:
        return False
    functions = [call.get("function") if isinstance(call, dict) else None for call in value]
    return all(isinstance(each, dict) and isinstance(each.get("name"), str) for each in functions)


def _is_string(value: JSON) -> bool:
    return isinstance(value, str)


@dataclass(frozen=True, slots=True)
class _Key:
    """The rule for an optional key of a message: what it must be, and the role of the messages that may have it.

    `schema` accepts what `fits` accepts, and more if that cannot be told from a type.
    """

    must: str
    schema: Mapping[str, JSON]
    fits: Callable[[JSON], bool]
    role: str | None = None


def _is_weight(value: JSON) -> bool:
    return not isinstance(value, bool) and value in (0, 1)


_TEXT: Final = {"type": "string"}
_ARRAY: Final = {"type": "array"}
OPTIONAL: Final[Mapping[str, _Key]] = {
    "name": _Key("a string", _TEXT, _is_string),  # OpenAI, TRL
    "tool_calls": _Key('a list of calls such as `{"function": {"name": ...}}`', _ARRAY, _is_calls, "assistant"),
    "tool_call_id": _Key("a string", _TEXT, _is_string, "tool"),  # OpenAI, Axolotl
    "weight": _Key("0 or 1", {"enum": [0, 1]}, _is_weight, "assistant"),  # OpenAI
    "thinking": _Key("a string", _TEXT, _is_string, "assistant"),  # TRL
    "reasoning_content": _Key("a string", _TEXT, _is_string, "assistant"),  # Axolotl
    "train": _Key("a boolean", {"type": "boolean"}, lambda value: isinstance(value, bool)),  # Axolotl
    "train_detail": _Key("a list", _ARRAY, lambda value: isinstance(value, list)),  # Axolotl
}
"""The keys of messages that are not required."""

KEYS: Final = ("role", "content", *OPTIONAL)
"""The keys of messages."""

_USUAL: Final = frozenset({"role", "content"})


def _check_messages(column: str, messages: list[JSON], rules: MessageRules, found: list[str]) -> None:
    if not messages:
        found.append(f"`{column}` {EMPTY}")
        return
    for index, message in enumerate(messages):
        if not isinstance(message, dict):
            found.append(f"`{column}[{index}]` {no_object(described(message))}")
            continue
        role = message.get("role")
        if role not in ROLES or message.keys() != _USUAL or not isinstance(message["content"], str):
            flaws = [*_flaws(message)]
            if not message.keys() <= {*KEYS}:  # a key that is missing has probably the wrong name
                flaws = [flaw for flaw in flaws if flaw[1] != MISSING]
            found += (f"`{column}[{index}].{key}` {fact}" for key, fact in flaws)
        if index and role in INSTRUCTORS:
            found.append(f"`{column}[{index}].role` {misplaced(role)}")
    roles = [message.get("role") if isinstance(message, dict) else None for message in messages]
    for where, index, allowed in (("first", 0, rules.first), ("last", len(messages) - 1, rules.last)):
        role = roles[index]
        if role in ROLES and role not in allowed:
            found.append(f"`{column}[{index}].role` {wrong_end(allowed, where, str(role))}")
    if rules.asks and "user" not in roles and all(role in ROLES for role in roles):
        found.append(f"`{column}` {UNASKED}")


def _flaws(message: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what is wrong in one message: the key and the predicate."""
    role = message.get("role")
    if "role" not in message:
        yield "role", MISSING
    elif role not in ROLES:
        yield "role", unknown_role(role)
    content = message.get("content")
    if not isinstance(content, str) and not (content is None and role == "assistant" and message.get("tool_calls")):
        yield "content", f"must be a string, not {described(content)}" if "content" in message else MISSING
    for key, value in message.items():
        if key in _USUAL:
            continue
        rule = OPTIONAL.get(key)
        if rule is None:
            yield key, unknown_key(key, message)
        elif value is not None and not rule.fits(value):
            yield key, f"must be {rule.must}, not {shown(value)}"
        elif value is not None and rule.role is not None and role in ROLES and role != rule.role:
            yield key, for_others(key, str(role))
