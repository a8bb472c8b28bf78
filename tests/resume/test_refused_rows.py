"""Rows that the API refuses for what they hold: a run with them comes to its end, and is not held up by them again."""

import json
from copy import deepcopy

import pytest

from scripted_api import Reply, error, events, refusal, said, spoken
from yamlgen.errors import Code, Exit
from yamlgen.pacing import pool
from yamlgen.store.location import place_of
from yamlgen.store.run_session import archived

PIPELINE = {
    "version": 1,
    "models": {"quick": {"id": "claude-haiku-5-5", "max_tokens": 2000}},
    "runtime": {"max_retries": 0},
    "input": {"path": "rows.jsonl", "id": "id"},
    "steps": {"label": {"model": "quick", "prompt": "Label {{ row.text }}"}},
    "output": {"path": "out/towns.jsonl"},
}


class Refusing:
    """An API that refuses what holds the word `bad`, or all while its key is wrong.

    Attributes:
        is_key_wrong: whether everything is refused.
        how: makes the reply of a refusal out of the text of the row.
    """

    def __init__(self):
        self.is_key_wrong = False
        self.how = lambda _: refusal(400, "the prompt is not allowed")

    def __call__(self, body):
        """The reply to a body."""
        text = body["messages"][0]["content"]
        if self.is_key_wrong:
            return refusal(400, f"key not valid (request {abs(hash(text)):x})")
        return self.how(text) if "bad" in text else said("fine")


@pytest.fixture
def bench(bench):
    """A bench whose API refuses bad rows, with a pipeline of one step."""
    bench.document, bench.script = deepcopy(PIPELINE), Refusing()
    return bench


def rows(*texts):
    """Rows with these texts, numbered."""
    return [{"id": f"r{number}", "text": f"{text} {number}"} for number, text in enumerate(texts)]


MIXED = [text for _ in range(6) for text in (*["good"] * 19, "bad")] + ["bad"] * 24


def test_a_run_with_bad_rows_is_finished_and_not_asked_again(bench):
    """Thirty bad rows of 144: the first run finishes, the second sends nothing, and a new good row gets out."""
    bench.rows = rows(*MIXED)
    first = bench.run()
    assert (first.code, first.asked, first.report.failed) == (Exit.FAILED_ROWS, 144, 30)
    second = bench.run()
    assert (second.code, second.asked, second.report.failed) == (Exit.FAILED_ROWS, 0, 30)
    bench.rows.append({"id": "new", "text": "good new"})
    third = bench.run()
    assert (third.code, third.asked, third.report.finished) == (Exit.FAILED_ROWS, 1, 115)


def test_the_failed_file_names_the_request_that_was_refused(bench):
    """In the message and by itself; a run that finds the refusal in the store names the same one."""
    bench.rows = rows("good", "bad")
    bench.script.how = lambda _: refusal(400, "no", {"request-id": "req_abc"})
    for _ in range(2):
        bench.run()
        (line,) = (bench.folder / "out/towns.failed.jsonl").read_text().splitlines()
        told = json.loads(line)
        assert told["message"] == "the API refused the request (400): no (request req_abc)"
        assert told["request_id"] == "req_abc"


def test_a_refusal_costs_nothing(bench):
    """It is no paid answer, in no count."""
    bench.rows = rows("good", "bad")
    done = bench.run()
    assert (done.report.paid.attempts, done.report.paid.usage.input_tokens) == (1, 10)
    again = bench.run()
    assert (again.report.paid.attempts, again.report.reused.attempts) == (0, 1)


@pytest.mark.parametrize(
    "how",
    [
        lambda _: refusal(400, "no"),
        lambda _: refusal(413, "too large"),
        lambda _: Reply({"detail": "not processable"}, 422),
        lambda text: refusal(400, f"not allowed: {text}"),
        lambda _: Reply(error("invalid_request_error", "no")),
        lambda _: events(error("request_too_large", "no")),
    ],
    ids=["400", "413", "422", "each its own", "inside a 200", "inside a stream"],
)
def test_bad_rows_at_the_front_hold_nobody_up(bench, how):
    """Sixty refusals before the first good row: rows from the rest are tried, and all that is good is answered."""
    bench.script.how = how
    bench.rows = rows(*["bad"] * 60, *["good"] * 140)
    done = bench.run()
    assert (done.code, done.report.finished, done.report.failed) == (Exit.FAILED_ROWS, 140, 60)
    assert done.asked == 200
    assert bench.run().asked == 0


def test_rows_that_are_tried_early_stand_in_their_place(bench):
    """The output has the order of the input, whichever rows went first."""
    bench.set("runtime.concurrency", 2)
    bench.rows = rows(*["bad"] * 30, *["good"] * 100)
    bench.run()
    ids = [json.loads(line)["id"] for line in (bench.folder / "out/towns.jsonl").read_text().splitlines()]
    assert ids == [f"r{number}" for number in range(30, 130)]


def test_rows_that_skip_the_step_tell_nothing_of_it(bench):
    """Forty bad rows at the front of a step that few others come to: these are asked for all the same."""
    bench.rows = rows(*["bad"] * 40, *["idle"] * 160, "good", "idle", "good")
    bench.document["steps"]["label"]["when"] = "'idle' not in row.text"
    done = bench.run()
    assert (done.code, done.report.finished, done.report.failed) == (Exit.FAILED_ROWS, 163, 40)
    assert done.asked == 42
    assert bench.run().asked == 0


def test_a_wrong_key_that_is_a_400_is_not_kept(bench):
    """A gateway answers a wrong key with 400: the run ends with 3 soon, and the next one, its key right, finishes."""
    bench.rows = rows(*["good"] * 1000)
    bench.script.is_key_wrong = True
    ended = bench.run()
    assert ended.code == Exit.ENVIRONMENT
    assert ended.error.code == Code.SAME_ERROR
    assert "key not valid" in ended.error.message
    assert ended.asked < 400
    bench.script.is_key_wrong = False
    again = bench.run()
    assert (again.code, again.asked) == (Exit.OK, 1000)


def test_a_small_input_that_is_all_refused_ends_the_run(bench):
    """With no rows left to try, those under way decide."""
    bench.rows = rows(*["bad"] * 25)
    ended = bench.run()
    assert (ended.code, ended.error.code, ended.asked) == (Exit.ENVIRONMENT, Code.SAME_ERROR, 25)
    assert bench.run().asked == 25


def test_a_few_refused_rows_are_a_few_failed_rows(bench):
    """Ten rows are too few to say anything about a key; what may be one is not kept."""
    bench.rows = rows(*["bad"] * 10)
    assert (bench.run().code, bench.run().asked) == (Exit.FAILED_ROWS, 10)


def test_a_step_that_is_always_refused_ends_the_run(bench):
    """The answers of the step before it say nothing about its own settings."""
    bench.rows = rows(*["good"] * 500)
    bench.set("steps.second", {"model": "quick", "max_tokens": 999, "prompt": "bad {{ steps.label }}"})
    ended = bench.run()
    assert (ended.code, ended.error.code) == (Exit.ENVIRONMENT, Code.SAME_ERROR)
    assert ended.sent["second"] < 400


def test_a_retry_asks_for_refused_rows(bench):
    """And for no others; what is refused again stays refused."""
    bench.rows = rows("good", "bad", "bad", "good")
    bench.run()
    again = bench.run(retry=bench.run().report.run)
    assert (again.sent, again.rows, again.code) == ({"label": 2}, {1, 2}, Exit.FAILED_ROWS)
    assert bench.run().asked == 0
    bench.script.how = lambda _: said("fine after all")
    assert bench.run(retry=bench.run().report.run).code == Exit.OK


def test_a_retry_asks_for_refused_items_that_are_null(bench):
    """A row that is finished but for them is among those to retry, and its other items keep their answers."""
    bench.rows = rows("good", "good")
    bench.document["steps"]["label"] |= {
        "for_each": "['bad', 'fine']",
        "on_item_error": "null",
        "prompt": "Label {{ item }} {{ row.text }}",
    }
    bench.run()
    again = bench.run(retry=bench.run().report.run)
    assert (again.sent, again.code) == ({"label": 2}, Exit.OK)
    bench.script.how = lambda _: said("fine after all")
    assert bench.run(retry=bench.run().report.run).sent == {"label": 2}
    assert "null" not in (bench.folder / "out/towns.jsonl").read_text()


def test_fresh_asks_for_refused_rows(bench):
    """`--fresh` asks for everything."""
    bench.rows = rows("good", "bad")
    bench.run()
    assert bench.run(fresh=True).asked == 2
    assert bench.run().asked == 0


def test_a_change_of_what_is_sent_asks_again(bench):
    """Another prompt is another request."""
    bench.rows = rows("good", "bad")
    bench.run()
    bench.set("steps.label.prompt", "Please label {{ row.text }}")
    assert bench.run().asked == 2


def test_offline_a_refused_row_is_a_failed_one(bench):
    """Its refusal is in the store: nothing is missing."""
    bench.rows = rows("good", "bad")
    bench.run()
    done = bench.run(offline=True)
    assert (done.code, done.report.missing, done.report.failed) == (Exit.FAILED_ROWS, 0, 1)


def test_a_plan_knows_refused_rows(bench):
    """They are asked for by nobody, and counted as failed."""
    bench.rows = rows("good", "bad")
    bench.run()
    (step,) = bench.plan().steps
    assert (step.requests, step.stored, step.failed) == (0, 1, 1)


def test_refusals_of_a_pruned_run_that_a_later_one_took_stay(bench):
    """As the answers do that it took."""
    from yamlgen.api.history import find_run, places  # noqa: PLC0415
    from yamlgen.store.pruning import prune  # noqa: PLC0415

    bench.rows = rows("good", "bad")
    first = bench.run().report.run
    bench.run()
    found = find_run(places([bench.path]), first)
    prune(found.place, [found.entry.number], lambda _: True)
    assert bench.run().asked == 0


def test_rows_that_a_server_always_fails_at_hold_nobody_up(bench, monkeypatch):
    """A 500 for a row's content is not kept, and yet the rows behind it are answered, in a second run too."""
    monkeypatch.setattr(pool, "_FIRST_WAIT", 0.01)
    monkeypatch.setattr(pool, "_MOST_WAIT", 0.02)
    bench.script.how = lambda _: refusal(500, "boom")
    bench.rows = rows(*["good"] * 10, *["bad"] * 25)
    first = bench.run()
    assert (first.code, first.report.finished, first.report.failed) == (Exit.FAILED_ROWS, 10, 25)
    bench.rows.append({"id": "new", "text": "good new"})
    again = bench.run()
    assert (again.code, again.report.finished, again.report.failed) == (Exit.FAILED_ROWS, 11, 25)


def test_a_stream_that_broke_off_is_on_the_bill_of_its_run(bench):
    """Its tokens are in the report and in the store; it is no answer, and the request goes out again."""
    from yamlgen.api.history import find_run, places  # noqa: PLC0415

    bench.set("models.quick.max_tokens", 30_000)
    bench.set("runtime.max_retries", 2)
    cut, whole = events(*spoken("fine")[:5]), events(*spoken("fine"))
    replies = [cut, whole]
    bench.script = lambda _: replies.pop(0)
    bench.rows = rows("good")
    done = bench.run()
    assert (done.code, done.report.paid.attempts, done.report.paid.usage.input_tokens) == (Exit.OK, 1, 20)
    entry = find_run(places([bench.path]), done.report.run).entry
    assert (entry.paid["attempts"], entry.paid["usage"]["input_tokens"]) == (1, 20)
    assert entry.paid["cost_usd"] == done.report.paid.cost_usd
    with archived(place_of(bench.path)) as archive:
        assert archive.paid(entry.number)["label"]["usage"]["output_tokens"] == 10
    assert bench.run().asked == 0
