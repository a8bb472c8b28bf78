"""A strategy for whole pipelines that mostly compile: steps of every kind that use what is in scope, rows, params.

Owns a rough idea of types (`Shape`), by which an expression is put together of what its place can take; what yamlgen
itself infers is for the tests to hold against what comes out. A pipeline is data until it is written to a folder.
"""

import csv
import io
import json
from dataclasses import dataclass, field, replace
from pathlib import Path

import yaml
from hypothesis import strategies as st

CALLS = '''\
"""What the steps of kind `python` call."""

import asyncio
import json


def same(value=None):
    return value


def pair(first, second=1):
    return first, {"second": second}


def listing(value=None):
    return [json.dumps(value), "é"]


async def later(value=None):
    await asyncio.sleep(0)
    return {"value": value, "size": len(json.dumps(value))}


def picky(value=None):
    if len(json.dumps(value)) % 3 == 0:
        raise ValueError("not this one")
    return 0.5


def fails(value=None):
    raise KeyError(value)


def no_json(value=None):
    return {"value": {1: object()}}


def exits(value=None):
    raise SystemExit(3)
'''

MODELS = ("claude-haiku-5-5", "claude-opus-5-5", "claude-sonnet-4", "gateway/own")
NAMES = ("a", "bee", "items", "Größe x", "$d")
LITERALS = {"string": '"z"', "integer": "7", "number": "1.5", "boolean": "true", "array": '["q"]', "object": '{"a": 1}'}


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


@dataclass
class Made:
    """A pipeline as data, with the files beside it and the values of its parameters."""

    document: dict
    files: dict[str, str]
    params: dict

    def write(self, folder: Path) -> Path:
        """Put it into a folder; the pipeline's file."""
        for name, text in self.files.items():
            (folder / name).write_text(text, encoding="utf-8")
        path = folder / "p.yaml"
        path.write_text(yaml.safe_dump(self.document, allow_unicode=True, sort_keys=False), encoding="utf-8")
        return path

    def __repr__(self) -> str:
        inputs = {name: text for name, text in self.files.items() if name != "calls_of_plans.py"}
        shown = yaml.safe_dump(self.document, allow_unicode=True, sort_keys=False, width=110)
        return f"\n{shown}--- files: {inputs}\n--- params: {self.params}\n"


@dataclass
class Scope:
    """What an expression may refer to: sources with their shapes."""

    atoms: list[tuple[str, Shape]] = field(default_factory=list)

    def add(self, source: str, shape: Shape, depth: int = 2) -> None:
        """Take in a reference, and those into it."""
        self.atoms.append((source, shape))
        if shape.null or shape.absent or depth == 0:
            return
        for name, member in shape.members:
            plain = name.isidentifier() and name.isascii() and name != "items"
            self.add(f"{source}.{name}" if plain else f"{source}[{json.dumps(name, ensure_ascii=False)}]", member, depth - 1)

    def having(self, *kinds: str, null: bool | None = None) -> list[tuple[str, Shape]]:
        """The references of some kinds."""
        return [
            (source, shape)
            for source, shape in self.atoms
            if (not kinds or shape.kind in kinds) and (null is None or shape.null == null)
        ]


# Values and schemas


words = st.sampled_from(["Oslo", "", "a;b", "Größe ✓", "{{ row.x }}", "12", "null", " \n", "x" * 40])
odd = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 10**12) | st.sampled_from([0.5, -1e300, 1.0, 2e-7]) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
    max_leaves=6,
)
_COLUMNS = {
    "name": (TEXT, words),
    "n": (INTEGER, st.integers(-3, 99)),
    "price": (NUMBER, st.sampled_from([0.5, 1.0, 3, -2.25])),
    "tags": (Shape("array", TEXT), st.lists(words, max_size=3)),
    "grid": (Shape("array", Shape("array", INTEGER)), st.lists(st.lists(st.integers(0, 3), max_size=2), max_size=3)),
    "people": (
        Shape("array", Shape("object", members=(("a", TEXT), ("bee", INTEGER)))),
        st.lists(st.fixed_dictionaries({"a": words, "bee": st.integers(0, 5)}), max_size=3),
    ),
    "about": (
        Shape("object", members=(("a", TEXT), ("items", Shape("array", INTEGER)))),
        st.fixed_dictionaries({"a": words, "items": st.lists(st.integers(0, 5), max_size=2)}),
    ),
    "odd": (ANY, odd),
    "Größe x": (ANY, st.none() | words),
    "yes": (BOOLEAN, st.booleans()),
}


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
            return {"type": "array", "prefixItems": [inner], "items": {"type": "integer"}, "minItems": 1}, Shape("array", ANY)
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


# Expressions


@st.composite
def expressions(draw, scope: Scope, kind: str = "any", depth: int = 2):
    """An expression that gives a value of a kind, where the values that it uses allow it."""
    known = scope.having(kind) if kind != "any" else scope.having()
    if known and draw(st.integers(0, 3 if depth else 1)) < (2 if depth else 4):
        return draw(_asked(draw(st.sampled_from(known)), kind))
    if depth == 0:
        return LITERALS.get(kind, '"z"')
    if kind == "any":
        kind = draw(st.sampled_from([name for name in _MAKERS if name != "lazy"]))
    return draw(_MAKERS[kind](scope, depth - 1))


@st.composite
def _asked(draw, atom, kind):
    """A reference, asked about first where it may be null or missing."""
    source, shape = atom
    instead = LITERALS.get(shape.kind if kind == "any" else kind, '"z"')
    if shape.absent:
        return f"({source} | default({instead}))"
    if not shape.null:
        return source
    forms = ("({0} or {1})", "({0} if {0} is not none else {1})", "({0} | default({1}, true))", "({1} if not {0} else {0})")
    return draw(st.sampled_from(forms)).format(source, instead)


def _maker(*forms):
    """A maker of expressions out of forms, in which `{string}` stands for an expression of that kind."""

    @st.composite
    def make(draw, scope, depth):
        class Parts(dict):
            def __missing__(self, name):
                kind = name.rstrip("123")
                return f"({draw(expressions(scope, kind, depth))})"

        return draw(st.sampled_from(forms)).format_map(Parts())

    return make


_MAKERS = {
    "string": _maker(
        '"Hello"',
        "{any} ~ {any2}",
        "{string} | upper",
        "{any} | string",
        "{any} | tojson",
        '{array} | join(", ")',
        "{string} if {boolean} else {string2}",
        '{any} | default("none", true) | string',
        "{string}[:3]",
        "{string}.strip().title()",
        '{string} | replace("a", "bb") | trim',
        "{string} | first",
        "{any} | truncate(4, true)",
        "{string} + {string2}",
        '"%s!" | format({any})',
        "{array} | map('string') | join",
        "{string} | reverse",
        "{any} | urlencode if {string} else {string2}",
    ),
    "integer": _maker(
        "3",
        "{integer} + {integer2}",
        "{integer} * 2 - {integer2}",
        "{array} | length",
        "{string} | length",
        "{any} | int",
        "-{integer}",
        "{integer} // 2",
        "{integer} % 3",
        "{array} | map('string') | map('length') | sum",
        "{integer} if {boolean} else {integer2}",
        "[{integer}, {integer2}] | max",
        "{integer} | abs",
    ),
    "number": _maker(
        "1.5",
        "{integer} / 2",
        "{number} * {integer}",
        "{any} | float",
        "{number} | round(1)",
        "{number} | round",
        "{number} | abs",
        "[{number}, {integer}] | sum",
        "{number} ** 2",
        "[{number}, {integer}] | min",
    ),
    "boolean": _maker(
        "true",
        "{integer} > 3",
        "{number} <= {integer}",
        "{any} is none",
        "{any} == {any2}",
        "{any} is string",
        "not {any}",
        "{boolean} and {boolean2}",
        "{boolean} or {boolean2}",
        "{string} in {array}",
        "{string} | length is odd",
        '{string}.startswith("a")',
        "{any} is mapping",
    ),
    "array": _maker(
        "[]",
        "[{any}, {any2}]",
        "[{string}]",
        "[{integer}, {number}]",
        "{array}[:2]",
        "{array}[1:]",
        "{array} + {array2}",
        "{array} | reverse | list",
        "{array} | list",
        "{array} | select | list",
        "{array} | reject('none') | list",
        "{array} | map('string') | unique | list",
        "{array} | map('tojson') | sort",
        '{string}.split(";")',
        "{object}.values() | list",
        "{any} or []",
        "{array} or [{integer}]",
        "{array} | batch(2) | list",
        "{array} if {boolean} else [{any}]",
        "{array} * 2",
        "{array} | truncate",
    ),
    "lazy": _maker(
        "{array} | reverse",
        "{array} | select",
        "{array} | reject('none')",
        "{array} | map('string')",
        "{array} | map('truncate')",
        "{array} | unique",
        "{array} | batch(2)",
        "{object}.values()",
        "{object}.items()",
        "range({integer} % 4)",
    ),
    "object": _maker(
        '{{"a": {any}, "bee": {string}}}',
        '{{"items": {array}}}',
        "{object} or {{}}",
        "{object} if {boolean} else {{}}",
        '{object} and {{"a": {integer}}}',
        '{object} | default({{"a": 2}}, true)',
        "dict(a={any})",
    ),
}


@st.composite
def templates(draw, scope: Scope):
    """A text with what is in scope in it."""
    parts = [draw(st.sampled_from(["Go on.", "Hello,", "Écris:"]))]
    for _ in range(draw(st.integers(0, 3))):
        match draw(st.sampled_from(["print", "print", "json", "if", "loop", "set", "null"])):
            case "print":
                parts.append(f"{{{{ {draw(expressions(scope))} }}}}")
            case "json":
                parts.append(f"{{{{ ({draw(expressions(scope))}) | tojson(2) }}}}")
            case "if":
                test, one, other = (draw(expressions(scope, kind, 1)) for kind in ("boolean", "any", "string"))
                parts.append(f"{{% if {test} %}}{{{{ {one} }}}}{{% else %}}{{{{ {other} }}}}{{% endif %}}")
            case "loop":
                over = draw(expressions(scope, "array", 1))
                part = draw(st.sampled_from(["{{ x }}", "{{ x | tojson }}", "{{ loop.index }}"]))
                parts.append(f"{{% for x in ({over}) if x is not none %}}{part}{{% endfor %}}")
            case "set":
                parts.append(f"{{% set y = {draw(expressions(scope))} %}}{{{{ y }}}}")
            case _:
                for source, _ in scope.having(null=True)[:1]:
                    asked = draw(st.sampled_from([source, f"{source} is not none"]))
                    parts.append(f"{{% if {asked} %}}{{{{ {source} }}}}{{% endif %}}")
    return " ".join(parts)


# Draws


def _distinct(values):
    return [value for index, value in enumerate(values) if not any(_same(value, other) for other in values[:index])]


def _same(one, other):
    return json.dumps(one) == json.dumps(other) or (
        one == other and isinstance(one, bool) is isinstance(other, bool) and isinstance(one, int | float | list | dict)
    )


@st.composite
def rules(draw):
    """The rules of a draw step, and the shape of what it draws."""
    made, members = {}, []
    for name in draw(st.lists(st.sampled_from(["who", "what", "much", "day", "cell"]), min_size=1, unique=True)):
        kind = draw(st.sampled_from(["choices", "weights", "integer", "number", "date", "column", "given"]))
        before = [other for other, rule in made.items() if "choices" in rule and isinstance(rule["choices"][0], str)]
        if kind == "given" and not before:
            kind = "choices"
        rule, shape = draw(_rules(kind, before, made))
        made[name] = rule
        members.append((name, shape))
    return made, Shape("object", members=tuple(members))


@st.composite
def _rules(draw, kind, before, made):
    match kind:
        case "choices":
            texts = draw(st.lists(st.sampled_from(["x", "y", "ü", ""]), min_size=1, unique=True))
            return {"choices": texts}, TEXT
        case "weights":
            values = _distinct(draw(st.lists(odd, min_size=1, max_size=4)))
            return {"choices": values, "weights": [*draw(_weights(len(values) - 1)), 1]}, ANY
        case "integer":
            least = draw(st.integers(-5, 5))
            return {"integer": [least, least + draw(st.integers(0, 10**6))]}, INTEGER
        case "number":
            least = draw(st.sampled_from([-1.5, 0, 0.1, 3]))
            more = {"decimals": draw(st.integers(1, 5))} if draw(st.booleans()) else {}
            return {"number": [least, least + draw(st.sampled_from([1, 0.25, 1e9]))], **more}, NUMBER
        case "date":
            return {"date": ["2024-02-28", draw(st.sampled_from(["2024-02-28", "2026-01-01"]))]}, TEXT
        case "column":
            return {"column": draw(st.sampled_from(["town", "size"])), "path": "towns.csv"}, TEXT
        case _:
            given = draw(st.sampled_from(before))
            cases = {value: draw(_rules(draw(st.sampled_from(["integer", "date"])), (), {}))[0] for value in made[given]["choices"]}
            if len(cases) > 1 and draw(st.booleans()):
                cases.popitem()
                return {"given": given, "cases": cases, "otherwise": {"choices": [None, 1, True]}}, ANY
            return {"given": given, "cases": cases}, ANY


def _weights(size):
    return st.lists(st.sampled_from([0, 1, 0.1, 2.5]), min_size=size, max_size=size)


# Steps


@st.composite
def _list_source(draw, scope: Scope):
    """The expression of a `for_each`, and the shape of its items."""
    lists = scope.having("array", null=False)
    lists = [(source, shape) for source, shape in lists if not shape.absent]
    asked = [atom for atom in scope.having("array") if atom[1].null]
    texts = [source for source, shape in scope.having("string", null=False) if not shape.absent]
    form = draw(st.sampled_from(["plain", "plain", "plain", "or", "slice", "split", "kept", "literal", "both"]))
    if form == "or" and asked:
        source, shape = draw(st.sampled_from(asked))
        return f"{source} or []", shape.item
    if form == "split" and texts:
        return f'{draw(st.sampled_from(texts))}.split(";")', TEXT
    if not lists or form == "literal":
        return f"[{draw(expressions(scope, 'integer', 1))}, 2]", INTEGER
    source, shape = draw(st.sampled_from(lists))
    item = shape.item or ANY
    match form:
        case "slice":
            return f"{source}[:2]", item
        case "kept":
            return f"{source} | reject('none')", replace(item, null=False)
        case "both":
            return f"{source} + {source}", item
        case _:
            return source, item


@dataclass
class Maker:
    """Makes the steps of one pipeline, one after the other."""

    base: Scope
    aliases: tuple[str, ...]
    steps: dict = field(default_factory=dict)
    shapes: dict[str, Shape] = field(default_factory=dict)

    def step(self, draw, name: str, kinds: tuple[str, ...]) -> None:
        """Add a step."""
        kind = draw(st.sampled_from(kinds))
        step: dict = {} if kind == "generate" else {"kind": kind}
        scope = Scope(list(self.base.atoms))
        asks, proven = self._when(draw, step)
        for other, shape in self.shapes.items():
            null = shape.null and other in asks and other not in proven
            scope.add(f"steps.{other}", replace(shape, null=null))
        used = len(scope.atoms)
        if draw(st.integers(0, 2)) == 0:
            source, item = draw(_list_source(scope))
            step["for_each"] = source
            scope.add("item", item)
            scope.add("item_index", INTEGER)
            if draw(st.booleans()):
                scope.atoms += [("item", item)] * 3
        scope.atoms += scope.atoms[len(self.base.atoms) : used]  # what comes from other steps is used more
        output = getattr(self, f"_{kind}")(draw, step, scope)
        self.steps[name] = step
        self.shapes[name] = self._whole(draw, step, output)

    def _when(self, draw, step):
        """Sometimes a `when`: the steps that it asks about, and those that it proves to be there."""
        maybe = [name for name, shape in self.shapes.items() if shape.null]
        sure = Scope(list(self.base.atoms))
        for name, shape in self.shapes.items():
            if not shape.null:
                sure.add(f"steps.{name}", shape)
        match draw(st.sampled_from(["no", "no", "no", "ask", "ask", "test"])):
            case "ask" if maybe:
                name = draw(st.sampled_from(maybe))
                form = draw(st.sampled_from(["{}", "{} is not none", "{} is none", "not {}", "{} is not none and true"]))
                step["when"] = form.format(f"steps.{name}")
                return {name}, set() if form in ("{} is none", "not {}") else {name}
            case "test":
                step["when"] = draw(expressions(sure, "boolean"))
        return set(), set()

    def _whole(self, draw, step, output):
        """The shape of a step's value, from that of one output."""
        many = [key for key in ("for_each", "samples", "matrix") if key in step]
        if many and draw(st.integers(0, 2)) == 0:
            step["on_item_error"] = "null"
            output = replace(output, null=True)
        if "samples" in step:
            output = Shape("array", output)
        if "matrix" in step:
            labels = [(axis, ANY) for axis in step["matrix"]]
            output = Shape("array", Shape("object", members=(*labels, ("output", output))))
        if "for_each" in step:
            output = Shape("array", output)
        asked = [name for name, shape in self.shapes.items() if shape.null and self._mentions(step, name)]
        own = step.get("when", "")
        return replace(output, null="when" in step or any(f"steps.{name}" not in own for name in asked))

    def _mentions(self, step, name):
        return f"steps.{name}" in json.dumps(step)

    def _generate(self, draw, step, scope):
        model = draw(st.sampled_from(self.aliases or MODELS))
        axes = {}
        if draw(st.integers(0, 3)) == 0:
            axes["tone"] = _distinct(draw(st.lists(odd, min_size=1, max_size=2)))
        if draw(st.integers(0, 5)) == 0:
            axes["model"] = sorted(set(draw(st.lists(st.sampled_from(self.aliases or MODELS), min_size=1, max_size=2))))
        if "model" not in axes:
            step["model"] = model
        if axes:
            step["matrix"] = axes
            for axis in axes:
                scope.add(f"matrix.{axis}", ANY)
        if draw(st.integers(0, 4)) == 0:
            step["samples"] = draw(st.integers(1, 3))
        if draw(st.integers(0, 3)) == 0:
            step["system"] = draw(templates(scope))
        if draw(st.integers(0, 4)) == 0:
            step["messages"] = [
                {"role": "user", "content": draw(templates(scope))},
                {"role": "assistant", "content": "Yes."},
                {"role": "user", "content": draw(templates(scope))},
            ]
        else:
            step["prompt"] = draw(templates(scope))
        shape = TEXT
        if draw(st.integers(0, 3)):
            schema, shape = draw(rooted())
            mode = draw(st.sampled_from(["auto", "auto", "auto", "json", "tools"]))
            step["output"] = {"schema": schema, "mode": mode, "reasks": draw(st.integers(0, 1))}
        if draw(st.integers(0, 3)) == 0:
            seen = Scope([*scope.atoms])
            seen.add("output", shape)
            seen.atoms += [("output", shape)] * 3
            check = draw(st.sampled_from(["true", "output is defined", "false"]) | expressions(seen, "boolean"))
            told = draw(templates(seen)) if draw(st.booleans()) else None
            step["check"] = [check if told is None else {"expression": check, "message": told}]
        return shape

    def _compute(self, draw, step, scope):
        values, members = {}, []
        for name in draw(st.lists(st.sampled_from(["one", "two", "three"]), min_size=1, unique=True)):
            atoms = [atom for atom in scope.having("array", "object", null=False) if not atom[1].absent]
            if atoms and draw(st.booleans()):
                values[name], shape = draw(st.sampled_from(atoms))
                members.append((name, shape))
                continue
            kind = draw(st.sampled_from([*_MAKERS, "any"]))
            values[name] = draw(expressions(scope, kind))
            members.append((name, Shape(kind if kind in ("string", "integer", "number", "boolean") else "any")))
        step["values"] = values
        if draw(st.integers(0, 5)) == 0:
            step["output"] = {"schema": {"type": "object", "required": list(values), "minProperties": 1}}
            members = [(name, ANY) for name, _ in members]
        return Shape("object", members=tuple(members))

    def _python(self, draw, step, scope):
        forms = [*["same"] * 3, *["listing", "later", "pair"] * 2, "picky", "picky", "fails", "no_json", "exits"]
        name = draw(st.sampled_from(forms))
        step["call"] = f"calls_of_plans:{name}"
        if name == "pair":
            step["args"] = {"first": draw(expressions(scope)), "second": draw(expressions(scope, "any", 1))}
        elif draw(st.integers(0, 4)):
            step["args"] = {"value": draw(expressions(scope))}
        step["keep"] = draw(st.booleans())
        schemas_of = {
            "listing": ({"type": "array", "items": {"type": "string"}}, Shape("array", TEXT)),
            "later": ({"type": "object", "properties": {"size": {"type": "integer"}}, "required": ["size"]}, None),
            "pair": ({"type": "array", "minItems": 2, "maxItems": 2}, Shape("array", ANY)),
            "picky": ({"type": "number"}, NUMBER),
        }
        if name in schemas_of and draw(st.integers(0, 3)):
            schema, shape = schemas_of[name]
            step["output"] = {"schema": schema}
            return shape or Shape("object", members=(("size", INTEGER),))
        return ANY

    def _draw(self, draw, step, scope):  # noqa: ARG002 - a draw sees nothing
        step["draws"], shape = draw(rules())
        step["seed"] = draw(st.integers(0, 3))
        if draw(st.integers(0, 3)) == 0:
            step["samples"] = draw(st.integers(1, 3))
        return shape


# Whole pipelines

KINDS = ("generate", "generate", "compute", "python", "draw")


@st.composite
def tables(draw, form: str):
    """Rows as data, and the shapes of their columns; of a CSV all is text."""
    names = draw(st.lists(st.sampled_from(list(_COLUMNS)), min_size=1, max_size=4, unique=True))
    sparse = draw(st.sampled_from(names)) if form != "csv" and draw(st.integers(0, 3)) == 0 else None
    rows = []
    for number in range(draw(st.integers(1, 4))):
        row = {name: draw(_COLUMNS[name][1]) for name in names}
        if number and sparse is not None and draw(st.booleans()):
            del row[sparse]
        rows.append({"id": number, **row})
    shapes = {name: replace(_COLUMNS[name][0], absent=name == sparse) for name in names}
    if form == "csv":
        rows = [{name: _cell(value) for name, value in row.items()} for row in rows]
        shapes = dict.fromkeys(names, TEXT)
    return rows, {"id": TEXT if form == "csv" else INTEGER, **shapes}


def _cell(value):
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def written(rows, form: str) -> str:
    """Rows as the text of a file."""
    if form == "csv":
        made = io.StringIO()
        writer = csv.DictWriter(made, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
        return made.getvalue()
    if form == "json":
        return json.dumps(rows)
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


@st.composite
def pipelines(draw, kinds: tuple[str, ...] = KINDS, most: int = 6):
    """A whole pipeline of up to `most` steps."""
    form = draw(st.sampled_from(["inline", "inline", "jsonl", "csv", "json"]))
    rows, columns = draw(tables(form))
    files = {"calls_of_plans.py": CALLS, "towns.csv": "town,size\nOslo,1\nRome,b\nGraz,3\n"}
    source = {"rows": rows} if form == "inline" else {"path": f"rows.{form}"}
    if form != "inline":
        files[f"rows.{form}"] = written(rows, form)
    if draw(st.booleans()):
        source["id"] = "id"
    base = Scope()
    for name, shape in columns.items():
        base.add(f"row.{name}" if name.isascii() else f'row["{name}"]', shape)
    params, given = {}, {}
    for name in draw(st.lists(st.sampled_from(["language", "counts"]), unique=True)):
        schema, shape, value = _PARAMS[name]
        params[name] = schema if draw(st.booleans()) else {**schema, "default": value}
        given |= {} if "default" in params[name] else {name: value}
        base.add(f"params.{name}", shape)
    aliases = ("writer", "judge") if draw(st.booleans()) else ()
    maker = Maker(base, aliases)
    names = [f"s{number}" for number in range(draw(st.integers(1, most)))]
    for name in names:
        maker.step(draw, name, kinds)
    order = draw(st.permutations(names))
    document = {
        "version": 1,
        "name": "made",
        **({"params": params} if params else {}),
        **({"models": {"writer": {"id": MODELS[0], "max_tokens": 500}, "judge": {"id": MODELS[3]}}} if aliases else {}),
        "input": source,
        "steps": {name: maker.steps[name] for name in order},
        "output": {"path": "out.jsonl", "provenance": draw(st.booleans())},
    }
    return Made(document, files, given)


_PARAMS = {
    "language": ({"type": "string", "enum": ["French", "Größe"]}, TEXT, "French"),
    "counts": ({"type": "array", "items": {"type": "integer"}}, Shape("array", INTEGER), [1, 2]),
}
