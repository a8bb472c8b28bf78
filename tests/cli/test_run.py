"""`yamlgen run`: what it writes, what it says, and the exit codes of runs that come to their end or never begin."""

import json
import re
import time
from pathlib import Path

import pytest

from yamlgen.cli import open_batches
from yamlgen.cli.summary import between, span_told

pytestmark = pytest.mark.usefixtures("small")

FAILED = {"row", "steps", "step", "code", "message", "request", "attempts"}
FORETOLD = (
    r"small \(simulated\): 8 rows, 0 answers in the store, 8 requests to send: "
    r"\d+ tokens in, \d+ to [\d.]+k out, <?\$0\.\d{4} to \$0\.\d{4} \(simulated\)"
)
STRUCTURED = """\
version: 1
name: scores
input: {path: rows.jsonl, id: id}
steps:
  score:
    model: claude-haiku-5-5
    max_tokens: 1024
    prompt: "Score {{ row.topic }}."
    output:
      schema: {type: object, additionalProperties: false, required: [n], properties: {n: {type: integer}}}
output: {path: out/scores.jsonl}
"""


def ids(text):
    """The ids of rows, from JSON lines."""
    return [json.loads(line)["id"] for line in text.splitlines()]


def files(folder):
    """The names of all files in a folder."""
    return sorted(path.name for path in Path(folder).iterdir())


def test_a_run_ends_with_a_summary(small, call):
    """A run without failures is exit 0, all rows in input order, and a summary with counts, tokens, cost and files."""
    told = call("run", "small.yaml", "--simulate")
    assert (told.code, told.out) == (0, "")
    assert ids((small / "out/notes.simulated.jsonl").read_text("utf-8")) == list(range(1, 9))
    assert files("out") == ["notes.simulated.jsonl", "notes.simulated.run.json"]
    first, *lines = told.err.splitlines()
    assert re.fullmatch(FORETOLD, first)
    assert re.fullmatch(r"small: 8 rows finished, 0 failed in \d+\.\d s \(simulated\)", lines[0])
    head = ["step", "rows", "failed", "answers", "re-asks", "retried"]
    head += ["input tokens", "output tokens", "simulated cost", "stored"]
    assert re.split(" {2,}", lines[1])[1:] == head
    assert re.fullmatch(r"  note +8 +0 +8 +0 +0 +[\d,]+ +[\d,]+ +\$0\.\d{4} +0", lines[2])
    assert re.fullmatch(r"  cost: \$0\.\d{4} \(simulated\)", lines[3])
    assert re.fullmatch(r"  haiku-5-5: up to [1-8] in flight", lines[4])
    assert lines[5:7] == ["  output  out/notes.simulated.jsonl", "  record  out/notes.simulated.run.json"]
    assert lines[7:9] == ["next: yamlgen plan small.yaml", "      yamlgen run small.yaml"]
    assert re.fullmatch(r"      yamlgen report small.yaml \S+", lines[9])


def test_the_same_run_again_sends_nothing(small, call):
    """A finished run, run again, says beforehand and afterwards that nothing is sent, and writes the same bytes."""
    call("run", "small.yaml", "--simulate")
    output = small / "out/notes.simulated.jsonl"
    before = output.read_bytes()
    told = call("run", "small.yaml", "--simulate")
    assert told.code == 0
    first, _, _, row, bill, *_ = told.err.splitlines()
    assert first == "small (simulated): 8 rows, 8 answers in the store, nothing to send"
    assert re.fullmatch(r"  note +8 +0 +0 +0 +0 +0 +0 +\$0\.00 +8", row)
    assert re.fullmatch(r"  nothing was sent; 8 answers from the store, saved \$0\.\d{4} \(simulated\)", bill)
    assert output.read_bytes() == before


def test_a_fresh_run_asks_again(call):
    """`--fresh` takes no answer out of the store."""
    reports = []
    for arguments in ((), ("--fresh",), ()):
        told = call("run", "small.yaml", "--simulate", "--output-format", "json", *arguments)
        reports.append(json.loads(told.out))
    assert [report["paid"]["attempts"] for report in reports] == [8, 8, 0]
    assert [report["reused"]["attempts"] for report in reports] == [0, 0, 8]


def test_a_limit_ends_a_run_and_the_next_goes_on(call):
    """At a limit a run is exit 4 with the limit's name, nothing takes the output's place; the next sends the rest."""
    slow = ("run", "small.yaml", "--simulate", "--max-concurrency", "1", "-q")
    told = call(*slow, "--max-requests", "3")
    assert told.code == 4
    assert told.err.startswith("error[YG612]: stopped at `limits.max_requests`: 3 requests sent\n")
    assert "3 finished rows stored" in told.err
    assert files("out") == []
    report = json.loads(call(*slow, "--output-format", "json", "--max-requests", "5").out)
    assert (report["paid"]["attempts"], report["reused"]["attempts"], report["rows"]["finished"]) == (5, 3, 8)


def test_a_run_that_a_limit_ends_shows_its_bill(call):
    """What was paid is shown before the error, as a table or beside `error` in JSON."""
    limited = ("run", "small.yaml", "--simulate", "--max-concurrency", "1", "--max-requests", "3")
    told = call(*limited)
    _, head, row, bill, pace, error, hint, *_ = told.err.splitlines()
    assert head.split()[:2] == ["step", "rows"]
    assert re.fullmatch(r"  note +3 +0 +3 +0 +0 .+", row)
    assert re.fullmatch(r"  cost: <?\$0\.\d{4} \(simulated\)", bill)
    assert pace == "  haiku-5-5: up to 1 in flight"
    assert error.startswith("error[YG612]: ")
    assert hint.startswith(
        "  = raise it with `limits.max_requests` or `--max-requests N`, or run again: each run counts from zero; "
    )
    told = call(*limited, "--output-format", "json", "--progress", "none", "--fresh")
    report = json.loads(told.out)
    assert (told.code, report["error"]["code"], report["paid"]["attempts"]) == (4, "YG612", 3)
    assert report["rows"] == {"input": 8, "finished": 3, "failed": 0, "missing": 0}


def test_reasks_are_told(small, call):
    """An invalid answer that is sent back is counted in the summary and in the report of a step."""
    (small / "small.yaml").write_text(STRUCTURED, "utf-8")
    faulty = ("run", "small.yaml", "--simulate", "--fault", "invalid_output=0.5", "--seed", "1", "--fresh")
    step = json.loads(call(*faulty, "--output-format", "json").out)["steps"]["score"]
    assert step["reasks"] == step["paid"]["attempts"] - 8 > 0
    counts = call(*faulty).err.split("  score ")[1].split()
    assert int(counts[2]) - 8 == int(counts[3]) > 0


def test_a_changed_row_is_the_only_one_that_is_asked_for(small, call):
    """When one row changes, its request alone is sent; the others come out of the store."""
    call("run", "small.yaml", "--simulate", "-q")
    rows = (small / "rows.jsonl").read_text("utf-8").replace("town 3", "village 3")
    (small / "rows.jsonl").write_text(rows, "utf-8")
    report = json.loads(call("run", "small.yaml", "--simulate", "--output-format", "json").out)
    assert (report["paid"]["attempts"], report["reused"]["attempts"]) == (1, 7)
    assert ids((small / "out/notes.simulated.jsonl").read_text("utf-8")) == list(range(1, 9))


def test_without_a_key_both_ways_on_are_named(small, call):
    """No key is exit 3, and the message names the variable, `--env-file` and `--simulate`; nothing is written."""
    told = call("run", "small.yaml")
    assert (told.code, told.out) == (3, "")
    assert told.err.startswith("error[YG601]: no API key: the environment variable ANTHROPIC_API_KEY is not set\n")
    assert "set ANTHROPIC_API_KEY" in told.err
    assert "--env-file" in told.err
    assert "--simulate" in told.err
    assert [name for name in files(small) if name != ".yamlgen"] == ["rows.jsonl", "small.yaml"]


def test_the_key_is_looked_for_under_its_name(call):
    """`runtime.api_key_env` is the variable that the message asks for."""
    assert "set MY_KEY (" in call("run", "small.yaml", "--set", "runtime.api_key_env=MY_KEY").err


def test_rows_go_to_stdout_and_nothing_else_does(call):
    """`-o -` writes the rows to stdout, in input order, and everything said about them to stderr."""
    told = call("run", "small.yaml", "--simulate", "-o", "-", "--latency", "0.01")
    assert told.code == 0
    assert ids(told.out) == list(range(1, 9))
    assert "output  standard output" in told.err
    assert files("out") == ["notes.simulated.stdout.run.json"]


def test_an_output_path_is_relative_to_where_one_stands(small, call, monkeypatch):
    """`-o PATH` decides alone: relative to the working directory, by its ending, without an addition to its name."""
    (small / "elsewhere").mkdir()
    monkeypatch.chdir(small / "elsewhere")
    assert call("run", "../small.yaml", "--simulate", "--limit", "2", "-q", "-o", "mine.json").code == 0
    assert files(".") == ["mine.json", "mine.run.json"]
    assert [row["id"] for row in json.loads(Path("mine.json").read_text("utf-8"))] == [1, 2]
    assert not (small / "out").exists()


def test_paths_in_a_pipeline_hold_from_anywhere(small, call, monkeypatch):
    """A pipeline that is called from another folder finds its rows and writes beside itself."""
    (small / "elsewhere").mkdir()
    monkeypatch.chdir(small / "elsewhere")
    told = call("run", "../small.yaml", "--simulate")
    assert told.code == 0
    assert files(small / "out") == ["notes.simulated.jsonl", "notes.simulated.run.json"]
    assert "output  ../out/notes.simulated.jsonl" in told.err


def test_a_trial_has_a_name_of_its_own(small, call):
    """`--simulate` and `--limit` name the output, so that a trial never replaces what was paid for."""
    paid = small / "out" / "notes.jsonl"
    paid.parent.mkdir()
    for path in (paid, paid.with_name("notes.run.json"), paid.with_name("notes.failed.jsonl")):
        path.write_text("paid\n", "utf-8")
    assert call("run", "small.yaml", "--simulate", "--limit", "3", "-q").code == 0
    assert call("run", "small.yaml", "--simulate", "-q", "--fault", "refusal=0.5").code == 1
    assert files("out") == [
        "notes.failed.jsonl",
        "notes.jsonl",
        "notes.run.json",
        "notes.simulated.failed.jsonl",
        "notes.simulated.jsonl",
        "notes.simulated.limit-3.jsonl",
        "notes.simulated.limit-3.run.json",
        "notes.simulated.run.json",
    ]
    assert ids((small / "out/notes.simulated.limit-3.jsonl").read_text("utf-8")) == [1, 2, 3]
    assert {path.read_text("utf-8") for path in paid.parent.glob("notes.[!s]*")} == {"paid\n"}


def test_one_json_object_tells_of_a_run(call):
    """`--output-format json` prints one object on stdout: counts, what was paid, failures, files."""
    told = call("run", "small.yaml", "--simulate", "--output-format", "json", "--fault", "refusal=0.4")
    assert told.code == 1
    assert told.out.count("\n") == 1
    report = json.loads(told.out)
    assert report["rows"]["input"] == 8 == report["rows"]["finished"] + report["rows"]["failed"]
    assert report["rows"]["missing"] == 0
    assert report["paid"]["attempts"] == 8
    for bill in (report["paid"], report["reused"], report["steps"]["note"]["paid"], report["steps"]["note"]["reused"]):
        assert set(bill) == {"attempts", "usage", "cost_usd", "cache_saved_usd"}
        assert set(bill["usage"]) >= {"input_tokens", "output_tokens"}
    assert report["failures"][0]["code"] == "YG504"
    assert set(report["files"]) == {"output", "rejected", "failed", "run"}
    assert report["simulated"] is True


def test_json_tells_of_mistakes_too(small, call):
    """With `--output-format json` an invalid pipeline is one object of diagnostics with the documented keys."""
    (small / "small.yaml").write_text("version: 1\nstep: {}\n", "utf-8")
    told = call("run", "small.yaml", "--simulate", "--output-format", "json")
    assert (told.code, told.err) == (2, "")
    (problem,) = [found for found in json.loads(told.out)["diagnostics"] if found["code"] == "YG101"]
    place = ["file", "line", "column", "end_line", "end_column"]
    assert list(problem) == [*place, "severity", "code", "message", "hint", "known", "explain", "fix"]
    assert (problem["file"], problem["line"], problem["column"], problem["end_column"]) == ("small.yaml", 2, 1, 5)


@pytest.mark.parametrize(
    ("arguments", "code", "exit_code"),
    [
        ([], "YG601", 3),
        (["--simulate", "--input", "no.jsonl"], "YG405", 3),
        (["--simulate", "-o", "."], "YG316", 2),
        (["--simulate", "--fault", "fire=1"], "YG402", 2),
    ],
)
def test_json_tells_of_errors_too(arguments, code, exit_code, call):
    """With `--output-format json` an error is one object with its code, message and hint."""
    told = call("run", "small.yaml", "--output-format", "json", *arguments)
    error = json.loads(told.out)["error"]
    assert (told.code, told.err, error["code"]) == (exit_code, "", code)
    assert set(error) == {"code", "message", "hint"}


def test_json_and_rows_do_not_share_stdout(call):
    """`-o -` with `--output-format json` is a wrong call."""
    told = call("run", "small.yaml", "--simulate", "-o", "-", "--output-format", "json")
    assert told.code == 2
    assert "cannot contain both" in told.err


def test_quiet_is_silent(call):
    """`-q` says nothing of a run that goes well, and of one with failures neither."""
    assert call("run", "small.yaml", "--simulate", "-q").err == ""
    told = call("run", "small.yaml", "--simulate", "-q", "--fault", "refusal=1")
    assert (told.code, told.out, told.err) == (1, "", "")


def test_no_progress_still_ends_with_a_summary(call):
    """`--progress none` leaves out what is said on the way, not the forecast and not the summary."""
    lines = call("run", "small.yaml", "--simulate", "--progress", "none").err.splitlines()
    assert re.fullmatch(FORETOLD, lines[0])
    assert lines[1].startswith("small: 8 rows finished, 0 failed")


def test_verbose_tells_retries_and_failures(call):
    """`-v` says each retry and each failed row, with its row and step."""
    faults = ("--fault", "server_error=0.4", "--fault", "refusal=0.4")
    told = call("run", "small.yaml", "--simulate", "-v", *faults, "--set", "runtime.max_retries=1")
    assert re.search(r"^row \d, note: .+, retrying in \d+\.\d s$", told.err, re.MULTILINE)
    assert re.search(r"^row \d, note: YG504: the model refused$", told.err, re.MULTILINE)


@pytest.mark.parametrize("fault", ["rate_limit", "overloaded", "server_error", "disconnect"])
def test_passing_faults_are_outlasted(fault, call):
    """Faults that pass cost retries and no row."""
    told = call("run", "small.yaml", "--simulate", "--fault", f"{fault}=0.3", "--output-format", "json", "--seed", "1")
    report = json.loads(told.out)
    assert (told.code, report["rows"]["finished"]) == (0, 8)
    assert report["steps"]["note"]["retried"] > 0
    assert report["steps"]["note"]["paid"]["attempts"] == 8
    assert report["steps"]["note"]["sent"] == 8 + report["steps"]["note"]["retried"]


@pytest.mark.parametrize(("fault", "code"), [("refusal", "YG504"), ("truncate", "YG505"), ("invalid_output", "YG503")])
def test_rows_with_bad_answers_are_set_aside(fault, code, small, call):
    """A refused, truncated or invalid answer sets its row aside with all that was paid for; its siblings go on."""
    (small / "small.yaml").write_text(STRUCTURED, "utf-8")
    arguments = ("--fault", f"{fault}=0.6", "--set", "steps.score.output.reasks=1")
    told = call("run", "small.yaml", "--simulate", "--output-format", "json", *arguments)
    report = json.loads(told.out)
    assert told.code == 1
    assert 0 < report["rows"]["failed"] < 8
    failures = [json.loads(line) for line in Path(report["files"]["failed"]).read_text("utf-8").splitlines()]
    finished = ids(Path(report["files"]["output"]).read_text("utf-8"))
    assert sorted(finished + [failure["row"]["id"] for failure in failures]) == list(range(1, 9))
    for failure in failures:
        assert set(failure) == FAILED
        assert (failure["step"], failure["code"], failure["steps"]) == ("score", code, {})
        assert failure["request"]["model"] == "claude-haiku-5-5"
        assert len(failure["attempts"]) == (2 if fault == "invalid_output" else 1)
        assert set(failure["attempts"][0]) == {"response", "errors", "usage"}


def test_failures_are_summed_up_in_groups(call):
    """Failures that read alike are one group with a count and three examples, and exit 1."""
    told = call("run", "small.yaml", "--simulate", "--fault", "refusal=1")
    assert told.code == 1
    assert "0 rows finished, 8 failed" in told.err
    assert re.search(r"^  8 x YG504 in note:\n(      row \d: the model refused\n){3}  output", told.err, re.MULTILINE)
    assert "  failed  out/notes.simulated.failed.jsonl\n" in told.err


def test_the_failed_file_goes_when_nothing_fails(call):
    """A run without failures removes the failed file of the run before."""
    call("run", "small.yaml", "--simulate", "--fault", "refusal=1", "-q")
    assert "notes.simulated.failed.jsonl" in files("out")
    call("run", "small.yaml", "--simulate", "-q")
    assert "notes.simulated.failed.jsonl" not in files("out")


def test_an_unreachable_address_ends_the_run(call, monkeypatch):
    """Where nobody answers, the run ends with exit 3 and a sentence, soon."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", "any")
    started = time.monotonic()
    settings = ("--set", "runtime.base_url=http://127.0.0.1:9", "--set", "runtime.max_retries=0")
    told = call("run", "small.yaml", *settings, "--progress", "none", "-q")
    assert told.code == 3
    assert told.err.startswith("error[YG608]: cannot reach http://127.0.0.1:9: ")
    assert "Traceback" not in told.err
    assert time.monotonic() - started < 15
    assert files("out") == []


def test_max_concurrency_is_kept(call):
    """With one request at a time, rows take their latency one after the other."""
    told = call(
        "run", "small.yaml", "--simulate", "--latency", "0.05", "--max-concurrency", "1", "--output-format", "json"
    )
    assert json.loads(told.out)["seconds"] > 0.4


def test_the_record_tells_how_the_output_came_to_be(small, call):
    """The run file holds the pipeline and its hash, overrides, versions, counts, and whether it was simulated."""
    call("run", "small.yaml", "--simulate", "--limit", "2", "--set", "steps.note.max_tokens=512", "-q")
    record = json.loads((small / "out/notes.simulated.limit-2.run.json").read_text("utf-8"))
    assert record["pipeline"]["name"] == "small"
    assert len(record["pipeline"]["hash"]) == 64
    assert record["overrides"] == {"steps.note.max_tokens": "512"}
    assert record["models"] == {"note": "claude-haiku-5-5"}
    assert (record["limit"], record["simulated"], record["rows"]["finished"]) == (2, True, 2)
    assert {"python", "yamlgen", "anthropic"} <= set(record["versions"])
    assert record["run"]
    assert record["started"] <= record["ended"]


WRITING = """\
from pathlib import Path

def write(n):
    if n == 8:
        with Path("rows.jsonl").open("{mode}") as file:
            file.write('{{"id": 9, "topic": "late"}}\\n')
    return n
"""


def writing(folder, mode):
    """Let the pipeline's own function write to its input while the run is under way."""
    step = '  wrote: {kind: python, call: "steps:write", args: {n: row.id}}\noutput:'
    (folder / "small.yaml").write_text((folder / "small.yaml").read_text("utf-8").replace("output:", step), "utf-8")
    (folder / "steps.py").write_text(WRITING.format(mode=mode), "utf-8")


def test_an_input_that_grew_is_one_warning(small, call):
    """Rows that were appended during a run are left out, which is told once: in the summary, or in the JSON."""
    writing(small, "a")
    told = call("run", "small.yaml", "--simulate")
    warning = "the input rows.jsonl grew by 27 bytes during the run; run again to process the added rows"
    assert (told.code, told.err.count("grew by")) == (0, 1)
    assert f"  warning  {warning}\n" in told.err
    assert ids((small / "out/notes.simulated.jsonl").read_text("utf-8")) == list(range(1, 9))
    told = call("run", "small.yaml", "--simulate", "--output-format", "json", "-q")
    assert (told.code, json.loads(told.out)["warnings"]) == (0, [warning])
    assert json.loads((small / "out/notes.simulated.run.json").read_text("utf-8"))["warnings"] == [warning]


def test_an_input_that_changed_is_an_error_with_what_to_do(small, call):
    """Another input than the one that was read ends the run with 3; the error says what is kept, and how to go on."""
    writing(small, "w")
    told = call("run", "small.yaml", "--simulate", "--progress", "none")
    assert told.code == 3
    error = "error[YG410]: the input rows.jsonl changed after it was first read: it had "
    *_, last = (line for line in told.err.splitlines() if line.startswith("error"))
    assert last.startswith(error)
    assert "run again once nothing else writes to the input; the previous output is unchanged" in told.err
    assert "8 finished rows stored; the same command continues from there" in told.err
    assert files("out") == []


def test_a_range_whose_ends_look_alike_is_one_value():
    """Tokens, dollars and durations."""
    assert (between("62", "62"), between("62", "70")) == ("62", "62 to 70")
    assert (span_told((0.5, 0.5)), span_told((0.5, 1.5))) == ("$0.5000", "$0.5000 to $1.50")
    assert (open_batches.span_told(7200, 7201), open_batches.span_told(61, 62)) == (
        "2 h 0 min",
        "1 min 1 s to 1 min 2 s",
    )
