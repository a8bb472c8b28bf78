"""The output rows of a row: what its expressions may be, and what fails the row."""

import json

import pytest

import yamlgen
from yamlgen.errors import Code

HALF = "half\ud83d"


def ran(folder, output, rows, steps="{one: {kind: compute, value: '1'}}"):
    """A run over rows, with this output."""
    path = folder / "p.yaml"
    path.write_text(f"version: 1\ninput: {{id: id}}\nsteps: {steps}\noutput: {json.dumps(output)}\n")
    return yamlgen.run(path, rows=rows)


@pytest.mark.parametrize("value", ["no", "", "yes"])
def test_a_condition_that_is_a_string_fails_the_row(tmp_path, value):
    """`no` would be true: the row fails at the step `output`, with the string and a fix."""
    rows = [{"id": 1, "keep": value}, {"id": 2, "keep": True}, {"id": 3, "keep": 0}, {"id": 4, "keep": None}]
    done = ran(tmp_path, {"path": "o.jsonl", "where": "row.keep"}, rows)
    assert [row["id"] for row in done.rows()] == [2]
    (failure,) = done.failures
    assert (failure["step"], failure["code"]) == ("output", Code.ROW_TEMPLATE)
    assert f"`where: row.keep` is the string {json.dumps(value)}, not a condition (`output`, " in failure["message"]


@pytest.mark.parametrize("columns", [{"text": "row.text", "id": "row.id"}, None], ids=["chosen", "default"])
@pytest.mark.parametrize("name", ["o.csv", "o.jsonl"])
def test_half_of_a_surrogate_pair_does_not_fail_a_row(tmp_path, columns, name):
    """Whether a column is named, compared or only passed on makes no difference."""
    output = {"path": name, "unique": "row.text", **({"columns": columns} if columns else {})}
    done = ran(tmp_path, output, [{"id": 1, "text": HALF}, {"id": 2, "text": HALF}, {"id": 3, "text": "whole"}])
    assert [row["text"] for row in done.rows()] == [HALF, "whole"]
    assert (tmp_path / name).read_bytes().decode().count("�" if name == "o.csv" else "\\ud83d") == 1


def test_the_item_that_fails_is_named(tmp_path):
    """In an expression, and in the shape: counted from 1."""
    rows = [{"id": 1, "list": [{"q": "a", "a": "b"}, {"q": "c", "a": None}]}]
    output = {"path": "o.jsonl", "for_each": "row.list", "columns": {"prompt": "item.q", "completion": "item.a"}}
    done = ran(tmp_path, {**output, "shape": "instruction"}, rows)
    assert done.failures[0]["message"].startswith("item 2: the output row does not have the shape `instruction`")
    output["columns"]["completion"] = "item.a ~ 1 / (item.q == 'a')"
    assert ran(tmp_path, output, rows).failures[0]["message"].startswith("item 2: `item.a ~ 1 / ")


def test_a_list_that_may_be_null_keeps_its_type(tmp_path):
    """`steps.x or []`, which messages propose, is the list of the step: its items, their number, its column."""
    steps = "{all: {kind: compute, when: row.id > 1, value: '[row.id, 2]'}}"
    done = ran(tmp_path, {"path": "o.jsonl", "for_each": "steps.all or []"}, [{"id": 1}, {"id": 2}], steps)
    assert done.rows() == [{"id": 2, "item": 2}, {"id": 2, "item": 2}]
    seen = yamlgen.render(tmp_path / "p.yaml", rows=[{"id": 1}])["x-output-type"]
    assert list(seen["properties"]) == ["id", "item"]
    assert seen["additionalProperties"] is False
    assert yamlgen.plan(tmp_path / "p.yaml", rows=[{"id": 1}, {"id": 2}]).outputs == {"output": (0, 4)}


def test_a_boolean_parameter_in_a_path_is_written_as_in_yaml(tmp_path):
    """Not as Python prints it."""
    path = tmp_path / "p.yaml"
    path.write_text(
        "version: 1\nparams: {strict: {type: boolean, default: true}}\ninput: {rows: [{id: 1}]}\n"
        'steps: {one: {kind: compute, value: "1"}}\noutput: {path: "out/{{ params.strict }}.jsonl"}\n'
    )
    yamlgen.run(path)
    assert (tmp_path / "out" / "true.jsonl").exists()


def test_a_boolean_parameter_in_a_path_is_checked_as_it_is_written(tmp_path):
    """`validate` compares the files that a run would write: another output, and the input."""
    path = tmp_path / "p.yaml"
    (tmp_path / "true.jsonl").write_text('{"id": 1}\n')
    head = "version: 1\nparams: {strict: {type: boolean, default: true}}\n"
    steps = 'steps: {one: {kind: compute, value: "1"}}\n'
    path.write_text(f'{head}input: {{path: true.jsonl}}\n{steps}output: {{path: "{{{{ params.strict }}}}.jsonl"}}\n')
    assert [each.message for each in yamlgen.validate(path)] == ["the output would replace the input"]
    path.write_text(
        f"{head}input: {{rows: [{{id: 1}}]}}\n{steps}"
        'outputs: {a: {path: out/true.csv}, b: {path: "out/{{ params.strict }}.csv"}}\n'
    )
    (told,) = yamlgen.validate(path)
    assert told.message == "`outputs.b.path` and `outputs.a.path` are the same file, out/true.csv"


def test_steps_of_a_chain_that_nothing_needs(tmp_path):
    """Only the last one is unneeded: the others are needed by it. A step that calls a function may act by itself."""
    (tmp_path / "log.py").write_text("def note(x): return x\n")
    path = tmp_path / "p.yaml"
    path.write_text(
        "version: 1\nmodel: claude-haiku-5-5\ninput: {rows: [{id: 1}]}\nsteps:\n"
        "  a: {prompt: 'A {{ row.id }}'}\n  b: {prompt: 'B {{ steps.a }}'}\n"
        "  log: {kind: python, call: 'log:note', args: {x: row.id}}\n"
        "output: {path: o.jsonl, columns: {id: row.id}}\n"
    )
    told = yamlgen.validate(path)
    assert [(each.code, each.mark.line) for each in told] == [(Code.UNNEEDED_STEP, 6)]


def test_a_function_as_such_is_a_mistake_as_a_whole_value_only(tmp_path):
    """`type: range` was meant as a string; a test of the name is right."""
    path = tmp_path / "p.yaml"
    path.write_text(
        "version: 1\ninput: {rows: [{id: 1}]}\nsteps: {one: {kind: compute, value: 'range is defined'}}\n"
        "output: {path: o.jsonl, columns: {one: steps.one, kind: range, of: 'range(2) | list'}}\n"
    )
    (told,) = yamlgen.validate(path)
    assert (told.code, told.mark.line) == (Code.UNKNOWN_NAME, 4)
    assert told.hint.startswith("a string is written `\"'range'\"`")


@pytest.mark.parametrize(
    "keys",
    [{"where": "row.c is defined", "rejected": "no.jsonl"}, {"for_each": "row.list"}],
    ids=["dropped", "no items"],
)
def test_the_part_of_a_row_without_output_rows_is_not_asked_for(tmp_path, keys):
    """`split` comes last: what fails in its `by` does not fail a row that has no output rows."""
    split = {"by": "row.c", "into": {"train": 0.5, "test": 0.5}}
    rows = [{"id": 1, "list": []}, {"id": 2, "c": "x", "list": [1]}]
    done = ran(tmp_path, {"path": "o.jsonl", "split": split, **keys}, rows)
    assert (done.failures, [row["id"] for row in done.rows()]) == ([], [2])
    if "rejected" in keys:
        assert json.loads((tmp_path / "no.jsonl").read_text())["id"] == 1


@pytest.mark.parametrize(
    ("steps", "output"),
    [
        (
            "{q: {kind: compute, value: 10 / row.n, on_error: null}}",
            {"where": "row.n == 0", "columns": {"id": "row.id", "q": "steps.q"}},
        ),
        (
            "{q: {kind: compute, for_each: row.list, value: 10 / item, on_item_error: null}}",
            {"for_each": "steps.q", "where": "item is not none"},
        ),
    ],
    ids=["a null step", "null items"],
)
def test_what_may_fail_and_be_null_is_no_mistake(tmp_path, steps, output):
    """`validate` knows of `on_error: null` and `on_item_error: null`, as the run does."""
    rows = [{"id": 1, "n": 0, "list": [1, 0]}, {"id": 2, "n": 2, "list": [0, 5]}]
    path = tmp_path / "p.yaml"
    source = f"version: 1\ninput: {{rows: {json.dumps(rows)}}}\nsteps: {steps}\n"
    path.write_text(source + f"output: {json.dumps({'path': 'o.jsonl', **output})}\n")
    assert yamlgen.validate(path) == []
    assert yamlgen.run(path).failures == []


def test_a_mistake_in_few_rows_is_a_warning(tmp_path):
    """What fails for each row that `where` keeps is told; the rows that it drops go on."""
    rows = [{"id": 1, "ok": True}, {"id": 2, "ok": False}]
    path = tmp_path / "p.yaml"
    path.write_text(
        f"version: 1\ninput: {{rows: {json.dumps(rows)}}}\nsteps: {{q: {{kind: compute, value: row.id}}}}\n"
        'output: {path: o.jsonl, where: row.ok, columns: {q: steps.q, v: "1 / (row.id - row.id)"}}\n'
    )
    (told,) = yamlgen.validate(path)
    assert (told.severity, told.mark.line) == ("warning", 4)
    assert told.message.startswith("every row for which this is evaluated fails: `1 / (row.id - row.id)`")
