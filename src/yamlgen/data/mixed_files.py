"""The files of one input must be alike: in one format, and with the same columns if their headers name them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NoReturn

from yamlgen.data.input_file import InputFile
from yamlgen.errors import Code, UsageError
from yamlgen.schemas.type_words import spoken
from yamlgen.schemas.types import Type, union
from yamlgen.suggestions import listing
from yamlgen.value_objects import JSON

_NULL: Final = {"null"}


def refuse_mixed(files: Sequence[InputFile], whose: str = "the input") -> Mapping[str, JSON] | None:
    """Check that the files of an input, or of a table of its query, are alike.

    Returns:
        The columns that their headers name, each with a schema that is true in all files; `None` without headers.

    Raises:
        UsageError: two files differ in their format, or in the names or types of their columns.
        EnvironmentProblem: a file is missing or cannot be read.
    """
    first, *others = files
    known = first.columns()
    for file in others:
        if file.kind().name != first.kind().name:
            hint = "choose files of one format with the pattern, such as `*.csv`, or set `format`"
            fact = f"{file.name()} is {file.kind().name}, but {first.name()} is {first.kind().name}"
            raise UsageError(f"the files of {whose} have different formats: {fact}", code=Code.BAD_INPUT, hint=hint)
        if known is not None:
            known = _agreed(first, known, file, file.columns() or {}, whose)
    return known


def _agreed(
    first: InputFile, known: Mapping[str, JSON], file: InputFile, columns: Mapping[str, JSON], whose: str
) -> Mapping[str, JSON]:
    if known == columns:
        return known
    more, fewer = listing(sorted(columns.keys() - known.keys()), 8), listing(sorted(known.keys() - columns.keys()), 8)
    if more or fewer:
        has = " and ".join(filter(None, [more and f"has {more}", fewer and f"lacks {fewer}"]))
        _refuse(f"{file.name()} {has}, unlike {first.name()}", whose)
    for name, schema in known.items():
        ours, theirs = _kinds(schema), _kinds(columns[name])
        if ours and theirs and ours != theirs:
            fact = f"`{name}` is {spoken(theirs)} in {file.name()}, but {spoken(ours)} in {first.name()}"
            _refuse(fact, whose)
    return {name: union([Type(schema), Type(columns[name])]).schema for name, schema in known.items()}


def _kinds(schema: JSON) -> set[str]:
    """Return the types that a column may have, without null; empty if they are unknown, or if all values are null."""
    kinds = schema.get("type", ())
    return {kinds} - _NULL if isinstance(kinds, str) else set(kinds) - _NULL


def _refuse(fact: str, whose: str) -> NoReturn:
    hint = "rename or convert the columns, or choose files that are alike with the pattern"
    raise UsageError(f"the files of {whose} have different columns: {fact}", code=Code.BAD_INPUT, hint=hint)
