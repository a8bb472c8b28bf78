"""`--set path=value`: a scalar of the file, replaced before the file is checked."""

import pytest

from yamlgen.api.loading import check, load
from yamlgen.errors import Code
from yamlgen.option_names import cli_option_names

PIPELINE = """version: 1
models:
  writer: &writer {id: claude-haiku-5-5, max_tokens: 100}
  other: *writer
input: {rows: [{name: Oslo}, {name: Bergen}]}
steps:
  draft: {model: writer, prompt: Hello}
output: {path: out.jsonl}
"""


@pytest.fixture
def path(tmp_path):
    """A small pipeline."""
    file = tmp_path / "pipeline.yaml"
    file.write_text(PIPELINE)
    return file


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("models.writer.id", "claude-sonnet-5-5", "claude-sonnet-5-5"),
        ("models.writer.max_tokens", "7", 7),
        ("models.writer.effort", "low", "low"),
        ("input.rows.1.name", "no", "no"),
        ("name", '"12"', "12"),
        ("runtime.concurrency", "5", 5),
    ],
)
def test_a_value_is_set_and_read_as_yaml(path, name, text, value):
    """A key that stands there is replaced, one that does not is added."""
    data = load(path, overrides={name: text}).parsed.document.data
    for part in name.split("."):
        data = data[int(part) if isinstance(data, list) else part]
    assert data == value


def test_an_override_leaves_what_shares_the_anchor(path):
    """One use of an anchor is changed, not the anchor."""
    data = load(path, overrides={"models.other.max_tokens": "7"}).parsed.document.data
    assert data["models"]["writer"]["max_tokens"] == 100
    assert data["models"]["other"]["max_tokens"] == 7


def test_the_file_is_not_written(path):
    """Overrides live in memory."""
    load(path, overrides={"name": "x"})
    assert path.read_text() == PIPELINE


def test_overrides_are_applied_in_their_order(path):
    """A later one sees what an earlier one made."""
    overrides = {"input.rows": "[{city: Rome}]", "input.rows.0.city": "Oslo"}
    assert load(path, overrides=overrides).parsed.document.data["input"]["rows"] == [{"city": "Oslo"}]


@pytest.mark.parametrize(
    ("name", "text", "code"),
    [
        ("models.writer.id", "", Code.BAD_OVERRIDE),
        ("models.writer.id", "[", Code.BAD_OVERRIDE),
        ("models.writer.id", "a: b: c", Code.BAD_OVERRIDE),
        ("models.writer.id", "*alias", Code.BAD_OVERRIDE),
        ("models.writer.id", "!!python/object x", Code.BAD_OVERRIDE),
        ("models.writer.id", ".nan", Code.BAD_OVERRIDE),
        ("models..id", "x", Code.BAD_OVERRIDE),
        ("", "x", Code.BAD_OVERRIDE),
        ("version.major", "1", Code.BAD_OVERRIDE),
        ("input.rows.2.name", "x", Code.BAD_OVERRIDE),
        ("input.rows.first.name", "x", Code.BAD_OVERRIDE),
        ("models.writer.max_tokens", "many", Code.WRONG_TYPE),
        ("models.writer.banana", "1", Code.UNKNOWN_KEY),
        ("steps.draft.prompt", '"{{ row.nme }}"', Code.UNKNOWN_COLUMN),
        ("models.writer.id", "sk-ant-api03-abcdefgh", Code.SECRET),
        ("runtime.base_url", "https://gateway.example/v1?team=blue", Code.WRONG_VALUE),
        ("runtime.base_url", "'https://gateway.example#blue'", Code.WRONG_VALUE),
    ],
)
def test_a_bad_override_is_one_error_at_the_option(path, name, text, code):
    """What is wrong is shown in what was called, not in the file."""
    with cli_option_names():
        _, found = check(path, overrides={name: text})
    assert [d.code for d in found] == [code]
    assert found[0].mark.file.startswith("--set ")
    assert "abcdefgh" not in repr(found)


@pytest.mark.parametrize(
    ("given", "left"),
    [
        ("other.csv", {"delimiter": ";", "encoding": "latin-1", "json_columns": ["tags"]}),
        ("other.tsv.gz", {"delimiter": ";", "encoding": "latin-1", "json_columns": ["tags"]}),
        ("other.jsonl", {"encoding": "latin-1"}),
        ("-", {"encoding": "latin-1"}),
    ],
)
def test_another_input_keeps_the_options_that_its_format_has(path, given, left):
    """Options of a CSV file do not make JSON lines an error."""
    options = '{path: r.csv, delimiter: ";", encoding: latin-1, json_columns: [tags]}'
    path.write_text(PIPELINE.replace("{rows: [{name: Oslo}, {name: Bergen}]}", options))
    written = load(path, input=given).parsed.document.data["input"]
    assert {key: value for key, value in written.items() if key != "path"} == left
