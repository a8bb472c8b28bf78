"""`validate --fix`: what is printed, what is written, and how it ends."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

RIGHT = """\
version: 1
model: claude-haiku-5-5
input: {rows: [{topic: tea}]}
steps:
  draft: {prompt: "Write about {{ row.topic }}"}  # the text
output: {path: out.jsonl}
"""
WRONG = RIGHT.replace("row.topic", "row.topci")
DIFF = """\
--- a/a.yaml
+++ b/a.yaml
@@ -2,5 +2,5 @@
 model: claude-haiku-5-5
 input: {rows: [{topic: tea}]}
 steps:
-  draft: {prompt: "Write about {{ row.topci }}"}  # the text
+  draft: {prompt: "Write about {{ row.topic }}"}  # the text
 output: {path: out.jsonl}
"""


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """A folder with a pipeline that has one slip, in which the test stands."""
    monkeypatch.chdir(tmp_path)
    Path("a.yaml").write_text(WRONG, encoding="utf-8")


def test_it_writes_the_fixes_and_prints_the_change(call):
    """Then the file is valid, which is exit code 0; a second time changes nothing."""
    told = call("validate", "a.yaml", "--fix")
    assert (told.code, told.out, told.err) == (0, DIFF, "1 fix written\na.yaml: ok (1 step)\n")
    assert Path("a.yaml").read_text(encoding="utf-8") == RIGHT
    told = call("validate", "a.yaml", "--fix")
    assert (told.code, told.out, told.err) == (0, "", "nothing to fix\na.yaml: ok (1 step)\n")


def test_diff_only_prints(call):
    """The errors of the file are still there, so it is exit code 1."""
    told = call("validate", "a.yaml", "--fix", "--diff")
    assert (told.code, told.out) == (1, DIFF)
    assert told.err.startswith("1 fix to write\nerror[YG206]: unknown column `topci`")
    assert Path("a.yaml").read_text(encoding="utf-8") == WRONG


def test_the_diff_can_be_applied(call):
    """`git apply` makes the same file of it."""
    told = call("validate", "a.yaml", "--fix", "--diff")
    subprocess.run(["git", "apply", "-"], input=told.out, text=True, check=True, timeout=30)
    assert Path("a.yaml").read_text(encoding="utf-8") == RIGHT


def test_what_is_left_is_reported(call):
    """A mistake without a certain fix is still an error."""
    Path("a.yaml").write_text(WRONG.replace("Write", "{{ steps.other }}"), encoding="utf-8")
    told = call("validate", "a.yaml", "--fix")
    assert told.code == 1
    assert "error[YG204]" in told.err
    assert "YG206" not in told.err


def test_json_tells_what_was_fixed(call):
    """The diff is not among it."""
    told = call("validate", "a.yaml", "--fix", "--output-format", "json")
    assert json.loads(told.out) == {
        "version": 1,
        "diagnostics": [],
        "fixed": [{"file": "a.yaml", "fixes": 1, "written": True}],
    }
    assert told.err == f"{DIFF}1 fix written\n"


def test_a_folder_is_fixed_as_a_whole(call):
    """Its pipelines, its test files, and a prompt that they share, once."""
    Path("p.md").write_text("About {{ row.topci }}", encoding="utf-8")
    for name in ("a", "b"):
        shared = RIGHT.replace('"Write about {{ row.topic }}"', "{file: p.md}").replace("out.", f"{name}.")
        Path(f"{name}.yaml").write_text(shared, encoding="utf-8")
    suite = "version: 1\npipeline: a.yaml\ncases:\n  - {name: x, row: {topic: tea}, expct: [steps.draft != '']}\n"
    Path("a.test.yaml").write_text(suite, encoding="utf-8")
    told = call("validate", ".", "--fix")
    assert told.code == 0
    assert told.err.splitlines()[0] == "2 fixes written"
    assert Path("p.md").read_text(encoding="utf-8") == "About {{ row.topic }}"
    assert "expect: " in Path("a.test.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("options", "said"),
    [(("--diff",), "--diff requires --fix"), (("--fix", "--set", "name=x"), "--fix and --set cannot be combined")],
)
def test_options_that_do_not_fit_are_usage_errors(options, said, call):
    """Nothing is checked or written."""
    told = call("validate", "a.yaml", *options)
    assert told.code == 2
    assert said in told.err
    assert Path("a.yaml").read_text(encoding="utf-8") == WRONG


def test_a_read_only_file_is_an_error(call):
    """It ends with the fact, the place and the fix."""
    Path("a.yaml").chmod(0o444)
    told = call("validate", "a.yaml", "--fix")
    assert told.code == 3
    assert "error[YG610]: cannot write the fixes to a.yaml: the file is read-only" in told.err
    assert "make it writable, or apply the change by hand" in told.err


def test_a_key_in_the_file_is_not_printed(call):
    """The lines around a change are redacted."""
    key = "sk-ant-" + "api03-" + "a1B2" * 20
    Path("a.yaml").write_text(WRONG.replace("# the text", f"# {key}"), encoding="utf-8")
    told = call("validate", "a.yaml", "--fix")
    assert key not in told.out + told.err
    assert key in Path("a.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize("moment", ["before-rename", "after-rename"])
def test_a_killed_fix_leaves_whole_files(moment):
    """The file is the old one or the new one."""
    code = "import sys, yamlgen.cli; sys.argv = ['yamlgen', 'validate', 'a.yaml', '--fix']; yamlgen.cli.main()"
    environment = {**os.environ, "YAMLGEN_FAILPOINT": moment}
    ended = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, timeout=60, check=False)
    assert ended.returncode in (-signal.SIGKILL, 137), ended.stderr
    assert Path("a.yaml").read_text(encoding="utf-8") == (WRONG if moment == "before-rename" else RIGHT)
