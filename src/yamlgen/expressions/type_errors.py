"""Messages about operands of the wrong type: which operand is wrong, the expected type, and how to convert it.

Owns the words. `sample_evaluation` determines whether an operation works, `operator_checks` finds the operations.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, Final

from jinja2 import nodes
from jinja2.exceptions import SecurityError, TemplateError, UndefinedError

from yamlgen.errors import Code
from yamlgen.expressions.instrumentation import OPERATORS
from yamlgen.expressions.name_resolution import Finding, NameResolver
from yamlgen.expressions.narrowing import path_of
from yamlgen.expressions.sample_evaluation import Operand, Operation, blamed, failure, flat
from yamlgen.expressions.static_types import ANYTHING, TypeView
from yamlgen.expressions.type_inference import item_of, replaces_null
from yamlgen.schemas.type_words import PLURALS, spoken

_ASKED: Final[Mapping[str, frozenset[str]]] = {
    "string": frozenset({"string"}),
    "mapping": frozenset({"object"}),
    "number": frozenset({"integer", "number", "boolean"}),
    "integer": frozenset({"integer", "number"}),
    "float": frozenset({"number"}),
    "boolean": frozenset({"boolean"}),
    "true": frozenset({"boolean"}),
    "false": frozenset({"boolean"}),
    "sequence": frozenset({"array", "string", "object"}),
    "iterable": frozenset({"array", "string", "object"}),
}
"""Tests for a type, and the types that pass them."""

_LONGEST: Final = 200
"""Maximum length of a reason in a message: it may quote a value."""

_ORDERING: Final = tuple(OPERATORS[name] for name in ("lt", "lteq", "gt", "gteq"))
_ORDERING_TESTS: Final = frozenset({"lt", "lessthan", "le", "gt", "greaterthan", "ge"})
_NUMBER: Final = re.compile(r"\s*-?\d+(?:\.\d+)?\s*", re.ASCII)

_BY_ATTRIBUTE: Final = frozenset({"sort", "min", "max", "unique", "sum"})
"""Filters that accept an `attribute` of their items."""


class TypeMismatchReporter(NameResolver):
    """Resolves names, and reports values of the wrong type."""

    _question: ClassVar[str] = "... if {} else ..."
    """How the source tests a reference for null, as a format string."""

    def _is_otherwise(self, node: nodes.Node, view: TypeView) -> bool:
        """Whether the source tests a value for another type than the known one, so that a part of it never runs."""
        kinds = view.types()
        asked = (_ASKED[test] for test in self.uses.tested.get(path_of(node), ()) if test in _ASKED)
        return bool(kinds) and any(each.isdisjoint(kinds) for each in asked)

    def _try(
        self,
        name: str | None,
        operation: Operation,
        operands: Sequence[Operand],
        first: int = 0,
        whole: nodes.Node | None = None,
        also: str = "",
    ) -> bool:
        """Report an operation that fails for all values of its operands.

        Args:
            name: the name of a filter, a test or a function; `None` for an operator.
            operation: the operation.
            operands: the operands.
            first: the index of the first operand that can be wrong.
            whole: the node at the place of the operation, if it is not the first operand.
            also: an addition to the hint if a number is expected.

        Returns:
            Whether the operation may work.
        """
        error = failure(operation, operands)
        if error is None or (self._asking and isinstance(error, UndefinedError)):
            return True
        work, parts = flat(operation, operands, first)
        found = blamed(work, parts, first)
        if found is not None:
            at, kind = found
            written = ""
            if kind == "string" and (operation in _ORDERING or name in _ORDERING_TESTS):
                written = next(filter(None, (quoted_number(each) for each, _ in operands)), "")
            if not written:
                self._wrong_kind(*parts[at], kind, name, also)
            else:
                wrong, kinds = self._quoted(*parts[at]), parts[at][1].types()
                message = f"{wrong} is {spoken(kinds)}, but {json.dumps(written)} is a string"
                way = f"write {written.strip()} without quotes"
                self._complain(Code.WRONG_KIND, message, *self._extent(parts[at][0]), way)
            return False
        node, view = operands[0]
        start, end = self._extent(whole or node)
        described, hint = f"{self._quoted(node, view) if path_of(node) else 'this'} is {spoken(view.types())}", None
        items = item_of(view).types() if view.types() == {"array"} else frozenset()
        if isinstance(error, SecurityError):
            message, hint = f"`{name}` would change the data, which is read-only", "build a new value: `a + [b]`"
        elif len(items) == 1 and (len(operands) == 1 or items == {"string"}):
            message = f"{described} of {PLURALS[min(items)]}, which `{name or 'this operator'}` does not support"
            if items == {"object"} and name in _BY_ATTRIBUTE:
                hint = f'specify an attribute: `{name}(attribute="...")`'
            elif items == {"string"} and path_of(node):
                hint = f'convert them to numbers first: `{self._named(node, view)} | map("float")`'
        elif name is None:
            message = f"{described}, which this operator does not support"
        else:
            reason = (error.message if isinstance(error, TemplateError) else str(error)) or ""
            message = f"{described}, and `{name}` fails: {reason[:_LONGEST]}"
        self._complain(Code.WRONG_KIND, message, start, end, hint)
        return False

    def _prints_null(self, node: nodes.Node | None, view: TypeView, *, is_joined: bool = False, hint: str = "") -> None:
        """Warn about a column that becomes a part of a string, and is null in some of the rows that were read."""
        if not path_of(node):
            for part, way in _handed_on(node):
                self._prints_null(part, self._seen.get(part, ANYTHING), hint=way or hint)
            return
        name = getattr(view, "name", "")
        if node is None or not name.startswith("row.") or view.null is not None or self._is_asked(node, name):
            return
        named, item = self._named(node, view), item_of(view) if view.types() == {"array"} else ANYTHING
        if is_joined and "null" in item.types():
            message = f"`{named}` prints `None` for each null item"
            hint = f"remove nulls first: `{named} | reject('none') | join(...)`"
        elif "null" not in view.types():
            return
        elif is_joined:
            message = f"`{named}` cannot be joined when it is null"
            hint = f"write `{named} | default([], true) | join(...)`"
        else:
            message, question = f"`{named}` prints `None` for each null", self._question.format(named)
            hint = hint or f'replace null with `{named} | default("...", true)`, or test for null first: `{question}`'
        if not any(finding.message == message for finding in self.findings):
            self.findings.append(Finding(Code.MAY_BE_NULL, message, *self._extent(node), hint, is_warning=True))

    def _is_asked(self, node: nodes.Node, name: str) -> bool:
        """Whether the source tests a column for null: at this place, or anywhere if it has another name here."""
        path = path_of(node)
        if path[0] == "row":
            return self._is_solid(path)
        return any(
            self._spelled(asked).startswith("row.") and name.startswith(self._spelled(asked))
            for asked in self.uses.nulls
        )

    def _wrong_kind(self, node: nodes.Node, view: TypeView, wanted: str, name: str | None, also: str) -> None:
        """Report a value whose type an operation does not support."""
        if isinstance(node, nodes.Filter) and node.name in ("default", "d"):
            node = node.node or node  # the value that it replaces already has the wrong type
        start, end = self._extent(node)
        quoted = self._quoted(node, view) if path_of(node) else "this"
        takes = f"not {spoken([wanted])}" if name is None else f"but `{name}` expects {spoken([wanted])}"
        message = f"{quoted} is {spoken(view.types())}, {takes}"
        hint = self._way(node, view, wanted)
        if hint and also and path_of(node):
            hint += {"number": also, "string": "; `~` joins values of any type"}.get(wanted, "")
        self._complain(Code.WRONG_KIND, message, start, end, hint)

    def _way(self, node: nodes.Node, view: TypeView, wanted: str) -> str | None:
        """Return the hint that converts a value to another type."""
        kinds, written = view.types(), quoted_number(node)
        if written is not None and wanted in ("number", "integer"):
            return f"write {written.strip()} without quotes"
        if not path_of(node):
            return None
        named = self._named(node, view)
        if wanted == "string" and "array" in kinds:
            return f'convert it with `{named} | join(", ")`'
        if wanted == "string":
            return f"convert it with `({named} | string)`"
        if kinds == {"string"}:
            return {
                "number": f"convert it with `({named} | int)`, or `| float` if it has decimals",
                "integer": f"convert it with `({named} | int)`",
                "array": f'split a string that contains several values: `{named}.split(";")`',
            }.get(wanted)
        return None


def quoted_number(node: nodes.Node) -> str | None:
    """Return the string literal that a node is, if it is a number in quotes."""
    written = node.value if isinstance(node, nodes.Const) else None
    return written if isinstance(written, str) and _NUMBER.fullmatch(written) else None


def _handed_on(node: nodes.Node | None) -> Iterator[tuple[nodes.Node, str]]:
    """Yield the parts of an expression that may become its value or an item of it, each with the hint about null."""
    match node:
        case nodes.List() | nodes.Tuple():
            yield from ((item, "") for item in node.items)
        case nodes.Or():
            yield node.right, ""
        case nodes.CondExpr():
            yield from ((part, "") for part in (node.expr1, node.expr2) if part is not None)
        case nodes.Filter(name="default" | "d", node=nodes.Node() as given) if not replaces_null(node):
            said = "..." if not node.args or not isinstance(node.args[0], nodes.Const) else repr(node.args[0].value)
            yield given, f"write `default({said}, true)`, which also replaces null"
