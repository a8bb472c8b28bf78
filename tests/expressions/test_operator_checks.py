"""Every operation on every type: what is said before a run is what a run does.

A cell is an operation and a type. It is judged by reading it, and by rendering it, in the sandbox of a run, with values
of that type: what fails for all of them has to be told, and what works for one of them must not be refused. Values are
such as rows have; an empty text or list is none, since any filter works on it by doing nothing.

What there is to try is asked of the sandbox itself, in `test_costs`. The thorough profile tries every way to write an
operation, the lean one the first, and the idioms of `IDIOMS`.
"""

import pytest
from hypothesis import settings
from test_operation_costs import FILTERS, GLOBALS, METHODS, OPERATORS, TESTS, methods

from yamlgen.errors import Code, RowError
from yamlgen.expressions.jinja_environment import filters, render, sandbox
from yamlgen.expressions.static_types import NamespaceView, SchemaView
from yamlgen.expressions.template_checks import analyse_template
from yamlgen.schemas.types import Type, observed

IS_THOROUGH = settings().max_examples > 100

TEXT, INTEGER, NUMBER = {"type": "string"}, {"type": "integer"}, {"type": "number"}
PERSON = {
    "type": "object",
    "properties": {"a": INTEGER, "b": TEXT},
    "required": ["a", "b"],
    "additionalProperties": False,
}
ADA, BEN = {"a": 36, "b": "Ada"}, {"a": 41, "b": "Ben"}


def listed(items):
    """Lists of such items."""
    return {"type": "array", "items": items}


TYPES = {
    "text": (TEXT, ["Oslo", "12", "2.5", "2026-11-27", "a; b", "yes", "ab"]),
    "integer": (INTEGER, [3, 41, -7]),
    "number": (NUMBER, [2.5, 3, 0.1]),
    "boolean": ({"type": "boolean"}, [True, False]),
    "null": ({"type": "null"}, [None]),
    "texts": (listed(TEXT), [["Oslo", "Bergen"], ["12", "2.5", "no"], ["ab", "cd"]]),
    "integers": (listed(INTEGER), [[1, 2], [3, 1, 41]]),
    "numbers": (listed(NUMBER), [[1.5, 2], [0.1, 3]]),
    "objects": (listed(PERSON), [[ADA, BEN], [BEN, ADA]]),
    "lists": (listed(listed(TEXT)), [[["a", "b"], ["c", "d"]]]),
    "object": (PERSON, [ADA, BEN]),
    "any object": ({"type": "object"}, [ADA, {"name": "Ada", "tags": ["x"]}, {"a": [2, 1], "c": 1}]),
    "any list": ({"type": "array"}, [["a", "b"], [1, 2], [ADA, BEN], [["a", 1], ["b", 2]], [[1], [2]]]),
    "text or null": ({"type": ["string", "null"]}, ["Oslo", "12", None]),
    "text or integer": ({"type": ["string", "integer"]}, ["Oslo", "12", 3]),
    "two words": ({"enum": ["low", "high"]}, ["low", "high"]),
    "anything": ({}, ["Oslo", "12", 3, 2.5, True, None, ["a", "b"], [1, 2], ADA, [ADA, BEN]]),
}
"""Types, each with its schema and values of it."""

KNOWN = TYPES.keys() - {"anything", "any list"}
"""Types of which enough is known for what fails to be told."""

LEAN = ["text", "integer", "number", "boolean", "null", "texts", "objects", "object", "any object", "text or integer"]

GIVEN = {"n": 12, "text": "x" * 12, "half": "xxxxxxy", "back": "xyxxxxxx"}
"""What the sources of `test_costs` use besides the value."""

IDIOMS = """
    v + 1 | v - 1 | v * 1.5 | v / 2 | v // 2 | v % 2 | v ** 2 | 1 + v | 2 * v | 1 / v | 'x' + v | v + 'x' | 'x' * v
    v + [1] | [1] + v | v > 5 | v < 'x' | 5 in v | 'a' in v | v in 'abc' | v in [1, 2] | -v | +v | not v
    v[0] | v[-1] | v['a'] | v[1:] | v[:2] | v[::2] | 'Oslo'[v] | [1, 2, 3][v] | {'Oslo': 1, 'low': 2}[v] | 'abc'[:v]
    '%.2f' % v | '%s' % v | '%s %d' % (v, v) | '{}'.format(v) | '{:.2f}'.format(v) | '{:>5}'.format(v) | v ~ 'x'
    v.a | v.foo | v() | v.upper | v.items() | v.get('a') | v.strftime('%Y') | v.append(1) | v.isoformat() | v.split(';')
    ', '.join(v) | 'abc'.startswith(v) | 'a,b'.split(v) | 'abc'.replace('a', v) | range(v) | range(1, v) | dict(v)
    [v] | (v, 1) | {'a': v} | {v: 1} | v if v else 1 | v or 1 | v and 1 | v == 1
"""
FILTERED = """
    '%.2f' | format(v)  '%d' | format(v)  v | round(2)  v | map('upper') | list  v | map('abs') | list
    v | map(attribute='a') | list  v | select('odd') | list  v | selectattr('a') | list  v | groupby('a')
    v | join(', ')  v | join(', ', attribute='a')  v | sort(attribute='a')  v | sum(attribute='a')
    v | max(attribute='a')  v | first  v | int + 1  v | float * 2  'abc' | truncate(v)  'abc' | replace('a', v)
    [3, 1] | join(v)  1.234 | round(v)  [1, 2] | batch(v)  'a' | center(v)  [v, 1] | sum  [v, v] | max  v | batch(2)
    v | attr('a')  v | default('x')  v | string | length  v is gt(2)  v is in [1]  v is divisibleby 3
"""
BLOCKS = [
    "{% for x in v %}{{ x }}{{ loop.index }}{% endfor %}",
    "{% for k, x in v %}{{ k }}{% endfor %}",
    "{% for k, x in v.items() %}{{ k }}{% endfor %}",
    "{% for x in v | sort %}{{ x }}{% endfor %}",
    "{% for i in range(v) %}{{ i }}{% endfor %}",
    "{% for x in v if x %}{{ x }}{% endfor %}",
    "{% for x in v[:2] %}{{ x }}{% endfor %}",
    "{% set a, b = v %}{{ a }}",
    "{% set s %}{% set x = v | first %}{{ x }}{% endset %}{{ s }}",
    "{% macro m(row) %}{{ row | abs }}{% endmacro %}{{ m(v | int) }}",
    "{% filter upper %}{{ v }}{% endfilter %}",
    "{% if v > 2 %}x{% endif %}",
]


def idioms():
    """Expressions as authors write them."""
    parts = [*" | ".join(IDIOMS.splitlines()).split(" | "), *"  ".join(FILTERED.splitlines()).split("  ")]
    return [part.strip() for part in parts if part.strip()]


def sources():
    """What is tried, each once."""
    tables = [
        *(FILTERS.get(name, [f"v | {name}"]) for name in filters()),
        *(TESTS.get(name, [f"v is {name}"]) for name in sandbox().tests),
        *(METHODS.get(name, [f"v.{name}()"]) for name in methods()),
        *OPERATORS.values(),
        *GLOBALS.values(),
    ]
    found = [each for ways in tables for each in (ways if IS_THOROUGH else ways[:1])]
    kept = [each.replace("same", "v") for each in found if "raw" not in each and "nothing" not in each]
    written = dict.fromkeys([*kept, *idioms()])
    return [*(f"{{{{ {each} }}}}" for each in written), *BLOCKS]


def judged(source, name):
    """A cell: what is told of it, and how many values it works for."""
    schema, values = TYPES[name]
    scope = {key: SchemaView.of(Type(observed([value])), key) for key, value in GIVEN.items()}
    findings = analyse_template(
        source,
        {"v": SchemaView.of(Type(schema), "v"), "row": NamespaceView(Code.UNKNOWN_COLUMN, "column", {}), **scope},
    )
    told = [each for each in findings.findings if not each.is_warning and each.code is not Code.NEVER_EQUAL]
    works = 0
    for value in values:
        try:
            render(source, {"v": value, "row": {}, **GIVEN})
        except RowError:
            continue
        works += 1
    return told, works


EXCUSED = {
    "whether a text or a list has it depends on the value": [
        "{{ v.index(1) }}",
        "{{ v.index('x') }}",
        "{{ v.rindex('x') }}",
        "{{ [1, 2, 3][v] }}",
        "{{ {}[v] }}",
        "{{ v.foo }}",
        "{{ v.upper }}",
    ],
    "how many there are depends on the value": ["{% set a, b = v %}{{ a }}"],
    "a text may be a pattern, with places for what is filled in": ["{{ v % v }}"],
    "the length is one of those that are too short": ["{{ 'abc' | truncate(v) }}", "{{ v | truncate(n // 2, true) }}"],
    "what `batch` makes is not known": ["{{ dict(v | batch(2)) }}"],
    "the members of an object that is not known may be alike, and so may letters be there": [
        "{{ v | dictsort(by='value') }}",
        "{{ v | sort(attribute='1,0') }}",
        "{{ v | groupby('1.1.1.1', default=v) }}",
    ],
}
"""Sources whose cells are judged otherwise than a run does, by the reason."""


@pytest.mark.parametrize("name", TYPES if IS_THOROUGH else LEAN)
def test_what_is_told_is_what_a_run_does(name):
    """Of each operation on a type: told, if it fails for all values, and not refused, if it works for one."""
    excused = {source for each in EXCUSED.values() for source in each}
    wrong = []
    for source in sources():
        told, works = judged(source, name)
        if source not in excused and (told if works else not told and name in KNOWN):
            wrong.append((source, works, told[:1]))
    assert wrong == []


CSV_ROWS = [
    {"name": "Ada", "price": "9.50", "n": "3", "tags": "red, blue", "date": "2026-11-27", "city": "Oslo", "on": "yes"},
    {"name": "Ben", "price": "12", "n": "2", "tags": "green", "date": "2025-02-01", "city": "Bergen", "on": "no"},
]
"""Rows as a CSV gives them: all of it is text."""


def of_csv(source):
    """What is told of a template over a CSV, and for how many of the rows it works."""
    columns = {name: SchemaView.of(Type(TEXT), f"row.{name}") for name in CSV_ROWS[0]}
    findings = analyse_template(
        source, {"row": NamespaceView(Code.UNKNOWN_COLUMN, "column", columns, complete=True)}
    ).findings
    works = 0
    for row in CSV_ROWS:
        try:
            render(source, {"row": row})
        except RowError:
            continue
        works += 1
    return findings, works


@pytest.mark.parametrize(
    ("source", "shown", "way"),
    [
        ("{{ row.n + 1 }}", "row.n", "(row.n | int)"),
        ("{{ row.price * 1.25 }}", "row.price", "| float"),
        ("{{ row.price - row.n }}", "row.price", "(row.price | int)"),
        ("{{ row.n % 2 == 0 }}", "row.n", "(row.n | int)"),
        ("{{ -row.n }}", "row.n", "(row.n | int)"),
        ("{{ row.n > 5 }}", "row.n", "(row.n | int)"),
        ("{{ row.tags | length > row.n }}", "row.n", "(row.n | int)"),
        ("{{ row.name + 5 }}", "row.name", "`~`"),
        ("{{ '%.2f' | format(row.price) }}", "row.price", "| float"),
        ("{{ '%.2f' % row.price }}", "row.price", "| float"),
        ("{{ '%s costs %.2f' % (row.name, row.price) }}", "row.price", "| float"),
        ("{{ '{:.2f}'.format(row.price) }}", "row.price", "| float"),
        ("{{ '{} costs {:,}'.format(row.name, row.price) }}", "row.price", "| float"),
        ("{{ row.price | round(2) }}", "row.price", "| float"),
        ("{{ row.price | default(0) + 1 }}", "row.price", "| float"),
        ("{{ row.n | abs }}", "row.n", "(row.n | int)"),
        ("{{ [row.n, row.price] | sum }}", "row.n", "(row.n | int)"),
        ("{{ [row.price, 10] | max }}", "row.price", "| float"),
        ("{{ row.tags | sum }}", "row.tags", '.split(";")'),
        ("{{ row.name | truncate(row.n) }}", "row.n", "(row.n | int)"),
        ("{{ row.name[:row.n] }}", "row.n", "(row.n | int)"),
        ("{{ ['a', 'b', 'c', 'd'][row.n] }}", "row.n", "(row.n | int)"),
        ("{% for i in range(row.n) %}{{ i }}{% endfor %}", "row.n", "(row.n | int)"),
        ("{{ '-' * row.n }}", "row.n", "(row.n | int)"),
        ("{% if row.n is gt(2) %}x{% endif %}", "row.n", "(row.n | int)"),
        ("{% if row.n is odd %}x{% endif %}", "row.n", "(row.n | int)"),
        ("{% with m = row.n %}{{ m + 1 }}{% endwith %}", "m", "(m | int)"),
        ("{% set p = row.price * 3 %}{{ p | round }}", "p", "(p | int)"),
        ("{% for k, v in row %}{{ k }}{% endfor %}", "row", "`row.items()`"),
        ("{% for k, v in row.items() %}{{ v + 1 }}{% endfor %}", "v", "(v | int)"),
        ("{% for v in row.values() %}{{ v * 1.5 }}{% endfor %}", "v", "(v | int)"),
        ("{% set y, m, d = row.date.split('-') %}{{ 2026 - y }}", "y", "(y | int)"),
        ("{% set a, b = row.n, 2 %}{{ b - a }}", "a", "(a | int)"),
        ("{% for a, b in [(row.n, 1)] %}{{ loop.index - row.n }}{% endfor %}", "row.n", "(row.n | int)"),
        ("{% for t in row.tags %}{{ loop.length / row.n }}{% endfor %}", "row.n", "(row.n | int)"),
        ("{% set x %}{{ row.n }}{% endset %}{{ x + 1 }}", "x", "(x | int)"),
        ("{{ row.date.strftime('%Y') }}", "row.date.strftime", "`row.date[:4]`"),
        ("{{ row.name.length }}", "row.name.length", "`row.name | length`"),
        ("{{ row.name.toUpperCase() }}", "row.name.toUpperCase", "`row.name | upper`"),
        ("{{ row.name.items() }}", "row.name.items", None),
        ("{{ row.name() }}", "row.name", "remove the parentheses"),
        ("{{ row.tags.append('x') }}", "row.tags.append", None),
        ("{{ 5 in row.tags }}", "row.tags", '.split(";")'),
        ("{{ row.tags | dictsort }}", "row.tags", None),
        ("{{ row.tags | map(attribute='name') | join }}", "name", None),
        ("{{ row | map(attribute='name') | list }}", "name", None),
    ],
)
def test_what_fails_for_every_row_of_a_csv_is_told(source, shown, way):
    """Once, at the value that is text, with the way to what is wanted."""
    findings, works = of_csv(source)
    (error,) = (finding for finding in findings if not finding.is_warning)
    assert works == 0
    assert source[error.start : error.end] == shown
    assert way is None or way in error.hint


@pytest.mark.parametrize(
    "source",
    [
        "{{ (row.price | float * 1.25) | round(2) }}",
        "{{ row.n | int + 1 }}",
        "{{ '%.2f' | format(row.price | float) }}",
        "{{ '%s, %s' % (row.name, row.city) }}",
        "{{ '{} costs {}'.format(row.name, row.price) }}",
        "{% if row.n | int is gt(2) %}x{% endif %}",
        "{{ row.tags | join }} {{ row.tags.split(', ') | join('; ') }}",
        "{{ row.tags | first }}{{ row.tags | list | length }}{{ row.tags | sort | join }}",
        "{{ row.tags | map('upper') | join }}{{ row.tags | select('ne', ',') | join }}",
        "{{ row | first }}{{ row | map('upper') | join(', ') }}{{ row | select('ne', 'n') | join(', ') }}",
        "{% for k, v in row.items() %}{{ k }}: {{ v }}{% endfor %}{{ row.keys() | join }}{{ row.get('name') }}",
        "{% for k in row %}{{ k }}: {{ row[k] }}{% endfor %}",
        "{{ row.date[:4] }}{{ row.date.split('-')[0] | int }}",
        "{% set y, m, d = row.date.split('-') %}{{ y }}",
        "{{ {'yes': 1, 'no': 0}[row.on] }}",
        "{{ '=' * (row.name | length) }}",
        "{{ row.price | default(0) | float }}",
        "{{ row.name | attr('x') | default('x') }}{{ {'a': 1}[row.name] | default(2) }}{{ [] | first | default(3) }}",
        "{{ row.n + 1 if row.n is number else row.n }}",
        "{% if row.tags is mapping %}{{ row.tags.items() }}{% endif %}",
        "{{ row.name ~ 5 }}{{ row.name + row.city }}{{ row.date < '2026-01-01' }}",
        "{% set intro %}{% set who = row.name %}Hello {{ who }}{% endset %}{{ intro }}",
        "{% for x in [] %}{% else %}{% set a = row.n %}{{ a }}{% endfor %}",
        "{% macro m(row, item) %}{{ row.x }}{{ item }}{% endmacro %}{{ m({'x': 1}, 2) }}{{ row.name }}",
        "{% macro m(row) %}{{ caller(row) }}{% endmacro %}{% call(row) m(1) %}{{ row + 1 }}{% endcall %}",
        "{% for a, b in [('x', row.n), ('y', 2)] %}{{ a }}{{ b }}{% endfor %}",
        "{% for a, b in [(1, row.n), (2, 'y')] %}{{ b ~ a }}{{ b + 'x' if b is string }}{% endfor %}",
        "{% for k, v in row.items() %}{{ k + v }}{{ v | length + 1 }}{{ loop.index + 1 }}{% endfor %}",
        "{% set y, m = row.date[:7].split('-') | map('int') %}{{ y + m }}{% set a, b = 1, 'x' %}{{ a + 1 }}{{ b }}",
        "{% for x in 'ab' %}{{ loop.previtem | default('-') }}{{ loop.cycle(1, 2) }}{{ loop.changed(x) }}{% endfor %}",
        "{% set x %}{{ row.n }}{% endset %}{{ x | int + 1 }}{{ x + 'x' }}{% set x | length %}ab{% endset %}{{ x + 1 }}",
        "{% set ns = namespace(t=0) %}{% for w in row.tags.split() %}{% set ns.t = ns.t + 1 %}{% endfor %}{{ ns.t }}",
    ],
)
def test_what_works_over_a_csv_is_not_refused(source):
    """Nor warned of."""
    assert of_csv(source) == ([], len(CSV_ROWS))


@pytest.mark.parametrize(
    ("source", "message", "way"),
    [
        ("{{ v | sort }}", "a list of objects, which `sort` does not support", 'sort(attribute="...")'),
        ("{{ v | sum }}", "a list of objects, which `sum` does not support", 'sum(attribute="...")'),
        ("{{ t | map('round') | list }}", "a list of strings, which `map` does not support", 't | map("float")'),
        ("{{ t | select('gt', 2) | list }}", "a list of strings, which `select` does not support", 't | map("float")'),
        ("{{ t + 'x' }}", "a list, not a string", '`t | join(", ")`'),
        ("{{ n + 'x' }}", "an integer, not a string", "`~`"),
        ("{{ n | join }}", "an integer, but `join` expects a list", ""),
        ("{{ t[n:n + 1].append(1) }}", "`append` would change the data", "build a new value"),
    ],
)
def test_what_is_wrong_of_a_list_is_told(source, message, way):
    """Its items, where another list would do; else what is wanted in its place."""
    types = {"v": listed(PERSON), "t": listed(TEXT), "n": INTEGER}
    (finding,) = analyse_template(
        source, {name: SchemaView.of(Type(schema), name) for name, schema in types.items()}
    ).findings
    assert message in finding.message
    assert way in (finding.hint or "")


def test_a_macro_parameter_hides_what_the_template_is_given():
    """What the macro reads of it is no column and no step; outside, the name is what it was."""
    source = "{% macro m(row, steps) %}{{ row.x }}{{ steps.y }}{% endmacro %}{{ m(1, 2) }}{{ row.city }}"
    scope = {"row": NamespaceView(Code.UNKNOWN_COLUMN, "column", {"city": SchemaView.of(Type(TEXT), "row.city")})}
    reading = analyse_template(source, {**scope, "steps": NamespaceView(Code.UNKNOWN_STEP, "step", {})})
    assert reading.findings == []
    assert (reading.uses.columns, reading.uses.steps) == ({"city"}, set())


def test_a_text_that_is_repeated_is_a_warning():
    """It works, and is not what was meant; a text that is made on the way is."""
    (finding,) = of_csv("{{ row.price * 2 }}")[0]
    assert finding.is_warning
    assert "(row.price | string)" in finding.hint
    assert of_csv("{{ (row.price | string) * 2 }}") == ([], 2)


def nulls(source):
    """What is told of a template over rows that hold nulls, as those of a JSONL file that were read."""
    types = {
        "city": {"type": ["null", "string"]},
        "tags": listed({"type": ["null", "string"]}),
        "list": {"type": ["array", "null"], "items": TEXT},
        "who": {"type": "object", "properties": {"name": {"type": ["null", "string"]}}},
        "none": {"type": "null"},
    }
    columns = {name: SchemaView.of(Type(schema), f"row.{name}") for name, schema in types.items()}
    found = analyse_template(source, {"row": NamespaceView(Code.UNKNOWN_COLUMN, "column", columns)}).findings
    return [(finding.is_warning, source[finding.start : finding.end]) for finding in found]


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("{{ row.city }}", "row.city"),
        ("{{ row.city }} {{ row.city }}", "row.city"),
        ("{{ row.city | upper }}", "row.city"),
        ("{{ 'in ' ~ row.city }}", "row.city"),
        ("{{ 'in %s' | format(row.city) }}", "row.city"),
        ("{{ 'in {}'.format(row.city) }}", "row.city"),
        ("{{ row.city | default('x') }}", "row.city"),
        ("{{ row.city | default('x') | upper }}", "row.city"),
        ("{{ row.who.name or row.city }}", "row.city"),
        ("{{ 'x' if row.tags else row.city }}", "row.city"),
        ("{{ [row.city, row.none or 'x'] | join(', ') }}", "row.city"),
        ("{{ row.who.name }}", "row.who.name"),
        ("{{ row.none }}", "row.none"),
        ("{{ row.tags | join(', ') }}", "row.tags"),
        ("{{ row.list | join(', ') }}", "row.list"),
        ("{% for tag in row.tags %}{{ tag }}{% endfor %}", "tag"),
        ("{% set here = row.city %}{{ here }}", "here"),
        ("{% for name, value in row.items() %}{{ name }}: {{ value }}{% endfor %}", "value"),
        ("{% for name, value in row | dictsort if value %}{{ name }}: {{ value }}{% endfor %}", None),
        ("{% for name, value in row | items %}{{ value if value is not none else '-' }}{% endfor %}", None),
        ("{{ row.city or 'nowhere' }}{{ row.city | default('x', true) | upper }}", None),
        ("{% if row.city %}{{ row.city }}{% endif %}{{ row.city if row.city is not none else '' }}", None),
        ("{% if row.none is not none %}{{ row.none }}{% endif %}", None),
        ("{% set here = row.city %}{% if row.city %}{{ here }}{% endif %}", None),
        ("{{ row.tags | reject('none') | join }}{{ row.list | default([], true) | join }}", None),
        ("{% for tag in row.tags if tag %}{{ tag }}{% endfor %}", None),
        ("{{ row.city | tojson }}{{ row | tojson }}{{ row.city == 'Oslo' }}", None),
    ],
)
def test_a_null_column_in_a_text_is_a_warning(source, shown):
    """Once for each column, and not where it is asked about, or something stands in for it."""
    assert nulls(source) == ([] if shown is None else [(True, shown)])


def test_a_missing_item_is_not_printed():
    """A list of what is missing is no text `[Undefined]` in a prompt."""
    with pytest.raises(RowError, match="there is no `x` in the text"):
        render("{{ ['a'] | map(attribute='x') | list }}", {})


@pytest.mark.parametrize("source", ["{{ row.a | trim . y }}", "{{ row.a is odd . y }}", "{{ row.a | map('x' 'y') }}"])
def test_a_name_of_parts_that_stand_apart_has_a_place(source):
    """Inside the source, where it begins."""
    (finding,) = analyse_template(
        source, {"row": NamespaceView(Code.UNKNOWN_COLUMN, "column", {"a": SchemaView.of(Type(TEXT), "row.a")})}
    ).findings
    assert source[finding.start :].startswith(("trim . y", "odd . y", "'x' 'y'"))
    assert finding.start < finding.end <= len(source)
