"""Detection of templates in strings that are not rendered.

Some strings of a pipeline are templates or expressions. In all others, `{{ row.name }}` would remain as it is, which is
never meant, and is therefore an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from yamlgen.diagnostics import Diagnostic
from yamlgen.errors import Code
from yamlgen.option_names import override
from yamlgen.parsing.source_map import DataPath, Document
from yamlgen.value_objects import JSON

UNEXPANDED: Final = "write the full path: `~` and `$NAME` are not expanded"
"""The hint for a path that a shell would expand."""

_ROOTS: Final = "row|params|steps|thinking|item|item_index|matrix"
_TEMPLATE: Final = re.compile(
    rf"\{{\{{[-+]?\s*(?:{_ROOTS})\b(?=\s*[.\[|}}~+-])[^{{}}]*(?:\}}\}})?"
    r"|\{%[-+]?\s*(?:if|for|set)\s[^{}]*%\}"
)
_FILLED: Final = frozenset({"system", "prompt", "messages", "when", "for_each", "check", "values", "value", "args"})
_OUTPUT_EXPRESSIONS: Final = frozenset({"for_each", "where", "unique", "columns", "split"})
_OUTPUT_PATHS: Final = frozenset({"path", "rejected"})
_EXPRESSIONS: Final = (
    frozenset({"when", "for_each", "check", "expression", "values", "value", "args", "from"}) | _OUTPUT_EXPRESSIONS
)
_TEXTS: Final = frozenset({"system", "prompt", "content", "message"})
_PATHS: Final = frozenset({"path", "file", "schema", "reads", "call", "rejected"})
_WRITTEN_OUT: Final = _PATHS | {"model", "id", "choices", "enum", "const", "matrix", "draws", "models"}
_SET_FOR_A_RUN: Final = _PATHS | {"model", "id"}
_PARAMETER: Final = re.compile(r"\{\{[-+]?\s*params\b")
_PARAMETERS: Final = re.compile(r"\{\{[-+]?\s*params\b[^{}]*\}\}")
_COLUMN: Final = re.compile(r"\{\{[-+]?\s*row\.(\w+)\s*[-+]?\}\}$")
_TOKEN: Final = re.compile(r"""([\w-]+)\s*:(?=\s|$)|[\[\]{},]|"(?:[^"\\]|\\.)*"|'[^']*'""")
_SHELL: Final = re.compile(r"~[\w.-]*(?=/)|\$\w+(?=/)|\$\{\w+\}")
_LONGEST: Final = 60


def unfilled(document: Document, files: Mapping[DataPath, JSON]) -> Iterator[Diagnostic]:
    """Yield a diagnostic for each string with a template that is not rendered.

    Args:
        document: the pipeline.
        files: the schemas in files, by the path of the key that refers to the file.
    """
    for path, text, is_key in _texts(document.data, ()):
        said = _template(_PARAMETERS.sub("", text) if _output_key(path) in _OUTPUT_PATHS else text)
        if said is not None:
            mark = document.mark(path, key=is_key)
            yield Diagnostic(Code.UNFILLED, f"`{said}` is not rendered here", mark, _set(path, said) or way(path, said))
    for path, schema in files.items():
        for said in dict.fromkeys(filter(None, (_template(text) for _, text, _ in _texts(schema, path)))):
            message = f"`{said}` is not rendered in that file"
            yield Diagnostic(Code.UNFILLED, message, document.mark(path), way((*path, "enum")))


def _template(text: str) -> str | None:
    """Return the first template in a string, as messages quote it, or `None`."""
    match = _TEMPLATE.search(text)
    said = " ".join(match[0].split()) if match else None
    return said if said is None or len(said) <= _LONGEST else f"{said[:_LONGEST]}..."


def _set(path: DataPath, said: str) -> str | None:
    """Return the hint for a parameter in a value that a run can set with an option, or `None`."""
    if _output_key(path) in _OUTPUT_PATHS and _PARAMETER.match(said):
        return None
    if not _PARAMETER.match(said) or path[-1] not in _SET_FOR_A_RUN or not all(isinstance(key, str) for key in path):
        return None
    option = override(".".join(map(str, path)), "..." if path[-1] not in _PATHS else "PATH")
    return f"write a value here, and change it for a run with `{option}`: parameters work only in templates"


def way(path: DataPath, said: str = "") -> str | None:  # noqa: PLR0911 - a table
    """Return the hint for a template that is not rendered, or `None` if it is rendered."""
    if _is_filled(path):
        return None
    if path[0] == "models" or path[-1] in ("model", "id") or "model" in path[2:4]:
        if path[0] == "input":
            column = _COLUMN.match(said)
            return f"write the name of a column, such as `id: {column[1] if column else 'review_id'}`"
        return "the model is the same for all rows: write a step with a `when` for each model, or a matrix of models"
    if "matrix" in path[2:3]:
        return "a matrix is the same for all rows: write the template in the prompt, or use a list with `for_each`"
    if "draws" in path[2:3]:
        return "draw the name of a column, and write `row[steps.NAME.DRAW]` in a template"
    if path[-1] in _PATHS or "reads" in path[2:3]:
        if _output_key(path) in _OUTPUT_PATHS:
            return "the path of an output can contain `{{ params.NAME }}` only; to write several files, use `split`"
        written = ".".join(map(str, path)) if path[0] == "input" else ""
        fix = f", or set it for a run with `{override(written, 'PATH')}`" if written else ""
        return f"a path is the same for all rows: write the full path{fix}"
    if path == ("input", "sql"):
        return "a query has no parameters: choose rows with `where`, as in `where: row.topic == params.topic`"
    if path[0] == "params":
        return "a parameter is the same for all rows: write the template in the prompt"
    if "schema" in path:
        return "a schema is the same for all rows: write the template in the prompt, and test the answer with a `check`"
    return "write templates only under `system`, `prompt`, `content` and `message`"


def unexpanded(path: str) -> str | None:
    """Return what a shell would expand at the beginning of a path, such as `~` or `$HOME`, or `None`."""
    match = _SHELL.match(path)
    return match[0] if match else None


def quoting(text: str, at: int) -> str:
    """Return the hint for a template without quotes at an offset of a YAML text."""
    keys = _keys_above(text, at)
    below = keys[1:] if keys[:1] in (["input"], ["output"]) else keys[2:]
    if _EXPRESSIONS & set(below) and keys[-1] not in _TEXTS:
        return "write an expression without braces: `row.name`, not `{{ row.name }}`"
    fix = (_set(tuple(keys), text[at:]) or way(tuple(keys))) if _WRITTEN_OUT & set(keys) else None
    return fix or 'put the template in quotes: "{{ ... }}"'


def _keys_above(text: str, at: int) -> list[str]:
    """Return the keys above an offset of a YAML text, according to its indentation and brackets."""
    *above, line = text[:at].splitlines() or [""]
    keys = _keys_on(line)
    indent = len(line) - len(line.lstrip(" -"))
    for line in reversed(above):
        begins = len(line) - len(line.lstrip(" -"))
        if line.strip() and not line.lstrip().startswith("#") and begins < indent:
            indent, keys = begins, [*_keys_on(line), *keys]
    return keys


def _keys_on(line: str) -> list[str]:
    """Return the keys of one line that are still open at its end."""
    opened: list[str | None] = []
    for token in _TOKEN.finditer(line):
        if token[0] in "[{":
            opened.append(None)
            continue
        if opened and opened[-1] is not None:  # the key and its value have ended
            opened.pop()
        if token[1]:
            opened.append(token[1])
        elif token[0] in "]}" and opened:
            opened.pop()
    return [key for key in opened if key is not None]


def _is_filled(path: DataPath) -> bool:
    """Check whether the string at a path is a template, an expression or a comment."""
    if path[-1] == "description" and (len(path) == 1 or path[0] == "params" or path[0::2] == ("steps", "description")):
        return True
    if path[-2:] == ("metadata", "user_id") and path[0] in ("models", "model", "steps"):
        return True
    if path == ("input", "where") or _output_key(path) in _OUTPUT_EXPRESSIONS:
        return True
    return path[0] == "steps" and bool(_FILLED & set(path[2:3])) and path[-1] != "file"


def is_filled_path(path: DataPath, text: str) -> bool:
    """Check whether the string at a path is the path of an output with templates that read parameters only."""
    return _output_key(path) in _OUTPUT_PATHS and not unrendered(text)


def unrendered(path: str) -> bool:
    """Check whether the path of an output contains a template that reads something else than parameters."""
    return not all(_PARAMETER.match(match[0]) for match in _TEMPLATE.finditer(path))


def _output_key(path: DataPath) -> str:
    """Return the key of an output that a path is at or below; empty for other paths."""
    at = {"output": 1, "outputs": 2}.get(str(path[0]), len(path)) if path else 0
    return str(path[at]) if at < len(path) else ""


def _texts(value: JSON, path: DataPath) -> Iterator[tuple[DataPath, str, bool]]:
    """Yield the strings and keys of a document that are not rendered, with their paths. Rows are skipped as data."""
    if isinstance(value, str) and path and not (_is_filled(path) or is_filled_path(path, value)):
        yield path, value, False
    elif isinstance(value, list) and path != ("input", "rows"):
        for index, item in enumerate(value):
            yield from _texts(item, (*path, index))
    elif isinstance(value, dict):
        for key, member in value.items():
            if not path and key.startswith("x-"):
                continue
            yield (*path, key), key, True
            yield from _texts(member, (*path, key))
