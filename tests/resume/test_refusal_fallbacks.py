"""What is asked after a refusal: other models, one after the other or by the API, and only for the refused rows."""

import json

import pytest

from counted_runs import TOWNS
from scripted_api import refusal, said
from yamlgen.claude import endpoints
from yamlgen.exit_codes import ExitCode

FIRST, SECOND, THIRD = "claude-opus-5", "claude-opus-4-8", "claude-haiku-4-5"
ALL = len(TOWNS)


class Models:
    """An API whose models refuse some towns: their names by the ids of the models.

    Attributes:
        asked: the model and the town of each request.
        bodies: their bodies.
        takes: whether the API takes `fallbacks`.
    """

    def __init__(self, **refusing):
        self.refusing = {name.replace("_", "-"): towns for name, towns in refusing.items()}
        self.asked, self.bodies, self.takes = [], [], True

    def __call__(self, body):
        """The reply to a body: the API asks the models of `fallbacks` itself."""
        town = next(town for town in TOWNS if town in json.dumps(body["messages"]))
        self.asked.append((body["model"], town))
        self.bodies.append(body)
        given = body.get("fallbacks", [])
        if given and not self.takes:
            return refusal(400, f"'{body['model']}' does not support the `fallbacks` parameter")
        given = [{"model": SECOND}] if given == "default" else given
        hops, blocks, models = [], [], [body["model"], *(each["model"] for each in given)]
        for model in models:
            is_refused = town in self.refusing.get(model, ())
            kind = "message" if is_refused or model == models[0] else "fallback_message"
            hops.append({"type": kind, "model": model, "input_tokens": 10, "output_tokens": 0 if is_refused else 5})
            if not is_refused:
                break
            if model != models[-1]:
                after = models[models.index(model) + 1]
                blocks.append({"type": "fallback", "from": {"model": model}, "to": {"model": after}, "trigger": None})
        usage = {
            "input_tokens": 10,
            "output_tokens": 0 if is_refused else 5,
            **({"iterations": hops} if len(hops) > 1 else {}),
        }
        if is_refused:
            return said(*blocks, stop="refusal", model=model, usage=usage)
        return said(*blocks, f"{model} on {town}", model=model, usage=usage)


@pytest.fixture
def lines(project):
    """A project of one step, whose model refuses Oslo."""
    project.script = Models(claude_opus_5=["Oslo"])
    project.set("models", {"first": {"id": FIRST}, "second": {"id": SECOND}, "third": {"id": THIRD}})
    project.set("steps.facts", None)
    project.set("steps.line", {"model": "first", "prompt": "A line on {{ row.town }}."})
    return project


@pytest.fixture
def official(lines, monkeypatch):
    """The same, at an address that counts as Anthropic's own."""
    monkeypatch.setattr(endpoints, "PUBLIC_URL", lines.server.url)
    return lines


def served(project):
    """The model of each line, by town."""
    return {town: line.split(" on ")[0] for town, line in project.lines().items()}


def test_another_model_is_asked_for_the_refused_row_alone(lines):
    """The others have their answers; the line in the file says by which model the refused row is answered."""
    lines.set("steps.line.on_refusal", ["second"])
    run = lines.run()
    assert run.code == 0
    assert lines.script.asked.count((SECOND, "Oslo")) == 1
    assert run.asked == ALL + 1
    assert served(lines) == {**dict.fromkeys(TOWNS, FIRST), "Oslo": SECOND}
    assert run.report.steps["line"].fallbacks == {SECOND: 1}
    assert run.report.steps["line"].reasks == 0


def test_a_second_run_asks_nothing(lines):
    """The refusal is in the store, and so is the answer of the other model, under its own key."""
    lines.set("steps.line.on_refusal", ["second"])
    first = lines.run()
    before = lines.files()
    second = lines.run()
    assert second.asked == 0
    assert lines.files() == before
    assert second.report.reused.cost_usd == pytest.approx(first.report.paid.cost_usd)


def test_the_line_added_later_pays_for_refused_rows_alone(lines):
    """A plan says so before."""
    assert lines.run().report.failed == 1
    lines.set("steps.line.on_refusal", ["second"])
    assert lines.plan().requests == 1
    assert lines.run().asked == 1
    assert served(lines)["Oslo"] == SECOND


def test_a_longer_chain_goes_on_where_the_shorter_ended(lines):
    """Models that have refused are not asked again."""
    lines.script.refusing[SECOND] = ["Oslo"]
    lines.set("steps.line.on_refusal", ["second"])
    assert lines.run().report.failed == 1
    assert lines.failed() == {"Oslo": "YG504"}
    lines.set("steps.line.on_refusal", ["second", "third"])
    run = lines.run()
    assert run.asked == 1
    assert served(lines)["Oslo"] == THIRD


def test_the_failed_row_shows_every_refusal(lines):
    """All attempts, and the request of the last model."""
    lines.script.refusing[SECOND] = ["Oslo"]
    lines.set("steps.line.on_refusal", ["second"])
    lines.run()
    (row,) = map(json.loads, (lines.folder / "out" / "towns.failed.jsonl").read_text().splitlines())
    assert [each["response"]["model"] for each in row["attempts"]] == [FIRST, SECOND]
    assert row["request"]["model"] == SECOND


def test_a_retry_asks_all_models_again(lines):
    """None of the answers that failed the row is used."""
    lines.script.refusing[SECOND] = ["Oslo"]
    lines.set("steps.line.on_refusal", ["second"])
    failed = lines.run()
    again = lines.run(retry=failed.report.run)
    assert again.asked == 2
    lines.script.refusing[SECOND] = []
    assert lines.run(retry=again.report.run).asked == 2
    assert served(lines)["Oslo"] == SECOND


def test_each_answer_has_the_price_of_its_model(lines):
    """A refusal without output is free."""
    lines.set("steps.line.on_refusal", ["second"])
    lines.set("models.second.price", {"input": 1000, "output": 1000})
    run = lines.run()
    each = 10 * 5e-6 + 5 * 25e-6
    assert run.report.paid.cost_usd == pytest.approx((ALL - 1) * each + 15 * 1000e-6)


def test_the_api_asks_the_other_model_itself(official):
    """One request, with the beta in a header; the answer is stored under the key of the first model."""
    official.set("models.second.effort", "low")
    official.set("steps.line.on_refusal", ["second"])
    run = official.run()
    assert run.asked == ALL
    assert official.script.bodies[0]["fallbacks"] == [{"model": SECOND, "output_config": {"effort": "low"}}]
    assert official.server.headers[0]["anthropic-beta"] == "server-side-fallback-2026-07-01"
    assert served(official)["Oslo"] == SECOND
    assert run.report.steps["line"].fallbacks == {SECOND: 1}
    official.set("steps.line.on_refusal", None)
    assert official.run().asked == 0


def test_the_beta_joins_those_of_the_environment(official, monkeypatch):
    """The header names both."""
    monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", "anthropic-beta: ours-2026-01-01")
    official.set("steps.line.on_refusal", ["second"])
    official.run(limit=1)
    assert official.server.headers[0]["anthropic-beta"] == "ours-2026-01-01,server-side-fallback-2026-07-01"


@pytest.mark.parametrize("after", range(1, ALL + 1))
def test_a_run_that_is_stopped_asks_the_rest_alone(lines, after):
    """Wherever it ends, no request is sent twice."""
    lines.set("runtime.concurrency", 1)
    lines.set("steps.line.on_refusal", ["second"])
    first = lines.run(stop_after=after)
    second = lines.run()
    assert first.asked + second.asked == ALL + 1
    assert served(lines)["Oslo"] == SECOND


def test_the_price_of_an_answer_of_the_api_is_that_of_the_model(official):
    """Also with a price that the author has set for it."""
    official.set("models.second.price", {"input": 1000, "output": 1000})
    official.set("steps.line.on_refusal", ["second"])
    each = 10 * 5e-6 + 5 * 25e-6
    assert official.run().report.paid.cost_usd == pytest.approx((ALL - 1) * each + 15 * 1000e-6)


def test_a_stored_refusal_is_not_asked_of_its_model_again(official):
    """The next model has a request of its own, though the API could ask it."""
    official.run()
    official.set("steps.line.on_refusal", ["second"])
    assert official.run().asked == 1
    assert official.script.asked[-1] == (SECOND, "Oslo")
    assert official.run().asked == 0


def test_models_that_the_api_has_asked_are_not_asked_again(official):
    """If all refuse, that is the end; a further model is asked alone."""
    official.script.refusing[SECOND] = ["Oslo"]
    official.set("steps.line.on_refusal", ["second"])
    assert official.run().asked == ALL
    assert official.run().asked == 0
    official.set("steps.line.on_refusal", ["second", "third"])
    assert official.run().asked == 1
    assert official.script.asked[-1] == (THIRD, "Oslo")


def test_an_api_that_refuses_the_field_is_told_so_once(official):
    """Yamlgen asks the models itself, and no row fails."""
    official.script.takes = False
    official.set("models.first.id", "claude-opus-5-5")
    official.script.refusing = {"claude-opus-5-5": ["Oslo"]}
    official.set("steps.line.on_refusal", ["second"])
    run = official.run()
    assert run.code == 0
    assert served(official)["Oslo"] == SECOND
    (warning,) = run.report.warnings
    assert "does not accept the fallback models" in warning


@pytest.mark.parametrize(
    ("path", "value"),
    [("models.second.stop_sequences", ["END"]), ("models.first.id", "claude-haiku-5-5")],
    ids=["another setting", "a model without fallbacks"],
)
def test_what_the_api_cannot_say_is_asked_by_requests_of_our_own(official, path, value):
    """The request has no `fallbacks`."""
    official.set(path, value)
    official.script.refusing = {FIRST: ["Oslo"], "claude-haiku-5-5": ["Oslo"]}
    official.set("steps.line.on_refusal", ["second"])
    assert official.run().code == 0
    assert not any("fallbacks" in body for body in official.script.bodies)
    assert served(official)["Oslo"] == SECOND


@pytest.fixture
def default(official, monkeypatch):
    """A project whose step leaves the choice to the API."""
    monkeypatch.delenv("ANTHROPIC_BASE_URL")
    monkeypatch.setattr("yamlgen.pipeline.model_settings.PUBLIC_URL", official.server.url)
    official.set("runtime.base_url", official.server.url)
    official.set("steps.line.on_refusal", "default")
    return official


def test_the_api_chooses_the_other_model(default):
    """The record tells which."""
    run = default.run()
    assert run.asked == ALL
    assert default.script.bodies[0]["fallbacks"] == "default"
    assert run.report.steps["line"].fallbacks == {SECOND: 1}


def test_default_added_later_pays_for_refused_rows_alone(default):
    """A refusal from before is asked once more, with the models of the API; if it stands, it stays."""
    default.set("steps.line.on_refusal", None)
    default.run()
    default.set("steps.line.on_refusal", "default")
    default.script.refusing[SECOND] = ["Oslo"]
    assert default.plan().requests == 1
    assert default.run().asked == 1
    assert default.run().asked == 0
    assert default.failed() == {"Oslo": "YG504"}


def test_a_refusal_that_stands_is_not_paid_for_again(default):
    """The API may know no other model for it."""
    default.script = type("Alone", (), {"__call__": lambda _, body: said(stop="refusal", model=body["model"])})()
    assert default.run().asked == ALL
    assert default.run().asked == 0


def test_an_api_without_a_choice_of_its_own_ends_the_run(default):
    """The hint names the way out."""
    default.script.takes = False
    run = default.run()
    assert run.error.exit_code is ExitCode.ENVIRONMENT
    assert "`on_refusal: default`" in run.error.message
    assert run.error.hint.startswith("name the models under `on_refusal`")


def test_a_refusal_tells_nothing_of_the_length_of_answers(lines):
    """After a run with nothing but refusals, a plan reckons with `max_tokens` for the other rows."""
    lines.script.refusing = {FIRST: TOWNS}
    lines.run(limit=1)
    (told,) = lines.plan().steps
    assert told.output_tokens == (told.requests, told.requests * 4096)
