"""Keys never stand in a pipeline: where one does it is found, told once, and never repeated.

Owns the look for API keys in every text of a pipeline (its file, prompts, schemas, comments included), and the rule
that no diagnostic holds one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

from yamlgen.errors import Code, Diagnostic, Mark, redact
from yamlgen.language.document import Text

_SECRET: Final = re.compile(r"sk-ant-[A-Za-z0-9_\-]{4,}")


def find_secrets(text: Text) -> Iterator[Diagnostic]:
    """Every API key in a text, comments included, without repeating it."""
    hint = "remove it, revoke it, and name the environment variable that holds the new one under `api_key_env`"
    for match in _SECRET.finditer(text.text):
        yield Diagnostic(Code.SECRET, "an API key stands here", text.mark(*match.span()), hint)


def without_secrets(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """The diagnostics, redacted; a key that stands where it cannot stand is one mistake, and a secret first."""
    told = list(dict.fromkeys(diagnostics))
    secrets = [d for d in told if d.code is Code.SECRET]
    kept = []
    for diagnostic in told:
        around = [d for d in secrets if d is not diagnostic and _holds(diagnostic.mark, d.mark)]
        is_found = diagnostic.code is Code.SECRET and "stands here" in diagnostic.message
        if not any(is_found or _holds(d.mark, diagnostic.mark) for d in around):
            hint = None if diagnostic.hint is None else redact(diagnostic.hint)
            mark = replace(diagnostic.mark, file=redact(diagnostic.mark.file))
            kept.append(replace(diagnostic, message=redact(diagnostic.message), mark=mark, hint=hint))
    return kept


def _holds(mark: Mark, other: Mark) -> bool:
    same = mark.file == other.file and mark.line == other.line
    return same and mark.column < other.end_column and other.column < mark.end_column
