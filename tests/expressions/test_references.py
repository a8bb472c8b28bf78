"""What a step reads in every row, and what it only names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yamlgen.errors import RowError
from yamlgen.expressions.evaluation import evaluate
from yamlgen.expressions.jinja_environment import render
from yamlgen.expressions.references import references


@pytest.mark.parametrize(
    ("source", "read"),
    [
        ("steps.a ~ steps.b", "ab"),
        ("steps.a and steps.b", "a"),
        ("steps.a if steps.b else steps.c", "b"),
        ("steps.a if row.x else steps.a", "a"),
        ("steps.a < steps.b < steps.c", "ab"),
        ("[steps.a, steps.b.x[steps.c]]", "abc"),
        ("steps.a | default(steps.b, true)", "ab"),
        ("row.x or not steps.a", ""),
        ('steps["a"] is none', "a"),
    ],
)
def test_what_an_expression_reads_in_every_row(source, read):
    """What stands in one branch only is not read in every row."""
    assert references(source, is_expression=True).always == set(read)


@pytest.mark.parametrize(
    ("source", "read"),
    [
        ("{{ steps.a }}{% if row.x %}{{ steps.b }}{% endif %}", "a"),
        (
            "{% if steps.a %}{{ steps.b }}{% elif steps.c %}{{ steps.b }}{% else %}{{ steps.b }}{% endif %}",
            "ab",
        ),
        ("{% if row.x %}{{ steps.a }}{% elif steps.b %}{{ steps.a }}{% endif %}", ""),
        ("{% if row.x %}{{ steps.a }}{% elif steps.b %}{% else %}{{ steps.b }}{% endif %}", ""),
        ("{% for x in steps.a %}{{ steps.b }}{% else %}{{ steps.c }}{% endfor %}", "a"),
        ("{% macro m(x) %}{{ steps.a }}{% endmacro %}{{ m(steps.b) }}", "b"),
        ("{% set x = steps.a %}{% with y = steps.b %}{{ steps.c }}{% endwith %}", "abc"),
        ("{% set x %}{{ steps.a }}{% endset %}{% filter upper %}{{ steps.b }}{% endfilter %}", "ab"),
        ("{# {{ steps.a }} #}{% raw %}{{ steps.b }}{% endraw %}", ""),
    ],
)
def test_what_a_template_reads_in_every_row(source, read):
    """Branches, loops and macros may be left out in a row."""
    assert references(source, is_expression=False).always == set(read)


class Watched(dict):
    """The values of steps, which notes what is read."""

    def __init__(self, values):
        super().__init__(values)
        self.read = set()

    def __getitem__(self, name):
        self.read.add(name)
        return super().__getitem__(name)


parts = st.recursive(
    st.sampled_from(["steps.a", "steps.b", "steps['c']", "row.x", "row.y", "none", "1"]),
    lambda inner: st.one_of(
        st.builds("({} {} {})".format, inner, st.sampled_from(["and", "or", "==", "~", "in"]), inner),
        st.builds("({} if {} else {})".format, inner, inner, inner),
        st.builds("({} == {} == {})".format, inner, inner, inner),
        st.builds("(not {})".format, inner),
        st.builds("({} | default({}, true))".format, inner, inner),
        st.builds("[{}]".format, inner),
    ),
    max_leaves=6,
)
statements = st.recursive(
    parts.map("{{{{ {} }}}}".format),
    lambda inner: st.one_of(
        st.builds("{}{}".format, inner, inner),
        st.builds(
            "{{% if {} %}}{}{{% elif {} %}}{}{{% else %}}{}{{% endif %}}".format, parts, inner, parts, inner, inner
        ),
        st.builds("{{% for i in [{}] if {} %}}{}{{% else %}}{}{{% endfor %}}".format, parts, parts, inner, inner),
        st.builds("{{% macro m() %}}{}{{% endmacro %}}{}".format, inner, inner),
    ),
    max_leaves=4,
)
some = st.sampled_from([None, 0, 1, "", "x", [], [1]])


@given(st.booleans(), parts, statements, some, some, some, some)
def test_what_is_always_read_is_read_in_this_row(is_expression, expression, template, a, b, c, x):
    """Property: what is read in every row is read in this one; nothing else than what is named."""
    source = expression if is_expression else template
    steps = Watched({"a": a, "b": b, "c": c})
    try:
        (evaluate if is_expression else render)(source, {"steps": steps, "row": {"x": x, "y": a}})
    except RowError:
        return
    found = references(source, is_expression=is_expression)
    assert found.always <= steps.read <= found.named
