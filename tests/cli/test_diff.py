"""`yamlgen diff`, in real repositories: what it says, of which sides, and with which exit code."""

import json
import subprocess

import pytest

import git_repositories as repositories
from git_repositories import branched, committed, git, made, put

PIPELINE = """\
version: 1
model: {id: claude-haiku-5-5, max_tokens: 500}
input: {path: data/rows.jsonl, id: id}
steps:
  label:
    system: {file: prompts/label.md}
    prompt: "{{ row.text }}"
    output:
      schema:
        type: object
        properties: {tone: {enum: [good, bad, neutral]}}
        required: [tone]
        additionalProperties: false
  reply:
    prompt: "Answer a {{ steps.label.tone }} text: {{ row.text }}"
output: {path: out/rows.jsonl}
"""
ROWS = "".join(f'{{"id": "r{number}", "text": "text {number}"}}\n' for number in range(1, 5))
FILES = {
    "lab/triage.yaml": PIPELINE,
    "lab/prompts/label.md": "Choose a tone.\nGive up to three reasons.\n",
    "lab/data/rows.jsonl": ROWS,
    ".gitignore": ".yamlgen/\nout/\n",
}
LABEL = "lab/prompts/label.md"
EDITED = "Choose a tone.\nGive one or two reasons.\n"


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A repository with one pipeline, the current folder."""
    repositories.plain(monkeypatch)
    monkeypatch.delenv("YAMLGEN_COLOR", raising=False)
    folder = made(tmp_path / "project", FILES)
    monkeypatch.chdir(folder)
    return folder


def edit(folder, name, old, new):
    """Replace a text that a file contains once."""
    text = (folder / name).read_text()
    assert text.count(old) == 1
    (folder / name).write_text(text.replace(old, new))


def told(call, *arguments):
    """Return the report as JSON."""
    return json.loads(call("diff", *arguments, "--output-format", "json").out)


def steps(call, *arguments):
    """Return the verdicts of the steps of the only pipeline that differs."""
    [pipeline] = told(call, *arguments)["pipelines"]
    return {step["step"]: step["verdict"] for step in pipeline["steps"]}


def ran(call):
    """Run the pipeline with the simulator, so that its store has all answers."""
    assert call("run", "lab/triage.yaml", "--simulate", "-q").code == 0


def test_nothing_differs(repository, call):
    """Nothing differs."""
    done = call("diff")
    assert done.code == 0
    assert done.out == f"HEAD {git(repository, 'rev-parse', '--short', 'HEAD')} .. working tree\n1 pipeline the same\n"


def test_a_changed_prompt_asks_again_and_what_needs_it_is_behind(repository, call):
    """A changed prompt asks again and what needs it is behind."""
    ran(call)
    put(repository, {LABEL: EDITED})
    done = call("diff", "--simulate")
    short = git(repository, "rev-parse", "--short", "HEAD")
    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[0] == f"lab/triage.yaml  HEAD {short} .. working tree"
    assert '"Give up to three reasons." -> "Give one or two reasons."' in lines[1]
    assert lines[1].split()[:4] == ["label", "asks", "again", f"{LABEL}:2"]
    assert lines[2].strip().startswith("4 of 4 rows, about ")
    assert "by 4 stored answers)" in lines[2]
    assert lines[3].split(maxsplit=2)[2].startswith("where `label` comes out different: at most 4 rows, $0.00 to ")
    assert lines[4].startswith("asks again: about ")
    assert lines[4].endswith("why: yamlgen diff --simulate --why label")


def test_without_a_store_counts_are_maxima(repository, call):
    """Without a store counts are maxima."""
    put(repository, {LABEL: EDITED})
    assert "at most 4 of 4 rows, at most $" in call("diff").out


def test_answers_that_the_store_has_are_not_asked(repository, call):
    """Answers that the store has are not asked."""
    ran(call)
    put(repository, {LABEL: EDITED})
    ran(call)
    [pipeline] = told(call, "--simulate")["pipelines"]
    assert pipeline["asks"] is False
    assert pipeline["steps"][0]["rows"]["stored"] == 4


def test_the_store_is_not_written(repository, call):
    """The store is not written."""
    ran(call)
    put(repository, {LABEL: EDITED})
    store = repository / "lab/.yamlgen/triage.yaml.simulated.db"
    before = store.read_bytes()
    call("diff", "--simulate")
    assert store.read_bytes() == before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("version: 1\n", "version: 1\nruntime: {timeout: 99}\n"),
        ("version: 1\n", "version: 1\n# why\ndescription: sorts\n"),
        ('"{{ row.text }}"', "'{{row.text}}'"),
        ("max_tokens: 500}", "max_tokens: 500 }"),
    ],
)
def test_a_change_of_form_is_cosmetic(repository, call, old, new):
    """A change of form is cosmetic."""
    edit(repository, "lab/triage.yaml", old, new)
    assert set(steps(call).values()) <= {"cosmetic", "same"}
    assert "cosmetic" in steps(call).values()


def test_a_prompt_that_moves_is_cosmetic(repository, call):
    """A prompt that moves is cosmetic."""
    git(repository, "mv", LABEL, "lab/label.md")
    edit(repository, "lab/triage.yaml", "prompts/label.md", "label.md")
    assert steps(call) == {"label": "cosmetic", "reply": "same"}


def test_an_added_and_a_changed_row(repository, call):
    """An added and a changed row."""
    ran(call)
    text = ROWS.replace("text 2", "other") + '{"id": "r9", "text": "new"}\n'
    put(repository, {"lab/data/rows.jsonl": text})
    [pipeline] = told(call, "--simulate")["pipelines"]
    assert pipeline["rows"]["added"] == {"count": 1, "first": ["r9"]}
    assert pipeline["rows"]["changed"] == {"count": 1, "first": ["r2"]}
    assert pipeline["steps"][0]["rows"]["sure"] == 2
    assert pipeline["steps"][0]["first"]["place"] == "lab/data/rows.jsonl"


def test_removed_rows_ask_less(repository, call):
    """Removed rows ask less."""
    put(repository, {"lab/data/rows.jsonl": ROWS.partition("\n")[2]})
    assert steps(call) == {"label": "asks less", "reply": "asks less"}


def test_a_changed_id_is_said_first(repository, call):
    """A changed id is said first."""
    edit(repository, "lab/triage.yaml", "id: id}", "id: text}")
    lines = call("diff").out.splitlines()
    assert lines[1].split()[:3] == ["input", "id", "lab/triage.yaml:3"]
    assert steps(call)["label"] == "asks more"


def test_a_lost_value_breaks_readers(repository, call):
    """A lost value breaks readers."""
    edit(repository, "lab/triage.yaml", "[good, bad, neutral]", "[good, bad]")
    done = call("diff", "--fail-on", "breaks")
    assert 'lost the value "neutral"  breaks readers' in done.out
    assert done.code == 1


def test_renamed_added_and_removed_steps(repository, call):
    """Renamed added and removed steps."""
    edit(repository, "lab/triage.yaml", "  reply:\n", "  answer:\n")
    edit(repository, "lab/triage.yaml", "output: {path", "  more:\n    prompt: Hi {{ row.text }}\noutput: {path")
    [pipeline] = told(call)["pipelines"]
    moves = {step["step"]: (step["move"], step["verdict"]) for step in pipeline["steps"]}
    assert moves == {"label": (None, "same"), "answer": ("renamed", "cosmetic"), "more": ("added", "asks more")}


@pytest.mark.parametrize(("condition", "code"), [("asks", 1), ("breaks", 0), ("cost:0", 1), ("cost:1000", 0)])
def test_conditions(repository, call, condition, code):
    """Conditions."""
    put(repository, {LABEL: EDITED})
    assert call("diff", "--fail-on", condition).code == code


@pytest.mark.usefixtures("repository")
def test_a_wrong_condition(call):
    """A wrong condition."""
    done = call("diff", "--fail-on", "price:5")
    assert done.code == 2
    assert "`price:5` is not a condition" in done.err


def test_the_exit_code_of_a_difference(repository, call):
    """The exit code of a difference."""
    assert call("diff", "--exit-code").code == 0
    edit(repository, "lab/triage.yaml", "version: 1\n", "version: 1\n# a comment\n")
    assert call("diff", "--exit-code").code == 1
    assert call("diff").code == 0


def test_two_commits_and_a_merge_base(repository, call):
    """Two commits and a merge base."""
    branched(repository, "feature", {LABEL: EDITED})
    git(repository, "checkout", "-q", "main")
    committed(repository, {"lab/triage.yaml": PIPELINE.replace("max_tokens: 500", "max_tokens: 600")})
    git(repository, "checkout", "-q", "feature")
    assert steps(call, "main...")["label"] == "asks again"
    assert told(call, "main...")["headline"].startswith("merge base ")
    [pipeline] = told(call, "main..feature")["pipelines"]
    assert pipeline["steps"][0]["first"]["place"] in (f"{LABEL}:2", "lab/triage.yaml:2")


def test_an_invalid_old_side_is_named_by_its_revision(repository, call):
    """An invalid old side is named by its revision."""
    first = committed(repository, {"lab/triage.yaml": PIPELINE.replace("steps:", "stepz:")})
    put(repository, {"lab/triage.yaml": PIPELINE})
    done = call("diff")
    assert done.code == 2
    assert f"--> {first[:7]}:lab/triage.yaml:4:1" in done.err
    assert "stepz" in done.err


def test_data_outside_of_git_is_read_by_both_sides(repository, call):
    """Data outside of git is read by both sides."""
    git(repository, "rm", "-q", "--cached", "lab/data/rows.jsonl")
    committed(repository, {".gitignore": ".yamlgen/\nout/\ndata/\n"})
    put(repository, {LABEL: EDITED})
    [pipeline] = told(call)["pipelines"]
    assert pipeline["rows"]["total"] == 4
    assert pipeline["rows"]["added"]["count"] == 0
    assert pipeline["notes"] == ["lab/data/rows.jsonl is not in git: it is read as it is now"]


def test_rows_behind_a_pointer_are_unknown(repository, call):
    """Rows behind a pointer are unknown."""
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 5\n"
    committed(repository, {"lab/data/rows.jsonl": pointer})
    put(repository, {LABEL: EDITED})
    done = call("diff", "--fail-on", "cost:1000")
    assert ":lab/data/rows.jsonl is a pointer of Git LFS" in done.out
    assert "rows and cost unknown" in done.out
    assert "asks again: cost unknown" in done.out
    assert done.code == 1


def test_why_shows_the_request_of_a_row(repository, call):
    """Why shows the request of a row."""
    put(repository, {LABEL: EDITED})
    done = call("diff", "--why", "label", "--row", "r2")
    assert "-  Give up to three reasons." in done.out
    assert "+  Give one or two reasons." in done.out
    assert done.out.splitlines()[0] == "--- before: lab/triage.yaml label, row r2"


def test_why_of_an_unknown_step(repository, call):
    """Why of an unknown step."""
    put(repository, {LABEL: EDITED})
    done = call("diff", "--why", "lable")
    assert done.code == 2
    assert "did you mean `label`?" in done.err


def test_a_prompt_of_two_pipelines(repository, call):
    """A prompt of two pipelines."""
    committed(repository, {"lab/other.yaml": PIPELINE.replace("out/rows", "out/other")})
    put(repository, {LABEL: EDITED})
    assert [each["file"] for each in told(call)["pipelines"]] == ["lab/other.yaml", "lab/triage.yaml"]


def test_an_uncommitted_pipeline_is_added(repository, call):
    """An uncommitted pipeline is added."""
    put(repository, {"lab/neu ü.yaml": PIPELINE.replace("out/rows", "out/neu")})
    [pipeline] = told(call)["pipelines"]
    assert (pipeline["file"], pipeline["move"]) == ("lab/neu ü.yaml", "added")


def test_a_renamed_file_leaves_its_store(repository, call):
    """A renamed file leaves its store."""
    ran(call)
    git(repository, "mv", "lab/triage.yaml", "lab/sort.yaml")
    [pipeline] = told(call, "--simulate")["pipelines"]
    assert (pipeline["move"], pipeline["before"]) == ("renamed", "lab/triage.yaml")
    assert pipeline["steps"][0]["rows"]["sure"] == 4
    [pipeline] = told(call)["pipelines"]
    assert [step["verdict"] for step in pipeline["steps"]] == ["same", "same"]


def test_markdown_and_annotations(repository, call):
    """Markdown and annotations."""
    put(repository, {LABEL: EDITED})
    assert "| label | asks again | lab/prompts/label.md:2 " in call("diff", "--output-format", "markdown").out
    assert "::notice file=lab/prompts/label.md,line=2,col=1,title=label asks again::" in (
        call("diff", "--output-format", "github").out
    )


def test_a_parameter_applies_to_both_sides(repository, call):
    """A parameter applies to both sides."""
    declared = "version: 1\nparams: {tone: {type: string}}\n"
    text = PIPELINE.replace("version: 1\n", declared).replace("Answer a", "{{ params.tone }}, answer a")
    committed(repository, {"lab/triage.yaml": text})
    put(repository, {LABEL: EDITED})
    assert call("diff").code == 2
    assert steps(call, "-p", "tone=kind") == {"label": "asks again", "reply": "behind"}
    assert call("diff", "-p", "tone=kind", "-p", "tune=1").code == 2


def test_outside_of_git(tmp_path, monkeypatch, call):
    """Outside of git."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.chdir(tmp_path)
    done = call("diff")
    assert done.code == 3
    assert "this folder is in no git repository" in done.err


def test_no_python_is_run(repository, call):
    """No python is run."""
    step = "  score:\n    kind: python\n    call: score:rate\n    args: {text: row.text}\n"
    text = PIPELINE.replace("output: {path", f"{step}output: {{path")
    module = "import pathlib\npathlib.Path('ran').touch()\n\n\ndef rate(text: str) -> int:\n    return 1\n"
    committed(repository, {"lab/triage.yaml": text, "lab/score.py": module})
    put(repository, {"lab/score.py": module.replace("return 1", "return 2")})
    assert steps(call)["score"] == "recomputed"
    assert not (repository / "ran").exists()


def test_git_is_left_as_it_is(repository, call):
    """Git is left as it is."""
    put(repository, {LABEL: EDITED})
    before = git(repository, "status", "--porcelain"), subprocess.check_output(["find", ".git", "-type", "f"])
    call("diff")
    assert before == (git(repository, "status", "--porcelain"), subprocess.check_output(["find", ".git", "-type", "f"]))


def test_a_prompt_behind_a_link_that_changes(repository, call):
    """A prompt behind a link that changes is a change, and data behind a link out of the repository is read."""
    git(repository, "mv", "lab/prompts", "lab/texts")
    (repository / "lab/prompts").symlink_to("texts")
    outside = repository.parent / "outside"
    outside.mkdir()
    (repository / "lab/data/rows.jsonl").rename(outside / "rows.jsonl")
    (repository / "lab/data").rmdir()
    (repository / "lab/data").symlink_to(outside)
    committed(repository)
    assert told(call)["same"] == 1
    put(repository, {LABEL: EDITED})
    [pipeline] = told(call)["pipelines"]
    assert pipeline["steps"][0]["first"]["place"] == f"{LABEL}:2"
    assert pipeline["rows"]["total"] == 4
    assert pipeline["notes"] == ["lab/data/rows.jsonl is not in git: it is read as it is now"]


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("lab/data/rows.jsonl", ROWS, f"{ROWS}{{"),
        ("lab/triage.yaml", "prompts/label.md", "prompts/none.md"),
        ("lab/triage.yaml", "steps:", "stepz:"),
    ],
)
def test_broken_files_of_a_commit_are_named_by_its_revision(repository, call, name, old, new, monkeypatch):
    """Broken files of a commit are named by its revision, not by the places where they are read."""
    (repository / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(repository / "temporary"))
    whole = (repository / name).read_text()
    first = committed(repository, {name: whole.replace(old, new)})
    put(repository, {name: whole, LABEL: EDITED})
    for arguments in ((), ("--why", "label"), ("--why", "label", "--row", "r1")):
        for output_format in ("text", "json", "markdown"):
            done = call("diff", *arguments, "--output-format", output_format)
            assert f"{first[:7]}:{name}" in done.out + done.err
            assert "temporary" not in done.out + done.err


def test_outputs_are_not_compared_where_the_columns_of_a_side_are_unknown(repository, call):
    """Outputs are not compared where the columns of a side are unknown: nothing would break."""
    text = PIPELINE.replace("rows.jsonl, id", "rows.csv, id")
    committed(repository, {"lab/triage.yaml": text, "lab/data/rows.csv": "id,text\n1,hello\n"})
    put(
        repository,
        {"lab/data/rows.csv": f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 5\n"},
    )
    [pipeline] = told(call)["pipelines"]
    assert pipeline["breaks"] is False
    assert pipeline["notes"] == ["the types of the outputs are not compared: the columns of a side are unknown"]


def test_the_command_that_explains_is_right_behind_two_dashes(repository, call):
    """The command that explains is right behind two dashes."""
    put(repository, {LABEL: EDITED})
    assert "why: yamlgen diff --why label -- HEAD" in call("diff", "--", "HEAD").out


def test_why_of_a_row_takes_the_pipeline_that_differs(repository, call):
    """Why of a row takes the pipeline that differs."""
    committed(repository, {"lab/other.yaml": PIPELINE.replace("out/rows", "out/other")})
    edit(repository, "lab/triage.yaml", "Answer a", "Answer the")
    assert call("diff", "--why", "reply", "--row", "r2").out.startswith("--- before: lab/triage.yaml reply, row r2")
    assert "lab/other.yaml label, row r2 are the same" in call("diff", "--why", "label", "--row", "r2").out


def test_an_invalid_pipeline_that_nobody_touched_is_the_same(repository, call):
    """Its errors are those of both sides; the others are compared."""
    committed(repository, {"lab/broken.yaml": PIPELINE.replace("steps:", "stepz:") + "steps: {}\n"})
    put(repository, {LABEL: EDITED})
    done = call("diff")
    assert done.code == 0
    assert "label  asks again" in done.out
    put(repository, {"lab/broken.yaml": None})
    done = call("diff")
    assert done.code == 0
    assert "lab/broken.yaml" in done.out
