"""What a query may contain: one SELECT of its tables. Everything else is refused before a file is opened."""

import duckdb
import pytest

from sql_queries import query_in, write_tables
from yamlgen.data.source import Source
from yamlgen.data.sql_execution import check_query, executed
from yamlgen.data.sql_query import QueryFailed
from yamlgen.data.sql_tables import open_tables

ESCAPES = [
    "copy (select 1) to 'r.csv'",
    "copy (select 1) to 'r.csv' (use_tmp_file false)",
    "attach 'x.db'",
    "export database 'x'",
    "import database 'x'",
    "install httpfs",
    "load httpfs",
    "set memory_limit='1GB'",
    "reset all",
    "pragma database_list",
    "call pragma_version()",
    "use x",
    "vacuum",
    "create macro m() as table select 1",
    "create table t as from r",
    "insert into r values (1)",
    "delete from r",
    "explain analyze select 1",
    "prepare x as select 1",
    "execute x",
    "checkpoint",
    "describe r",
    "from (summarize r)",
    "show tables",
    "select 1; select 2",
    "select 1 /* ; */; drop view r -- x",
    "select 1 --\n; copy r to 'x.csv'",
    "with x as (insert into r values (1) returning *) from x",
    "select * from 'r.csv'",
    'select * from "r.csv"',
    'select * from "./link.csv"',
    "from '/proc/self/environ'",
    "from '/proc/self/fd/0'",
    "from 'https://example.com/x.parquet'",
    "from 's3://bucket/x.parquet'",
    "select * from read_text('.env')",
    "from read_blob('r.csv')",
    "from read_csv('/proc/self/environ')",
    "from parquet_scan('r.parquet')",
    "from sqlite_scan('x.db', 't')",
    "from glob('*')",
    "from sniff_csv('r.csv')",
    "from query('from read_text(''.env'')')",
    "from query_table('r')",
    "from json_execute_serialized_sql('{}')",
    "from duckdb_secrets()",
    "from duckdb_settings",
    "from information_schema.tables",
    "from pragma_database_size()",
    "from main.r",
    "from df",
    "from python_variable",
    "with x as (from read_csv('y')) from x",
    "with recursive x as (select 1 union all from read_csv('y')) from x",
    'select * from (with "x.csv" as (select 1) from r), "x.csv"',
    "with duckdb_settings as (from duckdb_settings) from duckdb_settings",
    "select (select count(*) from glob('*'))",
    "select 1 where exists (from 'y.csv')",
    "from r, lateral (from read_text(r.text))",
    "from r union all from 'y.csv'",
    "from 'x.csv' pivot (count(*) for stars in (1, 2))",
    "unpivot 'x.csv' on stars",
    "pivot r on stars using count(*)",
    "select list(x) from (values ((select content from read_text('.env')))) t(x)",
    "select getenv('HOME') from r",
    "select main.GETENV('HOME') from r",
    "select current_setting('temp_directory')",
    "select nextval('s')",
    "select write_log('a')",
    "select $1",
    "-- select 1",
]


@pytest.mark.parametrize("sql", ESCAPES)
def test_what_reads_more_than_the_tables_is_refused_before_a_file_is_opened(sql, tmp_path):
    """The files of the tables do not exist: opening one would be another error."""
    df = python_variable = [{"a": 1}]
    assert df is python_variable
    query = query_in(tmp_path, sql)
    with pytest.raises(QueryFailed), executed(Source(), query, tmp_path):
        pass
    found = check_query(query, is_readable=True)
    assert found.fault is None
    assert [issue for issue in found.issues if not issue.is_warning]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "sql",
    [
        "copy (select 1) to 'x.csv'",
        "attach 'x.db'",
        "export database 'x'",
        "install httpfs",
        "load httpfs",
        "set memory_limit='1GB'",
        "set allowed_directories=['/']",
        "set enable_external_access=true",
        "from 'other.csv'",
        "from read_text('other.csv')",
        "from read_blob('link.csv')",
        "from '/proc/self/environ'",
        "from glob('/*')",
        "from df",
    ],
)
def test_the_connection_refuses_the_same_by_itself(sql, tmp_path, monkeypatch):
    """The second barrier, if the first one missed something."""
    df = [{"a": 1}]
    assert df
    write_tables(tmp_path)
    (tmp_path / "other.csv").write_text("a\n1\n", encoding="utf-8")
    (tmp_path / "link.csv").symlink_to("other.csv")
    monkeypatch.chdir(tmp_path)
    work = tmp_path / "work"
    work.mkdir()
    with open_tables(query_in(tmp_path, "from r"), work) as tables, pytest.raises(duckdb.Error):
        tables.connection.execute(sql).fetchall()


@pytest.mark.parametrize(
    ("sql", "about", "message"),
    [
        ("select 'é', nme\nfrom c", "nme", "unknown column `nme`"),
        ("select c.nme from c", "c.nme", "unknown column `nme`"),
        ("select * frm r", "r", 'the SQL is invalid: syntax error at or near "r"'),
        ("from r; from c", "from c", "`sql` contains 2 statements"),
        ("select 'é' from R2", "R2", "`R2` is not under `tables`"),
        (
            "select review_id, 'x'::blob as b from r",
            "::blob",
            "the column `b` is of type BLOB, which JSON cannot represent",
        ),
        (
            "select review_id, text as a, stars as A from r",
            "stars",
            "the names of the columns `a` and `A` are equal in SQL",
        ),
        ("select foo(stars) from r", "foo(stars)", "unknown scalar function `foo`"),
    ],
)
def test_an_error_is_about_its_part_of_the_text(sql, about, message, tmp_path):
    """An error is about its part of the text."""
    write_tables(tmp_path)
    issue = check_query(query_in(tmp_path, sql), is_readable=True).issues[0]
    assert (sql[issue.start : issue.end], issue.message) == (about, message)


def test_a_near_name_is_suggested(tmp_path):
    """A near name is suggested."""
    write_tables(tmp_path)
    assert (
        check_query(query_in(tmp_path, "select c.nme from c"), is_readable=True).issues[0].hint
        == "did you mean `name`?"
    )


@pytest.mark.parametrize("sql", ["select stars > 3 from r", "select sum(stars) from r"])
def test_cells_of_csv_files_are_text(sql, tmp_path):
    """Cells of CSV files are text."""
    write_tables(tmp_path)
    issue = check_query(query_in(tmp_path, sql), is_readable=True).issues[0]
    assert issue.hint == "cells of CSV files are text: convert them, such as `cast(stars as integer)`"


def test_a_parameter_is_refused_with_a_way_out(tmp_path):
    """A parameter is refused with a way out."""
    issue = check_query(query_in(tmp_path, "from r where text = $t"), is_readable=False).issues[0]
    assert "`input.where`" in issue.hint
