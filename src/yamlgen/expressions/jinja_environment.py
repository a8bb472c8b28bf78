"""Render templates with Jinja2 in an immutable sandbox, and parse them for static analysis.

Owns what a template may do (no include, no import, no name that begins with `_`, nothing random), the messages about
missing values, and syntax trees with offsets. A plan contains the source of a template; compiled templates are cached
here.

The messages of the errors here may be sent to the model, if a `check` fails with one: their words are part of requests.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, ItemsView, Iterator, KeysView, Mapping, ValuesView
from functools import cached_property, lru_cache
from traceback import walk_tb
from typing import Any, Final, cast

from jinja2 import StrictUndefined, Template, Undefined, nodes
from jinja2.exceptions import TemplateError, TemplateSyntaxError
from jinja2.lexer import Lexer
from jinja2.runtime import Context
from jinja2.sandbox import (
    ImmutableSandboxedEnvironment,
    SandboxedEnvironment,
    SandboxedEscapeFormatter,
    SandboxedFormatter,
)
from markupsafe import Markup

from yamlgen.errors import LACKING, Code, RowError
from yamlgen.expressions.instrumentation import COUNTERS, InstrumentingTransformer, counted, counted_test
from yamlgen.expressions.operation_costs import calculated, called, joined, widths
from yamlgen.expressions.render_limits import STEP, RenderBudget, make, spend, weight
from yamlgen.value_objects import JSON

MAPPING_METHODS = frozenset({"items", "keys", "values", "get"})
MOST_TEXT: Final = 1 << 22
"""Maximum number of characters that a template renders."""

_MOST_POWER = 64
_MOST_INDENT = 16
_MOST_REPEATED = 1 << 20
_LONGEST = 80
_CLOSED = re.compile(r"[-+]?(?:\}\}|%\})")
_POSITION = re.compile(r" at (\d+)$")


class _Missing(StrictUndefined):
    """A missing value, with an error message for authors."""

    __slots__ = ()

    @property
    def _undefined_message(self) -> str:
        if self._undefined_hint:
            return self._undefined_hint
        what = "value" if self._undefined_obj is None else _kind(self._undefined_obj)
        return f"there is no `{self._undefined_name}` in the {what}"


def _kind(value: object) -> str:
    return {"dict": "mapping", "list": "list", "str": "text"}.get(type(value).__name__, "value")


def _to_json(value: JSON, indent: int | None = None) -> str:
    """Return a value as JSON, not escaped for HTML, with the keys in their order."""
    if isinstance(value, Undefined):
        return str(value)  # raises, and names the missing value
    if isinstance(indent, int) and indent > _MOST_INDENT:
        raise OverflowError(f"an indent of {indent}")
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _times(sequence: Any, count: Any) -> int:
    return len(sequence) * count if isinstance(sequence, str | list | tuple) and isinstance(count, int) else 0


def _finalize(value: object) -> object:
    if callable(value) and not isinstance(value, Undefined):
        name = getattr(value, "__name__", "it")
        raise TypeError(f"`{name}` is a method, not a value; a column of that name is missing here")
    spend(weight(value))
    if isinstance(value, list | tuple):
        _check_items(value)
    return value


def _check_items(value: list[Any] | tuple[Any, ...]) -> None:
    """Raise for a missing value in a list, which would print as `Undefined`."""
    waiting: list[Any] = [value]
    while waiting:
        for item in waiting.pop():
            if isinstance(item, Undefined):
                str(item)  # raises, and names the missing value
            elif isinstance(item, list | tuple):
                waiting.append(item)


class _Formatter(SandboxedFormatter):
    """`str.format`, with each field counted before it is formatted."""

    def format_field(self, value: Any, format_spec: str) -> str:
        make(widths(format_spec))
        spend(4 * STEP + weight(value))
        text: str = super().format_field(value, format_spec)
        return text

    def convert_field(self, value: Any, conversion: Any) -> Any:
        spend(weight(value))
        return super().convert_field(value, conversion)


class _EscapeFormatter(_Formatter, SandboxedEscapeFormatter):
    """`str.format` for a string that is marked as HTML."""


class Sandbox(ImmutableSandboxedEnvironment):
    """The environment of templates: keys take precedence over methods, results are deterministic, work is limited."""

    intercepted_binops = frozenset(SandboxedEnvironment.default_binop_table)
    intercepted_unops = frozenset(SandboxedEnvironment.default_unop_table)

    def __init__(self) -> None:
        super().__init__(undefined=_Missing, trim_blocks=True, lstrip_blocks=True, finalize=_finalize)
        self.filters["tojson"] = _to_json
        for name in ("random", "pprint", "xmlattr", "urlize"):
            del self.filters[name]
        self.filters = {name: counted(name, function) for name, function in self.filters.items()}
        self.filters.update(COUNTERS)
        self.tests = {name: counted_test(name, cast("Any", function)) for name, function in self.tests.items()}
        del self.globals["lipsum"]

    def _generate(self, source: nodes.Template, *args: Any, **kwargs: Any) -> str:
        rewritten = InstrumentingTransformer().visit(source)
        rewritten.set_environment(self)
        return super()._generate(rewritten, *args, **kwargs)

    def call(self, context: Context, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Call a function within the limits; the views of a mapping become lists."""
        spend(called(function, args, kwargs))
        if args and getattr(function, "__name__", "") == "join" and isinstance(function.__self__, str | bytes):
            parts, cost = joined(function.__self__, args[0])
            spend(cost)
            args = (parts, *args[1:])
        made = super().call(context, function, *args, **kwargs)
        return list(made) if isinstance(made, KeysView | ValuesView | ItemsView) else made

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        """Return `text.format` or `text.format_map` with each field counted."""
        if super().wrap_str_format(value) is None:
            return None
        text, is_map = value.__self__, value.__name__ == "format_map"
        is_html = isinstance(text, Markup)
        formatter = _EscapeFormatter(self, escape=text.escape) if is_html else _Formatter(self)

        def format_(*args: Any, **kwargs: Any) -> str:
            spend(STEP + len(text))
            made = formatter.vformat(text, () if is_map else args, args[0] if is_map else kwargs)
            return type(text)(made)  # type: ignore[no-any-return]  # a str, or its kind

        return format_

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Compute a binary operator within the limits of the result's size."""
        if operator == "**" and abs(right) > _MOST_POWER:
            raise OverflowError(f"an exponent of {right}")
        if operator == "*" and max(_times(left, right), _times(right, left)) > _MOST_REPEATED:
            raise OverflowError("a text or a list repeated too often")
        spend(calculated(operator, left, right))
        return super().call_binop(context, operator, left, right)

    def call_unop(self, context: Context, operator: str, arg: Any) -> Any:
        """Compute `-number`."""
        spend(calculated("-", arg, 0))
        return super().call_unop(context, operator, arg)

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Return `obj.attribute`: for a mapping, the value under a key, else one of its four methods."""
        if isinstance(obj, Mapping):
            if attribute in obj:
                return obj[attribute]
            if attribute not in MAPPING_METHODS:
                return self.undefined(obj=obj, name=attribute)
        return super().getattr(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """Return `obj[argument]`: for a mapping, only its keys."""
        if isinstance(obj, Mapping):
            if isinstance(argument, tuple):
                spend(weight(argument))
            try:
                return obj[argument]
            except (KeyError, TypeError):
                return self.undefined(obj=obj, name=argument)
        return super().getitem(obj, argument)


class _PlacesLexer(Lexer):
    """A lexer whose line numbers are offsets in the source, so that each syntax node has its place."""

    def tokeniter(
        self, source: str, name: str | None, filename: str | None = None, state: str | None = None
    ) -> Iterator[tuple[int, str, str]]:
        position = 0
        tokens = super().tokeniter(source, name, filename, state)
        while True:
            try:
                _, token, value = next(tokens)
            except StopIteration:
                return
            except TemplateSyntaxError as error:
                at = _POSITION.search(error.message or "")
                message = (error.message or "")[: at.start()] if at else error.message
                raise TemplateSyntaxError(message or "syntax error", int(at[1]) if at else position) from None
            # Jinja strips only white space, so each token is found in the source at or after the previous one.
            at_offset = source.find(value, position)
            position = (at_offset if at_offset >= 0 else position) + len(value)
            yield max(at_offset, 0), token, value


class _Reader(Sandbox):
    @cached_property
    def lexer(self) -> Lexer:
        return _PlacesLexer(self)


@lru_cache(maxsize=1)
def sandbox() -> Sandbox:
    """Return the environment that renders."""
    return Sandbox()


def filters() -> list[str]:
    """Return the filters that templates may use."""
    return [name for name in sandbox().filters if name not in COUNTERS]


@lru_cache(maxsize=1)
def reader() -> Sandbox:
    """Return the environment that parses: the places in its syntax trees are offsets in the source."""
    return _Reader()


@lru_cache(maxsize=4096)
def _compiled(source: str) -> Template:
    with RenderBudget():  # a separate budget: Jinja evaluates constants here
        return reader().from_string(source)  # its places locate the expression that failed


@lru_cache(maxsize=4096)
def _constant(source: str) -> str | None:
    """Return what a template without expressions and statements renders to for every row; `None` for others."""
    return None if "{" in source else _first(_compiled(source).generate())


def render(source: str, scope: Mapping[str, Any]) -> str:
    """Render a template for one row.

    Raises:
        RowError: a value is missing, or an expression cannot be computed for this row.
    """
    try:
        text = _constant(source)
        if text is None:
            with RenderBudget():
                text = _first(_compiled(source).generate(scope))
    except Exception as error:  # noqa: BLE001 - an expression may fail in any way that its values allow
        raise _failed(source, error) from None
    if len(text) > MOST_TEXT:
        raise RowError(f"the template renders to more than {MOST_TEXT:,} characters", code=Code.ROW_TEMPLATE)
    return text


def _failed(source: str, error: Exception) -> RowError:
    """Return the error of a template, with the expression that failed."""
    frames = [line for frame, line in walk_tb(error.__traceback__) if frame.f_code.co_filename == "<template>"]
    at = min(frames[-1] if frames else 0, len(source))
    start, end = piece(source, at)
    inner = " ".join(source[start:end].split())
    what = f"`{inner[:_LONGEST]}{'...' if len(inner) > _LONGEST else ''}`" if start else "the template"
    told = error.message if isinstance(error, TemplateError) else f"{type(error).__name__}: {error}"
    message = f"{what} cannot be filled in: {told}"
    return RowError(message, code=Code.ROW_TEMPLATE, hint=lacking(message), source=(source, at))


def lacking(message: str) -> str | None:
    """Return the fix of an error in a template or an expression, if it is about a missing value."""
    return LACKING if message.endswith(" in the mapping") else None


def piece(source: str, at: int) -> tuple[int, int]:
    """Return the range of the expression or statement around an offset; the whole source if there is none."""
    begun = max(source.rfind("{{", 0, at + 1), source.rfind("{%", 0, at + 1))
    closed = _CLOSED.search(source, at + 1)
    inner = source[begun + 2 : closed.start() if closed else len(source)] if begun >= 0 else ""
    start = begun + 2 + len(inner) - len(inner.lstrip("-+ \n"))
    return (start, start + len(inner.strip("-+ \n"))) if inner else (0, len(source))


def _first(parts: Iterator[str]) -> str:
    """Return the rendered text, cut off soon after it exceeds the maximum."""
    made, size = [], 0
    for part in parts:
        made.append(part)
        size += len(part)
        if size > MOST_TEXT:
            break
    return "".join(made)


@lru_cache(maxsize=4096)
def parse(source: str) -> nodes.Template:
    """Return the syntax tree of a template for analysis; each node's `lineno` is its offset in `source`.

    Raises:
        TemplateSyntaxError: the template is invalid; `lineno` is the offset of the error.
    """
    return reader().parse(source)
