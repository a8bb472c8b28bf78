"""Rows that the API refuses for what they hold: a run with them comes to its end, and is not held up by them again."""

import json
from copy import deepcopy

import pytest

from scripted_api import Reply, error, events, refusal, said, spoken
from yamlgen.errors import Code
from yamlgen.exit_codes import ExitCode
from yamlgen.pacing import pool
from yamlgen.store.location import location_of
from yamlgen.store.run_session import open_runs

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
def project(project):
    """A project whose API refuses bad rows, with a pipeline of one step."""
    project.document, project.script = deepcopy(PIPELINE), Refusing()
    return project


def rows(*texts):
    """Rows with these texts, numbered."""
    return [{"id": f"r{number}", "text": f"{text} {number}"} for number, text in enumerate(texts)]


MIXED = [text for _ in range(6) for text in (*["good"] * 19, "bad")] + ["bad"] * 24


def test_a_run_with_bad_rows_is_finished_and_not_asked_again(project):
    """Thirty bad rows of 144: the first run finishes, the second sends nothing, and a new good row gets out."""
    project.rows = rows(*MIXED)
    first = project.run()
    assert (first.code, first.asked, first.report.failed) == (ExitCode.FAILED_ROWS, 144, 30)
    second = project.run()
    assert (second.code, second.asked, second.report.failed) == (ExitCode.FAILED_ROWS, 0, 30)
    project.rows.append({"id": "new", "text": "good new"})
    third = project.run()
    assert (third.code, third.asked, third.report.finished) == (ExitCode.FAILED_ROWS, 1, 115)


def test_the_failed_file_names_the_request_that_was_refused(project):
    """In the message and by itself; a run that finds the refusal in the store names the same one."""
    project.rows = rows("good", "bad")
    project.script.how = lambda _: refusal(400, "no", {"request-id": "req_abc"})
    for _ in range(2):
        project.run()
        (line,) = (project.folder / "out/towns.failed.jsonl").read_text().splitlines()
        told = json.loads(line)
        assert told["message"] == "the API refused the request (400): no (request req_abc)"
        assert told["request_id"] == "req_abc"


def test_a_refusal_costs_nothing(project):
    """It is no paid answer, in no count."""
    project.rows = rows("good", "bad")
    done = project.run()
    assert (done.report.paid.attempts, done.report.paid.usage.input_tokens) == (1, 10)
    again = project.run()
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
def test_bad_rows_at_the_front_hold_nobody_up(project, how):
    """Sixty refusals before the first good row: rows from the rest are tried, and all that is good is answered."""
    project.script.how = how
    project.rows = rows(*["bad"] * 60, *["good"] * 60)
    done = project.run()
    assert (done.code, done.report.finished, done.report.failed) == (ExitCode.FAILED_ROWS, 60, 60)
    assert done.asked == 120
    assert project.run().asked == 0


def test_rows_that_are_tried_early_stand_in_their_place(project):
    """The output has the order of the input, whichever rows went first."""
    project.set("runtime.concurrency", 2)
    project.rows = rows(*["bad"] * 30, *["good"] * 100)
    project.run()
    ids = [json.loads(line)["id"] for line in (project.folder / "out/towns.jsonl").read_text().splitlines()]
    assert ids == [f"r{number}" for number in range(30, 130)]


def test_rows_that_skip_the_step_tell_nothing_of_it(project):
    """Forty bad rows at the front of a step that few others come to: these are asked for all the same."""
    project.rows = rows(*["bad"] * 40, *["idle"] * 160, "good", "idle", "good")
    project.document["steps"]["label"]["when"] = "'idle' not in row.text"
    done = project.run()
    assert (done.code, done.report.finished, done.report.failed) == (ExitCode.FAILED_ROWS, 163, 40)
    assert done.asked == 42
    assert project.run().asked == 0


def test_a_wrong_key_that_is_a_400_is_not_kept(project):
    """A gateway answers a wrong key with 400: the run ends with 3 soon, and the next one, its key right, finishes."""
    project.rows = rows(*["good"] * 500)
    project.script.is_key_wrong = True
    ended = project.run()
    assert ended.code == ExitCode.ENVIRONMENT
    assert ended.error.code == Code.SAME_ERROR
    assert "key not valid" in ended.error.message
    assert ended.asked < 400
    project.script.is_key_wrong = False
    again = project.run()
    assert (again.code, again.asked) == (ExitCode.OK, 500)


def test_a_small_input_that_is_all_refused_ends_the_run(project):
    """With no rows left to try, those under way decide."""
    project.rows = rows(*["bad"] * 25)
    ended = project.run()
    assert (ended.code, ended.error.code, ended.asked) == (ExitCode.ENVIRONMENT, Code.SAME_ERROR, 25)
    assert project.run().asked == 25


def test_a_few_refused_rows_are_a_few_failed_rows(project):
    """Ten rows are too few to say anything about a key; what may be one is not kept."""
    project.rows = rows(*["bad"] * 10)
    assert (project.run().code, project.run().asked) == (ExitCode.FAILED_ROWS, 10)


def test_a_step_that_is_always_refused_ends_the_run(project):
    """The answers of the step before it say nothing about its own settings."""
    project.rows = rows(*["good"] * 500)
    project.set("steps.second", {"model": "quick", "max_tokens": 999, "prompt": "bad {{ steps.label }}"})
    ended = project.run()
    assert (ended.code, ended.error.code) == (ExitCode.ENVIRONMENT, Code.SAME_ERROR)
    assert ended.sent["second"] < 400


def test_a_retry_asks_for_refused_rows(project):
    """And for no others; what is refused again stays refused."""
    project.rows = rows("good", "bad", "bad", "good")
    project.run()
    again = project.run(retry=project.run().report.run)
    assert (again.sent, again.rows, again.code) == ({"label": 2}, {1, 2}, ExitCode.FAILED_ROWS)
    assert project.run().asked == 0
    project.script.how = lambda _: said("fine after all")
    assert project.run(retry=project.run().report.run).code == ExitCode.OK


def test_a_retry_asks_for_refused_items_that_are_null(project):
    """A row that is finished but for them is among those to retry, and its other items keep their answers."""
    project.rows = rows("good", "good")
    project.document["steps"]["label"] |= {
        "for_each": "['bad', 'fine']",
        "on_item_error": "null",
        "prompt": "Label {{ item }} {{ row.text }}",
    }
    project.run()
    again = project.run(retry=project.run().report.run)
    assert (again.sent, again.code) == ({"label": 2}, ExitCode.OK)
    project.script.how = lambda _: said("fine after all")
    assert project.run(retry=project.run().report.run).sent == {"label": 2}
    assert "null" not in (project.folder / "out/towns.jsonl").read_text()


def test_fresh_asks_for_refused_rows(project):
    """`--fresh` asks for everything."""
    project.rows = rows("good", "bad")
    project.run()
    assert project.run(fresh=True).asked == 2
    assert project.run().asked == 0


def test_a_change_of_what_is_sent_asks_again(project):
    """Another prompt is another request."""
    project.rows = rows("good", "bad")
    project.run()
    project.set("steps.label.prompt", "Please label {{ row.text }}")
    assert project.run().asked == 2


def test_offline_a_refused_row_is_a_failed_one(project):
    """Its refusal is in the store: nothing is missing."""
    project.rows = rows("good", "bad")
    project.run()
    done = project.run(offline=True)
    assert (done.code, done.report.missing, done.report.failed) == (ExitCode.FAILED_ROWS, 0, 1)


def test_a_plan_knows_refused_rows(project):
    """They are asked for by nobody, and counted as failed."""
    project.rows = rows("good", "bad")
    project.run()
    (step,) = project.plan().steps
    assert (step.requests, step.stored, step.failed) == (0, 1, 1)


def test_refusals_of_a_pruned_run_that_a_later_one_took_stay(project):
    """As the answers do that it took."""
    from yamlgen.api.history import find_run, store_locations  # noqa: PLC0415
    from yamlgen.store.pruning import prune  # noqa: PLC0415

    project.rows = rows("good", "bad")
    first = project.run().report.run
    project.run()
    found = find_run(store_locations([project.path]), first)
    prune(found.place, [found.entry.number], lambda _: True)
    assert project.run().asked == 0


def test_rows_that_a_server_always_fails_at_hold_nobody_up(project, monkeypatch):
    """A 500 for a row's content is not kept, and yet the rows behind it are answered, in a second run too."""
    monkeypatch.setattr(pool, "FIRST_WAIT", 0.01)
    monkeypatch.setattr(pool, "MOST_WAIT", 0.02)
    project.script.how = lambda _: refusal(500, "boom")
    project.rows = rows(*["good"] * 10, *["bad"] * 25)
    first = project.run()
    assert (first.code, first.report.finished, first.report.failed) == (ExitCode.FAILED_ROWS, 10, 25)
    project.rows.append({"id": "new", "text": "good new"})
    again = project.run()
    assert (again.code, again.report.finished, again.report.failed) == (ExitCode.FAILED_ROWS, 11, 25)


def test_a_stream_that_broke_off_is_on_the_bill_of_its_run(project):
    """Its tokens are in the report and in the store; it is no answer, and the request goes out again."""
    from yamlgen.api.history import find_run, store_locations  # noqa: PLC0415

    project.set("models.quick.max_tokens", 30_000)
    project.set("runtime.max_retries", 2)
    cut, whole = events(*spoken("fine")[:5]), events(*spoken("fine"))
    replies = [cut, whole]
    project.script = lambda _: replies.pop(0)
    project.rows = rows("good")
    done = project.run()
    assert (done.code, done.report.paid.attempts, done.report.paid.usage.input_tokens) == (ExitCode.OK, 1, 20)
    entry = find_run(store_locations([project.path]), done.report.run).entry
    assert (entry.paid["attempts"], entry.paid["usage"]["input_tokens"]) == (1, 20)
    assert entry.paid["cost_usd"] == done.report.paid.cost_usd
    with open_runs(location_of(project.path)) as run_reader:
        assert run_reader.paid(entry.number)["label"]["usage"]["output_tokens"] == 10
    assert project.run().asked == 0
