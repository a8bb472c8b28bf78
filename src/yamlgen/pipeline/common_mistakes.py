"""Common mistakes of form, reported once with the correct form and read as what the author meant.

They are found before a document is validated against the language: a short form that the language has elsewhere, such
as `models: {writer: claude-haiku-5-5}`; `model` and `models` confused; and other tools' names for the keys of a step.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from yamlgen.diagnostics import Diagnostic, Mark
from yamlgen.errors import Code
from yamlgen.parsing.source_map import DataPath, Document, Node
from yamlgen.pipeline.diagnostic_deduplication import with_others
from yamlgen.pipeline.misplaced_keys import ID_WORDS
from yamlgen.pipeline.schema_messages import all_keys, keys_of
from yamlgen.schemas.keywords import KEYWORDS
from yamlgen.schemas.type_words import KEYS, described
from yamlgen.steps.config_fields import ModelSettings
from yamlgen.steps.step_kinds import DEFAULT_KIND
from yamlgen.suggestions import Hint, folded, listing, nearest, proposal

_SETTINGS: Final = frozenset(ModelSettings.model_fields)
_TYPES: Final = frozenset({"string", "integer", "number", "boolean", "array", "object", "null"})
_SCHEMA: Final = ("it belongs under `output`: `output: {{schema: {}}}`", "output", "schema")
_ANSWER: Final = ("to specify the form of the answer, write `output: {{schema: ...}}`", "output", "")
_NEEDS: Final = ("remove it: a step runs after the steps that its templates and expressions refer to", "", "")
_FILES: Final = {
    "prompt": ("file", "promptfile", "promptpath", "templatefile", "templatepath"),
    "system": ("systemfile", "systempath", "systempromptfile"),
}
_STEP_WORDS: Final[dict[str, tuple[str, str, str]]] = {
    **dict.fromkeys(("schema", "outputschema", "jsonschema", "responseschema", "resultschema"), _SCHEMA),
    **dict.fromkeys(("responseformat", "responsemodel", "outputformat", "outputconfig", "outputtype"), _ANSWER),
    **dict.fromkeys(("format", "returns", "fields", "response", "result"), _ANSWER),
    **{word: (f"write `{key}: {{{{file: {{}}}}}}`", key, "file") for key, words in _FILES.items() for word in words},
    **dict.fromkeys(("dependson", "depends", "dependencies", "needs", "requires", "after", "runafter"), _NEEDS),
}
"""Names that other tools use for a step's keys, lowercase and without `-` and `_`: the hint, the key of the language,
and the key below it."""

_SOURCES: Final = frozenset({"path", "folder", "range", "sql", "rows"})
_ROLES: Final = {"user": "user", "human": "user", "assistant": "assistant", "ai": "assistant", "system": ""}
_KEYWORDS: Final = frozenset(KEYWORDS) - {"format"}
_TEXT_WORDS: Final = frozenset({"text", "content", "user", "system", "template", "prompt", "message", "value"})
_PLAIN: Final = re.compile(r"[A-Za-z][\w./-]*( [\w./-]+)*")
_NAMED: Final = {"models": "model", "params": "parameter"}
_LONGEST: Final = 40
"""The maximum number of characters of a value in a hint."""


def clear_up(document: Document) -> tuple[list[Diagnostic], set[DataPath]]:
    """Report each mistaken form, and replace it by the correct one.

    Args:
        document: modified where a mistake is reported.

    Returns:
        The diagnostics, and the paths about which nothing more must be reported.
    """
    root: dict[str, tuple[Node, Node]] = document.root.value
    found, swapped = _mistyped(document, root), _swapped(document, root)
    broken: set[DataPath] = {("model",), ("models",)} if swapped or (found and "models" not in root) else set()
    found.extend(swapped)
    others = _of_input(root)
    for part in ("params",) if swapped and "models" in root else ("models", "params"):
        holder = root[part][1] if part in root else None
        if holder is None or holder.kind != "mapping":
            continue
        for name, (key, node) in list(holder.value.items()):
            form = (
                None
                if node.unread or name in others or not name.replace("-", "_").isidentifier()
                else _in_full(part, node)
            )
            if form is not None:
                message = f"{_NAMED[part]} `{name}` must be a mapping, not {_kind(node)}"
                pairs = ", ".join(f"{word}: {_written(child)}" for word, child in form.items())
                hint = f"write `{name}: {{{pairs}}}`"
                found.append(Diagnostic(Code.WRONG_TYPE, message, document.mark((part, name)), hint))
                holder.value[name] = key, _mapping(key, node, form)
    steps = root["steps"][1] if "steps" in root else None
    for name, (_, step) in steps.value.items() if steps is not None and steps.kind == "mapping" else ():
        kind = step.value["kind"][1].value if step.kind == "mapping" and "kind" in step.value else ""
        if step.kind != "mapping" or "output" not in keys_of(str(kind)):
            continue
        if name in all_keys() and not step.value.keys() & all_keys():
            continue  # a key of the step above, indented too little
        found.extend((*_schema_beside(document, str(name), step), *_roles_as_keys(document, str(name), step)))
        for word in [word for word in step.value if folded(word) in _STEP_WORDS]:
            mark = document.mark(("steps", name, word), key=True)
            hint, meant, inner = _STEP_WORDS[folded(word)]
            if inner == "file" and kind not in ("", DEFAULT_KIND):
                continue
            key, node = step.value.pop(word)
            is_below = inner and meant in step.value and step.value[meant][1].value is None
            if is_below:
                hint = f"indent it, if it belongs to `{meant}`"
            elif inner == "file" and meant in step.value:
                hint = f"remove it: `{meant}` is already set"
            if inner and (is_below or meant not in step.value):
                step.value[meant] = replace(key, value=meant), _mapping(key, node, {inner: node})
            elif inner and step.value[meant][1].kind == "mapping" and inner not in step.value[meant][1].value:
                step.value[meant][1].value[inner] = replace(key, value=inner), node
            elif meant and meant not in step.value:
                broken.add(("steps", name, meant))
            message = f"unknown key `{word}` in step `{name}`"
            known = Hint(hint.format(_written(node)), sorted(keys_of(str(kind))))
            found.append(Diagnostic(Code.UNKNOWN_KEY, message, mark, known))
        found += _texts(document, ("steps", name), step)
    return found, broken


def _of_input(root: dict[str, tuple[Node, Node]]) -> frozenset[str]:
    """Return the keys that `input` lacks: one of these among the models is not the name of a model."""
    held = root["input"][1] if "input" in root else None
    has_rows = held is not None and held.kind == "mapping" and bool(_SOURCES & held.value.keys())
    return frozenset() if has_rows else _SOURCES | {"id", "format", "delimiter"}


def _roles_as_keys(document: Document, name: str, step: Node) -> list[Diagnostic]:
    """Report messages whose role is their key, as in `- user: Hello`: one diagnostic, and another for `system`."""
    messages = step.value["messages"][1] if "messages" in step.value else None
    found: dict[bool, list[tuple[Diagnostic, Mark]]] = {}
    for index, turn in enumerate(messages.value if messages is not None and messages.kind == "sequence" else ()):
        word = next(iter(turn.value)) if turn.kind == "mapping" and len(turn.value) == 1 else ""
        if word not in _ROLES or not isinstance(turn.value[word][1].value, str):
            continue
        mark = document.mark(("steps", name, "messages", index, word), key=True)
        meant = _ROLES[word]
        hint = f"write `{{role: {meant}, content: ...}}`"
        if not meant:
            hint = "write `system: ...` in the step, next to `messages`"
        message = f"unknown key `{word}` in `messages[{index}]` of step `{name}`"
        told = Diagnostic(Code.UNKNOWN_KEY, message, mark, Hint(hint, ("role", "content", "cache")))
        found.setdefault(bool(meant), []).append((told, mark))
        key, node = turn.value.pop(word)
        turn.value["role"] = replace(key, value="role"), replace(key, value=meant or "user")
        turn.value["content"] = replace(key, value="content"), node
    return [with_others(first, [mark for _, mark in others]) for (first, _), *others in found.values()]


def _schema_beside(document: Document, name: str, step: Node) -> Iterator[Diagnostic]:
    """Report keywords of a schema that are in `output` itself: next to `schema`, or without it."""
    output = step.value["output"][1] if "output" in step.value else None
    if output is None or output.kind != "mapping":
        return
    words = [word for word in output.value if word in _KEYWORDS]
    is_whole = "type" in words and output.value["type"][1].value in _TYPES
    schema = output.value.get("schema", (None, None))[1]
    if not words or (schema is None and words == ["type"] and not is_whole):
        return
    if schema is not None and schema.kind != "mapping":
        return
    mark = document.mark(("steps", name, "output", words[0]), key=True)
    message = f"{listing(words)} in the `output` of step `{name}` must be under `schema`"
    moved = {word: output.value.pop(word) for word in words}
    if schema is None:
        key, node = moved[words[0]]
        output.value["schema"] = replace(key, value="schema"), replace(node, kind="mapping", value=moved, style=None)
        hint = f"write `schema:` above, and indent it, as in `output: {{schema: {{{words[0]}: ...}}}}`"
        yield Diagnostic(Code.UNKNOWN_KEY, message, mark, hint)
        return
    for word, pair in moved.items():
        schema.value.setdefault(word, pair)
    yield Diagnostic(Code.UNKNOWN_KEY, message, mark, "indent it, if it belongs to `schema`")


def _texts(document: Document, at: DataPath, step: Node) -> Iterator[Diagnostic]:
    """Report a prompt that is a mapping, and read it as the string in it."""
    for word in ("prompt", "system"):
        key, node = step.value.get(word, (step, step))
        if (
            node is step
            or node.kind != "mapping"
            or "file" in node.value
            or (word == "system" and "text" in node.value)
        ):
            continue
        texts = {name: child for name, (_, child) in node.value.items() if _is_text(child)}
        if texts:
            message = f"`{word}` of step `{at[-1]}` must be a string or `{{file: ...}}`, not a mapping"
            hint = "put the string in quotes, or begin it with `|` if it has several lines"
            if texts.keys() & _TEXT_WORDS:
                hint = f"write the string directly after `{word}:`"
            hint += "; `system` is a key of the step" if "system" in texts else ""
            yield Diagnostic(Code.WRONG_TYPE, message, document.mark((*at, word)), hint)
            step.value[word] = key, texts.get("user", list(texts.values())[-1])


def _is_text(node: Node) -> bool:
    """Check whether a value is a prompt, not a path."""
    return isinstance(node.value, str) and ("{{" in node.value or " " in node.value.strip())


def _mapping(key: Node, node: Node, form: dict[str, Node]) -> Node:
    """Return a mapping that replaces a value."""
    whole = {word: (replace(key, value=word), child) for word, child in form.items()}
    return replace(node, kind="mapping", value=whole, style=None)


def _mistyped(document: Document, root: dict[str, tuple[Node, Node]]) -> list[Diagnostic]:
    """Report a misspelt `model` or `models`: the value shows which of the two is meant."""
    for word, (key, node) in list(root.items()):
        is_free = word.startswith("x-") or root.keys() & {"model", "models"}
        near = None if is_free else nearest(word, ("model", "models"))
        if near is not None:
            meant = "models" if _are_several(node) else "model" if _is_one(node) else near
            mark = document.mark((word,), key=True)
            del root[word]
            root[meant] = replace(key, value=meant), node
            message, hint = (
                f"unknown key `{word}` in the pipeline",
                proposal(word, meant, ("model", "models"), is_language=True),
            )
            return [Diagnostic(Code.UNKNOWN_KEY, message, mark, hint)]
    return []


def _swapped(document: Document, root: dict[str, tuple[Node, Node]]) -> list[Diagnostic]:
    """Report one model under `models`, or several under `model`, and read each as the other."""
    if "model" in root and "models" not in root and _are_several(root["model"][1]):
        written, meant = "model", "models"
        message, hint = "`model` must be one model, not several by name", "write `models` instead of `model`"
    elif "models" in root and "model" not in root and _is_one(root["models"][1]):
        written, meant = "models", "model"
        message = "`models` must contain models by name, and this model has no name"
        hint = "write `model` for the default model of all steps"
    else:
        return []
    mark = document.mark((written,), key=True)
    key, node = root.pop(written)
    root[meant] = replace(key, value=meant), node
    return [Diagnostic(Code.WRONG_TYPE, message, mark, hint)]


def _are_several(node: Node) -> bool:
    """Check whether the value of `model` is several models by name."""
    if node.kind != "mapping" or not node.value:
        return False
    named = {
        name: child
        for name, (_, child) in node.value.items()
        if name not in _SETTINGS and (folded(name) not in ID_WORDS or child.kind == "mapping")
    }
    texts = [name for name, child in named.items() if isinstance(child.value, str) and nearest(name, _SETTINGS) is None]
    whole = [child for _, child in node.value.values()]
    if all(child.kind == "mapping" for child in whole) and any("id" in child.value for child in whole):
        return True
    is_named = len(named) == len(node.value)
    return is_named and all(child.kind == "mapping" or name in texts for name, child in named.items())


def _is_one(node: Node) -> bool:
    """Check whether the value of `models` is an id, or the settings of one model."""
    if node.kind == "mapping":
        several = any(child.kind == "mapping" and "id" in child.value for _, child in node.value.values())
        return "id" in node.value and node.value["id"][1].kind == "scalar" and not several
    return isinstance(node.value, str)


def _in_full(part: str, node: Node) -> dict[str, Node] | None:
    """Return the mapping for which a value is short, or `None`."""
    if part == "models":
        return {"id": node} if isinstance(node.value, str) else None
    if node.kind == "sequence":
        return {"enum": node} if node.value else None
    if node.kind == "mapping" or node.value is None:
        return None
    return {"type": node} if node.value in _TYPES else {"default": node}


def _kind(node: Node) -> str:
    return described(node.value, KEYS) if isinstance(node.value, list | str) else f"`{_written(node)}`"


def _written(node: Node) -> str:
    """Return a value as YAML in braces, or `...` if it is long."""
    value: Any = Document(node.source, node).data
    if isinstance(value, dict):
        pairs = ", ".join(f"{name}: {_written(child)}" for name, (_, child) in node.value.items())
        shown = f"{{{pairs}}}"
    elif isinstance(value, list):
        shown = f"[{', '.join(_written(item) for item in node.value)}]"
    else:
        is_plain = isinstance(value, str) and _PLAIN.fullmatch(value)
        shown = str(value) if is_plain else json.dumps(value, ensure_ascii=False)
    return shown if len(shown) <= _LONGEST else "..."
