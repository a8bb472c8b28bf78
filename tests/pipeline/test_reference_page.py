"""The reference page: it is the one of the models, its links lead somewhere, and all that it shows is so."""

import json
import re
import sys

import pytest
import yaml

from yamlgen.pipeline import pipeline_model
from yamlgen.pipeline.reference_page import ROW, _link, committed, generate
from yamlgen.steps import config_fields, step_config
from yamlgen.steps.generate.config import MessagesFrom
from yamlgen.steps.step_kinds import KINDS

PAGE = committed()
BLOCK = re.compile(r"^(?:`([\w./-]+)`:\n\n)?```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
"""A fenced block, with the name of the file that it is, where one stands before it."""

BLOCKS = [match.groups() for match in BLOCK.finditer(PAGE)]
FILES = {name: text for name, _, text in BLOCKS if name}
EXAMPLES = [text for name, pipeline_model, text in BLOCKS if pipeline_model == "yaml" and not name]
BARE = re.sub(r"^```.*?^```$", "", PAGE, flags=re.DOTALL | re.MULTILINE)
"""The page without its blocks."""


def steps_of(text):
    """What an example is called in the list of tests: by its steps."""
    return "+".join(yaml.safe_load(text)["steps"])


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with the files that the page shows, in which the test stands."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def example(folder):
    """Write an example as a whole file: what it leaves out is what the top of the page says."""

    def write(text):
        whole = {"version": 1, "input": {"rows": [ROW]}, "output": {"path": "out.jsonl"}}
        given = yaml.safe_load(text)
        left_out = {key: value for key, value in whole.items() if key not in given}
        if "outputs" in given:
            left_out.pop("output", None)
        path = folder / "example.yaml"
        path.write_text(f"{yaml.safe_dump(left_out) if left_out else ''}{text}", encoding="utf-8")
        return path

    return write


def test_the_page_is_the_one_of_the_models():
    """The committed page is what the models generate."""
    assert generate() == PAGE, "run `python -m yamlgen.pipeline.reference_page`"


@pytest.mark.parametrize("text", EXAMPLES, ids=steps_of)
def test_an_example_is_right(text, example, call):
    """Each example validates without an error or a warning."""
    told = call("validate", example(text), "--output-format", "json")
    assert (told.code, json.loads(told.out)["diagnostics"]) == (0, [])


@pytest.mark.parametrize("text", EXAMPLES, ids=steps_of)
def test_an_example_runs(text, example, call):
    """Each example runs on the simulator, for all of its rows, and no item of it fails."""
    told = call("run", example(text), "--simulate", "--yes", "--output-format", "json")
    assert told.code == 0, told.err
    report = json.loads(told.out)
    assert report["rows"]["finished"] == report["rows"]["input"] >= 1
    assert report["failed_items"] == []


def test_the_example_of_nesting_has_the_shape_that_is_shown(example, call):
    """The value that `steps` shows is nested as the example's own is."""
    (shown,) = [json.loads(text) for name, language, text in BLOCKS if language == "json" and not name]
    path = example(next(text for text in EXAMPLES if "picked:" in text))
    assert call("run", path, "--simulate", "-q", "-o", "rows.json").code == 0
    (row,) = json.loads((path.parent / "rows.json").read_text(encoding="utf-8"))
    assert shape(row["answers"][0]) == shape(shown[0])
    assert row["picked"] == {"first_dry": row["answers"][0][0]["output"][0], "tones": ["dry", "warm"]}


def shape(value):
    """A value with each text that is no label left out."""
    if isinstance(value, list):
        return [shape(item) for item in value]
    return {key: shape(each) for key, each in value.items()} if isinstance(value, dict) else type(value)


def test_every_link_leads_to_a_heading():
    """No link within the page leads nowhere, and no two headings share an address."""
    headings = [re.search(r"\(#(.*)\)", _link(title))[1] for title in re.findall(r"^#+ (.*)$", BARE, re.MULTILINE)]
    assert len(set(headings)) == len(headings)
    assert set(re.findall(r"\]\(#(.*?)\)", BARE)) <= set(headings)


def test_every_key_of_the_language_is_in_a_table():
    """Each field of each model has a row, and nothing is left without a meaning."""
    rows = re.findall(r"^\| (?:\[`(\w+)`\]\(.*?\)|`(\w+)`) \| (.+?) \| (.*?) ?\| (.+?) \|$", BARE, re.MULTILINE)
    told = {linked or plain for linked, plain, *_ in rows}
    rooms = [
        config_fields,
        step_config,
        pipeline_model,
        *(sys.modules[each.__module__] for each in KINDS.values()),
    ]
    classes = [each for room in rooms for each in vars(room).values() if isinstance(each, type)]
    inline = {
        config_fields.Thinking,
        config_fields.Metadata,
        config_fields.FromVariable,
        MessagesFrom,
    }  # which stand where they are used
    for model in classes:
        if issubclass(model, config_fields.FrozenModel) and model not in inline:
            assert {each.alias or name for name, each in model.model_fields.items()} <= told


def test_no_table_breaks():
    """Each line of a table has as many cells as the one above it."""
    for table in re.findall(r"(?:^\|.*\|\n)+", BARE, re.MULTILINE):
        counts = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert len(counts) == 1, table


def test_an_expression_is_called_one():
    """A text that is an expression is no mere text in the tables."""
    row = re.search(r"^\| \[`when`\].*$", PAGE, re.MULTILINE)[0]
    assert row.startswith("| [`when`](#when) | expression |")
