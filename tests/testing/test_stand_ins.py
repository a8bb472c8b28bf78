"""Stand-ins: no value that is left out is in a recording, and a replay comes to the same."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_replay import Taken

from counted_runs import fact
from scripted_api import call, said
from yamlgen.testing.recording_file import compose_recordings
from yamlgen.testing.stand_ins import StandIns, replaced, stand_ins_of, staying_value

values = st.text(min_size=4, max_size=12) | st.integers(0, 10**6) | st.floats(0, 1e6, width=32)
MAIL = 'Ann "A" Lee <ann@example.com>'


@given(st.dictionaries(st.sampled_from(["[row.a]", "[row.b]"]), values), st.lists(st.text(max_size=5), max_size=3))
def test_what_is_hidden_is_restored(made, words):
    """Property: in plain text, in JSON text up to its spelling, and in JSON values."""
    stand_ins, parts = StandIns(made), list(made.values())
    text = " ".join(map(str, parts))
    assert stand_ins.restore(stand_ins.hide(text)) == text
    assert json.loads(stand_ins.restore(stand_ins.hide(json.dumps({"x": parts})))) == {"x": parts}
    value = {"input": {"x": [*parts, *words], **dict.fromkeys(words)}}
    assert stand_ins.restore(stand_ins.hide(value)) == value


@pytest.mark.parametrize(
    "text", ["Hello ann@example.com!", '{"to": "ann@example.com"}', "ann@example.comann@example.com"]
)
def test_each_occurrence_is_replaced(text):
    """Also twice in a row."""
    hidden = StandIns({"[row.mail]": "ann@example.com"}).hide(text)
    assert "ann" not in hidden
    assert "[row.mail]" in hidden


def test_a_number_is_replaced_as_a_whole():
    """Not as a part of another one, and not in a setting."""
    stand_ins = StandIns({"[row.n]": 42})
    assert stand_ins.hide("42, 421, 1.42, 42.5, 42. a42") == "[row.n], 421, 1.42, 42.5, [row.n]. a42"
    body = {"max_tokens": 42, "messages": [{"role": "user", "content": "42"}]}
    assert stand_ins.hide_request(body) == {"max_tokens": 42, "messages": [{"role": "user", "content": "[row.n]"}]}


@pytest.mark.parametrize("value", ["", " ", "+", None, True, [], {}])
def test_signs_and_other_values_have_no_stand_in(value):
    """They would be found anywhere, or are not text."""
    assert not stand_ins_of(["row.x"], {"x": value})


@pytest.mark.parametrize(
    ("value", "told"),
    [(True, True), ({"a": [False]}, False), ("+", "+"), ("", None), (" ", None), (None, None), ("Al", None), (7, None)],
)
def test_a_value_that_cannot_be_left_out_is_known(value, told):
    """An empty one tells nothing."""
    assert staying_value("row.x", {"x": value}) is told


@pytest.mark.parametrize(
    ("value", "text", "hidden"),
    [
        ("Al", "Al also, al. Al!", "[x] also, al. [x]!"),
        ("Al", r'{"a": "one\nAl", "b": "\u2028Al"}', r'{"a": "one\n[x]", "b": "\u2028[x]"}'),
        ("42", "42, 421, 4.42, 42.", "[x], 421, 4.42, [x]."),
        ("O'B", 'O\'B "O\\u0027B"', '[x] "[x]"'),
        ("Ü", r"Ü \u00dc Über", "[x] [x] Über"),
        ("王明", "客户王明说", "客户[x]说"),
        (42, r'{"a": "one\n42"}', r'{"a": "one\n[x]"}'),
    ],
)
def test_a_short_value_is_replaced_as_a_word(value, text, hidden):
    """Also after an escape in JSON text; in a script without spaces anywhere."""
    assert StandIns({"[x]": value}).hide(text) == hidden
    assert json.dumps(StandIns({"[x]": value}).restore(hidden)).count("[x]") == 0


@pytest.mark.parametrize(
    "value", ["two\nlines", 'a "quote"', "back\\slash", "Jürgen Ü", "ab\u2028cd", "<b>&'x'", "😀😀😀😀"]
)
@pytest.mark.parametrize("nested", [False, True])
def test_a_value_is_hidden_in_every_spelling(value, nested):
    """As it is, in JSON, in JSON with escapes, and in JSON within JSON values."""
    row = {"x": {"parts": [value]}} if nested else {"x": value}
    stand_ins = stand_ins_of(["row.x"], row)
    text = f"{value} {json.dumps(value)} {json.dumps(value, ensure_ascii=False)} in{value}side"
    hidden = stand_ins.hide(text)
    assert hidden.count("[row.x") == 4
    assert stand_ins.restore(f"{value}: {stand_ins.hide(value)}") == f"{value}: {value}"


@pytest.mark.parametrize(
    ("value", "text", "is_told"),
    [
        (70123, "70,123", True),
        (70123, "170,123", False),
        (70123, "70123.00", True),
        (1.5, "1.50", False),
        (12, "12", False),
    ],
)
def test_a_number_with_other_digits_remains(value, text, is_told):
    """As a format writes it; a part of another number does not count."""
    stand_ins = StandIns({"[x]": value})
    assert stand_ins.remaining(stand_ins.hide(f"at {text}!")) == ({"[x]"} if is_told else set())


@pytest.mark.parametrize("number", [70123, 1.5])
def test_a_number_in_a_row_gets_a_number(number):
    """The same one for each row, of its kind; a replay hides it in the same way."""
    stand_ins = stand_ins_of(["row.n"], {"n": number})
    row = replaced({"n": number, "nested": {"type": number}}, stand_ins)
    assert row["n"] == row["nested"]["type"] != number
    assert type(row["n"]) is type(number)
    assert row == replaced(
        {"n": number * 2, "nested": {"type": number * 2}}, stand_ins_of(["row.n"], {"n": number * 2})
    )
    text = '{"n": %s} %s'
    again = stand_ins_of(["row.n"], row).hide(text % (json.dumps(row["n"]), row["n"]))
    assert again == stand_ins.hide(text % (json.dumps(number), number))


def test_the_parts_of_a_list_have_stand_ins():
    """Each its own; a column that a row lacks needs none."""
    row = {"mails": ["ann@x.org", "bob@x.org"]}
    hidden = replaced(row, stand_ins_of(["row.mails", "row.none"], row))
    assert hidden == {"mails": ["[row.mails.0]", "[row.mails.1]"]}


def test_the_words_of_the_api_are_never_replaced():
    """A row may contain `user` or `text`."""
    message = {"role": "user", "content": [{"type": "text", "text": "user text"}]}
    hidden = StandIns({"[row.a]": "user", "[row.b]": "text"}).hide(message)
    assert hidden == {"role": "user", "content": [{"type": "text", "text": "[row.a] [row.b]"}]}


@pytest.fixture
def redacted(project):
    """A project whose model repeats an address of a row, in JSON and in text."""

    def reply(body):
        if "A line on" in json.dumps(body["messages"]):
            return said(f"Write to {MAIL} at 70123.")
        if "tools" in body:
            return said(call({"kind": "old", "mail": MAIL, "zip": 70123}), stop="tool_use")
        return fact("wrong" if len(body["messages"]) < 4 else "old", mail=MAIL, zip=70123)

    project.script = reply
    project.rows = [{"town": town, "mail": MAIL, "zip": 70123} for town in ("Oslo", "Rome")]
    project.set("steps.facts.system", "You know {{ row.mail }}, {{ row | tojson }}.")
    return project


@pytest.mark.parametrize("mode", ["auto", "tools", "json"])
def test_a_replay_of_redacted_recordings_comes_to_the_same(redacted, mode):
    """Nothing of the values is in the file; the replay puts them back, also into the turns of a re-ask."""
    redacted.set("steps.facts.output.mode", mode)
    redact = ["row.mail", "row.zip"]
    taken = Taken(redacted, redact=redact)
    assert taken.run.report.finished == 2
    written = b"".join(compose_recordings(taken.recordings)).decode()
    assert "[row.mail]" in written
    assert "ann@example" not in written
    assert "70123" not in written
    again = taken.replay(redact=redact)
    assert (again.missing, again.outcome) == ((), taken.outcome)


def test_a_row_may_contain_the_stand_ins_themselves(redacted):
    """As `--from-run` writes it: nothing is missing, and the output has the stand-in."""
    redact = ["row.mail"]
    redacted.script = lambda body: said("Fine.") if "A line" in json.dumps(body) else fact("old", mail=MAIL)
    taken = Taken(redacted, redact=redact)
    redacted.rows = [replaced(row, stand_ins_of(redact, row)) for row in redacted.rows]
    again = taken.replay(redact=redact)
    assert again.missing == ()
    assert {row["facts"]["mail"] for _, row in again.outcome.lines[""]} == {"[row.mail]"}
