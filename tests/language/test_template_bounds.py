"""What a template may not do to the machine: take all of its memory or time."""

import pytest

from yamlgen.errors import Code, RowError
from yamlgen.language.expressions.template import MOST_TEXT, render

HUGE = 2_000_000_000
ROW = {"a": "x" * 36, "tabs": "\t" * 100, "list": list(range(36))}


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
    assert render("{{ row | tojson(indent=2) | length }}", {"row": {"a": "x" * 1_000_000}}) == "1000013"
