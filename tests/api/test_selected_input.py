"""What `validate` and the other commands say of an input that selects its rows: the same as a run."""

import json
from pathlib import Path

import pytest
import yaml

import yamlgen
from yamlgen.api.loading import check
from yamlgen.errors import Code, UsageError

ROWS = [
    {"id": 1, "kind": "review", "text": "Fine", "stars": 4},
    {"kind": "note", "text": 5},
    {"id": 3, "kind": "review", "text": "Bad", "stars": 1},
    {"id": 3, "kind": "note", "text": None, "stars": "none"},
]
STEP = {"kind": "compute", "value": "row.text | upper"}


@pytest.fixture
def told(tmp_path, monkeypatch):
    """Check a pipeline with an input and a step; return each diagnostic as `severity code key-or-text`."""
    monkeypatch.chdir(tmp_path)
    Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))

    def write(where="true", *, step=None, output=None, params=None, values=None, **more):
        document = {
            "version": 1,
            "params": params or {},
            **({"model": "claude-haiku-5-5"} if "prompt" in (step or {}) else {}),
            "input": {"path": "rows.jsonl", "where": where, **more},
            "steps": {"s": STEP if step is None else step},
            "output": {"path": "out/rows.jsonl", **(output or {})},
        }
        Path("pipeline.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
        return [f"{each.severity} {each.code}: {each.message}" for each in check("pipeline.yaml", params=values)[1]]

    return write


def test_rows_that_are_dropped_are_not_reported(told):
    """Not their ids, their types, nor what fails for them: only rows for which the condition is true count."""
    assert told("true", id="id") != []
    assert told('row.kind == "review"', id="id") == []
    assert told('row.kind == "review"', id="id", step={"kind": "compute", "value": "row.stars + 1"}) == []
    assert told('row.kind == "review"', step={"prompt": "{{ row.text }}"}) == []


def test_rows_of_the_pipeline_are_typed_after_the_condition(tmp_path, monkeypatch):
    """The types of inline rows are those of the selected ones, and the condition may read columns that these lack."""
    monkeypatch.chdir(tmp_path)
    document = {
        "version": 1,
        "input": {"rows": ROWS, "where": 'row.kind == "review" and row.stars is defined'},
        "steps": {"s": {"kind": "compute", "value": "row.stars * 2"}},
        "output": {"path": "out/rows.jsonl"},
    }
    Path("pipeline.yaml").write_text(yaml.safe_dump(document))
    assert yamlgen.validate("pipeline.yaml") == []
    assert [row["s"] for row in yamlgen.run("pipeline.yaml").rows()] == [8, 2]
    document["input"] = {"rows": [{"a": 1, "draft": True}, {"a": 2}], "where": "row.draft is not defined"}
    document["steps"]["s"]["value"] = "row.a"
    Path("pipeline.yaml").write_text(yaml.safe_dump(document))
    assert yamlgen.validate("pipeline.yaml") == []
    assert [row["s"] for row in yamlgen.run("pipeline.yaml").rows()] == [2]


@pytest.mark.parametrize("step", [{"prompt": "About {{ row.text }}"}, {"prompt": "Hi", "when": "row.text != 'x'"}])
def test_what_the_condition_proves_is_known_in_steps_and_outputs(told, step):
    """A value that the condition tested is not null."""
    output = {"columns": {"text": "row.text", "s": "steps.s"}, "where": "row.text | length > 1"}
    assert any("null" in each for each in told("true", step={"prompt": "About {{ row.text }}"}))
    assert told("row.text is not none and row.text is string", step=step, output=output) == []


def test_the_values_of_parameters_decide(told):
    """A given value, the default, or nothing: then it is not known which rows are read."""
    params = {"kind": {"type": "string"}}
    assert told("row.kind == params.kind", params=params, id="id") == []
    assert told("row.kind == params.kind", params=params, id="id", values={"kind": "review"}) == []
    assert told("row.kind == params.kind", params=params, id="id", values={"kind": "note"})[0] == (
        "error YG406: rows.jsonl:2: `id` is missing"
    )


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("row.knd == 'a'", "warning YG206: none of the first rows has the column `knd`"),
        ("row.kind == params.x", "error YG203: unknown parameter `x`"),
        ("steps.s", "error YG202: unknown name `steps`"),
        ("row.kind ==", "error YG201: the expression is incomplete"),
        ("'yes'", "error YG213: `'yes'` is a string, which is true unless it is empty: even `\"no\"` is true"),
        ("row.id > 'a'", "warning YG213: `row.id` is an integer, not a string in the first rows"),
        ("row.kind == 'x'", "error YG409: `input.where` is false for every row of rows.jsonl"),
        (
            "row.stars > 1",
            "error YG501: rows.jsonl:2: `input.where` fails: `row.stars > 1` cannot be computed",
        ),
    ],
)
def test_mistakes_in_the_condition_are_at_their_place(told, where, expected):
    """Typed and resolved as every expression."""
    assert any(each.startswith(expected) for each in told(where))
    lines = Path("pipeline.yaml").read_text().splitlines()
    marks = [each.mark for each in check("pipeline.yaml")[1] if expected.startswith(f"{each.severity} {each.code}")]
    assert all("where: " in lines[mark.line - 1] for mark in marks)


def test_few_rows_may_send_equal_requests(told):
    """The warning about equal requests counts the rows that are read."""
    Path("rows.jsonl").write_text('{"a": 1}\n' * 50)
    step = {"prompt": "Hello"}
    assert [each[:13] for each in told(step=step)] == [f"warning {Code.EQUAL_REQUESTS.value}"]
    assert told(step=step, limit=3) == []
    assert told(step=step, sample={"n": 3}) == []
    Path("rows.jsonl").write_text('{"a": 1}\n' * 3 + '{"a": 2}\n' * 50)
    assert told("row.a == 1", step=step) == []


def test_what_fails_for_each_of_the_read_rows_is_an_error(told):
    """With a limit, later rows do not count."""
    Path("rows.jsonl").write_text('{"a": 0}\n' * 2 + '{"a": 1}\n' * 2)
    step = {"kind": "compute", "value": "1 / row.a"}
    assert told(step=step) == []
    assert told(step=step, limit=2) != []


def test_a_row_is_shown_by_its_number_among_the_selected(told):
    """`render` and `run` count the rows that are read."""
    told('row.kind == "review"', id="id", step={"prompt": "About {{ row.text }}"})
    (shown,) = yamlgen.render("pipeline.yaml", row=2)
    assert "About Bad" in json.dumps(shown.request)
    with pytest.raises(UsageError, match="has no row 3"):
        yamlgen.render("pipeline.yaml", row=3)


def test_a_condition_selects_rows_from_python_and_from_another_file(told):
    """As rows of the pipeline's own input."""
    told('row.kind == "review"', id="id")
    done = yamlgen.run("pipeline.yaml", rows=[*ROWS[:2], {"id": 7, "kind": "review", "text": "new"}])
    assert [row["s"] for row in done.rows()] == ["FINE", "NEW"]
    Path("other.jsonl").write_text('{"id": 9, "kind": "review", "text": "other"}\n{"kind": "note"}\n')
    assert [row["s"] for row in yamlgen.run("pipeline.yaml", input="other.jsonl").rows()] == ["OTHER"]


def test_all_rows_of_a_test_case_are_run(told):
    """A case is about its rows: the selection of the input does not apply, also while answers are recorded."""
    told('row.kind == "review"', id="id", limit=1, step={"prompt": "About {{ row.text }}"})
    cases = [
        {"name": "a note", "row": {"id": 1, "kind": "note", "text": "x"}, "expect": ["steps.s is string"]},
        {"name": "two", "rows": {"path": "two.jsonl"}, "expect": ["finished == 2"]},
    ]
    Path("two.jsonl").write_text('{"id": 1, "kind": "note", "text": "a"}\n{"id": 2, "kind": "note", "text": "b"}\n')
    Path("pipeline.test.yaml").write_text(yaml.safe_dump({"version": 1, "pipeline": "pipeline.yaml", "cases": cases}))
    report = yamlgen.test("pipeline.test.yaml", record=True, simulate=True)
    assert report.passed
