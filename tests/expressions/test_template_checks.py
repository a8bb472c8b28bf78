"""What a template refers to, read without running it."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from yamlgen.errors import Code, RowError
from yamlgen.expressions.jinja_environment import render
from yamlgen.expressions.static_types import ANYTHING, NamespaceView, SchemaView
from yamlgen.expressions.template_checks import analyse_template
from yamlgen.schemas.types import Type

ROW = {"a": "one", "b": "two", "First name": "Ada"}


def scope(*, columns=tuple(ROW)):
    """What is in scope: a row of these columns, a parameter, two steps."""
    schema = {"type": "object", "properties": {"x": {"type": "string"}}, "additionalProperties": False}
    return {
        "row": NamespaceView(Code.UNKNOWN_COLUMN, "column", dict.fromkeys(columns, ANYTHING)),
        "params": NamespaceView(Code.UNKNOWN_PARAM, "parameter", {"p": ANYTHING}),
        "steps": NamespaceView(
            Code.UNKNOWN_STEP, "step", {"draft": SchemaView.of(Type(schema), "steps.draft"), "judge": ANYTHING}
        ),
    }


def uses(source):
    """What a template that reads clean uses."""
    found = analyse_template(source, scope())
    assert [finding for finding in found.findings if not finding.is_warning] == []
    return found.uses


@pytest.mark.parametrize(
    ("source", "columns"),
    [
        ("no reference", set()),
        ("{{ row.a }} {{ row['b'] }}", {"a", "b"}),
        ('{{ row["First name"] }}', {"First name"}),
        ("{{ row.a.b.c }}", {"a"}),
        ("{% if row.a %}{% elif row.b %}{% endif %}", {"a", "b"}),
        ("{% for x in row.a %}{{ x }}{% else %}{{ row.b }}{% endfor %}", {"a", "b"}),
        ("{% set x = row.a %}{{ x }}", {"a"}),
        ("{{ 'x' ~ row.a ~ (row.b | upper) }}", {"a", "b"}),
        ("{{ params.p }} {# row.a #} {% raw %}{{ row.a }}{% endraw %}", set()),
        ("{{ row.c | default('') }}", {"c"}),
        ("{{ row }}", None),
        ("{{ row | tojson }}", None),
        ("{{ row.items() }}", None),
        ("{{ row.get('a') }}", None),
        ("{% for k in row %}{% endfor %}", None),
        ("{{ row[params.p] }}", None),
        ("{% set r = row %}{{ r.a }}", None),
        ("{% with r = row %}{{ r.a }}{% endwith %}", None),
        ("{% macro m(r) %}{{ r.a }}{% endmacro %}{{ m(row) }}", None),
        ("{{ 'a' in row }}", None),
        ("{{ [row][0].a }}", None),
        ("{{ (row if params.p else row).a }}", None),
    ],
)
def test_the_columns_that_are_used(source, columns):
    """Each column by name; `None` where the row is needed as a whole."""
    assert uses(source).columns == columns


@pytest.mark.parametrize(
    ("source", "steps"),
    [
        ("{{ steps.draft.x }}", {"draft"}),
        ("{{ steps['judge'] }}", {"judge"}),
        ("{% for x in steps.judge %}{{ x }}{% endfor %}{{ steps.draft }}", {"draft", "judge"}),
        ("{% set s = steps.judge %}{{ s.anything }}", {"judge"}),
        ("{{ steps.judge.items() }}", {"judge"}),
        ("{{ steps.judge if steps.judge is defined }}", {"judge"}),
        ("{% macro m() %}{{ steps.judge }}{% endmacro %}", {"judge"}),
        ("{% filter upper %}{{ steps.judge }}{% endfilter %}", {"judge"}),
        (
            "{% macro m() %}{{ caller(steps.judge) }}{% endmacro %}{% call(x) m() %}{{ steps.draft }}{% endcall %}",
            {"draft", "judge"},
        ),
        ("{{ row['a' ~ steps.judge] }}", {"judge"}),
        ("{{ 1 if true else steps.judge }}", {"judge"}),
        ("{{ {'k': [steps.judge]}['k'][0:1] }}", {"judge"}),
        ("{{ row.a | replace(steps.judge, 'x') }}", {"judge"}),
        ("{{ range(steps.judge) }}", {"judge"}),
        ("{{ dict(a=steps.judge) }}", {"judge"}),
    ],
)
def test_the_steps_that_are_needed(source, steps):
    """Wherever in an expression a step stands, it is needed."""
    assert uses(source).steps == steps


@pytest.mark.parametrize(
    ("source", "code", "shown"),
    [
        ("x {{ row.c }} y", Code.UNKNOWN_COLUMN, "row.c"),
        ("{{ row . c }}", Code.UNKNOWN_COLUMN, "row . c"),
        ("{{ row[ 'c' ] }}", Code.UNKNOWN_COLUMN, "row[ 'c' ]"),
        ("{{ row.a }} {{ row.a.b }} {{ row.aa }}", Code.UNKNOWN_COLUMN, "row.aa"),
        ("é🏃 {{ 'row.c' }} {{ row.c }}", Code.UNKNOWN_COLUMN, "row.c"),
        ("{# row.c #}{{\n  row\n  .c }}", Code.UNKNOWN_COLUMN, "row\n  .c"),
        ("{% raw %}{{ row.c }}{% endraw %}{{ row.c }}", Code.UNKNOWN_COLUMN, "row.c"),
        ("{{ params.q }}", Code.UNKNOWN_PARAM, "params.q"),
        ("{{ steps.draf }}", Code.UNKNOWN_STEP, "steps.draf"),
        ("{{ steps.draft.y }}", Code.UNKNOWN_FIELD, "steps.draft.y"),
        ("{{ steps.draft['y'] }}", Code.UNKNOWN_FIELD, "steps.draft['y']"),
        ("{{ steps }}", Code.UNKNOWN_STEP, "steps"),
        ("{{ steps[row.a] }}", Code.UNKNOWN_STEP, "steps"),
        ("{% for s in steps %}{% endfor %}", Code.UNKNOWN_STEP, "steps"),
        ("{{ a }}", Code.UNKNOWN_NAME, "a"),
        ("{{ 'a' ~ a }}", Code.UNKNOWN_NAME, "a"),
        ("{% for x in row.a %}{% endfor %}{{ x }}", Code.UNKNOWN_NAME, "x"),
        ("{% if true %}{% set x = y %}{% endif %}", Code.UNKNOWN_NAME, "y"),
        ("{{ row.a | nofilter }}", Code.UNKNOWN_FILTER, "nofilter"),
        ("{{ row.a is notest }}", Code.UNKNOWN_FILTER, "notest"),
        ("{{ row._a }}", Code.FORBIDDEN, "row._a"),
        ("{{ _a }}", Code.FORBIDDEN, "_a"),
        ("{% set steps = 1 %}", Code.FORBIDDEN, "steps"),
        ("{% for row in row.a %}{% endfor %}", Code.FORBIDDEN, "row"),
        ("{% include 'x' %}", Code.FORBIDDEN, "include"),
        ("{% block b %}{% endblock %}", Code.FORBIDDEN, "block"),
        ("{{ row.a", Code.TEMPLATE_SYNTAX, "{{"),
        ("{{ row.a }", Code.TEMPLATE_SYNTAX, "{{"),
        ("x {% if row.a %} {% if row.a %}{% endif %}", Code.TEMPLATE_SYNTAX, "{%"),
        ("{{ row.a b }}", Code.TEMPLATE_SYNTAX, "b"),
    ],
)
def test_a_mistake_has_one_finding_at_its_place(source, code, shown):
    """The range of a finding is what the author wrote wrong, the right one where it stands more than once."""
    (finding,) = analyse_template(source, scope()).findings
    assert finding.code is code
    assert source[finding.start : finding.end] == shown
    if source.count(shown) > 1 and code not in (Code.FORBIDDEN, Code.TEMPLATE_SYNTAX):
        assert finding.start == source.rindex(shown)


PIECES = st.sampled_from(
    [
        "{{",
        "}}",
        "{%",
        "%}",
        "{#",
        "#}",
        "{%-",
        "-%}",
        " ",
        "\n",
        "row",
        "row.a",
        ".b",
        "['a']",
        "[",
        "]",
        "(",
        ")",
        "steps",
        "steps.draft",
        "params.p",
        "|",
        "upper",
        "default(1)",
        "is defined",
        "if ",
        "endif",
        "for x in ",
        "endfor",
        "else",
        "set x = ",
        "raw",
        "endraw",
        "macro m(a)",
        "endmacro",
        "include 'x'",
        "import 'x' as y",
        "block b",
        "endblock",
        "call m()",
        "endcall",
        "filter upper",
        "endfilter",
        "with x = 1",
        "endwith",
        "'",
        '"',
        "\\",
        "1",
        "1.5",
        "~",
        "*",
        "**",
        "__class__",
        "| trim . y",
        "self",
        "loop.index",
        "caller()",
        "_",
        "é",
        "=",
        "==",
        ":",
        ",",
        "{",
        "}",
        "not ",
        "in ",
        "\u2028",
        "\x85",
    ]
)


PARTS = st.builds(
    "{0[0]} {1} {0[1]}".format,
    st.sampled_from([("{{", "}}"), ("{%", "%}"), ("{%-", "-%}"), ("{{", ""), ("", "%}"), ("{{ row.a |", "}}")]),
    st.lists(PIECES, min_size=1, max_size=12).map("".join),
)


@given(st.lists(PARTS, min_size=1, max_size=3).map("".join) | st.lists(PIECES, max_size=25).map("".join) | st.text())
@example("{% set x.y = 1 %}")
@example("{% set ns = namespace() %}{% set ns.a = row.b %}")
@example("{% for a, (b, c) in row.a %}{% endfor %}")
@example("{{ '\\N{nothing}' }}")
@example("{{ row[1:2:3] }}{{ row[none] }}{{ row[1.5] }}{{ row[true] }}")
@example("{% macro m(a, a) %}{% endmacro %}")
@example("{{ super() }}{{ self.x() }}")
@example("{{ row.a | default }}{{ row.a is divisibleby 3 }}")
def test_any_template_is_read(source):
    """Whatever stands in a template, reading it ends with findings inside its source."""
    findings = analyse_template(source, scope()).findings
    for finding in findings:
        assert 0 <= finding.start < max(finding.end, 1)
        assert finding.start <= len(source)


NAMES = ("row.a", "row['b']", 'row["First name"]', "params.p", "steps.draft.x")


def expressions(names):
    """Expressions over names that are there; a column that is not is asked about."""
    known = st.sampled_from(names)
    texts = known | st.sampled_from(["'text'", "(row.c | default('d'))"])
    return st.recursive(
        texts | st.just("(3 | string)"),
        lambda inner: (
            st.tuples(inner, st.sampled_from(["upper", "default('d')", "length", "string"])).map(
                lambda p: f"({p[0]} | string | {p[1]})"
            )
            | st.tuples(inner, inner).map(lambda p: f"({p[0]} ~ {p[1]})")
            | st.tuples(inner, inner, inner).map(lambda p: f"({p[0]} if {p[1]} else {p[2]})")
            | (known | st.just("row.c")).map(lambda name: f"({name} is defined)")
            | st.just("(row | length)")
        ),
        max_leaves=4,
    )


@st.composite
def blocks(draw, names=NAMES, depth=2):
    """Templates whose every name is there at its place."""
    head = draw(expressions(names))
    match draw(st.sampled_from(["print", "if", "for", "with", "several"] if depth else ["print"])):
        case "if":
            return f"{{% if {head} %}}{draw(blocks(names, depth - 1))}{{% endif %}}"
        case "for":
            return f"{{% for x in {head} | string %}}{draw(blocks((*names, 'x'), depth - 1))}{{% endfor %}}"
        case "with":
            return f"{{% with y = {head} %}}{draw(blocks((*names, 'y'), depth - 1))}{{% endwith %}}"
        case "several":
            return draw(blocks(names, depth - 1)) + draw(blocks(names, depth - 1))
        case _:
            return f"{{{{ {head} }}}}"


@given(blocks())
def test_a_template_that_reads_clean_finds_what_it_names(source):
    """Rendered with every column, it lacks nothing; with the columns that it uses alone, it says the same."""
    found = analyse_template(source, scope())
    findings = found.findings
    if findings:
        return
    filled = {"params": {"p": "P"}, "steps": {"draft": {"x": "X"}, "judge": 1}}
    try:
        text = render(source, {"row": ROW, **filled})
    except RowError as error:  # an expression may fail, and a template that asks first may use what is not there
        assert found.uses.guarded or "there is no" not in error.message  # noqa: PT017
        return
    if found.uses.columns is None:
        assert "(row | length)" in source
    else:
        needed = {name: value for name, value in ROW.items() if name in found.uses.columns}
        assert render(source, {"row": needed, **filled}) == text
