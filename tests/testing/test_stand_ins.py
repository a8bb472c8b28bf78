"""Stand-ins: no value that is left out is in a recording, and a replay comes to the same."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_replay import Taken

from counted_runs import fact
from scripted_api import call, said
from yamlgen.testing.recording_file import compose_recordings
from yamlgen.testing.stand_ins import StandIns, replaced, stand_ins_of

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


@pytest.mark.parametrize("value", ["abc", "", None, True, [], {}])
def test_short_strings_and_other_values_have_no_stand_in(value):
    """They would be found anywhere, or are not text."""
    assert not stand_ins_of(["row.x"], {"x": value})


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
