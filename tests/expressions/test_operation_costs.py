"""Every filter, test, operator, method and construct costs what it does: measured over values that are nasty to it.

What a template may use is asked of the sandbox itself, so that none is forgotten: one that is new, or takes another
argument, has to be given its nasty arguments here before these tests pass. Time is this process's own, and is held
against the budget that was spent in it, with much to spare.
"""

import gc
import time
from functools import lru_cache
from inspect import unwrap

import pytest
from hypothesis import settings
from jinja2 import Undefined, nodes
from jinja2.compiler import operators
from markupsafe import Markup

from yamlgen.expressions.jinja_environment import MAPPING_METHODS, filters, sandbox
from yamlgen.expressions.render_limits import MOST_WORK, RenderBudget

IS_THOROUGH = settings().max_examples > 100
SIZES = (10_000, 100_000) if IS_THOROUGH else (1_000, 60_000)
NANOSECONDS = 100
"""For a character of the budget, several times of what is usual: the whole budget is some seconds at the very most."""
UNNOTICED = 0.001
"""Seconds that are not judged."""
TRIES = 3
"""How often something has to take too long."""
SLOWEST = 4
QUICK = 0.00005
"""Seconds, within which a linear operation is still quick at the next size."""


def values(n):
    """Values of about `n` characters or items, each nasty to something."""
    doubled, tupled, nested = [1], (1,), []
    for _ in range(n.bit_length() + 1):
        doubled, tupled = [doubled, doubled], (tupled, tupled)
    for _ in range(400):
        nested = [nested] + [1] * (n // 2000)
    few = n // 20
    return {
        "text": "x" * n,
        "words": "a " * (n // 2),
        "dashes": "a-" * (n // 2),
        "lines": "\r" * n,
        "tags": "<" * n,
        "comments": "<!---->" * (n // 7),
        "entities": "&lt" * (n // 3),
        "digits": "1" * n,
        "fields": "%s" * (n // 2),
        "wide": f"%{n}d",
        "emoji": "\U0001f600\0" * (n // 2),
        "markup": Markup("< " * (n // 2)),  # noqa: S704 - what `safe` gives
        "ints": list(range(few)),
        "range": range(min(n, 100_000)),
        "colliding": [number * ((1 << 61) - 1) for number in range(1, n // 4)],
        "large": [1 << n] * 100,
        "strings": ["x" * 100 + str(number) for number in range(n // 100)],
        "lists": [[1]] * few,
        "pairs": [(str(number), number) for number in range(few)],
        "dicts": [{"a": number % 7} for number in range(few)],
        "alike": [["x" * 100, [number]] for number in range(n // 100)],
        "mapping": {str(number): number for number in range(few)},
        "doubled": doubled,
        "tupled": tupled,
        "nested": nested,
        "integer": 1 << n,
        "number": 1.5,
    }


@lru_cache
def scope_of(n):
    """What expressions see: the value is `v`."""
    made = values(n)
    same = values(n)  # equal, and never the same
    scope = {"n": n, "text": made["text"], "half": "x" * (n // 2) + "y", "back": "xy" + "x" * (n // 2)}
    scope |= {"same": same, "raw": made["text"].encode()}
    return made, scope


FILTERS = {
    "attr": ["v | attr('a')"],
    "batch": ["v | batch(1)", "v | batch(n, 'x')"],
    "center": ["v | center(n)"],
    "default": ["v | default(text)", "nothing | default(v, true)"],
    "dictsort": ["v | dictsort", "v | dictsort(by='value')"],
    "format": ["'%s' | format(v)", "'%*d' | format(n, 1)", "'%r' | format(v)"],
    "groupby": ["v | groupby(0)", "v | groupby('a')", "v | groupby('1.1.1.1', default=v)"],
    "indent": ["v | indent(n // 2000, true, true)", "v | indent(text[:10])"],
    "int": ["v | int", "v | int(base=16)", "v | int(base=7)"],
    "join": ["v | join", "v | join(text[:100])", "v | join(attribute='a')"],
    "map": ["v | map('string')", "v | map(attribute='a.b.c.d', default=1)", "v | map('sum', start=[])"],
    "max": ["v | max", "v | max(attribute='a')"],
    "min": ["v | min", "v | min(attribute='a')"],
    "reject": ["v | reject", "v | reject('in', v)"],
    "rejectattr": ["v | rejectattr('a')", "v | rejectattr('a', 'in', v)"],
    "replace": ["v | replace('x', 'yy')", "v | replace('', 'y')", "v | replace(half, 'y')", "v | replace('a', v)"],
    "round": ["v | round", "v | round(n, 'ceil')", "7 | round(n, 'floor')", "7 | round(-n)", "1.5 | round(n)"],
    "select": ["v | select", "v | select('eq', v)"],
    "selectattr": ["v | selectattr('a')", "v | selectattr('a', 'lower')"],
    "slice": ["v | slice(3)", "v | slice(n, 'x')"],
    "sort": ["v | sort", "v | sort(attribute='1,0')", "v | sort(attribute='a')", "v | sort(case_sensitive=true)"],
    "sum": ["v | sum", "v | sum(start=[])", "v | sum(start=())", "v | sum('a')"],
    "tojson": ["v | tojson", "v | tojson(indent=16)"],
    "trim": ["v | trim", "v | trim('yx')", "v | trim(back)"],
    "truncate": ["v | truncate(n - 9)", "v | truncate(n // 2, true)", "v | truncate"],
    "unique": ["v | unique", "v | unique(attribute='a')"],
    "wordwrap": ["v | wordwrap", "v | wordwrap(1)", "v | wordwrap(1, wrapstring='x' * 9)", "v | wordwrap(n // 2)"],
}
TESTS = {
    "divisibleby": ["v is divisibleby 7", "v is divisibleby v"],
    "in": ["v is in v", "1 is in v", "same is in v", "half is in v", "v is in [same] * 9"],
    "sameas": ["v is sameas v"],
}
COMPARISONS = [name for name, function in sandbox().tests.items() if unwrap(function).__module__ == "_operator"]
TESTS |= {name: [f"v is {name}(same)"] for name in COMPARISONS if name.isalpha()}
TESTS |= {name: [f"[v] | select('{name}', same)"] for name in COMPARISONS if not name.isalpha()}
METHODS = {
    "center": ["v.center(n)"],
    "count": ["v.count(1)", "v.count('x')", "v.count(half)", "v.count(v[0])", "v.count(same[0])", "v.count(raw[9:])"],
    "decode": ["v.decode()", "v.decode('punycode', 'ignore')", "v.decode('utf-7')"],
    "encode": [
        "v.encode()",
        "v.encode('punycode')",
        "('ab.' * n).encode('idna')",
        "v.encode('ascii', 'xmlcharrefreplace')",
    ],
    "endswith": ["v.endswith(v)"],
    "escape": ["v.escape(v)"],
    "expandtabs": ["v.expandtabs(9)"],
    "find": ["v.find(half)", "v.find(back)", "v.find(raw)"],
    "format": [
        "v.format(1)",
        "'{!r}{!a}{}'.format(v, v, v)",
        "('{0}' * (n // 9)).format(1)",
        "'{:>{w}}'.format(1, w=n)",
    ],
    "format_map": ["v.format_map({})", "('{a}' * (n // 9)).format_map({'a': 1})"],
    "from_bytes": ["v.from_bytes(raw, 'big')"],
    "fromhex": ["v.fromhex('11' * n)", "v.fromhex('0x1.' ~ '1' * n)"],
    "fromkeys": ["dict.fromkeys(v)"],
    "get": ["v.get('a')", "{}.get(v, 1)"],
    "hex": ["v.hex()", "v.hex('-')"],
    "index": ["v.index(1)", "v.index('x')", "v.index(same[-1])", "v.index(v[-1])"],
    "join": ["v.join(['x', 'y'])", "','.join(same)", "v.join([v, v])"],
    "ljust": ["v.ljust(n)"],
    "maketrans": ["v.maketrans(text, text)", "v.maketrans(raw, raw)"],
    "partition": ["v.partition(half)", "v.partition(raw)"],
    "removeprefix": ["v.removeprefix(v)"],
    "removesuffix": ["v.removesuffix(v)"],
    "replace": [
        "v.replace('x', 'yy')",
        "v.replace(half, '')",
        "v.replace(raw[:9], raw)",
        "v.replace(raw[:1], raw[:2])",
    ],
    "rfind": ["v.rfind(half)", "v.rfind(back)", "v.rfind('y' ~ text[:100])", "v.rfind(raw[9:])"],
    "rindex": ["v.rindex('x')", "v.rindex(raw[:1])"],
    "rjust": ["v.rjust(n)"],
    "rpartition": ["v.rpartition(half)", "v.rpartition(back)", "v.rpartition(raw)"],
    "rsplit": ["v.rsplit()", "v.rsplit('x')", "v.rsplit(half)", "v.rsplit(back)"],
    "split": ["v.split()", "v.split('x')", "v.split(half)", "v.split(' ')"],
    "startswith": ["v.startswith(v)"],
    "strip": ["v.strip()", "v.strip(back)", "v.strip(raw)"],
    "lstrip": ["v.lstrip(back)", "v.lstrip(raw)"],
    "rstrip": ["v.rstrip(back)", "v.rstrip(raw)"],
    "to_bytes": ["v.to_bytes(n, 'big')"],
    "translate": ["v.translate({120: 'yyyy'})", "v.translate(raw[:256])"],
    "zfill": ["v.zfill(n)"],
}
OPERATORS = {
    "+": ["v + v", "v + 1", "v + same"],
    "-": ["v - 1", "v - v"],
    "*": ["v * 9", "v * v", "9 * v"],
    "/": ["1 / v", "v / v"],
    "//": ["v // 7", "(v * v) // v"],
    "%": ["v % 7", "(v * v) % v", "v % same", "'%s%r' % (v, v)", "v % 1"],
    "**": ["v ** 2", "7 ** v", "v ** 64"],
    "unary -": ["-v"],
    "unary +": ["+v"],
    "unary not": ["not v"],
    "~": ["v ~ v", "(v | safe) ~ v"],
    "and or": ["v and v or v"],
    "slice": ["v[1:]", "v[::-1]", "v[:n:2]"],
    "item": ["v[0]", "v['a']", "{}[v]"],
    "dict": ["{v: 1}"],
    "list": ["[v, v]"],
    "chain": ["1 < v < same", "v == same == v"],
}
COMPARED = {"==": "eq", "!=": "ne", "<": "lt", "<=": "lteq", ">": "gt", ">=": "gteq", "in": "in", "not in": "notin"}
OPERATORS |= {written: [f"v {written} same", f"v {written} v", f"half {written} v"] for written in COMPARED}
OPERATORS |= {"in": [*OPERATORS["in"], "same in [v] * 9", "1 in v", "same in {}", "2.5 in v"]}
GLOBALS = {
    "range": ["range(n)"],
    "dict": ["dict(v)", "dict(a=v)", "dict(v | batch(2))"],
    "cycler": ["cycler(v, v).next()"],
    "joiner": ["joiner(v)()"],
    "namespace": ["namespace(a=v)", "namespace(v)", "namespace(a=v) | string"],
}
CONSTRUCTS = [
    "{{ v }}",
    "{% for a in v %}{% endfor %}",
    "{% for a in v %}{{ a }}{{ loop.index }}{{ loop.last }}{{ loop.cycle(1, 2) }}{% endfor %}",
    "{% for a in v if a %}{{ loop.length }}{% else %}none{% endfor %}",
    "{% for a, b in v %}{{ a }}{% endfor %}",
    "{% for a in v recursive %}{{ loop(a) if a is not string }}{% endfor %}",
    "{% for a in range(3) %}{{ loop.changed(v) }}{% endfor %}",
    "{% for a in range(3) %}{{ loop.changed(v if a % 2 else same) }}{% endfor %}",
    "{% for a in range(99) %}{{ loop.nextitem is defined }}{% set b = v[1:] %}{% set c, d = v, v %}{% endfor %}",
    "{% macro m(a) %}{{ a }}{{ varargs }}{% endmacro %}{{ m(v, v) }}",
    "{% macro m(a) %}{% if a %}{{ m(a - 1) }}{{ m(a - 1) }}{% endif %}{% endmacro %}{{ m(6) }}",
    "{% macro m() %}{{ caller(v) }}{% endmacro %}{% call(a) m() %}{{ a }}{% endcall %}",
    "{% set s %}{{ v }}{% endset %}{{ s }}",
    "{% filter upper %}{{ v }}{% endfilter %}",
    "{% with a = v, b = v %}{{ a }}{{ b }}{% endwith %}",
    "{% set s = namespace(a=v) %}{% for i in range(3) %}{% set s.a = [s.a, s.a] %}{% endfor %}{{ s }}",
    "{% for a in range(99) %}" + "{% set b = v.a %}" * 20 + "{% endfor %}",
    "{% for a in range(2) %}{% for b in range(2) if v == same %}{% endfor %}{% endfor %}",
]


def measured(template, n, name, value):
    """How a template did: (nanoseconds for a character, seconds, size, name of the value, error).

    One that is refused may take what the whole budget takes: there is no second one in its rendering.
    """
    scope = scope_of(n)[1]
    given = {**scope, "v": value, "same": scope["same"].get(name, value)}
    gc.disable()
    with RenderBudget() as left:
        before, error = time.process_time(), None
        try:
            for _ in template.generate(given):
                pass
        except Exception as raised:  # noqa: BLE001 - many values are none for a filter
            error = raised
        seconds = time.process_time() - before
    gc.enable()
    spent = MOST_WORK if isinstance(error, OverflowError) else MOST_WORK - left[0]
    return 1e9 * seconds / (spent + 1), seconds, n, name, error


def rates(source, values_of):
    """How a source did for each value, at growing sizes; in the lean profile the quick and the slowest ones grow."""
    template = sandbox().from_string(source if "{%" in source or "{{" in source[:2] else "{% set x = " + source + " %}")
    names = list(values_of(SIZES[0]))
    for n in SIZES:
        found = []
        for name in names:
            tries = [measured(template, n, name, values_of(n)[name])]
            while is_bad(tries[-1]) and len(tries) < TRIES:
                tries.append(measured(template, n, name, values_of(n)[name]))
            found.append(min(tries, key=lambda each: each[1]))
        yield from found
        if not IS_THOROUGH:
            done = sorted((each for each in found if each[-1] is None), key=lambda each: each[1])
            names = [
                each[3]
                for at, each in enumerate(done)
                if each[1] < (10 * QUICK if at >= len(done) - SLOWEST else QUICK)
            ]


def is_bad(each):
    """Whether a template took longer than what it spent allows."""
    return each[1] > UNNOTICED and each[0] > NANOSECONDS


def check(name, sources, values_of=lambda n: scope_of(n)[0]):
    """The sources cost what they do, and each of them works for some value."""
    for source in sources:
        found = list(rates(source, values_of))
        assert [each for each in found if is_bad(each)] == [], source
        assert any(each[-1] is None for each in found), f"{source} works for no value: give `{name}` its arguments"


@pytest.mark.parametrize("name", filters())
def test_filters(name):
    """Of all that there are."""
    check(name, FILTERS.get(name, [f"v | {name}"]))


@pytest.mark.parametrize("name", list(sandbox().tests))
def test_tests(name):
    """Of all that there are."""
    check(name, TESTS.get(name, [f"v is {name}"]))


BINARY = {kind.operator for kind in nodes.BinExpr.__subclasses__()} - {"and", "or"}


def test_no_operator_is_forgotten():
    """Of those that Jinja's syntax has."""
    assert OPERATORS.keys() >= BINARY
    assert set(COMPARED.values()) == set(operators)


@pytest.mark.parametrize("name", OPERATORS)
def test_operators(name):
    """And what else makes a value of others."""
    check(name, OPERATORS[name])


@pytest.mark.parametrize("name", list(sandbox().globals))
def test_functions(name):
    """Of all that there are."""
    check(name, GLOBALS[name])


@pytest.mark.parametrize("source", CONSTRUCTS)
def test_constructs(source):
    """Loops, macros, blocks."""
    check(source, [source])


@lru_cache
def owners(n):
    """Values with methods, by their types' names."""
    made = {name: value for name, value in values(n).items() if name not in ("wide", "number")}
    made |= {"bytes": b"x" * n, "float": 1.5, "blank": b" " * n}
    return made


def methods():
    """All methods that the sandbox gives of such values, each once."""
    found = set()
    for value in owners(10).values():
        known = MAPPING_METHODS if isinstance(value, dict) else [name for name in dir(value) if name[0] != "_"]
        members = {name: sandbox().getattr(value, name) for name in known}
        found |= {name for name, it in members.items() if callable(it) and not isinstance(it, Undefined)}
    return sorted(found)


@pytest.mark.parametrize("name", methods())
def test_methods(name):
    """Of all types that values have."""
    check(name, METHODS.get(name, [f"v.{name}()"]), owners)
