"""The author's JSON Schemas: enforced whole, and bundled into one that stands alone."""

import json
import pickle
import time

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from yamlgen.api.loading import check, load
from yamlgen.errors import Code
from yamlgen.schemas.author_schema import JSONSchema, json_schema

PIPELINE = """version: 1
input: {rows: [{name: Oslo}]}
steps:
  draft: {model: claude-haiku-5-5, prompt: Hello, output: {schema: SCHEMA}}
output: {path: out.jsonl}
"""


@pytest.fixture
def folder(tmp_path):
    """A pipeline's folder inside another; gives a function that writes files and the pipeline's schema."""
    home = tmp_path / "home"
    home.mkdir()

    def write(schema, **files):
        for name, content in files.items():
            path = home / f"{name}.json"
            path.parent.mkdir(exist_ok=True, parents=True)
            path.write_text(json.dumps(content))
        (home / "pipeline.yaml").write_text(PIPELINE.replace("SCHEMA", json.dumps(schema)))
        return home / "pipeline.yaml"

    return write


def bundle(path) -> JSONSchema:
    """The schema of the pipeline's one step."""
    return load(path).plan().steps[0].schema


def refusal(path):
    """The one thing that is wrong with the pipeline."""
    _, (found,) = check(path)
    return found


def test_a_number_that_python_does_not_read_is_a_mistake_of_the_file(folder):
    """A number of thousands of digits in a JSON file is refused at its place."""
    path = folder("big.json", big={"maximum": 0})
    (path.parent / "big.json").write_text(f'{{"maximum": {"9" * 5_000}}}')
    found = refusal(path)
    assert (found.code, found.mark.file, found.mark.column) == (Code.BAD_NUMBER, str(path.parent / "big.json"), 13)


@pytest.mark.parametrize(
    ("schema", "value", "errors"),
    [
        ({"type": "integer"}, 1, ()),
        ({"type": "integer"}, "1", ('$: "1" is not of type "integer"',)),
        (
            {"properties": {"a": {"items": {"maximum": 3}}}},
            {"a": [1, 5, 9]},
            ("$.a[1]: 5 is greater than the maximum of 3", "$.a[2]: 9 is greater than the maximum of 3"),
        ),
        ({"format": "date"}, "2026-02-30", ('$: "2026-02-30" is not a "date"',)),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"const": 1}}}, 2, ("$: 1 was expected",)),
        ({"unevaluatedProperties": False, "properties": {"a": True}}, {"a": 1}, ()),
        ({"not": {}}, 1, ("$: {} is not allowed for 1",)),
    ],
)
def test_errors_have_paths(schema, value, errors):
    """Each error begins with where in the answer it is."""
    assert json_schema(schema).errors(value) == errors


def test_a_pattern_that_backtracks_is_invalid_and_fast():
    """A pattern that would take for ever counts as not matched, soon."""
    schema = json_schema({"pattern": r"^(a|a)*(b\1)?$"})
    start = time.perf_counter()
    assert schema.errors("a" * 60 + "!")
    assert time.perf_counter() - start < 2


@pytest.mark.parametrize("value", ["\ud800", {"a": ["x\udfff"]}, {"\ud83c": 1}])
def test_half_a_surrogate_pair_is_an_error(value):
    """A text that cannot be written is invalid, whatever the schema."""
    assert json_schema({}).errors(value) == ("$: a text holds half of a surrogate pair, which is no character",)


@pytest.mark.parametrize("value", [float("nan"), [float("inf")], {"a": -float("inf")}, b"x", {1: 2}, {1, 2}])
@pytest.mark.parametrize("schema", [{}, {"type": ["null", "number", "object", "array"]}])
def test_what_json_lacks_is_an_error(schema, value):
    """What cannot be written as JSON is invalid, whatever the schema."""
    (error,) = json_schema(schema).errors(value)
    assert error.startswith("$")


def test_a_deep_answer_is_an_error_or_valid():
    """Depth ends no run."""
    deep = []
    for _ in range(100_000):
        deep = [deep]
    assert json_schema({}).errors(deep) == ("$: nested too deeply",)


def test_a_long_value_is_cut_in_its_message():
    """The re-ask carries both ends of a message, not a megabyte of value."""
    (error,) = json_schema({"type": "integer"}).errors("x" * 10_000)
    assert len(error) < 700
    assert error.endswith('is not of type "integer"')


def test_a_schema_is_a_value():
    """A schema survives pickling, and what is taken out of it can be changed without harm."""
    schema = pickle.loads(pickle.dumps(json_schema({"type": "string"})))  # noqa: S301 - our own bytes
    schema.value["type"] = "integer"
    assert schema.errors("x") == ()


def test_files_are_bundled_in(folder):
    """What is sent stands alone and says the same."""
    path = folder({"$ref": "a.json#/$defs/Name"}, a={"$defs": {"Name": {"type": "string"}}})
    schema = bundle(path)
    assert "a.json" not in schema.text
    assert schema.errors("x") == ()
    assert schema.errors(1)


def test_files_that_refer_to_each_other(folder):
    """A cycle between files ends, and is a recursive schema."""
    node = {"type": "object", "properties": {"next": {"$ref": "b.json"}}, "required": ["id"]}
    schema = bundle(folder("a.json", a=node, b={"anyOf": [{"$ref": "a.json"}, {"type": "null"}]}))
    assert schema.errors({"id": 1, "next": {"id": 2, "next": None}}) == ()
    assert schema.errors({"id": 1, "next": {"next": None}})


def test_a_file_that_refers_to_itself(folder):
    """`#` in a file is that file, wherever it is bundled."""
    schema = bundle(
        folder({"properties": {"tree": {"$ref": "tree.json"}}}, tree={"items": {"$ref": "#"}, "type": "array"})
    )
    assert schema.errors({"tree": [[], [[]]]}) == ()
    assert schema.errors({"tree": [[], [1]]})


def test_a_file_is_bundled_once(folder):
    """Two references to one file, by two spellings, share its copy."""
    properties = {"a": {"$ref": "part.json"}, "b": {"$ref": "./part.json"}, "c": {"$ref": "x/../part.json"}}
    (folder({})).parent.joinpath("x").mkdir()
    schema = bundle(folder({"properties": properties}, part={"type": "integer"}))
    assert schema.text.count("integer") == 1
    assert len(schema.errors({"a": "", "b": "", "c": ""})) == 3


def test_names_that_collide_stay_apart(folder):
    """A file whose name is that of a definition, or of another file, gets a name of its own."""
    schema = {
        "$defs": {"part": {"const": 1}},
        "prefixItems": [{"$ref": "#/$defs/part"}, {"$ref": "part.json"}, {"$ref": "x/part.json"}],
    }
    path = folder(schema, part={"const": 2}, **{"x/part": {"const": 3}})
    assert bundle(path).errors([1, 2, 3]) == ()
    assert len(bundle(path).errors([9, 9, 9])) == 3


def test_anchors_hold_across_files(folder):
    """`file.json#name` finds the anchor in that file, and `#name` the one in its own."""
    part = {"$defs": {"x": {"$anchor": "there", "type": "integer"}, "y": {"$ref": "#there"}}}
    schema = {"prefixItems": [{"$ref": "part.json#there"}, {"$ref": "part.json#/$defs/y"}]}
    assert len(bundle(folder(schema, part=part)).errors(["", ""])) == 2


def test_the_same_anchor_in_two_files(folder):
    """An anchor belongs to its file, though two files may have one of that name."""
    schema = {"prefixItems": [{"$ref": "a.json#it"}, {"$ref": "b.json#it"}]}
    path = folder(
        schema, a={"$defs": {"x": {"$anchor": "it", "const": 1}}}, b={"$defs": {"x": {"$anchor": "it", "const": 2}}}
    )
    assert bundle(path).errors([1, 2]) == ()
    assert len(bundle(path).errors([2, 1])) == 2


def test_escaped_pointers(folder):
    """`~1`, `~0` and percent signs in a pointer are what the specification says."""
    defs = {"a/b": {"const": 1}, "a~b": {"const": 2}, "a b": {"const": 3}}
    refs = ["#/$defs/a~1b", "#/$defs/a~0b", "#/$defs/a%20b"]
    schema = bundle(folder({"$defs": defs, "prefixItems": [{"$ref": ref} for ref in refs]}))
    assert schema.errors([1, 2, 3]) == ()


def test_properties_named_like_keywords_are_no_references(folder):
    """What stands under `properties`, `const`, `enum`, `default` and `examples` is data."""
    schema = {
        "properties": {"$ref": {"type": "string"}, "a": {"const": {"$ref": "x.json"}, "examples": [{"$ref": "y.json"}]}}
    }
    assert bundle(folder(schema)).errors({"$ref": "x", "a": {"$ref": "x.json"}}) == ()


def test_the_schema_goes_out_as_written(folder):
    """Descriptions and the order of properties survive the way."""
    schema = {"type": "object", "description": "Who?", "properties": {"z": {}, "a": {"title": "T"}, "m": {}}}
    assert json.loads(bundle(folder(schema)).text) == schema
    assert list(bundle(folder(schema)).value["properties"]) == ["z", "a", "m"]


@pytest.mark.parametrize(
    ("ref", "code"),
    [
        ("https://example.com/a.json", Code.REMOTE_REFERENCE),
        ("HTTP://example.com/a.json", Code.REMOTE_REFERENCE),
        ("//example.com/a.json", Code.REMOTE_REFERENCE),
        ("file:///etc/hosts", Code.REMOTE_REFERENCE),
        ("urn:x:y", Code.REMOTE_REFERENCE),
        ("../a.json", Code.OUTSIDE_FOLDER),
        ("/etc/hosts", Code.OUTSIDE_FOLDER),
        ("x/../../a.json", Code.OUTSIDE_FOLDER),
        ("missing.json", Code.MISSING_FILE),
        ("#/$defs/missing", Code.BAD_REFERENCE),
        ("#missing", Code.BAD_REFERENCE),
        ("a.json#/missing", Code.BAD_REFERENCE),
    ],
)
def test_a_reference_that_leads_nowhere(folder, ref, code):
    """References out of the folder, to the network or to nothing are errors where they stand."""
    path = folder({"properties": {"a": {"$ref": ref}}}, a={})
    (path.parent.parent / "a.json").write_text("{}")
    found = refusal(path)
    assert found.code is code
    line = path.read_text().splitlines()[found.mark.line - 1]
    assert line[found.mark.column - 1 : found.mark.end_column - 1] == json.dumps(ref)


@pytest.mark.parametrize("schema", [{"$ref": "link.json"}, {"$ref": "folder/a.json"}])
def test_a_link_out_of_the_folder_leaves_it(folder, schema):
    """A symbolic link is followed before the folder is held against."""
    path = folder(schema)
    outside = path.parent.parent / "outside"
    outside.mkdir()
    (outside / "a.json").write_text("{}")
    (path.parent / "link.json").symlink_to(outside / "a.json")
    (path.parent / "folder").symlink_to(outside)
    assert refusal(path).code is Code.OUTSIDE_FOLDER


def test_a_mistake_in_a_bundled_file_is_shown_there(folder):
    """The place is in the file that holds the mistake."""
    found = refusal(folder({"$ref": "a.json"}, a={"type": "strng"}))
    assert found.mark.file.endswith("a.json")
    assert found.hint == "did you mean `string`?"


CLOSED = st.sampled_from(["a", "b", "c"])
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.floats(-3, 3, width=16)
    | st.sampled_from(["", "a", "aa", "é", "🏃"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(CLOSED, inner, max_size=3),
    max_leaves=6,
)
KEYWORDS = {
    "type": st.sampled_from(["string", "integer", "number", "object", "array", "null", "boolean", ["string", "null"]]),
    "enum": st.lists(VALUES, min_size=1, max_size=3),
    "const": VALUES,
    "minimum": st.integers(-2, 2),
    "exclusiveMaximum": st.floats(-2, 2, width=16),
    "multipleOf": st.sampled_from([1, 2, 0.5]),
    "minLength": st.integers(0, 2),
    "maxLength": st.integers(0, 2),
    "pattern": st.sampled_from(["a", "^a$", "^[é-ü]", "^.$", r"\S"]),
    "minItems": st.integers(0, 2),
    "maxItems": st.integers(0, 2),
    "uniqueItems": st.booleans(),
    "minContains": st.integers(0, 2),
    "maxContains": st.integers(0, 2),
    "required": st.lists(CLOSED, max_size=2, unique=True),
    "minProperties": st.integers(0, 2),
    "maxProperties": st.integers(0, 2),
    "dependentRequired": st.dictionaries(CLOSED, st.lists(CLOSED, max_size=2, unique=True), max_size=2),
}
NESTED = ["items", "contains", "not", "if", "then", "else", "additionalProperties", "propertyNames"]
NESTED += ["unevaluatedItems", "unevaluatedProperties"]
LISTED = ["allOf", "anyOf", "oneOf", "prefixItems"]
MAPPED = ["properties", "dependentSchemas"]


def _schemas(inner):
    parts = dict.fromkeys(NESTED, inner)
    parts |= {key: st.lists(inner, min_size=1, max_size=2) for key in LISTED}
    parts |= {key: st.dictionaries(CLOSED, inner, max_size=2) for key in MAPPED}
    parts["patternProperties"] = st.dictionaries(st.sampled_from(["^a", "b|c"]), inner, max_size=2)
    parts["$ref"] = st.just("#/$defs/it")
    return st.fixed_dictionaries({}, optional=KEYWORDS | parts).map(lambda schema: dict(list(schema.items())[:5]))


SCHEMAS = st.recursive(st.booleans() | st.fixed_dictionaries({}, optional=KEYWORDS), _schemas, max_leaves=5)


@given(schema=SCHEMAS, it=st.fixed_dictionaries({}, optional=KEYWORDS), values=st.lists(VALUES, max_size=6))
def test_the_two_validators_agree(schema, it, values):
    """The fast validator accepts exactly what the reference implementation accepts."""
    whole = {**(schema if isinstance(schema, dict) else {"allOf": [schema]}), "$defs": {"it": it}}
    jsonschema.Draft202012Validator.check_schema(whole)
    reference = jsonschema.Draft202012Validator(whole)
    for value in values:
        assert (json_schema(whole).errors(value) == ()) == reference.is_valid(value)


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("date", ["2026-10-21", "2024-02-29"], ["2026-1-1", "2026-02-30", "20261021", "2026-10-21Z", ""]),
        (
            "date-time",
            ["2026-10-21T10:00:00Z", "2026-10-21T10:00:00.5+02:00"],
            ["2026-10-21 10:00:00Z", "2026-10-21T10:00:00", "2026-10-21T25:00:00Z", "2026-02-30T10:00:00Z"],
        ),
        ("time", ["10:00:00Z", "10:00:00+02:00"], ["10:00:00", "10:00Z", "25:00:00Z"]),
        ("email", ["a@b.c", "a.b+c@d.example"], ["a", "", "a b"]),
        ("uri", ["https://a.b/c", "mailto:a@b.c", "urn:x:y"], ["a", "//a", "http:// a", "http://a/<b>"]),
        ("uuid", ["2eb8aa08-aa98-11ea-b4aa-73b441d16380"], ["2eb8aa08aa9811eab4aa73b441d16380", "x"]),
        ("ipv4", ["127.0.0.1"], ["256.1.1.1", "1.1.1", "01.1.1.1", "1.1.1.1/8"]),
        ("ipv6", ["::1", "::ffff:1.2.3.4"], ["1::2::3", "12345::", "fe80::1%eth0"]),
        ("hostname", ["a.b", "localhost"], ["a_b", "-a", "a-", ""]),
        ("duration", ["P1D", "PT1H", "P1W"], ["P", "PT", "1D"]),
    ],
)
def test_the_two_validators_agree_on_formats(name, right, wrong):
    """The common formats are enforced, and both validators draw the line at the same place."""
    reference = jsonschema.Draft202012Validator(
        {"format": name}, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )
    ours = json_schema({"format": name})
    assert all(ours.errors(text) == () and reference.is_valid(text) for text in right)
    assert all(ours.errors(text) and not reference.is_valid(text) for text in wrong)


@pytest.mark.parametrize("address", ["a@", "@b", "a@@b", "a b@c.d", "a..b@c.d", "a@-b.c"])
def test_an_address_is_checked_more_strictly(address):
    """The fast validator reads `email` as RFC 5321 does; the other one looks for an `@` alone."""
    assert json_schema({"format": "email"}).errors(address)


def test_an_unknown_format_is_a_note(folder):
    """A format that nobody knows accepts everything, as the specification says."""
    assert bundle(folder({"type": "string", "format": "plate"})).errors("OSL 1") == ()


def written(folder, text):
    """A pipeline whose schema is a JSON file of this text."""
    path = folder("s.json", s={})
    (path.parent / "s.json").write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "schema",
    [
        {"$id": "https://example.com/s", "$ref": "https://example.com/s#/$defs/a", "$defs": {"a": {"type": "string"}}},
        {"$id": "https://example.com/s", "$ref": "#a", "$defs": {"x": {"$anchor": "a", "type": "string"}}},
        {
            "$ref": "urn:x:a",
            "$defs": {"b": {"$id": "urn:x:a", "$ref": "#/$defs/c", "$defs": {"c": {"type": "string"}}}},
        },
        {
            "$id": "https://e.com/d/",
            "$ref": "a",
            "$defs": {"b": {"$id": "/d/a", "$ref": "b"}, "c": {"$id": "b", "type": "string"}},
        },
    ],
)
def test_a_reference_by_the_own_name_of_a_part(folder, schema):
    """`$id` names the document and its parts; what is sent refers to them by their paths."""
    found = bundle(folder("s.json", s=schema))
    assert found.errors("x") == ()
    assert found.errors(1)
    assert "urn:" not in found.text
    assert all(part["$ref"].startswith("#") for part in [found.value])


def test_dependencies_are_enforced_and_no_unknown_keyword(folder):
    """The older keyword holds, so nothing is said of it."""
    path = folder({"dependencies": {"a": ["b"], "c": {"required": ["d"]}}})
    assert check(path)[1] == ()
    assert bundle(path).errors({"a": 1})
    assert bundle(path).errors({"c": 1})


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        ('{"type": "object",\n\t"title": "a",\n\t"title": "b"}', Code.DUPLICATE_KEY, (3, 2)),
        ('{"minimum": NaN}', Code.BAD_NUMBER, (1, 1)),
        ('{"minimum": 1e999}', Code.BAD_NUMBER, (1, 13)),
        (f'{{"minimum": {"9" * 320}}}', Code.BAD_NUMBER, (1, 13)),
        ('{"title": "\\ud83d"}', Code.NOT_YAML, (1, 14)),
        ('{"$schema": 5}', Code.BAD_SCHEMA, (1, 13)),
        ('{"$schema": "x"}', Code.BAD_SCHEMA, (1, 13)),
        ('{"$ref": "#/allOf/\u00b2", "allOf": [{}]}', Code.BAD_REFERENCE, (1, 10)),
        ('{"$ref": "http://["}', Code.REMOTE_REFERENCE, (1, 10)),
        ('{"$ref": "a\\u0000"}', Code.MISSING_FILE, (1, 10)),
    ],
)
def test_what_a_json_schema_file_cannot_hold_is_told_in_it(folder, text, code, place):
    """One error, in the file, at its place."""
    found = refusal(written(folder, text))
    assert (found.code, found.mark.file.endswith("s.json"), found.mark.line, found.mark.column) == (code, True, *place)


def test_a_json_file_that_tabs_indent_keeps_its_places(folder):
    """To JSON a tab is white space."""
    found = refusal(written(folder, '{\n\t"type": "objct"\n}'))
    assert (found.mark.line, found.mark.column) == (2, 10)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("emial", "email"),
        ("datetime", "date-time"),
        ("Date", "date"),
        ("url", "uri"),
        ("guid", "uuid"),
        ("ip4", "ipv4"),
    ],
)
def test_a_format_that_is_nearly_one_is_told(folder, written, meant):
    """It would be a note without effect."""
    _, (found,) = check(folder({"type": "string", "format": written}))
    assert (found.code, found.severity, found.hint) == (Code.UNKNOWN_KEYWORD, "warning", f"did you mean `{meant}`?")


@pytest.mark.parametrize(
    "written", ["int32", "decimal", "phone", "password", "byte", "slug", "uuid", "timestamp", "year"]
)
def test_a_format_of_ones_own_is_a_note(folder, written):
    """Of one that is near to none nothing is said."""
    assert check(folder({"format": written}))[1] == ()
