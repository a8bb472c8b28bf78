"""Columns that no step reads: ids and columns that are named anywhere are not among them."""

import pytest

from scanned_rows import row
from yamlgen.profiles.doubts.unread_columns import ColumnObserver

TEXT = {"kind": "generate", "type": {}, "columns": ["text"]}
DRAW = {"kind": "draw", "type": {}, "columns": None}


def observed(columns, *, steps=None, given=None, **resolved):
    """What is suspected of a run of twenty rows."""
    known = {"input": {"path": "a.csv", "id": "id", **(given or {})}, **resolved}
    observer = ColumnObserver({"declared": {"note": TEXT} if steps is None else steps, "resolved": known})
    for number in range(20):
        values = {name: value.format(number) if isinstance(value, str) else value for name, value in columns.items()}
        observer.add(row(number, columns=values))
    return [each.message for each in observer.suspicions()]


def test_unread_columns_are_one_suspicion():
    """Whatever their number: it is one question, whether the prompts have all that they need."""
    columns = {"id": "{}", "text": "hello", "mood": "calm", "town": "Oslo {}", "mixed": None}
    assert observed(columns) == ["no prompt reads 3 of the 5 columns: `mood`, `town` and `mixed`"]


def test_the_names_are_few_short_and_visible():
    """A name may be anything."""
    (message,) = observed(
        {"text": "a", "\x1b[31m" + "n" * 100: "b", **{f"column {number}": "c" for number in range(20)}}
    )
    assert r"`\u001b[31mnnn" in message
    assert message.endswith("and 13 more")
    assert len(message) < 250


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("customer_id", "c-{}"),
        ("orderId", "7"),
        ("ID", 7),
        ("row.key", ""),
        ("ref", None),
        ("url", "example.com/{}"),
        ("source", "https://example.com/{}"),
        ("received", "2026-01-{}T09:00:00Z"),
        ("day", "2026-01-05"),
        ("digest", "0123456789abcdef0123456789abcdef"),
    ],
)
def test_ids_links_and_dates_are_silent(name, value):
    """They tell rows apart, and a model nothing."""
    assert not observed({"text": "a", name: value.replace("{}", "{:02}") if isinstance(value, str) else value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("topic", "t{}"),
        ("amount", 7),
        ("id of the owner", "c-1"),
        ("grid", "c-1"),
        ("code", "print({}, end)"),
        ("key", "x" * 300),
        ("note", "2026-01-05 was cold"),
        ("link", [1, 2]),
    ],
)
def test_what_only_looks_like_an_id_is_told(name, value):
    """Words and texts, numbers, and an id of another name."""
    assert observed({"text": "a", name: value}) == [f"no prompt reads 1 of the 2 columns: `{name}`"]


@pytest.mark.parametrize(
    "named",
    [
        {"given": {"where": "row.mood == 'calm'"}},
        {"output": {"columns": {"a": ["1", {"b": "row['mood'] | upper"}]}}},
        {"output": {"where": "row.mood"}},
        {"outputs": {"x": {}, "y": {"unique": "row.mood"}}},
        {"output": {"split": {"by": "row.mood", "into": {"a": 1}}}},
        {"output": {"columns": {"all": "row"}}},
        {"steps": {"note": TEXT, "tidy": {"kind": "python", "type": {}, "columns": ["mood"]}}},
        {"steps": {"note": {**TEXT, "columns": None}}},
        {"steps": {"note": {**TEXT, "kind": "compute"}}},
        {"steps": {}},
        {"given": {"range": 20}},
    ],
)
def test_a_column_that_anything_names_is_silent(named):
    """So is a pipeline without prompts, one with a step that reads whole rows, and a run of an earlier version."""
    assert not observed({"text": "a", "mood": "calm"}, **named)


def test_a_draw_is_identified_by_the_whole_row_and_does_not_read_it():
    """Otherwise a pipeline with a draw could never be suspected."""
    assert observed({"text": "a", "mood": "calm"}, steps={"note": TEXT, "who": DRAW})


def test_columns_that_a_folder_adds_are_silent():
    """Its text is not."""
    steps = {"note": {**TEXT, "columns": []}}
    columns = {"path": "a", "name": "a", "text": "a b"}
    assert observed(columns, steps=steps, given={"folder": "x"}) == ["no prompt reads 1 of the 3 columns: `text`"]
