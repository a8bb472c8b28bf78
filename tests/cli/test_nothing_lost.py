"""What a command reads, and what was paid for before, is never written over."""

import json

import pytest

from yamlgen.cli.messages import safe
from yamlgen.errors import Code, UsageError


def failing(call):
    """A simulated run of the small pipeline of which every row is refused."""
    return call("run", "small.yaml", "--simulate", "--fault", "refusal=1")


def test_failed_rows_can_be_an_input_and_stay(small, call):
    """The failed file of a run, given as input under the same names, is refused before anything is sent."""
    (small / "small.yaml").write_text((small / "small.yaml").read_text().replace(", id: id", ""))
    assert failing(call).code == 1
    failed = small / "out/notes.simulated.failed.jsonl"
    before = failed.read_bytes()
    told = call("run", "small.yaml", "--simulate", "--input", failed)
    assert told.code == 2
    assert "the run reads it" in told.err
    assert failed.read_bytes() == before


@pytest.mark.parametrize("target", ["schemas/out.json", "prompt.jsonl", "small.json"])
def test_what_the_pipeline_is_made_of_is_no_output(target, small, call):
    """A prompt, a schema or the pipeline itself cannot be named with `-o`."""
    (small / "schemas").mkdir()
    (small / "schemas/out.json").write_text('{"type": "object"}')
    (small / "prompt.jsonl").write_text("Write a note on {{ row.topic }}.")
    text = (small / "small.yaml").read_text().split("steps:")[0]
    text += "steps:\n  note:\n    model: claude-haiku-5-5\n    prompt: {file: prompt.jsonl}\n"
    text += "    output: {schema: schemas/out.json}\noutput: {path: out/notes.jsonl}\n"
    (small / "small.json").write_text(text)
    before = (small / target).read_bytes()
    told = call("run", "small.json", "--simulate", "-o", target)
    assert (told.code, "the run reads it" in told.err) == (2, True)
    assert (small / target).read_bytes() == before


def test_the_schema_is_not_written_over_something_else(small, call):
    """`schema --write` replaces a schema of yamlgen and nothing else."""
    before = (small / "small.yaml").read_bytes()
    told = call("schema", "--write", "small.yaml")
    assert told.code == 2
    assert (small / "small.yaml").read_bytes() == before
    assert call("schema", "--write", ".").code == 0
    assert call("schema", "--write", ".").code == 0


def test_a_run_without_a_finished_row_leaves_the_rows_of_before(small, call):
    """When every row fails, the output of the run before stands; the failed rows are told as ever."""
    assert call("run", "small.yaml", "--simulate").code == 0
    output = small / "out/notes.simulated.jsonl"
    before = output.read_bytes()
    assert failing(call).code == 1
    assert output.read_bytes() == before
    assert json.loads((small / "out/notes.simulated.run.json").read_text())["rows"]["finished"] == 0


def test_a_late_column_named_like_a_step_is_refused(small, call):
    """A column that only a late row has is found before the first request, with its line."""
    rows = [{"id": number, "topic": "town"} for number in range(150)]
    rows[149]["note"] = "mine"
    (small / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    told = call("run", "small.yaml", "--simulate")
    assert told.code == 2
    assert told.err.startswith(
        f"error[{Code.NAME_TAKEN}]: rows.jsonl:150: the column `note` has the same name as a step"
    )
    assert not (small / "out").exists()


def test_foreign_words_cannot_steer_a_terminal():
    """Control characters of an answer or an error are written out; the words stay, on one line."""
    assert safe("a\x1b]0;owned\x07b\x9b2Jc\nd") == r"a\u001b]0;owned\u0007b\u009b2Jc d"


@pytest.mark.parametrize("wrong", [{"limit": 0}, {"limit": "3"}, {"max_concurrency": 0}, {"latency": -1}])
def test_wrong_options_are_told_to_python_users(wrong):
    """An option out of its range is an error that names it, before anything is opened."""
    from yamlgen.api.run_options import RunOptions  # noqa: PLC0415 - loads the language

    with pytest.raises(UsageError, match=next(iter(wrong))):
        RunOptions(**wrong)


def test_a_device_is_no_pipeline(call):
    """What never ends is told to be no file, at once."""
    told = call("validate", "/dev/zero")
    assert told.code == 1
    assert "is not a regular file" in told.err
