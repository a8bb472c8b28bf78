"""A run as tables of an SQLite database: what is in them, and how the file is written."""

import json
import sqlite3
from contextlib import closing

import pytest

import yamlgen
from yamlgen.errors import EnvironmentProblem

PIPELINE = """\
version: 1
input: {path: rows.jsonl, id: key}
steps:
  note: {model: claude-haiku-5-5, max_tokens: 99, prompt: "Note {{ row.key }}", on_error: null}
  size:
    model: claude-haiku-5-5
    max_tokens: 99
    prompt: "Count {{ row.key }}"
    output: {schema: {type: object, additionalProperties: false, required: [n], properties: {n: {type: integer}}}}
outputs:
  all: {path: out/all.jsonl}
  split_by_row: {path: out/more.jsonl, columns: {N: steps.size.n}}
  split:
    path: out/split.jsonl
    for_each: "[1, 2]"
    columns: {row: row.key, N: steps.size.n, n: item}
    split: {train: 0.5, test: 0.5}
"""
ROWS = [
    {
        "key": "a",
        "Text": "x",
        "text": "sk-ant-abcdefgh",
        "status": None,
        "number": 2**70,
        'say "hi"': True,
        "": 1.5,
        "sk-ant-12345678": 1,
    },
    {"key": "b", "Text": "y\u0000z", "nested": {"a": [1, "\ud83d"]}, "note 2": "only here"},
    *({"key": f"k{number}", "Text": "w"} for number in range(6)),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a simulated run, some of whose rows failed, and the database of it."""
    home = tmp_path_factory.mktemp("tables")
    (home / "p.yaml").write_text(PIPELINE, encoding="utf-8")
    (home / "rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in ROWS), encoding="utf-8")
    yamlgen.run(home / "p.yaml", simulate=True, faults=["refusal=0.3", "invalid_output=0.5"], seed=2)
    yamlgen.export(home / "p.yaml", output=home / "rows.sqlite")
    return home


@pytest.fixture
def ask(folder):
    """Ask the database: returns the rows of a query as mappings."""
    with closing(sqlite3.connect(folder / "rows.sqlite")) as connection:
        connection.row_factory = sqlite3.Row
        yield lambda query: [dict(zip(row.keys(), row, strict=True)) for row in connection.execute(query)]


def test_every_column_keeps_its_name_and_value(ask):
    """Names that are taken, also in other letters, tell where they come from; values are text, numbers or JSON."""
    first, second = ask("SELECT * FROM rows ORDER BY number LIMIT 2")
    assert (first["number"], first["id"]) == (1, "a")
    assert (first["Text"], first["row.text"], first["row.status"]) == ("x", "sk-ant-[secret]", None)
    assert (first["row.number"], first['say "hi"'], first["row."]) == (str(2**70), 1, 1.5)
    assert (second["Text"], second["note 2"]) == ("y\u0000z", "only here")
    assert json.loads(second["nested"]) == {"a": [1, "\ud83d"]}
    assert "key" not in first
    assert first["sk-ant-[secret]"] == 1


def test_the_tables_agree_with_the_run(ask, folder):
    """Rows by status, the values of finished steps, the errors of failed ones, each answer with its texts and bill."""
    run = yamlgen.show(folder / "p.yaml")
    counts = {each["status"]: each["n"] for each in ask("SELECT status, count(*) AS n FROM rows GROUP BY status")}
    assert counts == {key: count for key, count in run["rows"].items() if key != "input" and count}
    assert counts["failed"]
    sizes = ask("SELECT * FROM steps WHERE step = 'size' AND status = 'finished'")
    values = {each["row"]: json.loads(each["value"]) for each in sizes}
    finished = ask("SELECT * FROM rows WHERE status = 'finished'")
    assert {each["number"]: json.loads(each["size"]) for each in finished}.items() <= values.items()
    failed = ask("SELECT code, message, hint FROM steps WHERE status IN ('failed', 'null')")
    assert all(each["code"].startswith("YG") and each["message"] for each in failed)
    attempts = ask("SELECT * FROM attempts")
    paid = sum(step["paid"]["attempts"] for step in run["steps"].values())
    assert len(attempts) == paid
    assert round(sum(each["cost_usd"] for each in attempts), 6) == round(
        sum(step["paid"]["cost_usd"] for step in run["steps"].values()), 6
    )
    assert any(json.loads(each["errors"]) for each in attempts if each["errors"])
    assert all("Note" in each["request_text"] for each in attempts if each["step"] == "note")
    assert all(json.loads(each["request"])["model"] and json.loads(each["response"])["id"] for each in attempts)
    assert not ask("PRAGMA foreign_key_check")


def test_an_output_that_is_more_than_the_rows_is_a_table(ask, folder):
    """With its parts; a plain one is none, for `rows` has it."""
    assert not [each for each in ask("SELECT name FROM sqlite_master") if each["name"] == "output_all"]
    files = [folder / f"out/split.simulated.{part}.jsonl" for part in ("train", "test")]
    wanted = [json.loads(line) for file in files for line in file.read_text("utf-8").splitlines()]
    found = ask('SELECT "row.row" AS row, N, "row.n" AS n, part FROM output_split')
    assert {each.pop("part") for each in found} <= {"train", "test"}
    assert sorted(found, key=str) == sorted(wanted, key=str)


def test_failed_rows_alone(folder, tmp_path):
    """`failed=True` keeps their steps and attempts."""
    done = yamlgen.export(folder / "p.yaml", output=tmp_path / "failed.db", failed=True)
    with closing(sqlite3.connect(tmp_path / "failed.db")) as connection:
        assert connection.execute("SELECT DISTINCT status FROM rows").fetchall() == [("failed",)]
        assert connection.execute("SELECT count(*) FROM rows").fetchone() == (done.rows,)
        assert connection.execute("SELECT count(DISTINCT row) FROM attempts").fetchone() == (done.rows,)


def test_only_an_earlier_export_is_replaced(folder, tmp_path):
    """Not a store, nor its name, the input, a database of others, one that is open, a folder; nothing is left there."""
    store = next((folder / ".yamlgen").glob("*.db"))
    before = store.read_bytes()
    open_one = tmp_path / "open.db"
    (tmp_path / "open.db-wal").write_bytes(b"1")
    with closing(sqlite3.connect(tmp_path / "mine.sqlite")) as connection:
        connection.execute("CREATE TABLE mine (a)")
    (tmp_path / "input.db").symlink_to(folder / "rows.jsonl")
    foreign = "it exists, and it is not a database that an export has written"
    for path, why in (
        (store, "it is a store of yamlgen"),
        (folder / ".yamlgen/p.yaml.db", "a store of yamlgen may have this name"),
        (open_one, "has this database open"),
        (tmp_path / "mine.sqlite", foreign),
        (tmp_path / "input.db", foreign),
        (folder, "YG"),
    ):
        with pytest.raises(yamlgen.YamlgenError) as caught:
            yamlgen.export(folder / "p.yaml", output={"": path} if path == folder else path)
        assert why in f"{caught.value.code} {caught.value}"
    assert store.read_bytes() == before
    with pytest.raises(EnvironmentProblem, match="cannot write"):
        yamlgen.export(folder / "p.yaml", output=folder / "p.yaml/x.db")
    assert (folder / "rows.jsonl").read_text("utf-8").startswith("{")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["input.db", "mine.sqlite", "open.db-wal"]
    (tmp_path / "empty.db").touch()
    for _ in range(2):
        yamlgen.export(folder / "p.yaml", output=tmp_path / "empty.db")


def test_the_words_of_the_command(folder, call):
    """One file with everything; other files beside it, or a run's own output, are errors that say so."""
    pipeline = folder / "p.yaml"
    done = call("runs", "export", pipeline, "-o", folder / "again.db")
    assert done.code == 0
    assert done.err.startswith("wrote 8 rows of simulated run ")
    done = call("runs", "export", pipeline, "-o", f"all={folder / 'a.db'}", "-o", f"split={folder / 'b.jsonl'}")
    assert (done.code, "a database is written alone" in done.err) == (2, True)
    done = call("run", pipeline, "--simulate", "-o", f"all={folder / 'a.db'}")
    assert (done.code, "`yamlgen runs export -o PATH` writes a database after the run" in done.err) == (2, True)
