"""The type of an expression, read before any row is run: what is known of it, and that it is never more than true."""

import copy
import json

import jsonschema
import pytest
from hypothesis import example, given, reject
from hypothesis import strategies as st

from yamlgen.errors import Code, RowError
from yamlgen.expressions.evaluation import evaluate
from yamlgen.expressions.static_types import NamespaceView, SchemaView
from yamlgen.expressions.template_checks import analyse_expression
from yamlgen.schemas.json_pointer import within
from yamlgen.schemas.types import Type, list_of, nullable

TEXT = {"type": "string"}
INTEGER = {"type": "integer"}
NUMBER = {"type": "number"}
BOOLEAN = {"type": "boolean"}
PERSON = {
    "type": "object",
    "properties": {"name": TEXT, "age": INTEGER},
    "required": ["name", "age"],
    "additionalProperties": False,
}
WHY = "it has a `when`"


def listed(items):
    """Lists of such items."""
    return {"type": "array", "items": items}


def scope(row, steps):
    """What an expression sees: a row and steps of these types, or of types of these schemas."""

    def view(known, name):
        return SchemaView.of(known if isinstance(known, Type) else Type(known), name)

    return {
        "row": NamespaceView(Code.UNKNOWN_COLUMN, "column", {n: view(t, f"row.{n}") for n, t in row.items()}),
        "steps": NamespaceView(Code.UNKNOWN_STEP, "step", {n: view(t, f"steps.{n}") for n, t in steps.items()}),
    }


KNOWN = scope(
    {"text": TEXT, "whole": INTEGER, "number": NUMBER, "texts": listed(TEXT), "numbers": listed(NUMBER)},
    {
        "person": PERSON,
        "people": listed(PERSON),
        "pages": {**listed({**listed(PERSON), "minItems": 1, "maxItems": 4}), "minItems": 2, "maxItems": 3},
        "drafts": listed({"type": "object", "properties": {"output": listed(TEXT)}, "required": ["output"]}),
        "some": list_of(nullable(Type(PERSON), WHY)),
        "maybe": nullable(Type(TEXT), WHY),
        "free": {},
    },
)


def inferred(source):
    """The type of an expression that reads clean."""
    reading = analyse_expression(source, KNOWN)
    assert reading.findings == []
    return reading.view.type().schema


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("row.text", TEXT),
        ("row.text ~ row.whole", TEXT),
        ("row.text + 'x'", TEXT),
        ("row.text[:3]", TEXT),
        ("row.text | upper", TEXT),
        ("row.text.strip()", TEXT),
        ("row.text.split(';')", listed(TEXT)),
        ("row.text.split(';')[0]", TEXT),
        ("row.text | length", INTEGER),
        ("row.text | int", INTEGER),
        ("row.text | float", NUMBER),
        ("row.text == 'x'", BOOLEAN),
        ("row.text in row.texts", BOOLEAN),
        ("row.text is string", BOOLEAN),
        ("not row.text", BOOLEAN),
        ("row.text.startswith('x')", BOOLEAN),
        ("row.whole + 1", INTEGER),
        ("row.whole * 1.5", NUMBER),
        ("row.whole / 2", NUMBER),
        ("row.number - row.whole", NUMBER),
        ("row.number | round(1)", NUMBER),
        ("row.whole | abs", {"type": ["integer"]}),
        ("row.texts | first", TEXT),
        ("row.texts[0]", TEXT),
        ("row.texts[1:]", listed(TEXT)),
        ("row.texts + row.texts", listed(TEXT)),
        ("row.texts | sort | unique | list", listed(TEXT)),
        ("row.texts | map('upper')", listed(TEXT)),
        ("row.texts | map('length') | list", listed(INTEGER)),
        ("row.texts | join(', ')", TEXT),
        ("row.numbers | sum", NUMBER),
        ("row.numbers | max", NUMBER),
        ("steps.person", PERSON),
        ("steps.person.age", INTEGER),
        ("steps.people[0].name", TEXT),
        ("(steps.people | first).name", TEXT),
        ("steps.people | map(attribute='age')", listed(INTEGER)),
        ("steps.people | map(attribute='age') | list | sum", INTEGER),
        ("steps.people | sum(attribute='age')", INTEGER),
        ("steps.pages | sum(start=[])", {**listed(PERSON), "minItems": 2, "maxItems": 12}),
        ("steps.drafts | sum(attribute='output', start=[])", listed(TEXT)),
        ("steps.drafts | map(attribute='output') | sum(start=[])", listed(TEXT)),
        ("steps.pages | sum(start=[row.text])", {}),
        ("steps.people | selectattr('age', 'gt', 3) | list", listed(PERSON)),
        ("steps.some | reject('none') | list", listed(PERSON)),
        ("steps.some | select | list", listed(PERSON)),
        ("steps.maybe or 'x'", TEXT),
        ("steps.maybe | default('x', true)", TEXT),
        ("steps.maybe if steps.maybe else 'x'", TEXT),
        ("'x' if steps.maybe is none else steps.maybe", TEXT),
        ("row.text if row.whole else row.text", TEXT),
        ("row.text if row.whole else row.whole", {"anyOf": [TEXT, INTEGER]}),
        ("[row.text, 'x']", {**listed(TEXT), "minItems": 2, "maxItems": 2}),
        ("[]", {"type": "array", "maxItems": 0}),
        ("steps.free", {}),
        ("steps.free.anything", {}),
        ("row.text | int(default='x')", {}),
        ("'x' * row.whole", TEXT),
        ("{1: 2}", {}),
    ],
)
def test_the_type_of_an_expression(source, expected):
    """What an expression gives is known by its operators, filters and methods, or it is anything."""
    assert inferred(source) == expected


def test_a_mapping_that_is_written_out_has_its_members_types():
    """Each member is known, and there are no others."""
    made = inferred("{'name': row.text, 'age': row.whole + 1}")
    assert made["properties"] == {"name": TEXT, "age": INTEGER}
    assert made["additionalProperties"] is False


def test_null_goes_where_the_value_goes():
    """What passes a value on passes on that it may be null, and why."""
    for source in ("steps.maybe", "[steps.maybe][0]", "steps.maybe if row.whole else 'x'", "steps.maybe and row.text"):
        assert analyse_expression(source, KNOWN).view.null == WHY, source


# Any expression, over values of any type.

words = st.sampled_from(["", "a", "b;c", "Ada Lovelace", "12", "1.5", "é🏃", "<b>", "%s", "inf"])
whole = st.integers(-3, 12)
anything = st.recursive(
    st.none() | st.booleans() | whole | words,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("xy"), inner, max_size=2),
    max_leaves=4,
)
LEAVES = [
    (TEXT, words),
    (INTEGER, whole),
    (NUMBER, st.sampled_from([0, 1, -2, 0.5, 2.5, 1.0, 3])),
    (BOOLEAN, st.booleans()),
    ({"type": "null"}, st.none()),
    ({"enum": ["a", 1, None]}, st.sampled_from(["a", 1, None])),
    ({"type": ["string", "null"]}, st.none() | words),
    ({}, anything),
]


def around(schema, parts):
    """A type around others, which are put at their paths in a schema."""
    schema, nulls = copy.deepcopy(schema), {}
    for (*path, last), part in parts.items():
        within(schema, path)[last] = part.schema
        nulls |= {(*path, last, *at): why for at, why in part.nulls.items()}
    return Type(schema, nulls)


def an_object(x, y):
    """Objects with an `x`, and perhaps a `y`."""
    shape = {"type": "object", "properties": {}, "required": ["x"], "additionalProperties": False}
    values = st.fixed_dictionaries({"x": x[1]}, optional={"y": y[1]})
    return around(shape, {("properties", "x"): x[0], ("properties", "y"): y[0]}), values


def grown_types(inner):
    """Types around others, each with its values."""
    pairs = st.tuples(inner, inner)
    return st.one_of(
        inner.map(lambda item: (around({"type": "array"}, {("items",): item[0]}), st.lists(item[1], max_size=3))),
        pairs.map(lambda each: an_object(*each)),
        inner.map(
            lambda item: (
                around(
                    {"type": "object", "properties": {}},
                    {("properties", "x"): item[0], ("additionalProperties",): item[0]},
                ),
                st.dictionaries(st.sampled_from("xyz"), item[1], max_size=3),
            )
        ),
        inner.map(lambda item: (nullable(item[0], WHY), st.none() | item[1])),
        pairs.map(
            lambda each: (
                around(
                    {"type": "array", "prefixItems": [{}, {}], "items": False},
                    {("prefixItems", 0): each[0][0], ("prefixItems", 1): each[1][0]},
                ),
                st.tuples(each[0][1], each[1][1]).map(list),
            )
        ),
        pairs.map(
            lambda each: (
                around(
                    {"anyOf": [{"allOf": [{}]}, {}]},
                    {("anyOf", 0, "allOf", 0): each[0][0], ("anyOf", 1): each[1][0]},
                ),
                each[0][1] | each[1][1],
            )
        ),
    )


typed = st.recursive(st.sampled_from([(Type(schema), values) for schema, values in LEAVES]), grown_types, max_leaves=5)

ROOTS = ["row.a", 'row["c d"]', "steps.s", "steps.t"]
reference = st.builds(
    lambda root, members: root + "".join(members),
    st.sampled_from(ROOTS),
    st.lists(st.sampled_from([".x", ".y", "[0]", '["x"]', "[:1]", "[-1]"]), max_size=2),
)
literal = st.sampled_from(
    ["1", "0", "2.5", "-1", "'a'", "''", "true", "none", "[]", "[1, 2]", "['a', none]", "{}", "{'x': 1}"]
)
FILTERS = """
    upper lower title capitalize trim striptags string tojson escape forceescape length count wordcount int float abs
    round first last min max sort unique reverse list sum join urlencode filesizeformat indent wordwrap center select
    reject dictsort items batch(2) slice(2) groupby('x') map('upper') map('length') map('int') map('tojson') map('abs')
    map(attribute='x') map(attribute='0') map(attribute='x.y') map(attribute='x',default=1) select('none')
    reject('none') select('string') select('odd') selectattr('x') rejectattr('x') selectattr('x','none')
    rejectattr('x','equalto',1) sum(attribute='x') sum(start=1) sort(attribute='x') unique(attribute='x')
    sum(start=[]) sum(attribute='x',start=[])
    min(attribute='x') max(attribute='y') join('-') join(',',attribute='x') replace('a','b') truncate(3) round(1)
    round(0,'ceil') int(5) int(default='x') float(none) default default(1) default('z',true) default(none)
    default('z',boolean=true) default(default_value=3) map('first') map('default','q') map('default',1,true)
    map('join') map('round') format(1) tojson(indent=2) sort(reverse=true) safe
""".split()  # noqa: SIM905 - one below the other would fill a page
METHODS = """
    split(';') rsplit() splitlines() upper() strip() title() replace('a','b') startswith('a') isdigit() join(['a'])
    items() keys() values() get('x') get('x',1) count('a') find('a') zfill(3) partition(';') encode() casefold()
""".split()  # noqa: SIM905 - one below the other would fill a page
OPERATORS = ["+", "-", "*", "/", "//", "%", "**", "~", "==", "!=", "<", ">=", "in", "not in", "and", "or", "and", "or"]
TESTS = ["none", "not none", "defined", "string", "number", "mapping", "true", "odd", "in [1]", "eq 1", "sameas none"]


def grown(inner):
    """Expressions around others."""
    part = inner.map("({})".format)
    return st.one_of(
        st.builds("{} | {}".format, part, st.sampled_from(FILTERS)),
        st.builds("{} | default({}, true)".format, part, inner),
        st.builds("{} | default({})".format, part, inner),
        st.builds("{} {} {}".format, part, st.sampled_from(OPERATORS), part),
        st.builds("{} if {} else {}".format, part, part, part),
        st.builds("{} if {}".format, part, part),
        st.builds("{} is {}".format, part, st.sampled_from(TESTS)),
        st.builds("{}{}".format, st.sampled_from(["not ", "-", "+"]), part),
        st.builds("{}{}".format, part, st.sampled_from(["[:2]", "[0]", "[-1]", "[::-1]", ".x", '["y"]'])),
        st.builds("{}[{}]".format, part, inner),
        st.builds("{}.{}".format, part, st.sampled_from(METHODS)),
        st.lists(inner, min_size=1, max_size=3).map(lambda each: f"[{', '.join(each)}]"),
        st.lists(inner, min_size=1, max_size=2).map(
            lambda each: f"{{{', '.join(f'{key!r}: {value}' for key, value in zip('xy', each, strict=False))}}}"
        ),
    )


expressions = st.recursive(reference | reference | literal, grown, max_leaves=5)


@st.composite
def runs(draw):
    """An expression that reads clean and has a value, the types of what it refers to, and values of these types."""
    for _ in range(50):
        types, strategies = zip(*(draw(typed) for _ in ROOTS), strict=True)
        made = draw(expressions), types, [draw(each) for each in strategies]
        if is_held(*made):
            return made
    return reject()


def is_held(source, types, values):
    """Whether an expression reads clean and has a value; that is held against what was inferred."""
    a, c, s, t = types
    reading = analyse_expression(source, scope({"a": a, "c d": c}, {"s": s, "t": t}))
    expected = reading.view.type().schema
    jsonschema.Draft202012Validator.check_schema(expected)
    if reading.findings:
        return False
    a, c, s, t = values
    try:
        value = evaluate(source, {"row": {"a": a, "c d": c}, "steps": {"s": s, "t": t}})
    except RowError as error:
        assert error.code == Code.ROW_TEMPLATE  # noqa: PT017 - most expressions fail for some values, in this way only
        return False
    json.dumps(value, allow_nan=False)
    jsonschema.validate(value, expected, jsonschema.Draft202012Validator)
    return True


@given(runs())
@example(("row.a or steps.s", ({"type": ["string", "null"]}, {}, INTEGER, {}), ["", None, 3, None]))
@example(("row.a and steps.s", (nullable(Type(INTEGER), WHY), {}, TEXT, {}), [None, None, "a", None]))
@example(("row.a[0]", ({"type": "array", "prefixItems": [TEXT], "items": INTEGER}, {}, {}, {}), [["a"], 0, 0, 0]))
@example(("row.a * 1 + steps.s", (INTEGER, {}, INTEGER, {}), [1.0, None, 2, None]))
@example(("{'x': row.a, 'x': steps.s}", (INTEGER, {}, TEXT, {}), [1, None, "a", None]))
def test_a_value_has_the_type_that_was_inferred(run):
    """Whatever an expression that reads clean gives for a row, the type that was inferred accepts it."""
    assert is_held(*run)
