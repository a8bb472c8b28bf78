"""A step that asks several times for one row: all answers are kept, and a retry asks for what failed, and no more."""

import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest
from hand_made_store import ROW, HandMadeStore, ask, ask_all, failed, finished, refused

from yamlgen.errors import ANSWERED, Code, RowError
from yamlgen.output.failure_records import list_failures
from yamlgen.row_result import Answer, FailedItem
from yamlgen.store.run_session import open_runs
from yamlgen.value_objects import InputRow

KEYS = (b"one", b"two", b"three")
REFUSED = Code.REFUSED


@pytest.fixture
def hand_made_store(tmp_path):
    """An empty store."""
    return HandMadeStore(tmp_path / "store")


async def fail(run_recorder, codes, row=ROW):
    """Ask for each item; those with a code have failed, and the row with them. Which answers were reused."""
    attempts = await ask_all(run_recorder, KEYS)
    parts = tuple(
        refused(key, attempt, code, f"item {number}: no")
        for number, (key, attempt, code) in enumerate(zip(KEYS, attempts, codes, strict=True), start=1)
        if code is not None
    )
    error = RowError("items failed", code=parts[0].code, attempts=tuple(attempts), parts=parts)
    await run_recorder.add(failed(error, row))
    return [attempt.reused for attempt in attempts]


def failing(*codes):
    """The work of a run in which these items fail."""
    return lambda run_recorder: fail(run_recorder, codes)


async def finish(run_recorder):
    """Ask for each item, and finish the row. Which answers were reused."""
    attempts = await ask_all(run_recorder, KEYS)
    await run_recorder.add(finished(facts=Answer(["a", "b", "c"], tuple(attempts))))
    return [attempt.reused for attempt in attempts]


def test_a_retry_asks_for_each_item_that_failed(hand_made_store):
    """The items that the model's answers failed are asked for again; the answers of the others are recalled."""
    hand_made_store.run("first", failing(None, REFUSED, REFUSED))
    assert hand_made_store.run("again", finish, hand_made_store.retry("first")) == [True, False, False]


def test_a_plain_run_asks_for_no_item(hand_made_store):
    """What was answered is not asked for by a run that is no retry, whichever item it failed."""
    hand_made_store.run("first", failing(None, REFUSED, REFUSED))
    assert hand_made_store.run("again", failing(None, REFUSED, REFUSED)) == [True, True, True]


def test_an_answer_that_did_not_fail_its_item_is_kept(hand_made_store):
    """An item whose re-ask got no answer goes on from its first answer, beside one that is asked for anew."""
    hand_made_store.run("first", failing(Code.TRANSPORT, REFUSED, None))
    assert hand_made_store.run("again", finish, hand_made_store.retry("first")) == [True, False, True]


def test_items_that_fail_a_retry_too_can_be_retried(hand_made_store):
    """Of a retry, the items that failed again are asked for, and not those that it went well with."""
    hand_made_store.run("first", failing(None, REFUSED, REFUSED))
    hand_made_store.run("second", failing(None, REFUSED, None), hand_made_store.retry("first"))
    assert hand_made_store.run("third", finish, hand_made_store.retry("second")) == [True, False, True]


def test_an_item_with_a_good_answer_since_is_not_paid_again(hand_made_store):
    """A retry that was stopped has paid for one item: the next one of the same run takes its answer."""
    hand_made_store.run("first", failing(REFUSED, REFUSED, None))
    hand_made_store.run("stopped", lambda run_recorder: ask(run_recorder, KEYS[0]), hand_made_store.retry("first"))
    assert hand_made_store.run("again", finish, hand_made_store.retry("first")) == [True, False, True]


def test_another_run_may_have_failed_the_item_later(hand_made_store):
    """The newest answer that failed an item counts, whichever run it was in."""
    hand_made_store.run("first", failing(REFUSED, None, None))
    hand_made_store.run("second", failing(REFUSED, None, None), hand_made_store.retry("first"))
    assert hand_made_store.run("again", finish, hand_made_store.retry("first")) == [False, True, True]


def test_a_single_request_is_retried_by_the_same_means(hand_made_store):
    """A step that asks once is asked again with a retry, and its row alone."""
    other = InputRow(1, {"town": "Rome"}, '"Rome"')

    async def work(run_recorder):
        attempt = await ask(run_recorder, b"single")
        await run_recorder.add(failed(refused(b"single", attempt, REFUSED)))
        await run_recorder.add(
            finished(other, facts=Answer("x", (await ask(run_recorder, b"other", other),), b"other"))
        )

    async def again(run_recorder):
        return [(await ask(run_recorder, b"single")).reused, (await ask(run_recorder, b"other", other)).reused]

    hand_made_store.run("first", work)
    assert hand_made_store.run("again", again, hand_made_store.retry("first")) == [False, True]


def test_what_finished_is_no_failed_request(hand_made_store):
    """Requests of finished results are not noted, nor are failures before the first answer; an equal one is shared."""

    async def unsent(run_recorder):
        await run_recorder.add(failed(RowError("no template", code=Code.ROW_TEMPLATE)))

    hand_made_store.run("first", finish)
    hand_made_store.run("second", unsent)
    assert hand_made_store.query("SELECT * FROM failed_request") == []
    for name in ("third", "fourth"):
        hand_made_store.run(name, failing(None, REFUSED, None))
    assert hand_made_store.query("SELECT key, code, newest FROM failed_request") == [(b"two", str(REFUSED), 2)]


def test_failed_requests_go_with_their_results(hand_made_store):
    """A pruned run's failures are forgotten, those of a run that stays are not."""
    hand_made_store.run("first", failing(REFUSED, None, None))
    hand_made_store.run("second", failing(None, REFUSED, None))
    hand_made_store.prune("first")
    assert hand_made_store.query("SELECT key FROM failed_request") == [(b"two",)]
    assert hand_made_store.run("again", finish, hand_made_store.retry("second")) == [True, False, True]


def test_pruning_keeps_the_answers_of_all_items(hand_made_store):
    """The answers of every item stay as long as a run needs them, and their provenance tells all of them."""
    hand_made_store.run("first", finish)
    hand_made_store.run("second", finish, provenance=True)
    hand_made_store.prune("first")
    (row,) = hand_made_store.rows("second")
    assert row["provenance"]["facts"]["runs"] == ["first"] * 3
    assert (row["provenance"]["facts"]["usage"]["input_tokens"], row["provenance"]["facts"]["cost_usd"]) == (30, 1.5)
    assert hand_made_store.run("third", finish) == [True, True, True]


def test_the_failed_file_tells_each_item(hand_made_store):
    """A failed row has the code, the message and the request of each item that failed, and the attempts of all."""
    hand_made_store.run("first", failing(REFUSED, None, Code.TRUNCATED))
    (row,) = hand_made_store.failed("first")
    assert row["items"] == [
        {"code": REFUSED, "message": "item 1: no", "request": {"messages": ["one"]}},
        {"code": Code.TRUNCATED, "message": "item 3: no", "request": {"messages": ["three"]}},
    ]
    assert (row["code"], row["message"], row["request"], len(row["attempts"])) == (REFUSED, "items failed", None, 3)


def test_the_failed_file_of_a_single_request_has_no_items(hand_made_store):
    """A step that asks once leaves what it always left."""

    async def work(run_recorder):
        await run_recorder.add(failed(refused(b"single", await ask(run_recorder, b"single"), REFUSED)))

    hand_made_store.run("first", work)
    (row,) = hand_made_store.failed("first")
    assert list(row) == ["row", "steps", "step", "code", "message", "request", "attempts"]


def test_a_row_shows_the_attempts_of_all_items(hand_made_store):
    """`runs show --row` has every attempt with the request that it answers."""
    hand_made_store.run("first", failing(None, REFUSED, None))
    told = hand_made_store.detail("first", 0)["steps"]["facts"]
    assert [attempt["request"]["messages"] for attempt in told["attempts"]] == [["one"], ["two"], ["three"]]
    assert [item["message"] for item in told["error"]["items"]] == ["item 2: no"]


def test_failures_of_different_items_are_different_results(hand_made_store):
    """Errors that read alike, of the same answers, are told apart by the items that they are of."""

    async def work(run_recorder):
        attempts = tuple(await ask_all(run_recorder, KEYS[:2]))
        for number, (key, attempt) in enumerate(zip(KEYS, attempts, strict=False)):
            part = RowError("no", code=REFUSED, attempts=(attempt,), key=key)
            error = RowError("items failed", code=REFUSED, attempts=attempts, parts=(part,))
            await run_recorder.add(failed(error, InputRow(number, {}, str(number))))

    hand_made_store.run("first", work)
    assert hand_made_store.query("SELECT key FROM failed_request ORDER BY key") == [(b"one",), (b"two",)]


class TestNulls:
    """Items that failed in a row that did not: they are told, and found by a retry."""

    @staticmethod
    def lose(*codes):
        """The work of a run in which items with a code are null; those without an answer have no key."""

        async def work(run_recorder):
            attempts = [
                replace(each, case=f"item {n}") for n, each in enumerate(await ask_all(run_recorder, KEYS), start=1)
            ]
            lost = tuple(
                FailedItem(n, f"item {n + 1}", refused(key, attempt, code, f"item {n + 1}: no"))
                if code in ANSWERED
                else FailedItem(n, f"item {n + 1}", RowError(f"item {n + 1}: broken", code=code))
                for n, (key, attempt, code) in enumerate(zip(KEYS, attempts, codes, strict=True))
                if code is not None
            )
            await run_recorder.add(finished(facts=Answer([None, "b", None], tuple(attempts), items=3, lost=lost)))

        return work

    @staticmethod
    def lines(hand_made_store):
        """What failed in the first run, as JSON lines."""
        return hand_made_store.failed("first", items=True)

    @staticmethod
    def told(hand_made_store, run):
        """Why what failed, in short."""
        with open_runs(hand_made_store.place) as run_reader:
            return [
                (each.step, each.item, each.code, each.message)
                for each in list_failures(run_reader, run_reader.run(run))
            ]

    def test_they_are_told_like_failed_rows(self, hand_made_store):
        """Each with its step, its name, its reason, its request and its attempts; the rows that failed have no item."""
        hand_made_store.run("first", self.lose(REFUSED, None, Code.CALL_FAILED))
        assert self.told(hand_made_store, "first") == [
            ("facts", "item 1", REFUSED, "no"),
            ("facts", "item 3", Code.CALL_FAILED, "broken"),
        ]
        one, three = self.lines(hand_made_store)
        assert (one["row"], one["item"], one["case"], one["request"]) == (ROW.row, 1, "item 1", {"messages": ["one"]})
        assert [attempt["case"] for attempt in one["attempts"]] == ["item 1"]
        assert (three["message"], three["attempts"][0]["case"]) == ("item 3: broken", "item 3")
        assert hand_made_store.failed("first") == []

    def test_a_row_shows_them(self, hand_made_store):
        """`runs show --row` has which items of a step are null, and why."""
        hand_made_store.run("first", self.lose(REFUSED, None, None))
        step = hand_made_store.detail("first", 0)["steps"]["facts"]
        assert (step["value"], [item["case"] for item in step["failed_items"]]) == ([None, "b", None], ["item 1"])
        assert "error" not in step

    def test_those_of_an_earlier_version_are_told_as_far_as_it_kept_them(self, hand_made_store):
        """It kept the requests that failed: the item and its code are known by them, and not why it failed."""
        hand_made_store.run("first", self.lose(REFUSED, None, None))
        with closing(sqlite3.connect(hand_made_store.place.database)) as connection, connection:
            connection.execute("UPDATE result SET error = NULL")
        message = "the cause is unknown, because the run was made by an earlier version of yamlgen"
        assert self.told(hand_made_store, "first") == [("facts", "item 1", REFUSED, message)]
        assert [line["case"] for line in self.lines(hand_made_store)] == ["item 1"]

    @pytest.mark.parametrize("code", [REFUSED, Code.CALL_FAILED])
    def test_a_retry_finds_them(self, hand_made_store, code):
        """Whether a request failed them or something else; once they are mended there is nothing to retry."""
        hand_made_store.run("first", self.lose(code, None, None))
        hand_made_store.run("again", finish, hand_made_store.retry("first"))
        with open_runs(hand_made_store.place) as run_reader:
            runs = [run_reader.run(name) for name in ("first", "again")]
            assert [(run_reader.has_to_retry(run), run_reader.nulls(run)) for run in runs] == [
                (True, (1, 0)),
                (False, (0, 0)),
            ]
        assert self.told(hand_made_store, "again") == []
