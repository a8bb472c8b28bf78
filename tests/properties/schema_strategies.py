"""Strategies for values and for the JSON Schemas that accept them, each with a rough idea of what they are."""

from dataclasses import dataclass, replace

from hypothesis import strategies as st

NAMES = ("a", "bee", "items", "Größe x", "$d")


@dataclass(frozen=True)
class Shape:
    """What a value is, as far as the strategy knows.

    Attributes:
        kind: as JSON Schema calls it, or `any`.
        null: whether yamlgen may make it null, so that it must be asked about.
        absent: whether it may be missing where it stands.
    """

    kind: str = "any"
    item: "Shape | None" = None
    members: tuple[tuple[str, "Shape"], ...] = ()
    null: bool = False
    absent: bool = False


TEXT, INTEGER, NUMBER, BOOLEAN, ANY = (Shape(kind) for kind in ("string", "integer", "number", "boolean", "any"))


words = st.sampled_from(["Oslo", "", "a;b", "Größe ✓", "{{ row.x }}", "12", "null", " \n", "x" * 40])
odd = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 10**12) | st.sampled_from([0.5, -1e300, 1.0, 2e-7]) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
    max_leaves=6,
)


@st.composite
def schemas(draw, depth=3):
    """A JSON Schema, and the shape of what it accepts."""
    if depth == 0 or draw(st.integers(0, 2)) == 0:
        return draw(st.sampled_from(_LEAVES))
    inner, shape = draw(schemas(depth - 1))
    match draw(st.sampled_from(["array", "array", "object", "object", "object", "null", "either", "prefix", "all"])):
        case "array":
            least = draw(st.integers(0, 2))
            made = {"type": "array", "items": inner, "minItems": least, "maxItems": least + draw(st.integers(0, 1))}
            return made, Shape("array", shape)
        case "object":
            return draw(_objects(inner, shape, depth))
        case "null":
            return {"anyOf": [inner, {"type": "null"}]}, ANY
        case "either":
            other = {"type": ["string", "null"]}, {"type": "array", "maxItems": 1}, {"type": "integer", "minimum": 3}
            one_of = {"oneOf": list(draw(st.permutations(other)))[:2]}
            return draw(st.sampled_from([one_of, {"anyOf": [inner, draw(schemas(0))[0]]}])), ANY
        case "prefix":
            made = {"type": "array", "prefixItems": [inner], "items": {"type": "integer"}, "minItems": 1}
            return made, Shape("array", ANY)
        case _:
            return {"allOf": [inner]}, shape


_LEAVES = [
    ({"type": "string"}, TEXT),
    ({"type": "string", "minLength": 1, "maxLength": 5}, TEXT),
    ({"type": "string", "format": "date"}, TEXT),
    ({"enum": ["red", "grün", ""]}, TEXT),
    ({"type": "integer"}, INTEGER),
    ({"type": "integer", "minimum": 0, "maximum": 9}, INTEGER),
    ({"type": "number", "minimum": 0}, NUMBER),
    ({"type": "boolean"}, BOOLEAN),
    ({"type": ["string", "null"]}, ANY),
    ({"enum": [1, True, "1", None, 1.5, [1]]}, ANY),
    ({"const": 1}, INTEGER),
    ({"const": True}, BOOLEAN),
    ({"type": "null"}, ANY),
    ({}, ANY),
]


@st.composite
def _objects(draw, inner, shape, depth):
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True))
    parts = {names[0]: (inner, shape), **{name: draw(schemas(depth - 2 if depth > 1 else 0)) for name in names[1:]}}
    needed = names if draw(st.integers(0, 3)) else names[1:]
    made = {"type": "object", "properties": {name: part for name, (part, _) in parts.items()}, "required": needed}
    rest = draw(st.sampled_from([None, False, False, True, {"type": "integer"}]))
    if rest is not None:
        made["additionalProperties"] = rest
    if draw(st.integers(0, 5)) == 0:
        made["patternProperties"] = {"^z_": {"type": "integer"}}
    members = tuple((name, replace(known, absent=name not in needed)) for name, (_, known) in parts.items())
    return made, Shape("object", members=members)


@st.composite
def rooted(draw):
    """A whole schema, sometimes with definitions that its parts refer to."""
    schema, shape = draw(schemas())
    match draw(st.integers(0, 5)):
        case 0:
            return {"$ref": "#/$defs/it", "$defs": {"it": schema}}, shape
        case 1:
            tree = {"type": "object", "required": ["v"], "properties": {"v": schema, "kids": {"items": {"$ref": "#"}}}}
            tree["properties"]["kids"] |= {"type": "array", "maxItems": 1}
            return tree, Shape("object", members=(("v", shape), ("kids", Shape("array", ANY, absent=True))))
        case 2:
            definition = {"$defs": {"a b/%": schema}, "type": "array", "items": {"$ref": "#/$defs/a%20b~1%25"}}
            return {**definition, "maxItems": 2}, Shape("array", shape)
        case _:
            return schema, shape
