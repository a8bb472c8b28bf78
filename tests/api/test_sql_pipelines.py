"""A query as the input of a pipeline: every command works with it."""

import json
import subprocess
import sys

import pytest

from sql_queries import write_tables

PIPELINE = """\
version: 1
input:
  tables: {r: r.csv, c: c.jsonl}
  sql: |
    select r.review_id, r.text, c.name
    from r join c using (customer_id)
  id: review_id
steps:
  said: {kind: compute, values: {line: 'row.name ~ ": " ~ row.text'}}
output: {path: out.jsonl}
"""
ASKING = PIPELINE.replace(
    "said: {kind: compute, values: {line: 'row.name ~ \": \" ~ row.text'}}",
    'said: {model: claude-haiku-5-5, prompt: "{{ row.name }}: {{ row.text }}"}',
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a pipeline over two tables, in which the test stands."""
    write_tables(tmp_path)
    (tmp_path / "p.yaml").write_text(PIPELINE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(folder, name="out.jsonl"):
    """The ids of the written rows."""
    return [json.loads(line)["review_id"] for line in (folder / name).read_text(encoding="utf-8").splitlines()]


def test_a_right_file_is_valid_without_a_warning(folder, call):
    """A right file is valid without a warning."""
    told = call("validate", "p.yaml")
    assert (told.code, told.err) == (0, "p.yaml: ok (1 step)\n")
    assert sorted(path.name for path in folder.iterdir()) == ["c.jsonl", "p.yaml", "r.csv"]


def test_a_run_writes_the_rows_of_the_query_and_leaves_no_temporary_file(folder, call):
    """A run writes the rows of the query and leaves no temporary file."""
    assert call("run", "p.yaml").code == 0
    assert written(folder) == ["r-1", "r-2", "r-3", "r-4"]
    assert not list(folder.glob(".yamlgen/query-*"))


@pytest.mark.parametrize(
    ("keys", "ids"),
    [
        ("  limit: 2\n", ["r-1", "r-2"]),
        ("  where: row.name == 'Ana'\n", ["r-2", "r-3", "r-4"]),
        ("  sample: {n: 4}\n", ["r-1", "r-2", "r-3", "r-4"]),
    ],
)
def test_the_other_keys_of_the_input_apply_to_its_rows(keys, ids, folder, call):
    """The other keys of the input apply to its rows."""
    (folder / "p.yaml").write_text(PIPELINE.replace("steps:", f"{keys}steps:"), encoding="utf-8")
    assert call("run", "p.yaml").code == 0
    assert written(folder) == ids


def test_a_trial_runs_the_first_rows(folder, call):
    """A trial runs the first rows."""
    assert call("run", "p.yaml", "--limit", "1").code == 0
    assert written(folder, "out.limit-1.jsonl") == ["r-1"]


def test_plan_and_render_need_no_store(folder, call):
    """Plan and render need no store."""
    (folder / "p.yaml").write_text(ASKING, encoding="utf-8")
    assert "4 rows" in call("plan", "p.yaml").err
    assert "Ben: The kettle leaks." in call("render", "p.yaml", "--row", "r-1").out
    assert not (folder / ".yamlgen").exists()


def test_stored_answers_are_used_when_other_rows_are_added(folder, call):
    """Stored answers are used when other rows are added."""
    (folder / "p.yaml").write_text(ASKING, encoding="utf-8")
    assert call("run", "p.yaml", "--simulate", "--yes").code == 0
    with (folder / "r.csv").open("a", encoding="utf-8") as file:
        file.write("r-0,c-1,3,New.\n")
    assert "4 answers in the store, 1 request to send" in call("run", "p.yaml", "--simulate", "--yes").err


def test_an_option_replaces_the_query_or_a_table(folder, call):
    """An option replaces the query or a table."""
    (folder / "rows.jsonl").write_text('{"review_id": "z", "text": "Hm.", "name": "Zoe"}\n', encoding="utf-8")
    assert call("run", "p.yaml", "--input", "rows.jsonl").code == 0
    assert written(folder) == ["z"]
    (folder / "few.csv").write_text("review_id,customer_id,text\nr-7,c-1,Few.\n", encoding="utf-8")
    assert call("run", "p.yaml", "--set", "input.tables.r=few.csv").code == 0
    assert written(folder) == ["r-7"]
    told = call("run", "p.yaml", "--set", "input.tables.r=none.csv")
    assert "`--set input.tables.r=PATH`" in told.err


def test_an_output_over_a_table_is_refused(folder, call):
    """An output over a table is refused."""
    (folder / "p.yaml").write_text(PIPELINE.replace("out.jsonl", "c.jsonl"), encoding="utf-8")
    before = (folder / "c.jsonl").read_bytes()
    assert call("run", "p.yaml").code != 0
    assert (folder / "c.jsonl").read_bytes() == before


@pytest.mark.parametrize("order", ["", " order by 1"])
def test_a_query_that_fails_is_told_at_its_place(order, folder, call):
    """A query that fails is told at its place."""
    assert folder
    text = PIPELINE.replace("c.name\n", "cast(r.text as integer) as name\n").replace(
        "using (customer_id)\n", f"using (customer_id){order}\n"
    )
    (folder / "p.yaml").write_text(text, encoding="utf-8")
    told = call("run", "p.yaml")
    assert told.code == 2
    assert "error[YG218]: the query fails: Could not convert string" in told.err
    assert " --> p.yaml:5:33\n" in told.err


def test_rows_of_tests_need_neither_the_tables_nor_the_query(folder, call):
    """Rows of tests need neither the tables nor the query."""
    test = """\
version: 1
pipeline: p.yaml
cases:
  - {name: one, row: {review_id: a, text: b, name: c}, expect: ['steps.said.line == "c: b"']}
"""
    (folder / "p.test.yaml").write_text(test, encoding="utf-8")
    (folder / "r.csv").unlink()
    told = call("test", "p.test.yaml")
    assert told.code == 0, told.err


@pytest.mark.parametrize("command", ["validate", "run", "plan"])
def test_without_the_extra_the_error_names_it(command, folder, call, monkeypatch):
    """Each command ends with the command that installs it."""
    assert folder
    monkeypatch.setitem(sys.modules, "duckdb", None)
    for name in [name for name in sys.modules if name.startswith("yamlgen.data.sql_")]:
        monkeypatch.delitem(sys.modules, name)
    told = call(command, "p.yaml")
    assert told.code != 0
    assert "`pip install 'yamlgen[sql]'`" in told.err


HIDDEN = """\
import subprocess
import sys
from importlib.machinery import PathFinder
found = PathFinder.find_spec
PathFinder.find_spec = lambda name, *more: None if name.split(".")[0] in ("duckdb", "pyarrow") else found(name, *more)
from yamlgen.cli import main
for words in (["validate", "rows.yaml"], ["plan", "rows.yaml"], ["run", "rows.yaml", "--simulate", "-q"]):
    sys.argv[1:] = words
    try:
        main()
    except SystemExit as end:
        assert not end.code, words
sys.argv[1:] = ["run", "rows.yaml", "--simulate", "--input", "rows.parquet"]
main()
"""


def test_a_csv_file_needs_no_extra(tmp_path):
    """Without the packages every command works; a Parquet file is an error that names the command to install them."""
    text = "version: 1\ninput: {path: rows.csv, id: a}\nsteps: {made: {kind: compute, value: row.a}}\n"
    (tmp_path / "rows.yaml").write_text(f"{text}output: {{path: out.jsonl}}\n", encoding="utf-8")
    (tmp_path / "rows.csv").write_text("a\nx\n", encoding="utf-8")
    (tmp_path / "rows.parquet").write_bytes(b"PAR1")
    told = subprocess.run([sys.executable, "-c", HIDDEN], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "error[YG327]: cannot read rows.parquet: Parquet needs the package pyarrow" in told.stderr
    assert "install it: `pip install 'yamlgen[sql]'`" in told.stderr
    assert (tmp_path / "out.simulated.jsonl").exists()
