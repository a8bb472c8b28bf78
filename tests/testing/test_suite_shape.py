"""The shape of a test file: one diagnostic for each mistake, with the key or value that was meant."""

import pytest
from written_suites import lay_out, read, told


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("version: 1", "version: 2", "1:10 YG104 `version` cannot be `2` | write `1`"),
        ("version: 1\n", "\n", "2:1 YG102 the test file needs `version` | add `version: 1`"),
        ("redact:", "redakt:", "4:1 YG101 unknown key `redakt` in the test file | did you mean `redact`?"),
        ("redact:", "limit:", "4:1 YG101 unknown key `limit` in the test file | it belongs in `rows`"),
        ("  - name: the first", "  - nam: the first", "13:5 YG101 unknown key `nam` in case 3 | did you mean `name`?"),
        (
            "    expect: [{",
            "    assert: [{",
            "12:5 YG101 unknown key `assert` in case `not steered` |",
        ),
        (
            "    expect: [{",
            "    golden: golden/labels.jsonl\n    snapshot: b\n    expect: [{",
            "13:5 YG101 unknown key `snapshot` in case `not steered` | remove it: `golden` is already",
        ),
        (
            "message:",
            "mesage:",
            "12:60 YG101 unknown key `mesage` in `expect[0]` of case `not steered`",
        ),
        (
            "limit: 2",
            "limit: 0",
            "14:40 YG104 `rows.limit` of case `the first two` must be at least 1, not 0 | write 1",
        ),
        (
            "limit: 2",
            'limit: "2"',
            "14:40 YG103 `rows.limit` of case `the first two` must be an integer, not the st",
        ),
        ("format: csv", "format: cvs", "18:41 YG104 `rows.format` of case `hand labels` cannot be the string"),
        ("name: the first two", "name:", "13:10 YG103 `name` of case 3 must be a string, not null | write a value,"),
        ("{on: id, fields: {label.topic: topic}}", "{on: id}", "19:5 YG102 `gold` of case `hand labels` needs"),
        (
            "{label.topic: topic}",
            "{}",
            "19:28 YG104 `gold.fields` of case `hand labels` cannot be empty | add a field, such as",
        ),
        ("expression: '", "expresion: '", "12:15 YG101 unknown key `expresion` in `expect[0]` of case"),
        (
            "golden: golden/labels.jsonl",
            "golden: [a]",
            "16:13 YG103 `golden` of case `the first two` must be a string",
        ),
        (
            '[steps.label.urgent, steps.label.topic == "billing", output.label.urgent]',
            "steps.label.urgent",
            (
                '8:13 YG103 `expect` of case `a refund is urgent` must be a list, not the string "steps.label.urgent"'
                " | write a list: `expect: [steps.label.urgent]`"
            ),
        ),
        (
            "    rows: {path: data/gold.csv, limit: 2}",
            "    row: {id: 1, text: a}\n    rows: {path: data/gold.csv}",
            "15:5 YG105 case `the first two` has `row` and `rows`, but only one of them is allowed | remove one",
        ),
        (
            "    rows: {path: data/gold.csv, limit: 2}\n",
            "",
            "13:5 YG102 case `the first two` needs `row` or `rows` |",
        ),
    ],
)
def test_a_mistake_of_shape_is_one_diagnostic(old, new, expected, tmp_path):
    """A wrong key, type, value; a missing key; keys that exclude each other."""
    (found,) = told(tmp_path, old, new)
    assert found.startswith(expected)


def test_a_misspelt_key_is_read_as_the_correct_one(tmp_path):
    """So that mistakes below it are found in the same call."""
    found = told(tmp_path, "    expect: [steps.label.urgent", "    expct: [steps.label.urgnt")
    assert [each.partition(" ")[0] for each in found] == ["8:5", "8:13"]


def test_a_mistake_below_an_anchor_is_reported_once(tmp_path):
    """Two cases share the entry."""
    suite = """\
version: 1
pipeline: triage.yaml
x-same: &same
  - {expression: finished > 1, mesage: few}
params: {language: English}
cases:
  - {name: a, rows: {path: data/gold.csv}, expect: *same}
  - {name: b, rows: {path: data/gold.csv}, expect: *same}
"""
    found = read(lay_out(tmp_path, suite))[1]
    assert [(each.mark.line, each.mark.column) for each in found] == [(4, 32)]


def test_keys_for_anchors_are_ignored(tmp_path):
    """A key that begins with `x-` is one."""
    assert told(tmp_path, "version: 1", "version: 1\nx-any: {row: 3}") == []


def test_each_mistake_of_a_file_is_reported(tmp_path):
    """A broken part does not hide the others."""
    suite = """\
version: 1
pipeline: triage.yaml
params: {language: English}
cases:
  - name: a
    row: 3
    expect: [7]
  - 5
  - name: c
    rows: {path: data/gold.csv, limit: many}
    expect: [finshed, "rows[0].lable"]
"""
    found = read(lay_out(tmp_path, suite))[1]
    assert [each.mark.line for each in found] == [6, 7, 8, 10, 11, 11]
