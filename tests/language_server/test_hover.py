"""Hover: types, values of the first row, prompts, keys, models, filters."""

import pytest
from cursor_texts import edited, hovered, opened, write_project


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """Write the pipeline once for all tests."""
    return write_project(tmp_path_factory.mktemp("people"))


@pytest.mark.parametrize(
    ("old", "new", "about", "shown"),
    [
        ("Write to {{ row.name", "Write to {{ row.n⌶ame", "row.name", "`row.name`: `string`"),
        ("Write to {{ row.name", "Write to {{ row.n⌶ame", "row.name", 'In row 1:\n\n```json\n"Ada"\n```'),
        ('row["home town"]', 'row["home⌶ town"]', 'row["home town"]', '"London"'),
        ("steps.profile.age", "steps.profile.a⌶ge", "steps.profile.age", "`integer`"),
        ("steps.profile.age", "steps.prof⌶ile.age", "steps.profile", "`{age: integer, tags: list of string}`"),
        ("steps.profile.age", "steps.prof⌶ile.age", "steps.profile", "In row 1 (made up)"),
        ("{{ item }}", "{{ it⌶em }}", "item", "`string`"),
        ("{{ tag }}", "{{ t⌶ag }}", "tag", "`tag`: `string`"),
        ("params.tone", "params.t⌶one", "params.tone", '"dry"'),
        ("| upper", "| up⌶per", "upper", "Convert a value to uppercase"),
        ("for_each: steps.profile.tags", "for_each: steps.profile.t⌶ags", "steps.profile.tags", "list of string"),
        ("grade: steps.graded.grade", "grade: steps.graded.g⌶rade", "steps.graded.grade", '`"good" or "bad"`'),
        ("max_tokens: 300", "max_to⌶kens: 300", "max_tokens", "Maximum number of tokens"),
        ("kind: python", "ki⌶nd: python", "kind", 'Default: `"generate"`'),
        ("model: writer\n    prompt: A", "model: wri⌶ter\n    prompt: A", "writer", "`claude-haiku-5-5`"),
        ("model: writer\n    prompt: A", "model: wri⌶ter\n    prompt: A", "writer", "context: 1,000,000 tokens"),
        ("model: writer\n    prompt: A", "model: wri⌶ter\n    prompt: A", "writer", "per million tokens"),
        ("  tone: {type", "  to⌶ne: {type", "tone", "Parameter `tone`"),
    ],
)
def test_a_place_is_explained(path, old, new, about, shown):
    """What is shown, and the part of the text that it is about."""
    markdown, part = hovered(*edited(path, old, new))
    assert part == about
    assert shown in markdown


def test_a_prompt_is_rendered_for_the_first_row(path):
    """On the name of a step."""
    markdown, _ = hovered(*edited(path, "  profile:\n", "  pro⌶file:\n"))
    assert markdown == "The prompt of row 1:\n\n```text\nA profile of Ada.\n```"


def test_a_prompt_from_a_file_names_its_roles_and_what_is_made_up(path):
    """On `prompt`, for the first of several requests."""
    markdown, _ = hovered(*edited(path, "    prompt: |\n", "    pro⌶mpt: |\n"))
    assert "The prompt of row 1, item 1:" in markdown
    assert "[system]\nBe kind to Ada.\n\n[user]\nWrite to Ada, LONDON." in markdown
    assert markdown.endswith("Made up: `steps.profile`.")


def test_a_prompt_is_rendered_although_another_step_is_wrong(path):
    """There is no plan then."""
    document, offset = edited(path, "  profile:\n", "  pro⌶file:\n")
    broken = document.text.replace("kind: python", "kind: pithon")
    assert "A profile of Ada." in hovered(type(document)(path, broken), offset)[0]


@pytest.mark.parametrize(
    ("step", "shown"),
    [
        ("{kind: compute, values: {c: row.q + 1}}", "x 2"),
        ("{kind: draw, draws: {c: {choices: [red]}}}", "x red"),
    ],
)
def test_steps_without_a_model_have_their_own_values(path, step, shown):
    """Only the value of a model or of a function is made up."""
    text = "version: 1\nmodel: claude-haiku-5-5\ninput: {rows: [{q: 1}]}\nsteps:\n"
    text += f"  d: {step}\n  a⌶a: {{prompt: 'x {{{{ steps.d.c }}}}'}}\n"
    assert shown in hovered(*opened(path, text + "output: {path: o.jsonl}\n"))[0]


def test_a_rendered_prompt_cannot_end_its_code_block(tmp_path):
    """The row contains a fence."""
    path = write_project(tmp_path)
    (tmp_path / "rows.csv").write_text('id,name,home town\n1,"a\n````\n[b](c)",x\n', encoding="utf-8")
    markdown, _ = hovered(*edited(path, "  profile:\n", "  pro⌶file:\n"))
    assert markdown.count("`````") == 2


def test_no_row_outside_the_folder_is_read(tmp_path):
    """The input is next to the folder."""
    folder = tmp_path / "project"
    folder.mkdir()
    path = write_project(folder)
    (tmp_path / "rows.csv").write_text("id,name,home town\n1,Secret,x\n", encoding="utf-8")
    markdown, _ = hovered(
        *edited(path, "path: rows.csv, id: id}\nsteps:\n  pro", "path: ../rows.csv, id: id}\nsteps:\n  p⌶ro")
    )
    assert markdown == "The prompt of row 1 is not shown: the first row of the input is not known"


def test_a_changed_row_is_shown(tmp_path):
    """What is kept is only used while the files are unchanged."""
    path = write_project(tmp_path)
    at = edited(path, "  profile:\n", "  pro⌶file:\n")
    assert "A profile of Ada." in hovered(*at)[0]
    (tmp_path / "rows.csv").write_text("id,name,home town\n1,Eve,x\n", encoding="utf-8")
    assert "A profile of Eve." in hovered(*at)[0]


def test_nothing_is_shown_in_prose(path):
    """A template is text outside of its braces."""
    assert hovered(*edited(path, "A profile of", "A pro⌶file of")) == ("", "")
