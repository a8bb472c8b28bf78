"""Bad pipelines from the command line: each told at its place, by `validate` with exit 1, by `run` with exit 2."""

import json
import re

import pytest

GOOD = """\
version: 1
params: {size: {type: integer, default: 3}}
input: {rows: [{id: a}]}
steps:
  one: {model: claude-haiku-5-5, max_tokens: 1024, prompt: "{{ row.id }} {{ params.size }}"}
output: {path: out/rows.jsonl}
"""
SCHEMA = GOOD.replace('{{ params.size }}"}', '", output: {schema: SCHEMA}}')
BOMB = "x-0: &a0 [a, a, a, a, a, a, a, a, a]\n" + "".join(
    f"x-{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10)
)

FILES = {
    "an empty file": (b"", "YG006", 1),
    "a list at the top": (b"- a\n- b\n", "YG007", 1),
    "tabs": (GOOD.replace("  one:", "\tone:").encode(), "YG002", 5),
    "two MiB": (GOOD.encode() + b"# much\n" * 300_000, "YG004", 1),
    "open brackets": (b"a: " + b"[" * 30_000, "YG005", 1),
    "an alias bomb": ((GOOD + BOMB).encode(), "YG013", None),
    "an alias loop": (GOOD.encode() + b"x-loop: &loop\n  again: *loop\n", "YG012", 8),
    "duplicate keys": (GOOD.encode() + b"output: {path: b.jsonl}\n", "YG008", 7),
    "a Python object": (GOOD.encode() + b"x-o: !!python/object:os.system {}\n", "YG010", 7),
    "two documents": (GOOD.encode() + b"---\nversion: 1\n", "YG011", 7),
    "version 2": (GOOD.replace("version: 1", "version: 2").encode(), "YG104", 1),
    "a mistyped alias": (
        GOOD.replace("version: 1", "version: 1\nmodels: {writer: {id: m}}")
        .replace("claude-haiku-5-5", "writr")
        .encode(),
        "YG301",
        6,
    ),
    "a broken reference": (SCHEMA.replace("SCHEMA", "{$ref: '#/$defs/no'}").encode(), "YG313", 5),
    "a remote reference": (SCHEMA.replace("SCHEMA", "{$ref: 'http://127.0.0.1:9/a.json'}").encode(), "YG314", 5),
    "a missing prompt file": (GOOD.replace('"{{ row.id }} {{ params.size }}"', "{file: no.md}").encode(), "YG310", 5),
    "an output that is a folder": (GOOD.replace("out/rows.jsonl", "taken").encode(), "YG316", 6),
    "invalid UTF-8": (GOOD.encode() + b"# \xff\n", "YG003", 7),
    "a NUL byte": (GOOD.encode() + b"x-a: \x00\n", "YG002", 7),
}


def told_as_json(call, *arguments):
    """A call's exit code and its diagnostics."""
    told = call(*arguments, "--output-format", "json")
    assert told.err == ""
    return told.code, json.loads(told.out)["diagnostics"]


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty folder with a folder `taken` in it."""
    (tmp_path / "taken").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("case", FILES)
def test_a_bad_file_is_told_once_at_its_place(case, place, call):
    """One mistake gives one diagnostic with the place, from both commands, and nothing is written."""
    content, code, line = FILES[case]
    (place / "bad.yaml").write_bytes(content)
    ended, found = told_as_json(call, "validate", "bad.yaml")
    assert ended == 1
    assert [problem["code"] for problem in found] == [code]
    assert found[0]["file"] == "bad.yaml"
    assert line is None or found[0]["line"] == line
    assert told_as_json(call, "run", "bad.yaml", "--simulate") == (2, found)
    assert sorted(path.name for path in place.iterdir()) == ["bad.yaml", "taken"]


@pytest.mark.parametrize("case", FILES)
def test_a_bad_file_is_told_in_words(case, place, call):
    """In text, the message has its code, its place and a line of the file with carets, short and printable."""
    content, code, _ = FILES[case]
    (place / "bad.yaml").write_bytes(content)
    told = call("validate", "bad.yaml")
    assert re.match(rf"error\[{code}\]: .+\n +--> bad.yaml", told.err)
    assert told.err.endswith(f"\n1 error, 0 warnings\nFor an explanation: yamlgen explain {code}\n")
    assert max(map(len, told.err.splitlines())) < 200
    assert told.err.replace("\n", "").replace("\t", "").isprintable()


@pytest.mark.parametrize(("given", "code"), [("-p no=1", "YG401"), ("-p size=big", "YG402"), ("-p size=[", "YG402")])
def test_a_bad_parameter_is_told(given, code, place, call):
    """An undeclared parameter, one of the wrong type and one that cannot be read are diagnostics at the option."""
    (place / "good.yaml").write_text(GOOD, "utf-8")
    ended, found = told_as_json(call, "validate", "good.yaml", *given.split())
    assert (ended, [problem["code"] for problem in found]) == (1, [code])
    assert found[0]["file"] == given
    assert told_as_json(call, "run", "good.yaml", "--simulate", *given.split()) == (2, found)
    assert not (place / "out").exists()


def test_a_bom_and_crlf_are_no_mistakes(place, call):
    """A file from a Windows editor runs as it is."""
    (place / "good.yaml").write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    assert call("validate", "good.yaml").code == 0
    assert call("run", "good.yaml", "--simulate", "-q").code == 0


@pytest.mark.parametrize("name", ["no.yaml", "taken"])
@pytest.mark.usefixtures("place")
def test_a_file_that_cannot_be_read_is_told(name, call):
    """A pipeline that is not there, or is a folder, is one diagnostic without a snippet."""
    told = call("run", name, "--simulate")
    assert told.code == 2
    first, explanation = told.err.rsplit("\n\n", 1)
    hint = "(check the path, and whether you may read the file|it is a folder: .+)"
    assert re.fullmatch(rf"error\[YG001\]: cannot read {name}: .+\n +--> {name}\n  = {hint}", first)
    assert explanation == "For an explanation: yamlgen explain YG001\n"


def test_an_empty_folder_is_a_wrong_call(place, call):
    """`validate` of a folder without a pipeline says so, and how many other files of YAML it has."""
    told = call("validate", "taken")
    assert told.code == 2
    assert told.err.startswith("error[YG310]: the folder taken contains no pipeline and no test file\n  = write ")
    (place / "taken" / "compose.yaml").write_text("services: {}", "utf-8")
    told = call("validate", "taken")
    assert told.code == 2
    assert "taken contains no pipeline and no test file, but 1 other YAML file\n  = a pipeline has `steps`" in told.err
    told = call("validate", "taken", "--output-format", "json")
    assert (told.code, told.err, json.loads(told.out)["error"]["code"]) == (2, "", "YG310")


def test_other_files_of_a_folder_are_counted(place, call):
    """A file that is named is checked, whatever it contains; a file that is found twice is checked once."""
    (place / "taken" / "c.yaml").write_text(GOOD, "utf-8")
    for name in ("compose.yaml", "k8s.yml"):
        (place / name).write_text("kind: Pod", "utf-8")
    told = call("validate", ".", "taken/c.yaml")
    assert (told.code, told.err) == (0, "passed over 2 other YAML files\ntaken/c.yaml: ok (1 step)\n")
    told = call("validate", ".", "k8s.yml")
    assert told.code == 1
    assert told.err.startswith("passed over 1 other YAML file\n")
    assert "--> k8s.yml:1:1" in told.err


def test_all_mistakes_of_all_files_are_told_at_once(place, call):
    """Files and folders are checked together, in the order in which they are named, right ones included."""
    (place / "a.yaml").write_text(GOOD.replace("prompt", "promt"), "utf-8")
    (place / "b.yml").write_text(GOOD, "utf-8")
    (place / "taken" / "c.yaml").write_text(GOOD.replace("row.id", "row.di") + "outptu: 1\n", "utf-8")
    told = call("validate", "taken", "a.yaml", "b.yml")
    assert told.code == 1
    assert re.findall(r"--> (\S+):(\d+):\d+", told.err) == [
        ("taken/c.yaml", "5"),
        ("taken/c.yaml", "7"),
        ("a.yaml", "5"),
    ]
    assert "b.yml: ok (1 step)\n" in told.err
    assert told.err.endswith("3 errors, 0 warnings\nFor an explanation: yamlgen explain YG206 YG101\n")


def test_warnings_do_not_change_the_exit_code(place, call):
    """What is only worth knowing is shown, counted, and exit 0, for `validate` and `run` alike."""
    warned = GOOD.replace("max_tokens: 1024", "max_tokens: 1024, temperature: 0.5")
    (place / "warned.yaml").write_text(warned, "utf-8")
    told = call("validate", "warned.yaml")
    assert told.code == 0
    assert told.err.startswith("warning[YG305]: ")
    assert "\nwarned.yaml: ok (1 step)\n0 errors, 1 warning\nFor an explanation: yamlgen explain YG305\n" in told.err
    ended, (found,) = told_as_json(call, "validate", "warned.yaml")
    assert (ended, found["severity"], found["line"]) == (0, "warning", 5)
    told = call("run", "warned.yaml", "--simulate", "--output-format", "json")
    assert told.err.startswith("warning[YG305]: ")
    assert json.loads(told.out)["rows"]["input"] == 1


def test_five_mistakes_are_five_diagnostics(place, call):
    """Mistakes in the shape and in the templates are told together, in source order, without a cascade."""
    text = """\
version: 1
name: five
descripton: one
input: {rows: [{town: a}]}
steps:
  one:
    model: claude-haiku-5-5
    prompt: |
      Two lines, and then
      {{ row.twon }}
    max_tokens: lots
  two:
    model: claude-haiku-5-5
    prompt: "{{ steps.oen }}"
output: {path: out.txt}
"""
    (place / "five.yaml").write_text(text, "utf-8")
    _, found = told_as_json(call, "validate", "five.yaml")
    assert [(problem["line"], problem["code"]) for problem in found] == [
        (3, "YG101"),
        (10, "YG206"),
        (11, "YG103"),
        (14, "YG204"),
        (15, "YG318"),
    ]
    assert [problem["hint"] for problem in found[:2]] == ["did you mean `description`?", "did you mean `town`?"]
