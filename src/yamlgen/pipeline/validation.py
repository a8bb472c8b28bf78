"""Validation of a document against the language's JSON Schema.

A valid file, the common case, only passes the fast validator. The repair of another, and the slow validator, whose
errors have the details that messages need, are imported only if there is a mistake.
"""

from __future__ import annotations

from functools import cache

import jsonschema_rs

from yamlgen.parsing.source_map import Document
from yamlgen.pipeline.json_schema import language
from yamlgen.pipeline.validation_result import ValidationResult
from yamlgen.value_objects import JSON


@cache
def _validator() -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(language(), offline=True)


def accepts(data: JSON) -> bool:
    """Check whether `data` validates against the language's JSON Schema."""
    return _validator().is_valid(data)


def check(document: Document, *, is_whole: bool = True) -> ValidationResult:
    """Validate a document against the language.

    Args:
        document: the document.
        is_whole: whether all of it could be parsed.
    """
    if is_whole and accepts(document.data):
        return ValidationResult(document)
    from yamlgen.pipeline.document_repair import repaired  # noqa: PLC0415 - a valid file needs none of it

    return repaired(document, is_whole=is_whole)
