"""Wrong indentation and missing headings: one mistake that breaks several rules of the language's JSON Schema.

Recognizes each such mistake by the deviations that it causes, and selects the one to report.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Final

from yamlgen.errors import Code
from yamlgen.parsing.source_map import DataPath, Document
from yamlgen.pipeline.json_schema import language
from yamlgen.pipeline.schema_messages import Deviation, all_keys, keys_of, kinds_with, own_keys, telling_keys
from yamlgen.steps.step_kinds import DEFAULT_KIND
from yamlgen.suggestions import listing, nearest

_NAMED: Final = {"steps": "step", "models": "model", "params": "parameter"}
_MOST: Final = 20
"""The maximum number of unknown keys that are reported as one."""

_WHERE: Final = 2
"""The length of the path to a named entry: the part and the name."""


@dataclass
class RemainingDeviations:
    """The deviations of one document, without those that follow from another one.

    Attributes:
        findings: the deviations to report.
        broken: the paths about which nothing more must be reported.
        gone: the paths to remove from the document.
        headless: the parts in which a name is missing, so that their content is unknown.
    """

    document: Document
    findings: list[Deviation]
    broken: set[DataPath] = field(default_factory=set)
    gone: set[DataPath] = field(default_factory=set)
    headless: set[DataPath] = field(default_factory=set)

    def leave_out(self, told: Iterable[Deviation]) -> None:
        """Remove some of the findings."""
        left_out = set(told)
        self.findings = [finding for finding in self.findings if finding not in left_out]

    def below(self, path: DataPath) -> list[Deviation]:
        """Return the findings at a path and below it."""
        return [finding for finding in self.findings if finding.path[: len(path)] == path]


def sort_out(document: Document, findings: list[Deviation]) -> RemainingDeviations:
    """Return the deviations to report."""
    strays = RemainingDeviations(document, findings)
    for look in (
        _echoes,
        _one_or_several,
        _beheaded,
        _stray_keys,
        _outdented,
        _of_another_kind,
        _elsewhere,
        _none_known,
        _swallowed,
    ):
        look(strays)
    return strays


def _echoes(strays: RemainingDeviations) -> None:
    """Drop the missing keys of a mapping that has a conflict of keys, which reports the same mistake."""
    alone = {finding.path for finding in strays.findings if finding.code is Code.CONFLICT}
    strays.leave_out(each for each in strays.findings if each.code is Code.MISSING_KEY and each.path in alone)


def _one_or_several(strays: RemainingDeviations) -> None:
    """Find `outputs` with the keys of one output, and `output` with several outputs by name."""
    one, several = strays.document.entries(("output",)), strays.document.entries(("outputs",))
    if "path" in several and several.keys() <= _keys_of_part("output") and several["path"][1].kind == "scalar":
        message = "`outputs` contains outputs by name, but `path` is a key of one output"
        _rename_part(strays, "outputs", message, "write `output`, or a name above its keys, such as `train:`")
    elif one and all(_is_output(strays, ("output", name)) for name in one):
        message = f"`output` is one output, but {listing(one)} {'is an output' if len(one) == 1 else 'are outputs'}"
        _rename_part(strays, "output", message, "write `outputs`")


def _rename_part(strays: RemainingDeviations, part: str, message: str, hint: str) -> None:
    below = strays.below((part,))
    if below:
        strays.leave_out(below)
        strays.findings.append(_stray(below[0], (part,), message, hint))
        strays.broken.update({("output",), ("outputs",)} - {(part,)})


def _is_output(strays: RemainingDeviations, path: DataPath) -> bool:
    return path[1] not in _keys_of_part("output") and "path" in strays.document.entries(path)


def _keys_of_part(part: str) -> set[str]:
    """Return the keys of a part of the file, such as `input`."""
    schema: dict[str, Any] = language()["properties"].get(part, {})
    known = language()["$defs"].get(schema.get("$ref", "").rpartition("/")[2], schema).get("properties", {})
    return set(known)


def _beheaded(strays: RemainingDeviations) -> None:
    """Find parts whose heading is missing, so that their entries are in the part above."""
    for finding in list(strays.findings):
        if finding.code is not Code.MISSING_KEY or finding.path or len(finding.wanted) != 1:
            continue
        (part,) = finding.wanted
        known = _keys_of_part(part)
        owned: list[DataPath] = [
            each.path
            for each in strays.findings
            if len(each.path) == _WHERE and each.code in (Code.UNKNOWN_KEY, Code.WRONG_TYPE)
            if each.path[1] in known or (part == "steps" and _is_step(strays, each.path))
        ]
        if owned and len({path[0] for path in owned}) == 1:
            line = min(strays.document.mark(path, key=True).line for path in owned)
            siblings = dict.fromkeys(each.path[:_WHERE] for each in strays.below(owned[0][:1]) if len(each.path) > 1)
            owned += [path for path in siblings if path[1] in known and path not in owned]  # these look like steps
            hint = f"is `{part}:` missing above line {line}?"
            others = [each for path in owned for each in strays.below(path)]
            strays.leave_out([finding, *others])
            strays.findings.append(replace(finding, hint=hint))
            strays.gone.update(owned)


def _is_step(strays: RemainingDeviations, path: DataPath) -> bool:
    return bool(telling_keys() & strays.document.entries(path).keys())


def _stray_keys(strays: RemainingDeviations) -> None:
    """Find keys of a step, or of the file, that are among the steps, the models or the parameters."""
    steps = list(strays.document.entries(("steps",)))
    told: dict[DataPath, Deviation] = {}
    headless = False
    lacking = {each.path: each.wanted for each in strays.findings if each.code is Code.MISSING_KEY}
    missing = {
        key
        for each in strays.findings
        if not each.path and each.code is Code.MISSING_KEY
        for key in (*each.wanted, *each.instead)
    }
    for finding in strays.findings:
        path: DataPath = finding.path[:_WHERE]
        if len(path) < _WHERE or path in told:
            continue
        part, name = path
        if part in _NAMED and name in missing:
            hint = "it belongs at the top of the file: indent it less"
            told[path] = _stray(finding, path, f"`{name}` is not a {_NAMED[str(part)]}", hint)
            continue
        if part != "steps" or name not in steps or name not in all_keys():
            continue
        above = steps[steps.index(name) - 1] if name != steps[0] else ""
        if _is_step(strays, path) and name not in lacking.get(("steps", above), ()):
            continue
        holder = strays.document.entries(("steps", above)) if above else {}
        message = f"`{name}` is not a step"
        if above in all_keys() and not _is_step(strays, ("steps", above)):
            told[path] = replace(finding, path=path, code=Code.BAD_NAME)  # follows the one above
        elif holder and name not in holder:
            told[path] = _stray(finding, path, message, f"indent it, if it belongs to step `{above}`")
            strays.broken.add(("steps", above, name))
        else:
            message = f"`{name}` is a key of a step, not a step"
            hint = "write the step's name above, such as `draft:`, and indent its keys below it"
            told[path] = _stray(finding, path, message, hint)
            headless = True
    strays.leave_out(each for each in strays.findings if each.path[:_WHERE] in told)
    strays.gone.update(path for path, each in told.items() if each.code is not Code.UNKNOWN_KEY)
    strays.findings[:0] = [each for each in told.values() if each.code is Code.UNKNOWN_KEY]
    if headless:
        strays.headless.add(("steps",))


def _stray(finding: Deviation, path: DataPath, message: str, hint: str) -> Deviation:
    return replace(finding, code=Code.UNKNOWN_KEY, message=message, path=path, hint=hint, wanted=(), parts={})


def _outdented(strays: RemainingDeviations) -> None:
    """Find lines that are next to the key that they belong under, which therefore has no value.

    Of the misplaced lines that follow the key, the first is reported.
    """
    wrong = {finding.path for finding in strays.findings if finding.code in (Code.UNKNOWN_KEY, Code.WRONG_TYPE)}
    unknown = [finding.path for finding in strays.findings if finding.code is Code.UNKNOWN_KEY]
    empty = [finding for finding in strays.findings if finding.type == "object" and finding.path]
    place = strays.document.mark
    for finding in sorted(empty, key=lambda each: len(each.path)):
        *parents, name = finding.path
        above = tuple(parents)
        mapping = strays.document.entries(above)
        if finding.path in strays.gone or name not in mapping or mapping[str(name)][1].value is not None:
            continue
        below: list[DataPath] = []
        for other in list(mapping)[list(mapping).index(str(name)) + 1 :]:
            if (*above, other) not in wrong or mapping[other][1].value is None:
                break
            below.append((*above, other))
        if not below:  # further out
            line = place(finding.path, key=True).line + 1
            below = [each for each in unknown if place(each, key=True).line == line][:1]
        if below:
            hint = f"indent it, if it belongs to `{name}`"
            strays.findings = [
                replace(each, hint=hint, wanted=()) if each.path == below[0] else each
                for each in strays.findings
                if each.path != finding.path and each.path not in below[1:]
                if each.path != below[0] or each.code is not Code.BAD_NAME
            ]
            strays.gone.update((finding.path, *below[1:]))


def _of_another_kind(strays: RemainingDeviations) -> None:
    """Find keys that belong to another kind of step: a step's name is missing, or the kind is wrong."""
    for name, step in _steps(strays.document):
        path: DataPath = ("steps", name)
        kind = step.get("kind", DEFAULT_KIND)
        foreign = [each for each in strays.findings if each.code is Code.UNKNOWN_KEY and each.path[:-1] == path]
        foreign = [each for each in foreign if each.path[-1] in all_keys()]
        lacking = [each for each in strays.findings if each.code is Code.MISSING_KEY and each.path == path]
        clashing = [each for each in strays.findings if each.code is Code.CONFLICT and each.path == path]
        if strays.document.node(path).unread:  # a duplicate key: two steps were read as one
            unknown = [each for each in strays.findings if each.code is Code.UNKNOWN_KEY and each.path[:-1] == path]
            empty = [each for each in unknown if strays.document.entries(path)[str(each.path[-1])][1].value is None]
            strays.leave_out([*foreign, *lacking, *empty, *clashing])
            strays.gone.update(each.path for each in (*foreign, *empty, *clashing))
            if foreign or empty or clashing:
                strays.headless.add(("steps",))
            continue
        if not isinstance(kind, str) or not foreign or len(foreign) + len(lacking) == 1:
            continue
        kinds = [each for each in own_keys() if all(told.path[-1] in keys_of(each) for told in foreign)]
        kinds = kinds or kinds_with(str(foreign[0].path[-1]))
        listed, last = listing(str(each.path[-1]) for each in foreign), foreign[0]
        meant = " or ".join(f"`{each}`" for each in kinds)
        pronoun = "them" if len(foreign) > 1 else "it"
        hint = f"set `kind` to {meant}, or write {pronoun} under the name of another step"
        keys = "keys" if len(foreign) > 1 else "key"
        message = f"unknown {keys} {listed} in step `{name}` of kind `{kind}`"
        strays.leave_out([*foreign, *lacking])
        strays.findings.append(replace(last, message=message, hint=hint, wanted=(), parts={}))
        strays.gone.update(each.path for each in foreign[1:])
        if lacking:
            strays.broken.add(path)
        else:
            strays.headless.add(("steps",))


def _elsewhere(strays: RemainingDeviations) -> None:
    """Find keys that are missing in one mapping and unknown in another."""
    stray = [each for each in strays.findings if each.code is Code.UNKNOWN_KEY or _is_no_model(each)]
    unknown = {each.path[-1] for each in stray if each.path}
    unknown |= {key for each in stray if len(each.path) == _WHERE for key in strays.document.entries(each.path)}
    for finding in [each for each in strays.findings if each.is_alone]:
        there = (*finding.path[:-1], finding.wanted[0])
        if strays.below(there):  # it is next to the mapping that it belongs to
            first, *others = strays.below(there)
            strays.leave_out([finding, first, *others])
            hint = f"indent it, if it belongs to `{finding.path[-1]}`"
            message = first.message if first.path == there else f"`{there[-1]}` is next to `{finding.path[-1]}`"
            strays.findings.append(_stray(first, there, message, hint))
            strays.gone.update(each.path for each in others if each.path != there)
            strays.broken.add(finding.path)
    for finding in [each for each in strays.findings if each.code is Code.MISSING_KEY]:
        found = unknown & {*finding.wanted, *finding.instead}
        if found:
            strays.leave_out([finding])
            strays.broken.update((*finding.path, key) for key in finding.wanted)


def _is_no_model(finding: Deviation) -> bool:
    return finding.code is Code.WRONG_TYPE and finding.path[:1] == ("models",) and len(finding.path) == _WHERE


def _none_known(strays: RemainingDeviations) -> None:
    """Find mappings in which no key is known or similar to a known one, and report their keys as one."""
    lots: dict[DataPath, list[Deviation]] = {}
    for finding in strays.findings:
        if finding.code is Code.UNKNOWN_KEY and len(finding.path) > 1:
            lots.setdefault(finding.path[:-1], []).append(finding)
    for path, lot in lots.items():
        names = [str(each.path[-1]) for each in lot]
        is_whole = set(names) >= strays.document.entries(path).keys() and 1 < len(names) <= _MOST
        if is_whole and all(is_vague(each) and nearest(str(each.path[-1]), each.wanted) is None for each in lot):
            first, wanted = lot[0], lot[0].wanted
            message = f"{listing(names)} are not keys of {first.message.partition(' in ')[2]}"
            strays.leave_out(lot)
            strays.findings.append(replace(first, message=message, wanted=(), parts={}, called=None))
            strays.broken.update((*path, name) for name in wanted)
            strays.gone.update(each.path for each in lot[1:])


def is_vague(finding: Deviation) -> bool:
    """Check whether the hint for an unknown key is generic."""
    return finding.hint is None or finding.hint.startswith(("known keys", "remove it"))


def _swallowed(strays: RemainingDeviations) -> None:
    """Find plain scalars that absorbed the lines of other keys: their content is unusable."""
    text = strays.document.source.text
    lacking = {each.path for each in strays.findings if each.code is Code.MISSING_KEY}
    lacking |= {each.path[:-1] for each in strays.findings if each.is_empty}
    for path in lacking:
        for name, (_, node) in strays.document.entries(path).items():
            written = text[node.start : node.end]
            is_long = node.kind == "scalar" and not node.style and "\n" in written
            if path and is_long and ("{{" in written or any(f"{key}:" in written for key in all_keys())):
                strays.gone.add((*path, name))


def _steps(document: Document) -> list[tuple[str, dict[str, Any]]]:
    steps = document.data.get("steps")
    return [(name, step) for name, step in (steps if isinstance(steps, dict) else {}).items() if isinstance(step, dict)]
