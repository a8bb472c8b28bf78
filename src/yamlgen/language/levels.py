"""Lines at another depth than they belong, and mappings that have become one: told once, where they begin.

Owns what a lost or a wrong indentation, or a line that is gone, leaves behind: keys that are each wrong where they
stand, and wrong for one reason.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final

from yamlgen.errors import Code, Diagnostic
from yamlgen.language.deviations import Deviation, all_keys, fits, language
from yamlgen.language.document import DataPath, Document, Node
from yamlgen.language.words import listing, nearest

_TOP: Final = ("input", "steps", "output", "models", "limits", "runtime", "params")
STEP: Final = frozenset({"kind", "model", "prompt", "messages", "values", "call", "draws"})
"""What tells a step from a key of one."""

_MOST: Final = 20
"""Of how many keys it is asked whether they are misspelt, before they are told as one."""

_WHOLE: Final = STEP - {"kind", "model"}
"""What makes a whole step of one kind or another."""


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


def stray_keys(document: Document, findings: list[Deviation], broken: set[DataPath]) -> list[Deviation]:
    """With one finding for each key of a step that stands among the steps, below the one that it belongs to.

    Args:
        document: what was looked at.
        findings: what is wrong.
        broken: takes the paths of which nothing more is to be said.
    """
    steps = document.data.get("steps")
    names = list(steps) if isinstance(steps, dict) else []
    lacking: dict[DataPath, tuple[str, ...]] = {
        each.path: each.wanted for each in findings if each.code is Code.MISSING_KEY
    }
    told: dict[DataPath, Deviation] = {}
    for finding in findings:
        path: DataPath = finding.path[:2]
        above = (
            names[names.index(path[1]) - 1] if path[:1] == ("steps",) and path[1:] and path[1] in names[1:] else None
        )
        holder = steps[above] if above is not None else None
        is_key = isinstance(holder, dict) and path[1] in all_keys() and path[1] not in holder
        is_step = is_key and isinstance(steps[path[1]], dict) and STEP & steps[path[1]].keys()
        if is_key and path not in told and (not is_step or path[1] in lacking.get(("steps", str(above)), ())):
            hint = f"indent it, if it belongs to step `{above}`"
            told[path] = replace(
                finding, code=Code.UNKNOWN_KEY, message=f"`{path[1]}` is no step", path=path, hint=hint, wanted=()
            )
            broken.add(("steps", str(above), path[1]))
    return [*told.values(), *(finding for finding in findings if finding.path[:2] not in told)]


def lumped(document: Document, findings: list[Deviation], broken: set[DataPath]) -> list[Deviation]:
    """Findings with one for the keys of a mapping that are wrong for one reason.

    Args:
        document: loses the keys that are told with another one.
        findings: what is wrong.
        broken: takes the paths of which nothing more is to be said.
    """
    lots: dict[DataPath, list[Deviation]] = {}
    for finding in findings:
        if finding.code is Code.UNKNOWN_KEY and finding.path:
            lots.setdefault(finding.path[:-1], []).append(finding)
    told, gone = _nameless(document, findings)
    broken |= _doubled(document, findings)
    for path, lot in lots.items():
        if len(lot) == 1 or not path:
            continue
        mapping, names = document.node(path).value, [str(each.path[-1]) for each in lot]
        swallowed = [name for name in names if name in all_keys()] if _is_step(path) else []
        if len(swallowed) > 1 and _WHOLE & set(swallowed):
            mark = document.mark((*path, swallowed[0]), key=True)
            message = f"{listing(swallowed)} are no keys of step `{path[1]}`, whose kind is another"
            hint = f"is the name of a step missing above line {mark.line}?"
            names = swallowed
            document.node(("steps",)).unread = True  # one of its names is not known
            if any(key.unread for key, _ in mapping.values()):  # that a key stands twice in it says the same
                gone |= {(*path, name) for name in names}
                continue
        elif (
            set(names) >= mapping.keys()
            and len(names) <= _MOST
            and not any(nearest(name, lot[0].wanted) for name in names)
            and all(map(is_vague, lot))
        ):
            where = lot[0].message.partition(" in ")[2]
            message, hint = f"{listing(names)} are no keys of {where}", lot[0].hint or ""
            broken |= {(*path, name) for name in lot[0].wanted}
            if lot[0].wanted == ("file",):
                hint = "put the text in quotes, or begin it with `|` where it has several lines"
        else:
            continue
        first = next(each for each in lot if each.path[-1] == names[0])
        told[first.path] = replace(first, message=message, hint=hint, wanted=(), parts={}, called=None)
        gone |= {(*path, name) for name in names[1:]}
    for path in gone:
        document.node(path[:-1]).value.pop(path[-1])
    broken |= gone
    return [told.get(each.path, each) for each in findings if each.path not in broken]


def is_vague(finding: Deviation) -> bool:
    """Whether the hint for an unknown key is no more than what there is."""
    return finding.hint is None or finding.hint.startswith(("keys here", "remove it"))


def _doubled(document: Document, findings: list[Deviation]) -> set[DataPath]:
    """The steps in which a key stands twice, and keys that do not go together: two steps have become one."""
    found = set()
    for path in (each.path for each in findings if each.code is Code.CONFLICT and _is_step(each.path)):
        step = document.node(path)
        if any(key.unread for key, _ in step.value.values()):
            steps = document.node(("steps",))
            steps.unread = True
            steps.value.pop(path[-1])
            found.add(path)
    return found


def _nameless(document: Document, findings: list[Deviation]) -> tuple[dict[DataPath, Deviation], set[DataPath]]:
    """The keys of a step that stand among the steps, because it has no name."""
    strays = [
        finding
        for finding in findings
        if _is_step(finding.path) and finding.type == "object" and finding.path[1] in all_keys()
    ]
    if not strays or document.node(strays[0].path).value is None:
        return {}, set()
    first, *others = sorted(strays, key=lambda each: document.mark(each.path, key=True))
    hint = "a step has a name: write `draft:` above, and indent its keys below that"
    message = f"`{first.path[1]}` is a key of a step, and stands among the steps"
    document.node(("steps",)).unread = True
    told = replace(first, code=Code.UNKNOWN_KEY, message=message, hint=hint, type="")
    return {first.path: told}, {each.path for each in others}


def _is_step(path: DataPath) -> bool:
    return path[:1] == ("steps",) and len(path) == 2  # noqa: PLR2004 - the part and a name
