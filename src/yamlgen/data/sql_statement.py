"""The statement of a query: one SELECT, which reads only the tables that the input names.

Owns what a query may contain. The text is parsed, not executed, and its syntax tree is searched, so that a query that
reads anything else is refused before a file is opened. The locked connection of `sql_tables` is the second barrier.

This module imports DuckDB, which is optional: other modules import it inside functions.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

import duckdb

from yamlgen.data.sql_query import SqlIssue
from yamlgen.suggestions import Hint, listing, nearest

_TABLE_FUNCTIONS: Final = ("range", "generate_series", "unnest", "repeat", "repeat_row", "json_each", "json_tree")
"""The functions that return rows, of their arguments only."""

_REFERENCES: Final = frozenset(
    {"BASE_TABLE", "SUBQUERY", "JOIN", "TABLE_FUNCTION", "EXPRESSION_LIST", "EMPTY", "CTE", "PIVOT"}
)
_NODES: Final = frozenset({"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"})

_OUTSIDE: Final = {"getenv", "current_setting", "getvariable", "write_log", "nextval", "currval", "setval"} | {
    "sleep_ms",
    "pg_sleep",
}
"""The functions that read or change something other than their arguments."""

_OF_FILES: Final = ("read_", "parquet_", "glob", "sniff_", "json_execute", "query", "sqlite_", "postgres_", "mysql_")

_UNKNOWN: Final = 2**64 - 1
"""The location of what has none."""

_FILE_HINT: Final = "name the file under `tables`, such as `t: reviews.csv`, and select from `t`"


class SyntaxNode(NamedTuple):
    """A node of the syntax tree, with the names of the queries that `with` defines for it."""

    value: dict[str, Any]
    defined: frozenset[str]


class Statement(NamedTuple):
    """A parsed statement.

    Attributes:
        text: it, without a semicolon and a comment at its end.
        root: the node of the whole statement.
        issues: why it is refused.
    """

    text: str
    root: dict[str, Any]
    issues: tuple[SqlIssue, ...]

    @property
    def is_sorted(self) -> bool:
        """Whether it ends with ORDER BY."""
        return has_order(self.root)


def parse_statement(connection: duckdb.DuckDBPyConnection, text: str, tables: Iterable[str]) -> Statement:
    """Parse a query, and check that it reads only its tables.

    Args:
        connection: any connection; nothing is executed on it but the parser.
        text: the query.
        tables: the names of the tables.
    """
    where = Locations(text)
    found = connection.execute("select json_serialize_sql(?::varchar)", [text]).fetchone()
    try:
        tree = json.loads(found[0]) if found else {}
    except RecursionError:
        return _refused(where.all("the query is nested too deeply", "move parts of it to `with` queries"))
    if tree.get("error_type") == "parser":
        message = str(tree["error_message"]).partition("\n")[0]
        start, end = where.range(*_location(tree))
        return _refused(SqlIssue(f"the SQL is invalid: {message}", "correct the statement here", start, end))
    statements = connection.extract_statements(text)
    if len(statements) != 1:
        second = statements[1].query.lstrip() if statements else ""
        start = max(0, text.find(second))
        what = f"contains {len(statements)} statements" if statements else "contains no statement"
        hint = "write one SELECT statement"
        return _refused(SqlIssue(f"`sql` {what}", hint, start, start + len(second.partition("\n")[0])))
    if tree.get("error") or statements[0].type.name != "SELECT":
        return _refused(_no_select(statements[0].type.name, where))
    root = tree["statements"][0]["node"]
    issues = [issue for node in nodes(root) if (issue := _refusal(node, where, list(tables))) is not None]
    return Statement(_bare(text), root, tuple(sorted(set(issues), key=lambda issue: issue.start)))


def _refused(issue: SqlIssue) -> Statement:
    return Statement("", {}, (issue,))


def _no_select(kind: str, where: Locations) -> SqlIssue:
    if kind == "MULTI":
        hint = "list its values: `from t pivot (sum(n) for year in ('2025', '2026'))`"
        return where.all("PIVOT must list its values, so that the columns are known", hint)
    return where.all(f"`sql` must be a SELECT statement, not {kind.replace('_', ' ')}", "write one SELECT statement")


def _bare(text: str) -> str:
    raw, end = text.encode(), len(text.encode())
    for start, kind in reversed(duckdb.tokenize(text)):
        is_comment = kind == duckdb.token_type.comment
        if not is_comment and raw[start:end].strip() != b";":
            break
        end = start
    return raw[:end].decode()


class Locations:
    """Converts the locations of a syntax tree, which are bytes, to characters of the text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._raw = text.encode()

    def range(self, start: int, length: int) -> tuple[int, int]:
        """Return the characters from byte `start`; the first line of the text if the location is unknown."""
        if not 0 <= start <= len(self._raw):
            return 0, len(self.text.partition("\n")[0])
        first = len(self._raw[:start].decode(errors="ignore"))
        return first, first + max(1, len(self._raw[start : start + length].decode(errors="ignore")))

    def of(self, node: dict[str, Any]) -> tuple[int, int]:
        """Return the characters of a node."""
        return self.range(node.get("query_location", _UNKNOWN), node.get("query_location_length", 0))

    def all(self, message: str, hint: str) -> SqlIssue:
        """Return an error about the whole text."""
        return SqlIssue(message, hint, *self.range(_UNKNOWN, 0))


def _location(told: dict[str, Any]) -> tuple[int, int]:
    """Return the location that an error contains, in bytes."""
    start, length = json.loads(told.get("location") or f"[{told.get('position') or _UNKNOWN},1]")
    return start, length


def nodes(root: dict[str, Any]) -> Iterator[SyntaxNode]:
    """Yield every node of a syntax tree; each knows the `with` queries that are defined where it is."""
    waiting: list[tuple[Any, frozenset[str]]] = [(root, frozenset())]
    while waiting:
        value, defined = waiting.pop()
        if isinstance(value, list):
            waiting.extend((each, defined) for each in value)
            continue
        if not isinstance(value, dict):
            continue
        for entry in (value.get("cte_map") or {}).get("map", ()):
            name, query = entry["key"].lower(), entry["value"]
            is_recursive = query["query_node"]["type"] == "RECURSIVE_CTE_NODE"
            waiting.append((query, defined | {name} if is_recursive else defined))
            defined |= {name}
        yield SyntaxNode(value, defined)
        waiting.extend((below, defined) for key, below in value.items() if key != "cte_map")


def has_order(node: dict[str, Any]) -> bool:
    """Check whether a query sorts its rows."""
    return any(each["type"] == "ORDER_MODIFIER" for each in node.get("modifiers", ()))


def is_reference(node: dict[str, Any]) -> bool:
    """Check whether a node is a part of FROM."""
    return "class" not in node and "alias" in node and "sample" in node


def _refusal(node: SyntaxNode, where: Locations, tables: list[str]) -> SqlIssue | None:
    value, kind = node.value, node.value.get("type")
    if is_reference(value):
        if kind == "BASE_TABLE":
            return _no_table(node, where, tables)
        if kind == "TABLE_FUNCTION":
            return _no_table_function(value, where)
        if kind == "SHOW_REF":
            hint = "write a SELECT statement, without DESCRIBE, SHOW or SUMMARIZE"
            return SqlIssue("`sql` must return rows, not a description of a table", hint, *where.of(value))
    if kind == "VALUE_PARAMETER":
        hint = "write the value in the statement, or filter the rows with `input.where`, which can read `params`"
        return SqlIssue("`sql` cannot have parameters", hint, *where.of(value))
    if value.get("class") == "FUNCTION" and value["function_name"].lower() in _OUTSIDE:
        message = f"the function `{value['function_name']}` is not allowed: it does not depend on the tables alone"
        return SqlIssue(message, "add the value as a column of a table", *where.of(value))
    is_unknown = is_reference(value) and kind not in _REFERENCES
    if is_unknown or (str(kind).endswith("_NODE") and kind not in _NODES):
        what = str(kind).partition("_")[0]
        return SqlIssue(f"{what} is not allowed: `sql` only reads", "write one SELECT statement", *where.of(value))
    return None


def _no_table(node: SyntaxNode, where: Locations, tables: list[str]) -> SqlIssue | None:
    value = node.value
    name, outer = value["table_name"], [value.get(key) for key in ("catalog_name", "schema_name")]
    known = {each.lower() for each in tables} | node.defined
    is_recurring = outer == ["", "recurring"] and name.lower() in node.defined
    if name.lower() in known and (is_recurring or not any(outer)):
        return None
    full = ".".join([*filter(None, outer), name])
    near = nearest(name, known)
    hint = f"tables are {listing(tables)}: add it under `tables`"
    if near is not None:
        hint = f"did you mean `{near}`?"
    elif not any(outer) and ("." in name or "/" in name):
        hint = _FILE_HINT
    return SqlIssue(f"`{full}` is not under `tables`", Hint(hint, tables), *where.of(value))


def _no_table_function(value: dict[str, Any], where: Locations) -> SqlIssue | None:
    function = value["function"]
    name = function["function_name"].lower()
    if name in _TABLE_FUNCTIONS and not function.get("schema"):
        return None
    hint: str = Hint(f"in FROM, only these functions are allowed: {listing(_TABLE_FUNCTIONS)}", _TABLE_FUNCTIONS)
    hint = _FILE_HINT if name.startswith(_OF_FILES) or name.endswith("_scan") else hint
    return SqlIssue(f"the function `{name}` is not allowed: it reads more than the tables", hint, *where.of(value))
