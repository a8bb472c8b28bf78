"""Where templates are filled in, and what to write where they are not.

Owns the difference between the texts of a pipeline that are templates or expressions, and all others, in which
`{{ row.name }}` would stand as it is: an error, since no such text is ever meant.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from yamlgen.errors import Code, Diagnostic
from yamlgen.option_names import override
from yamlgen.parsing.source_map import DataPath, Document
from yamlgen.value_objects import JSON

UNEXPANDED: Final = "nothing fills in `~` and `$NAME` in a path: write it out"
"""What to do about a path that waits for a shell."""

_ROOTS: Final = "row|params|steps|item|item_index|matrix"
_TEMPLATE: Final = re.compile(
    rf"\{{\{{[-+]?\s*(?:{_ROOTS})\b(?=\s*[.\[|}}~+-])[^{{}}]*(?:\}}\}})?"
    r"|\{%[-+]?\s*(?:if|for|set)\s[^{}]*%\}"
)
_FILLED: Final = frozenset({"system", "prompt", "messages", "when", "for_each", "check", "values", "args"})
_EXPRESSIONS: Final = frozenset({"when", "for_each", "check", "expression", "values", "args"})
_TEXTS: Final = frozenset({"system", "prompt", "content", "message"})
_PATHS: Final = frozenset({"path", "file", "schema", "reads", "call"})
_WRITTEN_OUT: Final = _PATHS | {"model", "id", "choices", "enum", "const", "matrix", "draws", "models"}
_SET_FOR_A_RUN: Final = _PATHS | {"model", "id"}
_PARAMETER: Final = re.compile(r"\{\{[-+]?\s*params\b")
_COLUMN: Final = re.compile(r"\{\{[-+]?\s*row\.(\w+)\s*[-+]?\}\}$")
_TOKEN: Final = re.compile(r"""([\w-]+)\s*:(?=\s|$)|[\[\]{},]|"(?:[^"\\]|\\.)*"|'[^']*'""")
_SHELL: Final = re.compile(r"~[\w.-]*(?=/)|\$\w+(?=/)|\$\{\w+\}")
_LONGEST: Final = 60


def unfilled(document: Document, files: Mapping[DataPath, JSON]) -> Iterator[Diagnostic]:
    """Each text that holds a template where nothing fills it in.

    Args:
        document: the pipeline.
        files: the schemas that stand in files, by the paths that name them.
    """
    for path, text, is_key in _texts(document.data, ()):
        said = _template(text)
        if said is not None:
            mark = document.mark(path, key=is_key)
            yield Diagnostic(
                Code.UNFILLED, f"nothing fills in `{said}` here", mark, _set(path, said) or way(path, said)
            )
    for path, schema in files.items():
        for said in dict.fromkeys(filter(None, (_template(text) for _, text, _ in _texts(schema, path)))):
            message = f"nothing fills in `{said}` in that file"
            yield Diagnostic(Code.UNFILLED, message, document.mark(path), way((*path, "enum")))


def _template(text: str) -> str | None:
    """The first template in a text, as messages quote it."""
    match = _TEMPLATE.search(text)
    said = " ".join(match[0].split()) if match else None
    return said if said is None or len(said) <= _LONGEST else f"{said[:_LONGEST]}..."


def _set(path: DataPath, said: str) -> str | None:
    """What stands in for a parameter where one value is the same for all rows: what a run sets."""
    if not _PARAMETER.match(said) or path[-1] not in _SET_FOR_A_RUN or not all(isinstance(key, str) for key in path):
        return None
    option = override(".".join(map(str, path)), "..." if path[-1] not in _PATHS else "PATH")
    return f"a parameter works in templates only: write a value here, and `{option}` changes it for a run"


def way(path: DataPath, said: str = "") -> str | None:  # noqa: PLR0911 - a table
    """What to write in place of a template where nothing fills it in; `None` where something does."""
    if _is_filled(path):
        return None
    if path[0] == "models" or path[-1] in ("model", "id") or "model" in path[2:4]:
        if path[0] == "input":
            column = _COLUMN.match(said)
            return f"`id` is the name of a column, such as `id: {column[1] if column else 'review_id'}`"
        return "the model is the same for all rows: a step for each, with a `when` of its own, or a matrix of models"
    if "matrix" in path[2:3]:
        return "a matrix is the same for all rows: say it in the prompt, or go over a list with `for_each`"
    if "draws" in path[2:3]:
        return "what is drawn stands as it is: draw the name of a column, and say `row[steps.NAME.DRAW]` in a template"
    if path[-1] in _PATHS or "reads" in path[2:3]:
        written = ".".join(map(str, path)) if path[0] in ("input", "output") else ""
        fix = f", or set it for a run: `{override(written, 'PATH')}`" if written else ""
        return f"a path is the same for all rows: write it out{fix}"
    if path[0] == "params":
        return "a parameter is the same for all rows: say it in the prompt"
    if "schema" in path:
        return "a schema is the same for all rows: what differs is asked by a `check`, and said in the prompt"
    return "templates are filled in under `system`, `prompt`, `content` and `message` alone"


def unexpanded(path: str) -> str | None:
    """What a shell would fill in at the beginning of a path: `~`, `$HOME`. Here it names a folder; `./~` does too."""
    match = _SHELL.match(path)
    return match[0] if match else None


def quoting(text: str, at: int) -> str:
    """What mends the template at an offset of a YAML text, which lacks its quotes."""
    keys = _keys_above(text, at)
    if len(keys) > 2 and _EXPRESSIONS & set(keys[2:]) and keys[-1] not in _TEXTS:  # noqa: PLR2004 - steps, a name
        return "an expression stands without braces: `row.name`, and not `{{ row.name }}`"
    fix = (_set(tuple(keys), text[at:]) or way(tuple(keys))) if _WRITTEN_OUT & set(keys) else None
    return fix or 'put the template in quotes: "{{ ... }}"'


def _keys_above(text: str, at: int) -> list[str]:
    """The keys that an offset of a YAML text stands below, as far as its indentation and its brackets tell."""
    *above, line = text[:at].splitlines() or [""]
    keys = _keys_on(line)
    indent = len(line) - len(line.lstrip(" -"))
    for line in reversed(above):
        begins = len(line) - len(line.lstrip(" -"))
        if line.strip() and not line.lstrip().startswith("#") and begins < indent:
            indent, keys = begins, [*_keys_on(line), *keys]
    return keys


def _keys_on(line: str) -> list[str]:
    """The keys of one line that are still open at its end."""
    opened: list[str | None] = []
    for token in _TOKEN.finditer(line):
        if token[0] in "[{":
            opened.append(None)
            continue
        if opened and opened[-1] is not None:  # a key and its value are over, or replaced by the next
            opened.pop()
        if token[1]:
            opened.append(token[1])
        elif token[0] in "]}" and opened:
            opened.pop()
    return [key for key in opened if key is not None]


def _is_filled(path: DataPath) -> bool:
    """Whether the text at a path is a template, an expression or a comment."""
    if path[-1] == "description" and (len(path) == 1 or path[0] == "params" or path[0::2] == ("steps", "description")):
        return True
    return path[0] == "steps" and bool(_FILLED & set(path[2:3])) and path[-1] != "file"


def _texts(value: JSON, path: DataPath) -> Iterator[tuple[DataPath, str, bool]]:
    """The texts of a document that nothing fills in, keys among them, each with its path; rows are data."""
    if isinstance(value, str) and path and not _is_filled(path):
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
