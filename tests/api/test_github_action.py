"""The scripts of the action: what they call, what they write into the summary and the comment, when they fail."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from github_api import NUMBER, REPOSITORY, GitHubComments

SCRIPTS = Path(__file__).parents[2] / "src" / "yamlgen" / "api" / "github"

STUB = """\
#!/usr/bin/env bash
printf '%s\\n' "$@" "" >> "$STUB/calls"
name=$1
for word in "$@"; do case $word in --why | --fail-on*) name=$1${word%%=*} ;; esac; done
cat "$STUB/$name.out" 2> /dev/null
exit "$(cat "$STUB/$name.status" 2> /dev/null || echo 0)"
"""
"""A `yamlgen` that notes its arguments, prints what it is given to print, and exits with the status it is given."""


@pytest.fixture
def runner(tmp_path):
    """A runner of GitHub: its files, its environment, and a `yamlgen` that can be told what to answer."""
    stub, temp = tmp_path / "stub", tmp_path / "runner temp"
    stub.mkdir()
    temp.mkdir()
    (stub / "yamlgen").write_text(STUB, encoding="utf-8")
    (stub / "yamlgen").chmod(0o755)
    summary, output = tmp_path / "summary.md", tmp_path / "output"
    environment = {
        "PATH": f"{stub}{os.pathsep}{os.environ['PATH']}",
        "STUB": str(stub),
        "RUNNER_TEMP": str(temp),
        "GITHUB_STEP_SUMMARY": str(summary),
        "GITHUB_OUTPUT": str(output),
        "GITHUB_WORKFLOW": "Checks --> all",
        "GITHUB_JOB": "pipelines",
        "GITHUB_BASE_REF": "main",
    }

    def answers(name, out, status=0):
        (stub / f"{name}.out").write_text(out, encoding="utf-8")
        (stub / f"{name}.status").write_text(str(status), encoding="utf-8")

    def run(name, **more):
        command = ["bash", SCRIPTS / f"{name}.sh"]
        given = environment | {key: str(value) for key, value in more.items()}
        return subprocess.run(command, env=given, cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False)

    def calls():
        text = (stub / "calls").read_text(encoding="utf-8")
        return [call.split("\n") for call in text.removesuffix("\n\n").split("\n\n")]

    return SimpleNamespace(
        run=run,
        answers=answers,
        calls=calls,
        summary=lambda: summary.read_text(encoding="utf-8"),
        outputs=lambda: dict(line.split("=", 1) for line in output.read_text(encoding="utf-8").splitlines()),
        comment=lambda: (temp / "yamlgen-comment.md").read_text(encoding="utf-8"),
        environment=environment,
        folder=tmp_path,
    )


def test_the_scripts_have_no_findings():
    """What shellcheck finds in the shell of the action is an error."""
    shellcheck = Path(sys.executable).with_name("shellcheck")
    found = subprocess.run([shellcheck, *sorted(SCRIPTS.glob("*.sh"))], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout) == (0, "")


def test_validate_takes_paths_with_blanks_and_umlauts(runner):
    """Paths are lines; the annotations go to the runner, and the exit code is that of the command."""
    runner.answers("validate", "::error file=a.yaml,line=3::no such step\n", 1)
    done = runner.run("validate", YAMLGEN_PATHS="meine pipelines/größe.yaml\n-odd\n\n$(touch hacked)\n")
    assert (done.returncode, done.stdout) == (1, "::error file=a.yaml,line=3::no such step\n")
    paths = ["meine pipelines/größe.yaml", "-odd", "$(touch hacked)"]
    assert runner.calls() == [["validate", "--output-format", "github", "--", *paths]]
    assert not (runner.folder / "hacked").exists()


def test_the_diff_becomes_summary_and_comment(runner):
    """The base branch of the pull request is compared at the merge base; its report is written twice."""
    runner.answers("diff", "## Grüße\n", 1)
    done = runner.run("diff", YAMLGEN_PATHS="meine pipelines")
    assert done.returncode == 0, done.stderr
    arguments = ["diff", "origin/main...", "meine pipelines", "--output-format", "markdown", "--exit-code"]
    assert runner.calls() == [arguments]
    assert runner.summary() == "### What this change sends again\n\n## Grüße\n"
    assert runner.comment() == f"<!-- yamlgen diff: Checks ___ all/pipelines -->\n{runner.summary()}"
    assert runner.outputs()["differs"] == "true"
    assert Path(runner.outputs()["comment"]).read_text(encoding="utf-8") == runner.comment()


def test_no_line_of_the_report_is_a_command(runner):
    """A prompt may contain what the runner reads as a command; in the log it is not one."""
    runner.answers("diff", "::error::mine\n  ::add-mask::e\n", 1)
    assert "\n::" not in "\n" + runner.run("diff").stdout
    assert all(line.startswith("| ") for line in runner.run("diff").stdout.splitlines())


def test_a_long_report_is_cut_at_a_line(runner):
    """A comment stays under 65,000 characters, ends with a whole line and a note, and closes its block of code."""
    runner.answers("diff", "# Title\n\n```text\n" + "".join(f"größe {number:06}\n" for number in range(20_000)), 1)
    assert runner.run("diff").returncode == 0
    comment, summary = runner.comment(), runner.summary()
    assert 60_000 < len(comment.encode()) < 65_000
    lines = comment.splitlines()
    assert lines[-4].startswith("größe ")
    assert len(lines[-4]) == len("größe 000000")
    assert lines[-3:] == ["```", "", "*The rest is in the log of the job.*"]
    assert "größe 019999\n" in summary


def test_a_summary_fits_too(runner):
    """GitHub refuses a summary of more than a megabyte."""
    runner.answers("diff", f"{'x' * 999}\n" * 1100, 1)
    assert runner.run("diff").returncode == 0
    assert 900_000 < len(runner.summary()) < 1_000_100


def test_a_push_has_no_base(runner):
    """Without a pull request nothing is compared, which is said, and is no failure."""
    done = runner.run("diff", GITHUB_BASE_REF="")
    assert done.returncode == 0
    assert "there is no base to compare with" in runner.summary()
    assert not (runner.folder / "output").exists()


def test_a_base_can_be_named(runner):
    """The input `base` goes before the branch of the pull request, also in a push."""
    runner.answers("diff", "")
    assert runner.run("diff", YAMLGEN_BASE="v1.0", GITHUB_BASE_REF="").returncode == 0
    assert runner.calls()[0][:3] == ["diff", "v1.0...", "."]


@pytest.mark.parametrize(
    ("status", "said"),
    [(3, "check out with fetch-depth: 0"), (2, "a pipeline that is not valid")],
    ids=["shallow", "invalid"],
)
def test_what_cannot_be_compared_is_told(status, said, runner):
    """It fails the job only if the job is to fail for a difference; then nobody knows of none."""
    runner.answers("diff", "", status)
    runner.answers("diff--fail-on", "", status)
    done = runner.run("diff")
    assert done.returncode == 0
    assert f"::warning::yamlgen diff: {'this clone' if status == 3 else 'a pipeline'}" in done.stdout
    assert said in runner.summary()
    assert said in runner.comment()
    assert runner.run("diff", YAMLGEN_FAIL_ON="breaks").returncode == status


@pytest.mark.parametrize("status", [0, 1])
def test_fail_on_decides_after_the_report(status, runner):
    """The report and the comment are there, whatever is decided."""
    runner.answers("diff", "label asks again\n", 1)
    runner.answers("diff--fail-on", "label asks again\n", status)
    assert runner.run("diff", YAMLGEN_FAIL_ON="breaks cost:5").returncode == status
    assert runner.calls()[1] == ["diff", "origin/main...", ".", "--fail-on=breaks", "--fail-on=cost:5"]
    assert "label asks again" in runner.comment()


def test_a_broken_yamlgen_fails(runner):
    """An exit code that means neither a report nor a wrong side is that of the step."""
    runner.answers("diff", "", 70)
    assert runner.run("diff").returncode == 70


def test_text_of_a_row_is_shown_only_if_asked_for(runner):
    """The input `why` adds the request of a step, in which a row is written."""
    runner.answers("diff", "## Report\n", 1)
    runner.answers("diff--why", "-old\n+new\n")
    assert runner.run("diff").returncode == 0
    assert "+new" not in runner.summary() + runner.comment()
    assert runner.run("diff", YAMLGEN_WHY="label").returncode == 0
    assert "~~~ diff\n-old\n+new\n~~~" in runner.comment()
    assert runner.calls()[-1] == ["diff", "origin/main...", ".", "--why", "label"]


MARKER = "<!-- yamlgen diff: Checks/pipelines -->"


@pytest.fixture
def comment(runner):
    """Run the script of the comment with this report, against these comments."""
    report = runner.folder / "report.md"

    def run(api, text="report", **more):
        report.write_text(f"{MARKER}\n{text}\n", encoding="utf-8")
        given = {
            "YAMLGEN_COMMENT": report,
            "YAMLGEN_PULL_REQUEST": NUMBER,
            "YAMLGEN_TOKEN": "secret-token",
            "GITHUB_REPOSITORY": REPOSITORY,
        }
        with api.serving() as address:
            done = runner.run("comment", **{"GITHUB_API_URL": address} | given | more)
        assert "secret-token" not in done.stdout + done.stderr
        return done

    return run


def test_one_comment_is_renewed(comment):
    """The first run writes a comment, the next ones write it anew."""
    api = GitHubComments()
    for text in ("first", 'second "Grüße" \\ $(x)', "third"):
        assert comment(api, text).returncode == 0
        assert [each["body"] for each in api.comments] == [f"{MARKER}\n{text}\n"]


def test_the_comment_is_found_on_a_later_page(comment):
    """Other comments, and strangers who write the marker, are left alone."""
    api = GitHubComments()
    api.add(f"{MARKER}\nmine", kind="User", association="CONTRIBUTOR")
    for number in range(150):
        api.add(f"comment {number} with {MARKER}", kind="User", association="MEMBER")
    mine = api.add(f"{MARKER}\nbefore")
    before = [each["body"] for each in api.comments if each is not mine]
    assert comment(api, "after").returncode == 0
    assert mine["body"] == f"{MARKER}\nafter\n"
    assert [each["body"] for each in api.comments if each is not mine] == before


def test_no_comment_where_nothing_differs(comment):
    """Without a difference no comment is begun, but the one that is there is renewed."""
    api = GitHubComments()
    assert comment(api, YAMLGEN_DIFFERS="false").returncode == 0
    assert api.comments == []
    mine = api.add(f"{MARKER}\nbefore")
    assert comment(api, "same", YAMLGEN_DIFFERS="false").returncode == 0
    assert mine["body"] == f"{MARKER}\nsame\n"


def test_a_fork_has_no_comment(comment):
    """A token that may only read is no failure."""
    api = GitHubComments()
    api.read_only = True
    done = comment(api)
    assert done.returncode == 0
    assert done.stdout.startswith("::notice::yamlgen diff: no comment: the token may not write it (HTTP 403)")
    assert api.comments == []


def test_an_api_that_fails_is_no_failure_of_the_pipelines(comment):
    """An outage is a warning, an address without a server too, and a push has no comment at all."""
    api = GitHubComments()
    api.fails_with = 502
    assert comment(api).stdout == "::warning::yamlgen diff: no comment: the API answered with HTTP 502\n"
    done = comment(GitHubComments(), GITHUB_API_URL="http://127.0.0.1:9")
    assert (done.returncode, done.stdout) == (0, "::warning::yamlgen diff: no comment: the API did not answer\n")
    assert "this is no pull request" in comment(api, YAMLGEN_PULL_REQUEST="").stdout


def test_every_request_has_a_deadline():
    """An API that hangs does not hold up the job."""
    script = (SCRIPTS / "comment.sh").read_text(encoding="utf-8")
    calls = script.count("curl --")
    assert calls == script.count("--max-time") == script.count("--connect-timeout") == 1


def test_the_tests_write_junit(runner):
    """The report is in the file that is named, and is all of it."""
    (runner.folder / "my pipes").mkdir()
    (runner.folder / "my pipes" / "a.test.yaml").write_text("", encoding="utf-8")
    runner.answers("test", "<testsuites/>\n")
    assert runner.run("test", YAMLGEN_PATHS="my pipes", YAMLGEN_JUNIT="report of tests.xml").returncode == 0
    assert (runner.folder / "report of tests.xml").read_text(encoding="utf-8") == "<testsuites/>\n"
    assert runner.calls() == [["test", "--output-format", "junit", "--", "my pipes"]]


def test_failed_tests_are_annotated(runner):
    """A failure is told at its line, and fails the job; a wrong test file fails it at once."""
    (runner.folder / "a.test.yaml").write_text("", encoding="utf-8")
    runner.answers("test", "<testsuites/>\n", 1)
    assert runner.run("test").returncode == 1
    assert [call[2] for call in runner.calls()] == ["junit", "github"]
    runner.answers("test", "", 2)
    assert runner.run("test").returncode == 2
    assert len(runner.calls()) == 3


def test_where_no_tests_are_nothing_is_tested(runner):
    """A pipeline stands for its test file; a folder without tests is passed over."""
    (runner.folder / ".hidden").mkdir()
    (runner.folder / ".hidden" / "a.test.yaml").write_text("", encoding="utf-8")
    done = runner.run("test", YAMLGEN_PATHS=".\npipeline.yaml")
    assert (done.returncode, done.stdout) == (0, "::notice::yamlgen test: there are no tests\n")
    (runner.folder / "pipeline.test.yaml").write_text("", encoding="utf-8")
    assert runner.run("test", YAMLGEN_PATHS="pipeline.yaml").returncode == 0
    assert runner.calls() == [["test", "--output-format", "junit", "--", "pipeline.test.yaml"]]
