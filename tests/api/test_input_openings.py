"""How often an input is opened, by what is asked of it."""

import json
import subprocess
import sys

OPENINGS = {"validate": 1, "load": 1, "plan": 3, "run": 5}
"""`validate` and `load` read the head. A plan reads all rows twice more: to check them, and to count what they ask. A
run checks them, looks at some of them, sends them all, and looks whether the file is what it was.
"""
COUNTING = """\
import json, sys
import yamlgen

counts, name, file = {}, None, None

def count(event, arguments):
    if event == "open" and str(arguments[0]).endswith(str(file)):
        counts[file][name] = counts[file].get(name, 0) + 1

calls = {
    "validate": lambda: yamlgen.validate("p.yaml"),
    "load": lambda: yamlgen.load("p.yaml"),
    "plan": lambda: yamlgen.plan("p.yaml"),
    "run": lambda: yamlgen.run("p.yaml", simulate=True),
}
pipeline = open("p.yaml").read()
sys.addaudithook(count)
for file in sys.argv[1:]:
    counts[file] = {}
    with open("p.yaml", "w") as written:
        written.write(pipeline % file)
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
FILES = {
    "rows.csv": "id,name\n1,a\n2,b\0\n",
    "rows.jsonl": '{"id": 1, "name": "a"}\n{"id": 2, "name": "b"}\n',
    "rows.json": '[{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]',
}


def test_an_input_is_opened_once_for_each_reading(tmp_path):
    """All that is known before a run comes of one look, whatever the format."""
    for name, content in {**FILES, "p.yaml": PIPELINE}.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", COUNTING, *FILES], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == dict.fromkeys(FILES, OPENINGS)
