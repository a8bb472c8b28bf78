"""How often an input is opened, by what is asked of it."""

import json
import subprocess
import sys

import pytest

OPENINGS = {"validate": 1, "load": 1, "plan": 3, "run": 5}
"""`validate` and `load` read the head. A plan reads all rows twice more: to check them, and to count what they ask. A
run checks them, looks at some of them, sends them all, and looks whether the file is what it was.
"""
COUNTING = """\
import json, sys
import yamlgen

counts, name = {}, None

def count(event, arguments):
    if event == "open" and str(arguments[0]).endswith(sys.argv[1]):
        counts[name] = counts.get(name, 0) + 1

calls = {
    "validate": lambda: yamlgen.validate("p.yaml"),
    "load": lambda: yamlgen.load("p.yaml"),
    "plan": lambda: yamlgen.plan("p.yaml"),
    "run": lambda: yamlgen.run("p.yaml", simulate=True),
}
sys.addaudithook(count)
for name, call in calls.items():
    call()
print(json.dumps(counts))
"""
PIPELINE = """\
version: 1
input: {path: %s, id: id}
steps:
  s: {model: claude-haiku-5-5, prompt: "Hello {{ row.name }}"}
output: {path: out.jsonl}
"""


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rows.csv", "id,name\n1,a\n2,b\0\n"),
        ("rows.jsonl", '{"id": 1, "name": "a"}\n{"id": 2, "name": "b"}\n'),
        ("rows.json", '[{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]'),
    ],
)
def test_an_input_is_opened_once_for_each_reading(tmp_path, name, content):
    """All that is known before a run comes of one look, whatever the format."""
    (tmp_path / name).write_text(content, encoding="utf-8")
    (tmp_path / "p.yaml").write_text(PIPELINE % name, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", COUNTING, name], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == OPENINGS
