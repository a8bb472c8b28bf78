"""How often an input is opened, by what is asked of it."""

import json
import subprocess
import sys

OPENINGS = {"validate": 1, "load": 1, "plan": 3, "run": 5, "again": 5, "with a new row": 6}
"""`validate` and `load` read the head. A plan reads all rows twice more: to check them, and to count what they ask. A
run checks them, looks at some of them, sends them all, and looks whether the file is what it was. Where an earlier run
finished some rows, these are taken over first, and the rows that remain are sent in a reading of their own.
"""
COUNTING = """\
import json, os, sys
import yamlgen

counts, name, file, path = {}, None, None, None

def count(event, arguments):
    if event == "open" and str(arguments[0]).endswith(f"/{file}"):
        counts[file][name] = counts[file].get(name, 0) + 1

calls = {
    "validate": lambda: yamlgen.validate(path),
    "load": lambda: yamlgen.load(path),
    "plan": lambda: yamlgen.plan(path),
    "run": lambda: yamlgen.run(path, simulate=True),
    "again": lambda: yamlgen.run(path, simulate=True),
    "with a new row": lambda: yamlgen.run(path, simulate=True),
}
pipeline = open("p.yaml").read()
sys.addaudithook(count)
for file in sys.argv[1:]:
    counts[file], path = {}, file + ".yaml"
    with open(path, "w") as written:
        written.write(pipeline % file)
    for name, call in calls.items():
        if name == "with a new row":
            os.replace("more " + file, file)
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
MORE = {
    "rows.csv": "id,name\n1,a\n2,b\0\n3,c\n",
    "rows.jsonl": FILES["rows.jsonl"] + '{"id": 3, "name": "c"}\n',
    "rows.json": FILES["rows.json"][:-1] + ', {"id": 3, "name": "c"}]',
}


def test_an_input_is_opened_once_for_each_reading(tmp_path):
    """All that is known before a run comes of one look, whatever the format."""
    for name, content in {**FILES, **{f"more {name}": more for name, more in MORE.items()}, "p.yaml": PIPELINE}.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", COUNTING, *FILES], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == dict.fromkeys(FILES, OPENINGS)
