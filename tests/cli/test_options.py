"""The options of `run`: parameters, overrides, environment files, input and output from elsewhere."""

import json
import os

import pytest

pytestmark = pytest.mark.usefixtures("letters")

PARAMS = """\
version: 1
name: letters
params:
  language: {type: string, default: English}
  size: {type: integer, minimum: 1, default: 3}
input: {rows: [{id: a}]}
steps:
  letter: {model: claude-haiku-5-5, max_tokens: 1024, prompt: "{{ params.size }} words of {{ params.language }}"}
output: {path: out.jsonl}
"""


@pytest.fixture
def letters(small):
    """A pipeline with parameters, `letters.yaml`."""
    (small / "letters.yaml").write_text(PARAMS, "utf-8")
    return small


def prompt(told):
    """The prompt of the one request that `render --row 1` shows."""
    return json.loads(told.out)["request"]["messages"][0]["content"]


def test_parameters_are_read_as_yaml(call):
    """`-p` takes texts and numbers, an equals sign in the value included."""
    told = call("render", "letters.yaml", "--row", "1", "-p", "language=a=b", "-p", "size=12")
    assert prompt(told) == "12 words of a=b"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-p", "langage=French"], "the pipeline has no parameter `langage`"),
        (["-p", "langage=French"], "did you mean `language`?"),
        (["-p", "size=many"], "the value of `size` does not match its schema"),
        (["-p", "size=0"], "the value of `size` does not match its schema: 0 is less than the minimum of 1"),
        (["-p", "language=12"], """-p 'language="12"'"""),
        (["-p", "language=[a"], "the value of `language` cannot be read"),
        (["-p", "language"], "`language` is not of the form NAME=VALUE"),
        (["-p", "size=1", "-p", "size=2"], "`size` is set twice"),
        (["--set", "steps.letter.max_tokens=lots"], "must be an integer"),
        (["--set", "steps.letter.max_tokns=5"], "did you mean `max_tokens`?"),
        (["--set", "steps.letter.max_tokens"], "is not of the form PATH=VALUE"),
        (["--set", "steps.letter.prompt={{ row.x }}"], "--> --set steps.letter.prompt="),
    ],
)
def test_a_wrong_value_is_told_before_anything_runs(arguments, said, letters, call):
    """A wrong `-p` or `--set` is exit 2, told at the option itself, and nothing is written."""
    told = call("run", "letters.yaml", "--simulate", *arguments)
    assert told.code == 2
    assert said in told.err
    assert "Traceback" not in told.err
    assert not list(letters.glob("out*"))


def test_all_wrong_values_are_told_at_once(call):
    """What is wrong in the call and in the file is told together."""
    told = call("validate", "letters.yaml", "-p", "size=[1", "-p", "langage=x", "--set", "steps.letter.prompt={{ no }}")
    assert told.code == 1
    assert told.err.count("error[") == 3


def test_an_override_changes_the_request(letters, call):
    """`--set` changes a value of the file for this call alone."""
    before = (letters / "letters.yaml").read_bytes()
    told = call("render", "letters.yaml", "--row", "1", "--set", "steps.letter.max_tokens=77")
    assert json.loads(told.out)["request"]["max_tokens"] == 77
    assert (letters / "letters.yaml").read_bytes() == before


@pytest.fixture
def told_key(small, call, monkeypatch):
    """Run with an environment file and say whether a key was found, by how the run ends."""

    def run(text, **variables):
        (small / ".env").write_text(text, "utf-8")
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(os, "environ", os.environ.copy())
        return call("run", "small.yaml", "--env-file", ".env", "--set", "runtime.max_retries=0", "--progress", "none")

    return run


def test_an_environment_file_is_read(told_key):
    """`--env-file` sets what is not set, quotes and comments as shells have them."""
    told = told_key("# mine\nexport ANTHROPIC_BASE_URL='http://127.0.0.1:9'\nANTHROPIC_API_KEY=\"any\" # this one\n")
    assert "\nerror[YG608]: cannot reach http://127.0.0.1:9:" in told.err


def test_an_environment_file_overrides_nothing(told_key):
    """A variable that is set stays as it is."""
    told = told_key(
        "ANTHROPIC_BASE_URL=http://127.0.0.1:8\nANTHROPIC_API_KEY=any\n", ANTHROPIC_BASE_URL="http://127.0.0.1:9"
    )
    assert "cannot reach http://127.0.0.1:9:" in told.err


@pytest.mark.parametrize("empty", ["", "  "])
def test_an_environment_file_fills_what_is_empty(told_key, empty):
    """A variable that is set to nothing does not hide the file, be it the key's or the address's."""
    text = "ANTHROPIC_BASE_URL=http://127.0.0.1:9\nANTHROPIC_API_KEY=any\n"
    told = told_key(text, ANTHROPIC_BASE_URL=empty, ANTHROPIC_API_KEY=empty)
    assert "cannot reach http://127.0.0.1:9:" in told.err


@pytest.mark.parametrize("empty", ["", "''", "'  '"])
def test_an_empty_value_of_an_environment_file_is_unset(told_key, empty):
    """A line without a value sets nothing."""
    told = told_key(f"ANTHROPIC_API_KEY={empty}\nANTHROPIC_BASE_URL={empty}\nNO_COLOR={empty}\n")
    assert told.err.startswith("error[YG601]: no API key: the environment variable ANTHROPIC_API_KEY is not set\n")


def test_an_environment_file_that_no_variable_can_hold_is_told(small, call):
    """A value with a NUL is an error that names the file."""
    (small / ".env").write_bytes(b"A_NAME=a\0b\n")
    told = call("run", "small.yaml", "--env-file", ".env")
    assert told.code == 2
    assert "cannot read .env" in told.err


def test_a_missing_environment_file_is_a_wrong_call(call):
    """`--env-file` of a file that is not there is exit 2 and names it."""
    told = call("run", "small.yaml", "--env-file", "no.env")
    assert told.code == 2
    assert "'no.env' does not exist" in told.err


def test_an_environment_file_that_is_not_text_is_told(small, call):
    """Bytes that are no text are an error that names the file, without a traceback."""
    (small / ".env").write_bytes(b"\xff\xfe\x00A")
    told = call("run", "small.yaml", "--env-file", ".env")
    assert told.code == 2
    assert "cannot read .env" in told.err


def ids(text):
    """The ids of rows, from JSON lines."""
    return [str(json.loads(line)["id"]) for line in text.splitlines()]


RUN = ("run", "small.yaml", "--simulate", "-q", "-o", "-")


def test_rows_come_from_standard_input(call):
    """`--input -` reads JSON lines."""
    told = call(*RUN, "--input", "-", stdin=b'{"id": "x", "topic": "t"}\n\n{"id": "y", "topic": "u"}')
    assert (told.code, ids(told.out)) == (0, ["x", "y"])


@pytest.mark.parametrize(("kind", "data"), [("csv", b"id,topic\nx,t\n"), ("json", b'[{"id": "x", "topic": "t"}]')])
def test_standard_input_may_have_another_format(kind, data, call):
    """With `input.format`, standard input is CSV or a JSON array."""
    told = call(*RUN, "--input", "-", "--set", f"input.format={kind}", stdin=data)
    assert (told.code, ids(told.out)) == (0, ["x"])


def test_csv_where_json_lines_are_read_says_how_to_name_it(call):
    """CSV on standard input without a format is told with the option that names one."""
    told = call(*RUN, "--input", "-", stdin=b"id,topic\nx,t\n")
    assert told.code == 2
    assert "standard input:1:1: not JSON" in told.err
    assert "--set input.format=csv" in told.err


def test_rows_come_from_another_file(small, call, monkeypatch):
    """`--input PATH` is relative to where one stands, and its ending tells its format."""
    (small / "elsewhere").mkdir()
    monkeypatch.chdir(small / "elsewhere")
    (small / "elsewhere" / "more.csv").write_text("id,topic\nx,t\n", "utf-8")
    told = call("run", "../small.yaml", "--simulate", "-q", "-o", "-", "--input", "more.csv")
    assert (told.code, ids(told.out)) == (0, ["x"])


@pytest.mark.parametrize(
    ("name", "data", "said", "code"),
    [
        ("a.jsonl", b'{"id": 1, "topic": "t"}\n\n[2]\n', "a.jsonl:3: the row is not an object: [2]", 2),
        (
            "a.jsonl",
            b'{"id": 1, "topic": "t"}\n{"id": 1, "topic": "u"}\n',
            "a.jsonl:2: `id` 1 is already used at a.jsonl:1",
            2,
        ),
        ("a.csv", b"id,topic\n1,t\n1,u\n", 'a.csv:3: `id` "1" is already used at a.csv:2', 2),
        ("a.jsonl", b'{"id": 1, "topic": "t"}\n{"topic": "t"}\n', "a.jsonl:2: `id` is missing", 2),
        ("a.jsonl", b"", "a.jsonl has no rows", 2),
        ("a.jsonl", b'{"id": 1, "topic": "\xff"}\n', "a.jsonl:1", 2),
        ("no.jsonl", None, "the input no.jsonl does not exist", 3),
    ],
)
def test_a_broken_input_is_told_before_the_first_request(name, data, said, code, small, call):
    """What is wrong with a row is told with its line, and nothing is sent or written."""
    if data is not None:
        (small / name).write_bytes(data)
    told = call("run", "small.yaml", "--simulate", "--input", name)
    assert (told.code, told.out) == (code, "")
    assert told.err.startswith("error[")
    assert told.err.count("-->") == 0
    assert said in told.err
    assert "small: " not in told.err
    assert not (small / "out").exists()


@pytest.mark.parametrize(
    ("output", "said"),
    [
        (".", "cannot write .: it is a folder"),
        ("rows.jsonl", "cannot write rows.jsonl: the run reads it"),
        ("rows", "it has no known extension"),
        ("rows.txt", "use one of the extensions .jsonl"),
        ("folder.jsonl", "cannot write folder.jsonl: it is a folder"),
    ],
)
def test_a_bad_output_path_is_told_before_the_first_request(output, said, small, call):
    """An output that is a folder, the input, or of no format is exit 2, and nothing is touched."""
    (small / "folder.jsonl").mkdir()
    before = (small / "rows.jsonl").read_bytes()
    told = call("run", "small.yaml", "--simulate", "-o", output)
    assert told.code == 2
    assert said in told.err
    assert (small / "rows.jsonl").read_bytes() == before
    written = {path.name for path in small.iterdir() if path.name != ".yamlgen"}
    assert written == {"folder.jsonl", "rows.jsonl", "small.yaml", "letters.yaml"}


def test_an_output_that_may_not_be_written_is_the_environments_fault(small, call):
    """A file where a folder is needed is exit 3 with the path."""
    (small / "file").write_text("", "utf-8")
    told = call("run", "small.yaml", "--simulate", "-o", "file/rows.jsonl")
    assert told.code == 3
    assert "cannot write file/rows.jsonl" in told.err


def test_faults_need_the_simulator(call):
    """`--fault`, `--latency` and `--seed` without `--simulate` are a wrong call, of `plan` too."""
    for command, *option in (("run", "--fault", "refusal=1"), ("run", "--latency", "1"), ("plan", "--seed", "1")):
        told = call(command, "small.yaml", *option)
        assert told.code == 2
        assert "require `--simulate`" in told.err


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("--max-unusable", "90", "`90` is not a percentage up to 100%, such as 90%, or `none`"),
        ("--max-unusable", "101%", "`101%` is not a percentage up to 100%, such as 90%, or `none`"),
        ("--max-failures", "101%", "`101%` is not a number or a percentage up to 100%, such as 5%"),
    ],
)
def test_a_share_that_cannot_be(call, option, value, says):
    """A share of rows in another form is told with the form that it has, before anything is read."""
    done = call("run", "letters.yaml", "--simulate", option, value)
    assert done.code == 2
    assert says in done.err
