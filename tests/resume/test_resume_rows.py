"""What a change of the rows re-runs; how checks, stops, `fresh` and `offline` decide over what is stored."""

import json

import pytest

from counted_runs import CUT, REFUSED, SCHEMA, SERVER_ERROR, TOWNS, fact
from scripted_api import said
from yamlgen.errors import Code, Exit

ALL = len(TOWNS)


@pytest.fixture(params=[False, True], ids=["without ids", "with ids"])
def rows(request, bench):
    """The workbench's rows, without ids and with them."""
    if request.param:
        bench.set("input.id", "id")
        bench.rows = [{"id": f"no {number}", **row} for number, row in enumerate(bench.rows)]
    return bench.rows


def test_new_and_changed_rows_alone_are_asked(bench, rows):
    """Rows that came or changed are asked; the others keep their answers, and those that went are gone."""
    bench.run()
    before = bench.lines()
    del rows[1]
    rows[0]["town"] = "Troy"
    rows.append({**rows[0], "id": "new", "town": "Tyre"})
    assert bench.run().sent == {"facts": 2, "line": 2}
    after = bench.lines()
    assert list(after) == ["Troy", "Graz", "Cork", "Tyre"]
    assert all(after[town] == before[town] for town in ("Graz", "Cork"))


def test_reordering_asks_nothing(bench, rows):
    """The same rows in another order are the same rows; the output follows the input."""
    bench.run()
    before = bench.lines()
    rows.reverse()
    assert bench.run().asked == 0
    assert bench.lines() == before
    assert list(bench.lines()) == list(reversed(TOWNS))


def test_widening_asks_nothing(bench, rows):
    """A column that no template refers to may come, change and go; it stands in the output all the same."""
    bench.run()
    for number, row in enumerate(rows):
        row["note"] = number
    assert bench.run().asked == 0
    found = [json.loads(line) for line in (bench.folder / "out/towns.jsonl").read_text().splitlines()]
    assert [row["note"] for row in found] == list(range(ALL))


def test_rows_may_move_to_another_place(bench, rows):
    """Rows written in the pipeline, in JSON or in CSV are the same rows where their values are."""
    bench.run()
    bench.set("input.rows", rows)
    bench.set("input.path", None)
    assert bench.run().asked == 0
    (bench.folder / "rows.csv").write_text("\n".join(",".join(values) for values in (rows[0], *map(dict.values, rows))))
    bench.set("input.rows", None)
    bench.set("input.path", "rows.csv")
    assert bench.run().asked == 0


def test_the_first_rows_are_a_part_of_all(bench, rows):
    """What a trial over the first rows paid for is not paid again by the whole run."""
    assert bench.run(limit=1).asked == 2
    assert bench.run().asked == 2 * (ALL - 1)
    assert bench.run(limit=3).asked == 0
    assert rows


def test_an_id_of_another_row_is_another_row(bench):
    """The same values under a new id are a new row."""
    bench.set("input.id", "id")
    bench.rows = [{"id": number, "town": "Oslo"} for number in range(2)]
    bench.run()
    bench.rows[1]["id"] = 5
    assert bench.run().sent == {"facts": 1, "line": 1}


@pytest.mark.parametrize("simulate", [False, True])
def test_equal_rows_have_answers_of_their_own(bench, simulate):
    """Two rows that are the same are two rows; when one goes, or moves, the other keeps the first answer."""
    bench.rows = [{"town": "Oslo"}, {"town": "Rome"}, {"town": "Oslo"}]
    output = bench.folder / "out" / ("towns.simulated.jsonl" if simulate else "towns.jsonl")
    assert bench.run(simulate=simulate).asked == 6
    first, middle, last = output.read_text().splitlines()
    assert json.loads(first)["line"] != json.loads(last)["line"]
    assert bench.run(simulate=simulate).asked == 0
    bench.rows = [{"town": "Rome"}, {"town": "Oslo"}, {"town": "Oslo"}]
    assert bench.run(simulate=simulate).asked == 0
    assert output.read_text().splitlines() == [middle, first, last]
    bench.rows.pop(1)
    assert bench.run(simulate=simulate).asked == 0
    assert output.read_text().splitlines() == [middle, first]
    bench.rows += [{"town": "Oslo"}, {"town": "Oslo"}]
    assert bench.run(simulate=simulate).asked == 2
    assert output.read_text().splitlines()[:3] == [middle, first, last]


STRICTER = [
    ({"additionalProperties": False}, {"more": 1}),
    ({"properties": {"kind": {"enum": ["old", "new", 3], "type": "string"}}}, {"kind": 3}),
    ({"properties": {"kind": {"enum": ["old", "new", 3], "const": "old"}}}, {"kind": "new"}),
]


@pytest.mark.parametrize(("stricter", "wrong"), STRICTER, ids=["no more keys", "a type", "a constant"])
def test_a_stricter_check_asks_the_rows_that_fail_it(bench, stricter, wrong):
    """What is only checked, and not sent, asks again for what fails it now; made looser it asks nothing."""
    bench.rows = [{"town": "Oslo"}, {"town": "Rome"}]
    bench.refuse("Facts on Rome", reply=fact(**{"kind": "old", **wrong}))
    bench.run()
    before = bench.files()
    bench.set("steps.facts.output.schema", {**SCHEMA, **stricter})
    line = 0 if "more" in wrong else 1
    assert bench.run().sent == ({"facts": 1, "line": line} if line else {"facts": 1})
    assert "$" in bench.server.bodies[-1 - line]["messages"][-1]["content"]
    assert bench.files() != before
    assert bench.run().asked == 0
    bench.set("steps.facts.output.schema", SCHEMA)
    assert bench.run().asked == 0
    assert bench.files() == before


def test_a_looser_check_takes_what_failed(bench):
    """A row that stayed invalid is a good row once its first answer is allowed; nothing is sent for it but its rest."""
    bench.set("steps.facts.output.schema", {**SCHEMA, "additionalProperties": False})
    for _ in range(3):
        bench.refuse("Facts on Rome", reply=fact("old", more=1))
    assert bench.run().code == 1
    bench.set("steps.facts.output.schema", SCHEMA)
    again = bench.run()
    assert (again.code, again.sent) == (0, {"line": 1})


@pytest.mark.parametrize("mode", ["native", "tools", "json"])
def test_an_interrupted_reask_goes_on_where_it_stood(bench, mode):
    """A run that is stopped between an invalid answer and its re-ask sends the re-ask in the next one, no more."""
    bench.set("steps.facts.output.mode", mode)
    bench.rows = [{"town": "Rome"}]
    block = {"type": "tool_use", "id": "toolu_1", "name": "facts"}
    replies = [{"kind": kind} for kind in ("none", "neither", "old")]
    if mode == "tools":
        bench.script.wrong["Facts on Rome"] = [said({**block, "input": each}, stop="tool_use") for each in replies]
    else:
        bench.script.wrong["Facts on Rome"] = [said(json.dumps(each)) for each in replies]
    for _ in range(2):
        stopped = bench.run(stop_after=1)
        assert (str(stopped.error.code), stopped.sent) == (Code.STOPPED, {"facts": 1})
        assert bench.files() == {}
    assert bench.run().sent == {"facts": 1, "line": 1}
    assert "neither" in json.dumps(bench.server.bodies[-2]["messages"])
    assert list(bench.lines()) == ["Rome"]


def test_provenance_names_every_run_that_paid(bench):
    """Of answers that several runs paid for, the provenance names each, in the order of the attempts."""
    bench.set("output", {**bench.document["output"], "provenance": True})
    bench.rows = [{"town": "Rome"}]
    bench.refuse("Facts on Rome", reply=fact("none"))
    first = bench.run(stop_after=1).report.run
    second = bench.run().report.run
    (row,) = (bench.folder / "out/towns.jsonl").read_text().splitlines()
    made = json.loads(row)["provenance"]
    assert (made["facts"]["runs"], made["line"]["runs"]) == ([first, second], [second])


@pytest.mark.parametrize("stop_after", [1, 2, 5, 7])
def test_a_stopped_run_is_gone_on_with(bench, stop_after):
    """What a stopped run was answered is there for the next one, and the output of before stays until then."""
    bench.set("runtime.concurrency", 1)
    bench.run()
    before = bench.files()
    bench.set("models.quick.max_tokens", 1500)
    stopped = bench.run(stop_after=stop_after)
    assert (str(stopped.error.code), stopped.asked) == (Code.STOPPED, stop_after)
    assert bench.files() == before
    assert bench.run().asked == 2 * ALL - stop_after
    assert bench.files() != before


def test_fresh_pays_again_and_stands(bench):
    """A fresh run takes nothing out of the store, and what it was answered is the answer from then on."""
    bench.refuse("Facts on Rome")
    bench.run()
    before = bench.lines()
    fresh = bench.run(fresh=True)
    assert (fresh.code, fresh.asked) == (0, 2 * ALL)
    after = bench.lines()
    assert set(after) == set(TOWNS)
    assert not set(before.values()) & set(after.values())
    assert bench.run().asked == 0
    assert bench.lines() == after


def test_a_stopped_fresh_run_is_gone_on_with_by_a_plain_one(bench):
    """What a stopped fresh run paid for stands; what it had not yet asked for is answered as it was before."""
    bench.set("runtime.concurrency", 1)
    bench.run()
    before = bench.lines()
    stopped = bench.run(fresh=True, stop_after=ALL + 2)
    assert "without `fresh=True` the same call takes these" in stopped.error.hint
    assert bench.lines() == before
    assert bench.run().asked == 0
    after = bench.lines()
    assert sum(after[town] != before[town] for town in TOWNS) == 2


def test_offline_writes_what_is_there(bench, monkeypatch):
    """With every answer in the store an offline run needs no key and writes the same bytes, failed rows included."""
    bench.refuse("Facts on Rome", reply=CUT)
    bench.run()
    before = bench.files()
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    offline = bench.run(offline=True)
    assert (offline.code, offline.asked) == (1, 0)
    assert bench.files() == before


def test_offline_tells_what_is_missing(bench, monkeypatch):
    """An offline run never sends; rows without an answer are counted, and the output stays as it was."""
    bench.run()
    before = bench.files()
    bench.rows += [{"town": "Troy"}, {"town": "Tyre"}]
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    offline = bench.run(offline=True)
    assert (offline.code, offline.asked, str(offline.error.code)) == (Exit.FAILED_ROWS, 0, Code.NOT_STORED)
    assert offline.error.message.startswith("2 rows have no answer in the store")
    assert bench.files() == before


def test_offline_a_failed_row_may_lack_an_answer(bench):
    """A row that failed at one step, and was never asked at another, is missing: the output stays as it was."""
    bench.refuse("Facts on Rome")
    bench.run()
    before = bench.files()
    bench.rows = [{"town": "Rome"}]
    bench.set("steps.side", {"model": "quick", "prompt": "Aside on {{ row.town }}."})
    offline = bench.run(offline=True)
    assert offline.error.message.startswith("1 row has no answer in the store")
    assert bench.files() == before
    assert bench.run().sent == {"side": 1}


def test_offline_on_nothing(bench, monkeypatch):
    """Before anything was ever asked, an offline run says that all of it is missing, and leaves no output."""
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    offline = bench.run(offline=True)
    assert (offline.code, offline.asked) == (Exit.FAILED_ROWS, 0)
    assert offline.error.message.startswith(f"{ALL} rows have")
    assert bench.files() == {}


def test_fresh_failures_stand_too(bench):
    """A row that a fresh run left refused is refused from then on, whatever it was before."""
    bench.run()
    bench.refuse("Facts on Rome", reply=REFUSED)
    assert bench.run(fresh=True).code == 1
    again = bench.run()
    assert (again.code, again.asked, list(bench.failed())) == (1, 0, ["Rome"])


def test_a_fresh_row_that_got_no_answer_has_that_of_before(bench):
    """Where a fresh run got no answer on the way, the one of before is still the newest, and serves a plain run."""
    bench.run()
    before = bench.lines()
    bench.refuse("A line on Rome", reply=SERVER_ERROR)
    assert bench.run(fresh=True).code == 1
    again = bench.run()
    assert (again.code, again.asked) == (0, 0)
    assert [town for town in TOWNS if bench.lines()[town] == before[town]] == ["Rome"]


def test_a_run_that_was_stopped_while_a_failed_row_had_more_to_do_is_no_whole_one(bench):
    """A row that failed at one step, and was stopped before another, is not done: the next run asks for the rest."""
    bench.rows = bench.rows[:1]
    bench.set("steps.side", {"model": "quick", "prompt": "Aside: {{ row.town }}, {{ steps.facts.kind }}."})
    bench.set("runtime.concurrency", 1)
    bench.refuse("Aside: Oslo", "Aside: Oslo")
    stopped = bench.run(stop_after=2)
    assert stopped.error.code == Code.STOPPED
    again = bench.run()
    assert (again.error, again.asked, list(bench.failed())) == (None, 1, ["Oslo"])
