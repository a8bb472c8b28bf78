"""Conditions: what they can read, what `validate` finds in them, and how they are judged."""

import pytest
from written_suites import PIPELINE, SUITE, lay_out, read, told

from yamlgen.diagnostics import Mark
from yamlgen.testing.expectations import judge, nested
from yamlgen.testing.suite import CheckedExpectation

FIRST = "steps.label.urgent, "
LAST = '"gold.label.topic.accuracy >= 0.9"'
PLACE = Mark("a.test.yaml", 7, 14, 7, 20)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("steps.label.urgnt", "YG205 `steps.label` has no `urgnt` in its schema | did you mean `urgent`?"),
        ("steps.labl.urgent", "YG204 unknown step `labl` | did you mean `label`?"),
        ("row.txt", "YG206 unknown column `txt` | did you mean `text`?"),
        ("params.langage", "YG203 unknown parameter `langage` | did you mean `language`?"),
        ("output.lable", "YG205 `output` has no `lable` in its schema | did you mean `label`?"),
        ("finished", "YG202 unknown name `finished` | a case of one row has `row`, `steps`, `params` and `output`"),
        ("gold", "YG202 unknown name `gold` | a case of one row has `row`, `steps`, `params` and `output`"),
        ("steps.label.topic == 'bill'", '8:36 YG212 `steps.label.topic` is never "bill" | did you mean `billing`?'),
        ("steps.label.topic", "8:15 YG213 `steps.label.topic` is a string, which is true unless it is empty"),
    ],
)
def test_a_condition_of_one_row_is_checked_by_type(source, expected, tmp_path):
    """It reads the row, the steps, the parameters and the output row."""
    (found,) = told(tmp_path, FIRST, f'"{source}", ')
    assert found.startswith(expected if expected[0] == "8" else f"8:15 {expected}")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("rows[0].lable", "YG205 `rows[0]` has no `lable` in its schema | did you mean `label`?"),
        ("finshed > 3", "YG202 unknown name `finshed` | did you mean `finished`?"),
        ("row.text", "YG202 unknown name `row` | a case of several rows has `rows`, `finished`, `failed`, `dropped`"),
        ("gold.label.topc.n", "YG205 unknown gold field `topc` | did you mean `topic`?"),
        ("gold.label.topic.acuracy", "YG205 unknown gold field `acuracy` | did you mean `accuracy`?"),
        ("finished == 'all'", "YG212"),
    ],
)
def test_a_condition_of_several_rows_is_checked_by_type(source, expected, tmp_path):
    """It reads the output rows, the numbers of rows, and the accuracies."""
    (found,) = told(tmp_path, LAST, f'"{source}"')
    assert found.startswith("20:")
    assert found.partition(" ")[2].startswith(expected)


def test_gold_is_known_only_with_the_key(tmp_path):
    """The hint is to add it."""
    (found,) = told(tmp_path, '"finished >= 19"', "gold.label")
    assert found == "15:14 YG202 unknown name `gold` | add `gold` to the case"


def test_a_message_is_checked_and_may_print_a_mapping(tmp_path):
    """It reads the same names as its condition."""
    (found,) = told(tmp_path, "{{ steps.label }}", "{{ steps.lable }}")
    assert found.startswith("12:82 YG204 unknown step `lable` | did you mean `label`?")


SEVERAL = PIPELINE.replace(
    "output: {path: out/labels.jsonl}",
    """\
outputs:
  all: {path: out/all.jsonl}
  words: {path: out/words.jsonl, for_each: "[1, 2]", columns: {text: row.text, n: item}}
  few: {path: out/few.jsonl, where: steps.label.urgent, columns: {topic: steps.label.topic}}
""",
)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("output.all.label.urgent", None),
        ("output.words[0].n > 0", None),
        ("output.few is none or output.few.topic == 'other'", None),
        ("output.words[0].m", "`output.words[0]` has no `m`"),
        ("output.few.topc", "`output.few` has no `topc`"),
        ("output.label", "unknown output `label`"),
    ],
)
def test_several_outputs_are_named(source, expected, tmp_path):
    """A list with `for_each`; null or a row with `where`."""
    suite = f"""\
version: 1
pipeline: triage.yaml
params: {{language: English}}
cases:
  - {{name: a, row: {{id: 1, text: b}}, expect: ["{source}"]}}
"""
    found = [each.message for each in read(lay_out(tmp_path, suite, SEVERAL))[1]]
    assert len(found) == (expected is not None)
    assert all(each.startswith(expected) for each in found)


def judged(expression, message=None, **scope):
    """What a condition that is false is reported with."""
    return judge(CheckedExpectation(expression, message, PLACE), scope)


def test_a_true_condition_has_no_flaw():
    """A list with an item is true."""
    assert judged("steps.label.urgent", steps={"label": {"urgent": True}}) is None
    assert judged("rows", rows=[{}]) is None


def test_a_false_condition_shows_the_values_that_it_reads():
    """Each once; a long value is shortened."""
    found = judged("finished > 3 and rows | length < finished", finished=2, rows=[{"text": "a" * 100}])
    assert (found.mark, found.what) == (PLACE, "finished > 3 and rows | length < finished")
    assert found.detail.startswith('finished is 2, rows is [{"text": "aaa')
    assert found.detail.endswith("...")
    assert judged('steps.label["topic"] == "x"', steps={"label": {"topic": "y"}}).detail == 'steps.label.topic is "y"'


def test_a_false_condition_has_its_own_message():
    """A template over the same names."""
    found = judged("steps.label.urgent", "steered: {{ steps.label }}", steps={"label": {"urgent": False}})
    assert found.detail == "steered: {'urgent': False}"


def test_a_message_that_cannot_be_rendered_leaves_the_values():
    """The condition stays the reason."""
    found = judged("finished > 3", "{{ 1 / 0 }}", finished=2)
    assert found.detail.startswith("finished is 2; its message: ")


@pytest.mark.parametrize(
    ("expression", "detail"),
    [
        ("steps.label.urgent", "cannot be computed: there is no `urgent` in the value"),
        ("1 / 0 > 3", "cannot be computed: ZeroDivisionError: division by zero"),
        ("'no'", 'is the string "no", not a condition'),
    ],
)
def test_what_is_no_condition_is_false(expression, detail):
    """An error, and a string."""
    assert judged(expression, steps={"label": None}).detail == detail


def test_fields_are_nested_by_their_parts():
    """A field can be the beginning of another one."""
    fields = {"label": {"n": 1}, "label.topic": {"n": 2}, "a.b.c": {"n": 3}}
    assert nested(fields) == {"label": {"n": 1, "topic": {"n": 2}}, "a": {"b": {"c": {"n": 3}}}}
    assert fields["label"] == {"n": 1}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("true", "`true` is always true: it reads no value"),
        ("1 == 2", "`1 == 2` is always false: it reads no value"),
        ("not []", "`not []` is always true: it reads no value"),
        ("params.language == 'French'", "`params.language == 'French'` is always false: it reads only parameters"),
    ],
)
def test_a_condition_that_reads_nothing_of_the_run_is_a_warning(source, expected, tmp_path):
    """It tests nothing; the file is valid."""
    suite, (found,) = read(lay_out(tmp_path, SUITE.replace(FIRST, f'"{source}", ')))
    assert suite is not None
    assert (found.severity, found.mark.line, found.mark.column) == ("warning", 8, 15)
    assert found.message == expected
    assert found.hint == "compare a value of `steps` or `output`"


def test_a_constant_with_a_message_is_a_warning_at_its_expression(tmp_path):
    """A case of several rows has other values to compare."""
    (found,) = told(tmp_path, LAST, '{expression: "2 > 1", message: no}')
    assert found.startswith("20:28 YG104 `2 > 1` is always true: it reads no value | compare a value of `rows`")


@pytest.mark.parametrize(
    "source",
    ["row.text != ''", "steps.label.urgent or true", "params.language == row.text", "output is none or 1 == 1"],
)
def test_a_condition_that_reads_a_row_a_step_or_an_output_is_silent(source, tmp_path):
    """It may be false for another answer or another row."""
    assert not [each for each in told(tmp_path, FIRST, f'"{source}", ') if "always" in each]
