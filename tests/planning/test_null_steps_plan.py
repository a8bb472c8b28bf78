"""A step that is null if it fails, in a plan: its type, and what may read it without a mistake."""

import pytest

from yamlgen.api.loading import check, load

HEAD = "version: 1\nmodel: claude-haiku-5-5\ninput: {rows: [{name: Oslo Marathon}]}\noutput: {path: out.jsonl}\n"
STEPS = """\
steps:
  facts:
    on_error: null
    prompt: "{{ row.name }}"
    output: {schema: {type: object, required: [age], properties: {age: {type: integer}}, additionalProperties: false}}
  parts: {for_each: row.name.split(" "), on_error: "null", on_item_error: null, prompt: "{{ item }}"}
  sure: {kind: compute, on_error: Null, values: {n: row.name | length}}
  line: {prompt: "{{ steps.facts.age }} {{ steps.sure.n + 1 }} {{ steps.parts | reject('none') | join }}"}
  instead: {prompt: "{{ row.name }}", when: steps.line is none}
  age:
    kind: compute
    when: steps.facts is not none and steps.parts
    values: {age: steps.facts.age, parts: steps.parts | length, one: steps.facts.age if steps.facts else 0}
  fail: {prompt: Hello, on_error: fail}
"""


@pytest.fixture
def plan(tmp_path):
    """A plan with steps that are null if they fail, and steps that read them."""
    path = tmp_path / "p.yaml"
    path.write_text(HEAD + STEPS)
    assert check(path)[1] == ()
    return load(path).plan()


def test_its_type_has_null(plan):
    """And so has that of a step that is skipped with it; that of a step that may fail its row has none."""
    nullable = {step.name for step in plan.steps if step.type.errors(None) == ()}
    assert nullable == {"facts", "parts", "sure", "line", "instead", "age"}
    assert {step.name for step in plan.steps if step.null_if_failed} == {"facts", "parts", "sure"}


@pytest.mark.parametrize("null", ["null", '"null"', "~"])
def test_null_is_a_word_in_any_spelling(tmp_path, null):
    """The plan is the same for each; it is not that of a step that fails its row."""
    path = tmp_path / "p.yaml"

    def planned(value):
        path.write_text(HEAD + f"steps: {{one: {{prompt: Hello, on_error: {value}}}}}\n")
        return load(path).plan().steps

    assert planned(null) == planned("NULL") != planned("fail")
