"""Simulated runs: what tells their answers apart, and that all that is said of them is true."""

import json
import re
import shutil
from importlib import resources
from pathlib import Path

import pytest

import yamlgen
from counted_runs import TOWNS
from yamlgen.api.history import list_runs, store_locations
from yamlgen.api.run_options import RunOptions
from yamlgen.errors import Code, UsageError
from yamlgen.simulator.code_digest import simulator_digest as edition_of_code
from yamlgen.simulator.server import Simulator
from yamlgen.simulator.settings import SimulatorSettings
from yamlgen.store.location import location_of
from yamlgen.store.pruning import prune
from yamlgen.store.run_session import open_runs

ALL = len(TOWNS)
REFUSES = {"simulate": True, "seed": 3, "faults": ("refusal=0.5",)}


@pytest.fixture
def single(project):
    """A project with one step."""
    project.set("steps.line", None)
    return project


@pytest.fixture
def another(monkeypatch):
    """Makes the simulator one of another version."""

    def updated():
        monkeypatch.setattr("yamlgen.simulator.settings.simulator_digest", lambda: "0123abcd")

    return updated


def earlier(project, **options):
    """How many earlier answers the plan of a run goes by, and how many it would take."""
    (step,) = project.plan(**options).steps
    return step.earlier_answers, step.stored


def towns_that_failed(project):
    """The towns that the last simulated run has failed."""
    return project.failed("towns.simulated.failed.jsonl")


def test_another_simulator_is_asked_for_all(single):
    """With another seed, or a fault, nothing is taken that was answered without; each has answers of its own."""
    for options in ({}, {"seed": 1}, {"faults": ("rate_limit=0.001",)}):
        done = single.run(simulate=True, **options)
        assert (done.asked, done.report.reused.attempts) == (ALL, 0)
    assert single.run(simulate=True, faults=("rate_limit=1e-3", "refusal=0"), latency=0.001).asked == 0
    assert single.run(simulate=True).asked == 0


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"faults": ("refusal=0.25", "blank=0.1")}, {"faults": ("blank=1e-1", " refusal = .250")}),
        ({"faults": ("refusal=1", "refusal=0.25")}, {"faults": ("refusal=0.25",)}),
        ({}, {"faults": ("refusal=0", "hang=0.0")}),
        ({}, {"latency": 1.0}),
    ],
)
def test_what_changes_no_answer_makes_no_other_simulator(first, second):
    """The order of faults, how a rate is written, a rate of 0 and the latency change no answer."""
    assert SimulatorSettings(**first).name == SimulatorSettings(**second).name


def test_a_simulator_of_another_version_is_asked_for_all(single, another):
    """After an update nothing is taken that the simulator might not answer any more, be it a refusal that was kept."""
    single.run(simulate=True, faults=("bad_request=0.5",))
    failed = towns_that_failed(single)
    assert set(failed.values()) == {str(Code.BAD_REQUEST)}
    another()
    done = single.run(simulate=True, faults=("bad_request=0.5",))
    assert (done.asked, done.report.reused.attempts) == (ALL, 0)
    assert towns_that_failed(single) == failed


def test_every_source_counts_for_the_version(tmp_path, monkeypatch):
    """A change in the simulator, or in what it counts tokens by, is another version; a change elsewhere is none."""
    home = Path(yamlgen.__file__).parent
    for each in ("token_estimate.py", "model_capabilities.py"):
        shutil.copy(home / each, tmp_path / each)
    for each in ("claude", "simulator", "schemas"):
        shutil.copytree(home / each, tmp_path / each, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(resources, "files", lambda _: tmp_path)
    found = [edition_of_code.__wrapped__()]
    for path in ("claude/model.py", "simulator/plausible_values.py", "token_estimate.py"):
        (tmp_path / path).write_text("# changed\n", "utf-8")
        found.append(edition_of_code.__wrapped__())
    assert found[0] == found[1] == edition_of_code()
    assert len(set(found)) == 3


def test_a_refused_request_is_refused_again_without_being_sent(single):
    """A kept refusal holds for the same faults alone: without them every row is answered."""
    first = single.run(simulate=True, faults=("bad_request=0.5",))
    again = single.run(simulate=True, faults=("bad_request=0.50",))
    assert first.report.failed == again.report.failed > 0
    assert (again.asked, again.code) == (0, 1)
    assert single.run(simulate=True).report.failed == 0
    assert single.run().asked == ALL


def test_a_fresh_run_meets_the_same_faults(single):
    """The seed decides which rows meet a fault, also when they were answered before."""
    single.run(**REFUSES)
    first = single.files()
    assert single.run(**REFUSES, fresh=True).asked == ALL
    assert single.files() == first
    assert 0 < len(towns_that_failed(single)) < ALL


def test_a_stopped_run_goes_on(single):
    """What one simulator had answered when a run was stopped is taken by the next run with the same, and no other."""
    single.set("runtime.concurrency", 1)
    stopped = single.run(**REFUSES, stop_after=2)
    assert single.run(**REFUSES).asked == ALL - stopped.asked
    assert single.run(**REFUSES).asked == 0


def test_a_plan_goes_by_answers_of_the_same_simulator(single):
    """Neither what is in the store nor how long answers are is taken from another seed, other faults, or the API."""
    single.run(simulate=True)
    assert earlier(single, simulate=True) == (0, ALL)
    assert earlier(single, simulate=True, fresh=True) == (ALL, 0)
    assert earlier(single, simulate=True, seed=1) == earlier(single, **REFUSES) == earlier(single) == (0, 0)


def test_a_plan_takes_no_history_from_another_address(single):
    """What a gateway, or a simulator that the run was pointed to, has answered foretells nothing of the API."""
    single.run()
    assert earlier(single, fresh=True) == (ALL, 0)
    prune_all_but_answers(single)
    assert earlier(single, fresh=True) == (ALL, 0)
    single.set("runtime.base_url", single.server.url.replace("127.0.0.1", "localhost"))
    assert earlier(single, fresh=True) == (0, 0)


def prune_all_but_answers(project):
    """Prune the first run of two that share their answers."""
    project.run()
    place = location_of(project.path)
    with open_runs(place) as run_reader:
        first, _ = run_reader.runs()
    assert prune(place, [first.number], lambda _: True).answers == 0


def test_seed_and_faults_stand_in_the_record(single):
    """The record, the store and the plan say which simulator answered; those of a paid run, that none did."""
    single.run(simulate=True, seed=3, faults=("hang=0", "refusal=.50"))
    said = {"seed": 3, "faults": {"refusal": 0.5}, "simulator": edition_of_code()}
    record = json.loads((single.folder / "out" / "towns.simulated.run.json").read_text())
    assert (record["simulated"], record["simulation"]) == (True, said)
    ((run,), _) = list_runs(store_locations([single.path]))
    assert run.describe()["simulation"] == said
    assert single.plan(**REFUSES).simulation == said
    single.run()
    record = json.loads((single.folder / "out" / "towns.run.json").read_text())
    assert (record["simulated"], record["simulation"], record["address"]) == (False, None, single.server.url)


def test_provenance_says_that_nobody_was_paid(single):
    """A simulated row says so itself, wherever it is written to."""
    single.document["output"]["provenance"] = True
    single.run(simulate=True, output="made.jsonl")
    rows = (single.folder / "made.jsonl").read_text().splitlines()
    assert [json.loads(row)["provenance"]["facts"]["simulated"] for row in rows] == [True] * ALL
    single.run(output="paid.jsonl")
    assert '"simulated"' not in (single.folder / "paid.jsonl").read_text()


def test_a_retry_is_for_the_same_simulator(single, another):
    """A retry with another seed, or after an update, could take nothing over: it says so, and sends nothing."""
    name = single.run(**REFUSES).finished.entry.name
    wrong = single.run(simulate=True, seed=4, retry=name)
    assert (wrong.asked, str(wrong.error.code)) == (0, Code.NO_RUN)
    assert single.run(**REFUSES, retry=name).asked > 0
    another()
    wrong = single.run(**REFUSES, retry=name)
    assert (wrong.asked, "was answered by another simulator" in wrong.error.message) == (0, True)


def test_a_retry_without_a_key_is_not_sent_to_the_simulator(single, monkeypatch):
    """What was paid for once is not asked of the simulator again: the hint names the variable, and no other way."""
    single.refuse("Facts on Rome")
    name = single.run().finished.entry.name
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    retry = single.run(retry=name)
    assert (str(retry.error.code), "simulate" in retry.error.hint) == (Code.NO_KEY, False)


@pytest.mark.parametrize("given", [{"seed": 1}, {"faults": ("refusal=1",)}, {"simulate": True, "seed": "1"}])
def test_a_simulators_options_are_for_a_simulator(given):
    """A seed or a fault without `simulate` would do nothing, and a seed is a number: both are wrong calls."""
    with pytest.raises(UsageError, match="seed"):
        RunOptions(**given)


@pytest.mark.usefixtures("small")
class TestCommand:
    """What the command line says of simulated runs."""

    def test_what_is_said_names_seed_and_faults(self, call):
        """The forecast and the summary name them; nothing was paid, and no column says that something was."""
        told = call("run", "small.yaml", "--simulate", "--seed", 2, "--fault", "truncate=0.10").err
        assert told.count("(simulated, seed 2, truncate=0.1)") == 2
        assert re.search(r"\n  cost: \$0\.\d+ \(simulated\)\n", told)
        assert ("paid: $" in told, "  cost  " in told, "  simulated cost  " in told) == (False, False, True)
        assert call("runs", "ls").out.endswith(" (simulated)\n")

    def test_limits_are_tried_without_a_word_of_spending(self, call):
        """Limits on cost hold for a simulated run, too, which says what the API would cost."""
        limited = ("run", "small.yaml", "--simulate", "--max-concurrency", 1, "--progress", "none")
        told = call(*limited, "--confirm-above-usd", 0)
        assert (told.code, "without the simulator, the run may cost $0.00" in told.err) == (4, True)
        told = call(*limited, "--max-cost-usd", 0.00005)
        assert (told.code, "of $5e-05 would be spent without the simulator" in told.err) == (4, True)

    def test_hints_name_the_same_simulator(self, call):
        """What a hint says to type asks the simulator that was asked, and looks at the run that it is about."""
        options = ("--simulate", "--seed", 2, "--fault", "bad_request=0.50")
        typed = "--simulate --seed 2 --fault bad_request=0.5`"
        assert f"`yamlgen run small.yaml --limit 20 {typed}" in call("plan", "small.yaml", *options).err
        told = call("run", "small.yaml", *options, "--offline")
        assert (told.code, f"`yamlgen run {typed} sends their requests" in told.err) == (1, True)
        name = told.err.split("`yamlgen runs failed ")[1].split("`")[0]
        assert call("runs", "failed", name).out.count(str(Code.NOT_STORED)) == 8
        call("run", "small.yaml", *options)
        call("run", "small.yaml", *options)
        (failed, *_) = call("runs", "export", "small.yaml", "--failed").out.splitlines()
        assert json.loads(failed)["code"] == Code.BAD_REQUEST

    def test_a_run_of_the_other_kind_is_told(self, call):
        """A retry by name says what is wrong with the call, and not that there is no such run."""
        call("run", "small.yaml", "--simulate", "--limit", 1)
        Path(".yamlgen/small.yaml.simulated.db").rename(".yamlgen/small.yaml.db")  # as if it had not been simulated
        call("run", "small.yaml", "--simulate", "--limit", 1)
        paid, simulated = (run["run"] for run in json.loads(call("runs", "ls", "--json").out)["runs"])
        told = call("retry", "small.yaml", paid, "--simulate")
        assert (told.code, f"`{paid}` is not a simulated run\n" in told.err) == (2, True)
        told = call("retry", "small.yaml", simulated)
        assert (told.code, f"`{simulated}` is a simulated run\n  = add `--simulate`" in told.err) == (2, True)

    def test_a_store_without_a_run_hides_no_runs_of_the_other_kind(self, call):
        """A run that was refused, as it had no key, leaves a store without a run: a retry names the runs that exist."""
        assert call("run", "small.yaml").code == 3
        call("run", "small.yaml", "--simulate", "--limit", 1)
        told = call("retry", "small.yaml")
        assert (told.code, "this pipeline has only simulated runs\n  = add `--simulate`" in told.err) == (2, True)

    def test_a_store_without_a_simulated_run_hides_no_other(self, call):
        """The same for the retry of a simulated run, where there are only runs that are not simulated."""
        call("run", "small.yaml", "--simulate", "--limit", 1)
        Path(".yamlgen/small.yaml.simulated.db").rename(".yamlgen/small.yaml.db")  # as if it had not been simulated
        told = call("retry", "small.yaml", "--simulate")
        assert (told.code, "this pipeline has no simulated runs\n  = remove `--simulate`" in told.err) == (2, True)


def test_a_simulator_that_a_run_was_pointed_to_is_told(single):
    """A run that finds a simulator at its address says so once; a simulated run, which has its own, does not."""
    simulator = Simulator()
    url = single.wait(simulator.start())
    try:
        single.set("runtime.base_url", url)
        single.save()
        result = single.wait(yamlgen.arun(single.path))
    finally:
        single.wait(simulator.stop())
    (warning,) = result.report.warnings
    assert warning.startswith(f"{url} is a simulator: its answers cost nothing")
    assert single.run(simulate=True).report.warnings == []
