"""Fixes of diagnostics: a hint that is a `Rewrite` becomes a range of a file and the text that replaces it.

A rewrite becomes a fix only if the file still has the text at the place of the diagnostic, once, and if the place is
not inside an anchor that aliases repeat: what is right for one of the places may be wrong for another.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Final

import yaml

from yamlgen.diagnostics import Diagnostic, Fix, Mark
from yamlgen.errors import Code
from yamlgen.parsing.source_map import SourceText
from yamlgen.parsing.yaml_parser import read
from yamlgen.parsing.yaml_variants import PlaceholderCharacters
from yamlgen.redaction import redact
from yamlgen.suggestions import Rewrite

_QUOTES: Final = ('"', "'")
_NAMES: Final = frozenset(
    {Code.UNKNOWN_STEP, Code.UNKNOWN_PARAM, Code.UNKNOWN_FIELD, Code.UNKNOWN_COLUMN, Code.UNKNOWN_MODEL_ALIAS}
    | {Code.UNKNOWN_ANCHOR, Code.UNKNOWN_FUNCTION, Code.WRONG_ARGUMENT, Code.NEVER_EQUAL, Code.BAD_DRAW}
)
"""The codes about names that an author has chosen."""

_SPECIAL: Final = re.compile(r"""["'\\#\r\n]|:(?:\s|$)""")
"""Finds what has a meaning of its own in a YAML string."""


def with_fixes(diagnostics: Iterable[Diagnostic], file: str, *, certain: bool = True) -> list[Diagnostic]:
    """Return the diagnostics, with a fix where it is certain. Files are read at the paths that the marks show.

    Args:
        diagnostics: the diagnostics.
        file: the file that is checked, as messages show it; it declares most names.
        certain: whether all values are those of the files; otherwise a mistake may be in what replaces them.
    """
    text_of = cache(lambda file: read(Path(file), file)[0])
    repeated = cache(lambda file: _repeated(text_of(file)))
    found: list[Diagnostic] = []
    for told in diagnostics:
        is_possible = told.fix is not None or isinstance(told.hint, Rewrite)
        if told.code is Code.UNKNOWN_COLUMN and told.severity == "warning":  # a later row may have the column
            is_possible = False
        source = text_of(told.mark.file) if is_possible and certain else None
        if source is None:
            found.append(replace(told, fix=None))
            continue
        fix = told.fix or _rewritten(source, told.mark, told.hint)
        if told.code in _NAMES and isinstance(told.hint, Rewrite):
            texts = [each.text for each in map(text_of, {file, told.mark.file}) if each is not None]
            fix = None if _is_usual(told.hint, texts) else fix
        begin, end = source.span(fix.mark if fix else told.mark)
        is_repeated = any(start < end and begin < stop for start, stop in repeated(told.mark.file))
        is_secret = fix is not None and redact(fix.text) != fix.text
        found.append(replace(told, fix=None if is_repeated or is_secret else fix))
    return found


def _rewritten(source: SourceText, mark: Mark, hint: str | None) -> Fix | None:
    """Return the fix for the text at a mark, or `None` if the hint does not rewrite it."""
    if not isinstance(hint, Rewrite):
        return None
    start, end = source.span(mark)
    written = source.text[start:end]
    if hint.is_value:
        is_quoted = len(written) > 1 and written[0] in _QUOTES and written[-1] == written[0]
        bare = written[1:-1] if is_quoted else written
        return Fix(source.exactly(start, end), hint.new) if bare == hint.old else None
    whole = re.compile(rf"(?<![\w-]){re.escape(hint.old)}(?![\w-])")
    at_start = whole.match(source.text, start)  # a mark ends with its line, and may show only where a mistake begins
    places = [at_start] if at_start else list(whole.finditer(source.text, start, end))
    if len(places) != 1 or _SPECIAL.search(hint.new):
        return None
    return Fix(source.exactly(*places[0].span()), hint.new)


def _is_usual(hint: Rewrite, texts: Iterable[str]) -> bool:
    """Check whether the unknown name is written at least as often as the known one, whose declaration may be wrong."""
    whole = "\n".join(texts)
    old, new = (len(re.findall(rf"(?<![\w-]){re.escape(word)}(?![\w-])", whole)) for word in (hint.old, hint.new))
    is_declared = re.search(rf"(?<![\w.-]){re.escape(hint.new)}(?![\w-])", whole)  # otherwise it is in another file
    return old > 1 and old >= new and is_declared is not None


def _repeated(source: SourceText | None) -> list[tuple[int, int]]:
    """Return the ranges of the anchored values of a YAML text that an alias repeats."""
    if source is None or "&" not in source.text or "*" not in source.text:
        return []
    ranges: dict[str, tuple[int, int]] = {}
    aliases: set[str] = set()
    opened: list[tuple[str | None, int]] = []
    with suppress(yaml.YAMLError):
        for event in yaml.parse(PlaceholderCharacters(source.text).text, Loader=yaml.CSafeLoader):
            start, end = event.start_mark.index, event.end_mark.index  # type: ignore[union-attr]  # libyaml gives both
            if isinstance(event, yaml.AliasEvent):
                aliases.add(event.anchor or "")
            elif isinstance(event, yaml.ScalarEvent) and event.anchor:
                ranges[event.anchor] = start, end
            elif isinstance(event, yaml.CollectionStartEvent):
                opened.append((event.anchor, start))
            elif isinstance(event, yaml.CollectionEndEvent):
                anchor, begun = opened.pop()
                ranges |= {} if anchor is None else {anchor: (begun, end)}
    return [ranges[name] for name in aliases if name in ranges]
