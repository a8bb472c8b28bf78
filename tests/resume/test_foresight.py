"""`plan`: what a run would ask, as the run that follows does ask it."""

import json

import pytest

from counted_runs import SERVER_ERROR, TOWNS, fact

ALL = len(TOWNS)


def nothing(_project):
    """A store that is not there yet."""
    return {}


def everything(project):
    """A run that came to its end."""
    project.run()
    return {}


def a_half(project):
    """A run that was stopped."""
    project.set("runtime.concurrency", 1)
    project.run(stop_after=ALL + 1)
    return {}


def a_second_step(project):
    """Another prompt of the second step."""
    project.run()
    project.set("steps.line.prompt", "A line on {{ row.town }}.")
    return {}


def new_rows(project):
    """A row that is new, and one that is equal to another."""
    project.run()
    project.rows += [{"town": "Troy"}, {"town": "Rome"}]
    return {}


def failed_rows(project):
    """A row that was refused, and one that got no answer."""
    project.refuse("Facts on Rome")
    project.refuse("A line on Oslo", reply=SERVER_ERROR)
    project.run()
    return {}


def fresh(project):
    """A run that takes nothing out of the store."""
    project.run()
    return {"fresh": True}


def retry(project):
    """A run that asks failed rows again, at whatever step they failed."""
    project.refuse("Facts on Rome", "A line on Oslo")
    return {"retry": project.run().report.run}


def retry_of_a_changed_pipeline(project):
    """A retry of which the other rows have no answer any more."""
    project.refuse("Facts on Rome")
    name = project.run().report.run
    project.set("steps.line.prompt", "A line on {{ row.town }}.")
    return {"retry": name}


def first_rows(project):
    """A trial over the first rows, of which one is there."""
    project.run(limit=1)
    return {"limit": 3}


EXACT = [nothing, everything, a_half, a_second_step, new_rows, failed_rows, fresh, retry, first_rows]
EXACT += [retry_of_a_changed_pipeline]


@pytest.mark.parametrize("state", EXACT)
def test_a_plan_comes_true(project, monkeypatch, state):
    """What is to be sent at each step is what the next run sends, and what is stored is what it takes out."""
    options = state(project)
    asked = len(project.server.bodies)
    with monkeypatch.context() as context:
        context.delenv("ANTHROPIC_API_KEY")
        forecast = project.plan(**options)
    assert len(project.server.bodies) == asked
    done = project.run(**options)
    assert {step.step: step.requests for step in forecast.steps if step.requests} == done.sent
    assert forecast.requests == done.asked
    counts = done.report.steps.values()
    assert [step.stored for step in forecast.steps] == [count.reused.attempts for count in counts]
    assert [step.rows for step in forecast.steps] == [count.finished + count.failed for count in counts]


@pytest.mark.parametrize("fault", [(), ("refusal=0.3",), ("truncate=0.4",)], ids=str)
def test_a_simulated_plan_comes_true(project, fault):
    """So it is with the simulator, and its faults are foreseen where they were met before."""
    project.rows = [{"town": town} for town in "abcdefgh"]
    options = {"simulate": True, "faults": fault}
    project.run(**options, limit=4)
    forecast = project.plan(**options)
    done = project.run(**options)
    assert forecast.requests >= done.asked > 0
    assert fault or forecast.requests == done.asked
    assert project.plan(**options).requests == 0
    assert [step.failed for step in project.plan(**options).steps] == [
        step.failed for step in done.report.steps.values()
    ]


def test_a_plan_foresees_a_reask(project):
    """An invalid answer whose re-ask was not sent is no answer yet: its row is to be asked once more."""
    project.rows = [{"town": "Rome"}]
    project.refuse("Facts on Rome", reply=fact("none"))
    project.run(stop_after=1)
    forecast = project.plan()
    assert [(step.stored, step.requests) for step in forecast.steps] == [(0, 1), (0, 1)]
    assert project.run().sent == {"facts": 1, "line": 1}


def test_a_plan_foresees_no_luck(project):
    """Behind an edited step all rows may be asked; those whose prompt turns out the same are not."""
    project.run()
    project.set("steps.facts.system", "You know {{ row.town }} well.")
    forecast = project.plan()
    assert [step.requests for step in forecast.steps] == [ALL, ALL]
    assert project.run().sent == {"facts": ALL}


def test_a_request_that_two_steps_share_counts_once(project):
    """Two steps of a row that ask the same share one answer: the plan counts what the run sends."""
    project.document["steps"] = {
        name: {"model": "quick", "prompt": "A line on {{ row.town }}."} for name in ("line", "same")
    }
    assert project.plan().requests == project.run().asked == ALL


def test_a_plan_leaves_nothing(project, monkeypatch):
    """Before the first run a plan makes no store and no output, needs no key, and sends nothing."""
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    assert project.plan().requests == 2 * ALL
    assert sorted(path.name for path in project.folder.iterdir()) == ["rows.jsonl", "towns.yaml"]
    assert project.server.bodies == []


def test_a_plan_changes_no_store(project):
    """A plan over a store leaves every file of it, and the output, as it was."""
    project.run()
    project.set("steps.line.prompt", "A line on {{ row.town }}.")
    before = project.files(), project.store().read_bytes()
    assert project.plan().requests == ALL
    assert (project.files(), project.store().read_bytes()) == before


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("words", [["plan"], ["run", "--dry-run"]], ids=str)
def test_the_command_tells_the_same(call, words):
    """`plan` and `run --dry-run` tell in JSON what the run's own JSON confirms."""
    call("run", "small.yaml", "--simulate", "--limit", 3)
    arguments = ["small.yaml", "--simulate", "--output-format", "json"]
    foretold = json.loads(call(*words, *arguments).out)
    done = json.loads(call("run", *arguments).out)
    assert (foretold["requests"], foretold["steps"]["note"]["stored"]) == (5, 3)
    assert (done["paid"]["attempts"], done["reused"]["attempts"]) == (5, 3)
