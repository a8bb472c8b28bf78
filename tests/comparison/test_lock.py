"""The file of a lock: one form, and an error with its line for any file that cannot be used."""

import json
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yamlgen.comparison.lock import Lock, lock_path, parse_lock, read_lock
from yamlgen.comparison.locked_parts import RowsDigest, differences
from yamlgen.diagnostics import InvalidPipeline
from yamlgen.errors import Code
from yamlgen.value_objects import InputRow

ANSWERS = {
    "answered_by": ["claude-haiku-5-5-20261001"],
    "answers": 500,
    "input_tokens": {"mean": 210.4, "p95": 300},
    "output_tokens": {"mean": 40.5, "p95": 61},
}
LOCK = {
    "format": 1,
    "params": {"tone": "dry"},
    "input": {"id": "id", "rows": 3, "digest": "d1"},
    "steps": {
        "label": {
            "kind": "generate",
            "asks": {"messages": "m1", "model": "o1"},
            "accepts": {"check": "c1"},
            "models": ["claude-haiku-5-5"],
        },
        "score": {"kind": "python", "asks": {"python": "p1"}, "accepts": {}, "models": []},
    },
    "outputs": {"output": {"keys": {"columns": "k1"}, "type": {"type": "object"}}},
    "python": {"scores.py": "p1"},
    "run": {
        "finished": 3,
        "failed": 0,
        "lost": 0,
        "answers": {"label": {"claude-haiku-5-5": ANSWERS}},
        "outputs": {"output": "r1"},
    },
}


def changed(way, value):
    """The lock with another value at a dotted path; `None` removes it."""
    made = json.loads(json.dumps(LOCK))
    *above, last = way.split("/")
    at = made
    for key in above:
        at = at[key]
    if value is None:
        del at[last]
    else:
        at[last] = value
    return made


def parsed(value):
    """The lock that a JSON value is read as."""
    return parse_lock(json.dumps(value).encode(), "a.lock.json")


def refused(data):
    """The diagnostic for the content of a file."""
    with pytest.raises(InvalidPipeline) as error:
        parse_lock(data, "a.lock.json")
    (found,) = error.value.diagnostics
    assert (found.code, found.mark.file) == (Code.BAD_LOCK, "a.lock.json")
    assert found.hint
    return found


def test_the_form():
    """A value is on a line of its own, the keys are sorted, and what is read is written alike."""
    content = parsed(LOCK).content()
    assert parse_lock(content, "a.lock.json").content() == content
    lines = content.decode().splitlines()
    assert content.endswith(b"}\n")
    assert '      "messages": "m1",' not in lines
    assert [line.strip() for line in lines if '"m1"' in line] == ['"messages": "m1",']
    assert list(json.loads(content)) == sorted(LOCK)


def test_the_line_ends_of_git():
    """A checkout with CRLF and a byte order mark is the same lock."""
    content = parsed(LOCK).content()
    assert parse_lock(b"\xef\xbb\xbf" + content.replace(b"\n", b"\r\n"), "a.lock.json") == parsed(LOCK)


@given(st.dictionaries(st.text(), st.text() | st.integers() | st.none() | st.lists(st.text()), max_size=4))
def test_any_parameter_survives(params):
    """Law: what is written is read again, for any parameters."""
    lock = parsed({**LOCK, "params": params})
    assert parse_lock(lock.content(), "a.lock.json") == lock


def test_keys_of_a_later_version_are_ignored():
    """Format 1 may get more keys."""
    assert parsed({**LOCK, "more": 1, "run": {**LOCK["run"], "more": {}}}) == parsed(LOCK)


def test_no_file(tmp_path):
    """A lock that does not exist is none; its name is that of the pipeline."""
    assert lock_path(tmp_path / "triage.yaml") == tmp_path / "triage.lock.json"
    assert read_lock(lock_path(tmp_path / "triage.yaml")) is None


def test_every_file_that_is_cut_short():
    """Law: no beginning of a lock is a lock."""
    content = parsed(LOCK).content()
    for length in range(0, len(content) - 2, 37):
        assert refused(content[:length]).mark.line >= 1


@pytest.mark.parametrize(
    ("value", "line", "told"),
    [
        ({"format": 2}, 2, "the lock has the format 2; this version of yamlgen reads the format 1"),
        ({"format": "1"}, 2, 'the lock has the format "1"'),
        ({"format": True}, 2, "the lock has the format true"),
        ({"steps": {}}, 1, "the lock has no `format`"),
        ([], 1, "the lock has no `format`"),
        (changed("params", None), 1, "`params` is missing"),
        (changed("input/rows", "three"), 6, "`input.rows`"),
        (changed("steps/label/asks", ["m1"]), None, "`steps.label.asks`"),
        (changed("run/answers/label/claude-haiku-5-5/answers", 0), 31, "answers`"),
        (changed("run/finished", -0.5), None, "`run.finished`"),
    ],
)
def test_a_value_that_is_wrong(value, line, told):
    """The line of the value, and what is wrong with it."""
    text = json.dumps(value, indent=1, sort_keys=True)
    found = refused(text.encode())
    assert told in found.message
    last = told.strip("`").rpartition(".")[2]
    expected = line or next(number for number, each in enumerate(text.split("\n"), 1) if f'"{last}"' in each)
    assert found.mark.line == expected


@pytest.mark.parametrize("mark", ["<<<<<<< HEAD", "=======", ">>>>>>> main", "||||||| base"])
def test_a_merge_conflict(mark):
    """The first mark of git is named by its line."""
    lines = parsed(LOCK).content().decode().split("\n")
    found = refused("\n".join([*lines[:4], mark, *lines[4:]]).encode())
    assert (found.mark.line, found.message) == (5, "the lock has a merge conflict")
    assert "keep either side" in found.hint


@pytest.mark.parametrize(
    "data", [b"\xff\xfe", b"nothing", b"[" * 100_000, b'{"format": 1e9999}', b"{'format': 1}", b""]
)
def test_a_file_that_is_something_else(data):
    """Binary data, text, nesting without an end."""
    refused(data)


@pytest.mark.parametrize(
    ("way", "value", "part", "what"),
    [
        ("steps/label/asks/messages", "m2", "steps", "step `label`: `messages`"),
        ("steps/label/accepts/check", None, "steps", "step `label`: `check`"),
        ("steps/label/models", ["x"], "steps", "step `label`: the model `claude-haiku-5-5` -> `x`"),
        ("steps/label", None, "steps", "step `label` was removed"),
        ("python/scores.py", "p2", "python", "`scores.py`"),
        ("outputs/output/type", {}, "types", "the type of the output"),
        ("outputs/output/keys/where", "w1", "outputs", "the output: `where`"),
        ("params/tone", "warm", "params", "the parameter `tone`"),
        ("input/digest", "d2", "input", "the rows of the input"),
        ("run/finished", 2, "run", "rows of the run: 3 finished, 0 failed -> 2 finished, 0 failed"),
        ("run/outputs/output", "r2", "run", "the rows of the output"),
        (
            "run/answers/label/claude-haiku-5-5/answered_by",
            ["b"],
            "run",
            "the answers of step `label`, answered by `claude-haiku-5-5-20261001` -> `b`",
        ),
        ("run", None, "run", "the last run was removed"),
    ],
)
def test_a_difference(way, value, part, what):
    """Each is told with its part, and there is no other."""
    assert [(each.part, each.what) for each in differences(parsed(LOCK), parsed(changed(way, value)))] == [(part, what)]
    assert differences(parsed(LOCK), parsed(LOCK)) == []


def test_sizes():
    """The mean of the input, and a range around the mean of the output, as far as the 95th percentile."""
    found = parsed(LOCK).history("label", "claude-haiku-5-5")
    assert (found.answers, found.input_tokens(1), found.output, found.mean_output) == (500, 210.4, (20, 61), 40.5)
    assert parsed(LOCK).history("label", "another") is None
    assert parsed({**LOCK, "run": None}).history("label", "claude-haiku-5-5") is None


@given(st.lists(st.dictionaries(st.sampled_from("abc"), st.integers() | st.text(), max_size=3), max_size=5))
def test_the_digest_of_rows(rows):
    """Law: it depends on the rows and their order, not on the order of the columns."""

    def digest(each):
        made = RowsDigest()
        list(made.of(InputRow(index, row, "") for index, row in enumerate(each)))
        return made.value

    assert digest(rows) == digest([dict(reversed(row.items())) for row in rows])
    assert digest([*rows, {}]) != digest(rows)
    assert (digest(rows) == digest(rows[::-1])) is (rows == rows[::-1])


def test_git_merges_changes_of_two_steps(tmp_path):
    """Two branches that change different steps merge without a conflict."""
    ours, theirs = changed("steps/label/asks/messages", "m2"), changed("steps/score/asks/python", "p2")
    for name, value in (("base", LOCK), ("ours", ours), ("theirs", theirs)):
        (tmp_path / name).write_bytes(parsed(value).content())
    command = ["git", "merge-file", "-p", "ours", "base", "theirs"]
    merged = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=60, check=True).stdout
    found = parse_lock(merged, "a.lock.json").steps
    assert (found["label"].asks["messages"], found["score"].asks["python"]) == ("m2", "p2")


def test_it_is_a_value():
    """Equal locks are equal."""
    assert parsed(LOCK) == Lock.model_validate(LOCK)
