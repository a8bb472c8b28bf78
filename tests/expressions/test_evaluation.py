"""Expressions: what they give for a row, what no JSON value can come of, and how their mistakes are placed."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jinja2.exceptions import TemplateSyntaxError

from yamlgen.errors import Code, RowError
from yamlgen.expressions.evaluation import evaluate, parse_expression, shown
from yamlgen.expressions.static_types import ANYTHING
from yamlgen.expressions.template_checks import analyse_expression

SCOPE = {
    "row": {
        "name": "Oslo",
        "n": 3,
        "broken": "nan",
        "items": "a column",
        "tags": ["a", "b"],
        "people": [{"name": "Ada", "age": 36}],
    },
    "steps": {"none": None, "deep": {"x": {"y": [1, 2.5]}}},
    "params": {"least": 2},
}


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("row.name", "Oslo"),
        ("row['name']", "Oslo"),
        ("row.items", "a column"),
        ("row", SCOPE["row"]),
        ("steps.none", None),
        ("none", None),
        ("true", True),
        ("row.n + 1", 4),
        ("row.n / 2", 1.5),
        ("row.n > params.least and row.name", "Oslo"),
        ("row.n < params.least or []", []),
        ("not row.tags", False),
        ("row.name if row.n == 3 else 1", "Oslo"),
        ("row.name ~ row.n", "Oslo3"),
        ("row.name | upper", "OSLO"),
        ("row.name | escape", "Oslo"),
        ("row.nothing | default('x')", "x"),
        ("row.nothing is defined", False),
        ("steps.none | default('x')", None),
        ("steps.none | default('x', true)", "x"),
        ("{'a': row.n, 'b': [row.name]}", {"a": 3, "b": ["Oslo"]}),
        ("row.name\n  ~ row.n\n", "Oslo3"),
        ("  row.n  ", 3),
    ],
)
def test_the_value_of_an_expression(source, value):
    """It is what Jinja makes of it, as a JSON value."""
    made = evaluate(source, SCOPE)
    assert made == value
    assert type(made) is type(value)


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("row.tags | map('upper')", ["A", "B"]),
        ("row.tags | select('eq', 'a')", ["a"]),
        ("row.people | map(attribute='name')", ["Ada"]),
        ("row.people | selectattr('age', 'gt', 40)", []),
        ("row.tags | reverse", ["b", "a"]),
        ("row.tags | unique", ["a", "b"]),
        ("row.tags | batch(1)", [["a"], ["b"]]),
        ("row.tags | groupby(0)", [["a", ["a"]], ["b", ["b"]]]),
        ("range(3)", [0, 1, 2]),
        ("(1, 'a')", [1, "a"]),
        ("steps.deep.keys()", ["x"]),
        ("steps.deep.items()", [["x", {"y": [1, 2.5]}]]),
        ("steps.deep | items", [["x", {"y": [1, 2.5]}]]),
        ("{'tags': row.tags | map('upper')}", {"tags": ["A", "B"]}),
        ("[row.tags | map('upper'), range(1)]", [["A", "B"], [0]]),
    ],
)
def test_what_is_lazy_becomes_a_list(source, value):
    """Nothing that can be read once only is passed on, wherever it stands."""
    assert evaluate(source, SCOPE) == value
    assert evaluate(source, SCOPE) == value


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("1e308 * 10", "gives inf, which is no JSON value"),
        ("row.broken | float", "gives nan, which is no JSON value"),
        ("[1, {'a': -1e308 * 10}]", "gives -inf, which is no JSON value"),
        ("[9 ** 64 ** 8]", "gives an integer of more than 400 digits, which is no JSON value"),
        ("{1: 2}", "gives a mapping with the key 1, which is no text, which is no JSON value"),
        ("row.name.upper", "gives a value of the type `builtin_function_or_method`, which is no JSON value"),
        ("row.name.encode()", "gives a value of the type `bytes`, which is no JSON value"),
        ("range", "gives a value of the type `function`, which is no JSON value"),
        ("'\\ud800'", "gives a text with half of a surrogate pair, which is no JSON value"),
        ("{'\\ud800': 1}", "gives a text with half of a surrogate pair, which is no JSON value"),
    ],
)
def test_what_json_cannot_hold_sets_the_row_aside(source, what):
    """The expression and what it gives are told."""
    with pytest.raises(RowError) as caught:
        evaluate(source, SCOPE)
    assert caught.value.code == Code.ROW_TEMPLATE
    assert str(caught.value).endswith(what)
    assert str(caught.value).startswith(f"`{shown(source)}`")


def test_a_value_that_is_nested_too_deeply_is_refused():
    """64 levels are as deep as a document may be."""
    value = 1
    for _ in range(64):
        value = [value]
    assert evaluate("row.deep", {"row": {"deep": value}}) == value
    with pytest.raises(RowError, match="nested too deeply"):
        evaluate("row.deep", {"row": {"deep": [value]}})


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("row.nothing", "there is no `nothing` in the mapping"),
        ("row.nothing.more", "there is no `nothing` in the mapping"),
        ("[row.nothing]", "there is no `nothing` in the mapping"),
        ("{'a': {'b': row.nothing}}", "there is no `nothing` in the mapping"),
        ("row.tags[2]", "there is no `2` in the list"),
        ("row.tags | map(attribute='x')", "there is no `x` in the text"),
        ("row.nothing + 1", "there is no `nothing` in the mapping"),
    ],
)
def test_a_missing_value_is_named(source, what):
    """A value that is not there sets the row aside, wherever it stands, and is told by its name."""
    with pytest.raises(RowError) as caught:
        evaluate(source, SCOPE)
    assert caught.value.message == f"`{source}` cannot be computed: {what}"
    assert ("default(...)" in (caught.value.hint or "")) == what.endswith("mapping")


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("row.name > 3", "TypeError: "),
        ("row.name + 3", "TypeError: "),
        ("steps.none | length", "TypeError: "),
        ("row.name | nofilter", "No filter named 'nofilter'"),
        ("row.name +", ""),
    ],
)
def test_what_cannot_be_computed_sets_the_row_aside(source, what):
    """Whatever goes wrong inside is the row's failure, never the program's."""
    with pytest.raises(RowError) as caught:
        evaluate(source, SCOPE)
    assert caught.value.code == Code.ROW_TEMPLATE
    assert str(caught.value).startswith(f"`{shown(source)}` cannot be computed: {what}")


@pytest.mark.parametrize(
    "source",
    [
        "range(100000000) | list",
        "'x' * 100000000",
        "[0] * 100000000",
        "2 ** 10000000",
        "'%1000000000d' % 1",
        "'x'.ljust(1000000000)",
        "row.name.replace('', 'x' * 1000000).replace('', 'x' * 1000000)",
    ],
)
def test_an_expression_has_the_budget_of_a_template(source):
    """What would make too much is refused before it is made."""
    with pytest.raises(RowError):
        evaluate(source, SCOPE)


def test_a_long_expression_is_quoted_on_one_line():
    """Messages quote it without its line breaks, and cut it."""
    assert shown("a\n  +  b") == "a + b"
    assert shown("x" * 100) == "x" * 80 + "..."


@pytest.mark.parametrize(
    ("source", "at"),
    [
        ("row.a row.b", 6),
        ("row.a +", 6),
        ("row.a = 1", 6),
        ("a ? 1", 2),
        ("a\n b", 3),
        ("é b", 2),
        ("é 🏃", 2),
        ("'x' 'y' z", 8),
    ],
)
def test_a_syntax_error_has_its_offset(source, at):
    """An error that Jinja tells by lines is told by offsets."""
    with pytest.raises(TemplateSyntaxError) as caught:
        parse_expression(source)
    assert caught.value.lineno == at


@pytest.mark.parametrize(
    ("source", "marked", "message"),
    [
        ("{{ row.a }}", "{{", "an expression cannot contain `{{`"),
        ("row.a ~ {% if x %}", "{%", "an expression cannot contain `{%`"),
        ("row.a +", "+", "the expression is incomplete"),
        ("row.a +  \n ", "+", "the expression is incomplete"),
        ("row.a = 1", "=", "the expression ends before `=`"),
        ("row.a row.b | upper", "row.b", "the expression ends before `row.b`"),
        ("row.a == 'x", "'", "this quote is never closed"),
    ],
)
def test_a_mistake_is_marked_where_it_stands(source, marked, message):
    """The fact, and the part of the source that it is about."""
    [finding] = analyse_expression(source, {"row": ANYTHING}).findings
    assert finding.code is Code.TEMPLATE_SYNTAX
    assert finding.message == message
    assert source[finding.start : finding.end] == marked


def test_an_expression_nested_too_deeply_is_a_finding():
    """Brackets without end are told, and crash nothing."""
    for source in ("(" * 5000 + "1" + ")" * 5000, "[" * 5000 + "]" * 5000, "not " * 20000 + "1", "1" * 10000):
        [finding] = analyse_expression(source, {}).findings
        assert finding.code is Code.TEMPLATE_SYNTAX


WORDS = """
    row . steps params a b name x 1 2.5 1e5 0x1f ' " \\ ( ) [ ] { } , : | ~ + - * ** / // % = == != < >= is in not and
    or if else none true defined upper default map attribute {{ }} {% %} {# #} é 🏃 _ __class__ ; ! ? & for import row.a
    steps.s 'x' item output range loop self
""".split()  # noqa: SIM905 - one below the other would fill a page
pieces = st.lists(st.sampled_from([*WORDS, " ", "\n", "\t", "\r", "\x00", "\x85", "\u2028"]), max_size=12)


@given(pieces.flatmap(lambda each: st.sampled_from([" ", ""]).map(lambda by: by.join(each))) | st.text(max_size=20))
@example("")
@example("\n")
@example("'")
@example("1 if")
@example("x" * 3 + "\r\n|")
@example("a[1:")
@example("{'a'")
@example("1_000.é")
def test_any_text_is_read(source):
    """Whatever an author writes gives findings or none; each stands inside of the text, and a clean one can be run."""
    reading = analyse_expression(source, {"row": ANYTHING, "steps": ANYTHING, "params": ANYTHING})
    for finding in reading.findings:
        assert 0 <= finding.start < finding.end
        assert finding.start <= len(source)
        assert finding.message
    if not reading.findings:
        parse_expression(source)
        try:
            json.dumps(evaluate(source, SCOPE), allow_nan=False)
        except RowError as error:
            assert error.code == Code.ROW_TEMPLATE  # noqa: PT017 - most texts fail, in this way only
