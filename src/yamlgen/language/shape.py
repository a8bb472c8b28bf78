"""Is the document shaped like a pipeline? Every deviation from the language's JSON Schema, as a diagnostic.

Owns the repair that lets one mistake give one diagnostic, at its place: it is
reported once and then mended or left out, so that the rest of the file can be checked as if it were right. A key
that is all but certainly a misspelt one is read as the right one for that purpose.

A right file, the common case, is passed by the fast validator alone; the slow one, whose errors carry what a
sentence needs, is imported only when there is something to say.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from difflib import SequenceMatcher
from functools import cache
from typing import Any, cast

import jsonschema_rs

from yamlgen.errors import Code, Diagnostic
from yamlgen.language.deviations import Deviation, deviations, language, own_keys, refused
from yamlgen.language.document import DataPath, Document, Node
from yamlgen.language.words import nearest
from yamlgen.ports import JSON

_SURE = 0.75
_MOST_PASSES = 20
_AT_VALUE = (Code.WRONG_TYPE, Code.WRONG_VALUE)


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


@cache
def _validator() -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(language(), offline=True)


def accepts(data: JSON) -> bool:
    """Whether `data` has the shape of a pipeline."""
    return _validator().is_valid(data)


def check(document: Document) -> Shape:
    """Hold a document against the language."""
    if accepts(document.data):
        return Shape(document)
    root = _copy(document.root)
    shape = Shape(Document(document.source, root))
    _name_kinds(shape)
    seen: set[Deviation] = set()
    for _ in range(_MOST_PASSES):  # a mended key may show what was hidden below it
        shape.document = Document(document.source, root)
        findings = [finding for finding in deviations(shape.document.data) if finding not in seen]
        if not findings:
            break
        seen.update(findings)
        findings = _without_echoes(findings)
        # Unknown keys first: one that is a misspelt required key makes that one not missing.
        for finding in sorted(findings, key=lambda f: f.code is not Code.UNKNOWN_KEY):
            _settle(shape, finding)
    shape.document = Document(document.source, root)
    return shape


def refuse(shape: Shape, location: DataPath) -> Diagnostic | None:
    """Take the value that a model refuses out of a document that it is known to be in.

    Args:
        shape: of the document, which loses the value.
        location: of the refusal, in which the names of models and of alternatives stand beside the keys.

    Returns:
        What is wrong with it; `None` where no such value is in the document.
    """
    shape.document = Document(shape.document.source, _copy(shape.document.root))
    node, path = shape.document.root, cast("DataPath", ())
    for part in location:
        if node.kind == "mapping" and part in node.value:
            node, path = node.value[part][1], (*path, part)
        elif node.kind == "sequence" and isinstance(part, int) and part < len(node.value):
            node, path = node.value[part], (*path, part)
    if not path:
        return None
    told = refused(path, shape.document.data)
    mark = shape.document.mark(path)
    _drop(shape, path)
    shape.document = Document(shape.document.source, shape.document.root)
    return Diagnostic(told.code, told.message, mark, told.hint)


def _name_kinds(shape: Shape) -> None:
    """Tell of each step that has keys of another kind, and says no kind: read it as one of that kind."""
    steps = shape.document.data.get("steps")
    for name, step in steps.items() if isinstance(steps, dict) else ():
        if not isinstance(step, dict) or {"kind", "prompt", "messages"} & step.keys():
            continue
        for kind, keys in own_keys().items():
            key = next((key for key in step if key in keys), None)
            if key is not None:
                mark = shape.document.mark(("steps", name, key), key=True)
                message = f"step `{name}` has `{key}`, and says no kind"
                shape.diagnostics.append(Diagnostic(Code.MISSING_KEY, message, mark, f"add `kind: {kind}`"))
                here = _node(shape, ("steps", name))
                holder = here[key][0]
                here["kind"] = (replace(holder, value="kind"), replace(holder, value=kind))
                break


def _without_echoes(findings: list[Deviation]) -> list[Deviation]:
    """Without what a mapping lacks, where a key of it is told to stand without another: that says the same."""
    alone = {finding.path for finding in findings if finding.code is Code.CONFLICT}
    return [finding for finding in findings if finding.code is not Code.MISSING_KEY or finding.path not in alone]


def _settle(shape: Shape, finding: Deviation) -> None:
    """Report a finding, unless it follows from one before, and take what is broken out of the document."""
    path, broken = finding.path, shape.broken
    if not _exists(shape, path):  # it went with what was mended before
        return
    told = any(path[:length] in broken for length in range(1, len(path) + 1))
    if told or (finding.code in _AT_VALUE and (shape.document.is_unread(path) or _was_emptied(shape, finding))):
        _drop(shape, path)
        return
    if finding.code is Code.MISSING_KEY:
        present = _node(shape, path)
        is_known = any((*path, key) in broken or key in present for key in finding.wanted)
        if not is_known and not any(shape.document.is_unread((*path, key)) for key in finding.wanted):
            mark = shape.document.mark(path, key=True)
            shape.diagnostics.append(Diagnostic(finding.code, finding.message, mark, finding.hint))
        if not any(key in present for key in finding.wanted):  # a misspelt one may have been mended just before
            broken.update((*path, key) for key in finding.wanted)
        return
    if finding.code is Code.CONFLICT and (*path, finding.wanted[0]) in broken:  # what it stands beside is wrong
        _drop(shape, (*path, finding.wanted[1]))
        return
    at_key = finding.code in (Code.UNKNOWN_KEY, Code.BAD_NAME)
    at = (*path, finding.wanted[1]) if finding.code is Code.CONFLICT else path
    mark = shape.document.mark(at, key=at_key or at != path)
    shape.diagnostics.append(Diagnostic(finding.code, finding.message, mark, finding.hint))
    if finding.code is Code.UNKNOWN_KEY:
        _mend_key(shape, finding)
    elif finding.code is Code.BAD_NAME:
        _mend_name(shape, finding)
    elif finding.code is Code.CONFLICT:
        for key in finding.wanted[1:]:
            _drop(shape, (*path, key))
    else:
        _drop(shape, path)


def _mend_key(shape: Shape, finding: Deviation) -> None:
    """Read a misspelt key as the right one where that is all but certain; leave it out otherwise."""
    *parents, word = finding.path
    mapping = _node(shape, tuple(parents))
    pair = mapping.pop(word)
    near = nearest(str(word), finding.wanted)
    if near is None or near in mapping:
        return
    if SequenceMatcher(None, near, str(word)).ratio() >= _SURE:
        mapping[near] = pair
        if _fits(shape, (*parents, near)):
            return
        mapping.pop(near)
    shape.broken.add((*parents, near))


def _mend_name(shape: Shape, finding: Deviation) -> None:
    """Read what a bad name names under the name that is proposed, so that it is checked too."""
    *parents, word = finding.path
    mapping = _node(shape, tuple(parents))
    pair, name = mapping.pop(word), finding.wanted[0]
    shape.broken.add(finding.path)
    if name not in mapping:
        mapping[name] = pair


def _was_emptied(shape: Shape, finding: Deviation) -> bool:
    """Whether a mapping is empty only because what it held was left out."""
    path = finding.path
    return finding.is_empty and any(left[: len(path)] == path != left for left in shape.broken)


def _copy(node: Node) -> Node:
    """A copy that can be mended at one place: what an anchor and its aliases share is no longer shared."""
    if node.kind == "mapping":
        return replace(node, value={name: (key, _copy(child)) for name, (key, child) in node.value.items()})
    if node.kind == "sequence":
        return replace(node, value=[_copy(child) for child in node.value])
    return node


def _fits(shape: Shape, path: DataPath) -> bool:
    """Whether a mended key's value is of a kind that belongs there, mistakes further down aside."""
    data = Document(shape.document.source, shape.document.root).data
    return not any(finding.path == path for finding in deviations(data))


def _node(shape: Shape, path: DataPath) -> dict[Any, Any]:
    node = shape.document.root
    for part in path:
        node = node.value[part][1] if node.kind == "mapping" else node.value[part]
    value: dict[Any, Any] = node.value
    return value


def _drop(shape: Shape, path: DataPath) -> None:
    """Take the nearest mapping entry around `path` out of the document.

    A misspelt kind of step is read as the right one, since the keys beside it are those of that kind; a step of no kind
    goes as a whole.
    """
    if len(path) == 3 and path[0] == "steps" and path[2] == "kind":  # noqa: PLR2004 - steps, a name, its kind
        step = _node(shape, path[:2])
        key, node = step["kind"]
        meant = nearest(str(node.value), language()["$defs"]["Step"]["properties"]["kind"]["enum"])
        if meant is not None:
            step["kind"] = (key, replace(node, kind="scalar", value=meant))
            return
        path = path[:2]
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
