"""What a Python user may pass to `AnthropicLLM`: schemas, settings, addresses, keys, conversations.

Owns the words of a wrong call: each is a `UsageError` that names the argument, before anything is sent.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic.errors import PydanticUserError

from yamlgen.claude.api_key import usable_key
from yamlgen.claude.instructor_handlers import Judge
from yamlgen.environment import variable
from yamlgen.errors import Code, MissingKey, UsageError
from yamlgen.pipeline.model_settings import address_fault, plain_http
from yamlgen.pipeline.pipeline_model import Runtime
from yamlgen.redaction import redact
from yamlgen.schemas.author_schema import JSONSchema, json_schema
from yamlgen.steps.config_fields import FrozenModel, Settings
from yamlgen.suggestions import suggestion
from yamlgen.value_objects import JSON, Message, Prompt

_KEYS: Final = ("schema", "format", "mode", "max_retries")
_CALL_KEYS: Final = ("max_tokens", "stop_sequences", "temperature", "top_p", "top_k")
_MOST_REASKS: Final = 10
REASKS: Final = 1
"""How often an answer that does not fit its schema is asked for again, where a call does not say it."""
_A_MESSAGE: Final = "{'role': 'user' or 'assistant', 'content': ...}"

P = TypeVar("P", bound=FrozenModel)


def judge_of(given: Any, schema: JSONSchema) -> Judge:
    """What judges values for a schema that a user gave, and writes them as JSON: the pydantic model, or the schema."""
    return partial(_by_model, given) if isinstance(given, type) else partial(_by_schema, schema)


def _by_model(model: type[BaseModel], value: JSON) -> tuple[tuple[str, ...], JSON]:
    """By the model's types, its validators, or what writes it as JSON. Once: a validator may have a memory."""
    text = json.dumps(value)
    try:
        return (), model.model_validate_json(text).model_dump_json()
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False)
        return tuple(f"{_path(detail['loc'])}: {detail['msg']}" for detail in details), None
    except Exception as error:  # noqa: BLE001 - the user's own code, which the answer may have led astray
        return (f"$: {type(error).__name__}: {error}",), None


def _by_schema(schema: JSONSchema, value: JSON) -> tuple[tuple[str, ...], JSON]:
    errors = schema.errors(value)
    return errors, None if errors else json.dumps(value, ensure_ascii=False)


def _path(parts: tuple[int | str, ...]) -> str:
    return "$" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)


def schema_of(given: Any) -> JSONSchema:
    """The schema that a user means.

    Raises:
        UsageError: it is none.
    """
    if isinstance(given, type) and issubclass(given, BaseModel):
        try:
            return json_schema(given.model_json_schema())
        except PydanticUserError as error:
            message = f"`{given.__name__}` has no JSON Schema: {error.message}"
            raise UsageError(message, code=Code.BAD_SCHEMA) from None
    hint = "pass a pydantic model or a JSON Schema"
    try:
        value = json.loads(given) if isinstance(given, str) else given
        if isinstance(value, Mapping):
            schema = json_schema(value)
            schema.errors(None)  # compiles it
            return schema
    except ValueError as error:  # no JSON, or no JSON Schema
        said = str(getattr(error, "message", error)).split("\n")[0]
        raise UsageError(f"the schema cannot be used: {said}", code=Code.BAD_SCHEMA, hint=hint) from None
    raise UsageError(f"the schema is {value!r:.80}, which is none", code=Code.BAD_SCHEMA, hint=hint)


def structure_of(given: Any) -> Mapping[str, Any]:
    """A structured output whose keys are known and whose re-asks are a number.

    Raises:
        UsageError: it is none.
    """
    hint = 'pass {"schema": a pydantic model or a JSON Schema}'
    if not isinstance(given, Mapping):
        raise _wrong(f"`structured_output` must be a mapping, not {given!r:.80}", hint)
    for key in given:
        if key not in _KEYS:
            near = suggestion(str(key), _KEYS, "keys")
            raise UsageError(f"structured_output has no `{key}`", code=Code.UNKNOWN_KEY, hint=near)
    if "schema" not in given:
        raise UsageError("structured_output needs a `schema`", code=Code.MISSING_KEY, hint=hint)
    if given.get("format") not in (None, "json"):
        raise _wrong(f"structured_output: `format` must be 'json', not {given['format']!r:.80}")
    reasks = given.get("max_retries", REASKS)
    if type(reasks) is not int or not 0 <= reasks <= _MOST_REASKS:
        raise _wrong(
            f"structured_output: `max_retries` must be an integer from 0 to {_MOST_REASKS}, not {reasks!r:.80}"
        )
    return given


def generation_kwargs_of(given: Any) -> Mapping[str, Any]:
    """The arguments that every call has of its own; `None` stands for none.

    Raises:
        UsageError: they are no mapping, or hold what is no argument of a call.
    """
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise _wrong(f"`generation_kwargs` must be a mapping, not {given!r:.80}")
    for key in given:
        if key not in _CALL_KEYS:
            near = suggestion(str(key), _CALL_KEYS, "arguments")
            raise UsageError(f"`generation_kwargs` has no `{key}`", code=Code.UNKNOWN_KEY, hint=near)
    return {key: list(value) if isinstance(value, tuple) else value for key, value in given.items()}


def number_of(given: Any) -> int:
    """How many generations are wanted of each input.

    Raises:
        UsageError: it is no number from 1.
    """
    if type(given) is not int or given < 1:
        raise _wrong(f"`num_generations` must be an integer from 1, not {given!r:.80}")
    return given


def settings_of(**given: Any) -> Settings:
    """The settings of a call.

    Raises:
        UsageError: one of them is none.
    """
    for key in ("id", "max_tokens"):
        if key in given and given[key] is None:
            raise _wrong(f"`{_argument(key)}` must not be None")
    if isinstance(given.get("stop_sequences"), tuple):
        given["stop_sequences"] = list(given["stop_sequences"])
    return _checked(Settings, given)


def runtime_of(**given: Any) -> Runtime:
    """The way to the API that a constructor's arguments describe.

    Raises:
        UsageError: one of them is none.
    """
    return _checked(Runtime, given)


def _checked(kind: type[P], given: Mapping[str, Any]) -> P:
    try:
        return kind.model_validate(given, strict=True)
    except ValidationError as error:
        detail = error.errors(include_url=False, include_context=False)[0]
        name = _argument(str(detail["loc"][0])) + "".join(f"[{part}]" for part in detail["loc"][1:])
        said = detail["msg"].replace("Input should be", "must be").replace("String should", "must")
        raise _wrong(f"`{name}` {said}, not {detail['input']!r:.80}") from None


def _argument(key: str) -> str:
    return "model" if key == "id" else key


def given_address(found: str, runtime: Runtime) -> None:
    """Refuse a `base_url` that no client can be pointed at, or that would send the key in the open.

    Raises:
        UsageError: it is one of these.
    """
    fault = address_fault(found)
    if fault is not None:
        raise _wrong(f"`base_url` {fault}", "write https://host or https://host/path")
    if plain_http(found, runtime):
        message = f"`base_url` is {redact(found)}: plain http would send the key in the open"
        hint = "use https://; a gateway in a private network needs `allow_http=True`"
        raise UsageError(message, code=Code.PLAIN_HTTP, hint=hint)


def key_of(given: Any, name: str) -> tuple[str, str]:
    """The key that was passed, a text or a pydantic secret, or else that of the variable `name`; and where it stood.

    Raises:
        MissingKey: there is none, or no header can carry it.
        UsageError: what was passed is no text.
    """
    if hasattr(given, "get_secret_value"):
        given = given.get_secret_value()
    if not isinstance(given, str | None):
        raise _wrong(f"`api_key` must be a text, not a {type(given).__name__}")
    passed = (given or "").strip()
    key, where = (passed, "`api_key`") if passed else ((variable(name) or "").strip(), name)
    if not key:
        raise MissingKey("there is no API key", code=Code.NO_KEY, hint=f"pass `api_key`, or set {name}")
    return usable_key(key, where), where


def inputs_of(inputs: Any) -> list[Any]:
    """The inputs of `generate`.

    Raises:
        UsageError: they are no list of conversations.
    """
    if not _is_list(inputs):
        raise _wrong(f"`inputs` must be a list of conversations, not {inputs!r:.80}")
    items = list(inputs)
    if any(isinstance(item, Mapping) for item in items):
        raise _wrong("`inputs` is a list of conversations: wrap it in a list", "generate(inputs=[conversation])")
    return items


def pair_of(item: Any, own: Mapping[str, Any] | None) -> tuple[Any, Mapping[str, Any] | None]:
    """An input's messages, and its structured output: that of the pair, or else the model's own.

    Raises:
        UsageError: it is a pair of something else.
    """
    pair = "(conversation, structured_output)"
    is_pair = isinstance(item, tuple | list) and len(item) == 2 and _is_list(item[0])  # noqa: PLR2004 - a pair
    if isinstance(item, tuple) and not is_pair:
        message = f"a tuple is a pair {pair}, not {item!r:.80}"
        raise _wrong(message, "write a conversation as a list of messages")
    if is_pair and (isinstance(item, tuple) or isinstance(item[1], Mapping | None)):  # JSON makes lists of tuples
        return item[0], own if item[1] is None else item[1]
    return item, own


def prompt_of(messages: Any) -> Prompt:
    """The prompt of a conversation, which stays as it was.

    Raises:
        UsageError: it is none.
    """
    if not _is_list(messages):
        hint = "[{'role': 'user', 'content': ...}]"
        raise _wrong(f"a conversation must be a list of messages, not {messages!r:.80}", hint)
    turns = list(messages)
    for turn in turns:
        if not isinstance(turn, Mapping):
            hint = "one conversation is a list of messages; `generate` takes a list of conversations"
            raise _wrong(f"a message must be {_A_MESSAGE}, not {turn!r:.80}", hint)
    system = None
    if turns and turns[0].get("role") == "system":
        system = turns.pop(0).get("content") or None
    if not turns:
        raise _wrong("there is no message to answer", "add one of the role `user`")
    for turn in turns:
        if turn.get("role") not in ("user", "assistant") or not isinstance(turn.get("content"), str | list | tuple):
            message = f"a message must be {_A_MESSAGE}, not {dict(turn)!r:.80}"
            raise _wrong(message, "a system message stands first, and once")
    return Prompt(system, tuple(Message(turn["role"], turn["content"]) for turn in turns))


def _is_list(given: Any) -> bool:
    return isinstance(given, Iterable) and not isinstance(given, str | bytes | Mapping)


def _wrong(message: str, hint: str | None = None) -> UsageError:
    return UsageError(message, code=Code.WRONG_VALUE, hint=hint)
