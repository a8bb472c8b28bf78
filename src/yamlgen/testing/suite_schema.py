"""The JSON Schema of test files: generated from their models, shipped as `test.schema.json`.

A test fails if the file differs from the models; `python -m yamlgen.testing.suite_schema` rewrites it.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from yamlgen.pipeline.json_schema import as_text, schema_of

FILE_NAME = "test.schema.json"


def committed() -> str:
    """Return the committed text of the schema."""
    return files("yamlgen.testing").joinpath(FILE_NAME).read_text(encoding="utf-8")


def generate() -> str:
    """Return the text of the schema, generated from the models."""
    from yamlgen.testing.suite_config import TestSuiteModel  # noqa: PLC0415 - pydantic loads only where it is needed

    return as_text(schema_of(TestSuiteModel))


if __name__ == "__main__":
    Path(__file__).with_name(FILE_NAME).write_text(generate(), encoding="utf-8")
