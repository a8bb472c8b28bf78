"""Is the document shaped like a pipeline? Every deviation from the language's JSON Schema, as a diagnostic.

Owns the step from a validator's error to a sentence with a place. One mistake gives one diagnostic: it is
reported once and then mended or left out, so that the rest of the file can be checked as if it were right. A key
that is all but certainly a misspelt one is read as the right one for that purpose.

A right file, the common case, is passed by the fast validator alone; the slow one, whose errors carry what a
sentence needs, is imported only when there is something to say.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from functools import cache
from typing import TYPE_CHECKING, Any

import jsonschema_rs

from yamlgen.errors import Code, Diagnostic
from yamlgen.language.document import DataPath, Document
from yamlgen.language.schema import committed
from yamlgen.language.words import listing, nearest, suggestion
from yamlgen.ports import JSON

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

_SURE = 0.85
_MOST_PASSES = 5
_TYPES = {
    "object": "a mapping",
    "array": "a list",
    "string": "text",
    "integer": "an integer",
    "number": "a number",
    "boolean": "`true` or `false`",
}
_FIXES = {
    "base_url": "write `https://host` or `https://host/path`, without a user or a password",
    "api_key_env": "write the name of an environment variable, such as `ANTHROPIC_API_KEY`",
}


@dataclass
class Shape:
    """What the check of a document's shape found.

    Attributes:
        document: the document without its broken parts: it constructs.
        diagnostics: one for each mistake.
        broken: the paths that were left out; nothing more is to be said about them.
    """

    document: Document
    diagnostics: list[Diagnostic] = field(default_factory=list)
    broken: set[DataPath] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Finding:
    """One deviation. `wanted` are the keys that would mend it: the known ones, or the missing ones."""

    code: Code
    path: DataPath
    message: str
    hint: str | None = None
    wanted: tuple[str, ...] = ()


@cache
def _schema() -> dict[str, Any]:
    schema: dict[str, Any] = json.loads(committed())
    return schema


@cache
def _validator() -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(_schema(), offline=True)


def accepts(data: JSON) -> bool:
    """Whether `data` has the shape of a pipeline."""
    return _validator().is_valid(data)


def check(document: Document) -> Shape:
    """Hold a document against the language."""
    if accepts(document.data):
        return Shape(document)
    root = deepcopy(document.root, {id(document.source): document.source})
    shape = Shape(Document(document.source, root))
    seen: set[_Finding] = set()
    for _ in range(_MOST_PASSES):  # a mended key may show what was hidden below it
        shape.document = Document(document.source, root)
        findings = [finding for finding in _findings(shape.document.data) if finding not in seen]
        if not findings:
            break
        seen.update(findings)
        # Unknown keys first: one that is a misspelt required key makes that one not missing.
        for finding in sorted(findings, key=lambda f: f.code is not Code.UNKNOWN_KEY):
            _settle(shape, finding)
    return shape


def _settle(shape: Shape, finding: _Finding) -> None:
    """Report a finding, unless it follows from one before, and take what is broken out of the document."""
    path, broken = finding.path, shape.broken
    if any(path[:length] in broken for length in range(1, len(path) + 1)):
        _drop(shape, path)
        return
    if finding.code is Code.MISSING_KEY:
        present = _node(shape, path)
        if not any((*path, key) in broken or key in present for key in finding.wanted):
            mark = shape.document.mark(path, key=True)
            shape.diagnostics.append(Diagnostic(finding.code, finding.message, mark, finding.hint))
        broken.update((*path, key) for key in finding.wanted)
        return
    at_key = finding.code in (Code.UNKNOWN_KEY, Code.BAD_NAME)
    mark = shape.document.mark(path, key=at_key)
    shape.diagnostics.append(Diagnostic(finding.code, finding.message, mark, finding.hint))
    if finding.code is Code.UNKNOWN_KEY:
        _mend_key(shape, finding)
    elif finding.code is Code.CONFLICT:
        for key in finding.wanted[1:]:
            _drop(shape, (*path, key))
    else:
        _drop(shape, path)


def _mend_key(shape: Shape, finding: _Finding) -> None:
    """Read a misspelt key as the right one where that is all but certain; leave it out otherwise."""
    *parents, word = finding.path
    mapping = _node(shape, tuple(parents))
    pair = mapping.pop(word)
    near = nearest(str(word), finding.wanted)
    if near is None or near in mapping:
        return
    if SequenceMatcher(None, near, str(word)).ratio() > _SURE:
        mapping[near] = pair
        if _fits(shape, (*parents, near)):
            return
        mapping.pop(near)
    shape.broken.add((*parents, near))


def _fits(shape: Shape, path: DataPath) -> bool:
    """Whether a mended key's value is of a kind that belongs there, mistakes further down aside."""
    data = Document(shape.document.source, shape.document.root).data
    return not any(finding.path == path for finding in _findings(data))


def _node(shape: Shape, path: DataPath) -> dict[Any, Any]:
    node = shape.document.root
    for part in path:
        node = node.value[part][1] if node.kind == "mapping" else node.value[part]
    value: dict[Any, Any] = node.value
    return value


def _drop(shape: Shape, path: DataPath) -> None:
    """Take the nearest mapping entry around `path` out of the document."""
    while path:
        parent = _node(shape, path[:-1]) if _exists(shape, path[:-1]) else None
        if isinstance(parent, dict):
            parent.pop(path[-1], None)
            shape.broken.add(path)
            return
        path = path[:-1]


def _exists(shape: Shape, path: DataPath) -> bool:
    try:
        _node(shape, path)
    except (KeyError, IndexError, TypeError):
        return False
    return True


def _findings(data: JSON) -> Iterator[_Finding]:
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - slow to import, needed for mistakes only
    from referencing import Registry  # noqa: PLC0415

    validator = Draft202012Validator(_schema(), registry=Registry())
    for error in validator.iter_errors(data):
        for leaf in _leaves(error):
            yield from _explain(leaf)


def _leaves(error: ValidationError) -> Iterator[ValidationError]:
    """The errors that matter: of alternatives, those of the one whose type the author chose."""
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
    """Whether a branch was not meant: its type is another, or it lists words and the value is no word."""
    if inner.path:
        return False
    return inner.validator == "type" or (inner.validator in ("enum", "const") and not isinstance(error.instance, str))


def _explain(error: Any) -> Iterator[_Finding]:
    path: DataPath = tuple(error.absolute_path)
    value, rule = error.instance, error.validator_value
    where = _where(path)
    match error.validator:
        case "additionalProperties":
            known = tuple(error.schema.get("properties", ()))
            for key in value:
                if key not in known and not key.startswith("x-" if not path else "\0"):
                    yield _unknown(path, key, known, where)
        case "required":
            for key in rule:
                if key not in value:
                    yield _Finding(Code.MISSING_KEY, path, f"{where} needs `{key}`", wanted=(key,))
        case "oneOf" if isinstance(value, dict):
            choices = tuple(branch["required"][0] for branch in rule)
            given = tuple(choice for choice in choices if choice in value)
            if given:
                message = f"{where} has {listing(given)}: only one of them can stand"
                yield _Finding(Code.CONFLICT, path, message, "remove one", given)
            else:
                yield _Finding(
                    Code.MISSING_KEY, path, f"{where} needs `{choices[0]}` or `{choices[1]}`", wanted=choices
                )
        case "type":
            yield _Finding(
                Code.WRONG_TYPE, path, f"{where} must be {_TYPES[rule]}, not {_shown(value)}", _retype(rule, value)
            )
        case "anyOf":
            kinds = " or ".join(dict.fromkeys(_kind(branch) for branch in rule))
            yield _Finding(Code.WRONG_TYPE, path, f"{where} must be {kinds}, not {_shown(value)}")
        case "enum" | "const":
            words = [str(choice) for choice in (rule if error.validator == "enum" else [rule])]
            message = f"{where} cannot be {_shown(value)}"
            yield _Finding(Code.WRONG_VALUE, path, message, suggestion(str(value), words, "it may be"))
        case "pattern" if "propertyNames" in error.absolute_schema_path:
            message = f"`{value}` is no name: small letters, digits and `_`, a letter first"
            mended = "".join(c if c.isalnum() and c.isascii() else "_" for c in value.lower())
            hint = f"write `{mended}`" if mended[:1].isalpha() else None
            yield _Finding(Code.BAD_NAME, (*path, value), message, hint)
        case "oneOf":
            return
        case _:
            hint = _FIXES.get(str(path[-1])) if path else None
            yield _Finding(Code.WRONG_VALUE, path, f"{where} {_broken_rule(error)}", hint)


def _unknown(path: DataPath, key: str, known: tuple[str, ...], where: str) -> _Finding:
    if key == "api_key":
        message = "a key never stands in a pipeline"
        hint = "name its environment variable: `api_key_env: ANTHROPIC_API_KEY`"
        return _Finding(Code.SECRET, (*path, key), message, hint)
    message = f"unknown key `{key}` in {where}"
    hint = suggestion(key, known, "keys here") or "remove it"
    if not path and nearest(key, known) is None:
        hint = f"{hint}; a key of your own begins with `x-`"
    return _Finding(Code.UNKNOWN_KEY, (*path, key), message, hint, known)


def _where(path: DataPath) -> str:
    """A path as an author would say it: step `draft`, `runtime.timeout` and so on."""
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


def _kind(branch: dict[str, Any]) -> str:
    if "$ref" in branch:
        part = _schema()["$defs"][branch["$ref"].rsplit("/", 1)[1]]
        keys = ", ".join(f"{key}: ..." for key in part.get("required", ()))
        return f"`{{{keys}}}`" if keys else "a mapping"
    if "enum" in branch or "const" in branch:
        return " or ".join(f"`{choice}`" for choice in branch.get("enum", [branch.get("const")]))
    return _TYPES[branch["type"]]


def _shown(value: JSON) -> str:
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if value is None:
        return "nothing"
    if isinstance(value, str):
        return f'the text "{value}"' if value and len(value) <= 40 and "\n" not in value else "text"  # noqa: PLR2004
    return f"`{json.dumps(value)}`"


def _retype(wanted: str, value: JSON) -> str | None:
    if value is None:
        return "give it a value, or remove the key"
    if wanted in ("integer", "number") and isinstance(value, str) and value.replace(".", "", 1).isdigit():
        return f"write {value} without quotes"
    if wanted == "boolean" and isinstance(value, str) and value.lower() in ("yes", "no", "on", "off"):
        return "YAML 1.2 writes `true` and `false`"
    if wanted == "string" and isinstance(value, int | float):
        return f'put it in quotes: "{json.dumps(value)}"'
    return None


def _broken_rule(error: Any) -> str:
    rule, value = error.validator_value, error.instance
    match error.validator:
        case "minimum":
            return f"must be at least {rule}, not {value}"
        case "exclusiveMinimum":
            return f"must be more than {rule}, not {value}"
        case "maximum":
            return f"must be at most {rule}, not {value}"
        case "minLength" | "minItems" | "minProperties":
            return "cannot be empty"
        case "maxLength":
            return f"must be one character, not {_shown(value)}" if rule == 1 else f"is longer than {rule}"
        case _:
            return f"cannot be {_shown(value)}"
