"""Queries over small tables, for tests."""

from yamlgen.data.sql_query import query_of
from yamlgen.pipeline.input_config import Input

REVIEWS = """\
review_id,customer_id,stars,text
r-2,c-1,5,Came in a day.
r-1,c-2,1,The kettle leaks.
r-3,c-1,1e5,
r-4,c-1,4,x
"""
CUSTOMERS = (
    '{"customer_id": "c-1", "name": "Ana", "since": 2020}\n{"customer_id": "c-2", "name": "Ben", "since": 2021.5}\n'
)


def write_tables(folder):
    """Write the files of the two tables."""
    (folder / "r.csv").write_text(REVIEWS, encoding="utf-8")
    (folder / "c.jsonl").write_text(CUSTOMERS, encoding="utf-8")


def query_in(folder, sql, **keys):
    """Return a query over the two tables of a folder."""
    spec = {"tables": {"r": "r.csv", "c": "c.jsonl"}, "sql": sql, "id": "review_id", **keys}
    return query_of(Input.model_validate(spec), folder / "p.yaml", "p.yaml")
