"""Rows by their names: failures say the id of their row, and `--row` takes it; items that are null are told, too."""

import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

import yamlgen

FAN = """\
version: 1
name: fan
input: {path: rows.jsonl, id: key}
steps:
  notes:
    model: claude-haiku-5-5
    max_tokens: 1000
    for_each: row.tags
    on_item_error: "null"
    prompt: "A note on {{ item }} in {{ row.key }}."
output: {path: out/notes.jsonl}
"""
KEYS = ["Oslo", "New York", "7", "x" * 400]
SIMULATED = ("run", "fan.yaml", "--simulate", "--progress", "none")


def write(rows, text=FAN):
    """Put the pipeline and its rows where the test stands."""
    Path("fan.yaml").write_text(text, encoding="utf-8")
    Path("rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")


@pytest.fixture(autouse=True)
def _fan(tmp_path, monkeypatch):
    """A step that is done for two tags of each row."""
    monkeypatch.chdir(tmp_path)
    write([{"key": key, "tags": ["sea", "air"]} for key in KEYS])


@pytest.fixture
def half(call):
    """A run of which about half of the items are null; its name, and how many are."""
    told = json.loads(call(*SIMULATED, "--fault", "refusal=0.5", "--output-format", "json").out)
    count = told["steps"]["notes"]["failed_items"]
    assert 0 < count < 2 * len(KEYS)
    return told["run"], count


def test_items_that_are_null_are_told_with_their_rows(call, half):
    """As text and as JSON, as many as the run told, in finished rows; the way to ask again names the run."""
    name, count = half
    told = call("runs", "failed", name)
    lines = told.out.splitlines()
    assert len(lines) == count
    shown = r'row (Oslo|"New York"|7|4 \(x{59}…\)), item [12] of notes is null: YG504: the model refused'
    assert all(re.fullmatch(shown, line) for line in lines)
    assert told.err == f"  = to retry them: `yamlgen retry fan.yaml {name} --simulate`\n"
    records = [json.loads(line) for line in call("runs", "failed", name, "--json").out.splitlines()]
    assert [record["case"] for record in records] == [f"item {record['item']}" for record in records]
    assert all(record["request"]["messages"] and record["attempts"] for record in records)
    assert call("runs", "export", name, "--failed").out == ""
    items = f"{count} item{'s failed and are' if count > 1 else ' failed and is'} null"
    assert f"wrote 4 rows of simulated run {name} to a.json; {items}\n" in (
        call("runs", "export", name, "-o", "a.json").err
    )


def test_items_of_which_an_earlier_version_kept_nothing_are_counted(call, half):
    """It kept no more of an item that came to no request than that there was one."""
    with closing(sqlite3.connect(".yamlgen/fan.yaml.simulated.db")) as connection, connection:
        connection.execute("DELETE FROM failed_request")
        connection.execute("UPDATE result SET error = NULL")
    told = call("runs", "failed")
    assert (told.code, told.out) == (0, "")
    assert told.err.startswith(f"{half[1]} more items failed and are null")
    assert "yamlgen retry" not in told.err


def test_a_row_tells_its_null_items(call, half):
    """`show --row` has which they are, and why."""
    rows = [json.loads(call("runs", "show", half[0], "--row", key, "--json").out) for key in KEYS]
    assert [row["id"] for row in rows] == KEYS
    steps = [row["steps"]["notes"] for row in rows]
    assert sum(len(step.get("failed_items", [])) for step in steps) == half[1]
    for step in steps:
        assert [item["item"] for item in step.get("failed_items", [])] == [
            number for number, value in enumerate(step["value"], start=1) if value is None
        ]


def test_a_run_that_lost_every_item_ends_with_1(call):
    """At first, out of the store, and in a retry; the summary, the JSON, the record and the run's own page say why."""
    refuses = (*SIMULATED, "--fault", "refusal=1")
    lost = [{"step": "notes", "items": 8, "code": "YG504", "count": 8, "message": "item 1: the model refused"}]
    first = call(*refuses)
    assert first.code == 1
    line = "  step `notes` lost every item of every row, 8 of 8 with this error: YG504: item 1: the model refused\n"
    assert line in first.err
    for words in (refuses, ("retry", "fan.yaml", "--simulate")):
        again = call(*words, "--output-format", "json")
        assert (again.code, json.loads(again.out)["lost_steps"]) == (1, lost)
    assert json.loads(Path("out/notes.simulated.run.json").read_text(encoding="utf-8"))["lost_steps"] == lost
    assert json.loads(call("runs", "show", "--json").out)["lost_steps"] == lost


def test_python_is_told_the_same():
    """The result of a run has the items that are null, apart from the rows that failed, and the steps that lost all."""
    done = yamlgen.run("fan.yaml", simulate=True, faults=("refusal=1",))
    assert (len(done.failures), len(done.failed_items), done.lost_steps[0]["step"]) == (0, 8, "notes")
    assert done.failed_items[0]["case"] == "item 1"
    done = yamlgen.run("fan.yaml", simulate=True, faults=("refusal=0.5",))
    assert (done.lost_steps, len(done.failed_items)) == ([], done.report.steps["notes"].failed_items)


@pytest.mark.parametrize(
    ("row", "key"),
    [("Oslo", "Oslo"), ("New York", "New York"), ('"New York"', "New York"), ("7", "7"), ("2", "New York")],
)
def test_a_row_is_asked_for_by_its_id_or_its_number(call, row, key):
    """The id as it is, or as messages quote it; a number that is no id is the place of the row."""
    assert f" in {key}." in call("render", "fan.yaml", "--row", row).out
    call(*SIMULATED)
    assert json.loads(call("runs", "show", "--row", row, "--json").out)["id"] == key


@pytest.mark.parametrize("row", ["Osl", "8", "0", "NaN", "", "\ud800", "y" * 900])
def test_a_row_that_is_not_there(call, row):
    """Both commands say so, shortly, with the nearest id or with some of them."""
    call(*SIMULATED)
    hint = "did you mean `Oslo`?" if row == "Osl" else 'ids are, for example, `Oslo`, `"New York"` and `7`'
    for words in (["render", "fan.yaml"], ["runs", "show"]):
        told = call(*words, "--row", row)
        assert (told.code, told.out) == (2, "")
        assert "has no row" in told.err
        assert hint in told.err
        assert len(told.err) < 600


def test_a_number_that_could_be_an_id_is_told(call):
    """Where ids are numbers, one that is none of them is the place of a row, and that is said."""
    write([{"key": key, "tags": ["sea"]} for key in (10, 20, 30)])
    call(*SIMULATED)
    said = "no row has the id 2: this is row number 2, whose id is 20\n"
    for words in (["render", "fan.yaml"], ["runs", "show"]):
        assert (call(*words, "--row", "2").err, call(*words, "--row", "20").err) == (said, "")
    assert json.loads(call("runs", "show", "--row", "30.0", "--json").out)["row"] == 3


def test_without_ids_a_row_has_its_number(call):
    """In what failed, and for `--row`, which takes nothing else then."""
    write([{"key": key, "tags": ["sea", "air"]} for key in KEYS], FAN.replace(", id: key", ""))
    call(*SIMULATED, "--fault", "refusal=1")
    assert call("runs", "failed").out.startswith("row 1, item 1 of notes is null: YG504")
    assert "id" not in json.loads(call("runs", "show", "--row", "3", "--json").out)
    for words in (["render", "fan.yaml"], ["runs", "show"]):
        told = call(*words, "--row", "Oslo")
        assert (told.code, "row numbers start at 1" in told.err) == (2, True)


def test_a_broken_row_does_not_hide_one_before_it(call):
    """A row is found by its number though what follows it cannot be read; an id that is not found may stand there."""
    with Path("rows.jsonl").open("a", encoding="utf-8") as file:
        file.write("{broken\n")
    assert call("render", "fan.yaml", "--row", "2").code == 0
    assert "rows.jsonl:5" in call("render", "fan.yaml", "--row", "Osl").err


def test_a_long_label_of_a_matrix_is_cut(call):
    """An item is named by its labels, each as short as a sentence bears."""
    labels = json.dumps({"tone": ["dry", "long " * 100]})
    write(
        [{"key": "Oslo"}], FAN.replace("for_each: row.tags", f"matrix: {labels}").replace("item }}", "matrix.tone }}")
    )
    call(*SIMULATED, "--fault", "refusal=1")
    dry, long = call("runs", "failed").out.splitlines()
    assert dry == "row Oslo, tone=dry of notes is null: YG504: the model refused"
    assert re.fullmatch(r"row Oslo, tone=(long )+\.\.\. of notes is null: YG504: the model refused", long)
    assert len(long) < 200
