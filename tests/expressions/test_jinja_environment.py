"""What a template may do when it is filled in for a row."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yamlgen.errors import Code, RowError
from yamlgen.expressions.jinja_environment import render


def fill(source, **scope):
    """The text of a template."""
    return render(source, {"row": {}, "params": {}, "steps": {}} | scope)


def failure(source, **scope):
    """The message with which a template cannot be filled in."""
    with pytest.raises(RowError) as caught:
        fill(source, **scope)
    assert caught.value.code is Code.ROW_TEMPLATE
    return caught.value.message


@pytest.mark.parametrize("name", ["items", "keys", "values", "get", "pop", "update", "copy"])
def test_a_column_wins_over_a_method(name):
    """`row.items` is the column of that name."""
    assert fill(f"{{{{ row.{name} }}}}", row={name: "mine"}) == "mine"


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{% for k, v in row.items() %}{{ k }}={{ v }};{% endfor %}", "a=1;b=2;"),
        ("{{ row.keys() | list }}", "['a', 'b']"),
        ("{{ row.values() | sum }}", "3"),
        ("{{ row.get('c', 'none') }}", "none"),
        ("{{ row['a'] }}{{ row.b }}", "12"),
        ("{{ row | length }}", "2"),
    ],
)
def test_a_mapping_s_methods_work_without_such_a_column(source, text):
    """The four reading methods are there."""
    assert fill(source, row={"a": 1, "b": 2}) == text


@pytest.mark.parametrize(
    "expression",
    [
        "row.__class__",
        "row.a.__class__.__mro__",
        "row['__class__']",
        "''.__class__",
        "row | attr('__class__')",
        "cycler.__init__.__globals__",
        "row.items.__func__",
        "'%s'.__mod__",
        "self.__dict__",
        "'{0.__class__}'.format(row)",
        "row.a.format_map({})",
    ],
)
def test_nothing_behind_a_value_is_reached(expression):
    """No name that begins with `_` leads anywhere."""
    try:
        text = fill(f"{{{{ {expression} }}}}", row={"a": "{0.__class__}"})
    except RowError:
        return
    assert "class" not in text


@pytest.mark.parametrize(
    "source", ["{{ row.update({'b': 1}) }}", "{{ row.list.append(1) }}", "{{ row.pop('a') }}", "{{ row.clear() }}"]
)
def test_a_row_cannot_be_changed(source):
    """A template reads."""
    row = {"a": 1, "list": []}
    failure(source, row=row)
    assert row == {"a": 1, "list": []}


@pytest.mark.parametrize("name", ["random", "xmlattr", "urlize", "pprint"])
def test_filters_that_depend_on_chance_or_html_are_gone(name):
    """What is sent depends on the row alone."""
    assert name in failure(f"{{{{ row.a | {name} }}}}", row={"a": [1, 2]})


@pytest.mark.parametrize(
    "source", ["{{ lipsum() }}", "{% include 'x' %}", "{% import 'x' as x %}", "{% extends 'x' %}"]
)
def test_nothing_is_loaded_or_invented(source):
    """No text comes from elsewhere."""
    failure(source)


def test_json_is_not_escaped():
    """`tojson` writes for a model, not for a browser, keys in their order."""
    value = {"z": "<b>'é'</b>", "a": None}
    assert fill("{{ row.a | tojson }}", row={"a": value}) == '{"z": "<b>\'é\'</b>", "a": null}'
    assert fill("{{ row.a | tojson(indent=1) }}", row={"a": [1]}) == "[\n 1\n]"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("{{ row.city }}", "there is no `city` in the mapping"),
        ("{{ row['First name'] }}", "there is no `First name` in the mapping"),
        ("{{ row.name.town }}", "there is no `town` in the text"),
        ("{{ row.city | upper }}", "`city`"),
        ("{{ row.city | tojson }}", "`city`"),
        ("{% for x in row.city %}{% endfor %}", "`city`"),
        ("{% if row.city %}{% endif %}", "`city`"),
        ("{{ row.city ~ '' }}", "`city`"),
        ("{{ row.city == 1 }}", "`city`"),
        ("{{ 'a' in row.city }}", "`city`"),
        ("{{ steps.draft }}", "`draft`"),
        ("{{ nowhere }}", "`nowhere`"),
    ],
)
def test_a_missing_value_is_named(source, said):
    """A row that lacks what its template needs is set aside, and says what it lacks."""
    assert said in failure(source, row={"name": "Oslo"})


@pytest.mark.parametrize(
    "source", ["{{ row.city | default('none') }}", "{{ row.city if row.city is defined else 'none' }}"]
)
def test_a_missing_value_may_have_a_substitute(source):
    """`default` and `is defined` allow for it."""
    assert fill(source) == "none"


def test_a_method_is_no_value():
    """`row.items` in a row without such a column is said, not printed."""
    assert "`items` is a method" in failure("{{ row.items }}")


@pytest.mark.parametrize("expression", ["1 / 0", "row.a + 1", "row.a['x']", "[] | first", "row.a.index('z')"])
def test_an_expression_that_fails_is_the_row_s_failure(expression):
    """Whatever goes wrong, the siblings go on."""
    failure(f"{{{{ {expression} }}}}", row={"a": "text"})


@given(st.text())
def test_the_text_of_a_row_is_data(text):
    """Braces in a row are sent as they are, and never filled in."""
    assert fill("{{ row.a }}", row={"a": text}) == text
    assert fill("{{ row.a }}", row={"a": "{{ row.b }}{% if %}" + text, "b": "x"}) == "{{ row.b }}{% if %}" + text


def test_white_space_around_tags_is_dropped():
    """A tag on a line of its own leaves no empty line, and one line end at the end is dropped."""
    assert fill("a\n  {% if true %}\nb\n  {% endif %}\nc\n") == "a\nb\nc"


def test_the_same_row_gives_the_same_text():
    """Sets and the like have no order of their own here."""
    source = "{{ row.a | unique | list }} {{ row.b | dictsort }} {{ row.b }}"
    scope = {"row": {"a": ["z", "a", "z"], "b": {"y": 1, "x": 2}}}
    assert render(source, scope) == "['z', 'a'] [('x', 2), ('y', 1)] {'y': 1, 'x': 2}"
