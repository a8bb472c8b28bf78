"""Expressions and templates, right and wrong: made of filters, tests, operators and scopes, and as authors write them.

Owns the pipeline that they stand in, whose rows, parameters and steps have every type, and nothing of what is said.
"""

from collections.abc import Iterator
from itertools import product

PIPELINE = """\
version: 1
params:
  language: {type: string, enum: [English, French], default: English}
  count: {type: integer, default: 3}
  style: {type: object, properties: {tone: {type: string}}, additionalProperties: false, default: {tone: warm}}
models: {w: {id: claude-haiku-5-5}}
input:
  id: name
  rows:
    - {name: Ada, age: 36, score: 0.5, is_new: true, note: null, tags: [a, b], home: {city: Oslo}, "First name": A}
    - {name: Bob, age: 7, score: 2, is_new: false, note: x, tags: [], home: {city: Rome}, "First name": B}
steps:
  text: {model: w, prompt: "Hello {{ row.name }}"}
  shape:
    model: w
    prompt: "{{ row.name }}"
    output:
      schema:
        type: object
        additionalProperties: false
        required: [title, rating, kind, parts, maybe]
        properties:
          title: {type: string}
          rating: {type: integer}
          share: {type: number}
          kind: {enum: [good, bad]}
          maybe: {type: [string, "null"]}
          parts:
            type: array
            items:
              type: object
              additionalProperties: false
              required: [name, size]
              properties: {name: {type: string}, size: {type: integer}}
  skipped: {model: w, when: row.is_new, prompt: "{{ row.name }}"}
  each: {model: w, for_each: row.tags, prompt: "{{ item }}"}
  drawn: {kind: draw, draws: {mood: {choices: [calm, angry]}}}
"""
OUTPUT = "output: {path: out.jsonl}\n"

VALUES = (
    "row.name",
    "row.age",
    "row.tags",
    "row.home",
    "steps.text",
    "steps.shape",
    "steps.shape.rating",
    "steps.shape.maybe",
    "steps.shape.parts",
    "steps.skipped",
    "'x'",
    "2.5",
)
"""One of each type, by each way to it."""

FILTERS = (
    *("abs", "batch(2)", "capitalize", "center(9)", "default('x')", "dictsort", "first"),
    *("float", "format(1)", "groupby('name')", "indent(2)", "int", "items"),
    *("join(', ')", "last", "length", "list", "lower", "map('upper')", "map(attribute='name')", "max", "min"),
    *("reject('none')", "rejectattr('name')", "replace('a', 'b')", "reverse", "round(1)", "select('string')"),
    *("selectattr('size', 'gt', 1)", "slice(2)", "sort", "sort(attribute='size')", "string", "sum"),
    *("sum(attribute='size')", "title", "tojson", "tojson(indent=2)", "trim", "truncate(9)", "unique", "upper"),
    *("wordcount", "wordwrap(20)", "len", "lenght", "strip", "random", "upper()"),
)
TESTS = (
    *("boolean", "callable", "defined", "divisibleby(2)", "eq(1)", "escaped", "even", "false", "filter", "float"),
    *("ge(1)", "gt(1)", "in([1, 'x'])", "integer", "iterable", "le(1)", "lower", "lt(1)", "mapping", "ne(1)"),
    *("none", "number", "odd", "sameas(none)", "sequence", "string", "true", "undefined", "upper", "equalto('x')"),
    *("null", "empty", "list", "evn", "in"),
)
OPERATORS = ("==", "!=", "<", ">=", "in", "not in", "+", "-", "*", "/", "//", "%", "**", "~", "and", "or")
MEMBERS = (
    *(".name", ".city", ".nmae", "['name']", "[0]", "[-1]", "[1:]", "['First name']", ".length", ".items()", ".keys()"),
    *(
        ".get('a')",
        ".get('city', 1)",
        ".upper()",
        ".split(',')",
        ".split(',')[0]",
        ".uper()",
        ".append(1)",
        ".join(',')",
    ),
    *("()", ".__class__", "[row.age]", ".format(1)", ".size()", ".isoformat()"),
)
NAMES = (
    *("item", "item_index", "matrix.tone", "sample", "output", "row", "params", "steps", "row.nmae", "params.langauge"),
    *("steps.txt", "steps.late", "name", "language", "text", "rows", "input.name", "vars.count", "null", "True", "Ada"),
    *("row['First nme']", "steps.shape.titel", "steps['shape']['kind']", "loop.index", "range(3)", "dict(a=1)"),
    *("cycler(1)", "lipsum()", "namespace(a=1)", "joiner()", "_hidden", "self", "caller()", "env.HOME", "today"),
)
"""What is in scope in one place, in each, or in none."""


def expressions() -> Iterator[str]:
    """Each operation on each type of value."""
    for value in VALUES:
        yield value
        yield from (f"{value} | {each}" for each in FILTERS)
        yield from (f"{value} is {each}" for each in TESTS)
        yield from (f"{value}{each}" for each in MEMBERS)
        yield from (f"{each}{value}" for each in ("not ", "-"))
    for number, (left, operator, right) in enumerate(product(VALUES, OPERATORS, VALUES)):
        if number % 11 == 0:  # 11 has no factor in common with the lengths: each pair of two of the three comes up
            yield f"{left} {operator} {right}"
    yield from NAMES


def templates() -> Iterator[str]:
    """The tags of a template around each type of value, and each name in a template."""
    for value in VALUES:
        yield f"{{% if {value} %}}{{{{ {value} }}}}{{% else %}}-{{% endif %}}"
        yield f"{{% for one in {value} %}}{{{{ one.name }}}}, {{{{ loop.index }}}}{{% endfor %}}"
        yield f"{{% for key, value in {value}.items() %}}{{{{ key | upper }}}}{{% endfor %}}"
        yield f"{{% set it = {value} %}}{{{{ it.city }}}} {{{{ it | length }}}}"
        yield f"{{% if {value} is none %}}{{{{ {value} | upper }}}}{{% endif %}}"
    yield from (f"{{{{ {name} }}}}" for name in NAMES)


AUTHORED = (
    "row.age > 18",
    "row.age > '18'",
    "row.age >= 18 and row.is_new",
    "row.age > 18 && row.is_new",
    "row.age > 18 || !row.is_new",
    "not row.is_new",
    "!row.is_new",
    "row.name = 'Ada'",
    "row.name === 'Ada'",
    "row.name == Ada",
    'row.name == "Ada"',
    "row.name in ['Ada', 'Bob']",
    "row.name in ('Ada', 'Bob')",
    "row.name.startswith('A')",
    "row.name.startsWith('A')",
    "row.name.lower() == 'ada'",
    "row.name | lower == 'ada'",
    "len(row.tags) > 0",
    "row.tags | length > 0",
    "row.tags.length > 0",
    "row.tags.size > 0",
    "row.tags",
    "row.tags | first",
    "row.tags[0] == 'a'",
    "'a' in row.tags",
    "row.tags contains 'a'",
    "row.tags.includes('a')",
    "any(row.tags)",
    "[t for t in row.tags]",
    "row.tags | map(attribute='name') | list",
    "row.note is null",
    "row.note == null",
    "row.note is not none",
    "row.note is not None",
    "row.note | default('none given', true)",
    "row.note ?? 'none'",
    "row.note or 'none'",
    "row.missing | default('x')",
    "row.missing is defined",
    "row['First name'] | upper",
    "row.First name",
    "row.home.city",
    "row.home['city']",
    "row.home.town",
    "row.home.get('city')",
    "row.home?.city",
    "row.score * 100",
    "row.score | round",
    "row.score | int > 0",
    "int(row.score)",
    "str(row.age)",
    "row.age + ' years'",
    "row.age ~ ' years'",
    "row.name + row.age",
    "row.name + ' ' + row['First name']",
    "f'{row.name}'",
    "`row.name`",
    "{{ row.age > 18 }}",
    "${{ row.age }}",
    "$row.age",
    "row.age if row.is_new else 0",
    "row.is_new ? 1 : 0",
    "row.age between 1 and 5",
    "1 < row.age < 99",
    "row.age is 36",
    "row.age is not 36",
    "row.age is number and row.age % 2 == 0",
    "row.age / 0",
    "row.tags + ['c']",
    "row.tags + 'c'",
    "steps.text",
    "steps.text.output",
    "steps.text.content",
    "steps.text | length > 10",
    "steps.text | trim | upper",
    "steps.shape.rating >= 4",
    "steps.shape.rating == '4'",
    "steps.shape.rating > 4.5",
    "steps.shape.kind == 'good'",
    "steps.shape.kind == 'great'",
    "steps.shape.kind in ['good', 'fine']",
    "steps.shape['rating']",
    "steps.shape.output.rating",
    "steps.shape.parts[0].name",
    "steps.shape.parts[0].nme",
    "steps.shape.parts.name",
    "steps.shape.parts | map(attribute='name') | join(', ')",
    "steps.shape.parts | map(attribute='nme') | join(', ')",
    "steps.shape.parts | selectattr('size', '>', 2) | list | length",
    "steps.shape.parts | selectattr('size', 'more', 2) | list",
    "steps.shape.parts | sum(attribute='size')",
    "steps.shape.parts | sort(attribute='size', reverse=true) | first",
    "steps.shape.maybe | upper",
    "steps.shape.maybe or 'none'",
    "steps.shape.maybe if steps.shape.maybe else ''",
    "steps.shape.share | default(0)",
    "steps.skipped",
    "steps.skipped | upper",
    "steps.skipped is none",
    "steps.skipped is defined",
    "steps.skipped.rating",
    "steps.skipped and steps.skipped | length > 3",
    "steps.each | join(' ')",
    "steps.each[0] | upper",
    "steps.each | length == row.tags | length",
    "steps.drawn.mood == 'calm'",
    "steps.drawn.mood == 'happy'",
    "steps.drawn",
    "step.text",
    "steps.Text",
    "text.output",
    "params.count + 1",
    "params.count + '1'",
    "params.language == 'German'",
    "params.language == 'French'",
    "param.language",
    "params.style.tone",
    "params.style.tune",
    "row",
    "row | length",
    "row.items() | list",
    "true",
    "1",
    "",
    " ",
    "row.",
    "row.age >",
    "(row.age > 18",
    "row.age > 18)",
    "row['name'",
    "'it's'",
    "row.age > 18 and",
    "row.age > 18 # adults",
    "row.name |",
    "row.name | upper | lenght",
    "row.name|replace('a')",
    "row.name | truncate(length=10, killwords=true)",
    "row.name | truncate(size=10)",
    "row.name | join(sep=',')",
    "range(row.age) | list",
    "range(10 ** 9) | list",
    "'x' * 10 ** 9",
    "{'a': row.name}.a",
    "{'a': row.name}.b",
    "[row.name, row.age][5]",
    "row.tags | sort(key='x')",
    "row.tags | unique | list | length == row.tags | length",
    "row.tags | batch(2) | list",
    "row.tags | random",
    "row.name | regex_replace('a', 'b')",
    "now()",
    "loop.index",
    "output == row.name",
    "item.name",
)
"""Expressions as authors write them, of other languages and by slips too."""

AUTHORED_TEMPLATES = (
    "Write about {{ row.name }}, who is {{ row.age }}, in {{ params.language }}.",
    "Write about {{row.name}}, who is {{row.age}}, in {{params.langauge}}.",
    "Write about { row.name }, who is {row.age}.",
    "Write about {name} and ${row.name}.",
    "Write about {{ name }}.",
    "Write about {{ row.name }.",
    "Write about { row.name }}.",
    "Write about {{ row.name.",
    "Write about {{{ row.name }}}.",
    "Write about {{ row.First name }}.",
    "Write about {{ row['First name'] | title }}.",
    "Write about <name> and [name] and %(name)s and $name.",
    "{% if row.is_new %}New.{% endif %} Go on.",
    "{% if row.is_new %}New. Go on.",
    "{% if row.is_new %}New.{% end %}",
    "{% if row.is_new %}New.{% elseif row.age %}Old.{% endif %}",
    "{% if row.is_new %}New.{% else if row.age %}Old.{% endif %}",
    "{% if row.is_new = true %}New.{% endif %}",
    "{% if row.age > 18 && row.is_new %}x{% endif %}",
    "{% if not row.note %}{{ row.note }}{% endif %}",
    "{% if steps.skipped %}{{ steps.skipped }}{% endif %}",
    "{% if steps.skipped is defined %}{{ steps.skipped }}{% endif %}",
    "{{ steps.skipped }}",
    "{% for tag in row.tags %}- {{ tag }}\n{% endfor %}",
    "{% for tag in row.tags %}- {{ tags }}\n{% endfor %}",
    "{% for tag in row.tag %}- {{ tag }}{% endfor %}",
    "{% for tag of row.tags %}{{ tag }}{% endfor %}",
    "{% for part in steps.shape.parts %}{{ loop.index }}. {{ part.name }} ({{ part.size }}){% endfor %}",
    "{% for part in steps.shape.parts %}{{ part.nme }}{% endfor %}",
    "{% for part in steps.shape.parts %}{{ part.name }}",
    "{% for k, v in row.home %}{{ k }}{% endfor %}",
    "{% for k, v in row.home.items() %}{{ k }}: {{ v }}{% endfor %}",
    "{% for part in steps.shape %}{{ part }}{% endfor %}",
    "{% for i in range(params.count) %}{{ i }}{% endfor %}",
    "{% for i in params.count %}{{ i }}{% endfor %}",
    "{% for row in steps.shape.parts %}{{ row.name }}{% endfor %}",
    "{% set n = row.age + 1 %}{{ n }}",
    "{% set n = row.age + 1 %}{{ m }}",
    "{% set total = 0 %}{% for p in steps.shape.parts %}{% set total = total + p.size %}{% endfor %}{{ total }}",
    "{% set ns = namespace(total=0) %}{% for p in steps.shape.parts %}{% set ns.total = 1 %}{% endfor %}{{ ns.total }}",
    "{% macro line(a) %}- {{ a }}{% endmacro %}{{ line(row.name) }} {{ line() }}",
    "{% include 'prompts/x.md' %}",
    "{% raw %}{{ row.name }}{% endraw %}",
    "{# {{ row.nmae }} #}ok",
    "{# never closed {{ row.name }}",
    "{{ steps.shape }}",
    "{{ steps.shape | tojson }}",
    "{{ steps.shape | json }}",
    "{{ steps.shape | tojson(2) }}",
    "{{ steps.shape.title }} and {{ steps.shape.titel }}",
    "{{ steps.text }} {{ steps.text.text }}",
    "{{ steps.each }} {{ steps.each | join('\n') }} {{ steps.each.0 }}",
    "{{ steps.shape.parts[0] }} {{ steps.shape.parts[0].size + 1 }} {{ steps.shape.parts[0].name + 1 }}",
    "{{ row }} {{ row | tojson }}",
    "{{ steps }}",
    "{{ }}",
    "{{ row.name | }}",
    "{{ row.name || 'x' }}",
    "{{ row.name ?? 'x' }}",
    "{{ row.name if row.name }}",
    "{{ row.name if row.name else }}",
    "{{ row.name, row.age }}",
    "{{ 'Hello ' + row.name + '!' }} {{ 'Age ' + row.age }}",
    '{{ "quoted \\"name\\"" }} {{ row.name | replace("\'", \'\') }}',
    "{{ row.tags | join(', ') }} {{ row.tags.join(', ') }}",
    "{{ row.name | default('somebody') }} {{ row.nick | default('somebody') }} {{ row.nick or 'x' }}",
    "{{ row.score | round(2) }} {{ row.score | format('%.2f') }} {{ '%.2f' | format(row.score) }} {{ row.score:.2f }}",
    "{{ row.name[0] }} {{ row.name[:3] }} {{ row.age[0] }}",
    "{{ row.home.city | upper }} {{ row.home.citty }} {{ row.home.city.name }}",
    "{{ item }} {{ matrix.tone }} {{ output }} {{ sample }}",
    "{{ params }} {{ params.style }} {{ params.style.tune }}",
    "{{row.name}}\n\n{{row.age}}\n{{row.aeg}}\n",
    'Answer as {"name": "...", "age": {{ row.age }}}.',
    'Answer as {{"name": "..."}}.',
    "你好 {{ row.nmae }} 🏃 {{ row.age }}",
    "- %}",
    "{%- if row.is_new -%} x {%- endif -%}",
    "{%if row.is_new%}x{%endif%}",
    "{{ row.name }} {{ row.name }} {{ row.name | uper }} {{ row.name | uper }}",
    "{% filter upper %}{{ row.name }}{% endfilter %}{% filter uper %}x{% endfilter %}",
    "{% with x = row.name %}{{ x }}{% endwith %}{{ x }}",
    "{% call(x) m() %}{% endcall %}",
    "{% block b %}{% endblock %}{% extends 'x' %}",
    "{% do row.tags.append(1) %}",
    "{% break %}",
)
"""Templates as authors write them."""
