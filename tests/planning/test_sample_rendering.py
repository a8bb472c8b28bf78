"""What the rows that can be read tell: what fails for every one of them, and how a column is really named."""

import json
import time

import pytest

from yamlgen.api.loading import check

ROWS = """id,name,city,price,n,tags
1,Ada,Oslo,9.50,3,"red, blue"
2,Ben,Bergen,12,2,green
"""


@pytest.fixture
def told(tmp_path, monkeypatch):
    """What is told of steps over the rows, each with its severity and the text that it is about."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.csv").write_text(ROWS)

    def told(rows="rows.csv", output=None, **steps):
        keys = json.dumps({"path": "out.jsonl", **(output or {})})
        lines = ["version: 1", f"input: {{path: {rows}}}", f"output: {keys}", "steps:"]
        lines += [f"  {name}: {json.dumps(step)}" for name, step in steps.items()]
        (tmp_path / "p.yaml").write_text("\n".join(lines) + "\n")
        found = check("p.yaml")[1]
        places = [(each.mark.line - 1, each.mark.column - 1, each.mark.end_column - 1) for each in found]
        return [
            (each.severity, lines[line][start:end], f"{each.message} | {each.hint}")
            for each, (line, start, end) in zip(found, places, strict=True)
        ]

    return told


def asked(prompt, **more):
    """A step with a prompt."""
    return {"model": "m", "prompt": prompt, **more}


@pytest.mark.parametrize(
    ("prompt", "shown"),
    [
        (
            "{% set ns = namespace(t=0) %}{% for x in 'ab' %}{% set ns.t = ns.t + row.n %}{% endfor %}{{ ns.t }}",
            "set ns.t = ns.t + row.n",
        ),
        ("{{ row.name % row.city }}", "row.name % row.city"),
        ("{% macro half(x) %}{{ x / 2 }}{% endmacro %}{{ half(row.price) }}", "x / 2"),
        ("{{ row.id }} {{ (row.n or 0) + 1 }}", "(row.n or 0) + 1"),
        ("{{ {'Rome': 1}[row.city] }}", "{'Rome': 1}[row.city]"),
        ("{{ '{} {}'.format(row.name) }}", "'{} {}'.format(row.name)"),
    ],
)
def test_a_template_that_no_row_can_fill_is_an_error_at_its_expression(told, prompt, shown):
    """Whatever the reason is."""
    ((severity, place, message),) = told(a=asked(prompt))
    assert (severity, place) == ("error", shown)
    assert message.startswith(f"every row fails here: `{shown}` cannot be filled in: ")


def test_the_way_out_is_told(told):
    """A column of a CSV is text, which a number is made of."""
    ((_, _, message),) = told(a=asked("{% set ns = namespace(t=0) %}{% set ns.t = ns.t + row.n %}{{ ns.t }}"))
    assert message.endswith("| convert a string, such as every value of a CSV, to a number with `| int` or `| float`")


@pytest.mark.parametrize(
    "step",
    [
        {"kind": "compute", "values": {"x": "{'Rome': 1}[row.city]"}},
        asked("{{ row.name }}", when="{'Rome': 1}[row.city]"),
        asked("{{ item }}", for_each="[{'Rome': 1}[row.city]]"),
    ],
)
def test_so_is_an_expression(told, step):
    """Of a value, of `when`, and of `for_each`."""
    ((severity, place, message),) = told(a=step)
    assert (severity, place in json.dumps(step)) == ("error", True)
    assert "every row fails here: " in message
    assert "there is no `Oslo` in the mapping" in message


def test_a_prompt_that_is_blank_for_every_row_is_told(told):
    """A blank prompt fails its row."""
    ((severity, place, message),) = told(a=asked("{{ row.name | replace(row.name, '') }}"))
    assert (severity, place) == ("error", "{{ row.name | replace(row.name, '') }}")
    assert "blank" in message


@pytest.mark.parametrize(
    "steps",
    [
        {"a": asked("{{ {'Bergen': 1}[row.city] }}")},
        {"a": asked("{{ {'Oslo': 1}[row.city] }}", when="row.city == 'Oslo'")},
        {"a": asked("{{ {'Rome': 1}[row.city] }}", when="row.city == 'Rome'")},
        {"c": {"kind": "compute", "values": {"x": "row.n | int"}}, "a": asked("{{ [1, 2, 3, 4][steps.c.x] }}")},
        {
            "c": {"kind": "compute", "when": "row.n == '3'", "values": {"x": "row.n"}},
            "a": asked("{{ {}[steps.c.x] if steps.c else row.name }}", when="steps.c is defined"),
        },
        {"a": asked("{{ row.name }}"), "b": asked("{{ {'Rome': 1}[steps.a] }}")},
        {"a": asked("{{ {'green': 1}[item] }}", for_each="row.tags.split(',')")},
    ],
)
def test_what_works_for_a_row_or_depends_on_an_answer_is_not_told(told, steps):
    """Nor what no row needs."""
    assert told(**steps) == []


@pytest.mark.parametrize(
    "output",
    [
        {"columns": {"x": "{'Bergen': 1}[row.city]", "a": "steps.a"}},
        {"where": "steps.a == 'x'", "unique": "{'Rome': 1}[row.city]"},
        {"where": "row.city == 'Rome'", "columns": {"x": "{'Rome': 1}[row.city]", "a": "steps.a"}},
        {"where": "row.city == 'Rome'", "rejected": "no.jsonl", "columns": {"x": "{}[row.city]", "a": "steps.a"}},
        {"columns": {"x": "{'Rome': 1}[steps.a]"}},
        {"for_each": "steps.a | list", "columns": {"x": "{'Rome': 1}[item]"}},
        {"for_each": "[]", "columns": {"x": "{'Rome': 1}[row.city]", "a": "steps.a"}},
        {"for_each": "row.tags.split(', ')", "columns": {"x": "{'green': 1}[item]", "a": "steps.a"}},
    ],
)
def test_nor_is_an_output_that_works_for_a_row_or_depends_on_an_answer(told, output):
    """Nor what `where` drops."""
    assert told(output=output, a=asked("{{ row.name }}")) == []


def test_an_output_of_many_rows_gives_a_warning(told, tmp_path):
    """Those behind them may do better."""
    (tmp_path / "many.csv").write_text("city\n" + "Oslo\n" * 1001)
    columns = {"x": "{'Rome': 1}[row.city]", "a": "steps.a"}
    ((severity, place, message),) = told("many.csv", output={"columns": columns}, a=asked("{{ row.city }}"))
    assert (severity, place) == ("warning", "{'Rome': 1}[row.city]")
    assert message.endswith("or drop such rows with `where`")


def test_an_output_that_takes_long_is_evaluated_for_one_row(told, tmp_path):
    """A second evaluation would not be faster."""
    (tmp_path / "many.csv").write_text("city\n" + "Oslo\n" * 900)
    long = "range(100000) | map('string') | map('center', 1000) | join"
    begun = time.monotonic()
    told("many.csv", output={"columns": {"x": long, "a": "steps.a"}}, a=asked("{{ row.city }}"))
    assert time.monotonic() - begun < 5


def test_what_a_failing_step_is_needed_for_is_not_told_too(told):
    """It is one mistake."""
    found = told(c={"kind": "compute", "values": {"x": "{}[row.city]"}}, a=asked("{{ steps.c.x }}"))
    assert len(found) == 1


def test_the_first_rows_of_many_give_a_warning(told, tmp_path):
    """Those behind them may do better."""
    (tmp_path / "many.csv").write_text("city\n" + "Oslo\n" * 1001)
    ((severity, _, message),) = told("many.csv", a=asked("{{ {'Rome': 1}[row.city] }}"))
    assert severity == "warning"
    assert message.startswith("each of the first 1,000 rows fails here")
    (tmp_path / "many.csv").write_text("city\n" + "Oslo\n" * 1000 + "Rome\n")
    ((severity, _, _),) = told("many.csv", a=asked("{{ {'Rome': 1}[row.city] }}"))
    assert severity == "warning"


def test_a_parameter_that_the_run_gives_is_waited_for(tmp_path):
    """What it makes of the rows is not known yet."""
    path = tmp_path / "p.yaml"
    path.write_text(
        "version: 1\nparams: {by: {type: string}}\ninput: {rows: [{t: a}]}\noutput: {path: o.jsonl}\n"
        "steps: {a: {model: m, prompt: '{{ {\"a\": row.t}[params.by] }}'}}\n"
    )
    assert check(path)[1] == ()
    ((found),) = check(path, params={"by": "b"})[1]
    assert "there is no `b`" in found.message


def test_a_column_whose_name_has_a_space_is_named_with_it(told, tmp_path):
    """As in a CSV whose header has a space behind each comma."""
    (tmp_path / "spaced.csv").write_text("id, text\n1, hello\n")
    ((_, place, message),) = told("spaced.csv", a=asked("{{ row.text }}"))
    assert place == "row.text"
    assert message.endswith('| its name contains white space: remove it from the header, or write `[" text"]`')
    assert told("spaced.csv", a=asked('{{ row[" text"] }}')) == []
