"""The output and the columns that `gold` compares."""

import pytest
from written_suites import PIPELINE, lay_out, read

from yamlgen.testing.gold_columns import gold_output, value_at

OUTPUTS = """\
outputs:
  texts: {path: out/texts.jsonl, columns: {id: row.id, text: row.text}}
  labels: {path: out/labels.jsonl}
"""
SUITE = """\
version: 1
pipeline: triage.yaml
params: {language: English}
cases:
  - name: gold
    rows: {path: data/gold.csv}
    gold: {on: id, fields: {label.topic: topic}}
    expect: [gold.label.topic.n > 1, "rows.labels[0].label.urgent"]
"""
SEVERAL = PIPELINE.replace("output: {path: out/labels.jsonl}\n", OUTPUTS)


def test_the_first_output_with_all_values_is_compared(tmp_path):
    """If none has all of them, it is the first, whose lack is reported."""
    suite, found = read(lay_out(tmp_path, SUITE, SEVERAL))
    assert found == []
    plan = suite.cases[0].plan
    assert gold_output(plan, "id", {"label.topic": "topic"}).name == "labels"
    assert gold_output(plan, "id", {"text": "topic"}).name == "texts"
    assert gold_output(plan, "id", {"none": "topic"}).name == "texts"


def test_a_value_that_no_output_has_is_reported(tmp_path):
    """In the first output."""
    (found,) = read(
        lay_out(
            tmp_path,
            SUITE.replace("{label.topic: topic}", "{lable: topic}").replace("gold.label.topic.n", "gold.lable.n"),
            SEVERAL,
        )
    )[1]
    assert found.message == "`outputs.texts` has no `lable` in its schema"


def test_a_field_is_read_from_an_output_row():
    """A column whose name contains a dot comes first."""
    assert value_at({"label": {"topic": 1}}, "label.topic") == 1
    assert value_at({"label": {"topic": 1}, "label.topic": 2}, "label.topic") == 2
    for row in ({}, {"label": None}, {"label": {}}, {"label": "topic"}):
        with pytest.raises(LookupError):
            value_at(row, "label.topic")
