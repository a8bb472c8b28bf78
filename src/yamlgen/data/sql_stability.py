"""Parts of a query whose result is not determined by the content of the tables, as warnings.

Such a part makes another prompt in the next run, which is billed again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from yamlgen.data.sql_query import SqlIssue
from yamlgen.data.sql_statement import Locations, has_order, nodes

_AGGREGATES: Final = {"list", "array_agg", "string_agg", "group_concat", "listagg", "json_group_array"} | {
    "json_group_object",
    "first",
    "last",
    "any_value",
    "arbitrary",
    "lttb",
}
"""The aggregates whose result depends on the order of the rows."""

_SETTLING: Final = {"list_sort", "array_sort", "list_reverse_sort", "array_reverse_sort", "len", "length"} | {
    "array_length",
    "cardinality",
    "list_contains",
    "list_has",
    "array_contains",
    "list_sum",
    "list_avg",
    "list_min",
    "list_max",
    "list_unique",
    "list_count",
    "list_median",
}
"""The functions of a list whose result does not depend on its order."""

_WINDOWS: Final = {"first_value", "last_value", "nth_value", "row_number", "lag", "lead", "ntile", "first", "last"}

_CHANCE: Final = {"random", "uuid", "gen_random_uuid", "uuidv4", "uuidv7", "setseed", "reservoir_quantile"}

_CLOCK: Final = {"now", "today", "current_date", "current_time", "current_timestamp", "get_current_timestamp"} | {
    "get_current_time",
    "transaction_timestamp",
    "current_localtime",
    "current_localtimestamp",
    "localtime",
    "localtimestamp",
}

_BARE: Final = frozenset({"current_date", "current_time", "current_timestamp", "localtime", "localtimestamp"})
"""Those that are written without parentheses."""

_CHANCE_HINT: Final = "use `hash` of a column, such as `hash(id)`, or `input.sample` for a sample of the rows"
_CLOCK_HINT: Final = "write the date in the statement, such as `date '2026-01-31'`"


def unstable_parts(root: dict[str, Any], text: str, columns: frozenset[str]) -> list[SqlIssue]:
    """Return a warning for each part of a query whose result may differ in the next run.

    Args:
        root: the syntax tree of the query.
        text: the query.
        columns: the columns of the tables in lower case; a column may have the name of a function without arguments.
    """
    where = Locations(text)
    columns |= {str(value.get("alias")).lower() for value, _ in nodes(root)}
    settled: set[int] = set()
    found: list[SqlIssue] = []
    for value, _ in nodes(root):
        if value.get("type") == "SELECT_NODE" and _is_ordered(value.get("from_table")):
            settled.update(id(below) for below in _own(value))
        if value.get("class") == "FUNCTION" and value["function_name"].lower() in _SETTLING:
            settled.update(id(each) for each in _arguments(value))
    for value, _ in nodes(root):
        found.extend(
            SqlIssue(message, hint, *where.of(part), is_warning=True)
            for message, hint, part in _unstable(value, columns, settled)
        )
    return sorted(set(found), key=lambda issue: (issue.start, issue.message))


def _unstable(
    value: dict[str, Any], columns: frozenset[str], settled: set[int]
) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield the message and the fix of what is unstable in a node, and the part of it."""
    kind, name = value.get("class"), str(value.get("function_name", "")).lower()
    if kind == "FUNCTION":
        orders = (value.get("order_bys") or {}).get("orders")
        if name in _AGGREGATES and not orders and id(value) not in settled:
            hint = f"add ORDER BY after its arguments: `{name}(... order by ...)`"
            yield f"the result of `{name}` depends on the order of the rows, which is not defined", hint, value
        elif name in _CHANCE:
            yield f"`{name}` returns another value in each run", _CHANCE_HINT, value
        elif name in _CLOCK or (name == "age" and len(_arguments(value)) == 1):
            yield f"`{name}` depends on the time of the run", _CLOCK_HINT, value
    elif kind == "WINDOW":
        if name in _WINDOWS | _AGGREGATES and not value.get("orders") and not value.get("arg_orders"):
            hint = "add ORDER BY in the parentheses after OVER"
            yield f"the result of `{name}` depends on the order of the rows, which is not defined", hint, value
    elif kind == "COLUMN_REF":
        names = [each.lower() for each in value["column_names"]]
        if len(names) == 1 and names[0] in _BARE - columns:
            yield f"`{names[0]}` depends on the time of the run", _CLOCK_HINT, value
    sample = value.get("sample")
    if isinstance(sample, dict) and (sample.get("seed") is None or sample["seed"] < 0):
        hint = "add a seed: `using sample reservoir(100 rows) repeatable (1)`; or use `input.sample`"
        yield "the sample is another one in each run", hint, value
    yield from _unsorted(value, settled)


def _unsorted(value: dict[str, Any], settled: set[int]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    modifiers = value.get("modifiers", ())
    if has_order(value) or id(value) in settled:
        return
    for modifier in modifiers:
        hint = "add ORDER BY with columns that identify a row"
        if modifier["type"] in ("LIMIT_MODIFIER", "LIMIT_PERCENT_MODIFIER"):
            part = modifier.get("limit") or modifier.get("offset") or {}
            yield "LIMIT or OFFSET without ORDER BY returns rows that are not defined", hint, part
        elif modifier["type"] == "DISTINCT_MODIFIER" and modifier.get("distinct_on_targets"):
            part = modifier["distinct_on_targets"][0]
            yield "DISTINCT ON without ORDER BY keeps rows that are not defined", hint, part


def _arguments(function: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the arguments of a function."""
    found = function.get("arguments") or function.get("children") or []
    return [each.get("expression", each) for each in found]


def _is_ordered(reference: dict[str, Any] | None) -> bool:
    """Check whether FROM is one subquery that sorts its rows."""
    if reference is None or reference.get("type") != "SUBQUERY":
        return False
    return has_order(reference["subquery"]["node"])


def _own(select: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the parts of a SELECT, without those of its subqueries and of its FROM."""
    waiting: list[Any] = [select]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting.extend(value)
        elif isinstance(value, dict) and (value is select or not str(value.get("type")).endswith("_NODE")):
            yield value
            waiting.extend(below for key, below in value.items() if key not in ("from_table", "cte_map"))
