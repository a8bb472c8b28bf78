"""Recordings by their fingerprints: which one counts, and what a newer one replaces."""

from dataclasses import replace
from datetime import date

import pytest

from yamlgen.claude.answer_keys import AnswerKeys
from yamlgen.interfaces import UNOBSERVED
from yamlgen.testing.fingerprints import Fingerprints
from yamlgen.testing.recordings import RecordedAnswers, Recording, row_digest

OLD, NEW = date(2026, 1, 1), date(2026, 11, 2)
BODY = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hello"}]}


def answer(text, day=NEW, fingerprint=b"a", **more):
    """A recording with this text."""
    response = {"content": [{"type": "text", "text": text}], "stop_reason": "end_turn", "model": "m", "usage": {}}
    return Recording(fingerprint, "label", BODY, response, None, day, **more)


@pytest.mark.parametrize("order", [1, -1])
def test_the_newer_of_two_counts(order):
    """Whatever their order; that there were two is known."""
    recordings = RecordedAnswers([answer("old", OLD), answer("new")][::order])
    assert recordings.find(b"a") == answer("new")
    assert recordings.superseded == ((b"a", b""),)


def test_the_same_answer_twice_is_no_conflict():
    """A merge by union keeps equal lines of both sides."""
    assert RecordedAnswers([answer("same", OLD), answer("same")]).superseded == ()


def test_the_order_of_an_answers_keys_counts():
    """It is that of the output: two answers that differ in it are two."""
    one = replace(answer(""), response={"content": [{"input": {"a": 1, "b": 2}}]})
    other = replace(answer(""), response={"content": [{"input": {"b": 2, "a": 1}}]})
    assert RecordedAnswers([one, other]).superseded


def test_a_row_has_its_own_answer():
    """Another row has the one for all rows."""
    own = answer("own", row=row_digest("r1"))
    recordings = RecordedAnswers([own, answer("any")])
    assert [recordings.find(b"a", row) for row in ("r1", "r2", "")] == [own, answer("any"), answer("any")]


def test_a_new_recording_replaces_the_old_one_of_its_row():
    """A row that was recorded anew has no older answer of its own; other rows keep theirs."""
    mine, yours = (answer(name, OLD, row=row_digest(name)) for name in ("mine", "yours"))
    of_rows = [answer("any", row=row_digest("mine"))]
    recordings = RecordedAnswers([mine, yours, answer("any", OLD)]).with_newer([answer("any")], of_rows)
    assert {each.row for each in recordings} == {b"", yours.row}
    assert recordings.find(b"a", "mine") == answer("any")


def test_a_row_that_is_recorded_later_leaves_the_answers_of_the_others():
    """They need it: the requests of their next steps contain it."""
    of_rows = [answer("new", row=row_digest("later"))]
    recordings = RecordedAnswers([answer("old", OLD)]).with_newer([answer("new")], of_rows)
    assert recordings.find(b"a", "later") == of_rows[0]
    assert recordings.find(b"a", "earlier") == answer("old", OLD)


def test_a_recording_of_everything_replaces_the_answer_to_any_row():
    """No row needs the older one, and rows with the newer one need none of their own."""
    of_rows = [answer("new", row=row_digest("r1")), answer("other", row=row_digest("r2"))]
    recordings = RecordedAnswers([answer("old", OLD)]).with_newer([answer("new"), of_rows[1]], of_rows, everything=True)
    assert list(recordings) == [answer("new"), of_rows[1]]


def test_what_no_case_uses_is_counted_and_dropped():
    """By the keys that a replay has used."""
    recordings = RecordedAnswers([answer("a"), answer("b", fingerprint=b"b")])
    used = {(b"b", b"")}
    assert recordings.unused(used) == 1
    assert list(recordings.without_unused(used)) == [answer("b", fingerprint=b"b")]


def test_old_recordings_are_told_by_their_date():
    """Those from before a day."""
    assert RecordedAnswers([answer("a", OLD), answer("b", fingerprint=b"b")]).older(NEW) == (answer("a", OLD),)


def test_a_fingerprint_depends_on_what_is_sent_and_nothing_else():
    """Neither on the row, nor on fields that do not affect the answer; on the sample and the version of the API."""

    def of(body=BODY, version="1", **context):
        return Fingerprints(version).keys(body, replace(UNOBSERVED, **context))

    assert of() == of(identity="other") == of(row=3) == of(step="other") == of({**BODY, "stream": True})
    changed = {**BODY, "messages": [{"role": "user", "content": "Hello!"}]}
    assert len({of(), of(changed), of({**BODY, "max_tokens": 8}), of(version="2"), of(sample=1)}) == 5


def test_a_key_of_the_store_covers_the_fields_of_a_fingerprint():
    """Two requests with one key have one fingerprint, and the other way round."""
    marked = {**BODY, "system": [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}]}
    bare = {**BODY, "system": [{"type": "text", "text": "x"}]}
    for keys in (AnswerKeys("https://a.example", "1"), Fingerprints("1")):
        assert keys.keys(marked, UNOBSERVED) == keys.keys(bare, UNOBSERVED) != keys.keys(BODY, UNOBSERVED)
