"""The versions of a store: one that an earlier yamlgen made serves on, and what it paid for is not paid again."""

import hashlib
import json
import sqlite3
from contextlib import closing

import pytest
from gathered_batches import answered, gathered, remote
from hand_made_store import HandMadeStore, ask, finished

from yamlgen.api.failed_rows import find_failed
from yamlgen.canonical_json import short_digest
from yamlgen.errors import EnvironmentProblem
from yamlgen.row_result import Answer
from yamlgen.store import migrations
from yamlgen.store.codec import packed, unpacked
from yamlgen.store.location import make_folder
from yamlgen.store.reuse_policy import ReusePolicy
from yamlgen.value_objects import Attempt, InputRow, Usage

RELEASED = (
    "cb14a5f8a6d5b9cadea4eb4ccf212343c1baab82fac41b918316877a8b2bdd60",
    "d331ef566694f03a69dd6607899f5117f70c9d40f74599f119fa176930148043",
    "a227f68e44f9dad2a65deaee3b7ba2a80747b90d544a3bba127be1cc68299699",
    "6b5ba5a14a8f3405415f2956261fbb3ddb478af9033328a4d9a81098ce73b38b",
    "c3d1cfe9948aa8d2f612342f8ce0da4faf61b3fd66caafab3673bb2552a95d45",
)
"""The scripts of the versions before this one."""

TOWNS = ("Oslo", "Rome", "Graz", "Cork")
ATTEMPTS = ((1, b"oslo"), (2, b"rome"), (3, b"rome again"), (4, b"graz"))
RESULTS = (
    # number, key, status, value, code, attempts
    (1, b"oslo", "finished", '"old"', None, [[1, []]]),
    (2, b"rome", "failed", None, "YG503", [[2, ["$: bad"]], [3, ["$: bad"]]]),
    (3, b"graz", "failed", None, "YG510", [[4, ["$: bad"]]]),
    (4, None, "failed", None, "YG501", []),
)


def row_of(number):
    """The row of a town, as an engine has it."""
    return InputRow(number, {"town": TOWNS[number]}, json.dumps(TOWNS[number]))


async def ask_each(run_recorder):
    """Ask for three of the towns, and finish their rows. Which answers were reused."""
    reused = []
    for number, key in enumerate((b"oslo", b"rome", b"graz")):
        attempt = await ask(run_recorder, key, row_of(number))
        await run_recorder.add(finished(row_of(number), facts=Answer("old", (attempt,), key)))
        reused.append(attempt.reused)
    return reused


@pytest.fixture
def hand_made_store(tmp_path):
    """A store as version 1 left it: a finished row, an invalid one, one without an answer, one never asked for."""
    made = HandMadeStore(tmp_path / "store")
    make_folder(made.place.folder)
    with closing(sqlite3.connect(made.place.database)) as connection, connection:
        connection.executescript(migrations.SCRIPTS[0])
        connection.execute(f"PRAGMA application_id = {migrations.APPLICATION}")
        connection.execute("PRAGMA user_version = 1")
        connection.execute(
            "INSERT INTO run (name, started, status, about) VALUES ('first', '2026-01-01T00:00:00', 'finished', '{}')"
        )
        for number, key in ATTEMPTS:
            values = (number, key, packed({"model": "m"}), packed({"model": "m"}))
            connection.execute(
                "INSERT INTO attempt VALUES (?, ?, 1, 'facts', 'then', NULL, 'm', 'm', 'end_turn', 10, 5, 0, 0, 0.5, "
                "1.0, 20, ?, ?)",
                values,
            )
        for number, key, status, value, code, attempts in RESULTS:
            error = None if code is None else packed({"code": code, "message": "no", "hint": None, "request": None})
            values = (number, bytes([number]), key, status, value, code, error, json.dumps(attempts))
            connection.execute("INSERT INTO result VALUES (?, ?, 'facts', ?, ?, ?, ?, ?, ?)", values)
            row = row_of(number - 1)
            source = (number, bytes([number]), json.dumps(dict(row.row)))
            connection.execute("INSERT INTO source VALUES (?, ?, ?)", source)
            connection.execute(
                "INSERT INTO row VALUES (1, ?, ?, ?, ?, ?)",
                (number - 1, short_digest(row.identity), number, "failed" if code else "finished", f"[{number}]"),
            )
    return made


def test_a_released_script_is_never_changed():
    """A store that was brought up by a script must be what a new one is: what was released stays to the byte."""
    assert (
        tuple(hashlib.sha256(script.encode()).hexdigest() for script in migrations.SCRIPTS[: len(RELEASED)]) == RELEASED
    )
    assert len(migrations.SCRIPTS) == len(RELEASED) + 1


def test_a_store_of_version_1_is_retried(hand_made_store):
    """The request whose answers failed its row is asked again; the one that got no answer goes on, the others stay."""
    assert hand_made_store.run("again", ask_each, ReusePolicy(retry=(1,))) == [True, False, True]


def test_a_store_of_version_1_serves_a_plain_run(hand_made_store):
    """All that was answered is recalled, and the rows of the old run are as they were."""
    assert hand_made_store.run("again", ask_each) == [True, True, True]
    assert hand_made_store.rows("first") == [{"town": "Oslo", "facts": "old"}]
    assert [row["code"] for row in hand_made_store.failed("first")] == ["YG503", "YG510", "YG501"]


def test_the_failed_requests_of_version_1_are_noted(hand_made_store):
    """Each failed result with an answer has its request noted, with the newest of its attempts; no other has."""
    hand_made_store.run("again", ask_each)
    found = hand_made_store.query("SELECT result, key, code, newest FROM failed_request ORDER BY id")
    assert found == [(2, b"rome", "YG503", 3), (3, b"graz", "YG510", 4)]


def test_a_store_that_was_brought_up_is_like_a_new_one(hand_made_store, tmp_path):
    """Both have the same tables and indexes."""
    new = HandMadeStore(tmp_path / "new")
    schema = "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY name"
    made = [each.run("again", ask_each) and each.query(schema) for each in (hand_made_store, new)]
    assert made[0] == made[1]
    assert hand_made_store.query("PRAGMA user_version") == new.query("PRAGMA user_version") == [(migrations.VERSION,)]
    assert hand_made_store.place.database.with_name("a.yaml.db.version-1").exists()


def test_a_retry_brings_an_older_store_up_to_date(hand_made_store):
    """Whoever says `retry` after an update need not run before; nothing but the failed rows is asked then."""
    entry, failed = find_failed([hand_made_store.place], None)
    assert (entry.name, failed) == ("first", True)
    assert hand_made_store.query("PRAGMA user_version") == [(migrations.VERSION,)]


def test_who_only_looks_at_an_older_store_is_told_how_to_bring_it_up_to_date(hand_made_store):
    """Looking changes nothing on the disk; the way out sends nothing."""
    with pytest.raises(EnvironmentProblem) as told:
        hand_made_store.rows("first")
    assert told.value.hint == "update it with a run with `offline=True`, which sends nothing"
    assert hand_made_store.query("PRAGMA user_version") == [(1,)]


def old_store(folder, version):
    """A store as a version left it, open for more, with an answer for each town."""
    made = HandMadeStore(folder)
    make_folder(made.place.folder)
    connection = sqlite3.connect(made.place.database, isolation_level=None)
    for script in migrations.SCRIPTS[:version]:
        connection.executescript(script)
    connection.execute(f"PRAGMA application_id = {migrations.APPLICATION}")
    connection.execute(f"PRAGMA user_version = {version}")
    connection.execute("INSERT INTO run (name, started, status, about) VALUES ('first', 'then', 'finished', '{}')")
    for number, town in enumerate(TOWNS, 1):
        values = (number, town.encode(), packed(asked(town)), packed({"model": "m", "said": town}))
        connection.execute(_ANSWER, values)
    return made, connection


_ANSWER = """
    INSERT INTO attempt (id, key, run, step, received, input_tokens, output_tokens, cache_creation_input_tokens,
                         cache_read_input_tokens, seconds, request_characters, request, response)
    VALUES (?, ?, 1, 'facts', 'then', 0, 0, 0, 0, 1.0, 20, ?, ?)
"""


def asked(town):
    """The request for a town."""
    return {"model": "m", "system": "Answer in one sentence, and say how sure you are of it.", "messages": [town]}


@pytest.mark.parametrize("version", range(1, migrations.VERSION))
def test_the_answers_of_every_version_stay_as_they_are(tmp_path, version):
    """No answer is written again when a store is brought up; old ones and new ones are read side by side."""
    made, connection = old_store(tmp_path / "store", version)
    with closing(connection):
        before = connection.execute("SELECT request, response FROM attempt ORDER BY id").fetchall()

    async def work(run_recorder):
        for town in (*TOWNS, *"abcdef"):
            if run_recorder.recall((town.encode(),), 0) is None:
                answer = Attempt({"model": "m", "said": town}, Usage())
                await run_recorder.record(town.encode(), "facts", asked(town), answer)
        return [run_recorder.recall((town.encode(),), 0).response["said"] for town in (*TOWNS, *"abcdef")]

    assert made.run("second", work) == [*TOWNS, *"abcdef"]
    assert made.query("SELECT request, response FROM attempt WHERE id <= 4 ORDER BY id") == before
    framed = "SELECT id, request_frame IS NULL FROM attempt WHERE id IN (1, 4, 10) ORDER BY id"
    assert made.query(framed) == [(1, 1), (4, 1), (10, 0)]


def test_an_open_batch_of_an_older_version_is_collected(tmp_path):
    """Its requests are posted as they were gathered, and its answers are stored with them."""
    made, connection = old_store(tmp_path / "store", migrations.VERSION - 1)
    request = gathered("dubai")
    with closing(connection):
        connection.execute(
            "INSERT INTO batch (id, run, step, state, requests, size, betas, remote, created) "
            "VALUES (1, 1, 'facts', 'posted', 1, 100, '[]', 'msgbatch_1', '2026-11-28T08:00:00+00:00')"
        )
        connection.execute(
            "INSERT INTO batch_request (batch, key, setup, variant, requested, request_characters, length, request) "
            "VALUES (1, ?, ?, 'facts', 'm', 20, ?, ?)",
            (request.key, b"setup", len(request.entry), packed(request.body)),
        )

    async def work(run_recorder):
        batches = run_recorder.batches
        (found,) = batches.open_batches()
        await batches.adopt(found.number)
        entries = list(batches.entries(found.number))
        await batches.settle(found.number, [answered("dubai")])
        await batches.collected(found.number, remote(succeeded=1))
        return entries, run_recorder.recall((request.key,), 0).response["id"]

    assert made.run("second", work) == ([request.entry], "dubai")
    ((kept, frame),) = made.query("SELECT request, request_frame FROM attempt WHERE batch = 1")
    assert (unpacked(kept), frame) == (request.body, None)


def test_a_store_of_version_3_gets_batches(tmp_path):
    """Its answers are recalled as single ones and its refusals stay; a batch may be begun; a copy remains."""
    made = HandMadeStore(tmp_path / "store")
    make_folder(made.place.folder)
    with closing(sqlite3.connect(made.place.database)) as connection, connection:
        for script in migrations.SCRIPTS[:3]:
            connection.executescript(script)
        connection.execute(f"PRAGMA application_id = {migrations.APPLICATION}")
        connection.execute("PRAGMA user_version = 3")
        connection.execute("INSERT INTO run VALUES (1, 'first', 'then', NULL, 'finished', NULL, '{}', NULL)")
        connection.execute(
            "INSERT INTO attempt VALUES (1, ?, 1, 'facts', 'then', NULL, 'm', 'm', 'end_turn', 10, 5, 0, 0, 0.5, 1.0, "
            "20, ?, ?)",
            (b"oslo", packed({"model": "m"}), packed({"model": "m"})),
        )
        connection.execute("INSERT INTO refusal VALUES (?, 1, 1, 'then', 400, 'no')", (b"rome",))

    async def work(run_recorder):
        attempt = run_recorder.recall((b"oslo",), 0)
        assert (attempt.number, attempt.reused, attempt.batched, attempt.own) == (1, True, False, False)
        assert run_recorder.refused(b"rome", None).message == "no"
        number = await run_recorder.batches.begin_batch("facts")
        return await run_recorder.batches.add(number, gathered("oslo"))

    assert made.run("second", work)
    assert made.query("PRAGMA integrity_check") == [("ok",)]
    assert made.place.database.with_name("a.yaml.db.version-3").exists()
