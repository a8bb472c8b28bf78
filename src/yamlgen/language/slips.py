"""Slips: what a step says that is right by the letter, and is hardly what was meant. All of these are warnings.

Owns what can be seen of a step once everything is read: a text that holds another tool's placeholder, or a comment that
swallows what was to be sent; a prompt that is the path of a file; requests that are the same for each row; a question
about null that is asked in vain. Each names the idiom that says it was meant.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from jinja2.exceptions import TemplateSyntaxError

from yamlgen.errors import Code, Diagnostic, Mark
from yamlgen.language.draft import Draft
from yamlgen.language.expressions.expression import shown
from yamlgen.language.expressions.template import reader
from yamlgen.language.expressions.views import SchemaView
from yamlgen.language.kinds import Compute, Generate
from yamlgen.language.parts import Settings
from yamlgen.language.scopes import Scopes, StepReading
from yamlgen.language.skipping import named, read_always
from yamlgen.language.texts import Passage
from yamlgen.language.words import listing, nearest
from yamlgen.ports import Columns

MANY: Final = 20
"""From more rows than these on, requests that are the same for each of them are hardly meant."""

_UNREAD: Final = frozenset(
    {Code.TEMPLATE_SYNTAX, Code.UNKNOWN_NAME, Code.UNKNOWN_PARAM, Code.UNKNOWN_STEP, Code.UNKNOWN_COLUMN}
)
"""What is told of a template of which it is not known then what it was to read."""

_SENT: Final = ("system", "user", "assistant")
_TEXTS: Final = (*_SENT, "message")
_PLACEHOLDER: Final = re.compile(r"(?:\$|(?<![\w\\\]^{]))\{\s*(?:(row|params|steps)\.)?([^\W\d]\w*)\s*\}(?!\})")
_PLAIN: Final = re.compile(r"[A-Za-z0-9_./-]+")
_LONGEST_PATH: Final = 250


@dataclass(frozen=True)
class Slips:
    """Looks at the steps of one pipeline, all of which are read.

    Args:
        draft: the file.
        columns: what is known of the input's columns; `None` when nothing is.
        scopes: the types of the steps, and which may be null.
        steps: the steps, by name.
    """

    draft: Draft
    columns: Columns | None
    scopes: Scopes
    steps: Mapping[str, StepReading]

    def of(self, read: StepReading) -> Iterator[Diagnostic]:
        """The slips of one step."""
        for passage, reading in read.of(*_TEXTS):
            if not any(finding.code is Code.TEMPLATE_SYNTAX for finding in reading.findings):
                yield from _comments(passage)
        told = [slip for passage, _ in read.of(*_SENT) for slip in self._named_file(passage)]
        broken = any(path[:2] == ("steps", read.name) for path in self.draft.broken)
        unread = any(finding.code in _UNREAD for _, each in read.passages for finding in each.findings)
        if broken or unread or self.draft.is_broken("steps", read.name):
            yield from told
            return
        yield from self._axes(read)
        yield from self._questions(read)
        yield from self._asked_in_vain(read)
        yield from self._late(read)
        told += self._placeholders(read)
        yield from told
        yield from self._equal(read) if not told else ()

    def _axes(self, read: StepReading) -> Iterator[Diagnostic]:
        """A value of a matrix that no template asks for makes equal requests."""
        if any(reading.findings for _, reading in read.passages):
            return  # what they ask for is not known
        used = {axis for _, reading in read.passages for axis in reading.uses.axes} | {"model"}
        for axis in (read.step.matrix or {}) if isinstance(read.step, Generate) else ():
            if nearest(axis, ["model"]) and not self.draft.pipeline.model and getattr(read.step, "model", None) is None:
                continue  # that the step names no model was told
            if axis not in used and axis not in Settings.model_fields:
                mark = self.draft.document.mark(("steps", read.name, "matrix", axis), key=True)
                hint = f"say `{{{{ matrix.{axis} }}}}` where it matters; `samples` asks the same several times"
                yield _slip(Code.BAD_MATRIX, f"no template asks for `matrix.{axis}`", mark, hint)

    def _questions(self, read: StepReading) -> Iterator[Diagnostic]:
        """A step that asks whether another is null has to ask in its `when`: otherwise it is skipped with it."""
        if any(reading.findings for _, reading in read.of("when")):
            return  # what it asks about is not known
        unasked = (read.needs - read.asks) & self.scopes.nulls.keys()
        found: list[str] = []
        for need in sorted(unasked):
            is_list = (
                "array" in SchemaView.of(self.scopes.types[need], need).types()
            )  # it may ask whether that is empty
            if not is_list and any(("steps", need) in reading.uses.nulls for _, reading in read.passages):
                found.append(need)
        if found:
            passage = next(each for each, reading in read.passages if ("steps", found[0]) in reading.uses.nulls)
            named, one = listing(f"steps.{need}" for need in found), "it" if len(found) == 1 else "one"
            verb = "is" if len(found) == 1 else "are"
            message = f"{named} {verb} never null here: where {one} is, step `{read.name}` is skipped too"
            also = {name for need in found for name in unasked & self._skipped_with(need) & _always(read)} - {*found}
            asked = " and ".join(f"steps.{name} is defined" for name in (*found, *sorted(also)))
            yield _slip(
                Code.MAY_BE_NULL, message, _mark_of(passage, found[0]), f"`when: {asked}` has it done all the same"
            )

    def _asked_in_vain(self, read: StepReading) -> Iterator[Diagnostic]:
        """`when: steps.a is defined` does not help where the step reads what `a` is skipped with."""
        if not any(reading.holds for _, reading in read.of("when")):
            return
        filled = _filled(read)
        for need in sorted((read.needs - read.asks) & self.scopes.nulls.keys() & _always(read)):
            asked = next((name for name in sorted(read.asks) if need in self._skipped_with(name)), None)
            passage = next((each for each in filled if need in _named(each)), None)
            if asked is not None and passage is not None:
                message = f"`steps.{need}` is read whatever `steps.{asked}` is, and both are skipped together"
                hint = f"step `{read.name}` is done all the same with `when: {_when(read)} and steps.{need} is defined`"
                yield _slip(Code.MAY_BE_NULL, message, _mark_of(passage, need), hint)

    def _skipped_with(self, name: str) -> frozenset[str]:
        """The steps that may be null and that a step is skipped with, those behind others included."""
        found: set[str] = set()
        waiting = [name]
        while waiting:
            step = self.steps.get(waiting.pop())
            for need in ((step.needs - step.asks) & self.scopes.nulls.keys()) - found if step is not None else ():
                found.add(need)
                waiting.append(need)
        return frozenset(found)

    def _late(self, read: StepReading) -> Iterator[Diagnostic]:
        """What a check reads in one branch only is read too late: it counts as read before the request."""
        for passage, _ in read.of("check", "message"):
            late = _named(passage) - read_always([(passage.source, passage.is_expression)])
            for need in sorted(late & (read.needs - read.asks) & self.scopes.nulls.keys()):
                message = f"where `steps.{need}` is skipped, step `{read.name}` is too, whatever branch this takes"
                asked = "" if read.step.when is None else f"{_when(read)} and "
                hint = f"`when: {asked}steps.{need} is defined` has it done all the same"
                yield _slip(Code.MAY_BE_NULL, message, _mark_of(passage, need), hint)

    def _placeholders(self, read: StepReading) -> Iterator[Diagnostic]:
        """A placeholder as other tools have it, for what no template of the step reads."""
        columns, params, steps = self._unread(read)
        for passage, _ in read.of(*_TEXTS):
            for start, text in _data(passage.source):
                for match in _PLACEHOLDER.finditer(text):
                    root, name = match[1], match[2]
                    known = {"row": columns, "params": params, "steps": steps}
                    holder = next((each for each in known if root in (None, each) and name in known[each]), None)
                    if holder is None:
                        continue
                    at = start + match.start(), start + match.end()
                    what = {"row": "column", "params": "parameter", "steps": "step"}[holder]
                    message = f"`{match[0]}` is sent as it stands: step `{read.name}` does not read the {what} `{name}`"
                    hint = f"`{{{{ {holder}.{name} }}}}` puts it in; `{{% raw %}}{match[0]}{{% endraw %}}` sends it so"
                    yield _slip(Code.UNFILLED, message, passage.mark(*at), hint)

    def _unread(self, read: StepReading) -> tuple[set[str], set[str], set[str]]:
        """The columns, the parameters and the steps that no template of a step reads."""
        uses = [reading.uses for passage, reading in read.passages if not passage.is_expression]
        columns = set(self.columns.names) if self.columns is not None else set()
        for each in uses:
            columns = set() if each.columns is None else columns - each.columns
        params = set(self.draft.names("params")).difference(*(each.params for each in uses))
        steps = set(self.steps).difference({read.name}, *(each.steps for each in uses))
        return columns, params, steps

    def _named_file(self, passage: Passage) -> Iterator[Diagnostic]:
        """A text that is the path of a file: what stands in it is not sent."""
        text = passage.source.strip()
        path = re.sub(r"^(@|file:(//)?)", "", text)
        if passage.file is not None or len(text) > _LONGEST_PATH or not re.fullmatch(r"[^\n{}]+", path):
            return
        try:
            is_there = self.draft.beside(path)[0].is_file()
        except (OSError, ValueError):
            return
        if is_there:
            key = passage.path[-1]
            written = path if _PLAIN.fullmatch(path) else json.dumps(path, ensure_ascii=False)
            message = f"the text `{shown(text)}` is sent, and not what stands in that file"
            hint = f"`{key}: {{file: {written}}}` sends that; a word more beside it says that its name is meant"
            yield _slip(Code.WRONG_VALUE, message, passage.mark(0, len(passage.source)), hint)

    def _equal(self, read: StepReading) -> Iterator[Diagnostic]:
        """Requests that are the same for each of many rows."""
        step, columns = read.step, self.columns
        if not isinstance(step, Generate) or step.samples is not None or columns is None or columns.least <= MANY:
            return
        filled = [each for each in read.passages if each[0].role not in ("when", "check", "message")]
        if not filled or any(reading.uses.columns != set() for _, reading in filled):
            return
        if any(self._varies(name) for _, reading in filled for name in reading.uses.steps):
            return
        at = next(iter(read.of("user", "assistant", "system")))[0]
        message = f"no template of step `{read.name}` differs by row: each row sends the same request"
        name = columns.names[0]
        column = f"row.{name}" if name.isidentifier() else f"row[{json.dumps(name, ensure_ascii=False)}]"
        hint = f"say `{{{{ {column} }}}}` where it matters; `samples` asks the same several times"
        yield _slip(Code.EQUAL_REQUESTS, message, at.mark(0, len(at.source)), hint)

    def _varies(self, name: str) -> bool:
        """Whether the value of a step may differ by row."""
        read = self.steps.get(name)
        if read is None or not isinstance(read.step, Compute) or self.draft.is_broken("steps", name):
            return True
        return read.columns != frozenset() or any(self._varies(need) for need in read.needs - {name})


def _slip(code: Code, message: str, mark: Mark, hint: str) -> Diagnostic:
    return Diagnostic(code, message, mark, hint, "warning")


def _filled(read: StepReading) -> list[Passage]:
    """What is filled in before anything is asked."""
    return [passage for passage, _ in read.passages if passage.role not in ("when", "check", "message")]


def _always(read: StepReading) -> frozenset[str]:
    """The steps that a step reads in every row."""
    return read_always((passage.source, passage.is_expression) for passage in _filled(read))


def _named(passage: Passage) -> frozenset[str]:
    return named(passage.source, is_expression=passage.is_expression)


def _mark_of(passage: Passage, step: str) -> Mark:
    """The place where a passage names a step."""
    start = max(passage.source.find(f"steps.{step}"), 0)
    return passage.mark(start, start + len(f"steps.{step}"))


def _when(read: StepReading) -> str:
    return shown(read.step.when or "")


def _parts(source: str) -> Iterator[tuple[str, int, str]]:
    """What a template consists of: for each token its kind, its offset and its text; nothing of a broken one."""
    with suppress(TemplateSyntaxError):
        yield from ((kind, at, text) for at, kind, text in reader().lexer.tokeniter(source, None))


def _data(source: str) -> Iterator[tuple[int, str]]:
    """The text that a template sends as it stands, with offsets; what an author has put between `raw` tags aside."""
    is_raw = False
    for kind, at, text in _parts(source):
        is_raw = kind == "raw_begin" or (is_raw and kind != "raw_end")
        if kind == "data" and not is_raw:
            yield at, text


def _comments(passage: Passage) -> Iterator[Diagnostic]:
    """A comment that looks like none: text of another language, which is lost."""
    begun = 0
    for kind, at, text in _parts(passage.source):
        begun = at if kind == "comment_begin" else begun
        end = at + text.find("#}") + 2
        comment = passage.source[begun:end] if kind == "comment_end" else ""
        if comment and not (re.match(r"\{#[\s-]", comment) and re.search(r"[\s-]#\}$", comment)):
            message = f"`{shown(comment)}` is a comment to Jinja: it is not sent"
            hint = "put it between `{% raw %}` and `{% endraw %}` to send it; a comment has spaces: `{# so #}`"
            yield _slip(Code.LOST_TEXT, message, passage.mark(begun, end), hint)
