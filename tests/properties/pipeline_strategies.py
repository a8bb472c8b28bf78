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
from draw_strategies import distinct, rules
from expression_strategies import KINDS_OF_VALUES, Scope, expressions, templates
from hypothesis import strategies as st
from schema_strategies import ANY, BOOLEAN, INTEGER, NUMBER, TEXT, Shape, odd, rooted, words

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

MODELS = ("claude-haiku-5-5", "claude-opus-5-5", "claude-sonnet-4-6", "gateway/own")


@dataclass
class Made:
    """A pipeline as data, with the files beside it, the values of its parameters, and what an output may refer to."""

    document: dict
    files: dict[str, str]
    params: dict = field(default_factory=dict)
    scope: Scope = field(default_factory=Scope)

    def write(self, folder: Path) -> Path:
        """Put it into a folder; the pipeline file."""
        for name, text in self.files.items():
            (folder / name).write_text(text, encoding="utf-8")
        path = folder / "p.yaml"
        path.write_text(yaml.safe_dump(self.document, allow_unicode=True, sort_keys=False), encoding="utf-8")
        return path

    def __repr__(self) -> str:
        inputs = {name: text for name, text in self.files.items() if name != "calls_of_plans.py"}
        shown = yaml.safe_dump(self.document, allow_unicode=True, sort_keys=False, width=110)
        return f"\n{shown}--- files: {inputs}\n--- params: {self.params}\n"


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
def list_sources(draw, scope: Scope):
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


_PROVING = ("{}", "{} is not none", "{} is not none and true", "{0} and true")
_ASKING = ("{} is none", "not {}", "{0} is none or {0}")


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
            source, item = draw(list_sources(scope))
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
                proves = draw(st.booleans())
                form = draw(st.sampled_from(_PROVING if proves else _ASKING))
                step["when"] = form.format(f"steps.{name}")
                return {name}, {name} if proves else set()
            case "test":
                step["when"] = draw(expressions(sure, "boolean"))
        return set(), set()

    def _whole(self, draw, step, output):
        """The shape of a step's value, from that of one output."""
        many = [key for key in ("for_each", "samples", "matrix") if key in step]
        if many and draw(st.integers(0, 2)) == 0:
            step["on_item_error"] = draw(st.sampled_from([None, "null"]))
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
        if draw(st.integers(0, 3)) == 0:
            step["on_error"] = draw(st.sampled_from([None, "null"]))
        null = "when" in step or "on_error" in step
        return replace(output, null=null or any(f"steps.{name}" not in own for name in asked))

    def _mentions(self, step, name):
        return f"steps.{name}" in json.dumps(step)

    def _generate(self, draw, step, scope):
        model = draw(st.sampled_from(self.aliases or MODELS))
        axes = {}
        if draw(st.integers(0, 3)) == 0:
            axes["tone"] = distinct(draw(st.lists(odd, min_size=1, max_size=2)))
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
            if draw(st.booleans()):
                turn = f'{{"role": "user", "content": {draw(expressions(scope, "string"))}}}'
                step["messages"][2] = {"from": f"[{turn}]"}
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
            kind = draw(st.sampled_from(KINDS_OF_VALUES))
            values[name] = draw(expressions(scope, kind))
            members.append((name, Shape(kind if kind in ("string", "integer", "number", "boolean") else "any")))
        step["values"] = values
        if draw(st.integers(0, 5)) == 0:
            step["output"] = {"schema": {"type": "object", "required": list(values), "minProperties": 1}}
            members = [(name, ANY) for name, _ in members]
        elif len(values) == 1 and draw(st.booleans()):
            ((_, step["value"]),) = step.pop("values").items()
            return members[0][1]
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
    for name, shape in maker.shapes.items():
        base.add(f"steps.{name}", shape)
    return Made(document, files, given, base)


_PARAMS = {
    "language": ({"type": "string", "enum": ["French", "Größe"]}, TEXT, "French"),
    "counts": ({"type": "array", "items": {"type": "integer"}}, Shape("array", INTEGER), [1, 2]),
}
