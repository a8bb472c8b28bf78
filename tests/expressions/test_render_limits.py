"""What a template may not do to the machine: take all of its memory or time."""

import pytest

from yamlgen.errors import Code, RowError
from yamlgen.expressions.jinja_environment import MOST_TEXT, render

HUGE = 2_000_000_000
ROW = {"a": "x" * 36, "tabs": "\t" * 100, "list": list(range(36)), "text": "x" * 2_000_000, "lines": "\r" * 2_000_000}
ROW |= {"lists": [[number] for number in range(100_000)], "ids": [number * ((1 << 61) - 1) for number in range(50_000)]}
ROW |= {"deep": [], "doubled": [1], "twice": [1]}
for _ in range(400):
    ROW["deep"] = [ROW["deep"], *range(9)]
for _ in range(40):
    ROW["doubled"], ROW["twice"] = [ROW["doubled"]] * 2, [ROW["twice"]] * 2


def refused(source):
    """Why a template is not filled in for the row."""
    with pytest.raises(RowError) as caught:
        render(source, {"row": ROW})
    assert caught.value.code is Code.ROW_TEMPLATE
    return caught.value.message


@pytest.mark.parametrize(
    "expression",
    [
        f"'a'.ljust({HUGE})",
        f"'a'.rjust({HUGE})",
        f"'a'.center({HUGE})",
        f"'1'.zfill({HUGE})",
        f"('a' | safe).ljust({HUGE})",
        f"row.tabs.expandtabs({HUGE})",
        f"row.tabs.expandtabs(tabsize={HUGE})",
        "('x' * 10000).replace('x', 'y' * 10000)",
        "('y' * 10000).join(['a'] * 10000)",
        "('y' * 10000).join(range(10000))",
        "('x' * 10000).translate({120: 'y' * 10000})",
        "'{:>1999999999}'.format(1)",
        "'{:>{w}}'.format(1, w=1999999999)",
        "'{a:>1999999999}'.format_map({'a': 1})",
        "('{:>1999999999}' | safe).format(1)",
        f"'%{HUGE}d' % 1",
        f"'%*d' % ({HUGE}, 1)",
        f"'%{HUGE}d' | format(1)",
        f"'a' | center({HUGE})",
        f"'a\nb' | indent({HUGE})",
        f"[1] | tojson(indent={HUGE})",
        f"[1] | batch({HUGE}, 'x') | list",
        f"[1] | slice({HUGE}) | list",
        f"5 | round(-{HUGE})",
        "('x' * 10000) | replace('x', 'y' * 10000)",
        "(['a'] * 10000) | join('y' * 10000)",
        "range(10000) | join('y' * 10000)",
        "range(100000) | map('center', 4000000) | list",
        "((((9 ** 64) ** 64) ** 64) ** 64)",
        f"(1).to_bytes({HUGE}, 'big')",
    ],
)
def test_no_operation_makes_too_much(expression):
    """A size that no prompt can have is refused before it is built."""
    assert "OverflowError" in refused(f"{{{{ ({expression}) | string | length }}}}")


@pytest.mark.parametrize(
    "expression",
    [
        "row.text | wordwrap(1)",
        "row.lines | wordwrap",
        "row.lines | indent(100, blank=true)",
        "row.text | batch(1)",
        "row.lists | sum(start=[])",
        "7 | round(8000000, 'ceil')",
        "7 | round(-8000000)",
        "row.doubled == row.twice",
        "row.ids | unique",
        "dict(row.ids | batch(2))",
        "dict.fromkeys(row.ids)",
        "row.doubled | string",
        "('%80000000d' is even)",
        "row.text.rfind('xy' ~ row.text[:1000000])",
        "row.text.strip('y' * 1000000 ~ 'x')",
        "('é' * 100000).encode('punycode')",
        "range(99) | map(attribute='real') | sum * ((9 ** 64) ** 64) ** 64",
    ],
)
def test_nothing_hangs(expression):
    """What would take minutes, or for ever, is refused within its first moments."""
    assert "OverflowError" in refused(f"{{{{ ({expression}) | string | length }}}}")


@pytest.mark.parametrize(
    "loop",
    [
        "{{ row.text[1:] | length }}",
        "{{ 'y' in row.text }}",
        "{{ row.keys() | length }}{{ dict(row) | length }}" + "{% set b = row.a %}" * 1000,
    ],
)
def test_what_is_done_in_a_loop_is_counted(loop):
    """Comparisons, slices, members: each costs what it looks through, so that a hundred thousand of them end."""
    assert "OverflowError" in refused("{% for a in range(100000) %}" + loop + "{% endfor %}")


@pytest.mark.parametrize(
    "change", ["n.s ~ n.s", "n.s + n.s", "[n.s, n.s]", "n.s.replace('x', 'xx')", "'%s%s' % (n.s, n.s)"]
)
def test_doubling_in_a_loop_ends(change):
    """What grows with each turn is refused when it is too large, and not when memory is out."""
    loop = "{% for i in range(200) %}{% set n.s = " + change + " %}{% endfor %}{{ n.s }}"
    assert "OverflowError" in refused("{% set n = namespace(s='x') %}" + loop)


@pytest.mark.parametrize(
    "source",
    [
        "{% for a in row.a %}" * 5 + "{% endfor %}" * 5,
        "{% for a in row.a recursive %}{% if loop.depth < 9 %}{{ loop(row.a) }}{% endif %}{% endfor %}",
        "{% for a in range(99999) %}{% for b in range(99999) if false %}{% endfor %}{% endfor %}",
        "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(60) }}",
        "{% set t %}{% for a in range(99999) %}" + "y" * 5000 + "{% endfor %}{% endset %}",
    ],
)
def test_loops_and_macros_are_counted(source):
    """A rendering ends, however its loops are nested."""
    assert "OverflowError" in refused(source)


def test_a_recursion_without_an_end_is_the_row_s_failure():
    """The siblings go on."""
    assert "RecursionError" in refused("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}")


def test_a_text_has_a_most_size():
    """More than a request can hold is refused, with the size that is allowed."""
    said = f"the template renders to more than {MOST_TEXT:,} characters"
    assert refused("{% for a in range(5) %}{{ 'x' * 1000000 }}{% endfor %}") == said


def test_what_prompts_do_stays_allowed():
    """Common work over a row is far below every bound."""
    source = "{% for i in row.list if i > 1 %}{{ loop.index }}/{{ loop.length }}{{ ' ' ~ i }}\n{% endfor %}"
    assert render(source, {"row": {"list": [1, 2, 3]}}) == "1/2 2\n2/2 3\n"
    source = "{{ '%05.1f' % 2 }} {{ '{:>{w}}'.format(1, w=3) }} {{ 'a' | center(3) }}{{ 7 % 4 }} {{ 1.5 | round(1) }}"
    assert render(source, {}) == "002.0   1  a 3 1.5"
    row = {"text": "a word " * 300_000, "ids": list(range(50_000)), "names": [f"name {i % 99}" for i in range(50_000)]}
    source = "{{ row.text | wordcount }} {{ row.ids | sum }} {{ row.names | unique | sort | length }}"
    assert render(source + "{{ row.text | truncate(9) }} {{ 'a' in row.names }}", {"row": row})
    assert render("{{ row | tojson(indent=2) | length }}", {"row": {"a": "x" * 1_000_000}}) == "1000013"
