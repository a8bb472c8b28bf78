"""Characters that break lines or files of others, through whole runs: line ends that are none, NUL, later BOMs."""

import json

import pytest

from yamlgen.api.loading import check

BREAKS = "a\x85b\u2028c\u2029d"
PIPELINE = """\
version: 1
input: {{path: {input}}}
steps:
  made: {{kind: compute, values: {{text: row.text}}}}
  note: {{model: claude-haiku-5-5, max_tokens: 100, prompt: "{{{{ row.text }}}}"}}
output: {{path: out.{ending}}}
"""


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write a pipeline over rows in a file, and stand beside it."""

    def files(name, rows, ending="jsonl"):
        (tmp_path / name).write_bytes(rows if isinstance(rows, bytes) else rows.encode())
        (tmp_path / "p.yaml").write_text(PIPELINE.format(input=name, ending=ending))
        monkeypatch.chdir(tmp_path)
        return tmp_path

    return files


def test_a_row_is_one_line_for_every_reader(write, call):
    """NEL, LS and PS in a row, an answer and a request that failed stand as escapes wherever JSON lines are written."""
    folder = write("rows.jsonl", json.dumps({"text": BREAKS}) + "\n")
    assert call("run", "p.yaml", "--simulate", "-q").code == 0
    assert call("run", "p.yaml", "--simulate", "-q", "--fault", "refusal=1", "--fresh", "-o", "bad.jsonl").code == 1
    exported = call("runs", "export", "p.yaml", call("runs", "ls").out.split("\n")[1].split()[0]).out
    printed = call("run", "p.yaml", "--simulate", "-q", "-o", "-").out
    failed = (folder / "bad.failed.jsonl").read_text()
    for text in ((folder / "out.simulated.jsonl").read_text(), exported, printed, failed):
        (line,) = text.splitlines()
        row = json.loads(line)
        assert row.get("row", row)["text"] == BREAKS
    assert call("runs", "show", "p.yaml", "--row", "1", "--json").out.count("\n") == 1
    assert len(call("runs", "show", "p.yaml", "--row", "1", "--json").out.splitlines()) == 1


def test_yaml_keeps_what_is_no_line_end(write, call):
    """The name in a resolved pipeline is the same when that is read again."""
    folder = write("rows.jsonl", '{"text": "x"}')
    text = PIPELINE.format(input="rows.jsonl", ending="csv").replace("input", f"name: {json.dumps(BREAKS)}\ninput", 1)
    (folder / "p.yaml").write_text(text)
    (folder / "q.yaml").write_text(call("render", "p.yaml").out)
    assert check(folder / "q.yaml")[0].parsed.pipeline.name == BREAKS


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (b"text\nx\0\ny\n", "rows.csv:2: a NUL byte is read as U+FFFD"),
        (b"text\nx\n\xef\xbb\xbfy\n", "rows.csv:3: a byte order mark in the middle of a file is kept in its value"),
    ],
)
def test_odd_csv_is_told_once(rows, told, write, call):
    """`validate` and `plan` warn of it, a run tells it at its end, and its record has it."""
    folder = write("rows.csv", rows)
    for command in (["validate"], ["plan", "--simulate"], ["run", "--simulate"]):
        done = call(command[0], "p.yaml", *command[1:])
        assert done.code == 0
        assert done.err.count(told) == 1
    record = json.loads((folder / "out.simulated.run.json").read_text())
    assert [warning.partition(";")[0] for warning in record["warnings"]] == [told]


def test_a_nul_in_csv_output_is_told(write, call):
    """What an output in CSV cannot hold is said in the summary and the record of the run, and by an export."""
    folder = write("rows.jsonl", json.dumps({"text": "x\0"}) + "\n", ending="csv")
    told = "a NUL, which CSV cannot hold, is written as U+FFFD: "
    assert call("run", "p.yaml", "--simulate").err.count(told) == 1
    assert json.loads((folder / "out.simulated.run.json").read_text())["warnings"][0].startswith(told)
    assert "\0" not in (folder / "out.simulated.csv").read_text()
    assert told in call("runs", "export", "p.yaml", "-o", "again.csv").err
    assert (folder / "again.csv").read_text() == (folder / "out.simulated.csv").read_text()
