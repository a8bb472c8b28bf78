"""The files of several outputs, when a run is killed while it writes them, the disk is full, or it still goes on."""

import json

import pytest

from forked_processes import ForkServer
from killed_pipeline import KEY, lay_out
from threaded_simulator import CountingSimulator, serving
from yamlgen.errors import Code

ROWS = 40
PIPELINE = """\
version: 1
input: {path: rows.jsonl, id: id}
steps:
  words: {kind: compute, value: "range(3 // row.divisor) | list"}
outputs:
  train:
    path: out/t.jsonl
    for_each: steps.words
    where: item != 1
    rejected: out/no.jsonl
    unique: row.town ~ item
    columns: {id: row.id, text: row.town * row.times}
    split: {a: 0.5, b: 0.5}
  all: {path: out/all.csv, failed: keep}
"""
FILES = ["all.csv", "no.jsonl", "t.a.jsonl", "t.b.jsonl", "t.failed.jsonl", "t.run.json"]
PREVIOUS = b"of another version\n"


def new_folder(folder, *, times=1):
    """A folder with the pipeline, its rows, and files of another version; one of the rows fails."""
    (folder / "out").mkdir(parents=True)
    (folder / "p.yaml").write_text(PIPELINE, "utf-8")
    rows = [{"id": n, "town": f"town {n // 2}", "times": times, "divisor": 1} for n in range(ROWS)]
    rows[7]["divisor"] = 0
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    for name in FILES:
        (folder / "out" / name).write_bytes(PREVIOUS)
    return folder


def written(folder):
    """The files of the outputs."""
    return {path.name: path.read_bytes() for path in (folder / "out").iterdir()}


@pytest.fixture(scope="module")
def whole(fork_server: ForkServer, tmp_path_factory):
    """The files of an undisturbed run."""
    folder = new_folder(tmp_path_factory.mktemp("whole") / "x")
    assert fork_server.call(folder, "run", "p.yaml").code == 1
    found = written(folder)
    assert sorted(found) == FILES
    assert all(text != PREVIOUS for text in found.values())
    return found


KILLS = [
    "during-export:1",
    "during-export:3",
    *(f"{at}-rename:{n}" for at in ("before", "after") for n in (1, 2, 4, 6)),
]


@pytest.mark.parametrize("failpoint", KILLS)
def test_a_kill_during_the_writing_leaves_whole_files(failpoint, fork_server, whole, tmp_path):
    """Each file is that of before or the new one; the next run writes the bytes of an undisturbed one."""
    folder = new_folder(tmp_path / "x")
    assert fork_server.call(folder, "run", "p.yaml", failpoint=failpoint).code == -9
    left = written(folder)
    assert all(left.get(name, whole[name]) in (PREVIOUS, whole[name]) for name in FILES if name != "t.run.json")
    assert fork_server.call(folder, "run", "p.yaml").code == 1
    again = written(folder)
    assert again | {"t.run.json": b""} == whole | {"t.run.json": b""}


@pytest.mark.parametrize("command", ["run", "export"])
def test_a_disk_that_fills_up_while_the_rows_are_made(command, fork_server, tmp_path):
    """One error names the file; the files of before stay, nothing lies beside them, and the next run has all rows."""
    folder = new_folder(tmp_path / "x", times=8000)
    arguments = ["run", "p.yaml"] if command == "run" else ["runs", "export", "p.yaml", "-o", "train=out/t.jsonl"]
    if command == "export":
        assert fork_server.call(folder, "run", "p.yaml", "-o", "train=else/t.jsonl", "-o", "all=else/a.csv").code == 1
    before = written(folder)
    ended = fork_server.call(folder, *arguments, size=750_000)
    assert (ended.code, "Traceback" in ended.err) == (3, False)
    assert f"error[{Code.DISK}]: cannot write " in ended.err, ended.err
    assert written(folder) == before
    assert fork_server.call(folder, *arguments).code == (1 if command == "run" else 0)
    texts = [
        json.loads(line)["text"] for name in ("t.a.jsonl", "t.b.jsonl") for line in written(folder)[name].splitlines()
    ]
    assert len(texts) == ROWS


def test_rows_are_printed_in_their_order_and_their_shape(fork_server, whole, tmp_path):
    """`-o NAME=-` prints the rows of one output as they finish; the others are written beside their own names."""
    folder = new_folder(tmp_path / "x")
    ended = fork_server.call(folder, "run", "p.yaml", "-o", "train=-")
    assert ended.code == 1
    lines = ended.out.encode().splitlines(keepends=True)
    assert sorted(lines) == sorted((whole["t.a.jsonl"] + whole["t.b.jsonl"]).splitlines(keepends=True))
    assert [json.loads(line)["id"] for line in lines] == sorted(json.loads(line)["id"] for line in lines)
    found = written(folder)
    assert all(found[name] == PREVIOUS for name in FILES)
    assert found["all.stdout.csv"] == whole["all.csv"]
    assert found["no.stdout.jsonl"] == whole["no.jsonl"]


def test_the_finished_rows_are_had_while_the_run_goes_on(fork_server, tmp_path):
    """`runs export` writes what is finished, in the shape of each output; the run then ends as if none had looked."""
    with serving(CountingSimulator(latency=0.01)) as server:
        folder = lay_out(tmp_path / "x", server.url, rows=30, previous=False)
        text = (folder / "towns.yaml").read_text().replace("output: {path: out/towns.jsonl}", OUTPUTS)
        (folder / "towns.yaml").write_text(text)
        life = fork_server.start(folder, "run", "towns.yaml", ANTHROPIC_API_KEY=KEY)
        life.until("RowFinished", times=5)
        server.hold()
        life.pause(0.3)
        finished = sum(each[0] == "RowFinished" for each in life.told())
        told = fork_server.call(folder, "runs", "export", "towns.yaml", "-o", "a=a.jsonl", "-o", "b=b.jsonl")
        assert told.code == 0, told.err
        shown = [json.loads(line) for line in (folder / "a.jsonl").read_text().splitlines()]
        assert len(shown) >= finished >= 5
        assert (folder / "b.jsonl").read_text().count("\n") == 2 * len(shown)
        server.release()
        assert life.wait().code == 0
    rows = [json.loads(line) for line in (folder / "out/a.jsonl").read_text().splitlines()]
    assert len(rows) == 30
    assert [row for row in rows if row in shown] == shown


OUTPUTS = """\
outputs:
  a: {path: out/a.jsonl, columns: {id: row.id, line: steps.line}}
  b: {path: out/b.jsonl, for_each: "[1, 2]", columns: {id: row.id, at: item, motto: steps.facts.motto}}
"""
