"""What a change of the rows re-runs; how checks, stops, `fresh` and `offline` decide over what is stored."""

import json

import pytest

from counted_runs import CUT, REFUSED, SCHEMA, SERVER_ERROR, TOWNS, fact
from scripted_api import said
from yamlgen.errors import Code
from yamlgen.exit_codes import ExitCode

ALL = len(TOWNS)


@pytest.fixture(params=[False, True], ids=["without ids", "with ids"])
def rows(request, project):
    """The project's rows, without ids and with them."""
    if request.param:
        project.set("input.id", "id")
        project.rows = [{"id": f"no {number}", **row} for number, row in enumerate(project.rows)]
    return project.rows


def test_new_and_changed_rows_alone_are_asked(project, rows):
    """Rows that came or changed are asked; the others keep their answers, and those that went are gone."""
    project.run()
    before = project.lines()
    del rows[1]
    rows[0]["town"] = "Troy"
    rows.append({**rows[0], "id": "new", "town": "Tyre"})
    assert project.run().sent == {"facts": 2, "line": 2}
    after = project.lines()
    assert list(after) == ["Troy", "Graz", "Cork", "Tyre"]
    assert all(after[town] == before[town] for town in ("Graz", "Cork"))


def test_reordering_asks_nothing(project, rows):
    """The same rows in another order are the same rows; the output follows the input."""
    project.run()
    before = project.lines()
    rows.reverse()
    assert project.run().asked == 0
    assert project.lines() == before
    assert list(project.lines()) == list(reversed(TOWNS))


def test_widening_asks_nothing(project, rows):
    """A column that no template refers to may come, change and go; it stands in the output all the same."""
    project.run()
    for number, row in enumerate(rows):
        row["note"] = number
    assert project.run().asked == 0
    found = [json.loads(line) for line in (project.folder / "out/towns.jsonl").read_text().splitlines()]
    assert [row["note"] for row in found] == list(range(ALL))


def test_rows_may_move_to_another_place(project, rows):
    """Rows written in the pipeline, in JSON or in CSV are the same rows where their values are."""
    project.run()
    project.set("input.rows", rows)
    project.set("input.path", None)
    assert project.run().asked == 0
    (project.folder / "rows.csv").write_text(
        "\n".join(",".join(values) for values in (rows[0], *map(dict.values, rows)))
    )
    project.set("input.rows", None)
    project.set("input.path", "rows.csv")
    assert project.run().asked == 0


def test_the_first_rows_are_a_part_of_all(project, rows):
    """What a trial over the first rows paid for is not paid again by the whole run."""
    assert project.run(limit=1).asked == 2
    assert project.run().asked == 2 * (ALL - 1)
    assert project.run(limit=3).asked == 0
    assert rows


def test_an_id_of_another_row_is_another_row(project):
    """The same values under a new id are a new row."""
    project.set("input.id", "id")
    project.rows = [{"id": number, "town": "Oslo"} for number in range(2)]
    project.run()
    project.rows[1]["id"] = 5
    assert project.run().sent == {"facts": 1, "line": 1}


@pytest.mark.parametrize("simulate", [False, True])
def test_equal_rows_have_answers_of_their_own(project, simulate):
    """Two rows that are the same are two rows; when one goes, or moves, the other keeps the first answer."""
    project.rows = [{"town": "Oslo"}, {"town": "Rome"}, {"town": "Oslo"}]
    output = project.folder / "out" / ("towns.simulated.jsonl" if simulate else "towns.jsonl")
    assert project.run(simulate=simulate).asked == 6
    first, middle, last = output.read_text().splitlines()
    assert json.loads(first)["line"] != json.loads(last)["line"]
    assert project.run(simulate=simulate).asked == 0
    project.rows = [{"town": "Rome"}, {"town": "Oslo"}, {"town": "Oslo"}]
    assert project.run(simulate=simulate).asked == 0
    assert output.read_text().splitlines() == [middle, first, last]
    project.rows.pop(1)
    assert project.run(simulate=simulate).asked == 0
    assert output.read_text().splitlines() == [middle, first]
    project.rows += [{"town": "Oslo"}, {"town": "Oslo"}]
    assert project.run(simulate=simulate).asked == 2
    assert output.read_text().splitlines()[:3] == [middle, first, last]


STRICTER = [
    ({"additionalProperties": False}, {"more": 1}),
    ({"properties": {"kind": {"enum": ["old", "new", 3], "type": "string"}}}, {"kind": 3}),
    ({"properties": {"kind": {"enum": ["old", "new", 3], "const": "old"}}}, {"kind": "new"}),
]


@pytest.mark.parametrize(("stricter", "wrong"), STRICTER, ids=["no more keys", "a type", "a constant"])
def test_a_stricter_check_asks_the_rows_that_fail_it(project, stricter, wrong):
    """What is only checked, and not sent, asks again for what fails it now; made looser it asks nothing."""
    project.rows = [{"town": "Oslo"}, {"town": "Rome"}]
    project.refuse("Facts on Rome", reply=fact(**{"kind": "old", **wrong}))
    project.run()
    before = project.files()
    project.set("steps.facts.output.schema", {**SCHEMA, **stricter})
    line = 0 if "more" in wrong else 1
    assert project.run().sent == ({"facts": 1, "line": line} if line else {"facts": 1})
    assert "$" in project.server.bodies[-1 - line]["messages"][-1]["content"]
    assert project.files() != before
    assert project.run().asked == 0
    project.set("steps.facts.output.schema", SCHEMA)
    assert project.run().asked == 0
    assert project.files() == before


def test_a_looser_check_takes_what_failed(project):
    """A row that stayed invalid is a good row once its first answer is allowed; nothing is sent for it but its rest."""
    project.set("steps.facts.output.schema", {**SCHEMA, "additionalProperties": False})
    for _ in range(3):
        project.refuse("Facts on Rome", reply=fact("old", more=1))
    assert project.run().code == 1
    project.set("steps.facts.output.schema", SCHEMA)
    again = project.run()
    assert (again.code, again.sent) == (0, {"line": 1})


@pytest.mark.parametrize("mode", ["native", "tools", "json"])
def test_an_interrupted_reask_goes_on_where_it_stood(project, mode):
    """A run that is stopped between an invalid answer and its re-ask sends the re-ask in the next one, no more."""
    project.set("steps.facts.output.mode", mode)
    project.rows = [{"town": "Rome"}]
    block = {"type": "tool_use", "id": "toolu_1", "name": "facts"}
    replies = [{"kind": kind} for kind in ("none", "neither", "old")]
    if mode == "tools":
        project.script.wrong["Facts on Rome"] = [said({**block, "input": each}, stop="tool_use") for each in replies]
    else:
        project.script.wrong["Facts on Rome"] = [said(json.dumps(each)) for each in replies]
    for _ in range(2):
        stopped = project.run(stop_after=1)
        assert (str(stopped.error.code), stopped.sent) == (Code.STOPPED, {"facts": 1})
        assert project.files() == {}
    assert project.run().sent == {"facts": 1, "line": 1}
    assert "neither" in json.dumps(project.server.bodies[-2]["messages"])
    assert list(project.lines()) == ["Rome"]


def test_provenance_names_every_run_that_paid(project):
    """Of answers that several runs paid for, the provenance names each, in the order of the attempts."""
    project.set("output", {**project.document["output"], "provenance": True})
    project.rows = [{"town": "Rome"}]
    project.refuse("Facts on Rome", reply=fact("none"))
    first = project.run(stop_after=1).report.run
    second = project.run().report.run
    (row,) = (project.folder / "out/towns.jsonl").read_text().splitlines()
    made = json.loads(row)["provenance"]
    assert (made["facts"]["runs"], made["line"]["runs"]) == ([first, second], [second])


@pytest.mark.parametrize("stop_after", [1, 2, 5, 7])
def test_a_stopped_run_is_gone_on_with(project, stop_after):
    """What a stopped run was answered is there for the next one, and the output of before stays until then."""
    project.set("runtime.concurrency", 1)
    project.run()
    before = project.files()
    project.set("models.quick.max_tokens", 1500)
    stopped = project.run(stop_after=stop_after)
    assert (str(stopped.error.code), stopped.asked) == (Code.STOPPED, stop_after)
    assert project.files() == before
    assert project.run().asked == 2 * ALL - stop_after
    assert project.files() != before


def test_fresh_pays_again_and_stands(project):
    """A fresh run takes nothing out of the store, and what it was answered is the answer from then on."""
    project.refuse("Facts on Rome")
    project.run()
    before = project.lines()
    fresh = project.run(fresh=True)
    assert (fresh.code, fresh.asked) == (0, 2 * ALL)
    after = project.lines()
    assert set(after) == set(TOWNS)
    assert not set(before.values()) & set(after.values())
    assert project.run().asked == 0
    assert project.lines() == after


def test_a_stopped_fresh_run_is_gone_on_with_by_a_plain_one(project):
    """What a stopped fresh run paid for stands; what it had not yet asked for is answered as it was before."""
    project.set("runtime.concurrency", 1)
    project.run()
    before = project.lines()
    stopped = project.run(fresh=True, stop_after=ALL + 2)
    assert "the same call without `fresh=True` uses them" in stopped.error.hint
    assert project.lines() == before
    assert project.run().asked == 0
    after = project.lines()
    assert sum(after[town] != before[town] for town in TOWNS) == 2


def test_offline_writes_what_is_there(project, monkeypatch):
    """With every answer in the store an offline run needs no key and writes the same bytes, failed rows included."""
    project.refuse("Facts on Rome", reply=CUT)
    project.run()
    before = project.files()
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    offline = project.run(offline=True)
    assert (offline.code, offline.asked) == (1, 0)
    assert project.files() == before


def test_offline_tells_what_is_missing(project, monkeypatch):
    """An offline run never sends; rows without an answer are counted, and the output stays as it was."""
    project.run()
    before = project.files()
    project.rows += [{"town": "Troy"}, {"town": "Tyre"}]
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    offline = project.run(offline=True)
    assert (offline.code, offline.asked, str(offline.error.code)) == (ExitCode.FAILED_ROWS, 0, Code.NOT_STORED)
    assert offline.error.message.startswith("2 rows lack an answer in the store")
    assert project.files() == before


def test_offline_a_failed_row_may_lack_an_answer(project):
    """A row that failed at one step, and was never asked at another, is missing: the output stays as it was."""
    project.refuse("Facts on Rome")
    project.run()
    before = project.files()
    project.rows = [{"town": "Rome"}]
    project.set("steps.side", {"model": "quick", "prompt": "Aside on {{ row.town }}."})
    offline = project.run(offline=True)
    assert offline.error.message.startswith("1 row lacks an answer in the store")
    assert project.files() == before
    assert project.run().sent == {"side": 1}


def test_offline_on_nothing(project, monkeypatch):
    """Before anything was ever asked, an offline run says that all of it is missing, and leaves no output."""
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    offline = project.run(offline=True)
    assert (offline.code, offline.asked) == (ExitCode.FAILED_ROWS, 0)
    assert offline.error.message.startswith(f"{ALL} rows lack")
    assert project.files() == {}


def test_fresh_failures_stand_too(project):
    """A row that a fresh run left refused is refused from then on, whatever it was before."""
    project.run()
    project.refuse("Facts on Rome", reply=REFUSED)
    assert project.run(fresh=True).code == 1
    again = project.run()
    assert (again.code, again.asked, list(project.failed())) == (1, 0, ["Rome"])


def test_a_fresh_row_that_got_no_answer_has_that_of_before(project):
    """Where a fresh run got no answer on the way, the one of before is still the newest, and serves a plain run."""
    project.run()
    before = project.lines()
    project.refuse("A line on Rome", reply=SERVER_ERROR)
    assert project.run(fresh=True).code == 1
    again = project.run()
    assert (again.code, again.asked) == (0, 0)
    assert [town for town in TOWNS if project.lines()[town] == before[town]] == ["Rome"]


def test_a_run_that_was_stopped_while_a_failed_row_had_more_to_do_is_no_whole_one(project):
    """A row that failed at one step, and was stopped before another, is not done: the next run asks for the rest."""
    project.rows = project.rows[:1]
    project.set("steps.side", {"model": "quick", "prompt": "Aside: {{ row.town }}, {{ steps.facts.kind }}."})
    project.set("runtime.concurrency", 1)
    project.refuse("Aside: Oslo", "Aside: Oslo")
    stopped = project.run(stop_after=2)
    assert stopped.error.code == Code.STOPPED
    again = project.run()
    assert (again.error, again.asked, list(project.failed())) == (None, 1, ["Oslo"])
