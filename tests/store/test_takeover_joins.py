"""The joins by which rows are taken over: SQLite takes the tables in the order in which they are written.

In another order it may read a whole table for each row: minutes in place of seconds.
"""

import re
import sqlite3
from contextlib import closing, nullcontext

import pytest

from yamlgen.errors import YamlgenError
from yamlgen.store import takeover
from yamlgen.store.database import empty

SMALL = {"coming", "taken", "own", "noted", "used", "json_each", "repeated"}
"""What may be read as a whole: the rows of one set, and lists."""

STATEMENTS = {
    name: value
    for name, value in vars(takeover).items()
    if isinstance(value, str) and re.match(r"\s*(SELECT|INSERT|UPDATE|DELETE)\b", value) and "{}" not in value
}


@pytest.fixture
def connection(tmp_path):
    """An empty store, with the temporary tables of a takeover."""
    with closing(empty(tmp_path / "no.db")) as made:
        made.executescript(takeover._TABLES)
        made.create_function("length_of", 1, len)
        made.create_function("is_own", 2, lambda *_: True)
        yield made


def explained(connection: sqlite3.Connection, name: str) -> list[str]:
    """How SQLite executes a statement, line by line."""
    statement = STATEMENTS[name]
    given = [None] * len(re.findall(r"\?1|\?(?!\d)", statement)) if "?1" not in statement else [None]
    return [line for *_, line in connection.execute(f"EXPLAIN QUERY PLAN {statement}", given)]


@pytest.mark.parametrize("name", STATEMENTS)
def test_no_table_is_read_as_a_whole(connection, name):
    """Each table is searched by an index of its own; none is made for the time of a statement."""
    lines = explained(connection, name)
    scanned = {found[1] for line in lines if (found := re.match(r"SCAN (?:TABLE )?(\w+)", line))}
    expected = {"_SUPERSEDED": {"attempt"}, "_AWAITED": {"batch_request"}}.get(name, set())
    assert scanned <= SMALL | expected
    assert not [line for line in lines if "AUTOMATIC" in line]


def test_keys_with_several_answers_are_found_in_an_index(connection):
    """Answers are large: only their index by key is read."""
    assert [line for line in explained(connection, "_SUPERSEDED") if "COVERING INDEX attempt_by_key" in line]


def test_rows_lead_to_results_and_these_to_answers(connection):
    """The order of the joins: rows of the set, their results, the answers of these."""
    named = [found[1] for line in explained(connection, "_SUMS") if (found := re.match(r"S\w+ (?:TABLE )?(\w+)", line))]
    assert named == ["taken", "row", "own", "result", "noted", "attempt"]


class Search:
    """A search in the temporary tables; it returns whether it is in a transaction, or fails."""

    left = 1

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    def open(self, connection: sqlite3.Connection) -> None:
        """There is nothing to open."""

    def close(self, connection: sqlite3.Connection) -> None:
        """There is nothing to close."""

    def take(self, connection: sqlite3.Connection, *_: object) -> bool:
        """Whether the search is one transaction."""
        if self.error is not None:
            raise self.error
        return connection.in_transaction


@pytest.mark.parametrize("error", [None, sqlite3.OperationalError("no")])
def test_a_set_is_searched_in_one_transaction(connection, tmp_path, error):
    """Otherwise each row that is noted would cost as much as all rows of the earlier runs: minutes for a plan."""
    with takeover.ForeseenTakeover(Search(error), connection, tmp_path) as foreseen:
        with pytest.raises(YamlgenError) if error else nullcontext():
            assert foreseen.find([]) is True
        assert not connection.in_transaction
