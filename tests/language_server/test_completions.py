"""Completion at a cursor, in texts that are not valid at that moment."""

import pytest
from cursor_texts import completed, edited, opened, write_project

from yamlgen.language_server.analyses import keep_up
from yamlgen.language_server.template_words import filter_docs

WRITE = 'Write to {{ row.name }}, {{ row["home town"] | upper }}.'


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """Write the pipeline once for all tests."""
    return write_project(tmp_path_factory.mktemp("people"))


@pytest.mark.parametrize(
    ("old", "new", "label", "line"),
    [
        (WRITE, "{{ row.⌶", "name", "{{ row.name"),
        (WRITE, "{{ row.⌶ }} text", "home town", '{{ row["home town"] }} text'),
        (WRITE, "{{ row[⌶", "home town", '{{ row["home town"]'),
        (WRITE, '{{ row["ho⌶', "home town", '{{ row["home town"]'),
        (WRITE, "{{ steps.⌶", "profile", "{{ steps.profile"),
        (WRITE, "{{ steps.profile.a⌶", "age", "{{ steps.profile.age"),
        (WRITE, "{{ params.⌶", "tone", "{{ params.tone"),
        (WRITE, "{{ ⌶", "item", "{{ item"),
        (WRITE, "{{ row.name | up⌶ }}", "upper", "{{ row.name | upper }}"),
        (WRITE, "{% if row.name is def⌶", "defined", "{% if row.name is defined"),
        (WRITE, "{% fo⌶", "for", "{% for"),
        (WRITE, "{% for one in steps.⌶", "profile", "{% for one in steps.profile"),
        (WRITE, "{% for one in row.name %}{{ on⌶", "one", "{% for one in row.name %}{{ one"),
        ("for_each: steps.profile.tags", "for_each: steps.profile.⌶", "tags", "for_each: steps.profile.tags"),
        ("for_each: steps.profile.tags", "for_each: ⌶", "steps", "for_each: steps"),
        ("text: row.name}", "text: row.⌶}", "name", "text: row.name}"),
        ("score: steps.scored", "score: steps.⌶", "scored", "score: steps.scored"),
        ('"A grade for {{ steps.letter | length }} letters"', '"A grade for {{ row.⌶', "home town", "row['home town']"),
        ("model: writer\n    prompt: A", "model: ⌶\n    prompt: A", "writer", "model: writer"),
        ("{id: claude-haiku-5-5, max", "{id: ⌶, max", "claude-haiku-5-5", "{id: claude-haiku-5-5, max"),
        ("kind: python", "kind: ⌶", "compute", "kind: compute"),
        ("    kind: python\n", "    ki⌶\n", "kind", "    kind: "),
        ("    kind: python\n", "    kind: python\n    ⌶\n", "keep", "    keep: "),
        ("max_tokens: 300}", "max_tokens: 300, ef⌶", "effort", "max_tokens: 300, effort: "),
        ("version: 1\n", "version: 1\nli⌶\n", "limits", "limits: "),
        ("version: 1\n", "version: 1\nruntime:\n  auth: ⌶\n", "token", "  auth: token"),
        ("path: rows.csv, id: id", "path: ⌶, id: id", "rows.csv", "path: rows.csv, id: id"),
        ("path: rows.csv, id: id", "path: rows.csv, id: ⌶", "home town", "id: home town"),
        ("prompts/style.md", "prompts/⌶", "prompts/style.md", "{file: prompts/style.md}"),
        ("schemas/grade.json", "⌶", "schemas/", "{schema: schemas/}"),
        ("scoring:score", "⌶", "scoring:score", "call: scoring:score"),
        ('prompt: "A grade', 'prompt: {{ row.⌶\n    system: "A grade', "name", "prompt: {{ row.name"),
        ("    prompt: |\n", "    messages:\n      - role: ⌶\n    prompt: |\n", "assistant", "- role: assistant"),
        ("  path: out", "  exclude: [⌶]\n  path: out", "steps.scored", "exclude: [steps.scored]"),
        ("version: 1\n", "version: 1\nx-greeting: |\n  Dear {{ row.⌶\n", "name", "Dear {{ row.name"),
        ("        type: object\n", "        type: ⌶\n", "object", "        type: object"),
    ],
)
def test_a_label_is_offered_and_completes_the_line(path, old, new, label, line):
    """After the choice, the line is what an author would write."""
    found = completed(*edited(path, old, new))
    assert line in found[label]


def test_a_step_is_not_offered_to_itself_nor_to_those_that_it_needs(path):
    """The steps would refer to each other."""
    assert completed(*edited(path, "A profile of {{ row.name }}.", "A profile of {{ steps.⌶")).keys() == {"scored"}


def test_the_columns_of_a_query_are_offered(path):
    """The query is prepared, not executed."""
    text = "version: 1\ninput:\n  sql: select name, count(*) as n from people group by name\n  id: name\n"
    text += "  tables: {people: rows.csv}\nsteps:\n  a: {prompt: 'Hi {{ row.⌶ }}'}\n"
    assert completed(*opened(path, text)).keys() == {"name", "n"}


def test_a_long_text_is_completed_by_what_was_known_before_the_change(path):
    """An analysis of two thousand lines would take too long for each key."""
    document, offset = edited(path, WRITE, "{{ row.⌶")
    long = document.text + "".join(f"# {'x' * 60}\n" for _ in range(400))
    keep_up(path, long)
    renamed = long.replace("  profile:\n", "  portrait:\n").replace("row.\n", "steps.\n")
    assert "profile" in completed(type(document)(path, renamed), offset + 3)
    keep_up(path, renamed)
    assert "portrait" in completed(type(document)(path, renamed), offset + 3)


def test_a_key_that_is_set_is_not_offered_again(path):
    """A mapping has each key once."""
    assert "model" not in completed(
        *edited(path, "    kind: python\n", "    kind: generate\n    model: writer\n    ⌶\n")
    )


def test_keys_are_offered_in_an_empty_file(path):
    """The first key of a new pipeline."""
    assert {"version", "input", "steps"} <= completed(*opened(path, "⌶")).keys()


def test_nothing_is_offered_in_prose(path):
    """A template is text outside of its braces."""
    assert completed(*edited(path, "A profile of {{ row.name }}.", "A profile ⌶of {{ row.name }}.")) == {}


def test_other_broken_lines_do_not_matter(path):
    """A quote and a bracket elsewhere are never closed."""
    document, offset = edited(path, WRITE, "{{ row.⌶")
    broken = document.text.replace("  path: out/letters.jsonl\n", '  path: "out\n   - x: {\n')
    assert "name" in completed(type(document)(path, broken), offset)


def test_a_filter_is_explained():
    """Each filter has one line of documentation."""
    assert all(filter_docs().values())
    assert "Convert a value to uppercase" in filter_docs()["upper"]


def test_no_file_outside_the_folder_is_offered(path):
    """A path must stay in the folder of the pipeline."""
    (path.parent.parent / "secret.md").write_text("secret", encoding="utf-8")
    assert completed(*edited(path, "prompts/style.md", "../⌶")) == {}
