"""Keys never stand in a pipeline: where one does it is found, told once, and never repeated.

Owns the look for API keys in every text of a pipeline (its file, prompts, schemas, comments included), and the rule
that no diagnostic holds one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from yamlgen.errors import Code, Diagnostic, Mark, redact
from yamlgen.language.document import Text

# Longer than what `redact` hides: a sentence about `sk-ant-` and three letters is no key, and no mistake.
_SECRET: Final = re.compile(r"sk-ant-[A-Za-z0-9_\-]{4,}")


@dataclass(frozen=True, slots=True)
class _Found(Diagnostic):
    """A key that was found in a text, and not by the name of what holds it."""


def find_secrets(text: Text) -> Iterator[Diagnostic]:
    """Every API key in a text, comments included, without repeating it."""
    hint = "remove it, revoke it, and name the environment variable that holds the new one under `api_key_env`"
    for match in _SECRET.finditer(text.text):
        yield _Found(Code.SECRET, "an API key stands here", text.mark(*match.span()), hint)


def without_secrets(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """The diagnostics, redacted; a key that could not stand where it does is one mistake: the secret."""
    told = list(dict.fromkeys(diagnostics))
    found = [d.mark for d in told if isinstance(d, _Found)]
    named = [d.mark for d in told if d.code is Code.SECRET and not isinstance(d, _Found)]
    kept = []
    for diagnostic in told:
        above = named if isinstance(diagnostic, _Found) else found if diagnostic.code is not Code.SECRET else []
        if not any(_covers(mark, diagnostic.mark) for mark in above):
            hint = None if diagnostic.hint is None else redact(diagnostic.hint)
            mark = replace(diagnostic.mark, file=redact(diagnostic.mark.file))
            kept.append(replace(diagnostic, message=redact(diagnostic.message), mark=mark, hint=hint))
    return kept


def _covers(mark: Mark, other: Mark) -> bool:
    """Whether `other` says nothing that `mark` does not, quotes around it aside."""
    same = mark.file == other.file and mark.line == other.line
    return same and mark.column - 1 <= other.column and other.end_column <= mark.end_column + 1
