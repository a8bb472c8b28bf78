"""Strategies for pipelines: what the language's JSON Schema accepts, read off the schema itself, and damage to it."""

import json
import string
from functools import cache
from typing import Any

from hypothesis import strategies as st

from yamlgen.pipeline.json_schema import committed
from yamlgen.steps.batch_config import WAIT
from yamlgen.steps.config_fields import BETA, HEADER, WORKSPACE
from yamlgen.steps.python.config import CALL
from yamlgen.steps.step_kinds import KINDS

SCHEMA = json.loads(committed())

texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Co", "Cn"]), max_size=12)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**6), 10**6) | st.floats(-1e6, 1e6, width=32) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
names = st.text(string.ascii_lowercase + "_", min_size=1, max_size=6).filter(lambda name: name[0] != "_")

templates = st.sampled_from(
    [
        "Hello",
        "{{ row.name }}",
        '{{ row["First name"] }} {{ params.a }}',
        "{{ steps.a }} {{ steps.a.b }}",
        "{% for x in row %}{{ x }}{% endfor %}",
        "{{ row.x | default(1) }}",
        "{{ broken",
    ]
)
_PATTERNS = {
    "^[a-z][a-z0-9_]*$": names,
    "^[A-Za-z_][A-Za-z0-9_]*$": names,
    r"^https?://[^\s/@?#]+(/[^\s?#]*)?$": st.sampled_from(
        ["https://a.example", "http://127.0.0.1:80/v1", "http://b.example"]
    ),
    r"^(100(\.0+)?|[0-9]{1,2}(\.[0-9]+)?)%$": st.sampled_from(["0%", "2.5%", "100%"]),
    r"^[1-9][0-9]*(\.[0-9]+)?(MB|GB|MiB|GiB)$": st.sampled_from(["2GB", "512MiB", "1.5GB"]),
    BETA: st.sampled_from(["task-budgets-2026-03-13"]),
    HEADER: st.sampled_from(["x-team", "X-Team"]),
    WORKSPACE: st.sampled_from(["wrkspc_01"]),
    WAIT: st.sampled_from(["1s", "90m", "2h", "30d"]),
    CALL: st.sampled_from(["calls:score", "lib.calls:score"]),
}


def accepted(schema: dict[str, Any] = SCHEMA) -> st.SearchStrategy[Any]:
    """Values that a part of the language's schema accepts."""
    if "$ref" in schema:
        return _defined(schema["$ref"].rsplit("/", 1)[1])
    if "anyOf" in schema:
        return st.one_of([accepted(branch) for branch in schema["anyOf"]])
    if "const" in schema:
        return st.just(schema["const"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if "allOf" in schema:  # the kinds of a step
        return st.one_of([accepted(rule["then"]) for rule in schema["allOf"]])
    if "then" in schema:  # by a key of the value
        return st.one_of([accepted(schema[branch]) for branch in ("else", "then")])
    made = _TYPED.get(schema.get("type"))
    return json_values if made is None else made(schema)


@cache  # a column contains columns
def _defined(name: str) -> st.SearchStrategy[Any]:
    """Values that a definition of the language's schema accepts."""
    return st.deferred(lambda: accepted(SCHEMA["$defs"][name]))


def _number(schema: dict[str, Any]) -> st.SearchStrategy[float]:
    low = schema.get("minimum", schema.get("exclusiveMinimum", 0))
    return st.floats(low, schema.get("maximum", 10**6), exclude_min="exclusiveMinimum" in schema) | st.just(1)


def _string(schema: dict[str, Any]) -> st.SearchStrategy[str]:
    if "pattern" in schema:
        return _PATTERNS[schema["pattern"]]
    if schema.get("maxLength") == 1:
        return st.sampled_from([",", ";", "é"])
    plain = texts.filter(bool) if schema.get("minLength") else texts
    return plain | templates


def _object(schema: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    if "propertyNames" in schema:
        inner = accepted(schema["additionalProperties"])
        return st.dictionaries(names, inner, min_size=schema.get("minProperties", 0), max_size=3)
    if "properties" not in schema:
        rest = schema.get("additionalProperties")
        inner = accepted(rest) if isinstance(rest, dict) else json_values
        return st.dictionaries(texts, inner, min_size=schema.get("minProperties", 0), max_size=3)
    choices = [branch["required"][0] for branch in schema.get("oneOf", ())]
    parts = {name: accepted(part) for name, part in schema["properties"].items()}
    required = set(schema.get("required", ()))
    beside = schema.get("dependentRequired", {})
    if "kind" in parts:
        parts["kind"] = st.just(_kind_of(schema))

    @st.composite
    def build(draw) -> dict[str, Any]:
        needed = required | ({draw(st.sampled_from(choices))} if choices else set())
        needed |= {other for name in needed for other in beside.get(name, ())}
        free = sorted(set(parts) - needed - set(choices))
        some = needed | (set(draw(st.lists(st.sampled_from(free), unique=True, max_size=4))) if free else set())
        some = {name for name in some if some.issuperset(beside.get(name, ()))}
        made = {name: draw(parts[name]) for name in parts if name in some}
        if "patternProperties" in schema and draw(st.booleans()):
            made["x-own"] = draw(json_values)
        return made

    return build()


def _kind_of(schema: dict[str, Any]) -> str:
    """The kind of step whose keys a part of the language's schema has."""
    return next(name for name, each in KINDS.items() if SCHEMA["$defs"][each.__name__] is schema)


_TYPED = {
    "string": _string,
    "integer": lambda schema: st.integers(schema.get("minimum", 0), schema.get("maximum", 10**6)),
    "number": _number,
    "boolean": lambda _: st.booleans(),
    "array": lambda schema: st.lists(
        accepted(schema["items"]), min_size=schema.get("minItems", 0), max_size=schema.get("maxItems", 3)
    ),
    "object": _object,
}


@st.composite
def damaged(draw) -> Any:
    """A pipeline with up to four random changes, each at a random place."""
    document = draw(accepted())
    for _ in range(draw(st.integers(1, 4))):
        holder = draw(st.sampled_from(list(_holders(document))))
        _damage(draw, holder)
    return document


def _holders(value: Any):
    """Every mapping and list in a value, itself first."""
    if isinstance(value, dict | list):
        yield value
        for child in value.values() if isinstance(value, dict) else value:
            yield from _holders(child)


def _damage(draw, holder: Any) -> None:
    """Drop, misspell, replace or add something."""
    keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
    kind = draw(st.sampled_from(["drop", "misspell", "replace", "add"]))
    if not keys or kind == "add":
        new = draw(json_values)
        if isinstance(holder, dict):
            holder[draw(texts | st.sampled_from(["promt", "api_key", "path", "rows", "messages", "file"]))] = new
        else:
            holder.append(new)
        return
    key = draw(st.sampled_from(keys))
    if kind == "drop":
        del holder[key]
    elif kind == "misspell" and isinstance(key, str) and key:
        at = draw(st.integers(0, len(key) - 1))
        holder[key[:at] + key[at + 1 :]] = holder.pop(key)
    else:
        holder[key] = draw(json_values | st.sampled_from(["12", 0, -1, [], {}, "", None, {"file": "x.md"}]))
