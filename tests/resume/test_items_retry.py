"""Items that fail: nulls in a list, and rows that one `retry` brings home whole, however many of their items failed."""

import json

import pytest
from constructs import ALL, CONSTRUCTS, ITEMS, ask, lay_out

from counted_runs import CUT, REFUSED, SERVER_ERROR, fact
from scripted_api import said
from yamlgen.api.failed_rows import repeat
from yamlgen.api.history import find_run, store_locations
from yamlgen.errors import Code
from yamlgen.exit_codes import ExitCode


@pytest.fixture
def fan(project):
    """An answer for each tag of each town: three of Rome, of which the first and the last are equal."""
    lay_out(project, CONSTRUCTS["for_each"][0])
    return project


def retry(project, **options):
    """Retry the last run as the command line does."""
    again = repeat(find_run(store_locations([project.path]), None).entry)
    return project.run(params=again.params, **{**again.options, **options})


def rows(project, name="towns.jsonl"):
    """The rows of a file of the output, by town."""
    path = project.folder / "out" / name
    found = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return {(row.get("row") or row)["town"]: row for row in found}


def failed(project):
    """The failed rows, by town."""
    return rows(project, "towns.failed.jsonl")


def refuse(project, *words, reply=REFUSED):
    """Answer the next request with such words with a refusal, or otherwise."""
    for each in words:
        project.script.wrong.setdefault(each, []).append(reply)


def test_a_failed_item_fails_its_row_and_costs_nothing_again(fan):
    """One refused item sets its row aside with all that was paid for it; a plain run asks for none of it again."""
    refuse(fan, "Rome and its food")
    first = fan.run()
    assert (first.code, first.asked, list(failed(fan))) == (ExitCode.FAILED_ROWS, ITEMS, ["Rome"])
    row = failed(fan)["Rome"]
    assert (row["code"], row["message"]) == (Code.REFUSED, "item 2: the model refused")
    assert [item["message"] for item in row["items"]] == ["item 2: the model refused"]
    assert [attempt["case"] for attempt in row["attempts"]] == ["item 1", "item 2", "item 3"]
    before = fan.files()
    assert (fan.run().asked, fan.files()) == (0, before)


def test_one_retry_brings_home_a_row_of_which_several_items_failed(fan):
    """All failed items of a row are asked again at once, the others keep their answers, and the row is whole."""
    refuse(fan, "Rome and its art", "Rome and its art", "Oslo and its sea")
    fan.run()
    (kept,) = [each["response"] for each in failed(fan)["Rome"]["attempts"] if not each["errors"]]
    again = retry(fan)
    assert (again.code, again.sent) == (ExitCode.OK, {"line": 3})
    rome = rows(fan)["Rome"]["line"]
    assert (rome[1], len(set(rome))) == (kept["content"][0]["text"], 3)
    assert (fan.run().asked, list(fan.files())) == (0, ["towns.jsonl"])


def test_a_retry_of_which_an_item_fails_again(fan):
    """An item that a retry is refused too is what the next retry asks for, alone."""
    refuse(fan, "Rome and its art", "Rome and its art", "Rome and its art")
    assert fan.run().code == ExitCode.FAILED_ROWS
    assert (retry(fan).asked, list(failed(fan))) == (2, ["Rome"])
    assert fan.run().asked == 0
    assert (retry(fan).asked, failed(fan)) == (1, {})


def test_items_that_failed_in_different_ways_are_retried_together(fan):
    """Cut off, refused, and without an answer: one retry asks for the three of them."""
    fan.rows[1]["tags"] = ["art", "food", "sun", "sea"]
    for words, reply in {"art": CUT, "food": REFUSED, "sun": SERVER_ERROR}.items():
        refuse(fan, f"Rome and its {words}", reply=reply)
    fan.run()
    items = failed(fan)["Rome"]["items"]
    assert [item["code"] for item in items] == [Code.TRUNCATED, Code.REFUSED, Code.TRANSPORT]
    assert failed(fan)["Rome"]["message"].endswith("(and 2 more of 4)")
    assert (retry(fan).sent, failed(fan)) == ({"line": 3}, {})


def test_a_plain_run_asks_for_what_got_no_answer_alone(fan):
    """Of a row with a refused item and one without an answer, a plain run sends the latter; the row stays failed."""
    refuse(fan, "Rome and its food")
    refuse(fan, "Rome and its art", reply=SERVER_ERROR)
    fan.run()
    assert (fan.run().sent, list(failed(fan))) == ({"line": 1}, ["Rome"])
    assert len(failed(fan)["Rome"]["items"]) == 1
    assert (fan.run().asked, retry(fan).sent, failed(fan)) == (0, {"line": 1}, {})


@pytest.mark.parametrize("stop_after", [1, 2])
def test_a_stopped_retry_of_items_is_gone_on_with(fan, stop_after):
    """What a retry was answered before it was stopped in the middle of a row is not paid for by the next one."""
    fan.set("runtime.concurrency", 1)
    refuse(fan, "Rome and its food", "Rome and its art", "Rome and its art")
    fan.run()
    assert retry(fan, stop_after=stop_after).asked == stop_after
    again = retry(fan)
    assert (again.code, again.asked, failed(fan)) == (ExitCode.OK, 3 - stop_after, {})


def test_a_limit_in_the_middle_of_a_retry(fan):
    """`max_requests` holds between two items of a retried row, and the next retry goes on."""
    refuse(fan, "Rome and its food", "Rome and its art", "Rome and its art")
    fan.run()
    assert (retry(fan, max_requests=2).code, retry(fan).asked) == (ExitCode.LIMIT, 1)
    assert (failed(fan), fan.run().asked) == ({}, 0)


def test_a_retry_offline_sends_for_no_item(fan):
    """Offline the failed items are missing, their row too, and the files stay as they were."""
    refuse(fan, "Rome and its food")
    fan.run()
    before = fan.files()
    again = retry(fan, offline=True)
    assert (again.code, again.asked, again.report.missing, fan.files()) == (ExitCode.FAILED_ROWS, 0, 1, before)


def test_samples_that_failed_are_retried_alone(project):
    """Of three samples that ask the same, those that were refused are asked again, each by its own key."""
    lay_out(project, CONSTRUCTS["samples"][0])
    refuse(project, "Rome", "Rome")
    project.run()
    assert len(failed(project)["Rome"]["items"]) == 2
    assert (retry(project).sent, len(set(rows(project)["Rome"]["line"]))) == ({"line": 2}, 3)


def test_a_combination_that_failed_is_retried_alone(project):
    """Of a matrix the failed combination is told by its labels, and asked again alone."""
    lay_out(project, CONSTRUCTS["matrix"][0])
    refuse(project, "Rome, warm")
    project.run()
    assert failed(project)["Rome"]["message"] == "tone=warm: the model refused"
    assert (retry(project).sent, project.run().asked) == ({"line": 1}, 0)


def test_a_retried_item_keeps_the_steps_behind_the_others(project):
    """What depends on a retried list is asked once the list is whole; what stands beside it is not asked again."""
    steps = {**CONSTRUCTS["for_each"][0], "side": ask("Aside: {{ row.town }}"), "end": ask("End: {{ steps.line }}")}
    lay_out(project, steps)
    refuse(project, "Rome and its food")
    assert project.run().sent == {"line": ITEMS, "side": ALL, "end": ALL - 1}
    assert retry(project).sent == {"line": 1, "end": 1}


class TestNulls:
    """`on_item_error: "null"`: a failed item costs its place in the list."""

    @pytest.fixture
    def nulls(self, fan):
        """As above, with nulls."""
        fan.set("steps.line.on_item_error", "null")
        return fan

    def test_a_refused_item_is_null_from_then_on(self, nulls):
        """The row is finished with a null; run again it sends nothing, writes the same bytes and tells of it again."""
        refuse(nulls, "Rome and its food", "Oslo and its sea")
        first = nulls.run()
        assert (first.code, first.asked, first.report.steps["line"].failed_items) == (ExitCode.OK, ITEMS, 2)
        assert [line is None for line in rows(nulls)["Rome"]["line"]] == [False, True, False]
        before = nulls.files()
        again = nulls.run()
        assert (again.asked, again.report.steps["line"].failed_items, nulls.files()) == (0, 2, before)
        assert [group.count for group in again.report.item_groups.values()] == [2]

    def test_an_item_without_an_answer_is_null_for_one_run(self, nulls):
        """A failure on the way is no answer: the next run sends that item, and the null is gone."""
        refuse(nulls, "Rome and its food", reply=SERVER_ERROR)
        assert nulls.run().code == ExitCode.OK
        assert (nulls.run().sent, None in rows(nulls)["Rome"]["line"]) == ({"line": 1}, False)

    def test_going_back_to_fail_costs_nothing(self, nulls):
        """Whether a failed item is null or fails its row is no part of a request; a retry then asks for it."""
        refuse(nulls, "Rome and its food")
        nulls.run()
        nulls.set("steps.line.on_item_error", None)
        assert (nulls.run().asked, list(failed(nulls))) == (0, ["Rome"])
        assert (retry(nulls).sent, failed(nulls)) == ({"line": 1}, {})

    def test_a_row_of_nulls_alone(self, nulls):
        """A row of which all items failed is finished; what refers to it sees the nulls."""
        nulls.set("steps.after", ask("After {{ steps.line | tojson }}"))
        refuse(nulls, "Oslo and its sea", "Oslo and its food")
        assert nulls.run().code == ExitCode.OK
        assert rows(nulls)["Oslo"]["line"] == [None, None]
        assert rows(nulls)["Oslo"]["after"].endswith("After [null, null]")
        assert nulls.run().asked == 0

    def test_nulls_do_not_hide_what_is_missing(self, nulls):
        """Stopped in the middle, an offline run has no row for what was not asked, though nulls are allowed."""
        nulls.set("runtime.concurrency", 1)
        refuse(nulls, "Oslo and its sea")
        nulls.run(stop_after=1)
        offline = nulls.run(offline=True)
        assert (offline.report.missing, offline.report.finished, nulls.files()) == (3, 1, {})

    def test_a_row_that_loses_an_item_counts_as_a_failure(self, nulls):
        """What fails for every item is stopped by `max_failures`, though no row fails."""
        nulls.set("runtime.concurrency", 1)
        refuse(nulls, "Oslo and its sea", "Rome and its food", "Cork and its sea")
        done = nulls.run(max_failures=0)
        assert (done.code, done.report.failed) == (ExitCode.LIMIT, 0)
        assert nulls.run(max_failures=3).code == ExitCode.OK

    def test_a_retry_asks_for_the_items_that_failed(self, nulls):
        """Rows that are finished with a null in them are asked again, for that item alone."""
        refuse(nulls, "Oslo and its sea", "Rome and its food")
        assert nulls.run().code == ExitCode.OK
        assert (retry(nulls).sent, failed(nulls)) == ({"line": 2}, {})
        assert all(None not in row["line"] for row in rows(nulls).values())
        assert nulls.run().asked == 0


class TestChecks:
    """`check`: what fails it is an invalid output, which the model is told; a changed check judges what is stored."""

    @pytest.fixture
    def checked(self, project):
        """A line for each town that must not hold `bad`."""
        lay_out(project, {"line": ask("A line on {{ row.town }}", check=["'bad' not in output"])})
        project.set("steps.line.output", {"reasks": 1})
        return project

    def judge(self, project, *check):
        """Change the checks."""
        project.set("steps.line.check", list(check))

    def test_the_model_is_told_within_the_same_reasks(self, checked):
        """A failing answer is shown to the model with what does not hold, once; the next run sends nothing."""
        refuse(checked, "Rome", reply=said("a bad one"))
        done = checked.run()
        assert (done.code, done.asked, done.report.steps["line"].reasks) == (ExitCode.OK, ALL + 1, 1)
        (told,) = [body["messages"] for body in checked.server.bodies if len(body["messages"]) == 3]
        assert told[1] == {"role": "assistant", "content": "a bad one"}
        assert "`'bad' not in output` does not hold" in told[2]["content"]
        before = checked.files()
        assert (checked.run().asked, checked.files()) == (0, before)

    def test_a_row_that_fails_its_check_stays_failed(self, checked):
        """After its re-asks it is an invalid row with all its attempts; a plain run does not ask, a retry does."""
        refuse(checked, "Rome", "Rome", reply=said("a bad one"))
        assert (checked.run().asked, list(failed(checked))) == (ALL + 1, ["Rome"])
        row = failed(checked)["Rome"]
        assert (row["code"], [bool(each["errors"]) for each in row["attempts"]]) == (Code.INVALID_OUTPUT, [True, True])
        assert checked.run().asked == 0
        assert (retry(checked).asked, failed(checked)) == (1, {})

    def test_a_stricter_check_asks_the_rows_that_fail_it_now(self, checked):
        """Stored answers are judged anew: those that hold cost nothing, the others one re-ask each."""
        checked.run()
        before = rows(checked)
        self.judge(checked, "'bad' not in output", "'Rome' not in output or 'No. 6' in output or 'No. 5' in output")
        assert checked.run().sent == {"line": 1}
        after = rows(checked)
        assert [town for town in after if after[town] != before[town]] == ["Rome"]
        assert checked.run().asked == 0

    def test_a_looser_check_finishes_a_failed_row_without_a_request(self, checked):
        """The first stored answer that holds is the row's; nothing is sent for it but what hangs on it."""
        checked.set("steps.after", ask("After {{ steps.line }}"))
        refuse(checked, "Rome", "Rome", reply=said("a bad one"))
        checked.run()
        self.judge(checked, "output is string")
        assert checked.run().sent == {"after": 1}
        assert rows(checked)["Rome"]["line"] == "a bad one"

    def test_a_check_that_is_taken_back_costs_nothing(self, checked):
        """Without its check, and with it again, nothing is asked."""
        refuse(checked, "Rome", reply=said("a bad one"))
        checked.run()
        before = checked.files()
        checked.set("steps.line.check", None)
        assert checked.run().asked == 0
        assert rows(checked)["Rome"]["line"] == "a bad one"
        self.judge(checked, "'bad' not in output")
        assert (checked.run().asked, checked.files()) == (0, before)

    def test_another_message_asks_for_what_failed_alone(self, checked):
        """What the model is told is part of the re-ask: another message sends that alone, and no first request."""
        refuse(checked, "Rome", reply=said("a bad one"))
        checked.run()
        self.judge(checked, {"expression": "'bad' not in output", "message": "Not {{ output }}, {{ row.town }}!"})
        assert checked.run().sent == {"line": 1}
        assert "Not a bad one, Rome!" in checked.server.bodies[-1]["messages"][2]["content"]
        assert checked.run().asked == 0

    def test_a_check_that_cannot_be_computed_does_not_hold(self, checked):
        """It looks for what an answer lacks: the model is told, and once the check is mended nothing is sent."""
        self.judge(checked, "row.town == 'Oslo' or [1][3] == 1")
        done = checked.run()
        assert (done.asked, sorted(failed(checked))) == (ALL + 3, ["Cork", "Graz", "Rome"])
        assert {row["code"] for row in failed(checked).values()} == {Code.INVALID_OUTPUT}
        self.judge(checked, "output is string")
        assert (checked.run().asked, failed(checked)) == (0, {})

    def test_a_check_of_items_judges_each(self, fan):
        """Of a list only the items that fail their check are asked again, before and after a change."""
        fan.set("steps.line.check", ["'bad' not in output"])
        refuse(fan, "Rome and its food", reply=said("a bad one"))
        assert fan.run().asked == ITEMS + 1
        fan.set("steps.line.check", ["'bad' not in output", "'sea' not in output or 'Re' in output"])
        fan.set("steps.line.output", {"reasks": 1})
        assert fan.run().asked == 2
        assert sorted(failed(fan)) == ["Cork", "Oslo"]
        assert fan.run().asked == 0

    def test_a_check_stands_beside_a_schema(self, project):
        """An output is checked once its schema holds; both tell the model within the same number of re-asks."""
        schema = {"type": "object", "required": ["kind"], "properties": {"kind": {"type": "string"}}}
        step = ask("Give {{ row.town }}", output={"schema": schema, "reasks": 2}, check=["output.kind != 'old'"])
        lay_out(project, {"line": step})
        project.rows = project.rows[:1]
        project.script.wrong["Oslo"] = [fact(3), fact("old"), fact("new")]
        done = project.run()
        assert (done.code, done.asked, rows(project)["Oslo"]["line"]) == (ExitCode.OK, 3, {"kind": "new"})
        assert project.run().asked == 0
