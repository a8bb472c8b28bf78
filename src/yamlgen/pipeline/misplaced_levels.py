"""Top-level parts of the file that are indented below another part: reported once, and moved to the top."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from yamlgen.diagnostics import Diagnostic
from yamlgen.errors import Code
from yamlgen.parsing.source_map import DataPath, Document, Node
from yamlgen.parsing.syntax_fixes import outdented
from yamlgen.pipeline.json_schema import language
from yamlgen.pipeline.schema_messages import fits, telling_keys

_TOP: Final = ("input", "steps", "output", "models", "limits", "runtime", "params")


def lift(document: Document) -> list[Diagnostic]:
    """Report each top-level part that is indented below another part, and move it to the top.

    Args:
        document: modified where a mistake is reported.
    """
    root: dict[str, tuple[Node, Node]] = document.root.value
    told = []
    for name in _TOP:
        if name in root:
            continue
        for path, holder in _holders(root):
            if name not in holder or not _is_part(document, name, holder[name][1]):
                continue
            message = f"`{name}` is a top-level key, but it is indented below `{path[-1]}`"
            mark = document.mark((*path, name), key=True)
            fix = outdented(holder[name][0].source, holder[name][0].start)
            hint = "remove its indentation"
            if name == "runtime" and path[0] == "steps":
                hint += "; for one model, write it under this model in `models`"
            told.append(Diagnostic(Code.UNKNOWN_KEY, message, mark, hint, fix=fix))
            root[name] = holder.pop(name)
            break
    return told


def _holders(root: dict[str, tuple[Node, Node]]) -> Iterable[tuple[DataPath, dict[str, Any]]]:
    """Yield the mappings that may contain a part of the file by mistake: the other parts, and the steps."""
    for part in ("params", "models", "model", "runtime", "limits", "input", "steps"):
        if part in root and root[part][1].kind == "mapping":
            yield (part,), root[part][1].value
    steps = root["steps"][1] if "steps" in root else None
    for name, (_, step) in steps.value.items() if steps is not None and steps.kind == "mapping" else ():
        if step.kind == "mapping":
            yield ("steps", name), step.value


def _is_part(document: Document, name: str, node: Node) -> bool:
    """Check whether a value can only be the value of a top-level key."""
    if node.kind != "mapping" or not node.value or node.unread:
        return False
    keys = (
        set(language()["$defs"][name.capitalize()]["properties"]) if name.capitalize() in language()["$defs"] else None
    )
    if keys is None:  # names that the author chooses
        value = {"steps": telling_keys(), "models": {"id"}, "params": {"type", "default", "enum"}}[name]
        return all(each.kind == "mapping" and value & each.value.keys() for _, each in node.value.values())
    is_own = {"output": {"path"}, "input": {"path", "rows"}}.get(name, keys)
    data = Document(document.source, node).data
    return node.value.keys() <= keys and bool(is_own & node.value.keys()) and fits(data, language()["properties"][name])
