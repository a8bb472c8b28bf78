"""Go to definition: steps, parameters, aliases, fields, files, functions."""

import pytest
from cursor_texts import GRADE, defined, edited, opened, write_project


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """Write the pipeline once for all tests."""
    return write_project(tmp_path_factory.mktemp("people"))


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("steps.profile.age", "steps.pro⌶file.age", "people.yaml:8: profile"),
        ("steps.profile.age", "steps.profile.a⌶ge", "people.yaml:16: age"),
        ("for_each: steps.profile.tags", "for_each: steps.pro⌶file.tags", "people.yaml:8: profile"),
        ("grade: steps.graded.grade", "grade: steps.graded.g⌶rade", 'schemas/grade.json:4: "grade"'),
        ("steps.letter | length", "steps.let⌶ter | length", "people.yaml:22: letter"),
        ("params.tone", "params.t⌶one", "people.yaml:3: tone"),
        ("{{ item }}", "{{ it⌶em }}", "people.yaml:25: for_each"),
        ("{{ tag }}", "{{ t⌶ag }}", "people.yaml:28: tag"),
        ("Write to {{ row.name", "Write to {{ row.n⌶ame", "rows.csv:1: "),
        ("model: writer\n    prompt: A", "model: wri⌶ter\n    prompt: A", "people.yaml:5: writer"),
        ("prompts/style.md", "prompts/st⌶yle.md", "prompts/style.md:1: "),
        ("schemas/grade.json", "schemas/gr⌶ade.json", "schemas/grade.json:1: "),
        ("path: rows.csv", "path: ro⌶ws.csv", "rows.csv:1: "),
        ("scoring:score", "scoring:sc⌶ore", "scoring.py:6: score"),
    ],
)
def test_a_place_leads_to_its_definition(path, old, new, place):
    """Each kind of reference."""
    assert defined(*edited(path, old, new)) == [place]


def test_an_alias_leads_to_its_anchor(path):
    """In YAML."""
    text = "x-rule: &rule {type: string}\nparams: {tone: *ru⌶le}\n"
    assert defined(*opened(path, text)) == ["people.yaml:1: {type: string}"]


@pytest.mark.parametrize("merge", ["*ru⌶le", "[*other, *rule⌶]", "[⌶*rule, *other]"])
def test_a_merged_alias_leads_to_its_anchor(path, merge):
    """The last one of its name."""
    text = f"x-a: &rule {{}}\nx-b: [&rule {{type: string}}, &other {{}}]\nparams: {{tone: {{<<: {merge}}}}}\n"
    assert defined(*opened(path, text)) == ["people.yaml:2: &rule"]


def test_a_reference_of_a_schema_leads_to_its_part(path):
    """The schema is open itself."""
    text = GRADE.replace("#/$defs/grade", "#/$defs/gr⌶ade")
    schema = path.parent / "schemas" / "grade.json"
    assert defined(*opened(schema, text)) == ['grade.json:5: {"enum": ["good", "bad"]}']


def test_a_definition_is_found_in_a_broken_text(path):
    """A bracket elsewhere is never closed."""
    document, offset = edited(path, "steps.profile.age", "steps.pro⌶file.age")
    broken = document.text.replace("kind: python", "kind: {pyth")
    assert defined(type(document)(path, broken), offset) == ["people.yaml:8: profile"]


def test_a_definition_is_found_in_a_template_that_is_being_written(path):
    """Another reference in the same template is not finished."""
    document, offset = edited(path, "steps.profile.age", "steps.profile.a⌶ge")
    broken = document.text.replace("Write to {{ row.name }}", "Write to {{ row.xxxx  ")
    assert defined(type(document)(path, broken), offset) == ["people.yaml:16: age"]


def test_no_file_outside_the_folder_is_a_definition(tmp_path):
    """Neither by its path nor through a link."""
    folder = tmp_path / "project"
    folder.mkdir()
    path = write_project(folder)
    (tmp_path / "secret.md").write_text("secret", encoding="utf-8")
    (folder / "link.md").symlink_to(tmp_path / "secret.md")
    assert defined(*edited(path, "prompts/style.md", "../sec⌶ret.md")) == []
    assert defined(*edited(path, "prompts/style.md", "li⌶nk.md")) == []
