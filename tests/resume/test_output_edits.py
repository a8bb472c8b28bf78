"""What an edit of the output costs: nothing. The stored answers are written in the new shape, whatever it is."""

import json
import sqlite3
from contextlib import closing

import pytest

from counted_runs import TOWNS
from scripted_api import Reply, message
from yamlgen.errors import Code

ALL = len(TOWNS)
EDITS = [
    {"path": "out/towns.json"},
    {"path": "out/towns.jsonl", "columns": {"a": "row.town", "b": ["steps.line", {"c": "steps.facts.kind"}]}},
    {"path": "out/towns.jsonl", "for_each": "range(row.town | length) | list"},
    {"path": "out/towns.jsonl", "where": "steps.facts.kind == 'old'", "rejected": "out/new.jsonl"},
    {"path": "out/towns.jsonl", "unique": "steps.facts.kind", "failed": "keep", "provenance": True},
    {"path": "out/towns.jsonl", "exclude": ["town", "steps.facts"]},
    {"path": "out/towns.jsonl", "split": {"by": "steps.facts.kind", "into": {"train": 0.5, "test": 0.5}}},
    {"path": "out/towns.csv", "csv": {"delimiter": ";"}},
]


def rows(project, name="towns.jsonl"):
    """The rows of a file of the output."""
    return [json.loads(line) for line in (project.folder / "out" / name).read_text().splitlines()]


@pytest.mark.parametrize("edited", EDITS, ids=["-".join(each) for each in EDITS])
def test_an_edit_of_the_output_sends_nothing(project, edited):
    """Whatever is added or taken away, no request is sent, and the first bytes come back with the first keys."""
    assert project.run().asked == 2 * ALL
    before = project.files()
    project.set("output", edited)
    assert (project.run().asked, project.files() == before) == (0, False)
    project.set("output", None)
    project.set("outputs", {"one": edited, "two": {"path": "out/two.jsonl", "columns": {"x": "row.town"}}})
    assert project.run().asked == 0
    assert rows(project, "two.jsonl") == [{"x": town} for town in TOWNS]
    project.set("outputs", None)
    project.set("output", {"path": "out/towns.jsonl"})
    assert project.run(offline=True).asked == 0
    assert project.files()["towns.jsonl"] == before["towns.jsonl"]


def test_a_row_that_its_output_fails_comes_back_for_nothing(project):
    """The failed file names the expression and its line; once it is mended, the row is there, and nothing is sent."""
    project.set("output.columns", {"n": "{'Rome': none}.get(row.town, 1) + 1"})
    first = project.run()
    assert (first.code, first.asked, project.failed()) == (1, 2 * ALL, {"Rome": Code.ROW_TEMPLATE})
    (failed,) = rows(project, "towns.failed.jsonl")
    assert (failed["step"], list(failed["steps"])) == ("output", ["facts", "line"])
    assert "{'Rome': none}.get(row.town, 1) + 1" in failed["message"]
    line = project.path.read_text().splitlines().index("    n: '{''Rome'': none}.get(row.town, 1) + 1'") + 1
    assert failed["message"].endswith(f"towns.yaml:{line})")
    assert [row["n"] for row in rows(project)] == [2, 2, 2]
    project.set("output.columns", {"n": "{'Rome': none}.get(row.town, 1) or 0"})
    assert (project.run().asked, [row["n"] for row in rows(project)]) == (0, [1, 0, 1, 1])


def test_a_retry_of_a_row_that_its_output_failed_sends_nothing(project):
    """Its answers are good: a retry takes them out of the store, beside the request of a row that was refused."""
    project.refuse("A line on Graz")
    project.set("output.columns", {"n": "{'Rome': none}.get(row.town, 1) + 1"})
    first = project.run()
    assert project.failed() == {"Rome": Code.ROW_TEMPLATE, "Graz": Code.REFUSED}
    again = project.run(retry=first.report.run)
    assert (again.sent, project.failed()) == ({"line": 1}, {"Rome": Code.ROW_TEMPLATE})


@pytest.mark.parametrize("failing", ["output", "step"])
def test_a_failed_row_that_is_kept_stands_in_both_files(project, failing):
    """With null for what it lacks, whatever `where` says of it; it is a failed row as well."""
    columns = {"town": "row.town", "line": "steps.line is string", "n": "{'Rome': none}.get(row.town, 1) + 1"}
    where = "row.town == 'Rome'"
    if failing == "step":
        project.refuse("A line on Rome")
        columns["n"], where = "1", "false"
    project.set("output", {"path": "out/towns.jsonl", "failed": "keep", "where": where, "columns": columns})
    assert (project.run().code, list(project.failed())) == (1, ["Rome"])
    lacks = {"line": None, "n": 1} if failing == "step" else {"line": True, "n": None}
    assert rows(project) == [{"town": "Rome", **lacks}]
    record = json.loads((project.folder / "out/towns.run.json").read_text())
    assert record["outputs"]["output"] | {"parts": {}, "digest": ""} == {
        "rows": 1,
        "rejected": ALL - 1,
        "duplicates": 0,
        "kept": 1,
        "parts": {},
        "digest": "",
    }


def test_a_condition_that_is_null_drops_the_row(project):
    """Null is not true: the row is dropped and counted, and `rejected` has it in the same columns."""
    project.set("steps.line.when", "row.town != 'Rome'")
    project.set("output", {"path": "out/towns.jsonl", "where": "steps.line", "rejected": "out/no.jsonl"})
    project.set("output.columns", {"town": "row.town", "size": "steps.line | length"})
    assert project.run().code == 0
    assert rows(project, "no.jsonl") == [{"town": "Rome", "size": None}]
    assert [row["town"] for row in rows(project)] == ["Oslo", "Graz", "Cork"]


@pytest.mark.parametrize("order", [list(TOWNS), list(reversed(TOWNS))])
def test_the_first_in_the_input_stays_whichever_is_answered_first(project, order):
    """`unique` goes by the input; the row whose answer came first has no right of way, in the file as on stdout."""
    script = project.script
    project.set("steps", {"line": {"model": "quick", "prompt": "A line on {{ row.town }}."}})
    project.set("output", {"path": "out/towns.jsonl", "unique": "steps.line"})

    def late(body):
        town = next(town for town in TOWNS if town in json.dumps(body))
        return Reply(message("old" if town in ("Oslo", "Rome") else "new"), wait=0.1 * order.index(town))

    project.script = late
    assert project.run().asked == ALL
    assert [row["town"] for row in rows(project)] == ["Oslo", "Graz"]
    project.script = script
    assert project.run().asked == 0
    assert [row["town"] for row in rows(project)] == ["Oslo", "Graz"]


def test_a_trial_of_a_few_rows_leaves_the_parts_of_the_whole(project):
    """`--limit` writes parts and rejected rows of its own; those of the whole run stay, and an offline run has them."""
    project.set("output", {"path": "out/t.jsonl", "split": {"by": "row.town", "into": {"a": 0.5, "b": 0.5}}})
    project.set("output.where", "row.town != 'Rome'")
    project.set("output.rejected", "out/no.jsonl")
    project.run()
    before = project.files()
    assert sorted(before) == ["no.jsonl", "t.a.jsonl", "t.b.jsonl"]
    assert project.run(limit=3).asked == 0
    after = project.files()
    assert {name: after[name] for name in before} == before
    assert sorted(after.keys() - before.keys()) == ["no.limit-3.jsonl", "t.limit-3.a.jsonl", "t.limit-3.b.jsonl"]
    record = json.loads((project.folder / "out/t.limit-3.run.json").read_text())
    parts = {part: after[f"t.limit-3.{part}.jsonl"].count(b"\n") for part in ("a", "b")}
    assert record["outputs"]["output"]["parts"] == parts
    trial = after["t.limit-3.a.jsonl"] + after["t.limit-3.b.jsonl"]
    assert len(trial.splitlines()) == 2
    assert all(line in before["t.a.jsonl"] + before["t.b.jsonl"] for line in trial.splitlines())


def test_a_run_that_lacks_answers_leaves_every_output(project):
    """Offline, with a request that was never sent, all files of all outputs stay as they were."""
    project.set("output", None)
    project.set("outputs", {"a": {"path": "out/a.jsonl", "split": {"x": 0.5, "y": 0.5}}, "b": {"path": "out/b.csv"}})
    project.run()
    before = project.files()
    project.rows.append({"town": "Bonn"})
    assert project.run(offline=True).code == 1
    assert project.files() == before


def test_rows_of_several_outputs_come_from_python(project):
    """One is printed, one has another path, the third is as in the file; each is read by its name afterwards."""
    import yamlgen  # noqa: PLC0415 - loads the SDK

    project.set("output", None)
    each = {"a": {"columns": {"x": "row.town"}}, "b": {"where": "row.town == 'Rome'"}, "c": {"unique": "1"}}
    project.set("outputs", {name: {"path": f"out/{name}.jsonl", **keys} for name, keys in each.items()})
    project.run()
    done = yamlgen.run(project.path, output={"b": project.folder / "own/other.json"}, offline=True)
    assert [len(done.rows(name)) for name in each] == [ALL, 1, 1]
    assert (
        json.loads((project.folder / "own/other.json").read_text())
        == done.rows("b")
        == yamlgen.rows(project.path, output="b")
    )
    told = yamlgen.export(project.path, output={"a": "x.jsonl", "c": "y.csv"})
    assert (told.rows, [path.name for path in told.outputs]) == (ALL + 1, ["x.jsonl", "y.csv"])
    with pytest.raises(yamlgen.YamlgenError, match="has several outputs: a, b, c"):
        yamlgen.rows(project.path)
    with pytest.raises(yamlgen.YamlgenError, match="both the output `a` and the output `c`"):
        yamlgen.export(project.path, output={"a": "same.jsonl", "c": "same.jsonl"})
    assert not (project.folder / "same.jsonl").exists()


def test_what_an_older_version_stored_is_exported(project):
    """A run from before outputs had keys: its rows have all columns, and `provenance` where it was asked for."""
    import yamlgen  # noqa: PLC0415 - loads the SDK

    project.set("output.provenance", True)  # noqa: FBT003 - a value of the file
    project.run()
    before = yamlgen.rows(project.path)
    assert list(before[0]) == ["town", "facts", "line", "provenance"]
    with closing(sqlite3.connect(project.store())) as connection, connection:
        ((about,),) = connection.execute("SELECT about FROM run").fetchall()
        kept = json.loads(about)
        kept["resolved"]["output"] = {"path": "out/towns.jsonl"}
        connection.execute("UPDATE run SET about = ?", (json.dumps({**kept, "provenance": True}),))
    assert yamlgen.rows(project.path) == before
    yamlgen.export(project.path, output="old.csv")
    assert (project.folder / "old.csv").read_text().splitlines()[0] == "town,facts,line,provenance"
    assert project.run().asked == 0
