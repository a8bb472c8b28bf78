"""Strategies for expressions and templates over what is in scope, put together of what each place can take."""

import json
from dataclasses import dataclass, field

from hypothesis import strategies as st
from schema_strategies import Shape

LITERALS = {"string": '"z"', "integer": "7", "number": "1.5", "boolean": "true", "array": '["q"]', "object": '{"a": 1}'}


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
            key = f".{name}" if plain else f"[{json.dumps(name, ensure_ascii=False)}]"
            self.add(f"{source}{key}", member, depth - 1)

    def having(self, *kinds: str, null: bool | None = None) -> list[tuple[str, Shape]]:
        """The references of some kinds."""
        return [
            (source, shape)
            for source, shape in self.atoms
            if (not kinds or shape.kind in kinds) and (null is None or shape.null == null)
        ]


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
    return draw(st.sampled_from(_ASKING)).format(source, instead)


_ASKING = (
    "({0} or {1})",
    "({0} if {0} is not none else {1})",
    "({0} | default({1}, true))",
    "({1} if not {0} else {0})",
)


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
        "{array} | reverse",
        "{array} | list",
        "{array} | select",
        "{array} | reject('none')",
        "{array} | map('string') | unique",
        "{array} | map('tojson') | sort",
        '{string}.split(";")',
        "{object}.values()",
        "{any} or []",
        "{array} or [{integer}]",
        "{array} | batch(2)",
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


KINDS_OF_VALUES = [*_MAKERS, "any"]
"""What an expression may be wanted to give; `lazy` is a list that Jinja has not made yet, which a text cannot hold."""


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
