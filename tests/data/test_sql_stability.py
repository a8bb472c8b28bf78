"""Warnings about parts of a query whose result is not determined, and the queries without them."""

import pytest

from sql_queries import query_in, write_tables
from yamlgen.data.sql_execution import check_query

STABLE = [
    "from r",
    "table r",
    "values ('a', 1), ('b', 2)",
    "select r.*, c.name from r join c using (customer_id); -- end",
    "with x as (select * from r where stars <> '') from x order by review_id",
    "with r as (from r) from r",
    "with recursive t(n) as (select 1 union all select n + 1 from t where n < 3) select n as review_id from t",
    "select customer_id as review_id, list(text order by stars), string_agg(text, ',' order by text) from r group by 1",
    "select customer_id as review_id, list({id: review_id, text: text} order by review_id) as l from r group by 1",
    "select customer_id as review_id, list_sort(list(text)) l, len(list(text)) n from r group by 1",
    "select customer_id as review_id, list(text) l from (from r order by review_id) group by 1",
    "from r qualify row_number() over (partition by customer_id order by review_id) = 1",
    "select *, rank() over (order by stars) k, count(*) over (partition by customer_id) n from r",
    "select first_value(text) over (partition by customer_id order by review_id) f, review_id from r",
    "from r order by review_id limit 10",
    "from (from r order by review_id) limit 2",
    "select distinct on (customer_id) * from r order by customer_id, review_id",
    "select distinct customer_id as review_id from r",
    "select customer_id as review_id, arg_max(text, review_id) t, min(text), sum(1) from r group by all",
    "select i as review_id from range(10) t(i)",
    "select review_id, unnest(string_split(text, ' ')) w from r",
    "from r where customer_id in (select customer_id from c where since > 2019)",
    "from r semi join c using (customer_id)",
    "from r union all from r where false",
    "(from r) order by 1",
    "select now, current_date from (select review_id, 1 as now, 2 as current_date from r)",
    "select review_id, age(date '2020-01-01', date '2020-01-02') is null a, hash(review_id) h from r",
    "from r using sample reservoir(2 rows) repeatable (1)",
    "from r pivot (count(*) for stars in ('1', '5'))",
    "unpivot r on text, stars",
    "select review_id, list_transform(string_split(text, ' '), lambda x: upper(x)) l from r",
    "select * exclude (text), upper(text) as text from r where text ilike '%a%' order by all",
    "select review_id, (select name from c where c.customer_id = r.customer_id) n from r",
    "select r.review_id from r asof join c on r.customer_id >= c.customer_id",
]


@pytest.mark.parametrize("sql", STABLE)
def test_a_right_query_has_no_warning(sql, tmp_path):
    """A right query has no warning."""
    write_tables(tmp_path)
    found = check_query(query_in(tmp_path, sql), is_readable=True)
    assert (found.issues, found.fault, found.told) == ((), None, ())
    assert found.columns


@pytest.mark.parametrize(
    ("sql", "about"),
    [
        ("select list(text) from r", ["list(text)"]),
        ("select array_agg(text), any_value(stars) from r", ["array_agg(text)", "any_value(stars)"]),
        ("select STRING_AGG(text, ',') from r", ["STRING_AGG(text, ',')"]),
        ("select first(text), last(text) from r", ["first(text)", "last(text)"]),
        ("select list(text) from (from r order by 1) join c using (customer_id)", ["list(text)"]),
        ("select row_number() over () from r", ["row_number() over ()"]),
        ("select lag(text) over (partition by stars) from r", ["lag(text) over (partition by stars)"]),
        ("from r limit 3", ["3"]),
        ("from (from r limit 3) order by review_id", ["3"]),
        ("from r offset 2", ["2"]),
        ("select distinct on (customer_id) * from r", ["customer_id"]),
        ("select random(), uuid() from r", ["random()", "uuid()"]),
        ("select now(), current_date, today() from r", ["now()", "current_date", "today()"]),
        ("select age(date '2020-01-01') is null from r", ["age(date '2020-01-01')"]),
        ("from r using sample 2", ["from r using sample 2"]),
        ("with x as (select uuid() u from r) from x", ["uuid()"]),
    ],
)
def test_what_may_differ_in_the_next_run_is_told_at_its_place(sql, about, tmp_path):
    """What may differ in the next run is told at its place."""
    write_tables(tmp_path)
    found = check_query(query_in(tmp_path, sql), is_readable=True)
    assert [sql[issue.start : issue.end] for issue in found.issues if issue.is_warning] == about


def test_without_the_files_the_text_is_still_checked(tmp_path):
    """Without the files the text is still checked."""
    found = check_query(query_in(tmp_path, "from r limit 3"), is_readable=False)
    assert [issue.is_warning for issue in found.issues] == [True]
    assert found.columns is None
