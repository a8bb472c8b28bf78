"""The JSON Schema and the reference of test files, and where they are written."""

import json
from pathlib import Path

import jsonschema
import pytest
from written_suites import SUITE, lay_out, read

import yamlgen
from manual_pages import DOCS, blocks
from yamlgen.errors import UsageError
from yamlgen.parsing.source_map import SourceText
from yamlgen.parsing.yaml_parser import compose
from yamlgen.testing import suite_reference, suite_schema
from yamlgen.testing.suite_files import is_test_file


def test_the_schema_is_the_one_of_the_models():
    """The committed JSON Schema is what the models generate."""
    assert suite_schema.committed() == suite_schema.generate(), "run `python -m yamlgen.testing.suite_schema`"


def test_the_reference_is_the_one_of_the_schema():
    """The committed page is what the schema generates."""
    assert suite_reference.committed() == suite_reference.generate(), "run `python -m yamlgen.testing.suite_reference`"


def test_the_schema_accepts_what_is_valid():
    """An editor reports no mistake in a valid file, and one in a case with both kinds of rows."""
    schema, suite = json.loads(suite_schema.committed()), compose(SourceText("", SUITE))[0].data
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(suite, schema)
    suite["cases"][0]["rows"] = {"path": "a.csv"}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(suite, schema)


def test_the_example_of_the_reference_is_valid(tmp_path):
    """The test file of the page, with its pipeline and the files that they name."""
    pipeline, suite = (block.text for block in blocks(DOCS / "test_reference.md", "yaml"))
    path = lay_out(tmp_path, suite, pipeline)
    (tmp_path / "data" / "tickets.csv").write_text("id,text\n1,a\n")
    checked, found = read(path)
    assert (found, len(checked.cases)) == ([], 4)


def test_both_schemas_are_written_into_a_folder(tmp_path):
    """For a file, its name decides which one."""
    yamlgen.schema(write=tmp_path)
    assert (tmp_path / "test.schema.json").read_text("utf-8") == suite_schema.committed()
    (tmp_path / "alone").mkdir()
    yamlgen.schema(write=tmp_path / "alone" / "test.schema.json")
    assert [path.name for path in (tmp_path / "alone").iterdir()] == ["test.schema.json"]
    assert (tmp_path / "alone" / "test.schema.json").read_text("utf-8") == suite_schema.committed()


def test_a_schema_of_tests_does_not_replace_another_file(tmp_path):
    """Then neither of them is written."""
    (tmp_path / "test.schema.json").write_text("{}")
    with pytest.raises(UsageError, match="is not a schema of yamlgen"):
        yamlgen.schema(write=tmp_path)
    assert not (tmp_path / "pipeline.schema.json").exists()


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.test.yaml", True), ("a.test.yml", True), ("test.yaml", False), ("a.yaml", False), ("test.yaml.bak", False)],
)
def test_a_test_file_is_known_by_its_extension(name, expected):
    """A pipeline can be called `test.yaml`."""
    assert is_test_file(Path(name)) is expected
