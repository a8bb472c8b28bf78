"""A query is executed once, on one thread, into a file: the same rows in the same order, or an error."""

import os
import signal
import subprocess
import sys
from contextlib import ExitStack

import pyarrow as pa
import pytest
from pyarrow import parquet

from sql_queries import query_in, write_tables
from yamlgen.data.source import Source
from yamlgen.data.sql_execution import check_query, executed
from yamlgen.data.sql_query import QueryFailed
from yamlgen.data.temporary_folder import temporary_folder
from yamlgen.errors import Code, EnvironmentProblem, UsageError, YamlgenError


@pytest.fixture
def tables(tmp_path):
    """A folder with the files of the tables."""
    write_tables(tmp_path)
    return tmp_path


def run(folder, sql, **keys):
    """The rows of a query."""
    with executed(Source(id="review_id"), query_in(folder, sql, **keys), folder) as source:
        return [row for _, row in source.numbered()]


def test_the_cells_of_a_csv_file_are_as_under_path(tables):
    """The cells of a CSV file are as under path."""
    rows = run(tables, "from r")
    assert [row["stars"] for row in rows] == ["1", "5", "1e5", "4"]
    assert rows[2] == {"review_id": "r-3", "customer_id": "c-1", "stars": "1e5", "text": ""}


def test_json_values_keep_their_types(tables):
    """JSON values keep their types."""
    assert run(tables, "select customer_id as review_id, since from c") == [
        {"review_id": "c-1", "since": 2020.0},
        {"review_id": "c-2", "since": 2021.5},
    ]


@pytest.mark.parametrize(
    ("sql", "ids"),
    [
        ("from r", ["r-1", "r-2", "r-3", "r-4"]),
        ("from r order by stars desc, review_id", ["r-2", "r-4", "r-3", "r-1"]),
        ("from (from r order by stars)", ["r-1", "r-2", "r-3", "r-4"]),
        ("(from r) order by text; -- by text", ["r-3", "r-2", "r-1", "r-4"]),
        ("from r where false union all from r order by stars limit 2", ["r-1", "r-3"]),
    ],
)
def test_rows_are_in_the_order_of_the_id_unless_the_statement_sorts_them(sql, ids, tables):
    """Rows are in the order of the id unless the statement sorts them."""
    assert [row["review_id"] for row in run(tables, sql)] == ids


@pytest.mark.parametrize(
    "sql",
    [
        "select customer_id as review_id, list(text) as texts, any_value(text) a from r group by 1",
        "select r.review_id, c.name, sum(c.since) over () s from r join c using (customer_id)",
        "select review_id, string_agg(text, ',') over (partition by customer_id) t from r order by stars",
    ],
)
def test_twenty_runs_give_the_same_bytes(sql, tables):
    """Twenty runs give the same bytes."""
    contents = set()
    for _ in range(20):
        with executed(Source(id="review_id"), query_in(tables, sql), tables) as source:
            contents.add(source.paths[0].read_bytes())
    assert len(contents) == 1


def test_dates_times_uuids_and_wide_integers(tables):
    """Dates times UUIDs and wide integers."""
    row = run(
        tables,
        """select 'a' as review_id, date '2026-01-31' d, time '10:30' t, timestamp '2026-01-31 10:30' s,
        timestamptz '2026-01-31 10:30+02' z, uuid '00000000-0000-0000-0000-00000000000a' u,
        sum(since) n, 1.50::decimal(9,2) m,
        {a: [1]} o, map {'k': 1} p, 170141183460469231731687303715884105727::hugeint h from c""",
    )[0]
    assert row == {
        "review_id": "a",
        "d": "2026-01-31",
        "t": "10:30:00",
        "s": "2026-01-31T10:30:00",
        "z": "2026-01-31T08:30:00Z",
        "u": "00000000-0000-0000-0000-00000000000a",
        "n": 4041.5,
        "m": 1.5,
        "o": {"a": [1]},
        "p": {"k": 1},
        "h": 170141183460469231731687303715884105727,
    }


def test_nan_is_an_error_that_names_the_column(tables):
    """NaN is an error that names the column."""
    with pytest.raises(UsageError, match=r"`input.sql` of p.yaml, row 1: column `x` is NaN"):
        run(tables, "select review_id, 'nan'::double x from r")


@pytest.mark.parametrize("type_", ["blob", "interval", "bit", "time with time zone"])
def test_what_json_cannot_represent_is_known_before_the_query_runs(type_, tables):
    """What JSON cannot represent is known before the query runs."""
    with pytest.raises(QueryFailed) as refused:
        run(tables, "select review_id, null::TYPE as x from r".replace("TYPE", type_))
    assert refused.value.issue.message == f"the column `x` is of type {type_.upper()}, which JSON cannot represent"


@pytest.mark.parametrize(
    ("sql", "code"),
    [("select 'a' as review_id from r", Code.DUPLICATE_ID), ("select null::int as review_id from r", Code.BAD_INPUT)],
)
def test_ids_are_unique_and_not_null(sql, code, tables):
    """Ids are unique and not null."""
    with (
        executed(Source(id="review_id"), query_in(tables, sql), tables) as source,
        pytest.raises(YamlgenError) as refused,
    ):
        source.scan()
    assert refused.value.code == code


def test_the_types_of_a_query_are_known_without_its_rows(tables):
    """The types of a query are known without its rows."""
    found = check_query(
        query_in(tables, "select review_id, sum(since) n, [1] l, {a: 1} o from r, c group by 1"), is_readable=True
    )
    assert found.columns is not None
    assert (found.columns.closed, found.columns.complete) == (True, True)
    assert found.columns.types == {
        "review_id": {"type": "string"},
        "n": {"type": "number"},
        "l": {"type": "array", "items": {"type": "integer"}},
        "o": {
            "type": "object",
            "properties": {"a": {"type": "integer"}},
            "required": ["a"],
            "additionalProperties": False,
        },
    }


def test_a_query_is_checked_without_being_executed(tables):
    """A query is checked without being executed."""
    sql = "select sum(a.i * b.i * c.i) as review_id from range(1000000) a(i), range(1000000) b(i), range(1000000) c(i)"
    assert check_query(query_in(tables, sql), is_readable=True).columns


def test_a_broken_file_of_a_table_is_told_with_its_line(tables):
    """A broken file of a table is told with its line."""
    (tables / "r.csv").write_text('review_id,text\nr-1,"a"b\n', encoding="utf-8")
    with pytest.raises(UsageError, match=r"r\.csv:2: "):
        run(tables, "from r")
    fault = check_query(query_in(tables, "from r"), is_readable=True).fault
    assert fault is not None
    assert "r.csv:2: " in fault.message


def test_a_cut_parquet_file_is_told(tables):
    """A cut Parquet file is told."""
    parquet.write_table(pa.table({"a": [1]}), tables / "p.parquet")
    content = (tables / "p.parquet").read_bytes()
    (tables / "p.parquet").write_bytes(content[:-9])
    with pytest.raises(UsageError, match=r"p\.parquet: the Parquet file ends too early"):
        run(tables, "from p", tables={"p": "p.parquet"})


def test_a_parquet_table_is_read_whatever_its_path(tables):
    """Its path has the characters of patterns and quotes."""
    folder = tables / "a [x]'s*"
    folder.mkdir()
    parquet.write_table(pa.table({"review_id": [2, 1], "nan": [1.5, float("nan")]}), folder / "p.parquet")
    assert run(tables, "select review_id from p", tables={"p": "a [x]'s*/p.parquet"}) == [
        {"review_id": 1},
        {"review_id": 2},
    ]


def test_a_pattern_is_one_table(tables):
    """A pattern is one table."""
    for number in (1, 2):
        (tables / f"d{number}.tsv").write_text(f"review_id\tx\n{number}\ty\n", encoding="utf-8")
    assert [row["review_id"] for row in run(tables, "from d", tables={"d": "d*.tsv"})] == ["1", "2"]
    with pytest.raises(EnvironmentProblem, match=r"no file matches e\*\.tsv, the table `d`"):
        run(tables, "from d", tables={"d": "e*.tsv"})


def test_a_table_has_the_options_of_a_file(tables):
    """Its text is in another encoding, without a header, and cells are JSON: their values have types."""
    (tables / "h.txt").write_bytes(b'\xe9|[1, 2]|"\ne||x"y\n')
    options = {"format": "csv", "encoding": "latin-1", "delimiter": "|", "quoting": "none", "header": False}
    table = {"path": "h.txt", **options, "columns": ["review_id", "n", "quote"], "json_columns": ["n"]}
    assert run(tables, "select *, len(n) as size from h", tables={"h": table}) == [
        {"review_id": "e", "n": None, "quote": 'x"y', "size": None},
        {"review_id": "\xe9", "n": [1, 2], "quote": '"', "size": 2},
    ]
    (tables / "h.txt").write_bytes(b"1|1|\0\n")
    with executed(Source(id="review_id"), query_in(tables, "from h", tables={"h": table}), tables) as source:
        assert [line.partition(";")[0] for line in source.told] == ["h.txt:1: a NUL byte is read as U+FFFD"]


def test_the_files_of_a_table_are_alike(tables):
    """As those of an input: a column that one of them lacks is an error, not null."""
    (tables / "d1.csv").write_text("review_id,x\n1,y\n", encoding="utf-8")
    (tables / "d2.csv").write_text("review_id,y\n2,y\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"the files of the table `d` have different columns: d2\.csv has `y`"):
        run(tables, "from d", tables={"d": "d*.csv"})


def test_columns_that_sql_cannot_tell_apart_are_an_error(tables):
    """Columns that SQL cannot tell apart are an error."""
    (tables / "d.csv").write_text("review_id,Name,name\n1,a,b\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"d\.csv: the names of the columns `Name` and `name` are equal in SQL"):
        run(tables, "from d", tables={"d": "d.csv"})


def test_two_tables_that_sql_cannot_tell_apart_are_an_error(tables):
    """Two tables that SQL cannot tell apart are an error."""
    with pytest.raises(UsageError, match="two tables have the name `R`"):
        run(tables, "from r", tables={"r": "r.csv", "R": "c.jsonl"})


def test_a_pipe_is_no_table(tables):
    """Its content could be read only once; reading it again would wait forever."""
    os.mkfifo(tables / "pipe.csv")
    with pytest.raises(UsageError, match=r"pipe\.csv is not a regular file"):
        run(tables, "from p", tables={"p": "pipe.csv"})


@pytest.mark.parametrize("name", ["e.csv", "e.jsonl"])
def test_a_file_without_columns_is_told(name, tables):
    """A file without columns is told."""
    (tables / name).touch()
    with pytest.raises(UsageError, match="so its columns are unknown"):
        run(tables, "from e", tables={"e": name})


def test_a_header_without_rows_is_a_table(tables):
    """A header without rows is a table."""
    (tables / "e.csv").write_text("review_id,a\n", encoding="utf-8")
    assert run(tables, "select count(*) as review_id from e", tables={"e": "e.csv"}) == [{"review_id": 0}]


def test_lone_surrogates_of_json_are_replaced_and_pairs_stay(tables):
    """Lone surrogates of JSON are replaced, and pairs stay."""
    (tables / "s.jsonl").write_text('{"review_id": "\\ud83d\\ude00", "a": "\\ud800"}\n', encoding="utf-8")
    assert run(tables, "from s", tables={"s": "s.jsonl"}) == [{"review_id": "\U0001f600", "a": "\ufffd"}]


def test_too_little_memory_is_told_with_the_key(tables):
    """Too little memory is told with the key."""
    with pytest.raises(EnvironmentProblem) as refused:
        run(tables, "select 1 as review_id, list(i order by -i) l from range(5000000) t(i)", memory="20MB")
    assert refused.value.hint is not None
    assert "`input.memory` to more than 20MB" in refused.value.hint


def test_a_sort_that_exceeds_the_memory_spills(tables):
    """A sort that exceeds the memory spills."""
    sql = "select i as review_id, repeat(hash(i)::varchar, 5) as t from range(300000) t(i) order by t"
    with executed(Source(id="review_id"), query_in(tables, sql, memory="30MB"), tables) as source:
        assert parquet.read_metadata(source.paths[0]).num_rows == 300_000


def test_a_table_that_changes_during_the_run_is_told(tables):
    """A table that changes during the run is told."""
    with executed(Source(id="review_id"), query_in(tables, "from r"), tables) as source:
        scanned, _ = source.scan()
        (tables / "r.csv").write_text("review_id\nr-9\n", encoding="utf-8")
        with pytest.raises(EnvironmentProblem, match=r"the input .*r\.csv changed") as refused:
            scanned.verify()
    assert refused.value.code == Code.INPUT_CHANGED


def test_rows_that_are_appended_to_a_table_are_told(tables):
    """Rows that are appended to a table are told."""
    with executed(Source(id="review_id"), query_in(tables, "from r"), tables) as source:
        scanned, _ = source.scan()
        with (tables / "r.csv").open("a", encoding="utf-8") as file:
            file.write("r-9,c-1,1,late\n")
        assert "grew by 15 bytes" in str(scanned.verify())


def test_ctrl_c_ends_a_query(tables):
    """Ctrl-C ends a query."""
    sql = "select sum(a.i * b.i) as review_id from range(10000000) a(i), range(1000000) b(i)"

    def interrupt(_number, _frame):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.5)
        with pytest.raises(KeyboardInterrupt):
            run(tables, sql)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert sorted(path.name for path in tables.iterdir()) == ["c.jsonl", "r.csv"]


def test_the_next_query_removes_what_a_killed_one_has_left(tmp_path):
    """The next query removes what a killed one has left."""
    code = f"""if True:
        import os
        from pathlib import Path
        from yamlgen.data.temporary_folder import temporary_folder
        with temporary_folder(Path({str(tmp_path)!r})) as folder:
            (folder / "result.parquet").touch()
            os.kill(os.getpid(), {signal.SIGKILL})"""
    subprocess.run([sys.executable, "-c", code], check=False, env=os.environ)
    left = set(tmp_path.iterdir())
    assert len(left) == 1
    with ExitStack() as stack:
        living = stack.enter_context(temporary_folder(tmp_path))
        other = stack.enter_context(temporary_folder(tmp_path))
        assert set(tmp_path.iterdir()) == {living, other}
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_in_a_call_of_duckdb_is_ctrl_c(tables, monkeypatch):
    """DuckDB itself raises a `RuntimeError`, if the signal arrives while it works in the main thread."""

    def interrupted(*_):
        raise RuntimeError("Query interrupted")

    monkeypatch.setattr("yamlgen.data.sql_execution._prepared", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(tables, "from r")
