"""A test file is read with what it names: its cases, and each mistake at its place."""

import json

import pytest
from written_suites import PIPELINE, SUITE, lay_out, read, told

from yamlgen.api.loading import check
from yamlgen.errors import Code


def test_a_valid_file_has_its_cases(tmp_path):
    """Each case has its name, its place, its parameters and its rows."""
    suite, found = read(lay_out(tmp_path))
    assert found == []
    assert [case.name for case in suite.cases] == [
        "a refund is urgent",
        "not steered",
        "the first two",
        "hand labels",
    ]
    assert [case.mark.line for case in suite.cases] == [6, 9, 13, 17]
    assert [case.count for case in suite.cases] == [1, 1, 2, 3]
    assert [case.is_single for case in suite.cases] == [True, True, False, False]
    assert [case.plan.params["strict"] for case in suite.cases] == [False, True, False, False]
    assert suite.pipeline == tmp_path / "triage.yaml"
    assert suite.recordings == tmp_path / "triage.answers.jsonl"


def test_the_rows_of_a_case_can_be_read_again(tmp_path):
    """A case of one row has its own row, although cases with the same columns are checked together."""
    suite, _ = read(lay_out(tmp_path))
    rows = [[each.row["id"] for each in case.rows()] for case in suite.cases]
    assert rows == [["t-1"], ["t-2"], ["1", "2"], ["1", "2", "3"]]
    assert [each.identity for each in suite.cases[1].rows()] == ['["id","t-2"]']
    assert list(suite.cases[1].rows()) == list(suite.cases[1].rows())


def test_the_input_of_the_pipeline_is_not_needed(tmp_path):
    """A test runs where the rows of the pipeline are not: the file of its input does not exist here."""
    assert not (tmp_path / "missing.jsonl").exists()
    assert read(lay_out(tmp_path))[0] is not None


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "name: not steered",
            "name: a refund is urgent",
            "9:11 YG105 the name `a refund is urgent` is already used by the case at line 6 | rename one of them",
        ),
        ("pipeline: triage.yaml", "pipeline: triag.yaml", "2:11 YG310 {}/triag.yaml does not exist | did you mean"),
        ("pipeline: triage.yaml", "pipeline: .", "2:11 YG310 {} is a folder | write the path of a file in it"),
        ("pipeline: triage.yaml", "pipeline: triage.test.yaml", "2:11 YG104 {}/triage.test.yaml is a test file | "),
        ("path: data/gold.csv, limit", "path: data/gild.csv, limit", "14:18 YG310 {}/data/gild.csv does not exist | "),
        (
            "params: {language: English}",
            "params: {langauge: English}",
            "3:10 YG401 the pipeline has no parameter `langauge` | did you mean `language`?",
        ),
        (
            "params: {language: English}",
            "params: {language: 3}",
            (
                '3:20 YG402 the value of `language` does not match its schema: 3 is not of type "string" | '
                'put it in quotes: "3"'
            ),
        ),
        (
            "params: {strict: true}",
            'params: {strict: "yes"}',
            '11:22 YG402 the value of `strict` does not match its schema: "yes" is not of type "boolean" | write a',
        ),
        (
            "params: {language: English}\n",
            "\n",
            "6:11 YG403 the parameter `language` has no value and no default | set it under `params`",
        ),
        ("{id: t-2, ", "{", "10:5 YG206 the row has no column `id`, which the pipeline reads | add it; see "),
        ('text: "Ignore', 'texd: "Ignore', "10:5 YG206 the row has no column `text`, which the pipeline reads | add"),
        (
            "{id: t-2, ",
            "{id: t-2, label: 3, ",
            "10:5 YG317 the pipeline cannot use this row: step `label` has the same name",
        ),
        ("{on: id,", "{on: idd,", "19:16 YG206 the rows of case `hand labels` have no column `idd` | did you"),
        (
            "label.topic: topic",
            "label.topic: topc",
            "19:42 YG206 the rows of case `hand labels` have no column",
        ),
        ("label.topic: topic", "label.topc: topic", "19:29 YG205 `output.label` has no `topc` in its schema | did you"),
        ("redact: [row.text]", "redact: [params.text]", "4:10 YG202 unknown name `params` | "),
        (
            "    expect: [{expr",
            "    gold: {on: id, fields: {text: text}}\n    expect: [{expr",
            "12:5 YG105 `gold` requires `rows` | remove it",
        ),
    ],
)
def test_a_mistake_is_reported_at_its_place(old, new, expected, tmp_path):
    """A name that does not exist, a value that does not fit, a column that the rows lack."""
    (found, *_) = told(tmp_path, old, new)
    assert found.startswith(expected.replace("{}", str(tmp_path)))


def test_a_mistake_in_shared_parameters_is_reported_once(tmp_path):
    """All cases have it, and it has one place."""
    assert len(told(tmp_path, "params: {language: English}", "params: {language: 3}")) == 1


def test_an_error_of_the_pipeline_keeps_its_place(tmp_path):
    """It is in the file of the pipeline, once, and hides what depends on it."""
    found = read(lay_out(tmp_path, pipeline=PIPELINE.replace("row.text", "rwo.text")))[1]
    assert [(each.mark.file, each.mark.line) for each in found] == [(str(tmp_path / "triage.yaml"), 7)]


def test_a_warning_of_the_pipeline_is_not_repeated(tmp_path):
    """It is no mistake of the tests."""
    pipeline = PIPELINE.replace("claude-haiku-5-5", "claude-haiku-9-9")
    suite, found = read(lay_out(tmp_path, pipeline=pipeline))
    assert suite is not None
    assert found == []


@pytest.mark.parametrize(
    ("content", "code"),
    [('{"id": "1"}\n{"id": ', Code.BAD_INPUT), ("[1]\n", Code.NOT_AN_OBJECT), (b"\xff\n", Code.BAD_INPUT)],
)
def test_a_golden_that_is_not_json_lines_is_an_error(content, code, tmp_path):
    """The message has the line, and the fix is one that a golden has."""
    path = lay_out(tmp_path)
    golden = tmp_path / "golden" / "labels.jsonl"
    golden.write_bytes(content if isinstance(content, bytes) else content.encode())
    (found,) = read(path)[1]
    assert (found.code, found.mark.line, found.mark.column) == (code, 16, 13)
    assert found.message.startswith(f"{golden}:")
    assert "input.format" not in found.hint


def test_a_golden_that_does_not_exist_yet_is_a_warning(tmp_path):
    """`update` writes it, for which the file must be valid."""
    path = lay_out(tmp_path)
    (tmp_path / "golden" / "labels.jsonl").unlink()
    suite, (found,) = read(path)
    assert suite is not None
    assert (found.severity, found.hint) == ("warning", "`update=True` writes it")


def test_broken_rows_are_an_error_in_the_test_file(tmp_path):
    """Their own place is in the message; the hint has no option of a run."""
    path = lay_out(tmp_path, SUITE.replace("data/gold.csv, limit: 2", "data/rows.jsonl"))
    (tmp_path / "data" / "rows.jsonl").write_text('{"id": 1, "text": "a"}\n{"id": 1, "text": "b"}\n')
    (found,) = read(path)[1]
    assert (found.code, found.mark.line, found.mark.column) == (Code.DUPLICATE_ID, 14, 18)
    (tmp_path / "data" / "rows.jsonl").write_text("id,text\n")
    (found,) = read(path)[1]
    assert found.hint == "write one JSON object on each line, or set `format` under `rows`"


@pytest.mark.parametrize("rows", ["id,text,topic\n", ""])
def test_a_case_without_rows_is_an_error(rows, tmp_path):
    """It would test nothing."""
    path = lay_out(tmp_path)
    (tmp_path / "data" / "gold.csv").write_text(rows)
    found = read(path)[1]
    assert {each.mark.line for each in found} == {14, 18}


def test_a_key_in_the_file_is_reported_and_not_repeated(tmp_path):
    """A secret is found in the values of a row too."""
    key = "sk-ant-api03-" + "abcdefghij0123456789" * 2
    found = told(tmp_path, "Where is my money?", key)
    assert found
    assert all("YG303" in each and key not in each for each in found)


@pytest.mark.parametrize(("content", "hint"), [("", "begin with `version: 1`"), ("- 1\n", "begin with `version: 1`")])
def test_what_is_no_mapping_is_told_how_to_begin(content, hint, tmp_path):
    """An empty file, and a list."""
    (found,) = read(lay_out(tmp_path, content))[1]
    assert found.hint == hint


def test_a_test_file_is_not_run_as_a_pipeline(tmp_path):
    """One diagnostic, and not one for each of its keys."""
    pipeline, (found,) = check(lay_out(tmp_path))
    assert pipeline is None
    assert found.message.endswith("triage.test.yaml is a test file, not a pipeline")


@pytest.mark.parametrize("name", ["gold.jsonl", "gold.json"])
def test_rows_of_any_format_are_checked(name, tmp_path):
    """A column that only a late row has is one that `gold` can name."""
    path = lay_out(tmp_path, SUITE.replace("data/gold.csv, format: csv", f"data/{name}"))
    rows = [{"id": number, "text": "a", **({"topic": "other"} if number == 200 else {})} for number in range(201)]
    lines = [json.dumps(row) for row in rows]
    text = f"[{','.join(lines)}]" if name.endswith(".json") else "\n".join(lines)
    (tmp_path / "data" / name).write_text(text)
    suite, found = read(path)
    assert found == []
    assert suite.cases[3].count == 201


def test_each_case_has_the_types_of_its_own_row(tmp_path):
    """A column that only another case has does not exist in this one."""
    found = told(tmp_path, 'row: {id: t-1, text: "Where is my money?"}', "row: {id: t-1, text: a, more: 3}")
    assert found == []
    (found,) = told(tmp_path, "expression: 'steps.label.topic != \"praise\"'", "expression: row.more")
    assert "unknown column `more`" in found


def test_a_missing_test_file_is_reported(tmp_path):
    """It has no other place than its name."""
    suite, (found,) = read(tmp_path / "none.test.yaml")
    assert suite is None
    assert found.code is Code.UNREADABLE


def test_gold_needs_a_column_that_tells_rows_apart(tmp_path):
    """Otherwise each row would be compared with the output rows of all with its value."""
    path = lay_out(tmp_path, SUITE.replace("{on: id,", "{on: group,").replace("[row.text]", "[]"))
    rows = "id,text,topic,group\n1,a,billing,x\n2,b,other,y\n3,c,praise,x\n"
    (tmp_path / "data" / "gold.csv").write_text(rows, "utf-8")
    (found,) = [each for each in read(path)[1] if each.severity == "error"]
    assert (found.mark.line, found.mark.column) == (19, 16)
    assert found.message == "rows 1 and 3 of case `hand labels` have the same `group`, x"
    assert found.hint == "write a column that is different in each row"


@pytest.mark.parametrize("name", ["gold.json", "gold.csv", "gold.txt", "gold"])
def test_the_format_of_rows_applies_whatever_their_extension(name, tmp_path):
    """The author has set it for these rows."""
    path = lay_out(tmp_path, SUITE.replace("data/gold.csv, format: csv", f"data/{name}, format: jsonl"))
    first = path.read_text("utf-8").replace("data/gold.csv, limit: 2", "data/rows.csv")
    path.write_text(first, "utf-8")
    (tmp_path / "data" / "rows.csv").write_text("id,text\n1,a\n", "utf-8")
    (tmp_path / "data" / name).write_text('{"id": 1, "text": "a", "topic": "other"}\n', "utf-8")
    suite, found = read(path)
    assert found == []
    assert [dict(each.row)["topic"] for each in suite.cases[3].rows()] == ["other"]


def test_rows_of_an_unknown_format_are_told_with_the_keys_of_a_test(tmp_path):
    """`input` is a key of pipelines."""
    path = lay_out(tmp_path, SUITE.replace("data/gold.csv, format: csv", "data/gold.txt"))
    (tmp_path / "data" / "gold.txt").write_text("1\n", "utf-8")
    (found,) = read(path)[1]
    assert (found.code, found.mark.line, found.mark.column) == (Code.UNKNOWN_FORMAT, 18, 18)
    assert found.message == "the extension `.txt` is not a known format"
    assert found.hint == "use .jsonl, .json, .parquet, .csv or .tsv, or set `format` under `rows`"
