"""The commands besides `run`, and what is said to those who mistype."""

import json
import re
import signal
import subprocess
import urllib.request
from pathlib import Path

import pytest
import yaml

import yamlgen
from shipped_pipelines import PIPELINES
from yamlgen.diagnostics import Diagnostic
from yamlgen.pipeline.json_schema import committed

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["rnu"], "no command `rnu`; did you mean `run`?"),
        (["Validate"], "did you mean `validate`?"),
        (["zzz"], "`runs`, `schema`, `simulate`, `context`, `docs`, `explain`, `lsp` and `completion`"),
        (["run", "a.yaml", "--simulat"], "--simulate"),
        (["run", "a.yaml", "--limt", "3"], "--limit"),
        (["run", "a.yaml", "--progress", "lively"], "plain"),
        (["run", "a.yaml", "--limit", "0"], "--limit"),
        (["run", "a.yaml", "b.yaml"], "b.yaml"),
        (["run"], "PIPELINE"),
        (["validate"], "PATH..."),
        (["--simulate"], "--simulate"),
    ],
)
def test_a_mistyped_call_says_what_is_near(arguments, said, call):
    """A wrong command, option or argument is exit 2, with a usage line and the nearest right word."""
    told = call(*arguments)
    assert (told.code, told.out) == (2, "")
    usage, _, error = told.err.partition("\nError: ")
    assert usage.startswith("Usage: yamlgen")
    assert said in error


def test_no_arguments_give_the_help(call):
    """`yamlgen` alone lists the commands."""
    told = call()
    assert "Commands:" in told.err + told.out
    assert "validate" in told.err + told.out


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help_is_exit_0(option, call):
    """Each command explains itself, on stdout."""
    for command in ([], ["init"], ["validate"], ["render"], ["run"], ["schema"], ["simulate"]):
        told = call(*command, option)
        assert (told.code, told.err) == (0, "")
        assert told.out.startswith("Usage: yamlgen")


def test_the_version_is_printed(call):
    """`--version` prints one line."""
    assert re.fullmatch(r"yamlgen \d+\.\d+\.\d+\S*\n", call("--version").out)


@pytest.mark.parametrize("path", PIPELINES, ids=lambda path: path.stem)
def test_a_rendered_pipeline_is_a_pipeline(path, call, tmp_path):
    """`render` prints YAML that validates where the pipeline stands and asks for the very same requests."""
    told = call("render", path)
    assert told.code == 0
    copy = tmp_path / "pipelines"
    copy.mkdir()
    (copy / "data").symlink_to(path.parent / "data")
    for module in path.parent.glob("*.py"):
        (copy / module.name).write_bytes(module.read_bytes())
    (copy / "extract.yaml").write_text(call("render", path.parent / "extract.yaml").out, "utf-8")
    (copy / "rendered.yaml").write_text(told.out, "utf-8")
    again = call("validate", copy / "rendered.yaml")
    assert re.fullmatch(rf"{copy}/rendered.yaml: ok \(\d steps?\)\n", again.err)
    assert yaml.safe_load(call("render", copy / "rendered.yaml").out) == yaml.safe_load(told.out)
    assert call("render", copy / "rendered.yaml", "--row", "2").out == call("render", path, "--row", "2").out


def test_rendering_resolves_everything(call):
    """The rendered pipeline has no alias, no file and no anchor left; a parameter given has its value."""
    told = call("render", ROOT / "pipelines/marathon_runners.yaml", "-p", "language=French")
    shown = yaml.safe_load(told.out)
    assert shown["params"]["language"]["default"] == "French"
    assert "models" not in shown
    assert isinstance(shown["steps"]["profile"]["system"], str)
    assert shown["steps"]["profile"]["output"]["schema"]["title"] == "User"
    assert "&" not in re.sub(r'"[^"]*"', "", told.out)


def test_a_row_shows_its_exact_requests(call):
    """`render --row N` prints each step's body as it would be sent, for that row."""
    told = call("render", ROOT / "pipelines/hello.yaml", "--row", "2")
    shown = json.loads(told.out)
    prompt = "Say hello to a reader of this file in one warm sentence, in English."
    assert shown == {
        "step": "greeting",
        "request": {
            "model": "claude-haiku-5-5",
            "max_tokens": 1024,
            "messages": [{"role": "user", "content": prompt}],
        },
    }


def test_a_row_says_what_is_made_up(call):
    """A step that needs another one's output is shown with a made-up one, and stderr says so."""
    told = call("render", ROOT / "pipelines/marathon_runners.yaml", "--row", "1")
    decoder, shown, rest = json.JSONDecoder(), [], told.out
    while rest.strip():
        value, end = decoder.raw_decode(rest.lstrip())
        shown.append(value)
        rest = rest.lstrip()[end:]
    assert [one["step"] for one in shown] == ["profile", "believable"]
    assert told.err == "believable: filled with made-up outputs of profile\n"


@pytest.mark.parametrize("row", ["4", "99999999999999999999"])
def test_a_row_that_is_not_there_is_told(row, call):
    """`render --row 4` says that the input has no such row."""
    told = call("render", ROOT / "pipelines/hello.yaml", "--row", row)
    assert (told.code, told.out) == (2, "")
    assert f"has no row {row}" in told.err


def test_render_takes_another_input(call, tmp_path):
    """`render --row 1 --input PATH` shows the requests for a row of another file."""
    (tmp_path / "rows.jsonl").write_text('{"who": "a stranger"}\n', "utf-8")
    told = call("render", ROOT / "pipelines/hello.yaml", "--row", "1", "--input", tmp_path / "rows.jsonl")
    assert "Say hello to a stranger" in told.out


def test_the_schema_is_printed(call):
    """`schema` prints the committed JSON Schema and nothing else."""
    told = call("schema")
    assert (told.code, told.out, told.err) == (0, committed(), "")


@pytest.mark.parametrize("target", [[], ["."], ["mine.json"]])
def test_the_schema_is_written(target, call, tmp_path, monkeypatch):
    """`schema --write` writes it into a folder, this one if none is named, with that of test files; or to a file."""
    monkeypatch.chdir(tmp_path)
    told = call("schema", "--write", *target)
    written = ["mine.json"] if target == ["mine.json"] else ["pipeline.schema.json", "test.schema.json"]
    assert sorted(path.name for path in tmp_path.iterdir()) == written
    assert (told.code, told.out, told.err) == (0, "", "".join(f"wrote {name}\n" for name in written))
    assert (tmp_path / written[0]).read_text("utf-8") == committed()


def test_validate_checks_test_files(call, tmp_path, monkeypatch):
    """By itself, and in a folder, where an error of their pipeline is reported once."""
    monkeypatch.chdir(tmp_path)
    step = "note: {model: claude-haiku-5-5, prompt: 'About {{ row.topic }}.'}"
    pipeline = f"version: 1\ninput: {{rows: [{{topic: tea}}]}}\nsteps: {{{step}}}\noutput: {{path: out.jsonl}}\n"
    case = "{name: a, row: {topic: tea}, expect: ['steps.note | length > 3']}"
    suite = f"version: 1\npipeline: notes.yaml\ncases: [{case}]\n"
    (tmp_path / "notes.yaml").write_text(pipeline)
    (tmp_path / "notes.test.yaml").write_text(suite)
    told = call("validate", "notes.test.yaml")
    assert (told.code, told.err) == (0, "notes.test.yaml: ok (1 case)\n")
    assert call("validate", ".").err == "notes.test.yaml: ok (1 case)\nnotes.yaml: ok (1 step)\n"
    (tmp_path / "notes.test.yaml").write_text(suite.replace("steps.note", "steps.nots"))
    told = call("validate", ".")
    assert (told.code, told.err.count("error[YG204]: unknown step `nots`")) == (1, 1)
    (tmp_path / "notes.test.yaml").write_text(suite)
    (tmp_path / "notes.yaml").write_text(pipeline.replace("prompt", "promt"))
    told = call("validate", ".")
    assert (told.code, told.err.count("unknown key `promt`")) == (1, 1)
    assert [each["code"] for each in map(Diagnostic.as_json, yamlgen.validate("notes.test.yaml"))] == ["YG101"]


def test_the_schema_is_not_written_into_nowhere(call, tmp_path):
    """A folder that is not there is exit 3, and no file takes its name."""
    told = call("schema", "--write", tmp_path / "nowhere")
    assert told.code == 3
    assert "No such file or directory" in told.err
    assert not (tmp_path / "nowhere").exists()


def serving(program, *arguments):
    """A `yamlgen simulate` process and the address that it prints."""
    command = [program, "simulate", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    first = process.stderr.readline()
    address = re.fullmatch(r"simulated Messages API on (http://127\.0\.0\.1:\d+)\n", first)
    assert address, first + process.stderr.read()
    return process, address[1]


def test_the_simulator_serves_and_ends(program, call):
    """`simulate` prints its address, serves others, refuses a port that is taken, and ends on Ctrl-C with 0."""
    process, address = serving(program, "--port", "0")
    try:
        assert f"ANTHROPIC_BASE_URL={address} ANTHROPIC_API_KEY=any" in process.stderr.readline()
        request = urllib.request.Request(  # noqa: S310 - loopback
            f"{address}/v1/models", headers={"x-api-key": "any", "anthropic-version": "2023-06-01"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            assert json.load(answer)["data"]
        told = call("simulate", "--port", address.rpartition(":")[2])
        assert told.code == 3
        assert told.err.startswith("error[YG608]: the simulator cannot listen on 127.0.0.1:")
        assert "choose another port" in told.err
        process.send_signal(signal.SIGINT)
        out, said = process.communicate(timeout=10)
        assert (process.returncode, out, said) == (0, "", "")
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("fire=0.1", "there is no fault `fire`\n  = faults: `rate_limit`, `overloaded`, "),
        ("rate=1", "there is no fault `rate`\n  = did you mean `rate_limit`?\n"),
        ("refusal=2", "the rate of the fault `refusal` must be a number from 0 to 1, not `2`\n"),
        ("refusal=", "the rate of the fault `refusal` must be a number from 0 to 1, and it is missing\n"),
        ("refusal", "the rate of the fault `refusal` must be a number from 0 to 1, and it is missing\n"),
    ],
)
def test_a_fault_that_is_none(fault, said, call):
    """An unknown fault is exit 2 with the nearest name or all names; a bad rate, with the range."""
    told = call("simulate", "--fault", fault)
    assert told.code == 2
    assert said in told.err


def test_a_pipe_that_closes_is_no_traceback(program):
    """`yamlgen schema | true` ends quietly."""
    process = subprocess.Popen([program, "schema"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    process.wait(timeout=20)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a disk that is always full")
def test_a_full_disk_behind_stdout_is_told(program):
    """`yamlgen schema > file` on a full disk is exit 3 and a sentence."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([program, "schema"], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 3
    assert done.stderr.startswith("error[YG610]: cannot write standard output: No space left on device\n")


@pytest.mark.usefixtures("small")
def test_a_run_needs_no_standard_streams(program):
    """Started with its standard streams closed, as some schedulers do, a run writes its files."""
    shell = 'exec "$0" run small.yaml --simulate <&- >&- 2>&-'
    assert subprocess.run(["sh", "-c", shell, program], check=False).returncode == 0
    assert len(Path("out/notes.simulated.jsonl").read_text("utf-8").splitlines()) == 8


def test_text_beyond_ascii_needs_no_locale(program, tmp_path):
    """Where the locale is C and streams are ASCII, messages come through, and JSON is UTF-8."""
    text = "version: 1\ninput: {rows: [{id: é}]}\nsteps: {a: {model: m, prümpt: ü}}\noutput: {path: o.jsonl}\n"
    (tmp_path / "ü.yaml").write_text(text, "utf-8")
    environment = {"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PATH": "/usr/bin:/bin"}
    settings = {"cwd": tmp_path, "env": environment, "capture_output": True}
    done = subprocess.run([program, "validate", "ü.yaml"], check=False, **settings)
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr
    done = subprocess.run([program, "validate", "ü.yaml", "--output-format", "json"], check=False, **settings)
    assert "prümpt" in json.loads(done.stdout.decode("utf-8"))["diagnostics"][0]["message"]
