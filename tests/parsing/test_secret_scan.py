"""A key in a pipeline is found wherever it stands, and said nowhere."""

import json

import pytest

from yamlgen.api.loading import check
from yamlgen.errors import Code
from yamlgen.parsing.secret_scan import covered

KEY = "sk-ant-api03-Zm9vYmFy_quux-12345"
PIPELINE = """version: 1
params: {language: {type: string, default: English}}
models: {writer: {id: claude-haiku-5-5}}
input: {rows: [{name: Oslo}]}
steps:
  draft: {model: writer, prompt: Hello}
output: {path: out.jsonl}
"""


def holders():
    """Pipelines that hold a key, each by where it stands."""
    yield "a comment", f"{PIPELINE}# {KEY}\n"
    yield "a value", f"{PIPELINE}name: {KEY}\n"
    yield "a quoted value", f'{PIPELINE}description: "use {KEY}"\n'
    yield "a key", f"{PIPELINE}{KEY}: 1\n"
    yield "a free key", f"{PIPELINE}x-{KEY}: 1\n"
    yield "a key twice", f"{PIPELINE}{KEY}: 1\n{KEY}: 2\n"
    yield "a param", PIPELINE.replace("params: {language", f"params: {{{KEY}")
    yield "a step", PIPELINE.replace("draft:", f"{KEY}:")
    yield "an alias of a model", PIPELINE.replace("model: writer", f"model: {KEY}")
    yield "an enum", PIPELINE.replace("prompt: Hello", f"prompt: Hello, effort: {KEY}")
    yield "a prompt", PIPELINE.replace("Hello", f'"Hello {KEY} {{{{ row.{KEY} }}}}"')
    yield "a tag", PIPELINE.replace("Hello", f"!{KEY} Hello")
    yield "an unknown anchor", PIPELINE.replace("Hello", f"*{KEY}")
    yield "a key beside a syntax error", f"{PIPELINE}name: [{KEY}\n"
    yield "a key in place of the file", KEY
    yield "a reference", PIPELINE.replace("Hello", f'Hello, output: {{schema: {{$ref: "{KEY}.json"}}}}')
    yield "a path", PIPELINE.replace("out.jsonl", KEY)
    yield "an api_key", f"{PIPELINE}runtime: {{api_key: {KEY}}}\n"
    yield "an api_key of another shape", f"{PIPELINE}runtime: {{api_key: {KEY.removeprefix('sk-ant-')}}}\n"


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in holders()])
def test_a_key_is_an_error_that_does_not_repeat_it(tmp_path, monkeypatch, text):
    """Wherever a key stands the file is refused, and no message holds the key."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pipeline.yaml").write_text(text)
    pipeline, found = check("pipeline.yaml")
    assert pipeline is None
    said = json.dumps([d.as_json() for d in found]) + repr(found)
    assert "Zm9vYmFy" not in said


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in holders()])
def test_a_key_is_called_a_key(tmp_path, text):
    """The key is named as what it is, in a file that is no YAML too."""
    path = tmp_path / "pipeline.yaml"
    path.write_text(text)
    assert Code.SECRET in [d.code for d in check(path)[1]]


@pytest.mark.parametrize("name", ["prompt.md", "schema.json"])
def test_a_key_in_another_file_is_found(tmp_path, name):
    """The files of prompts and schemas are part of the pipeline."""
    use = "{file: prompt.md}" if name == "prompt.md" else "Hello, output: {schema: schema.json}"
    (tmp_path / "pipeline.yaml").write_text(PIPELINE.replace("Hello", use))
    (tmp_path / name).write_text(json.dumps({"description": f"Use {KEY}"}))
    _, (found,) = check(tmp_path / "pipeline.yaml")
    assert found.code is Code.SECRET
    assert found.mark.file.endswith(name)
    assert "Zm9vYmFy" not in repr(found)


def test_a_key_as_a_parameter_is_refused(tmp_path):
    """A value of the command line goes into prompts and records as well."""
    path = tmp_path / "pipeline.yaml"
    path.write_text(PIPELINE)
    _, (found,) = check(path, params={"language": KEY})
    assert found.code is Code.SECRET
    assert "Zm9vYmFy" not in repr(found)


def test_the_name_of_a_variable_is_no_key(tmp_path):
    """`api_key_env` is the right way."""
    path = tmp_path / "pipeline.yaml"
    path.write_text(f"{PIPELINE}runtime: {{api_key_env: MY_KEY}}\n")
    assert check(path)[1] == ()


@pytest.mark.parametrize("key", ["aB3dE6gH9jK2mN5pQ8rS1", "gw_aB3dE6gH9jK2mN5pQ8rS1", "aB3dE6gH9jK2mN5pQ8rS1_x"])
def test_a_key_in_place_of_a_variable_is_found(tmp_path, key):
    """Keys of gateways begin with a few letters and `_`."""
    path = tmp_path / "pipeline.yaml"
    path.write_text(f"{PIPELINE}runtime: {{api_key_env: {key}}}\n")
    (found,) = check(path)[1]
    assert found.code is Code.SECRET
    assert key not in repr(found)


@pytest.mark.parametrize(("value", "is_hidden"), [("false", False), ("no", False), ("x-key-of-mine", True)])
def test_the_header_of_a_table_is_no_key(value, is_hidden):
    """`header: false` is shown as written, while headers of requests may contain a key."""
    text = PIPELINE.replace("rows: [{name: Oslo}]", f"path: r.csv, header: {value}")
    assert (value in covered(text)) != is_hidden
