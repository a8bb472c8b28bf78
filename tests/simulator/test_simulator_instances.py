"""What the instance generator makes satisfies the schema it was made for."""

import json

import hypothesis.strategies as st
import pytest
from hypothesis import given
from jsonschema import Draft202012Validator

from yamlgen.schemas.native_output_schema import TOLD
from yamlgen.simulator.api_errors import SimulatedAPIError
from yamlgen.simulator.instances import Instances
from yamlgen.simulator.patterns import PatternError, compiled, draw
from yamlgen.simulator.plausible_values import PlausibleValues

VALUES = PlausibleValues()


def draws(schema, count=20):
    """Several instances of a schema."""
    instances = Instances(schema, VALUES)
    drawn = []
    for seed in range(count):
        VALUES.seed(seed)
        drawn.append(instances.draw())
    return drawn


def check(schema, value):
    """Fail unless jsonschema, which had no part in the drawing, accepts the value."""
    Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(value)


def closed(**properties):
    """A closed object schema in which everything is required."""
    return {
        "type": "object",
        "additionalProperties": False,
        "required": list(properties),
        "properties": properties,
    }


SCHEMAS = {
    "nothing": {},
    "anything": True,
    "types": {"type": ["string", "null", "integer", "boolean"]},
    "enum": {"enum": [1, "a", None, {"x": [1]}]},
    "enum and type": {"enum": [1, "a", None], "type": "string"},
    "const": {"const": {"a": 1}},
    "range": {"type": "integer", "minimum": 3, "maximum": 5},
    "open range": {"type": "integer", "maximum": -5},
    "exclusive": {"type": "integer", "exclusiveMinimum": 4, "exclusiveMaximum": 6},
    "narrow": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 0.001},
    "multiple": {"type": "integer", "multipleOf": 7, "minimum": 20, "maximum": 22},
    "decimal multiple": {"type": "number", "multipleOf": 0.25, "minimum": 0, "maximum": 1},
    "big": {"type": "integer", "minimum": 10**18},
    "length": {"type": "string", "minLength": 300, "maxLength": 310},
    "short": closed(title={"type": "string", "maxLength": 1}),
    "pattern": {"type": "string", "pattern": "^[A-Z]{2}-[0-9]{3,5}(a|b)?$"},
    "pattern and length": {"type": "string", "pattern": "^[^abc]+$", "minLength": 10, "maxLength": 12},
    "look-ahead": {"type": "string", "pattern": "^(?=.*[A-Z])(?=.*[0-9])[A-Za-z0-9]{8,12}$"},
    "format and length": {"type": "string", "format": "email", "maxLength": 24},
    "format and pattern": {"type": "string", "format": "date", "pattern": "^20"},
    "array": {"type": "array", "items": closed(x={"type": "integer"}), "minItems": 2, "maxItems": 4},
    "tuple": {"type": "array", "prefixItems": [{"type": "string"}, {"type": "null"}], "items": False, "minItems": 2},
    "unique": {"type": "array", "uniqueItems": True, "minItems": 3, "items": {"enum": ["a", "b", "c"]}, "maxItems": 3},
    "contains": {
        "type": "array",
        "items": {"type": "integer"},
        "contains": {"const": 7},
        "minContains": 2,
        "maxItems": 4,
    },
    "map": {"type": "object", "additionalProperties": {"type": "integer"}},
    "patterned map": {
        "type": "object",
        "patternProperties": {"^[a-z]{2}$": {"type": "string"}},
        "additionalProperties": False,
        "minProperties": 2,
    },
    "property names": {
        "type": "object",
        "propertyNames": {"pattern": "^x_[a-z]+$"},
        "minProperties": 3,
        "maxProperties": 4,
    },
    "property and pattern": {
        "type": "object",
        "required": ["ab"],
        "properties": {"ab": {"type": "integer"}},
        "patternProperties": {"^a": {"minimum": 1000}},
    },
    "all properties": {
        "type": "object",
        "minProperties": 2,
        "additionalProperties": False,
        "properties": {"a": {}, "b": {}},
    },
    "few properties": {"type": "object", "maxProperties": 1, "properties": {"a": {}, "b": {}, "c": {}}},
    "required elsewhere": {"type": "object", "required": ["x"], "additionalProperties": {"type": "boolean"}},
    "dependent": {"type": "object", "properties": {"a": {}, "b": {}}, "dependentRequired": {"a": ["b"]}},
    "dependent schema": {
        "type": "object",
        "required": ["a"],
        "dependentSchemas": {"a": {"required": ["b"], "properties": {"b": {"const": 3}}}},
    },
    "allOf": {
        "allOf": [
            {"type": "object", "required": ["a"], "properties": {"a": {"type": "integer", "minimum": 5}}},
            {"required": ["b"], "properties": {"a": {"maximum": 6}, "b": {"type": "string"}}},
        ]
    },
    "allOf and closed": {
        "allOf": [{"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}}}],
        "required": ["b"],
        "properties": {"b": {"type": "integer"}},
        "unevaluatedProperties": False,
    },
    "anyOf": {"anyOf": [{"type": "string", "maxLength": 5}, {"type": "null"}, {"type": "integer"}]},
    "oneOf": {"oneOf": [{"type": "integer", "multipleOf": 3}, {"type": "integer", "multipleOf": 5}]},
    "tagged": {"oneOf": [closed(kind={"const": "a"}, x={"type": "integer"}), closed(kind={"const": "b"}, y={})]},
    "impossible branch": {"type": "string", "anyOf": [{"type": "integer"}, {"maxLength": 3}]},
    "if": {
        **closed(country={"enum": ["US", "CA"]}, code={"type": "string"}),
        "if": {"properties": {"country": {"const": "US"}}},
        "then": {"properties": {"code": {"pattern": "^[0-9]{5}$"}}},
        "else": {"properties": {"code": {"pattern": "^[A-Z][0-9][A-Z]$"}}},
    },
    "not const": {"type": "integer", "minimum": 1, "maximum": 3, "not": {"const": 2}},
    "not type": {"not": {"type": ["string", "number"]}},
    "not required": {"type": "object", "properties": {"a": {}, "b": {}}, "not": {"required": ["a", "b"]}},
    "many nots": {
        "type": "array",
        "minItems": 20,
        "items": {"type": "integer", "minimum": 1, "maximum": 4, "not": {"enum": [1, 2]}},
    },
    "anchor": {"$defs": {"a": {"$anchor": "here", "type": "integer"}}, "$ref": "#here"},
    "reference with siblings": {"$defs": {"a": {"type": "integer", "minimum": 5}}, "$ref": "#/$defs/a", "maximum": 6},
    "escaped reference": {"$defs": {"a/b~c": {"type": "null"}}, "$ref": "#/$defs/a~1b~0c"},
    "recursive": {
        "$defs": {
            "node": {**closed(value={"type": "integer"}, children={"type": "array", "items": {"$ref": "#/$defs/node"}})}
        },
        "$ref": "#/$defs/node",
    },
    "recursive root": {
        "type": "object",
        "required": ["sub"],
        "properties": {"sub": {"anyOf": [{"type": "null"}, {"$ref": "#"}]}},
    },
    "mutually recursive": {
        "$defs": {
            "term": {"oneOf": [{"$ref": "#/$defs/number"}, {"$ref": "#/$defs/sum"}]},
            "number": closed(n={"type": "number"}),
            "sum": closed(left={"$ref": "#/$defs/term"}, right={"$ref": "#/$defs/term"}),
        },
        "$ref": "#/$defs/term",
    },
}


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS.keys())
def test_every_keyword_is_satisfied(schema):
    """Twenty draws of each schema are accepted by another validator than the one that the generator uses."""
    for value in draws(schema):
        check(schema, value)


@pytest.mark.parametrize(
    "form",
    [
        "date",
        "time",
        "date-time",
        "duration",
        "email",
        "idn-email",
        "hostname",
        "idn-hostname",
        "ipv4",
        "ipv6",
        "uri",
        "uri-reference",
        "iri",
        "iri-reference",
        "uri-template",
        "uuid",
        "json-pointer",
        "relative-json-pointer",
        "regex",
    ],
)
def test_every_format_is_satisfied(form):
    """The formats of draft 2020-12, one by one."""
    schema = {"type": "string", "format": form}
    for value in draws(schema):
        check(schema, value)


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        (False, "`false` at #"),
        (closed(x={"not": {}}), "`not` at #/properties/x"),
        (closed(x={"type": "integer", "minimum": 2, "maximum": 1}), "`minimum` at #/properties/x"),
        (closed(x={"type": "string", "pattern": "a", "maxLength": 0}), "`maxLength` at #/properties/x"),
        (closed(x={"type": "string", "pattern": r"\p{Greek}"}), "`pattern` at #/properties/x"),
        ({"type": "object", "required": ["x"], "properties": {"x": {"$ref": "#"}}}, "`$ref` at "),
        ({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}, "`$ref` at "),
        ({"type": "array", "uniqueItems": True, "minItems": 3, "items": {"type": "null"}}, "`uniqueItems` at #"),
    ],
)
def test_a_schema_without_instances_is_an_error_that_names_the_keyword(schema, message):
    """What cannot be satisfied is named, with its place, and soon."""
    with pytest.raises(SimulatedAPIError) as caught:
        draws(schema, 1)
    assert message in caught.value.message


@pytest.mark.parametrize(
    "told",
    [
        f'{TOLD}{{"minimum": 210, "maximum": 220}}',
        "{minimum: 210, maximum: 220}",
        "Note: minimum value: 210, maximum value: 220.",
    ],
)
def test_limits_in_a_description_are_heeded(told):
    """Clients write what native output cannot express into the description, for the model to read."""
    schema = closed(pages={"type": "integer", "description": f"How long.\n\n{told}"})
    assert all(210 <= value["pages"] <= 220 for value in draws(schema))


def test_limits_that_are_told_may_be_negative_and_fractions():
    """A minus is no part of the words."""
    schema = {"type": "number", "description": "Note: minimum value: -0.5, exclusive maximum value: -1e-1."}
    assert all(-0.5 <= value < -0.1 for value in draws(schema))


@pytest.mark.parametrize("told", ["{minimum: x}", "Note: maximum value: many.", f"{TOLD}[1]", "{a: 1}", "{}"])
def test_words_that_tell_no_limit_are_words(told):
    """A description may look like one that does."""
    assert draws({"type": "integer", "description": told}, 1)


def test_a_draw_depends_on_its_seed_alone():
    """Drawing something else in between changes nothing."""
    schema = SCHEMAS["mutually recursive"]
    first = draws(schema)
    draws(SCHEMAS["map"])
    assert draws(schema) == first


numbers = st.integers(-50, 50)
sizes = st.integers(0, 3)


def bounded(low, high, values):
    """Two keywords with values in order."""
    return st.lists(values, min_size=2, max_size=2).map(lambda pair: {low: min(pair), high: max(pair)})


leaves = st.one_of(
    st.just({}),
    st.sampled_from(["string", "integer", "number", "boolean", "null"]).map(lambda kind: {"type": kind}),
    bounded("minimum", "maximum", numbers).map(lambda limits: {"type": "integer", **limits}),
    bounded("minimum", "maximum", numbers).map(lambda limits: {"type": "number", **limits}),
    bounded("minLength", "maxLength", st.integers(0, 40)).map(lambda limits: {"type": "string", **limits}),
    st.sampled_from(["date", "email", "uuid", "uri", "ipv4"]).map(lambda form: {"type": "string", "format": form}),
    st.sampled_from(["^[a-z]+$", r"\d{3}", "^(ab|cd)*$", "x"]).map(lambda text: {"type": "string", "pattern": text}),
    st.lists(st.none() | st.booleans() | st.integers() | st.text(), min_size=1).map(lambda values: {"enum": values}),
    st.integers(1, 9).map(lambda step: {"type": "integer", "multipleOf": step}),
    st.lists(st.sampled_from(["string", "integer", "null"]), min_size=1, unique=True).map(
        lambda kinds: {"type": kinds}
    ),
)


def grown(schemas):
    """Schemas made of smaller ones."""
    properties = st.dictionaries(st.sampled_from(["name", "age", "email", "city", "a b", "x/y"]), schemas, max_size=4)
    objects = properties.flatmap(
        lambda members: st.fixed_dictionaries(
            {"type": st.just("object"), "properties": st.just(members)},
            optional={
                "required": st.lists(st.sampled_from(sorted(members)), unique=True) if members else st.just([]),
                "additionalProperties": st.booleans() | schemas,
            },
        )
    )
    arrays = st.builds(
        lambda items, limits: {"type": "array", "items": items, **limits},
        schemas,
        bounded("minItems", "maxItems", sizes),
    )
    tuples = st.lists(schemas, min_size=1, max_size=3).map(lambda first: {"type": "array", "prefixItems": first})
    choices = st.lists(schemas, min_size=1, max_size=3).map(lambda branches: {"anyOf": branches})
    joins = st.builds(lambda one, other: {"allOf": [one, {"anyOf": [other, True]}]}, schemas, schemas)
    conditions = st.builds(lambda if_, then: {"if": if_, "then": then, "else": {}}, schemas, schemas)
    return objects | arrays | tuples | choices | joins | conditions


@given(st.recursive(leaves, grown, max_leaves=8), st.integers(0, 2**32))
def test_what_is_drawn_satisfies_the_schema(schema, seed):
    """Over schemas of every kind: an instance is drawn, and jsonschema accepts it."""
    VALUES.seed(seed)
    check(schema, Instances(schema, VALUES).draw())


@given(st.recursive(leaves, grown, max_leaves=6), st.recursive(leaves, grown, max_leaves=6), st.integers(0, 2**32))
def test_two_schemas_together_are_satisfied_or_refused(one, other, seed):
    """A join never gives an instance that one of its sides refuses."""
    VALUES.seed(seed)
    schema = {"allOf": [one, other]}
    try:
        value = Instances(schema, VALUES).draw()
    except SimulatedAPIError:
        return
    check(schema, value)


@given(st.recursive(leaves, grown, max_leaves=6), st.integers(0, 2**32))
def test_an_instance_is_json(schema, seed):
    """What is drawn goes over the wire unchanged."""
    VALUES.seed(seed)
    value = Instances(schema, VALUES).draw()
    assert json.loads(json.dumps(value, allow_nan=False)) == value


@pytest.mark.parametrize(
    "pattern",
    [
        "^abc$",
        r"^\d{3}-\d{4}$",
        "^(foo|bar)+$",
        "^[^x]{5}$",
        r"^\w+@\w+\.(com|org)$",
        "^(?<year>[0-9]{4})-\\d\\d$",
        r"^\p{Lu}\p{Ll}+$",
        r"^[\p{L} ]{3,5}$",
        "^(a)(b)?\\1$",
        r"^\S+\s\S+$",
        "colou?r",
        "^.{3,8}$",
        "^a*?b+?$",
        "",
    ],
)
def test_a_pattern_is_drawn_from(pattern):
    """Without look-arounds, every draw matches."""
    for seed in range(50):
        VALUES.seed(seed)
        text = draw(pattern, VALUES.rng)
        assert compiled(pattern).search(text), text


def test_a_pattern_that_python_cannot_read_is_an_error():
    """It is the one kind that the caller handles."""
    with pytest.raises(PatternError):
        draw("(", VALUES.rng)
