"""What changed in the type of an output, and whether it breaks readers."""

import json
import time

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from properties.schema_strategies import odd, rooted
from yamlgen.comparison.type_changes import TypeChange, type_changes
from yamlgen.schemas.author_schema import json_schema
from yamlgen.schemas.keywords import subschemas

TEXT, INTEGER, NULL = {"type": "string"}, {"type": "integer"}, {"type": "null"}


def row(required=None, *, closed=True, **columns):
    """The type of a row with these columns, all of them required unless told otherwise."""
    made = {"type": "object", "properties": columns, "required": list(columns) if required is None else required}
    return {**made, "additionalProperties": False} if closed else made


def told(before, after):
    """The changes, a line each, as a reader sees them."""
    changes = type_changes(before, after)
    return [f"{c.path}: {c.kind}: {c.message}{' (breaks)' if c.breaks else ''}" for c in changes]


CHANGES = [
    ({"enum": ["calm", "neutral"]}, {"enum": ["calm"]}, 'narrower: lost the value "neutral" (breaks)'),
    ({"enum": ["calm"]}, {"enum": ["calm", "sad", 1]}, 'wider: gained the values "sad" and 1 (breaks)'),
    ({"enum": list("abcdef")}, {"const": "a"}, 'narrower: lost the values "b", "c", "d", "e" and 1 more (breaks)'),
    ({"enum": ["a", "b"]}, TEXT, 'wider: any string instead of "a" or "b" (breaks)'),
    (TEXT, {"enum": ["a", "b"]}, 'narrower: "a" or "b" instead of any string'),
    (TEXT, {"anyOf": [TEXT, NULL]}, "wider: may be null (breaks)"),
    ({"type": ["string", "null"]}, TEXT, "narrower: is never null"),
    (TEXT, INTEGER, "changed: integer instead of string (breaks)"),
    (TEXT, {"type": ["integer", "string"]}, "wider: string or integer instead of string (breaks)"),
    ({"type": ["integer", "string"]}, INTEGER, "narrower: integer instead of string or integer"),
    ({"type": "number"}, INTEGER, "narrower: integer instead of number"),
    (INTEGER, {"type": "number"}, "wider: number instead of integer (breaks)"),
    (TEXT, {}, "wider: any value instead of string (breaks)"),
    ({}, {"type": "array"}, "narrower: list instead of any value"),
    (NULL, TEXT, "changed: string instead of null (breaks)"),
    ({"type": "boolean"}, {"const": True}, "narrower: true instead of any boolean"),
    ({"type": "array", "maxItems": 5}, {"type": "array", "maxItems": 3}, "narrower: at most 3 items instead of 5"),
    ({"type": "array", "minItems": 2}, {"type": "array"}, "wider: at least 0 items instead of 2 (breaks)"),
    (
        {"type": "array", "maxItems": 2, "minItems": 2},
        {"type": "array", "maxItems": 1, "minItems": 1},
        "changed: 1 item instead of 2 (breaks)",
    ),
    (
        {"type": "array", "maxItems": 2},
        {"type": "array"},
        "wider: any number of items instead of at most 2 (breaks)",
    ),
    ({"type": "array"}, {"type": "array", "uniqueItems": True}, "narrower: no two items are equal"),
    (TEXT, {"type": "string", "maxLength": 9}, "narrower: at most 9 characters instead of any number"),
    (TEXT, {"type": "string", "format": "date"}, "narrower: has the format `date`"),
    (
        {"type": "string", "format": "date"},
        {"type": "string", "format": "email"},
        "changed: format `email` instead of `date` (breaks)",
    ),
    (
        {"type": "integer", "maximum": 5},
        {"type": "integer", "maximum": 9},
        "wider: at most 9 instead of at most 5 (breaks)",
    ),
    (
        {"type": "number", "minimum": 0},
        {"type": "number", "exclusiveMinimum": 0},
        "narrower: more than 0 instead of at least 0",
    ),
    (
        {"type": "integer", "multipleOf": 2},
        {"type": "integer", "multipleOf": 6},
        "narrower: a multiple of 6 instead of 2",
    ),
    (
        {"type": "string", "pattern": "^a"},
        {"type": "string", "pattern": "^b"},
        "changed: `pattern` differs",
    ),
    (TEXT, {"type": "string", "pattern": "^b"}, "narrower: `pattern` is new"),
    ({"type": "string", "not": {"const": ""}}, TEXT, "wider: `not` is gone (breaks)"),
    (
        {"anyOf": [row(a=TEXT), row(b=TEXT)]},
        {"anyOf": [row(b=TEXT), row(a=TEXT), row(c=TEXT)]},
        "wider: 3 alternatives of type object instead of 2 (breaks)",
    ),
]


@pytest.mark.parametrize(("before", "after", "change"), CHANGES, ids=[case[2] for case in CHANGES])
def test_a_change_of_a_column(before, after, change):
    """Each kind of change is told once, at its column."""
    assert told(row(tone=before), row(tone=after)) == [f"tone: {change}"]


def test_columns_come_and_go():
    """A new column breaks nobody, one that is gone does, and so does one that may be absent."""
    before, after = row(["a", "b"], a=TEXT, b=TEXT, c=TEXT), row(["a", "c"], a=TEXT, c=TEXT, d=TEXT)
    assert told(before, after) == ["b: removed: is gone (breaks)", "c: narrower: is always present", "d: added: is new"]
    assert told(after, before)[0] == "c: wider: may be absent (breaks)"


def test_the_place_of_a_change_is_its_path():
    """Members, items, places of a tuple and odd names have paths that a reader can follow."""

    def nested(leaf, other):
        labels = {"type": "array", "items": row(label=leaf)}
        first = {"type": "array", "prefixItems": [TEXT, leaf], "items": False, "minItems": 2}
        return row(reply=row(tone=leaf), labels=labels, turns=first, **{"Größe in cm": leaf}, other=other)

    paths = [each.path for each in type_changes(nested(TEXT, INTEGER), nested(INTEGER, INTEGER))]
    assert paths == ["reply.tone", "labels[].label", "turns[1]", '"Größe in cm"']


def test_rows_with_columns_of_their_own():
    """What is said of columns that an open type may have, or not, is no more than is known."""
    closed, opened = row(a=TEXT, b=TEXT), row(a=TEXT, closed=False)
    gone = "b: removed: is no longer declared, and may be absent (breaks)"
    assert told(closed, opened) == [gone, ": wider: may have other columns"]
    assert told(opened, closed) == ["b: added: is declared now", ": narrower: has no other columns (breaks)"]


SAME = [
    ({"type": ["string", "null"]}, {"anyOf": [NULL, TEXT]}),
    ({"const": "a"}, {"enum": ["a"]}),
    ({"enum": ["a", "b"]}, {"enum": ["b", "a"], "type": "string", "description": "A tone."}),
    ({"enum": ["a", None]}, {"anyOf": [{"type": "null"}, {"const": "a"}]}),
    ({"$ref": "#/$defs/t"}, TEXT),
    ({"allOf": [TEXT, {"maxLength": 3}]}, {"type": "string", "maxLength": 3}),
    ({"allOf": [row(a=TEXT, closed=False), row(b=TEXT, closed=False)]}, row(a=TEXT, b=TEXT, closed=False)),
    ({"type": "integer", "exclusiveMinimum": 0}, {"type": "integer", "minimum": 1}),
    ({"type": "number", "multipleOf": 1}, INTEGER),
    ({"type": "string", "minLength": 0, "format": "colour", "default": "x"}, {"type": "string", "minItems": 3}),
    ({"type": "array", "items": {}}, {"type": "array"}),
    ({"type": "array", "items": True, "prefixItems": []}, {"type": "array", "uniqueItems": False}),
    ({"anyOf": [TEXT, {"type": "string", "maxLength": 3}]}, TEXT),
    ({"type": "string", "enum": ["a", 3], "maxLength": 1}, {"const": "a"}),
    ({"enum": [True, False]}, {"type": "boolean"}),
    ({"type": ["integer", "number"]}, {"type": "number"}),
    ({"enum": [1]}, {"const": 1.0}),
    ({"properties": {"a": {"type": ["null", "string"]}}}, {"properties": {"a": {"anyOf": [TEXT, NULL]}}}),
    ({"type": "object", "additionalProperties": False}, {"type": "object", "unevaluatedProperties": False}),
    ({"pattern": "a", "title": "T"}, {"pattern": "a"}),
    ({"not": {"$ref": "#/$defs/t"}}, {"not": {"$ref": "#/$defs/u"}}),
    ({"anyOf": [row(a=TEXT), row(b=TEXT)]}, {"oneOf": [row(b={"$ref": "#/$defs/t"}), row(a=TEXT)]}),
    ({"type": ["string", "number", "boolean", "null", "object", "array"]}, {}),
]


@pytest.mark.parametrize(("one", "other"), SAME, ids=lambda schema: json.dumps(schema)[:60])
def test_two_spellings_are_one_type(one, other):
    """How a type is written is no change, in a column and inside of one."""
    definitions = {"$defs": {"t": TEXT, "u": {"type": "string", "title": "Text"}}}
    for wrap in (lambda part: row(a=part), lambda part: row(a={"type": "array", "items": row(["b"], b=part, c=part)})):
        assert told({**wrap(one), **definitions}, {**wrap(other), **definitions}) == []
        assert told({**wrap(other), **definitions}, {**wrap(one), **definitions}) == []


def test_definitions_with_other_names():
    """The names of definitions are no part of a type, nor is how often they refer to themselves."""

    def tree(name):
        node = row(["value"], value=TEXT, kids={"type": "array", "items": {"$ref": f"#/$defs/{name}"}})
        return {**row(tree={"$ref": f"#/$defs/{name}"}), "$defs": {name: node}}

    other = tree("node")
    assert told(tree("1"), other) == []
    other["$defs"]["node"]["properties"]["value"] = INTEGER
    assert told(tree("1"), other) == ["tree.value: changed: integer instead of string (breaks)"]


def test_definitions_that_double_at_every_level_end():
    """A type of a few lines that stands for a million parts is compared in no time."""

    def doubling(leaf):
        levels = {f"d{n}": row(a={"$ref": f"#/$defs/d{n + 1}"}, b={"$ref": f"#/$defs/d{n + 1}"}) for n in range(40)}
        return {**row(top={"$ref": "#/$defs/d0"}), "$defs": {**levels, "d40": leaf}}

    begun = time.monotonic()
    assert len(type_changes(doubling(TEXT), doubling(INTEGER))) == 200
    assert time.monotonic() - begun < 5


def respelt(schema, draw):
    """Another spelling of a schema, drawn part by part."""
    if isinstance(schema, list):
        return [respelt(each, draw) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = dict(draw(st.permutations(list(schema.items()))))
    for word in ("items", "additionalProperties"):
        if word in made:
            made[word] = respelt(made[word], draw)
    for word in ("anyOf", "oneOf"):
        if word in made:
            made[word] = draw(st.permutations([respelt(part, draw) for part in made[word]]))
    for word in ("allOf", "prefixItems"):
        if word in made:
            made[word] = respelt(made[word], draw)
    for word in ("properties", "$defs"):
        if word in made:
            made[word] = {name: respelt(part, draw) for name, part in draw(st.permutations(list(made[word].items())))}
    if "const" in made and draw(st.booleans()):
        made["enum"] = [made.pop("const")]
    if isinstance(made.get("type"), list) and draw(st.booleans()):
        made = {"anyOf": [{**made, "type": kind} for kind in draw(st.permutations(made["type"]))]}
    notes = [{}, {"description": "of a part"}, {"title": "Part", "$comment": "new"}]
    made |= draw(st.sampled_from(notes))
    return {"allOf": [made]} if draw(st.integers(0, 4)) == 0 and "$defs" not in made else made


@given(rooted(), st.data())
def test_another_spelling_is_no_change(schema, data):
    """Property: order, notes, `const`, `type` lists and `allOf` around a part are no change."""
    assert type_changes(schema[0], respelt(schema[0], data.draw)) == ()


@given(rooted(), rooted())
def test_the_other_way_round(one, other):
    """Property: when the sides change places, so do added and removed, narrower and wider."""
    turned = {"added": "removed", "removed": "added", "narrower": "wider", "wider": "narrower", "changed": "changed"}
    there = sorted((change.path, change.kind) for change in type_changes(one[0], other[0]))
    back = sorted((change.path, turned[change.kind]) for change in type_changes(other[0], one[0]))
    assert there == back


@given(rooted(), st.data(), st.lists(odd, min_size=20, max_size=20))
def test_what_is_new_is_told(schema, data, values):
    """Property: if a value is of the edited type alone, some change says that the type is not merely narrower."""
    assume("oneOf" not in json.dumps(schema[0]))  # it is read as `anyOf`
    edited = json.loads(json.dumps(schema[0]))
    part = data.draw(st.sampled_from([part for _, part in subschemas(edited)]))
    words = [word for word in part if word != "$defs"]
    if words and data.draw(st.booleans()):
        del part[data.draw(st.sampled_from(words))]
    else:
        part |= data.draw(
            st.sampled_from([{"type": "null"}, {"enum": [1, "Oslo"]}, {"required": ["a"]}, {"maxItems": 1}])
        )
    for before, after in (schema[0], edited), (edited, schema[0]):
        old, new = json_schema(before), json_schema(after)
        if any(not new.errors(value) and old.errors(value) for value in values):
            assert {change.kind for change in type_changes(before, after)} - {"narrower"}


def test_a_change_is_a_plain_value():
    """What the comparison returns can be compared and shown."""
    change = TypeChange("reply.tone", "narrower", 'lost the value "neutral"', breaks=True)
    assert type_changes(
        row(reply=row(tone={"enum": ["calm", "neutral"]})), row(reply=row(tone={"enum": ["calm"]}))
    ) == (change,)
