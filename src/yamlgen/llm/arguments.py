"""The arguments of `AnthropicLLM`: schemas, settings, addresses, keys, conversations.

Owns the messages for a wrong call: each is a `UsageError` that names the argument, raised before anything is sent.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic.errors import PydanticUserError

from yamlgen.claude.api_key import usable_key
from yamlgen.claude.parsed_answer import Judge
from yamlgen.environment import variable
from yamlgen.errors import Code, MissingKey, UsageError
from yamlgen.pipeline.model_settings import address_fault, plain_http
from yamlgen.pipeline.pipeline_model import Runtime
from yamlgen.pipeline.request_field_checks import OWN
from yamlgen.redaction import redact
from yamlgen.schemas.author_schema import JSONSchema, json_schema
from yamlgen.steps.config_fields import MOST_USER_ID, FrozenModel, Settings
from yamlgen.suggestions import suggestion
from yamlgen.value_objects import JSON, Message, Prompt

_KEYS: Final = ("schema", "format", "mode", "max_retries")
_CALL_KEYS: Final = ("max_tokens", "stop_sequences", "temperature", "top_p", "top_k")
SERVED: Final = ("service_tier", "inference_geo", "speed", "metadata", "betas", "extra_body")
"""The arguments about how requests are served, and their further fields."""

_ONLY_HERE: Final = frozenset({"thinking", "output_config.effort", "cache_control", "fallbacks"})
"""The fields that have a key in a pipeline, but no argument."""

_MOST_REASKS: Final = 10
REASKS: Final = 1
"""The default number of re-asks for an answer that does not fit its schema."""
_A_MESSAGE: Final = "{'role': 'user', 'assistant' or 'system', 'content': ...}"

P = TypeVar("P", bound=FrozenModel)


def judge_of(given: Any, schema: JSONSchema) -> Judge:
    """Return the function that validates values and writes them as JSON: by the pydantic model or the schema."""
    return partial(_by_model, given) if isinstance(given, type) else partial(_by_schema, schema)


def _by_model(model: type[BaseModel], value: JSON) -> tuple[tuple[str, ...], JSON]:
    """Validate and serialize by the pydantic model, exactly once, because a validator may have state."""
    text = json.dumps(value)
    try:
        return (), model.model_validate_json(text).model_dump_json()
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False)
        return tuple(f"{_path(detail['loc'])}: {detail['msg']}" for detail in details), None
    except Exception as error:  # noqa: BLE001 - the user's own code, which may fail on an answer
        return (f"$: {type(error).__name__}: {error}",), None


def _by_schema(schema: JSONSchema, value: JSON) -> tuple[tuple[str, ...], JSON]:
    errors = schema.errors(value)
    return errors, None if errors else json.dumps(value, ensure_ascii=False)


def _path(parts: tuple[int | str, ...]) -> str:
    return "$" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)


def schema_of(given: Any) -> JSONSchema:
    """Return the schema of a pydantic model, a JSON Schema, or its JSON text.

    Raises:
        UsageError: the argument is none of these.
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
    except ValueError as error:  # not JSON, or not a JSON Schema
        said = str(getattr(error, "message", error)).split("\n")[0]
        raise UsageError(f"the schema cannot be used: {said}", code=Code.BAD_SCHEMA, hint=hint) from None
    raise UsageError(f"the schema is {value!r:.80}, which is not a schema", code=Code.BAD_SCHEMA, hint=hint)


def structure_of(given: Any) -> Mapping[str, Any]:
    """Return a structured output after a check of its keys and re-asks.

    Raises:
        UsageError: it is wrong.
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
    """Return the default arguments of calls; `None` means none.

    Raises:
        UsageError: they are not a mapping, or a key is not an argument of a call.
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
    """Return the number of generations for each input.

    Raises:
        UsageError: it is not an integer from 1.
    """
    if type(given) is not int or given < 1:
        raise _wrong(f"`num_generations` must be an integer from 1, not {given!r:.80}")
    return given


def settings_of(**given: Any) -> Settings:
    """Return the settings of a call.

    Raises:
        UsageError: one of them is invalid.
    """
    for key in ("id", "max_tokens"):
        if key in given and given[key] is None:
            raise _wrong(f"`{_argument(key)}` must not be None")
    for key in ("stop_sequences", "betas"):
        if isinstance(given.get(key), tuple):
            given[key] = list(given[key])
    for key in ("metadata", "extra_body"):
        if isinstance(given.get(key), Mapping):
            given[key] = dict(given[key])
    settings = _checked(Settings, given)
    user_id = settings.metadata and settings.metadata.user_id
    if user_id and len(user_id) > MOST_USER_ID:
        raise _wrong(f"`metadata[user_id]` has {len(user_id)} characters, more than {MOST_USER_ID}")
    return settings


def extra_body_of(given: Any) -> None:
    """Check the further fields of requests.

    Raises:
        UsageError: they are not a mapping, or one of them has an argument of its own.
    """
    if given is not None and not isinstance(given, Mapping):
        raise _wrong(f"`extra_body` must be a mapping, not {given!r:.80}")
    config = (given or {}).get("output_config")
    names = [*(given or ()), *(f"output_config.{name}" for name in (config if isinstance(config, Mapping) else ()))]
    for name in names:
        if name in OWN and name not in _ONLY_HERE:
            way = f"pass `{name}` as an argument" if name in (*SERVED, *_CALL_KEYS) else "remove it"
            raise UsageError(f"`extra_body` cannot set `{name}`", code=Code.CONFLICT, hint=way)


def runtime_of(**given: Any) -> Runtime:
    """Return the runtime settings of a constructor's arguments.

    Raises:
        UsageError: one of them is invalid.
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
    """Check a `base_url` that was passed.

    Raises:
        UsageError: no client can use it, or it would send the key unencrypted.
    """
    fault = address_fault(found)
    if fault is not None:
        raise _wrong(f"`base_url` {fault}", "write https://host or https://host/path")
    if plain_http(found, runtime):
        message = f"`base_url` is {redact(found)}: plain http would send the key unencrypted"
        hint = "use https://; a gateway in a private network needs `allow_http=True`"
        raise UsageError(message, code=Code.PLAIN_HTTP, hint=hint)


def key_of(given: Any, name: str) -> tuple[str, str]:
    """Return the key that was passed, or else that of the variable `name`; and its origin.

    Args:
        given: a string or a pydantic secret; `None` or an empty string for the variable.
        name: the environment variable.

    Raises:
        MissingKey: there is no key, or a header cannot contain it.
        UsageError: `given` is not a string.
    """
    if hasattr(given, "get_secret_value"):
        given = given.get_secret_value()
    if not isinstance(given, str | None):
        raise _wrong(f"`api_key` must be a string, not a {type(given).__name__}")
    passed = (given or "").strip()
    key, where = (passed, "`api_key`") if passed else ((variable(name) or "").strip(), name)
    if not key:
        raise MissingKey("there is no API key", code=Code.NO_KEY, hint=f"pass `api_key`, or set {name}")
    return usable_key(key, where), where


def inputs_of(inputs: Any) -> list[Any]:
    """Return the inputs of `generate` as a list.

    Raises:
        UsageError: they are not a list of conversations.
    """
    if not _is_list(inputs):
        raise _wrong(f"`inputs` must be a list of conversations, not {inputs!r:.80}")
    items = list(inputs)
    if any(isinstance(item, Mapping) for item in items):
        raise _wrong(
            "`inputs` must be a list of conversations", "wrap the conversation: generate(inputs=[conversation])"
        )
    return items


def pair_of(item: Any, own: Mapping[str, Any] | None) -> tuple[Any, Mapping[str, Any] | None]:
    """Return an input's messages, and its structured output: that of the pair, or else the model's.

    Raises:
        UsageError: the input is a tuple, but not such a pair.
    """
    pair = "(conversation, structured_output)"
    is_pair = isinstance(item, tuple | list) and len(item) == 2 and _is_list(item[0])  # noqa: PLR2004 - a pair
    if isinstance(item, tuple) and not is_pair:
        message = f"a tuple must be a pair {pair}, not {item!r:.80}"
        raise _wrong(message, "write a conversation as a list of messages")
    if is_pair and (isinstance(item, tuple) or isinstance(item[1], Mapping | None)):  # JSON turns tuples into lists
        return item[0], own if item[1] is None else item[1]
    return item, own


def prompt_of(messages: Any) -> Prompt:
    """Return the prompt of a conversation, which is not changed.

    Raises:
        UsageError: it is not a conversation.
    """
    if not _is_list(messages):
        hint = "[{'role': 'user', 'content': ...}]"
        raise _wrong(f"a conversation must be a list of messages, not {messages!r:.80}", hint)
    turns = list(messages)
    for turn in turns:
        if not isinstance(turn, Mapping):
            hint = "one conversation is a list of messages; `generate` accepts a list of conversations"
            raise _wrong(f"a message must be {_A_MESSAGE}, not {turn!r:.80}", hint)
    system = None
    if turns and turns[0].get("role") == "system":
        system = turns.pop(0).get("content") or None
    if not turns:
        raise _wrong("there is no message to answer", "add one of the role `user`")
    if turns[0].get("role") == "system":
        raise _wrong("a conversation begins with two system messages", "join them; a later one follows a user's")
    for turn in turns:
        if turn.get("role") not in ("user", "assistant", "system") or not isinstance(
            turn.get("content"), str | list | tuple
        ):
            message = f"a message must be {_A_MESSAGE}, not {dict(turn)!r:.80}"
            raise _wrong(message)
    return Prompt(system, tuple(Message(turn["role"], turn["content"]) for turn in turns))


def _is_list(given: Any) -> bool:
    return isinstance(given, Iterable) and not isinstance(given, str | bytes | Mapping)


def _wrong(message: str, hint: str | None = None) -> UsageError:
    return UsageError(message, code=Code.WRONG_VALUE, hint=hint)
