"""What one case, one file or one process records does no harm to another."""

import asyncio
import shutil

import pytest
import tested_triage
from written_suites import lay_out, told

import yamlgen
from scripted_api import KEY, ScriptedServer, said

OUTLINE = """\
version: 1
input: {rows: [{id: a, text: One}], id: id}
steps:
  outline: {model: claude-haiku-5-5, prompt: An outline of a letter}
  letter: {model: claude-haiku-5-5, prompt: "{{ steps.outline }} {{ row.text }}"}
output: {path: out/letters.jsonl}
"""
DRAWN = """\
version: 1
input: {path: rows.csv}
steps:
  drawn: {kind: draw, draws: {number: {integer: [1, 1000000]}}}
  letter: {model: claude-haiku-5-5, prompt: "{{ steps.drawn.number }} {{ row.text }}"}
output: {path: out/letters.jsonl}
"""
ALL = "version: 1\npipeline: letters.yaml\ncases:\n  - name: all\n    rows: {path: rows.csv}\n"


def case(name):
    """The lines of a case."""
    return f"  - name: {name}\n    row: {{id: {name}, text: {name}}}\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Change to an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    return tmp_path


def recorded(monkeypatch, seed, **options):
    """The report of a recording whose answers depend on a seed."""

    async def tested():
        async with ScriptedServer(lambda body: said(f"{seed}: {body['messages'][-1]['content']}")) as server:
            monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
            return await yamlgen.atest("letters.test.yaml", **{"record": True, **options})

    return asyncio.run(tested())


@pytest.mark.parametrize("word", [None, "second"])
def test_a_case_that_is_added_leaves_the_others_recorded(folder, monkeypatch, word):
    """Its answer to a request that all rows send is another one, on which the next requests depend."""
    (folder / "letters.yaml").write_text(OUTLINE, "utf-8")
    test = folder / "letters.test.yaml"
    test.write_text(f"version: 1\npipeline: letters.yaml\ncases:\n{case('first')}", "utf-8")
    assert recorded(monkeypatch, 1).passed
    shutil.rmtree(folder / ".yamlgen")
    test.write_text(test.read_text("utf-8") + case("second"), "utf-8")
    assert recorded(monkeypatch, 2, cases=word).passed
    assert yamlgen.test("letters.test.yaml").passed
    everything = recorded(monkeypatch, 3)
    assert everything.unused == {"letters.test.yaml": 0}


def test_recording_everything_leaves_nothing_unused(folder, monkeypatch):
    """The older answers to all rows are replaced."""
    (folder / "letters.yaml").write_text(OUTLINE, "utf-8")
    text = f"version: 1\npipeline: letters.yaml\ncases:\n{case('first')}{case('second')}"
    (folder / "letters.test.yaml").write_text(text, "utf-8")
    recorded(monkeypatch, 1)
    before = (folder / "letters.answers.jsonl").read_text("utf-8")

    assert recorded(monkeypatch, 2, record="all", prune=True).passed
    after = (folder / "letters.answers.jsonl").read_text("utf-8")
    answers = [line for line in before.splitlines() if "fingerprint" in line]
    assert not set(answers) & set(after.splitlines())


def test_a_row_that_equals_another_is_recorded(folder):
    """Its number among equal rows, on which draws depend, is that of the case."""
    (folder / "letters.yaml").write_text(DRAWN, "utf-8")
    (folder / "letters.test.yaml").write_text(ALL, "utf-8")
    (folder / "rows.csv").write_text("text\nsame\n", "utf-8")
    assert yamlgen.test("letters.test.yaml", record=True, simulate=True).passed
    (folder / "rows.csv").write_text("text\nsame\nother\nsame\n", "utf-8")
    assert yamlgen.test("letters.test.yaml", record=True, simulate=True).passed


def test_what_another_process_has_recorded_stays(folder):
    """The file is read again before it is replaced."""
    (folder / "letters.yaml").write_text(OUTLINE, "utf-8")
    test = folder / "letters.test.yaml"
    test.write_text(f"version: 1\npipeline: letters.yaml\ncases:\n{case('first')}{case('second')}", "utf-8")
    other = []

    def meanwhile(_):
        if not other:
            other.append(True)
            shutil.copytree(folder, folder / "other", ignore=shutil.ignore_patterns("other", ".yamlgen"))
            done = yamlgen.test(folder / "other" / "letters.test.yaml", record=True, simulate=True, cases="second")
            assert done.passed
            shutil.copy(folder / "other" / "letters.answers.jsonl", folder)

    yamlgen.test(test, record=True, simulate=True, cases="first", on_event=meanwhile)
    assert yamlgen.test(test).passed


def test_two_files_with_the_same_recordings_are_refused(folder):
    """Each would remove what only the other uses."""
    tested_triage.recorded(folder)
    shutil.copy("triage.test.yaml", "triage.test.yml")
    with pytest.raises(yamlgen.YamlgenError, match="same recorded answers"):
        yamlgen.test()


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("triage.test.yaml", "the test file"),
        ("./triage.yaml", "the pipeline"),
        ("triage.answers.jsonl", "the file of recorded answers"),
        ("data/../data/gold.csv", "a file of rows"),
        ("out/labels.jsonl", "a file that a run of the pipeline writes"),
    ],
)
def test_a_golden_file_that_is_another_file_is_an_error(tmp_path, path, what):
    """`--update` would destroy it."""
    found = told(tmp_path, "golden: golden/labels.jsonl", f"golden: {path}")
    shown = str(tmp_path / path.removeprefix("./"))
    assert [each for each in found if f"{shown} is {what}, which `update=True` would overwrite" in each]


def test_a_golden_file_of_two_cases_is_an_error(tmp_path):
    """One of them would always fail."""
    found = told(tmp_path, "row: {id: t-1", "golden: golden/labels.jsonl\n    row: {id: t-1")
    assert [each for each in found if "is the golden file of case `a refund is urgent`" in each]


@pytest.mark.parametrize("case_of_one", ["", "\n  - {name: one, row: {id: x, text: y}}"])
def test_a_mistake_in_what_is_left_out_is_an_error(tmp_path, case_of_one):
    """Otherwise the value would be recorded."""
    path = lay_out(
        tmp_path,
        f"""\
version: 1
pipeline: triage.yaml
params: {{language: English}}
redact: [row.txet]
cases:
  - {{name: some, rows: {{path: data/gold.csv, limit: 1}}}}{case_of_one}
""",
    )
    with pytest.raises(yamlgen.InvalidPipeline, match="unknown column `txet`"):
        yamlgen.test(path)


def test_what_is_left_out_may_be_a_column_of_any_row(tmp_path):
    """Also of one after the chosen rows."""
    (tmp_path / "rows.jsonl").write_text(
        '{"id": 1, "text": "a"}\n{"id": 2, "text": "b", "email": "c@d.org"}\n', "utf-8"
    )
    path = lay_out(
        tmp_path,
        """\
version: 1
pipeline: triage.yaml
params: {language: English}
redact: [row.email]
cases:
  - {name: some, rows: {path: rows.jsonl, limit: 1}}
""",
    )
    assert yamlgen.test(path, simulate=True).passed


@pytest.mark.parametrize("options", [["--record"], ["--live"], ["-k", "x"], ["--prune", "--update"]])
def test_a_run_becomes_cases_without_other_options(folder, call, options):
    """They would be without effect."""
    tested_triage.recorded(folder)
    done = call("test", "triage.yaml", "--from-run", *options)
    assert done.code == 2
    assert f"remove {options[0]}" in done.err.replace("--update and --prune", "--prune")


@pytest.mark.parametrize(
    ("template", "is_told"),
    [("{{ row.text | upper }}", True), ("{{ row.text | urlencode }}", True), ("{{ row.text }}", False)],
)
def test_a_value_that_is_recorded_in_other_letters_is_told(folder, template, is_told):
    """Only the value as it is can be left out."""
    (folder / "letters.yaml").write_text(OUTLINE.replace("{{ row.text }}", template), "utf-8")
    text = "version: 1\npipeline: letters.yaml\nredact: [row.text]\ncases:\n"
    row = "  - {name: one, row: {id: 1, text: Ann Lee@example.org}}\n"
    (folder / "letters.test.yaml").write_text(text + row, "utf-8")
    report = yamlgen.test("letters.test.yaml", record=True, simulate=True)
    assert any("contains the value of `row.text` in other letters" in note for note in report.notes) is is_told


def test_a_word_is_not_told_to_be_a_value(folder):
    """A name may be a word of the prompt, too."""
    (folder / "letters.yaml").write_text(OUTLINE, "utf-8")
    text = "version: 1\npipeline: letters.yaml\nredact: [row.text]\ncases:\n"
    (folder / "letters.test.yaml").write_text(f"{text}  - {{name: one, row: {{id: 1, text: Letter}}}}\n", "utf-8")
    notes = yamlgen.test("letters.test.yaml", record=True, simulate=True).notes
    assert not [note for note in notes if "in other letters" in note]


@pytest.mark.parametrize("options", [{"record": True}, {"record": "all"}])
def test_a_file_that_cannot_be_written_is_told_before_anything_is_sent(folder, options):
    """The fix names no option that tests do not have."""
    tested_triage.write(folder)
    (folder / "triage.answers.jsonl").symlink_to("/proc/none/answers.jsonl")
    told = []
    with pytest.raises(yamlgen.YamlgenError, match="cannot write") as failed:
        yamlgen.test("triage.test.yaml", simulate=True, on_event=told.append, **options)
    assert failed.value.hint == "free some space, or make the file and its folder writable"
    assert not told
