"""What requests and responses share is stored once: every text comes back as it was, and takes less room."""

import asyncio
import json
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import pytest
from gathered_batches import answered, key_of, remote
from hand_made_store import HandMadeStore, finished
from hypothesis import example, given
from hypothesis import strategies as st

from framed_texts import framed_texts
from yamlgen.batches.batch_store import GatheredRequest, entry_of
from yamlgen.canonical_json import short_digest
from yamlgen.errors import Code, EnvironmentProblem
from yamlgen.interfaces import UNOBSERVED, RequestContext
from yamlgen.row_result import Answer
from yamlgen.store.codec import bytes_of, packed, unpacked_text
from yamlgen.store.database import empty
from yamlgen.store.run_session import open_runs
from yamlgen.store.stored_frames import StoredFrames, number_of
from yamlgen.store.stored_results import StoredAttempt
from yamlgen.store.text_frame import TextFrame, in_common
from yamlgen.value_objects import Attempt, InputRow, Usage

RULES = "Judge by these rules, one after the other, and never by anything else. " * 8
MARKS = "\xff\ud800\u2028é日🙂"
"""Characters that have several bytes, or none, in UTF-8."""

texts = st.text(st.sampled_from(f'{MARKS}ab "\\\n:,{{}}')) | st.just(RULES) | st.sampled_from(["null", '": null, "'])
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | texts
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=12
)
bodies = st.dictionaries(st.sampled_from(["model", "system", "messages", "tools"]), values)


def request_of(number, **more):
    """The request of a row."""
    turn = {"role": "user", "content": f"Text {number}: {RULES}What is {number * 77}?"}
    return {"model": "m", "max_tokens": 100, "system": RULES, "messages": [turn], **more}


def response_of(number):
    """The response to it."""
    usage = {"input_tokens": 100 + number, "output_tokens": 9, "service_tier": "standard"}
    return {
        "id": f"msg_{number * 7919}",
        "model": "m-1",
        "content": [{"type": "text", "text": f"It is {number}."}],
        "usage": usage,
    }


def whole(value):
    """A value as JSON, as it is sent."""
    return json.dumps(value, ensure_ascii=False)


def record(*numbers, **more):
    """The work of a run that gets answers to the requests of rows, and finishes the rows."""

    async def work(run_recorder):
        for number in numbers:
            key = b"%d" % number
            context = RequestContext("facts", str(number), UNOBSERVED.observer, number)
            async with run_recorder.attempts_of((key,), context) as log:
                attempt = Attempt(response_of(number), Usage(10, 5), cost=0.5)
                kept = log.recall((key,)) or await log.record(key, b"setup", request_of(number, **more), attempt)
            row_of = InputRow(number, {"n": number}, str(number))
            await run_recorder.add(finished(row_of, facts=Answer("a", (kept,), key)))
        return [run_recorder.recall((b"%d" % number,), 0).response for number in numbers]

    return work


def exchanges(made):
    """What each attempt of a store was asked, and what it answered."""
    with open_runs(made.place) as run_reader:
        numbers = [number for (number,) in made.query("SELECT id FROM attempt ORDER BY id")]
        about = dict.fromkeys(StoredAttempt.__dataclass_fields__)
        return [run_reader.exchange(StoredAttempt(**about | {"number": number})) for number in numbers]


@pytest.fixture
def hand_made_store(tmp_path):
    """An empty store."""
    return HandMadeStore(tmp_path / "store")


@given(st.lists(bodies, min_size=2, max_size=8), st.sampled_from(["request", "response"]))
@example([request_of(number) for number in range(8)], "request")
@example([{"system": RULES, "a": number, "b": [number] * number} for number in range(8)], "response")
@example([{"system": RULES + "x" * 20_000 * number, "end": RULES} for number in range(8)], "request")
def test_every_text_comes_back(given_bodies, kind):
    """Property: to the byte, whatever was before it, with every frame that is made on the way."""
    with closing(empty(Path("none.db"))) as connection:
        frames = StoredFrames(connection, Path("none.db"))
        for body in given_bodies * 2:
            text = bytes_of(body)
            data, frame = frames.pack(kind, "facts", "m", text)
            assert unpacked_text(data, frames.frame(number_of(connection, frame))) == text


@given(st.binary(max_size=200), st.binary(max_size=200) | st.just(RULES.encode()))
def test_any_text_fits_any_frame(text, shared):
    """Property: also one that shares nothing with it, and a frame without a word."""
    assert TextFrame(shared).unpack(TextFrame(shared).pack(text)) == text


@given(st.binary(max_size=40), st.binary(max_size=20))
def test_noise_is_no_text(noise, shared):
    """Property: what was damaged is a fault that is told as damage of the store."""
    with suppress(ValueError):
        TextFrame(shared).unpack(noise)


def test_a_text_of_another_frame_is_damaged():
    """It is not read as another text."""
    made = TextFrame(RULES.encode()).pack(RULES.encode())
    with pytest.raises(ValueError, match="doesn't match"):
        TextFrame(RULES.upper().encode()).unpack(made)


def test_what_one_text_alone_has_is_in_no_frame():
    """So it is gone from the store when the text is, though the frame may stay."""
    asked = [bytes_of(request_of(number, system=f"{name}: {RULES}")) for number, name in enumerate(["Ann", "日本"])]
    shared = in_common(*asked)
    assert RULES[:40].encode() in shared
    assert not any(own in shared for own in (b"Ann", "日本".encode()))


def test_a_long_text_costs_its_difference(hand_made_store):
    """What varies is stored, for a system prompt that varies too; responses without their form."""
    rows = range(40)

    async def work(run_recorder):
        for number in rows:
            body = request_of(number, system=f"You help person {number}. {RULES}")
            await run_recorder.record(b"%d" % number, "facts", body, Attempt(response_of(number), Usage()))

    hand_made_store.run("first", work)
    (sizes,) = hand_made_store.query("SELECT max(length(request)), max(length(response)) FROM attempt WHERE id > 4")
    assert sizes[0] < 60
    assert sizes[1] < 90
    assert len(packed(request_of(1))) > 100
    assert hand_made_store.query("SELECT count(*) FROM frame") == [(2,)]


def test_what_is_shown_is_what_was_sent(hand_made_store):
    """The order of the keys and the form of the numbers are those of the wire, for whole texts and the others."""
    found = hand_made_store.run("first", record(*range(9)))
    assert [whole(each) for each in found] == [whole(response_of(number)) for number in range(9)]
    asked = [(whole(request), whole(response)) for request, response in exchanges(hand_made_store)]
    assert asked == [(whole(request_of(number)), whole(response_of(number))) for number in range(9)]


def test_the_next_run_goes_on_with_the_frames(hand_made_store):
    """Its first request is stored without what it shares, and nothing is stored again."""
    hand_made_store.run("first", record(*range(5)))
    hand_made_store.run("second", record(5, 6))
    query = "SELECT DISTINCT request_frame, response_frame FROM attempt WHERE id > 4"
    assert hand_made_store.query(query) == [(1, 2)]
    assert hand_made_store.query("SELECT count(*) FROM frame") == [(2,)]


def test_another_document_gets_another_frame():
    """Requests that come one after the other with a long text that the frame lacks share it, too."""
    with closing(empty(Path("none.db"))) as connection:
        frames, sizes = StoredFrames(connection, Path("none.db")), []
        for number in range(40):
            document = "".join(chr(0x4E00 + (number // 10 * 97 + at * at) % 2000) for at in range(2000))
            body = {"model": "m", "messages": [{"role": "user", "content": f"{document} What is {number}?"}]}
            data, frame = frames.pack("request", "facts", "m", bytes_of(body))
            number_of(connection, frame)
            sizes.append(len(data))
        assert max(sizes[22:30] + sizes[32:]) < 60
        assert min(sizes[20], sizes[30]) > 1000
        assert connection.execute("SELECT count(*) FROM frame").fetchone()[0] <= 5


def test_an_accident_of_the_first_rows_does_not_last():
    """Texts that lack what the first ones had, or the other way round, get another frame."""
    with closing(empty(Path("none.db"))) as connection:
        frames, used = StoredFrames(connection, Path("none.db")), []
        for number in range(40):
            terms = [short_digest(str(at)).hex() for at in range(20)]
            body = {"id": number, "system": RULES} | ({} if number < 9 else {"terms": terms})
            _, frame = frames.pack("request", "facts", "m", bytes_of(body))
            used.append(number_of(connection, frame))
        assert used[8] != used[-1]
        assert len(set(used)) <= 3


def test_a_very_long_text_has_no_frame():
    """The compression would find nothing in a frame of this size, and take long."""
    with closing(empty(Path("none.db"))) as connection:
        frames, text = StoredFrames(connection, Path("none.db")), b'"' + b"long " * 250_000 + b'"'
        assert [frames.pack("request", "facts", "m", text).frame for _ in range(3)] == [None] * 3


def test_texts_that_share_too_little_are_rarely_compared(monkeypatch):
    """However many there are: trials that did not help become rare."""
    made = []

    class Counted(TextFrame):
        def __post_init__(self):
            super().__post_init__()
            made.append(self)

    monkeypatch.setattr("yamlgen.store.stored_frames.TextFrame", Counted)
    with closing(empty(Path("none.db"))) as connection:
        frames = StoredFrames(connection, Path("none.db"))
        for number in range(200):
            body = {"id": number, "words": [short_digest(f"{number} {at}").hex() for at in range(20)]}
            number_of(connection, frames.pack("request", "facts", "m", bytes_of(body)).frame)
        assert connection.execute("SELECT count(*) FROM frame").fetchone()[0] <= 1
    assert len(made) < 20


def test_what_no_answer_needs_is_pruned(hand_made_store):
    """A frame goes with the last answer that needs it; the others can be read afterwards."""
    hand_made_store.run("first", record(*range(5)))
    with closing(sqlite3.connect(hand_made_store.place.database)) as connection, connection:
        connection.execute("UPDATE attempt SET step = 'other'")  # so that the next run makes frames of its own
    hand_made_store.run("second", record(*range(10, 16), system="Judge.", tools=[{"name": RULES}]))
    assert len(hand_made_store.query("SELECT * FROM frame")) > 2
    hand_made_store.prune("first")
    query = "SELECT request_frame FROM attempt UNION SELECT response_frame FROM attempt"
    needed = {number for (number,) in hand_made_store.query(query)} - {None}
    assert {number for (number,) in hand_made_store.query("SELECT id FROM frame")} == needed
    asked = [request_of(number, system="Judge.", tools=[{"name": RULES}]) for number in range(10, 16)]
    assert [request for request, _ in exchanges(hand_made_store)] == asked


def test_a_write_that_fails_leaves_no_frame(hand_made_store):
    """It takes its frame back, and the frame's number is nowhere: the next text brings the frame itself."""
    asked = [request_of(number) for number in range(9)]

    async def work(run_recorder):
        works = [
            run_recorder.record(b"%d" % row, "facts" if row != 3 else None, body, Attempt({}, Usage()))
            for row, body in enumerate(asked)
        ]
        return await asyncio.gather(*works, return_exceptions=True)

    with pytest.raises(EnvironmentProblem):
        hand_made_store.run("first", work)
    hand_made_store.run("second", record(*range(9)))
    assert [request for request, _ in exchanges(hand_made_store)] == asked


def test_a_frame_that_was_taken_back_is_stored_again():
    """Its number is that of the transaction, until it is on disk."""
    frame = TextFrame(RULES.encode())
    with closing(empty(Path("none.db"))) as connection:
        connection.execute("BEGIN")
        number_of(connection, frame)
        connection.execute("ROLLBACK")
        assert connection.execute("SELECT count(*) FROM frame").fetchone() == (0,)
        assert number_of(connection, frame) == number_of(connection, frame) == 1
        assert connection.execute("SELECT count(*) FROM frame").fetchone() == (1,)


@pytest.mark.parametrize("damage", ["DELETE FROM frame", "UPDATE frame SET text = x'00'"])
def test_a_lost_frame_is_damage_of_the_store(hand_made_store, damage):
    """Who reads a text that needs it is told so."""
    hand_made_store.run("first", record(*range(5)))
    with closing(sqlite3.connect(hand_made_store.place.database)) as connection, connection:
        connection.execute(damage)
    with pytest.raises(EnvironmentProblem) as told:
        exchanges(hand_made_store)
    assert told.value.code is Code.STORE_DAMAGED


def test_the_requests_of_a_batch_share_too(hand_made_store):
    """What is posted is what was gathered, and the answers come with their requests."""
    names = [f"request {number}" for number in range(6)]

    async def work(run_recorder):
        batches, number = run_recorder.batches, await run_recorder.batches.begin_batch("facts")
        gathered = []
        for row, name in enumerate(names):
            body = request_of(row)
            gathered.append(GatheredRequest(key_of(name), b"setup", "facts", entry_of(key_of(name), body), body))
            assert await batches.add(number, gathered[-1])
        entries = list(batches.entries(number))
        await batches.settle(number, [answered(name) for name in names])
        await batches.collected(number, remote(succeeded=6))
        return entries == [each.entry for each in gathered]

    assert hand_made_store.run("first", work)
    assert [whole(request) for request, _ in exchanges(hand_made_store)] == [whole(request_of(row)) for row in range(6)]
    with closing(sqlite3.connect(hand_made_store.place.database)) as connection:
        assert len([text for _, column, text in framed_texts(connection) if column == "request"]) == 5
