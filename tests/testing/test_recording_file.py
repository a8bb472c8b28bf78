"""The file of recordings: one form, readable after any merge, and without a key."""

import json
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yamlgen.diagnostics import InvalidPipeline
from yamlgen.testing.recording_file import (
    LARGE,
    compose_recordings,
    parse_recordings,
    read_recordings,
    write_recordings,
)
from yamlgen.testing.recordings import Recording

KEY = "sk-ant-api03-canary-0123456789"
DAY = date(2026, 11, 2)
texts = st.text(st.characters(exclude_categories=[]), max_size=9)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)


def recording(number=0, text="Hello", said="Hi", system="Be brief.", **more):
    """A recording with an answer."""
    body = {
        "model": "claude-haiku-5-5",
        "max_tokens": 9,
        "system": system,
        "messages": [{"role": "user", "content": text}],
        "output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}},
    }
    response = {"content": [{"type": "text", "text": said}], "stop_reason": "end_turn", "model": "m", "usage": {}}
    made = Recording(number.to_bytes(32, "big"), "label", body, response, None, DAY)
    return replace(made, **more)


REFUSAL = recording(9, response=None, refusal=(400, "no"))


def content(*recordings):
    """The content of a file with these recordings."""
    return b"".join(compose_recordings(recordings))


def read(data):
    """The recordings in the content of a file."""
    return list(parse_recordings(data, "t.answers.jsonl").recordings)


def broken(data):
    """The places and messages of the errors of a file."""
    with pytest.raises(InvalidPipeline) as caught:
        parse_recordings(data, "t.answers.jsonl")
    return [(each.place, each.message) for each in caught.value.diagnostics]


@given(texts, values, texts, st.integers(0, 3), st.binary(max_size=4), st.booleans())
def test_what_is_written_is_read(text, value, system, sample, row, simulated):
    """Property: any recording, in one form, in valid UTF-8, a line each."""
    answer = {"content": [{"type": "tool_use", "input": value}], "stop_reason": None, "model": "m", "usage": {}}
    made = [recording(1, text, response=answer, system=system, sample=sample, row=row, simulated=simulated), REFUSAL]
    data = content(*made)
    assert read(data) == made
    assert content(*read(data)) == data
    assert len(data.decode().splitlines()) == data.count(b"\n")


def test_constant_parts_are_written_once():
    """The system prompt, the schema and the settings: three lines, whatever the number of recordings."""
    data = content(*(recording(number, f"row {number}") for number in range(5)))
    lines = [json.loads(line) for line in data.splitlines()]
    assert [("constant" in line) for line in lines] == [True] * 3 + [False] * 5
    assert data.count(b"Be brief.") == 1


def test_the_lines_are_sorted():
    """Whatever the order of the recordings."""
    made = [recording(number) for number in (3, 1, 2)]
    assert content(*made) == content(*sorted(made, key=lambda each: each.key))


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.replace(b"\n", b"\r\n"),
        lambda data: b"\xef\xbb\xbf" + data,
        lambda data: data.rstrip(b"\n"),
        lambda data: b"\n\n" + data + b"\n",
        lambda data: b"".join(reversed(data.splitlines(keepends=True))),
        lambda data: data + data,
    ],
    ids=["CRLF", "BOM", "no last line end", "empty lines", "any order", "a merge by union"],
)
def test_what_tools_do_to_a_file_does_no_harm(change):
    """The same recordings are read, without a warning."""
    made = [recording(1), recording(2), REFUSAL]
    found = parse_recordings(change(content(*made)), "t.answers.jsonl")
    assert (list(found.recordings), found.warnings) == (made, ())


def test_of_two_answers_the_newer_counts_with_a_warning():
    """The warning names the line."""
    old, new = recording(1, said="old", date=date(2026, 1, 1)), recording(1, said="new")
    found = parse_recordings(content(new) + content(old), "t.answers.jsonl")
    assert list(found.recordings) == [new]
    (warning,) = found.warnings
    assert (warning.severity, warning.mark.line) == ("warning", 8)
    assert "two answers: that of 2026-11-02 is used" in warning.message


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"fingerprint":"00', "the line is truncated or broken: this quote is never closed (column 16)"),
        (b"what is this", "the line is not a recording"),
        (b"[1]", "the line is not a JSON object"),
        (b"<<<<<<< HEAD", "this is the mark of a merge conflict"),
        (b"\xff\xfe", "the line is not a recording: byte 0xff is not UTF-8 (byte 1 of the line)"),
        (b"{}", "`request` is not a recorded request"),
        (b'{"constant":"00","part":{"model":"m"}}', "the constant was edited"),
        (b'{"constant":"00"}', "`part` is not an object"),
    ],
)
def test_a_broken_line_is_told_with_its_number(line, message):
    """All of them are, each with its number."""
    ((first, told), (second, _)) = broken(content(recording()) + line + b"\n" + line + b"\n")
    assert (first, second) == ("t.answers.jsonl:5:1", "t.answers.jsonl:6:1")
    assert told.startswith(message)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("date", "yesterday", "`date` is not a date such as 2026-11-02"),
        ("fingerprint", "xyz", "`fingerprint` or `row` is not hexadecimal"),
        ("fingerprint", 7, "`fingerprint` is not a string"),
        ("step", None, "`step` is missing"),
        ("response", None, "the line must have either a `response` or a `refusal`"),
        ("refusal", {"status": "400", "message": "no"}, "the line must have either"),
        ("request", {"constants": ["00"]}, "the constant `00` is not in the file"),
        ("sample", "1", "`sample` is not an integer"),
        ("request", {"constants": [], "messages": {"role": "user"}}, "`request.messages` is not a list of objects"),
        ("request", {"constants": [], "messages": [1]}, "`request.messages` is not a list of objects"),
        ("response", {"content": "Hi"}, "`response.content` is not a list of objects"),
        ("response", {"content": [], "usage": []}, "`response.usage` does not contain numbers of tokens"),
        ("response", {"usage": {"output_tokens": {}}}, "`response.usage` does not contain numbers of tokens"),
    ],
)
def test_a_wrong_member_of_a_line_is_told(name, value, message):
    """With the number of the line."""
    *constants, line = content(recording()).splitlines()
    edited = json.dumps({**json.loads(line), name: value}).encode()
    ((place, told),) = broken(b"\n".join([*constants, edited]))
    assert place == "t.answers.jsonl:4:1"
    assert told.startswith(message)


def test_no_file_has_no_recordings(tmp_path):
    """A first test has none yet."""
    assert list(read_recordings(tmp_path / "none.jsonl").recordings) == []


@pytest.mark.parametrize("place", ["text", "said", "system"])
def test_a_recording_with_a_key_is_not_written(tmp_path, place):
    """Wherever it is; the other recordings are, and the warning does not repeat it."""
    path = tmp_path / "t.answers.jsonl"
    done = write_recordings(path, [recording(1, **{place: f"my key is {KEY}"}), recording(2)], first=False)
    assert KEY.encode() not in path.read_bytes()
    assert (list(read_recordings(path).recordings), done.left_out[0].fingerprint[-1]) == ([recording(2)], 1)
    (told,) = done.warnings
    assert "step `label`" in told
    assert KEY not in told


def test_a_secret_of_another_form_is_not_written(tmp_path):
    """The key that is set may have any form."""
    path = tmp_path / "t.answers.jsonl"
    write_recordings(path, [recording(said='gateway-"secret"')], secrets=['gateway-"secret"'])
    assert path.read_bytes() == b""


def test_the_beginning_of_a_key_is_hidden(tmp_path):
    """It is no key, so that the recording is kept, readable."""
    path = tmp_path / "t.answers.jsonl"
    write_recordings(path, [recording(system="Keys begin with sk-ant-api")])
    (found,) = read_recordings(path).recordings
    assert found.request["system"] == "Keys begin with sk-ant-[secret]"


def test_the_first_file_is_told_to_be_committed(tmp_path):
    """Once: the second time the user knows."""
    path = tmp_path / "t.answers.jsonl"
    told = [write_recordings(path, [recording()]).warnings for _ in range(2)]
    assert [len(each) for each in told] == [1, 0]
    assert "committed" in told[0][0]


def test_a_large_file_is_told(tmp_path):
    """A size over 1 MB is, with what can be done."""
    done = write_recordings(tmp_path / "t.answers.jsonl", [recording(said="x" * LARGE)], first=False)
    assert "1.0 MB, more than 1 MB" in done.warnings[0]


def test_a_broken_constant_is_told_once():
    """The lines that need it are not broken: only the constant is."""
    first, *others = content(recording(1), recording(2)).splitlines(keepends=True)
    ((place, told),) = broken(b"".join([first[:-9] + b"\n", *others]))
    assert place == "t.answers.jsonl:1:1"
    assert told.startswith("the line is truncated or broken")
