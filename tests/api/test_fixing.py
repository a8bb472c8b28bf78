"""Fixes: each is what the author meant, and nothing else of the file changes."""

import re
import shutil
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import yamlgen
from shipped_pipelines import FOLDER
from yamlgen.api.fixing import find_changes, write
from yamlgen.api.loading import check
from yamlgen.errors import EnvironmentProblem
from yamlgen.option_names import cli_option_names
from yamlgen.parsing.drafts import drafting
from yamlgen.parsing.source_map import SourceText

CASES = Path(__file__).parent.parent / "cases"

PIPELINE = """\
version: 1  # of the language
model: {id: claude-haiku-5-5, max_tokens: 200}
params: {language: {default: English}}
input: {rows: [{topic: tea, stars: 2}]}
steps:
  draft:
    prompt: "Write about {{ row.topic }} in {{ params.language }}"  # the text
    output:
      schema: {type: object, additionalProperties: false, required: [title], properties: {title: {type: string}}}
  short:
    prompt: |
      Shorten this title: {{ steps.draft.title | upper }}
output: {path: out.jsonl}
"""

SLIPS = {
    "a key of the pipeline": ("steps:\n  draft", "stpes:\n  draft"),
    "a key of a step": ("    prompt: |", "    promt: |"),
    "a key in another spelling": ("max_tokens: 200", "max-tokens: 200"),
    "a key in braces": ("{default: English}", "{defalt: English}"),
    "a column": ("row.topic", "row.topci"),
    "a parameter": ("params.language", "params.langauge"),
    "a step, in a block": ("steps.draft.title", "steps.darft.title"),
    "a field": ("steps.draft.title", "steps.draft.titel"),
    "a filter": ("| upper", "| uper"),
    "a root": ("{{ row.topic", "{{ rwo.topic"),
    "a column without its root": ("{{ row.topic", "{{ topic"),
    "a keyword of a schema": ("[title], properties", "[title], proprties"),
    "a type of a schema": ("{type: string}", "{type: strng}"),
    "a type of another language": ("{type: string}", "{type: str}"),
    "a number in quotes": ("max_tokens: 200", 'max_tokens: "200"'),
    "a version in quotes": ("version: 1 ", "version: '1' "),
    "a key without its colon": ("    prompt: |", "    prompt |"),
    "a key in braces without its colon": ("path: out.jsonl", "path out.jsonl"),
    "a colon without its space": ("{path: out.jsonl}", "{path:out.jsonl}"),
}
"""What is right in the pipeline, and what is written in its place."""

WRITTEN = {
    "a template without quotes": ("prompt: {{ row.topic }}", 'prompt: "{{ row.topic }}"'),
    "a text that begins with a template": ("prompt: {{ row.topic }} is", 'prompt: "{{ row.topic }} is"'),
    "a template with quotes in it": ('prompt: {{ row["topic"] }}', "prompt: '{{ row[\"topic\"] }}'"),
    "a template without its first quote": ('prompt: {{ row.topic }}"', 'prompt: "{{ row.topic }}"'),
    "a text with an apostrophe": ("prompt: {{ row.topic }} isn't", 'prompt: "{{ row.topic }} isn\'t"'),
    "an expression in braces": ("{prompt: x, when: '{{ row.stars > 2 }}'}", "{prompt: x, when: 'row.stars > 2'}"),
    "an expression in braces without quotes": (
        "when: {{ row.stars }}\n    prompt: x",
        "when: row.stars\n    prompt: x",
    ),
    "a colon in a text": ("prompt: Note: {{ row.topic }}", 'prompt: "Note: {{ row.topic }}"'),
    "an at sign": ("system: @work\n    prompt: x", 'system: "@work"\n    prompt: x'),
    "a key without its colon": ("model claude-haiku-5-5\n    prompt: x", "model: claude-haiku-5-5\n    prompt: x"),
    "a key without its space": ("model:claude-haiku-5-5\n    prompt: x", "model: claude-haiku-5-5\n    prompt: x"),
    "a boolean of YAML 1.1": ("{prompt: x, batch: yes}", "{prompt: x, batch: true}"),
    "a number in place of a string": ("{prompt: x, description: 12}", '{prompt: x, description: "12"}'),
    "one condition": ("{prompt: x, check: output != ''}", "{prompt: x, check: [\"output != ''\"]}"),
    "a word of the language": ("{prompt: x, on_error: nul}", "{prompt: x, on_error: null}"),
    "a kind": ("{kind: computee, value: row.topic}", "{kind: compute, value: row.topic}"),
    "a test": ("{prompt: x, when: row.topic is strng}", "{prompt: x, when: row.topic is string}"),
    "a tag": ("prompt: '{% fro a in [1] %}{% endfor %}'", "prompt: '{% for a in [1] %}{% endfor %}'"),
    "a comparison": ("{prompt: x, when: row.stars = 2}", "{prompt: x, when: row.stars == 2}"),
    "an operator of another language": (
        "{prompt: x, when: row.stars == 2 && row.topic == 'tea'}",
        "{prompt: x, when: row.stars == 2 and row.topic == 'tea'}",
    ),
    "a matrix value": (
        "{matrix: {tone: [dry]}, prompt: '{{ matrix.ton }}'}",
        "{matrix: {tone: [dry]}, prompt: '{{ matrix.tone }}'}",
    ),
    "an item": (
        "{for_each: '[row.topic]', prompt: '{{ itme }}'}",
        "{for_each: '[row.topic]', prompt: '{{ item }}'}",
    ),
}
"""A step as it is written, and as it is fixed."""

UNSURE = {
    "a key that is far from all others": "{prompt: x, instructions: y}",
    "a key of another tool": "{template: x}",
    "a key that is there already": "{prompt: x, promt: y}",
    "a column that differs by a digit": "{prompt: '{{ row.topic2 }}'}",
    "a column in the plural": "{prompt: '{{ row.topics }}'}",
    "a column with another first letter": "{prompt: '{{ row.ttars }}'}",
    "the step itself": "{prompt: '{{ steps.maed }}'}",
    "a string that a name is compared with": "{prompt: x, when: row.topic == topic}",
    "a model id": "{prompt: x, model: claude-haiku-5-6}",
    "a value of several parts": "{prompt: x, stop_sequences: 'a, b'}",
    "a text of several lines": "\n    prompt: {{ row.topic }}\n      and more",
    "a text with a comment": "\n    prompt: {{ row.topic }} # more",
    "a key in a text": "\n    prompt: Write\n      model\n      about: tea",
    "a condition that may need a conversion": "{prompt: x, when: row.topic + 1 > 2}",
    "a file with a similar name": "{prompt: {file: promts.md}}",
}


def with_step(step):
    """A pipeline with one step, as it is written."""
    head = "version: 1\nmodel: claude-haiku-5-5\ninput: {rows: [{topic: tea, stars: 2}]}\nsteps:\n  made:"
    space = "" if step.startswith("\n") else " " if step[0] in "{&" else "\n    "
    return f"{head}{space}{step}\noutput: {{path: out.jsonl}}\n"


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder, in which the test stands."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def fixed(here):
    """Write a pipeline, fix it, and return its text."""

    def fix(text, name="a.yaml"):
        (here / name).write_bytes(text.encode())
        write(find_changes([Path(name)], {}))
        return (here / name).read_bytes().decode()

    return fix


@pytest.mark.parametrize(("right", "wrong"), SLIPS.values(), ids=SLIPS)
def test_a_slip_is_mended_where_it_is(fixed, right, wrong):
    """`validate` says it; the fix makes the text what it was, comments included; then nothing is wrong."""
    assert PIPELINE.count(right) == 1
    written = PIPELINE.replace(right, wrong)
    Path("a.yaml").write_text(written, encoding="utf-8")
    assert check("a.yaml")[1]
    assert fixed(written) == PIPELINE
    assert check("a.yaml")[1] == ()


@pytest.mark.parametrize(("written", "meant"), WRITTEN.values(), ids=WRITTEN)
def test_what_is_written_becomes_what_is_meant(fixed, written, meant):
    """Only the mistake changes."""
    assert fixed(with_step(written)) == with_step(meant)
    assert not [each for each in check("a.yaml")[1] if each.fix]


@pytest.mark.parametrize("step", UNSURE.values(), ids=UNSURE)
def test_what_may_be_meant_otherwise_is_left(fixed, step):
    """A mistake that has several mends has no fix."""
    Path("a.yaml").write_text(with_step(step), encoding="utf-8")
    assert check("a.yaml")[1]
    assert fixed(with_step(step)) == with_step(step)


def test_tabs_become_spaces_if_all_indentation_is_tabs(fixed):
    """Two spaces for each tab; the data is what was meant."""
    text = (
        "version: 1\nmodel: claude-haiku-5-5\ninput: {rows: [{a: b}]}\nsteps:\n\tx:\n\t\tprompt: |\n\t\t\tHello\toh\n"
    )
    text += "output: {path: out.jsonl}\n"
    made = fixed(text)
    assert yaml.safe_load(made)["steps"] == {"x": {"prompt": "Hello\toh\n"}}
    assert check("a.yaml")[1] == ()


def test_tabs_in_a_text_are_left(fixed):
    """A Makefile in a prompt would not be one with spaces."""
    block = PIPELINE.index("    prompt: |")
    text = (
        PIPELINE[:block]
        + "    prompt: |\n      all:\n      \tcc {{ row.topic }}\n"
        + PIPELINE[PIPELINE.index("output: {path") :]
    )
    text = re.sub(r"^ +", lambda found: "\t" * (len(found[0]) // 2), text, flags=re.MULTILINE)
    assert fixed(text) == text


def test_tabs_among_spaces_are_left(fixed):
    """How wide a tab is, is unknown."""
    text = "version: 1\nsteps:\n  x:\n\t\tprompt: Hello\n"
    assert fixed(text) == text


def test_a_key_of_the_pipeline_that_is_indented_too_far_moves_left(fixed):
    """Its value and the comments in it move with it."""
    right = PIPELINE.replace("output: {path: out.jsonl}\n", "output:\n  # rows\n  path: |-\n    out.jsonl\n\n# end\n")
    head, output = right.split("output:\n  # rows")
    wrong = head + "  output:\n    # rows" + output.replace("\n  ", "\n    ")
    assert fixed(wrong) == right


def test_a_key_of_the_pipeline_with_other_keys_after_it_stays(fixed):
    """They would be below it."""
    text = PIPELINE.replace("output: {path: out.jsonl}\n", "  more: {prompt: x}\n")
    text = text.replace("  short:", "  output: {path: out.jsonl}\n  short:")
    assert fixed(text) == text


def test_a_schema_is_mended_in_its_file(fixed):
    """A comma after the last value, then a keyword."""
    Path("s.json").write_text('{\n  "type": "object",\n  "propertes": {},\n}\n', encoding="utf-8")
    text = with_step("{prompt: x, output: {schema: s.json}}")
    assert fixed(text) == text
    assert Path("s.json").read_text(encoding="utf-8") == '{\n  "type": "object",\n  "properties": {}\n}\n'


def test_byte_order_mark_and_line_ends_stay(fixed):
    """Windows' marks of a file are not changed."""
    written = "\ufeff" + PIPELINE.replace("row.topic", "row.topci").replace("\n", "\r\n")
    assert fixed(written) == "\ufeff" + PIPELINE.replace("\n", "\r\n")


def test_a_mistake_is_mended_wherever_it_is_repeated(fixed):
    """A diagnostic lists the other places; all of them are fixed."""
    Path("a.csv").write_text("topic\ntea\n", encoding="utf-8")
    prompt = "prompt: '{{ row.topci }}{{ row.topci }}\n      {{ row.topci }}'"
    text = with_step(prompt).replace("{rows: [{topic: tea, stars: 2}]}", "{path: a.csv}")
    assert fixed(text) == text.replace("topci", "topic")


@pytest.mark.parametrize("name", ["draft", "language", "title"])
def test_a_declaration_that_is_misspelt_is_not_copied(fixed, name):
    """If the unknown name is written more often than the declared one, none of them has a fix."""
    text = PIPELINE.replace("Shorten", "Shorten {{ steps.draft.title }}, {{ params.language }}: {{ params.language }}")
    wrong = re.sub(rf"(?<=[ {{\[]){name}(?=[:\]])(?!: {{{{)", name[:-1], text)
    assert wrong != text
    assert fixed(wrong) == wrong


@pytest.mark.usefixtures("here")
def test_a_shared_prompt_is_mended_once():
    """Two pipelines read it, and both report it."""
    Path("p.md").write_text("About {{ row.topci }}\n", encoding="utf-8")
    for name in ("a.yaml", "b.yaml"):
        Path(name).write_text(with_step("{prompt: {file: p.md}}"), encoding="utf-8")
    (change,) = find_changes([Path("a.yaml"), Path("b.yaml")], {})
    assert (change.shown, change.after, change.fixes) == ("p.md", b"About {{ row.topic }}\n", 1)


@pytest.mark.usefixtures("here")
def test_a_prompt_that_is_right_for_another_pipeline_is_left():
    """What is a slip in one pipeline is a column of the other."""
    Path("p.md").write_text("About {{ row.topci }}\n", encoding="utf-8")
    Path("a.yaml").write_text(with_step("{prompt: {file: p.md}}"), encoding="utf-8")
    other = with_step("{prompt: {file: p.md}}").replace("topic:", "topci:")
    Path("b.yaml").write_text(other, encoding="utf-8")
    assert find_changes([Path("a.yaml"), Path("b.yaml")], {}) == []


def test_a_value_that_aliases_repeat_is_left(fixed):
    """An anchor may be right at one place and wrong at another."""
    text = with_step("&made {promt: x}").replace("output:", "  other: *made\noutput:")
    assert fixed(text) == text


def test_a_test_file_is_mended(fixed):
    """Its own keys, and the conditions in it."""
    Path("a.yaml").write_text(with_step("{prompt: '{{ row.topic }}'}"), encoding="utf-8")
    suite = (
        "version: 1\npipeline: a.yaml\ncases:\n  - name: one\n    row: {topic: tea}\n    expect: [steps.made != '']\n"
    )
    wrong = suite.replace("expect", "expct").replace("steps.made", "steps.maed")
    assert fixed(wrong, "a.test.yaml") == suite


def test_a_secret_is_never_in_a_fix(fixed):
    """The fix of a line with an API key would repeat the key."""
    key = "sk-ant-" + "api03-" + "a1B2" * 20
    text = with_step(f"prompt: {{{{ row.topic }}}} {key}")
    assert fixed(text) == text
    assert key not in str(check("a.yaml")[1])


@pytest.mark.usefixtures("here")
def test_what_is_given_in_place_of_a_value_has_no_fix():
    """With `--set`, the mistake may be in what is set."""
    Path("a.yaml").write_text(PIPELINE, encoding="utf-8")
    (told,) = check("a.yaml", overrides={"input.rows": "[{topci: tea}]"})[1]
    assert (told.hint, told.fix) == ("did you mean `topci`?", None)


@pytest.mark.usefixtures("here")
def test_python_users_see_the_fix():
    """`validate` returns it."""
    Path("a.yaml").write_text(PIPELINE.replace("row.topic", "row.topci"), encoding="utf-8")
    (told,) = yamlgen.validate("a.yaml")
    assert (told.fix.text, told.fix.mark.line, told.fix.mark.column, told.fix.mark.end_column) == ("topic", 7, 33, 38)


@pytest.mark.usefixtures("here")
def test_a_read_only_file_is_refused():
    """It says so, and writes nothing."""
    Path("a.yaml").write_text(PIPELINE.replace("row.topic", "row.topci"), encoding="utf-8")
    Path("a.yaml").chmod(0o444)
    with pytest.raises(EnvironmentProblem, match=r"cannot write the fixes to a\.yaml: the file is read-only") as told:
        write(find_changes([Path("a.yaml")], {}))
    assert told.value.hint == "make it writable, or apply the change by hand"
    assert "topci" in Path("a.yaml").read_text(encoding="utf-8")


@pytest.mark.usefixtures("here")
def test_a_file_that_changed_is_refused():
    """Another program's change is never lost, and of two files neither is written."""
    wrong = PIPELINE.replace("row.topic", "row.topci")
    for name in ("a.yaml", "b.yaml"):
        Path(name).write_text(wrong, encoding="utf-8")
    changes = find_changes([Path("a.yaml"), Path("b.yaml")], {})
    Path("b.yaml").write_text(wrong + "# mine\n", encoding="utf-8")
    with pytest.raises(EnvironmentProblem, match=r"to b\.yaml: the file changed after it was read"):
        write(changes)
    assert Path("a.yaml").read_text(encoding="utf-8") == wrong
    assert sorted(map(str, Path().iterdir())) == ["a.yaml", "b.yaml"]


@pytest.mark.usefixtures("here")
def test_a_link_stays_and_its_target_is_written():
    """The target keeps its mode."""
    Path("target.yaml").write_text(PIPELINE.replace("row.topic", "row.topci"), encoding="utf-8")
    Path("target.yaml").chmod(0o640)
    Path("a.yaml").symlink_to("target.yaml")
    write(find_changes([Path("a.yaml")], {}))
    assert Path("a.yaml").is_symlink()
    assert Path("target.yaml").read_text(encoding="utf-8") == PIPELINE
    assert Path("target.yaml").stat().st_mode & 0o777 == 0o640


REVEALED = {
    "YG102": ("input_quoting_misspelt", "at_sign_begins_a_value", "colon_in_a_value", "tab_indents"),
    "YG213": ("expressions_that_cannot_be_read", "templates_without_quotes", "wrong_keys_of_kinds"),
    "YG306": ("wrong_values",),
    "YG310": ("mistyped_keys_with_bad_values",),
    "YG323": ("wrong_keys_of_kinds", "wrong_types_of_kinds"),
}
"""The cases in which a fix lets another mistake of the author be seen, by the code of that mistake."""


@pytest.mark.parametrize("part", range(4))
def test_fixes_add_no_mistake(part, tmp_path, monkeypatch):
    """Of every wrong file: what is wrong after its fixes was wrong before, and no fix is left."""
    shutil.copytree(CASES / "invalid", tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    revealed: dict[str, set[str]] = {}
    with cli_option_names():
        for path in sorted(Path().glob("*.yaml"))[part::4]:
            changes = find_changes([path], {})
            if not changes:
                continue
            before = {(each.code, each.message) for each in check(path)[1]}
            with drafting({each.path: each.text for each in changes}):
                after = check(path)[1]
            assert not [each for each in after if each.fix], path
            for each in after:
                if (each.code, each.message) not in before:
                    revealed.setdefault(each.code, set()).add(path.stem)
    assert all(found <= set(REVEALED.get(code, ())) for code, found in revealed.items()), revealed


def test_what_is_right_is_not_fixed(monkeypatch):
    """Neither the pipelines that are shipped with their tests, nor the right cases."""
    monkeypatch.chdir(FOLDER)
    assert find_changes(sorted(Path().glob("*.yaml")), {}) == []
    monkeypatch.chdir(CASES / "valid")
    changed = find_changes(sorted(Path().glob("*.yaml")), {})
    assert [each.shown for each in changed] == ["unknown_keywords.yaml"]  # a warning: a keyword is misspelt


TEXTS = st.text(st.sampled_from("aé😀:{} \t\r\n\x85\u2028"), max_size=30)


@given(TEXTS, st.data())
def test_a_range_is_the_same_by_lines_and_by_offsets(text, data):
    """The place of a fix is exact, whatever ends a line."""
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    source = SourceText("a.yaml", text)
    assert source.span(source.exactly(start, end)) == (start, end)
