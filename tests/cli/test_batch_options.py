"""The options about batches: what they change, what is refused, and what `plan` prints."""

import json

import pytest
import yaml

import yamlgen
from yamlgen.exit_codes import ExitCode
from yamlgen.simulator.settings import SimulatorSettings

pytestmark = pytest.mark.usefixtures("small")


def planned(call, *arguments):
    """The forecast of the small pipeline as JSON."""
    return json.loads(call("plan", "small.yaml", *arguments, "--output-format", "json").out)


@pytest.mark.parametrize(
    ("arguments", "said", "fix"),
    [
        (["--detach"], "`--detach` has no effect: no step is sent in batches", "add `--batch`"),
        (["--detach", "--simulate", "--batch"], "the simulated API ends with the run", "start `yamlgen simulate`"),
        (["--detach", "--offline", "--batch"], "`--detach` has no effect with `--offline`", "remove one of them"),
        (["--detach", "--no-batch"], "`--detach` has no effect with `--no-batch`", "remove one of them"),
        (["--batch-delay", "2"], "`--batch-delay`, `--fault` and `--seed` require `--simulate`", "simulator"),
        (["--batch-delay", "-1", "--simulate"], "--batch-delay", "range"),
        (
            ["--set", "batch=true", "--set", "steps.note.max_tokens=200000", "--no-batch"],
            "`max_tokens: 200000` of step `note` only in a batch",
            "remove `--no-batch`, or lower `max_tokens`",
        ),
    ],
)
def test_what_cannot_be_is_refused_before_anything_runs(call, small, arguments, said, fix):
    """Exit code 2, with the fix, and no store is made."""
    told = call("run", "small.yaml", *arguments)
    assert told.code == ExitCode.USAGE
    assert said in told.err
    assert fix in told.err
    assert not (small / ".yamlgen").exists()


def test_the_plan_shows_both_prices(call):
    """`--batch` adds a column with the price one by one, the number of batches, and a quick trial without them."""
    told = call("plan", "small.yaml", "--batch").out + call("plan", "small.yaml", "--batch").err
    assert "8 requests to send in batches" in told
    assert "one by one" in told.splitlines()[1]
    assert "  1 batch, up to 24 hours" in told
    assert "--limit 20 --no-batch`" in told


def test_the_plan_of_single_requests_names_the_price_of_batches(call):
    """Without batches there is one line about what they would cost, and no column."""
    told = call("plan", "small.yaml").err
    most = planned(call)["batch_cost_usd"]["most"]
    assert f"  in batches (`--batch`): <$0.0001 to ${most:.4f}\n" in told
    assert "one by one" not in told
    assert "in batches (" not in call("plan", "small.yaml", "--batch").err


def test_a_plan_without_requests_says_nothing_of_batches(call):
    """Where all answers are stored, there is neither a batch nor a price of one."""
    call("run", "small.yaml", "--simulate", "-q")
    for options in ((), ("--batch",)):
        told = call("plan", "small.yaml", "--simulate", *options)
        assert "nothing to send" in told.err
        assert "batch" not in told.err


def test_the_forecast_of_a_dry_run_is_that_of_the_plan(call):
    """`run --dry-run` takes the options of batches as `plan` does."""
    given = ("--batch", "--output-format", "json")
    assert call("run", "small.yaml", "--dry-run", *given).out == call("plan", "small.yaml", *given).out
    assert yamlgen.plan("small.yaml", batch=True).as_json() == {
        key: value for key, value in planned(call, "--batch").items() if key != "version"
    }


def test_the_record_of_a_run_tells_how_it_was_sent(call):
    """The resolved pipeline of a run has the batches that the options chose, and a retry sends as the run did."""
    assert call("run", "small.yaml", "--simulate", "--batch", "--fault", "refusal=0.5", "-q").code in (0, 1)
    resolved = json.loads(call("runs", "show", "small.yaml", "--json").out)["resolved"]
    assert resolved["steps"]["note"]["batch"] is True
    assert call("retry", "small.yaml", "--simulate", "-q").code in (0, 1)
    again = json.loads(call("runs", "show", "small.yaml", "--json").out)["resolved"]
    assert again["steps"]["note"]["batch"] is True
    assert call("retry", "small.yaml", "--simulate", "--no-batch", "-q").code in (0, 1)
    alone = json.loads(call("runs", "show", "small.yaml", "--json").out)["resolved"]
    assert "batch" not in alone["steps"]["note"]


def test_what_is_rendered_has_its_batches(call):
    """`render` writes `batch` in each batched step, as the language has it."""
    shown = yaml.safe_load(call("render", "small.yaml", "--set", "batch={wait: 2h}").out)
    assert shown["steps"]["note"]["batch"] == {"wait": "2h"}


def test_a_delay_is_no_part_of_the_answers(monkeypatch):
    """Simulated answers with another delay of batches are the same answers, and the simulator has the delay."""
    assert SimulatorSettings(batch_delay=5).name == SimulatorSettings().name
    assert SimulatorSettings(batch_delay=5).options == SimulatorSettings().options
    seen = {}
    from yamlgen.simulator import server  # noqa: PLC0415 - loads the server

    class Watched(server.Simulator):
        def __init__(self, **given):
            seen.update(given)
            super().__init__(**given)

    monkeypatch.setattr(server, "Simulator", Watched)
    yamlgen.run("small.yaml", simulate=True, batch_delay=3)
    assert seen["batch_delay"] == 3
    assert yamlgen.plan("small.yaml", simulate=True, batch_delay=0).requests == 0


def test_the_code_of_a_detached_run_is_documented(call):
    """The help of `run` lists exit code 5, and the option names it."""
    shown = call("run", "--help").out
    assert f"\n    {int(ExitCode.DETACHED)}  batches are in progress" in shown
    assert f"Post the batches, and end with exit code {int(ExitCode.DETACHED)}." in " ".join(shown.split())
