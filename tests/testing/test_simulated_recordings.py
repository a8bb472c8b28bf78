"""Recorded answers of the simulator: they are counted, answers of models replace them, and they never replace those."""

import asyncio
import json

import pytest

import yamlgen
from scripted_api import KEY, ScriptedServer, said
from yamlgen import RunForecast
from yamlgen.cli.summary import foretold

PIPELINE = """\
version: 1
input: {path: rows.csv, id: id}
steps:
  outline: {model: claude-haiku-5-5, prompt: "Outline {{ row.id }}"}
  letter: {model: claude-haiku-5-5, prompt: "Write {{ row.id }} by {{ steps.outline }}"}
output: {path: out/letters.jsonl}
"""
TEST = "version: 1\npipeline: letters.yaml\ncases:\n  - {name: first, row: {id: a}}\n  - {name: second, row: {id: b}}\n"


class Project:
    """A pipeline with a test; what real recordings send and tell."""

    def __init__(self, folder):
        self.path = folder / "letters.yaml"
        self.path.write_text(PIPELINE, "utf-8")
        (folder / "letters.test.yaml").write_text(TEST, "utf-8")
        self.answers = folder / "letters.answers.jsonl"
        self.sent, self.told = 0, []

    def simulate(self, **options):
        """The report of a recording on the simulator."""
        return yamlgen.test("letters.test.yaml", **{"record": True, "simulate": True, **options})

    def record(self, monkeypatch, **options):
        """The report of a recording of a scripted API."""

        async def tested():
            script = ScriptedServer(lambda body: said(f"Real: {body['messages'][-1]['content']}"))
            async with script as server:
                monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
                monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
                options.setdefault("record", True)
                report = await yamlgen.atest("letters.test.yaml", on_event=self.told.append, **options)
            self.sent = len(server.bodies)
            return report

        return asyncio.run(tested())

    def recorded(self):
        """Whether each recording is simulated, by step."""
        lines = map(json.loads, self.answers.read_text("utf-8").splitlines())
        return sorted((each["step"], each.get("simulated", False)) for each in lines if "step" in each)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Change to a folder with a test that is not recorded."""
    monkeypatch.chdir(tmp_path)
    return Project(tmp_path)


def test_a_report_counts_simulated_answers(project):
    """As JSON, too."""
    project.simulate()
    report = yamlgen.test("letters.test.yaml")
    assert report.as_json()["simulated_recordings"] == {"letters.test.yaml": 4}
    assert yamlgen.test("letters.test.yaml", cases="first").simulated == {"letters.test.yaml": 2}


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("form", ["text", "markdown", "github"])
def test_every_report_for_people_tells_it(call, form):
    """With the counts of cases."""
    yamlgen.test("letters.test.yaml", record=True, simulate=True)
    done = call("test", "--output-format", form)
    assert "2 passed; 4 recorded answers simulated" in done.out + done.err


def test_a_recording_requests_what_the_simulator_has_answered(project, monkeypatch):
    """It tells so with the price; nothing simulated is left, and a second recording sends nothing."""
    project.simulate()
    report = project.record(monkeypatch)
    (forecast,) = (each for each in project.told if isinstance(each, RunForecast))
    assert ", 4 simulated answers to replace, 4 requests to send" in foretold(forecast)
    assert (report.passed, report.simulated, report.unused) == (True, {}, {"letters.test.yaml": 0})
    assert (project.sent, project.recorded()) == (4, [("letter", False)] * 2 + [("outline", False)] * 2)
    assert (project.record(monkeypatch).passed, project.sent) == (True, 0)


def test_a_recording_of_some_cases_leaves_the_others(project, monkeypatch):
    """They pass on simulated answers as before."""
    project.simulate()
    assert project.record(monkeypatch, cases="first").passed
    assert project.sent == 2
    report = yamlgen.test("letters.test.yaml")
    assert (report.passed, report.simulated) == (True, {"letters.test.yaml": 2})


def test_answers_from_a_simulator_at_an_address_are_marked(project, monkeypatch):
    """As with `yamlgen simulate`."""

    async def tested():
        async with yamlgen.simulate() as address:
            monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
            monkeypatch.setenv("ANTHROPIC_BASE_URL", address)
            return await yamlgen.atest("letters.test.yaml", record=True)

    assert asyncio.run(tested()).simulated == {"letters.test.yaml": 4}
    assert project.recorded() == [("letter", True)] * 2 + [("outline", True)] * 2


@pytest.mark.parametrize("has_store", [True, False])
def test_the_simulator_adds_to_answers_of_models(project, monkeypatch, has_store):
    """Only what is missing is simulated, whatever simulated runs have answered before."""
    if has_store:
        project.simulate()
    project.record(monkeypatch)
    project.path.write_text(PIPELINE.replace("Write", "Draft"), "utf-8")
    report = project.simulate(prune=True)
    assert (report.passed, report.simulated) == (True, {"letters.test.yaml": 2})
    assert project.recorded() == [("letter", True)] * 2 + [("outline", False)] * 2


def test_the_simulator_replaces_no_answer_of_a_model(project, monkeypatch):
    """Not even if all are recorded anew."""
    project.record(monkeypatch)
    before = project.answers.read_bytes()
    with pytest.raises(yamlgen.YamlgenError, match="would replace 4 answers of models in") as no:
        project.simulate(record="all")
    assert no.value.exit_code == 2
    assert project.answers.read_bytes() == before
    assert project.simulate().simulated == {}


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"store": "elsewhere"}, "`store=PATH` requires `record=True`: recorded answers send nothing"),
        ({"max_cost_usd": 1}, "`max_cost_usd=N` requires `record=True` or `live=True`"),
        ({"max_requests": 1}, "`max_requests=N` requires"),
        ({"max_concurrency": 1}, "`max_concurrency=N` requires"),
        ({"confirm_above_usd": 1}, "`confirm_above_usd=N` requires"),
        ({"yes": True}, "`yes=True` requires"),
        ({"simulate": True, "store": "elsewhere"}, "no answer is kept"),
        ({"simulate": True, "yes": True}, "the simulator bills nothing"),
        ({"live": True, "store": "elsewhere"}, "`store=PATH` requires `record=True`: no answer is kept"),
    ],
)
@pytest.mark.usefixtures("project")
def test_an_option_without_effect_is_refused(options, what):
    """With the option that it needs."""
    with pytest.raises(yamlgen.YamlgenError) as refused:
        yamlgen.test("letters.test.yaml", **options)
    assert what in str(refused.value)


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("options", [["--output-format", "json"], ["-v"], ["-y"], ["--max-requests", "3"]])
def test_cases_out_of_a_run_need_no_option_of_a_test(call, options):
    """They are without effect."""
    done = call("test", "letters.yaml", "--from-run", *options)
    assert done.code == 2
    assert "sends nothing and runs no test: remove --" in done.err
