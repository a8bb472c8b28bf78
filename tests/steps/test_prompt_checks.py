"""What is told of a step's texts before any row: what stands in them whatever the row is."""

import pytest

from yamlgen.api.loading import check
from yamlgen.steps.generate.prompt_checks import Constant, constant

TOP = 'version: 1\ninput: {rows: [{a: "1"}]}\noutput: {path: out.jsonl}\nsteps:\n'


@pytest.mark.parametrize(
    ("source", "parts", "ends", "is_blank"),
    [
        ("Hello", ("Hello",), True, False),
        ("Hello\n", ("Hello",), True, False),
        ("Hello\r\n\r\n", ("Hello\r\n",), True, False),
        ("Hello {{ row.a }}", ("Hello ",), False, False),
        ("{{ row.a }}: ", (": ",), True, False),
        ("{% if row.a %}x{% endif %}", (), False, False),
        ("{% if row.a %} {% else %}{# none #}{% endif %}", (), False, True),
        ("{% for a in row.b %}\t{% endfor %}", (), False, True),
        ("{% filter default('x') %}{% endfilter %}", (), False, False),
        ("{% set x = 1 %}{# no #}", (), False, True),
        ("{{ ' ' }}", (" ",), True, True),
        ("{{ 1 }}", (), False, False),
        ("{% raw %}{{ a }}{% endraw %}", ("{{ a }}",), True, False),
        ("{{ row.a", (), False, False),
    ],
)
def test_what_of_a_template_is_constant(source, parts, ends, is_blank):
    """Text that stands in a template itself, and not in one of its branches or loops."""
    assert constant(source) == Constant(parts, ends=ends, is_blank=is_blank)


@pytest.fixture
def told(tmp_path):
    """What `validate` says of a step, with a file of so many letters beside it."""

    def told(step, text=""):
        (tmp_path / "long.md").write_text(text, encoding="utf-8")
        (tmp_path / "p.yaml").write_text(f"{TOP}  s: {step}\n", encoding="utf-8")
        return [str(diagnostic.message) for diagnostic in check(tmp_path / "p.yaml")[1]]

    return told


@pytest.mark.parametrize(
    ("model", "letters", "messages"),
    [
        ("claude-haiku-4-5", 600_000, []),
        (
            "claude-haiku-4-5",
            900_000,
            [
                (
                    "`claude-haiku-4-5` accepts at most 200,000 tokens; the texts have about 264,706 before any values"
                    " of a row"
                ),
            ],
        ),
        ("claude-haiku-5-5", 900_000, []),
        ("my-fine-tune", 900_000, []),
    ],
)
def test_texts_that_no_row_can_shorten(told, model, letters, messages):
    """What a model cannot read even before a row adds to it is warned of."""
    assert told(f"{{model: {model}, prompt: {{file: long.md}}}}", "a" * letters) == messages


def test_the_texts_of_a_step_are_counted_together(told):
    """A system prompt and two turns, each within the limit, are too much together."""
    turns = "messages: [{role: user, content: {file: long.md}}, {role: user, content: Hi}]"
    assert len(told(f"{{model: claude-haiku-4-5, system: {{file: long.md}}, {turns}}}", "a" * 400_000)) == 1


def test_what_a_row_decides_is_not_counted(told):
    """A text within a branch may be in no request."""
    text = "{% if row.a == '2' %}" + "a" * 900_000 + "{% endif %}Hi"
    assert told("{model: claude-haiku-4-5, prompt: {file: long.md}}", text) == []


@pytest.mark.parametrize("text", ["{# nothing yet #}\n", "{{ '' }}", "{% set a = 1 %}\n\n"])
def test_a_file_whose_text_is_blank_for_every_row(told, text):
    """A file with nothing but comments in it is no prompt."""
    (message,) = told("{model: claude-haiku-5-5, prompt: {file: long.md}}", text)
    assert message == "this text is blank for every row, which the API refuses"
