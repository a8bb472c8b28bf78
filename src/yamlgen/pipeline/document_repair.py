"""The repair of a document that does not validate against the language's JSON Schema: one diagnostic for each mistake.

A mistake is reported once, then repaired or removed, so that the rest of the file can be checked as if it were valid.
A key that is almost certainly a misspelling is read as the correct key.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import replace
from difflib import SequenceMatcher
from typing import cast

from yamlgen.diagnostics import Diagnostic
from yamlgen.errors import Code
from yamlgen.parsing.source_map import DataPath, Document, Node
from yamlgen.pipeline.common_mistakes import clear_up
from yamlgen.pipeline.json_schema import language
from yamlgen.pipeline.misindented_lines import is_vague, sort_out
from yamlgen.pipeline.misplaced_keys import key_of, rival
from yamlgen.pipeline.misplaced_levels import lift
from yamlgen.pipeline.missing_colons import separate
from yamlgen.pipeline.schema_messages import Deviation, deviations, fits, keys_of, own_keys, refused
from yamlgen.pipeline.validation_result import ValidationResult
from yamlgen.suggestions import Hint, closest, knowing, proposal

_SURE = 0.75
_MOST_RIVALS = 10
"""The maximum number of other unknown keys that one is compared with."""
_MOST_PASSES = 20
_SUGGESTED = re.compile(r"did you mean `(.+)`\?")
_ORDER = {Code.UNKNOWN_KEY: 0, Code.CONFLICT: 2}
"""Unknown keys first: a misspelt required key is then not reported as missing."""
_AT_VALUE = (Code.WRONG_TYPE, Code.WRONG_VALUE)


def repaired(document: Document, *, is_whole: bool) -> ValidationResult:
    """Report the mistakes of a document, and return it without them.

    Args:
        document: the document, which is not modified.
        is_whole: whether all of it could be parsed.
    """
    root = _copy(document.root)
    shape = ValidationResult(Document(document.source, root))
    shape.diagnostics.extend((*separate(shape.document), *lift(shape.document)))
    for path in () if is_whole else list(_unread(root, ())):
        _drop(shape, path)
    shape.document = Document(document.source, root)
    diagnostics, broken = clear_up(shape.document)
    shape.diagnostics.extend(diagnostics)
    shape.broken.update(broken)
    seen: set[Deviation] = set()
    for _ in range(_MOST_PASSES):  # a repaired key may reveal mistakes below it
        shape.document = Document(document.source, root)
        _name_kinds(shape)
        shape.document = Document(document.source, root)
        findings = [finding for finding in deviations(shape.document.data) if finding not in seen]
        if not findings:
            break
        seen.update(findings)
        strays = sort_out(shape.document, findings)
        findings = strays.findings
        shape.broken |= strays.broken
        counts = Counter(each.path[:-1] for each in findings if each.code is Code.UNKNOWN_KEY)
        missing: dict[DataPath, set[str]] = {}
        for each in findings:
            if each.code is Code.MISSING_KEY:
                missing.setdefault(each.path, set()).update(each.wanted)
        place = shape.document.mark
        marks = {each: (place(each.path, key=True), place(each.path[:2], key=True)) for each in findings}
        for path in strays.gone:
            _drop(shape, path)
        for path in strays.headless & {("steps",)}:
            shape.document.node(path).unread = True
        for finding in sorted(findings, key=lambda each: (_ORDER.get(each.code, 1), marks[each])):
            _settle(shape, finding, missing.get(finding.path[:-1], set()), is_alone=counts[finding.path[:-1]] == 1)
    shape.document = Document(document.source, root)
    if is_whole and not shape.diagnostics:  # each finding was attributed to another one
        first = next(deviations(document.data))
        shape.report(first, first.path)
    return shape


def refuse(shape: ValidationResult, location: DataPath) -> Diagnostic | None:
    """Remove the value that a model rejects from the document.

    Args:
        shape: the result of the validation, whose document loses the value.
        location: the location of pydantic's error: keys, and the names of models and alternatives between them.

    Returns:
        The diagnostic, or `None` if the document has no such value.
    """
    shape.document = Document(shape.document.source, _copy(shape.document.root))
    node, path = shape.document.root, cast("DataPath", ())
    for part in location:
        below = node.child(part)
        if below is not None:
            node, path = below, (*path, part)
    if not path:
        return None
    told = refused(path, shape.document.data)
    mark = shape.document.mark(path)
    _drop(shape, path)
    shape.document = Document(shape.document.source, shape.document.root)
    return told.at(mark)


def _unread(node: Node, path: DataPath) -> Iterator[DataPath]:
    """Yield the paths of the values that could not be parsed, except those of rows."""
    if node.kind == "mapping":
        for name, (_, child) in node.value.items():
            yield from _unread(child, (*path, name)) if path != ("input",) or name != "rows" else ()
    elif node.kind == "sequence":
        for index, child in enumerate(node.value):
            yield from _unread(child, (*path, index))
    elif node.unread:
        yield path


def _name_kinds(shape: ValidationResult) -> None:
    """Report each step without `kind` that has keys of another kind, and read it as that kind."""
    steps = shape.document.data.get("steps")
    for name, step in steps.items() if isinstance(steps, dict) else ():
        if not isinstance(step, dict) or {"kind", "prompt", "messages"} & step.keys():
            continue
        here = shape.document.entries(("steps", name))
        for kind, keys in own_keys().items():
            key = next((key for key in step if key in keys), None)
            if key is None:
                continue
            said = next((other for other in step if step[other] == kind and other not in keys_of(kind)), None)
            said = said or next((other for other in step if key_of(other) == "kind"), None)
            if said is not None:
                mark = shape.document.mark(("steps", name, said), key=True)
                message = f"unknown key `{said}` in step `{name}`"
                hint = "did you mean `kind`?" if step[said] == kind else f"write `kind: {kind}`"
                shape.complain(Code.UNKNOWN_KEY, message, mark, Hint(hint, sorted(keys_of(kind))))
                holder = here.pop(said)[0]
                here["kind"] = (replace(holder, value="kind"), replace(holder, value=kind))
            else:
                mark = shape.document.mark(("steps", name, key), key=True)
                message = f"step `{name}` has `{key}` but no `kind`"
                shape.complain(Code.MISSING_KEY, message, mark, f"add `kind: {kind}`")
                holder = here[key][0]
                here["kind"] = (replace(holder, value="kind"), replace(holder, value=kind))
            break


def _settle(shape: ValidationResult, finding: Deviation, missing: AbstractSet[str], *, is_alone: bool) -> None:
    """Report a finding, unless it follows from an earlier one, and remove the broken part from the document.

    Args:
        shape: the result so far.
        finding: the finding.
        missing: the keys that its mapping lacks.
        is_alone: whether it is the only unknown key of its mapping.
    """
    path, broken = finding.path, shape.broken
    if shape.document.root.get(*path) is None:  # an earlier repair removed it
        return
    told = any(path[:length] in broken for length in range(1, len(path) + 1))
    if told or (finding.code in _AT_VALUE and (shape.document.node(path).unread or _was_emptied(shape, finding))):
        _drop(shape, path)
        return
    if finding.code is Code.MISSING_KEY:
        present, wanted = shape.document.entries(path), (*finding.wanted, *finding.instead)
        is_known = any((*path, key) in broken or key in present for key in wanted)
        if not is_known and not any(shape.document.is_unread((*path, key)) for key in wanted):
            shape.report(finding, path, key=True)
        if not any(key in present for key in wanted):  # a misspelt one may have been repaired
            broken.update((*path, key) for key in finding.wanted)
        return
    if (
        finding.code is Code.CONFLICT
        and not finding.is_alone
        and not shape.document.entries(path).keys() >= set(finding.wanted)
    ):
        return  # one of them was wrong, and was removed
    if finding.code is Code.CONFLICT and finding.is_alone:
        beside, alone = finding.wanted
        if (*path, beside) in broken:  # the key that it requires is wrong
            _drop(shape, (*path, alone))
        if (*path, beside) in broken or beside in shape.document.entries(path):  # or was repaired
            return
    at_key = finding.code is Code.BAD_NAME
    at = (*path, finding.wanted[1]) if finding.code is Code.CONFLICT else path
    if finding.code is Code.UNKNOWN_KEY:
        _settle_unknown(shape, finding, missing if is_alone else frozenset(), _meant(shape, finding, missing))
        return
    if at_key and key_of(str(path[-1])) and shape.document.entries(path[:-1])[path[-1]][1].value is None:
        finding = replace(finding, hint=f"add a `:` after `{key_of(str(path[-1]))}`")
    shape.report(finding, at, key=at_key or at != path)
    if finding.code is Code.BAD_NAME:
        _mend_name(shape, finding)
    elif finding.code is Code.CONFLICT:
        for key in finding.wanted[1:]:
            _drop(shape, (*path, key))
    else:
        _drop(shape, path)


def _settle_unknown(shape: ValidationResult, finding: Deviation, missing: AbstractSet[str], meant: str | None) -> None:
    """Report an unknown key, with the key that was meant or the key that is missing."""
    *parents, word = finding.path
    if meant is not None:
        finding = replace(finding, hint=proposal(str(word), meant, finding.wanted, is_language=True))
    elif missing and finding.wanted:
        shape.broken.update((*parents, key) for key in missing)
        if is_vague(finding):
            needed = " or ".join(f"`{key}`" for key in finding.wanted if key in missing)
            finding = replace(finding, hint=f"add {needed}, which is required")
    other = rival(finding.called, shape.document.entries(parents))
    if other is not None:
        finding = replace(finding, hint=f"`{other}` is already set, and only one is allowed: remove one")
    beside = _SUGGESTED.fullmatch(finding.hint or "")
    is_set = shape.document.mark(finding.path, key=True).file != shape.document.file  # by `--set`, over another
    if beside and not is_set and beside[1] in shape.document.entries(parents):
        finding = replace(finding, hint=f"remove it: `{beside[1]}` is already set")
    finding = replace(finding, hint=knowing(finding.hint, finding.wanted))
    is_text = " " in str(word) and shape.document.entries(parents)[word][1].unread
    if not is_text:  # otherwise it is a line of a string with another mistake
        shape.report(finding, finding.path, key=True)
    _mend_key(shape, finding, meant)


def _meant(shape: ValidationResult, finding: Deviation, missing: AbstractSet[str]) -> str | None:
    """Return the key that an unknown key must be, or `None`.

    It is the key of which it is almost certainly a misspelling, or a missing key that accepts its value.
    """
    *parents, word = finding.path
    mapping = shape.document.entries(parents)
    value = Document(shape.document.source, mapping[word][1]).data
    if _is_joined(str(word), finding) or finding.is_elsewhere:
        return None
    called = finding.called
    if called is not None and called in finding.parts and called not in mapping:
        is_free = rival(called, mapping) is None
        return called if is_free and fits(value, finding.parts[called], members=True) else None
    near = closest(str(word), finding.wanted)
    if near is not None and SequenceMatcher(None, near, str(word)).ratio() >= _SURE:
        if near in mapping:
            return None
        if fits(value, finding.parts[near], keys=not parents):
            return near
    rivals = [key for key in mapping if key not in finding.wanted and key != word]
    others = [Document(shape.document.source, mapping[rival][1]).data for rival in rivals]
    fitting = [
        name
        for name in missing
        if name in finding.parts
        and fits(value, finding.parts[name], members=True)
        and (name != "file" or "." in str(value).rstrip("."))
        and not any(fits(other, finding.parts[name], members=True) for other in others[:_MOST_RIVALS])
    ]
    return fitting[0] if len(fitting) == 1 else None


def _is_joined(word: str, finding: Deviation) -> bool:
    """Check whether a key absorbed its value because `: ` is missing after it."""
    return key_of(word) in finding.wanted


def _mend_key(shape: ValidationResult, finding: Deviation, meant: str | None) -> None:
    """Read an unknown key as the one that was meant, or remove it.

    If it is removed, nothing more is reported about the keys that it may have been meant to be.
    """
    *parents, word = finding.path
    mapping = shape.document.entries(parents)
    key, node = mapping.pop(word)
    shape.broken.add(finding.path)
    if meant is not None:
        mapping[meant] = (key, node)
        if meant == finding.called:  # its value may follow the rules of another tool
            shape.broken.add((*parents, meant))
        shape.mended.update((key.mark, node.mark) if node.kind == "scalar" else (key.mark,))
        return
    value, near = Document(shape.document.source, node).data, closest(str(word), finding.wanted)
    free = [name for name in finding.wanted if name not in mapping]
    if _is_joined(str(word), finding):
        shape.broken.update((*parents, name) for name in free)
        return
    meant_by = (near, finding.called)
    shape.broken.update((*parents, name) for name in free if name in meant_by or fits(value, finding.parts[name]))


def _mend_name(shape: ValidationResult, finding: Deviation) -> None:
    """Read the value of an invalid name under the proposed name, so that it is checked too."""
    *parents, word = finding.path
    mapping = shape.document.entries(parents)
    name, pairs = finding.wanted[0], list(mapping.items())
    shape.broken.add(finding.path)
    is_one = name not in mapping and mapping[word][1].value is not None and not re.search(r"[{[=]", str(word))
    mapping.clear()  # keep the order: a draw refers to those above it
    mapping.update({name if key == word else key: pair for key, pair in pairs if key != word or is_one})


def _was_emptied(shape: ValidationResult, finding: Deviation) -> bool:
    """Check whether a mapping is empty only because its content was removed."""
    path = finding.path
    return finding.is_empty and (
        shape.document.node(path).unread or any(left[: len(path)] == path != left for left in shape.broken)
    )


def _copy(node: Node) -> Node:
    """Copy a node, so that an anchor and its aliases no longer share values and each can be repaired."""
    if node.kind == "mapping":
        return replace(node, value={name: (key, _copy(child)) for name, (key, child) in node.value.items()})
    if node.kind == "sequence":
        return replace(node, value=[_copy(child) for child in node.value])
    return node


def _drop(shape: ValidationResult, path: DataPath) -> None:
    """Remove the nearest mapping entry around `path` from the document.

    A misspelt kind of step is read as the correct one, so that the other keys are checked; a step of an unknown kind is
    removed as a whole, and so are messages with a wrong `from`.
    """
    if len(path) == 3 and path[0] == "steps" and path[2] == "kind":  # noqa: PLR2004 - steps, a name, its kind
        step = shape.document.entries(path[:2])
        key, node = step["kind"]
        meant = closest(str(node.value), language()["$defs"]["Step"]["properties"]["kind"]["enum"])
        if meant is not None:
            step["kind"] = (key, replace(node, kind="scalar", value=meant))
            return
        path = path[:2]
    if path[-1:] == ("from",):  # without it, the rest would be read as a message
        path = path[:-1]
    while path:
        parent = shape.document.root.get(*path[:-1])
        if parent is not None and parent.kind == "mapping":
            parent.value.pop(path[-1], None)
            shape.broken.add(path)
            return
        path = path[:-1]
