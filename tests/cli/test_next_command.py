"""What a command names last: the next command after a run, and the command that explains an error."""

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest

from yamlgen.cli.next_command import _values, _without

REFUSALS = ("--fault", "refusal=0.5")
ROW = '{"id": 1, "topic": "tea"}\n'


def followed(err):
    """The commands that stderr ends with, as words."""
    lines = err.splitlines()
    first = next((at for at, line in enumerate(lines) if line.startswith("next: ")), len(lines))
    return [shlex.split(line[6:]) for line in lines[first:] if line[:6] in ("next: ", " " * 6)]


@pytest.mark.usefixtures("small")
def test_failed_rows_lead_to_their_errors_and_to_a_retry(call):
    """Both commands work as they are printed, on the run that has just ended."""
    told = call("run", "small.yaml", "--simulate", *REFUSALS)
    failed, retry, _ = followed(told.err)
    assert retry == ["yamlgen", "retry", "small.yaml", "--simulate"]
    assert call(*failed[1:]).out.count("YG504") == int(re.search(r"rows finished, (\d+) failed", told.err)[1])
    assert call(*retry[1:]).code == 1


def test_odd_names_are_quoted_and_stores_are_repeated(small, call):
    """A pipeline in a folder with a blank, and a store elsewhere."""
    shutil.copy(small / "small.yaml", small / "my small.yaml")
    words = ("run", "my small.yaml", "--store", "the store", "--env-file", ".env", "--simulate", *REFUSALS)
    (small / ".env").write_text("")
    told = call(*words)
    assert "next: yamlgen runs failed 'my small.yaml' " in told.err
    failed, retry, report = followed(told.err)
    assert report[-2:] == ["--store", "the store"]
    assert call(*report[1:]).code == 0
    assert call(*failed[1:]).out.count("YG504")
    assert call(*retry[1:]).code == 1
    assert retry[-2:] == ["--env-file", ".env"]


@pytest.mark.parametrize(
    ("words", "after"),
    [
        (["--simulate"], []),
        (["--simulate", "--seed", "3", "--latency=0"], []),
        (["--limit", "2", "--simulate", "-o", "a.csv"], ["--limit", "2", "-o", "a.csv"]),
    ],
)
@pytest.mark.usefixtures("small")
def test_a_simulated_run_leads_to_a_real_one(words, after, call):
    """The cost comes first. What says how to simulate is left out, and the rest of the call stays."""
    plan, run, _ = followed(call("run", "small.yaml", *words).err)
    assert plan == ["yamlgen", "plan", "small.yaml"]
    assert run == ["yamlgen", "run", "small.yaml", *after]


@pytest.mark.usefixtures("small")
def test_a_run_leads_to_its_report(call):
    """The command works as it is printed, and finds a simulated run by its name; a run that made a page names none."""
    told = call("run", "small.yaml", "--simulate")
    *_, report = followed(told.err)
    assert report[:3] == ["yamlgen", "report", "small.yaml"]
    assert call(*report[1:]).code == 0
    assert [words[1] for words in followed(call("run", "small.yaml", "--simulate", "--report").err)] == ["plan", "run"]


@pytest.mark.parametrize("command", [["plan"], ["run", "--dry-run"]], ids=" ".join)
@pytest.mark.usefixtures("small")
def test_a_plan_leads_to_a_trial_of_the_same_run(command, call):
    """It has the values, the input and the store of the plan, in words that work as they are printed."""
    Path("in.jsonl").write_text(ROW)
    words = ["--set", "steps.note.max_tokens=99", "--input", "in.jsonl", "--store", "the store"]
    told = call(*command, "small.yaml", *words, "--simulate", "--seed", "3")
    trial = shlex.split(re.search("run a few rows first: `(.*)`", told.err + told.out)[1])
    assert trial == ["yamlgen", "run", "small.yaml", *words, "--limit", "20", "--simulate", "--seed", "3"]
    assert call(*trial[1:]).code == 0
    assert "a few rows first" not in call(*command, "small.yaml", *words, "--simulate", "--seed", "3").err


@pytest.mark.usefixtures("small")
def test_a_stopped_run_leads_to_the_same_command(call):
    """A run that ended at a limit is continued by its own command, but without `--fresh`; its rows can be had now."""
    told = call("run", "small.yaml", "--simulate", "--fresh", "--max-requests", "3")
    assert told.code == 4
    again, export, report = followed(told.err)
    assert (report[:3], call(*report[1:]).code) == (["yamlgen", "report", "small.yaml"], 0)
    assert again == ["yamlgen", "run", "small.yaml", "--simulate", "--max-requests", "3"]
    assert call(*export[1:]).out.count("\n") == 3
    assert told.err.endswith("\nFor an explanation: yamlgen explain YG612\n")


@pytest.mark.usefixtures("small")
def test_nothing_follows_in_json_or_in_a_quiet_run(call):
    """Neither programs nor those who want errors only are told a next command."""
    told = call("run", "small.yaml", "--simulate", "--output-format", "json")
    assert "next:" not in told.out + told.err
    assert call("run", "small.yaml", "--simulate", "-q").err == ""
    assert "next:" not in call("run", "small.yaml", "--simulate", "--fresh", "--max-requests", "3", "-q").err


@pytest.mark.usefixtures("small")
def test_a_retry_repeats_standard_input(call):
    """The rows of a run from standard input have to be given again."""
    told = call("run", "small.yaml", "--simulate", "--fault", "refusal=1", "--input", "-", stdin=ROW.encode())
    _, retry, _ = followed(told.err)
    assert retry == ["yamlgen", "retry", "small.yaml", "--simulate", "--input", "-"]
    assert call(*retry[1:], stdin=ROW.encode()).code == 1


def test_words_are_left_out_with_their_values():
    """In both forms in which click reads an option."""
    words = ["run", "a.yaml", "--seed", "3", "--simulate", "--fault=x=1", "--limit", "2"]
    assert _without(words, {"--seed": 1, "--simulate": 0, "--fault": 1}) == ["run", "a.yaml", "--limit", "2"]
    assert _values(["-p", "a=1", "-pb=2", "--param=c=3", "--plan"], "-p") == ["-p", "a=1", "-pb=2"]
    assert _values(["--env-file", "a", "x", "--env-file=b"], "--env-file") == ["--env-file", "a", "--env-file=b"]


def test_diagnostics_lead_to_their_explanation(small, call):
    """`validate` names its first three codes in a command that works, the errors before the warnings."""
    text = (small / "small.yaml").read_text()
    (small / "small.yaml").write_text(
        text.replace("row.topic", "row.topik").replace("version: 1", "version: 1\nverzion: 2")
    )
    told = call("validate", "small.yaml", "small.yaml")
    *_, counts, last = told.err.splitlines()
    assert counts == "1 error, 1 warning"
    words = last.removeprefix("For an explanation: yamlgen ").split()
    assert words[0] == "explain"
    assert sorted(words[1:]) == ["YG101", "YG206"]
    assert call(*words).code == 0
    assert "explain" not in call("validate", "small.yaml", "--output-format", "json").err


@pytest.mark.parametrize("words", [["run"], ["plan"], ["render"], ["retry"], ["runs", "show"]])
@pytest.mark.usefixtures("small")
def test_the_error_that_ends_a_command_leads_to_its_explanation(words, call):
    """One last line on stderr; none with JSON."""
    told = call(*words, "no.yaml")
    assert told.code in (2, 3)
    assert told.err.splitlines()[-1].startswith("For an explanation: yamlgen explain YG")
    if words in (["run"], ["plan"]):
        told = call(*words, "no.yaml", "--output-format", "json")
        assert told.err == ""
        assert json.loads(told.out)["version"] == 1


def test_a_check_that_fails_on_made_up_answers_is_told(small, call):
    """Their words are made up: a comparison with the row says nothing about the check."""
    text = (small / "small.yaml").read_text("utf-8")
    (small / "small.yaml").write_text(text.replace("  note: {", "  note: {check: [row.topic ~ '!' in output], "))
    told = call("run", "small.yaml", "--simulate").err
    assert (
        "      = the simulator makes answers up: a `check` that compares them with the row may fail here only\n" in told
    )
