"""The JSON in a text: what is found, what is broken, and that the search ends soon."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yamlgen.claude.json_in_text import find_json


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ('{"a": 1}', [{"a": 1}]),
        ('Sure: {"a": 1} - or [2]?', [{"a": 1}, [2]]),
        ('```json\n{"a": 1}\n```', [{"a": 1}]),
        ('{"a": "}]\\"{"}', [{"a": '}]"{'}]),
        ('{"a": "two\nlines"}', [{"a": "two\nlines"}]),
        ("As {name} said [see {\"a\": 1}], {1, 2} or {'b': 2}", [{"a": 1}]),
        ('{{"a": 1}} and [[link {"b": 2}]]', [{"a": 1}, {"b": 2}]),
        ('Of {"curly} quotes: {"a": 1}', [{"a": 1}]),
        ('{"a": {"b": [1, {"c": 2}]}}', [{"a": {"b": [1, {"c": 2}]}}]),
        ("[] {}", [[], {}]),
        ("[{}]", [[{}]]),
        ("No JSON, [nothing] (here).", []),
        ("", []),
    ],
)
def test_the_outermost_values_are_found(text, values):
    """In their order; brackets of prose are none, and do not hide what stands in them."""
    assert find_json(text).values == values


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1, "b": {"a": 1},}',
        '{"a": 1, "b": [{"a": 2}]',
        '{"a": None, "b": {"a": 1}}',
        '[1, oops {"a": 1}]',
        '{"a": "\\q", "b": {"a": 1}}',
    ],
)
def test_no_part_of_a_broken_value_is_taken(text):
    """What begins as JSON and goes wrong is one broken value; that is told."""
    spans = find_json(text)
    assert spans.values == []
    assert spans.broken


@pytest.mark.parametrize("text", ['{"a": 1, oops} {"a": 2}', '{"a": 1 oops\n\n{"a": 2}', '{"a": 1, \n {"a": 2}'])
def test_what_follows_a_broken_value_is_found(text):
    """A draft that went wrong does not cost the answer behind it."""
    assert find_json(text).values == [{"a": 2}]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=12,
).filter(lambda value: isinstance(value, list | dict))


@given(st.lists(JSON, max_size=4), st.booleans())
def test_any_values_between_words_are_found(values, ascii_):
    """Whatever strings the values hold."""
    text = " and ".join(json.dumps(value, ensure_ascii=ascii_) for value in values)
    assert find_json(f"So: {text}.").values == values


@given(st.text(alphabet='[]{}",:1a\\ \n'))
def test_any_text_is_read(text):
    """No text is too odd."""
    find_json(text)


HARD = [
    *(
        '{"a":1',
        '{"a":',
        "[1 ",
        "[",
        "{",
        '["',
        '{"',
        '["\\"',
        '[{"a":"',
        '{"a":"b\\"',
        "[n",
        '\\"{"a":',
        "[] ",
        '{"a"x',
    ),
]


@pytest.mark.parametrize("part", HARD)
def test_the_time_grows_with_the_text_and_no_faster(part):
    """Eight times the text takes less than 24 times as long: a square would be 64."""

    def seconds(size):
        text = part * (size // len(part))
        began = time.process_time()
        find_json(text)
        return time.process_time() - began

    assert min(seconds(80_000) for _ in range(2)) < 24 * max(min(seconds(10_000) for _ in range(3)), 0.005)
