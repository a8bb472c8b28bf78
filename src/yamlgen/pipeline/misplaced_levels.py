"""Parts of the file that stand below another one: told once, and put where they belong."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from yamlgen.errors import Code, Diagnostic
from yamlgen.parsing.source_map import DataPath, Document, Node
from yamlgen.pipeline.schema_messages import fits, language

_TOP: Final = ("input", "steps", "output", "models", "limits", "runtime", "params")
STEP: Final = frozenset({"kind", "model", "prompt", "messages", "values", "call", "draws"})
"""What tells a step from a key of one."""


def lift(document: Document) -> list[Diagnostic]:
    """Tell of a part of the file that stands below another one, and put it where it belongs.

    Args:
        document: changed where something is told.
    """
    root: dict[str, tuple[Node, Node]] = document.root.value
    told = []
    for name in _TOP:
        if name in root:
            continue
        for path, holder in _holders(root):
            if name not in holder or not _is_part(document, name, holder[name][1]):
                continue
            message = f"`{name}` stands below `{path[-1]}`, and belongs to the file as a whole"
            mark = document.mark((*path, name), key=True)
            told.append(Diagnostic(Code.UNKNOWN_KEY, message, mark, "move it to the left margin"))
            root[name] = holder.pop(name)
            break
    return told


def _holders(root: dict[str, tuple[Node, Node]]) -> Iterable[tuple[DataPath, dict[str, Any]]]:
    """The mappings that a part of the file may have slipped into: its other parts, and the steps."""
    for part in ("params", "models", "model", "runtime", "limits", "input", "steps"):
        if part in root and root[part][1].kind == "mapping":
            yield (part,), root[part][1].value
    steps = root["steps"][1] if "steps" in root else None
    for name, (_, step) in steps.value.items() if steps is not None and steps.kind == "mapping" else ():
        if step.kind == "mapping":
            yield ("steps", name), step.value


def _is_part(document: Document, name: str, node: Node) -> bool:
    """Whether a value is one that stands under a key of the file, and nothing else."""
    if node.kind != "mapping" or not node.value or node.unread:
        return False
    keys = (
        set(language()["$defs"][name.capitalize()]["properties"]) if name.capitalize() in language()["$defs"] else None
    )
    if keys is None:  # names of the author's own
        value = {"steps": STEP, "models": {"id"}, "params": {"type", "default", "enum"}}[name]
        return all(each.kind == "mapping" and value & each.value.keys() for _, each in node.value.values())
    is_own = {"output": {"path"}, "input": {"path", "rows"}}.get(name, keys)
    data = Document(document.source, node).data
    return node.value.keys() <= keys and bool(is_own & node.value.keys()) and fits(data, language()["properties"][name])
