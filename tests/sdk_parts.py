"""The parts of the installed SDK, by introspection: its calls, their arguments, and what they send and receive."""

import functools
import inspect
import types
import typing

import anthropic
import pydantic
import typing_extensions
from anthropic.resources.beta import AsyncBeta
from anthropic.types import Message, RawContentBlockDelta, RawMessageStreamEvent
from anthropic.types import beta as beta_types
from anthropic.types.beta.messages import BetaMessageBatch, BetaMessageBatchResult
from anthropic.types.messages import MessageBatch, MessageBatchResult

CLIENT = anthropic.AsyncAnthropic(api_key="k")
_OF_A_REQUEST = ("create", "stream", "parse", "count_tokens")
"""The calls of `messages` whose arguments are those of a request."""

_RESOURCE = type(CLIENT.messages).__mro__[1]
_WRAPPERS = (
    *(typing.Annotated, typing.Required, typing.NotRequired),
    *(typing_extensions.Required, typing_extensions.NotRequired),
)
_UNIONS = (typing.Union, types.UnionType)


def roots():
    """Every part at which a walk begins, by its name."""
    of_each = (_calls(resource) for resource in (CLIENT.messages, CLIENT.beta.messages))
    requests = [arguments(calls[name]) for calls in of_each for name in _OF_A_REQUEST]
    public = [name for name in inspect.signature(anthropic.AsyncAnthropic).parameters if not name.startswith("_")]
    return {
        **_joined(requests),
        **{f"AsyncAnthropic.{name}": None for name in public},
        **{f"client.{name}": resource for name, resource in _resources(CLIENT).items()},
        "message": Message | beta_types.BetaMessage,
        "event": RawMessageStreamEvent | beta_types.BetaRawMessageStreamEvent,
        "delta": RawContentBlockDelta | beta_types.BetaRawContentBlockDelta,
        "batch": MessageBatch | BetaMessageBatch,
        "result": MessageBatchResult | BetaMessageBatchResult,
    }


def members(part):
    """The direct members of a part, by name; `None` for one that has none.

    Those of a resource are its calls and resources, those of a call its arguments, unless they are those of a request.
    Those of a type are its fields, the kinds of a union by their `type`, and the values of a literal.
    """
    if isinstance(part, _RESOURCE):
        return _calls(part) | _resources(part)
    if inspect.isfunction(part):
        return {} if part.__name__ in _OF_A_REQUEST and _is_of_messages(part) else arguments(part)
    kinds = list(dict.fromkeys(_alternatives(part)))
    objects = [kind for kind in kinds if _is_object(kind)]
    is_union = len({_tags(kind) for kind in objects} - {()}) > 1
    found = [
        {name: kind for name in _tags(kind)}  # noqa: C420 - one kind for each of its names
        if is_union and _tags(kind)
        else {name: inner for name, inner in _fields(kind).items() if name != "type" or not _tags(kind)}
        for kind in objects
    ]
    values = [str(value) for kind in kinds for value in _values(kind)]
    return _joined(found) | dict.fromkeys(values)


def arguments(call):
    """The arguments of a call after `self`, with their annotations."""
    hints = typing.get_type_hints(call, include_extras=True)
    return {name: hints[name] for name in list(inspect.signature(call).parameters)[1:]}


def _is_of_messages(call):
    return call.__module__.endswith("messages.messages")


def _resources(owner):
    """The resources directly below a client or a resource."""
    named = [
        name
        for name in dir(type(owner))
        if isinstance(inspect.getattr_static(type(owner), name), functools.cached_property | property)
        and not name.startswith(("_", "with_"))
    ]
    found = {name: getattr(owner, name) for name in named if name != "custom_auth"}
    return {name: each for name, each in found.items() if isinstance(each, _RESOURCE | AsyncBeta)}


def _calls(resource):
    """The calls of a resource."""
    found = {name: getattr(type(resource), name) for name in dir(type(resource)) if not name.startswith(("_", "with_"))}
    return {name: call for name, call in found.items() if inspect.isfunction(call)}


def _joined(places):
    """The parts of several places; those of one name are one part, which may be either."""
    found = {}
    for parts in places:
        for name, part in parts.items():
            found[name] = typing.Union[found[name], part] if name in found else part  # noqa: UP007 - any annotation
    return found


def _alternatives(annotation):
    """The single types that an annotation consists of; those of the items of a list, too."""
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in _WRAPPERS:
        yield from _alternatives(inner[0])
    elif origin in _UNIONS or (origin is not None and origin is not typing.Literal and len(inner) == 1):
        for each in inner:
            yield from _alternatives(each)
    else:
        yield annotation


def _values(kind):
    return typing.get_args(kind) if typing.get_origin(kind) is typing.Literal else ()


def _is_object(kind):
    """Whether a type is an object with fields of its own."""
    return typing_extensions.is_typeddict(kind) or (inspect.isclass(kind) and issubclass(kind, pydantic.BaseModel))


def _fields(kind):
    """The fields of an object, with their annotations."""
    if typing_extensions.is_typeddict(kind):
        return typing.get_type_hints(kind, include_extras=True)
    return {name: field.annotation for name, field in kind.model_fields.items()}


def _tags(kind):
    """The values of the field `type`, by which the kinds of a union are told apart."""
    return tuple(value for each in _alternatives(_fields(kind).get("type")) for value in _values(each))
