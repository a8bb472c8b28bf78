"""Files that are sent as they are: nothing of them is a template, whatever they contain."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from yamlgen.api.loading import load
from yamlgen.expressions.jinja_environment import render
from yamlgen.expressions.verbatim_text import template_of
from yamlgen.planning.expansion import resolved

TEXT = 'Fill {{ row.nothing }} and {name}: "\\n" {% raw %}\r\n{# kept #} ${é😀} }}\n\n'


@given(st.text(st.characters(codec="utf-8")) | st.text('{}%#"\\\r\n nrx0u{{}}'))
@example(TEXT)
@example('"}}{{"\u2028\x85\x00\U0010ffff\n')
@example("{% endraw %}\r")
def test_a_text_is_printed_as_it_is(text):
    """Property: the template of a text renders to it."""
    assert render(template_of(text), {}) == text


def test_a_plain_text_is_its_own_template():
    """So that a resolved pipeline shows it as it was written."""
    assert template_of("Be brief.\nBe kind.") == "Be brief.\nBe kind."


@pytest.fixture
def files(project):
    """A step whose texts are all in one file."""
    (project.folder / "text.md").write_bytes(TEXT.encode())
    file = {"file": "text.md", "template": False}
    turns = [{"role": role, "content": file} for role in ("user", "assistant")]
    messages = [*turns, {"role": "user", "content": "A line on {{ row.town }}"}]
    project.document["steps"] = {
        "line": {"model": "quick", "system": file, "messages": messages},
        "line2": {"model": "quick", "prompt": file},
    }
    return project


def test_a_file_is_sent_byte_for_byte(files):
    """As the system prompt, a prompt and a message: braces, carriage returns and the line break at the end too."""
    assert files.run().asked == 8
    bodies = files.server.bodies
    assert {body["system"] for body in bodies if "system" in body} == {TEXT}
    assert {turn["content"] for body in bodies for turn in body["messages"] if "A line on" not in turn["content"]} == {
        TEXT
    }


def test_its_text_counts_not_its_name(files):
    """A second run sends nothing, nor does the resolved pipeline, or a file of another name; a changed byte does."""
    files.run()
    assert files.run().asked == 0
    plain = dict(files.document)
    files.document = resolved(load(files.path).plan())
    assert files.run().asked == 0
    files.document = plain
    (files.folder / "text.md").rename(files.folder / "other.md")
    for path in ("line.system", "line.messages.0.content", "line.messages.1.content", "line2.prompt"):
        files.set(f"steps.{path}", {"file": "other.md", "template": False})
    assert files.run().asked == 0
    (files.folder / "other.md").write_bytes(TEXT.encode()[:-1])
    assert files.run().asked == 8


def test_a_template_in_a_file_is_still_one(files):
    """`template: true`, the default, renders it: without carriage returns, and without the line break at the end."""
    (files.folder / "text.md").write_bytes(b"{{ row.town }}\r\n{# gone #}!\r\n")
    files.document["steps"] = {
        "line": {"model": "quick", "system": "x", "prompt": {"file": "text.md", "template": True}},
        "line2": {"model": "quick", "prompt": {"file": "text.md"}},
    }
    files.rows = [{"town": "Oslo"}]
    files.run()
    assert [body["messages"][0]["content"] for body in files.server.bodies] == ["Oslo\n!"] * 2
