"""Checks of the draws of a step against each other and against their columns, and their compilation into rules.

Owns every mistake that a `draw` step can have apart from its shape, each reported once; `sampling` owns the drawing.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final, TypeAlias

from yamlgen.decimal_fractions import grid
from yamlgen.errors import Code, YamlgenError
from yamlgen.parsing.source_map import DataPath, Issue
from yamlgen.steps.draw.rules import DrawRule
from yamlgen.steps.draw.sampling import (
    Choices,
    ColumnValues,
    ConditionalDraw,
    Dates,
    Integers,
    Numbers,
    Rule,
    distinct_key,
    ends_of,
    values_of,
)
from yamlgen.suggestions import correction, listing, nearest, proposal, suggestion
from yamlgen.value_objects import JSON

Column: TypeAlias = Callable[[str, str], tuple[JSON, ...]]
"""Returns the values (at least one) of a column, by the file's path as written and the name. Raises `YamlgenError`."""

_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def compile_draws(draws: Mapping[str, DrawRule], column: Column) -> tuple[dict[str, Rule], list[Issue]]:
    """Return the valid rules of a step, in order, and the mistakes of the others, with paths under `draws`.

    Args:
        draws: the draws, as written. An empty rule (`DrawRule()`) replaces one whose shape was reported as broken.
        column: reads a column; called once for each column.
    """
    compiler = _DrawCompiler(draws, column)
    for name, rule in draws.items():
        made = compiler.rule(rule, (name,), f"draw `{name}`")
        if made is not None:
            compiler.rules[name] = made
    return compiler.rules, compiler.problems


@dataclass
class _DrawCompiler:
    draws: Mapping[str, DrawRule]
    column: Column
    rules: dict[str, Rule] = field(default_factory=dict)
    problems: list[Issue] = field(default_factory=list)
    columns: dict[tuple[str, str], tuple[JSON, ...] | YamlgenError] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)

    def rule(self, rule: DrawRule, path: DataPath, where: str) -> Rule | None:
        """Return a compiled rule; `None` if it, or a draw that it depends on, is wrong."""
        before = len(self.problems)
        made: Rule | None = None
        if rule.choices is not None:
            made = self.choices(rule.choices, rule.weights, path, where)
        elif rule.integer is not None:
            made = Integers(*rule.integer) if self.in_order("integer", rule.integer, path, where) else None
        elif rule.number is not None:
            made = self.numbers(rule.number, rule.decimals, path, where)
        elif rule.date is not None:
            made = self.dates(rule.date, path, where)
        elif rule.path is not None and rule.column is not None:
            made = self.cells(rule.path, rule.column, path)
        elif rule.given is not None or rule.cases is not None:
            made = self.given(rule, path, where)
        return made if len(self.problems) == before else None

    def add(self, code: Code, message: str, path: DataPath, hint: str, *, key: bool = False) -> None:
        self.problems.append(Issue(code, path, message, hint, is_key=key))

    def in_order(self, word: str, ends: list[Any], path: DataPath, where: str) -> bool:
        """Check that the first of two ends is not above the second."""
        first, last = ends
        if first > last:
            message = f"`{word}` of {where} is in the wrong order: from {first} to {last}"
            self.add(Code.BAD_DRAW, message, (*path, word), f"write `[{last}, {first}]`")
        return bool(first <= last)

    def finite(self, word: str, numbers: list[float], path: DataPath, where: str) -> bool:
        """Check that all of `numbers` are JSON numbers."""
        wrong = [place for place, number in enumerate(numbers) if not math.isfinite(number)]
        for place in wrong:
            message = f"`{word}[{place}]` of {where} is not a JSON number"
            self.add(Code.WRONG_VALUE, message, (*path, word, place), "write a finite number")
        return not wrong

    def choices(self, values: list[JSON], weights: list[float] | None, path: DataPath, where: str) -> Choices | None:
        """Compile `choices`, with or without weights."""
        seen: dict[bytes, int] = {}
        for place, value in enumerate(values):
            at = (*path, "choices", place)
            if not _is_json(value):
                message = f"`choices[{place}]` of {where} contains a number that is not a JSON number"
                self.add(Code.WRONG_VALUE, message, at, "write a finite number, or quote it if it is a string")
            elif weights is None and seen.setdefault(key := distinct_key(value), place) != place:
                message = f"`choices[{place}]` of {where} is the same as `choices[{seen[key]}]`"
                self.add(Code.BAD_DRAW, message, at, "remove it; to make a choice more likely, use `weights`")
        if weights is None:
            return Choices(tuple(values), tuple(range(1, len(values) + 1)))
        at = (*path, "weights")
        if len(weights) != len(values):
            message = f"{where} has {len(weights)} `weights` for {len(values)} `choices`"
            self.add(Code.BAD_DRAW, message, at, "write one weight for each choice, in the same order", key=True)
        elif self.finite("weights", weights, path, where):
            if any(weights):
                return Choices(tuple(values), ends_of(weights))
            message = f"all `weights` of {where} are 0"
            self.add(Code.BAD_DRAW, message, at, "set at least one weight above 0: a choice of weight 0 is never drawn")
        return None

    def numbers(self, ends: list[float], decimals: int | None, path: DataPath, where: str) -> Numbers | None:
        """Compile `number`; with `decimals`, check that the range contains such a number."""
        if not self.finite("number", ends, path, where) or not self.in_order("number", ends, path, where):
            return None
        least, most = ends
        if decimals is not None:
            first, last = grid(least, most, decimals)
            if first > last:
                many = f"{decimals} decimal{'' if decimals == 1 else 's'}"
                message = f"{where} has no number with {many} from {least} to {most}"
                self.add(Code.BAD_DRAW, message, (*path, "decimals"), "allow more decimals, or a wider `number`")
        return Numbers(least, most, decimals)

    def dates(self, ends: list[str], path: DataPath, where: str) -> Dates | None:
        """Compile `date`, and check that both dates exist."""
        days: list[date] = []
        for place, text in enumerate(ends):
            is_formed = _DATE.fullmatch(text) is not None
            try:
                days.append(date.fromisoformat(text if is_formed else ""))
            except ValueError:
                message = f"`date[{place}]` of {where} is not a date: {json.dumps(text, ensure_ascii=False)}"
                hint = "write a day that exists in the calendar" if is_formed else "write it as in `2026-11-30`"
                self.add(Code.WRONG_VALUE, message, (*path, "date", place), hint)
        if len(days) < len(ends) or not self.in_order("date", ends, path, where):
            return None
        return Dates(*days)

    def cells(self, file: str, name: str, path: DataPath) -> ColumnValues | None:
        """Compile a column; a mistake in its file is reported once."""
        if (file, name) not in self.columns:
            try:
                self.columns[file, name] = self.column(file, name)
            except YamlgenError as error:
                self.columns[file, name] = error
        found = self.columns[file, name]
        if not isinstance(found, YamlgenError):
            return ColumnValues(found)
        if found.code in (Code.UNKNOWN_COLUMN, Code.MISSING_FILE) or found.message not in self.told:
            self.told.add(found.message)
            at = (*path, "column" if found.code is Code.UNKNOWN_COLUMN else "path")
            self.problems.append(Issue(found.code, at, found.message, found.hint))
        return None

    def given(self, rule: DrawRule, path: DataPath, where: str) -> ConditionalDraw | None:
        """Compile `given` with its `cases`, and check that they are the values of the earlier draw."""
        earlier = None if rule.given is None else self.earlier(rule.given, path)
        if rule.given and rule.cases and earlier:
            self.cover(rule, rule.given, values_of(earlier), path, where)
        cases: dict[str, Rule] = {}
        for text, case in (rule.cases or {}).items():
            made = self.rule(case, (*path, "cases", text), f"case `{text}` of {where}")
            if made is not None:
                cases[text] = made
        otherwise = None
        if rule.otherwise is not None:
            otherwise = self.rule(rule.otherwise, (*path, "otherwise"), f"`otherwise` of {where}")
        is_whole = len(cases) == len(rule.cases or {}) and (otherwise is None) == (rule.otherwise is None)
        return ConditionalDraw(rule.given, cases, otherwise) if rule.given and cases and earlier and is_whole else None

    def earlier(self, name: str, path: DataPath) -> Rule | None:
        """Return the draw that `given` names; `None` if it does not exist or is wrong."""
        own = str(path[0])
        before = list(self.draws)[: list(self.draws).index(own)]
        at = (*path, "given")
        if name == own:
            self.add(
                Code.BAD_DRAW, f"`given` of draw `{own}` is the draw itself", at, "write the name of a draw above it"
            )
        elif name not in self.draws:
            hint = correction(name, before, "draws above it") or "`given` must be a draw above it, and there is none"
            self.add(Code.UNKNOWN_NAME, f"there is no draw `{name}`", at, hint)
        elif name not in before:
            message = f"`given` of draw `{own}` is `{name}`, which is drawn after it"
            self.add(Code.BAD_DRAW, message, at, f"move `{name}` above `{own}`")
        return self.rules.get(name)

    def cover(self, rule: DrawRule, name: str, values: Mapping[str, bool] | None, path: DataPath, where: str) -> None:
        """Check the cases against the values of the draw `name`, if these are known."""
        cases, at = rule.cases or {}, (*path, "cases")
        if values is None:
            if rule.otherwise is None:
                message = f"{where} needs `otherwise`: `{name}` has more values than its cases can list"
                self.add(Code.BAD_DRAW, message, at, "add `otherwise` next to `cases`", key=True)
            return
        missing = [text for text, is_drawn in values.items() if is_drawn and text not in cases]
        for text in cases:
            if text not in values:
                near = nearest(text, missing)
                if near is not None:
                    missing.remove(near)  # one typing error is one mistake
                hint = suggestion(text, values, "its values") or ""
                if near is not None:
                    hint = proposal(text, near, list(values))
                self.add(Code.BAD_DRAW, f"draw `{name}` is never `{text}`", (*at, text), hint, key=True)
        if missing and rule.otherwise is None:
            message = f"{where} has no case for {listing(missing)} of `{name}`"
            self.add(Code.BAD_DRAW, message, at, "add a case for each, or `otherwise`", key=True)


def _is_json(value: JSON) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        return False
    return True
