"""Recorded answers of any plan replay to what the run came to, and an edit misses what it changes and nothing else."""

from copy import deepcopy
from dataclasses import replace

from hypothesis import assume, given
from hypothesis import strategies as st
from pipeline_strategies import pipelines
from plan_runs import compiled

import yamlgen
from replayed_runs import recorded, replayed
from yamlgen.store.location import location_of
from yamlgen.testing.recording_file import compose_recordings, parse_recordings

faults = st.sampled_from([(), (), ("invalid_output=0.4",), ("refusal=0.3", "truncate=0.2")])


def ran(done, of=()):
    """What a run on the simulator came to, and its recordings."""
    yamlgen.run(done.pipeline, params=done.params, simulate=True, faults=of, yes=True)
    return recorded(location_of(done.path, simulated=True), done.plan, done.rows())


@given(pipelines(), faults)
def test_any_run_replays(made, of):
    """Property: without a miss, to the same output rows and failures, also after the recordings were in a file."""
    with compiled(made) as done:
        outcome, recordings = ran(done, of)
        read = parse_recordings(b"".join(compose_recordings(recordings)), "p.answers.jsonl")
        assert read.warnings == ()
        assert list(read.recordings) == list(recordings)
        again = replayed(done.plan, done.rows(), read.recordings)
        assert again.missing == ()
        assert again.outcome == outcome
        assert again.used == {each.key for each in recordings}


def _prompt(step):
    turn = step["messages"][0] if "messages" in step else step
    key = "content" if "messages" in step else "prompt"
    turn[key] = f"Anew. {turn[key]}"


def _system(step):
    step["system"] = f"Anew. {step.get('system', '')}"


def _limit(step):
    step["max_tokens"] = 777


def _model(step):
    assume("model" in step)
    step["model"] = {"id": "claude-haiku-4-5", "max_tokens": 555}


def _schema(step):
    assume("output" in step)
    step["output"]["schema"]["title"] = "Anew"


def edited(made, draw, edits):
    """A pipeline with an edit in one of its steps that ask a model, and the name of the step."""
    document = deepcopy(made.document)
    steps = {name: step for name, step in document["steps"].items() if step.get("kind", "generate") == "generate"}
    assume(steps)
    name = draw(st.sampled_from(sorted(steps)))
    draw(st.sampled_from(edits))(steps[name])
    return replace(made, document=document), name


def behind(plan, name):
    """The steps that need a step, directly or not."""
    found = {name}
    for step in plan.ordered():
        if found & set(step.needs):
            found.add(step.name)
    return found - {name}


def asked(outcome, name):
    """The rows in which a step came to something, and the number of them in which it was not skipped."""
    return {
        number
        for number, results in outcome.results.items()
        for step, status, value, _ in results
        if step == name and status != "skipped" and value != "[]"
    }


@given(pipelines(), st.data())
def test_an_edit_of_a_request_misses_that_request(made, data):
    """Property: exactly the requests of the edited step are missing, and every step beside it comes to the same."""
    with compiled(made) as done:
        outcome, recordings = ran(done)
        other, name = edited(made, data.draw, [_prompt, _system, _limit, _model, _schema])
        with compiled(other) as changed:
            plan = changed.plan
            again = replayed(plan, changed.rows(), recordings)
            assert {each.step for each in again.missing} <= {name}
            failed_before = {
                number
                for number, results in outcome.results.items()
                for step, status, _, error in results
                if step == name and status == "failed" and error[0] == "YG501"  # a template: nothing was sent
            }
            assert {each.row for each in again.missing} >= asked(outcome, name) - failed_before
            assert set(again.not_reached.get(name, ())) <= behind(plan, name)
            beside = {step.name for step in plan.steps} - behind(plan, name) - {name}
            for number, results in again.outcome.results.items():
                same = [each for each in outcome.results[number] if each[0] in beside]
                assert [each for each in results if each[0] in beside] == same


checks = st.sampled_from([None, ["false"], ["true"], [{"expression": "false", "message": "Anew"}]])


@given(pipelines(), faults, checks, st.data())
def test_an_edit_of_a_check_is_judged_on_the_recordings(made, of, check, data):
    """Property: the step itself misses nothing; steps behind it may read another value than before."""

    def edit(step):
        step.pop("check", None)
        if check is not None:
            step["check"] = check

    other, name = edited(made, data.draw, [edit])
    with compiled(made) as done, compiled(other) as changed:
        before, after = ({step.name: set(step.needs) for step in each.plan.steps} for each in (done, changed))
        assume(after[name] >= before[name])  # a check may read steps: without them the step may run where it did not
        _, recordings = ran(done, of)
        again = replayed(changed.plan, changed.rows(), recordings)
        assert {miss.step for miss in again.missing} <= behind(changed.plan, name)
