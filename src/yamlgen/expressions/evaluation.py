"""Evaluate expressions, which are written without braces under `when`, `for_each`, `check`, `values` and `args`.

Owns the evaluation of a Jinja expression for a row, in the sandbox and with the budget of templates. The result is
always a JSON value: Jinja's lazy sequences become lists, and any value that JSON cannot represent fails the row.

The messages of the errors here may be sent to the model, if a `check` fails with one: their words are part of requests.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

from jinja2 import Undefined, nodes
from jinja2.environment import TemplateExpression
from jinja2.exceptions import TemplateError, TemplateSyntaxError
from jinja2.parser import Parser

from yamlgen.errors import Code, RowError
from yamlgen.expressions.jinja_environment import lacking, reader, sandbox
from yamlgen.expressions.render_limits import STEP, RenderBudget, spend
from yamlgen.value_objects import JSON, MOST_BITS, Row

_DEEPEST: Final = 64
_EACH: Final = 32
"""The cost of a value in the budget, in characters."""

_LONGEST: Final = 80


class _NotJson(ValueError):  # noqa: N818 - describes a value
    """A value that JSON cannot represent."""


@lru_cache(maxsize=4096)
def _compiled(source: str) -> TemplateExpression:
    with warnings.catch_warnings(), RenderBudget():  # a separate budget: Jinja evaluates constants here
        warnings.simplefilter("ignore", SyntaxWarning)  # Python's, about constants in the expression
        made = sandbox().compile_expression(source, undefined_to_none=False)
    template = getattr(made, "_template", None)  # each evaluation copies its globals: slow if they are a chain of dicts
    if template is not None:
        template.globals = dict(template.globals)
    return made


def evaluate(source: str, scope: Mapping[str, Any], *, is_written: bool = False) -> JSON:
    """Return the value of an expression for one row.

    Args:
        source: the expression.
        scope: the names that it can read.
        is_written: whether the value is only written to an output, which may contain half of a surrogate pair.

    Raises:
        RowError: a value is missing, the expression cannot be computed, or its value is not a JSON value.
    """
    try:
        with RenderBudget():
            return _as_json(_compiled(source)(scope), 0, is_written=is_written)
    except Exception as error:  # noqa: BLE001 - an expression may fail in any way that its values allow
        raise _failed(source, error) from None


def row_evaluator(source: str, params: Mapping[str, JSON]) -> Callable[[Row], JSON]:
    """Return a function that evaluates an expression of `row` and `params` for one row after another.

    It returns and raises the same as `evaluate`, in less than half of the time: the names are looked up in one scope.
    """
    try:
        template = getattr(_compiled(source), "_template", None)
    except Exception:  # noqa: BLE001 - `evaluate` raises it as the error of a row
        template = None
    if template is None:
        return lambda row: evaluate(source, {"row": row, "params": params})
    context = template.new_context({"params": params})
    scope, run = context.parent, template.root_render_func

    def evaluated(row: Row) -> JSON:
        scope["row"] = row
        try:
            with RenderBudget():
                for _ in run(context):
                    pass
                value = context.vars["result"]
                return value if value is True or value is False else _as_json(value, 0, is_written=False)
        except Exception as error:  # noqa: BLE001 - as in `evaluate`
            raise _failed(source, error) from None

    return evaluated


def _failed(source: str, error: Exception) -> RowError:
    message = f"`{shown(source)}` cannot be computed: {type(error).__name__}: {error}"
    if isinstance(error, TemplateError):
        message = f"`{shown(source)}` cannot be computed: {error.message}"
    elif isinstance(error, _NotJson):
        message = f"`{shown(source)}` gives {error}, which is no JSON value"
    return RowError(message, code=Code.ROW_TEMPLATE, hint=lacking(message), source=(source, 0))


def shown(source: str) -> str:
    """Return an expression as messages quote it: on one line, and shortened."""
    text = " ".join(source.split())
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


@lru_cache(maxsize=4096)
def parse_expression(source: str) -> nodes.Expr:
    """Return the syntax tree of an expression for analysis; each node's `lineno` is its offset in `source`.

    Raises:
        TemplateSyntaxError: the expression is invalid; `lineno` is the offset of the error.
    """
    parser = Parser(reader(), source, state="variable")
    parsed = parser.parse_expression()
    if not parser.stream.eos:
        raise TemplateSyntaxError("an expression ends here", parser.stream.current.lineno)
    return parsed


def _as_json(value: Any, depth: int, *, is_written: bool) -> JSON:
    kind = type(value)
    if kind is str and depth <= _DEEPEST:  # most values are
        spend(len(value) + _EACH)
        return value if is_written or value.isascii() else _whole_text(value)
    spend(_EACH)
    if kind is list and depth <= _DEEPEST:
        spend(STEP)
        return [_as_json(item, depth + 1, is_written=is_written) for item in value]
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Undefined):
        value._fail_with_undefined_error()  # noqa: SLF001 - raises for every kind of undefined value, and names it
    if depth > _DEEPEST:
        raise _NotJson("a value that is nested too deeply")
    if isinstance(value, str):
        spend(len(value))
        return str(value) if is_written else _whole_text(str(value))
    if isinstance(value, int):
        if value.bit_length() > MOST_BITS:
            raise _NotJson("an integer of more than 400 digits")
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise _NotJson(f"{value}")
        return float(value)
    if kind is dict or isinstance(value, Mapping):
        made: dict[str, JSON] = {}
        for key, member in value.items():
            name = key if type(key) is str else _key(key)
            spend(len(name))
            made[name if is_written or name.isascii() else _whole_text(name)] = _as_json(
                member, depth + 1, is_written=is_written
            )
        return made
    if isinstance(value, list | tuple | range | Iterator):
        spend(STEP)
        return [_as_json(item, depth + 1, is_written=is_written) for item in value]
    raise _NotJson(f"a value of the type `{type(value).__name__}`")


def _key(key: Any) -> str:
    if not isinstance(key, str):
        raise _NotJson(f"a mapping with the key {key!r}, which is no text")
    return str(key)


def _whole_text(text: str) -> str:
    """Return a text that is sent or stored: UTF-8 must be able to encode it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _NotJson("a text with half of a surrogate pair") from None
    return text
