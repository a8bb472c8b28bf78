"""Messages for data that does not validate against the language's JSON Schema.

Turns a validator's error into a finding: the broken rule, its path, and the fix. If a schema has alternatives, the
message is about the one that the author chose.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from yamlgen.errors import Code
from yamlgen.parsing.secret_scan import kind_of
from yamlgen.parsing.source_map import DataPath, Issue
from yamlgen.pipeline.json_schema import language
from yamlgen.pipeline.key_fixes import FIXES, FIXES_OF_OUTPUTS
from yamlgen.pipeline.misplaced_keys import TORN, called_here, home, key_of
from yamlgen.pipeline.value_hints import (
    NAMED,
    lacking,
    meant,
    mended_name,
    of_secret,
    parts_below,
    retyped,
    share,
)
from yamlgen.schemas.type_words import KEYS, described
from yamlgen.steps.config_fields import NAME
from yamlgen.suggestions import Rewrite, either, knowing, listing, nearest, proposal, suggestion
from yamlgen.value_objects import JSON

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

_NOT_EMPTY: Final = frozenset({"minLength", "minItems", "minProperties"})
_ADDED: Final = {
    "version": "version: 1",
    "input": "input: {path: rows.jsonl}",
    "steps": "steps: {draft: {prompt: ...}}",
    "output": "output: {path: out/rows.jsonl}",
}
"""What to add for a missing key of the pipeline."""


@dataclass(frozen=True, slots=True)
class Deviation(Issue):
    """A broken rule of the language.

    Attributes:
        wanted: the keys that would fix it, known or missing.
        instead: for a missing key, the keys that may be set instead of it.
        is_empty: whether the value is empty.
        parts: for an unknown key, the schemas of the known keys.
        type: the type that is required.
        is_alone: whether the second of `wanted` is set without the first, which it requires.
        is_elsewhere: whether the key, exactly as written, belongs in another place.
        called: the key of the language for which other tools use this name.
    """

    wanted: tuple[str, ...] = ()
    instead: tuple[str, ...] = ()
    is_empty: bool = False
    parts: Mapping[str, Any] = field(default_factory=dict, compare=False)
    type: str = ""
    is_alone: bool = False
    is_elsewhere: bool = False
    called: str | None = None


def deviations(data: JSON) -> Iterator[Deviation]:
    """Yield each rule of the language that `data` breaks."""
    errors = _errors(data, language())
    last = sorted(errors, key=lambda each: each.validator == "oneOf" and not each.absolute_path)
    found = (each for error in last for each in _explain(error))  # a missing `output` is last, as in a file
    yield from dict.fromkeys(found)  # a validator's errors about several keys are each explained as a whole


def fits(value: JSON, part: Mapping[str, Any], *, keys: bool = False, members: bool = False) -> bool:
    """Check whether a value has a type that a part of the language accepts, ignoring mistakes further down.

    Args:
        value: the value.
        part: a schema within the language's own.
        keys: whether each key of the value must be known, too.
        members: whether the values under its keys must have a valid type, too.
    """
    lenient = {"dependentRequired"} if keys else {"dependentRequired", "additionalProperties"}
    for error in _errors(value, {**part, "$defs": language()["$defs"]}):
        is_name = "propertyNames" in error.absolute_schema_path
        if not error.absolute_path and not is_name and error.validator not in lenient:
            return False
        if members and error.validator == "type" and len(error.absolute_path) == 1:
            return False
    return True


def _errors(data: JSON, schema: Mapping[str, Any]) -> Iterator[ValidationError]:
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - slow to import, needed for mistakes only
    from referencing import Registry  # noqa: PLC0415

    for error in Draft202012Validator(schema, registry=Registry()).iter_errors(data):
        yield from _leaves(error)


def refused(path: DataPath, data: JSON) -> Issue:
    """Return the issue for a value that validates against the schema but cannot be used."""
    value = data
    for part in path:
        value = value[part]
    return Issue(Code.WRONG_VALUE, path, f"{_where(path)} cannot be {shown_value(value)}", _fix(path))


def _leaves(error: ValidationError) -> Iterator[ValidationError]:
    """Yield the errors that matter: for alternatives, those of the alternative whose type the author chose."""
    if error.validator != "anyOf" or not error.context:
        yield error
        return
    branches: dict[Any, list[ValidationError]] = {}
    for inner in error.context:
        branches.setdefault(inner.schema_path[0], []).append(inner)
    fitting = [inners for inners in branches.values() if not any(_is_other_kind(inner, error) for inner in inners)]
    if len(fitting) == 1:
        for inner in fitting[0]:
            yield from _leaves(inner)
    else:
        yield error


def _is_other_kind(inner: ValidationError, error: ValidationError) -> bool:
    """Check whether a branch was not meant: it has another type, or lists words and the value is not a string."""
    if inner.path:
        return False
    return inner.validator == "type" or (inner.validator in ("enum", "const") and not isinstance(error.instance, str))


def _explain(error: Any) -> Iterator[Deviation]:
    path: DataPath = tuple(error.absolute_path)
    value, rule = error.instance, error.validator_value
    where = _where(path)
    match error.validator:
        case "additionalProperties":
            known = tuple(error.schema.get("properties", ()))
            for key in value:
                if key not in known and not key.startswith("x-" if not path else "\0"):
                    found = _unknown(path, key, known, where)
                    is_torn = value[key] is None and " " in key and (found.hint or "").startswith("known keys")
                    yield replace(found, hint=TORN if is_torn else found.hint, parts=error.schema["properties"])
        case "required":
            for key in rule:
                if key not in value:
                    hint = f"add `{_ADDED[key]}`" if not path and key in _ADDED else lacking(path, key)
                    yield Deviation(Code.MISSING_KEY, path, f"{where} needs `{key}`", hint, wanted=(key,))
        case "oneOf" if isinstance(value, dict):
            yield _one_of(path, rule, value, where)
        case "dependentRequired":
            yield from _alone(path, rule, value)
        case "type":
            message = f"{where} must be {KEYS[rule]}, not {shown_value(value)}"
            yield Deviation(Code.WRONG_TYPE, path, message, retyped(path, rule, value) or _fix(path), type=rule)
        case "anyOf":
            yield _no_alternative(path, error, where)
        case "enum" | "const":
            yield _not_a_choice(path, error, where)
        case "pattern" if "propertyNames" in error.absolute_schema_path:
            yield _bad_name(path, value, rule)
        case "minLength" if "propertyNames" in error.absolute_schema_path:
            message = f"a column of {where} has an empty name"
            yield Deviation(Code.BAD_NAME, (*path, value), message, "write a name, as in `text: ...`", ("text",))
        case "oneOf":
            return
        case _:
            hint = meant(path, value) or share(path, value) or _fix(path)
            is_empty = error.validator in _NOT_EMPTY
            yield Deviation(Code.WRONG_VALUE, path, f"{where} {_broken_rule(error)}", hint, is_empty=is_empty)


def _no_alternative(path: DataPath, error: Any, where: str) -> Deviation:
    value = error.instance
    if any(not _is_other_kind(inner, error) for inner in error.context):  # of a type that it may have
        hint = _fix(path) or retyped(path, "", value)
        return Deviation(Code.WRONG_VALUE, path, f"{where} cannot be {shown_value(value)}", hint)
    hint = _fix(path) or retyped(path, "", value)
    if isinstance(value, bool) and path[-2:] == ("output", "schema"):
        hint = "write `{}` for any JSON value, or remove `output` for a string"
    message = f"{where} must be {_kinds(error.validator_value)}, not {shown_value(value)}"
    takes_mapping = any("$ref" in branch or branch.get("type") == "object" for branch in error.validator_value)
    return Deviation(Code.WRONG_TYPE, path, message, hint, type="object" if takes_mapping else "")


def _fix(path: DataPath) -> str | None:
    match path:
        case ("outputs",):
            return NAMED["outputs"]
        case ("output", key) | ("outputs", _, key) if key in FIXES_OF_OUTPUTS:
            return FIXES_OF_OUTPUTS[str(key)]
    return FIXES.get(str(path[-1])) if path else None


def _one_of(path: DataPath, rule: list[Any], value: JSON, where: str) -> Deviation:
    choices = tuple(branch["required"][0] for branch in rule)
    given = tuple(choice for choice in choices if choice in value)
    if given:
        message = f"{where} has {listing(given)}, but only one of them is allowed"
        return Deviation(Code.CONFLICT, path, message, "remove one", given)
    if not path:
        first, *others = choices
        hint = f"add `{_ADDED[first]}`"
        return Deviation(
            Code.MISSING_KEY, path, f"{where} needs `{first}`", hint, wanted=(first,), instead=tuple(others)
        )
    needed = either(f"`{choice}`" for choice in choices)
    return Deviation(Code.MISSING_KEY, path, f"{where} needs {needed}", wanted=choices)


def _alone(path: DataPath, rule: dict[str, list[str]], value: JSON) -> Iterator[Deviation]:
    """Yield each key that is set without the key that it requires."""
    for key, needed in rule.items():
        for other in needed:
            if key in value and other not in value:
                message = f"`{key}` requires `{other}`"
                hint = parts_below(value) if other == "into" else None
                if (*path, key) == ("input", "pattern") and "path" in value:
                    hint = "write the pattern as `path`, as in `path: data/*.csv`, or the folder as `folder`"
                hint = hint or f"add `{other}`, or remove `{key}`"
                yield Deviation(Code.CONFLICT, path, message, hint, (other, key), is_alone=True)


def _not_a_choice(path: DataPath, error: Any, where: str) -> Deviation:
    value, rule = error.instance, error.validator_value
    words = list(map(_word, rule if error.validator == "enum" else [rule]))
    near = nearest(str(value), words)
    is_branch = error.parent is not None and error.parent.validator == "anyOf" and not error.path
    if isinstance(value, str) and value in words:
        hint: str = Rewrite(f"write {value} without quotes", value, value, is_value=True)
    elif said := meant(path, value):
        hint = said
    elif near is not None:
        hint = proposal(str(value), near, words, is_language=True)
    else:
        hint = f"write {_kinds(error.parent.validator_value if is_branch else [{'enum': words}])}"
        if path[-1:] == ("on_refusal",):
            hint += f": a model is in a list, as in `on_refusal: [{value}]`"
    return Deviation(Code.WRONG_VALUE, path, f"{where} cannot be {shown_value(value)}", knowing(hint, words))


def _bad_name(path: DataPath, name: str, rule: str) -> Deviation:
    """Return the deviation of an invalid name, with the name as which it is read."""
    mended = mended_name(path, name)
    letters = "lowercase letters" if rule == NAME else "letters"
    message = f"`{name}` is not a valid name: use {letters}, digits and `_`, and begin with a letter"
    if path[-2:] == ("runtime", "headers"):
        message = f"`{name}` is not the name of a header"
    return Deviation(Code.BAD_NAME, (*path, name), message, f"write `{mended}`", (mended,))


def _unknown(path: DataPath, key: str, known: tuple[str, ...], where: str) -> Deviation:
    if kind_of(key) == "key" or (kind_of(key) == "word" and path[:1] in (("runtime",), ("models",), ("model",))):
        message = "a pipeline must not contain an API key"
        return Deviation(Code.SECRET, (*path, key), message, of_secret(key))
    message = f"unknown key `{key}` in {where}"
    hint = suggestion(key, known, "known keys", most=24) or "remove it"
    if key_of(key) in known:
        hint = "add a space after the `:`" if ":" in key else f"add a `:` after `{key_of(key)}`"
    if kind_of(key) == "headers":
        hint = "write `runtime.headers: {NAME: {env: VARIABLE}}`, with values from environment variables"
    there = home(language(), path, key, known)
    hint = there or hint
    others = [kind for kind in kinds_with(key) if path[:1] == ("steps",) and len(path) == 2]  # noqa: PLR2004 - a step
    if others:
        kinds = either(f"`{kind}`" for kind in others)
        hint = f"{there}; a step of kind {kinds} has its own" if there else f"only a step of kind {kinds} has this key"
    if not path and nearest(key, known) is None and there is None:
        hint = f"{hint}; begin the name of a custom key with `x-`"
    is_elsewhere = there is not None and there.startswith(("it belongs ", "write `kind: ", "write its keys "))
    is_elsewhere = is_elsewhere and len(path) == 2  # noqa: PLR2004 - a step
    called = called_here(path, key, known)
    return Deviation(Code.UNKNOWN_KEY, (*path, key), message, hint, known, is_elsewhere=is_elsewhere, called=called)


@cache
def _keys() -> dict[str, set[str]]:
    """Return the keys of each kind of step."""
    parts = language()["$defs"]
    rules = {rule["if"]["properties"]["kind"]["const"]: rule["then"]["$ref"] for rule in parts["Step"]["allOf"]}
    return {kind: set(parts[ref.rsplit("/", 1)[1]]["properties"]) for kind, ref in rules.items()}


def own_keys() -> dict[str, set[str]]:
    """Return the keys that only one kind of step has, for each kind that requires `kind`."""
    first, *named = _keys()
    others = {kind: set().union(*(keys for name, keys in _keys().items() if name != kind)) for kind in named}
    return {kind: _keys()[kind] - others[kind] for kind in named if kind != first}


def keys_of(kind: str) -> AbstractSet[str]:
    """Return the keys of a kind of step, or those of every kind if the kind is unknown."""
    return _keys().get(kind, all_keys())


@cache
def telling_keys() -> frozenset[str]:
    """Return the keys that show that a mapping is a step: `kind`, `model`, and those that any kind requires."""
    parts = language()["$defs"]
    kinds = [parts[rule["then"]["$ref"].rsplit("/", 1)[1]] for rule in parts["Step"]["allOf"]]
    required = [each.get("required", ()) for kind in kinds for each in (kind, *kind.get("oneOf", ()))]
    return frozenset({"kind", "model"}).union(*required)


@cache
def all_keys() -> frozenset[str]:
    """Return the keys of every kind of step."""
    return frozenset().union(*_keys().values())


def kinds_with(key: str) -> list[str]:
    """Return the kinds of steps that have a key."""
    return [kind for kind, keys in _keys().items() if key in keys]


def _where(path: DataPath) -> str:
    """Return a path in words, such as "step `parsed`" or "`runtime.timeout`"."""
    match path:
        case ():
            return "the pipeline"
        case ("steps", str(name)):
            return f"step `{name}`"
        case ("steps", str(name), *rest):
            return f"{_dotted(rest)} of step `{name}`"
        case ("models", str(name)):
            return f"model `{name}`"
        case ("models", str(name), *rest):
            return f"{_dotted(rest)} of model `{name}`"
        case _:
            return _dotted(list(path))


def _dotted(parts: list[Any]) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)
    return f"`{text.removeprefix('.')}`"


def _kinds(branches: list[dict[str, Any]]) -> str:
    return either(kind for branch in branches for kind in _kinds_of(branch))


def _kinds_of(branch: dict[str, Any]) -> list[str]:
    if "$ref" in branch:
        part = language()["$defs"][branch["$ref"].rsplit("/", 1)[1]]
        keys = ", ".join(f"{key}: ..." for key in part.get("required", ()))
        return [f"`{{{keys}}}`" if keys else KEYS["object"]]
    if "enum" in branch or "const" in branch:
        return [f"`{_word(choice)}`" for choice in branch.get("enum", [branch.get("const")])]
    return [KEYS[branch["type"]]]


def _word(choice: JSON) -> str:
    """Return a value that a key accepts, as it is written."""
    return "null" if choice is None else str(choice)


def shown_value(value: JSON) -> str:
    """Return a value as messages show it, or its type in words if it is long."""
    if isinstance(value, str) and value and len(value) <= 40 and "\n" not in value:  # noqa: PLR2004
        return f'the string "{value}"'
    return f"`{json.dumps(value)}`" if isinstance(value, int | float) else described(value, KEYS)


def _broken_rule(error: Any) -> str:
    rule, value = error.validator_value, error.instance
    match error.validator:
        case "minimum":
            return f"must be at least {rule}, not {value}"
        case "exclusiveMinimum":
            return f"must be greater than {rule}, not {value}"
        case "maximum":
            return f"must be at most {rule}, not {value}"
        case "minItems" if rule > 1:
            return f"must have {rule} items, not {len(value)}"
        case "minLength" | "minItems" | "minProperties":
            return "cannot be empty"
        case "maxLength":
            most = f"must have at most {rule} characters"
            return f"must be one character, not {shown_value(value)}" if rule == 1 else most
        case "maxItems":
            return f"must have {'at most ' * (error.schema.get('minItems') != rule)}{rule} items, not {len(value)}"
        case _:
            return f"cannot be {shown_value(value)}"
