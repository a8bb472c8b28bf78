"""A request that is not recorded: what now differs, by file and line, and what recording it would cost."""

import shutil

import pytest
import tested_triage
from tested_triage import edit

import yamlgen


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Change to a folder with a recorded test."""
    tested_triage.recorded(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def misses(case="one ticket"):
    """The misses of a case."""
    (found,) = yamlgen.test("triage.test.yaml", cases=case).cases
    return found.misses


@pytest.mark.usefixtures("project")
def test_what_is_recorded_is_no_miss():
    """Nothing has changed."""
    report = yamlgen.test("triage.test.yaml")
    assert [(each.case, each.verdict, each.flaws) for each in report.cases if each.verdict != "passed"] == []
    assert report.unused == {"triage.test.yaml": 0}


@pytest.mark.parametrize(
    ("file", "old", "new", "change"),
    [
        (
            "prompts/triage.md",
            "up to three labels",
            "one or two labels",
            ("prompts/triage.md:5", "Give it up to three labels.", "Give it one or two labels."),
        ),
        (
            "prompts/triage.md",
            "Answer in {{ params.language }}.",
            "Answer only in {{ params.language }}.",
            ("prompts/triage.md:6", "Answer in English.", "Answer only in English."),
        ),
        (
            "prompts/triage.md",
            "Give it",
            "Think first.\nGive it",
            ("prompts/triage.md:5", None, "Think first."),
        ),
        (
            "prompts/triage.md",
            "Give it up to three labels.\n",
            "",
            ("prompts/triage.md:4", "Give it up to three labels.", None),
        ),
        (
            "triage.yaml",
            "Be brief.",
            "Be exact.",
            ("triage.yaml:11", "Be brief.", "Be exact."),
        ),
        (
            "triage.yaml",
            "max_tokens: 300",
            "max_tokens: 400",
            ("triage.yaml:7", "max_tokens: 300", "max_tokens: 400"),
        ),
        (
            "triage.yaml",
            "small: {id: claude-haiku-5-5",
            "small: {id: claude-sonnet-5-5",
            ("triage.yaml:7", 'model: "claude-haiku-5-5"', 'model: "claude-sonnet-5-5"'),
        ),
        (
            "triage.yaml",
            "    prompt: {file",
            "    effort: low\n    prompt: {file",
            ("triage.yaml:12", None, 'effort: "low"'),
        ),
        (
            "schemas/triage.json",
            '"praise"]',
            '"praise", "other"]',
            ("schemas/triage.json:6", 'enum: ["billing", "praise"]', 'enum: ["billing", "praise", "other"]'),
        ),
        (
            "triage.test.yaml",
            "my money?",
            "my cash?",
            ("triage.test.yaml:5", "Where is my money?", "Where is my cash?"),
        ),
    ],
    ids=["line", "line with a value", "added", "removed", "system", "setting", "model", "key", "schema", "row"],
)
def test_a_change_has_its_place(project, file, old, new, change):
    """A changed request is told by the line of the file that it comes from."""
    edit(project / file, old, new)
    (miss,) = misses()
    assert miss.step == "label"
    assert change in miss.changes


def test_a_change_of_one_line_is_one_change(project):
    """What has not changed is not told."""
    edit(project / "prompts/triage.md", "three", "two")
    (miss,) = misses()
    assert len(miss.changes) == 1


def test_a_changed_condition_is_no_miss(project):
    """An edit of a check is judged on the recordings."""
    edit(project / "triage.yaml", 'row.id != "t-3"', 'row.id != "t-0"')
    (case,) = yamlgen.test("triage.test.yaml", cases="one ticket").cases
    assert case.verdict == "failed"
    assert "`label` failed" in case.flaws[0].what


def test_a_key_that_is_not_sent_is_no_miss(project):
    """Concurrency and outputs are no part of a request."""
    edit(project / "triage.yaml", "output: {path", "runtime: {concurrency: 2}\noutput: {path")
    edit(project / "triage.yaml", "out/triage.jsonl", "out/other.jsonl")
    assert misses() == ()


def test_steps_behind_a_miss_are_not_reached(project):
    """Their requests are unknown, so that the cost is a minimum."""
    edit(project / "prompts/triage.md", "three", "two")
    (miss,) = misses("all tickets")
    assert (miss.rows, miss.requests, miss.not_reached) == (4, 4, ("reply",))
    least, most = miss.cost
    assert 0 < least <= most


def test_a_miss_of_the_last_step_is_told_of_that_step(project):
    """The steps before it come out of the recordings."""
    edit(project / "triage.yaml", "Write a reply", "Write an answer")
    (miss,) = misses("all tickets")
    assert (miss.step, miss.rows, miss.not_reached) == ("reply", 3, ())
    assert miss.changes[0][0] == "triage.yaml:19"


def test_the_nearest_recording_is_that_of_the_same_row(project):
    """The text of another row would be told as a change."""
    edit(project / "prompts/triage.md", "three", "two")
    (miss,) = misses("all tickets")
    assert [place for place, _, _ in miss.changes] == ["prompts/triage.md:5"]


def test_a_new_row_of_a_file_has_its_place(project):
    """A row that was added is named with its file."""
    edit(project / "tickets.csv", "t-4,A refund please", "t-4,Something else")
    (miss,) = misses("all tickets")
    assert (miss.rows, miss.changes[0][0]) == (1, "tickets.csv:5")


def test_a_step_without_recordings_has_no_nearest_one(project):
    """Nothing can be compared."""
    (project / "triage.answers.jsonl").unlink()
    (miss,) = misses()
    assert (miss.recorded, miss.changes) == (None, ())


def test_at_most_ten_changes_are_told(project):
    """The rest is counted."""
    lines = "".join(f"Line {number}.\n" for number in range(25))
    edit(project / "prompts/triage.md", "Give it up to three labels.\n", lines)
    (miss,) = misses()
    assert len(miss.changes) == 11
    assert miss.changes[-1] == ("and 15 more", None, None)


def test_an_unknown_price_is_unknown(project):
    """A model without a price has no cost."""
    edit(project / "triage.yaml", "small: {id: claude-haiku-5-5", "small: {id: our-own-model")
    (miss,) = misses()
    assert miss.cost is None


FAN_OUT = """\
version: 1
name: parts
input: {rows: [{id: a, items: [x, y]}], id: id}
params: {tone: {type: string, default: dry}}
model: claude-haiku-5-5
steps:
  parts:
    for_each: row.items
    samples: 2
    prompt: |
      {% for n in range(2) -%}
      Part {{ n }} of {{ item }}.
      {% endfor %}
      Be {{ params.tone }}.
  sum:
    messages:
      - {role: user, content: "Hello {{ row.id }}"}
      - {role: assistant, content: "Hi."}
      - {role: user, content: "Sum up {{ steps.parts | length }} parts."}
output: {path: out/parts.jsonl}
"""
ONE = """\
version: 1
pipeline: parts.yaml
cases:
  - name: one
    row: {id: b, items: [k, green kettle]}
    expect: [steps.parts | length == 2]
"""


@pytest.mark.parametrize(
    ("file", "old", "new", "change"),
    [
        ("parts.yaml", "Part {{", "Piece {{", ("parts.yaml:12", "Part 0 of k.", "Piece 0 of k.")),
        ("parts.yaml", '"Hi."', '"Hey."', ("parts.yaml:18", "Hi.", "Hey.")),
        ("parts.yaml", "samples: 2", "samples: 3", ("parts.yaml:9", None, "another sample")),
        ("parts.yaml", "default: dry", "default: warm", ("parts.yaml:4", "Be dry.", "Be warm.")),
        (
            "parts.yaml",
            "model: claude-haiku-5-5",
            "model: {id: claude-haiku-5-5, effort: low}",
            ("parts.yaml:5", None, 'effort: "low"'),
        ),
        (
            "parts.yaml",
            "model: claude-haiku-5-5",
            "model: claude-sonnet-5-5",
            ("parts.yaml:5", 'model: "claude-haiku-5-5"', 'model: "claude-sonnet-5-5"'),
        ),
        (
            "parts.test.yaml",
            "green kettle",
            "blue kettle",
            ("parts.test.yaml:5", "Part 0 of green kettle.", "Part 0 of blue kettle."),
        ),
    ],
    ids=["loop", "turn", "samples", "parameter", "model setting", "model", "item"],
)
def test_a_change_has_its_place_in_any_kind_of_template(tmp_path, monkeypatch, file, old, new, change):
    """Loops, conversations, several samples, and settings at the top of the file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "parts.yaml").write_text(FAN_OUT, encoding="utf-8")
    (tmp_path / "parts.test.yaml").write_text(ONE, encoding="utf-8")
    yamlgen.test("parts.test.yaml", record=True, simulate=True)
    assert yamlgen.test("parts.test.yaml").passed
    edit(tmp_path / file, old, new)
    (case,) = yamlgen.test("parts.test.yaml").cases
    assert change in case.misses[0].changes


TAGGED = """\
version: 1
input: {path: tagged.csv, id: id}
model: claude-haiku-5-5
steps:
  label:
    system: Label it.
    prompt: {file: label.md}
    output: {schema: {type: object, properties: {kind: {type: string}}, required: [kind], additionalProperties: false}}
output: {path: out/tagged.jsonl}
"""
LABEL = """\
Text {{ row.id }}: {{ row.text }}
{% if row.tags %}
{% for tag in row.tags %}
- {{ tag }}
{% endfor %}
{% endif %}
{% if row.flag %}
It is urgent.
{% endif %}
Be exact.
"""
TAGGED_CASES = """\
version: 1
pipeline: tagged.yaml
cases:
  - name: one
    row: {id: t1, text: "five\\nlines", tags: [red, blue], flag: true}
    expect: [steps.label.kind != ""]
  - name: two
    row: {id: t2, text: short, tags: [], flag: false}
    expect: [steps.label.kind != ""]
"""


@pytest.fixture(scope="module")
def tagged_recordings(tmp_path_factory):
    """A recorded test whose prompt has conditions, a loop, and a value of two lines."""
    folder = tmp_path_factory.mktemp("tagged")
    for name, text in {"tagged.yaml": TAGGED, "label.md": LABEL, "tagged.test.yaml": TAGGED_CASES}.items():
        (folder / name).write_text(text, encoding="utf-8")
    yamlgen.test(folder / "tagged.test.yaml", record=True, simulate=True)
    shutil.rmtree(folder / ".yamlgen")
    return folder


@pytest.fixture
def tagged(tagged_recordings, tmp_path, monkeypatch):
    """Change to a copy of that test."""
    shutil.copytree(tagged_recordings, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def changes():
    """How the request of the first case differs."""
    (case,) = yamlgen.test("tagged.test.yaml", cases="one").cases
    return case.misses[0].changes


@pytest.mark.parametrize(
    ("file", "old", "new", "change"),
    [
        ("label.md", "exact.\n", "exact.\n\n", ("label.md:11", None, '""')),
        ("label.md", "Be exact", "  Be exact", ("label.md:10", '"Be exact."', '"  Be exact."')),
        ("label.md", "- {{", "* {{", ("label.md:4", "- red", "* red")),
        ("label.md", "{% if row.tags", "\n{% if row.tags", ("label.md:2", None, '""')),
        ("label.md", "Be exact.\n", "", ("label.md:8", "Be exact.", None)),
        ("tagged.yaml", "system: Label it.", 'system: "\\nLabel it."', ("tagged.yaml:6", None, '""')),
        ("tagged.yaml", "system: Label it.", "system: Label them.", ("tagged.yaml:6", "Label it.", "Label them.")),
        ("tagged.test.yaml", "nlines", "nrows", ("tagged.test.yaml:5", "lines", "rows")),
        ("tagged.test.yaml", "nlines", "nlines\\nmore", ("tagged.test.yaml:5", None, "more")),
        ("tagged.test.yaml", "red, blue", "red, green", ("tagged.test.yaml:5", "- blue", "- green")),
        ("tagged.test.yaml", "blue], flag: true", "blue], flag: false", ("`messages[0]`", "It is urgent.", None)),
        ("label.md", "{% if row.flag %}", "{% if not row.flag %}", ("`messages[0]`", "It is urgent.", None)),
    ],
    ids=[
        "blank line at the end",
        "indent",
        "line of a loop",
        "blank line",
        "last line",
        "blank line of system",
        "system",
        "second line of a value",
        "longer value",
        "item of a loop",
        "column of a condition",
        "condition",
    ],
)
def test_a_change_never_has_a_guessed_place(tagged, file, old, new, change):
    """A line has the place that it certainly comes from; else the field of the request."""
    edit(tagged / file, old, new)
    assert changes() == (change,) or change in changes()


def test_a_row_is_compared_with_the_recording_that_no_other_row_uses(project):
    """A row whose text differs in one letter is not compared with the row after it."""
    path = project / "tickets.csv"
    path.write_text("id,text,topic\nt-1,t1,praise\nt-2,t2,praise\nt-4,t4,billing\n", "utf-8")
    yamlgen.test("triage.test.yaml", record=True, simulate=True)
    edit(path, "t-4,t4", "t-4,T4")
    (miss,) = misses("all tickets")
    assert miss.changes == (("tickets.csv:4", "t4", "T4"),)
