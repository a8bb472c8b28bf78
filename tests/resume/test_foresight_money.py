"""What a plan says of tokens and dollars: of every model its own, never less than the run may cost."""

import json
import math

import pytest
from constructs import lay_out

from scripted_api import said
from yamlgen.errors import Code
from yamlgen.token_estimate import MARGIN, tokens_of

LINE = "A line on {{ row.town }}."
CHEAP, DEAR = {"input": 0, "output": 1}, {"input": 0, "output": 1_000}
FANS = {
    "once": {},
    "items": {"for_each": "row.tags"},
    "samples": {"samples": 2},
}


def step(forecast):
    """What is told of the one step."""
    (told,) = forecast.steps
    return told


def alone(project, town="Oslo", **more):
    """Lay out one step over one row."""
    lay_out(project, {"line": {"prompt": LINE, "model": "quick", **more}})
    project.rows = [{"town": town, "tags": ["sea", "food"]}]
    return project


def aliases(project, cheap, dear, **more):
    """Lay out one step that asks two aliases of one model."""
    alone(project, **more, matrix={"model": ["cheap", "dear"]})
    project.document["steps"]["line"].pop("model")
    both = {"id": "claude-haiku-5-5", "max_tokens": 500}
    project.document["models"] = {"cheap": {**both, **cheap}, "dear": {**both, **dear}}
    return project


class TestAliases:
    """Two aliases of one model in a step."""

    @pytest.mark.parametrize("fan", FANS.values(), ids=FANS)
    @pytest.mark.parametrize("apart", [{}, {"effort": "high"}], ids=["price", "effort"])
    def test_each_is_reckoned_by_its_own_price(self, project, fan, apart):
        """The dearer of two that send the same, or differ in effort alone, costs what it costs."""
        aliases(project, {"price": CHEAP}, {"price": DEAR, **apart}, **fan)
        told = step(project.plan())
        each = told.requests / 2
        assert told.requests == (2 if not fan else 4)
        assert told.cost[1] == pytest.approx(each * 500 * (1 + 1_000) / 1e6)
        assert project.run().sent == {"line": told.requests}

    def test_what_is_left_is_reckoned_by_its_own_price(self, project):
        """Where the cheaper one has answered, with five tokens, the dearer one is what may still be paid."""
        aliases(project, {"price": CHEAP}, {"price": DEAR})
        project.set("runtime.concurrency", 1)
        project.run(stop_after=1)
        told = step(project.plan())
        assert (told.stored, told.requests) == (1, 1)
        assert told.cost[1] == pytest.approx(5 * 1_000 / 1e6)

    def test_a_question_is_put_by_the_dearer_one(self, project):
        """`confirm_above_usd` sees what the dearer alias may cost."""
        aliases(project, {"price": CHEAP}, {"price": DEAR})
        unconfirmed = project.run(confirm_above_usd=0.1)
        assert (unconfirmed.asked, str(unconfirmed.error.code)) == (0, Code.NOT_CONFIRMED)
        assert "the run may cost $0.50" in unconfirmed.error.message

    @pytest.mark.parametrize("apart", [{"effort": "high"}, {"max_tokens": 400}, {"thinking": "adaptive"}], ids=str)
    def test_one_tells_nothing_of_the_other_s_answers(self, project, apart):
        """Answers of one alias, which may be short, say nothing of those of another with other settings."""
        aliases(project, {"price": CHEAP}, {"price": DEAR, **apart})
        project.document["steps"]["line"]["matrix"] = {"model": ["cheap"]}
        project.run()
        project.document["steps"]["line"]["matrix"] = {"model": ["cheap", "dear"]}
        told = step(project.plan())
        assert (told.requests, told.output_tokens[1]) == (1, apart.get("max_tokens", 500))
        assert told.earlier_answers == 0


class TestHistory:
    """What earlier answers tell."""

    def test_it_tells_of_the_next_rows(self, project):
        """Tokens in and out are those of the answers that are there, without a margin."""
        alone(project).run()
        project.rows.append({"town": "Cork"})
        told = step(project.plan())
        assert (told.requests, told.input_tokens, told.output_tokens) == (1, 10, (5, 5))
        assert (told.how, told.earlier_answers) == ("as in 1 earlier answer", 1)
        assert told.cost[0] == told.cost[1]

    @pytest.mark.parametrize("change", [{"max_tokens": 900}, {"effort": "high"}, {"stop_sequences": ["."]}], ids=str)
    def test_other_settings_make_it_begin_anew(self, project, change):
        """With other settings of what bounds an answer, the next ones may be as long as these allow."""
        alone(project).run()
        project.document["steps"]["line"] |= change
        told = step(project.plan())
        assert told.output_tokens == (1, change.get("max_tokens", 2_000))
        project.document["steps"]["line"] |= {"prompt": "One more line on {{ row.town }}."}
        project.run()
        project.rows.append({"town": "Cork"})
        assert step(project.plan()).output_tokens == (5, 5)

    def test_answers_without_usage_tell_nothing(self, project):
        """A gateway that counts no tokens does not make the next requests cost nothing."""
        alone(project)
        project.script = lambda _: said("A line.", usage={})
        project.run()
        project.rows.append({"town": "Cork"})
        told = step(project.plan())
        assert (told.output_tokens, told.earlier_answers) == ((1, 2_000), 0)
        assert told.input_tokens > 0


class TestFirstEstimate:
    """What is said where nothing was ever answered."""

    def test_it_goes_by_the_request(self, project):
        """Its tokens are those of the request that the run sends, the tool and its prompt with them."""
        alone(project, output={"schema": {"type": "object"}, "mode": "tools"})
        told = step(project.plan())
        project.run(stop_after=1)
        (body,) = project.server.bodies
        assert told.input_tokens == tokens_of(body) > 400

    def test_the_margin_is_in_the_cost_and_is_told(self, project):
        """The most that a run may cost has the tokens that the estimate may lack, the least not those it may add."""
        alone(project, town="Llanfair " * 1_000).set("models.quick.price", {"input": 1_000_000, "output": 0})
        told = step(project.plan())
        tokens = told.input_tokens
        assert told.cost == (math.floor(tokens * (1 - MARGIN)), math.ceil(tokens * (1 + MARGIN)))
        assert told.how == "about 2.5 characters of English per token, within 30%; answers up to `max_tokens`"

    def test_an_older_model_has_fewer_tokens(self, project):
        """The estimate goes by the model, and says so."""
        newer = step(alone(project, town="Llanfair " * 1_000).plan())
        project.set("models.quick.id", "claude-haiku-4-5")
        older = step(project.plan())
        assert older.input_tokens == pytest.approx(newer.input_tokens * 2.5 / 3.4, rel=0.01)
        assert older.how.startswith("about 3.4 characters of English per token")

    def test_a_long_prompt_has_its_own_price(self, project):
        """A row beyond the threshold of a dearer price costs more, though the mean of the rows is below it."""
        alone(project)
        long = "Llanfair " * 60_000  # 216,000 tokens
        project.rows = [{"town": long, "tags": []}]
        dear = step(project.plan())
        project.rows = [{"town": long, "tags": []}, *({"town": "Rome", "tags": []} for _ in range(3))]
        both = step(project.plan())
        assert both.input_tokens / 4 < 100_000
        assert both.cost[1] > dear.cost[1]


@pytest.mark.usefixtures("small")
class TestCommand:
    """The same from the command line."""

    def test_a_first_plan_says_how_to_narrow_it(self, call):
        """Where nothing was answered, it says that a few rows make the estimate narrow; after them it does not."""
        first = call("plan", "small.yaml")
        assert "about 2.5 characters of English per token, within 30%" in first.err + first.out
        assert "`yamlgen run small.yaml --limit 20`" in first.err + first.out
        simulated = call("plan", "small.yaml", "--simulate")
        assert "`yamlgen run small.yaml --limit 20 --simulate`" in simulated.err + simulated.out
        call("run", "small.yaml", "--simulate", "--limit", 3)
        after = call("plan", "small.yaml", "--simulate")
        assert "as in 3 earlier answers" in after.err + after.out
        assert "--limit" not in after.err + after.out

    def test_a_plan_with_nothing_to_send_needs_no_rows(self, call):
        """Of a finished run there is nothing to narrow."""
        call("run", "small.yaml", "--simulate")
        told = call("plan", "small.yaml", "--simulate")
        assert "--limit" not in told.err + told.out

    def test_json_says_how_many_answers_it_rests_on(self, call):
        """A program can see whether the estimate is a first one."""
        call("run", "small.yaml", "--simulate", "--limit", 3)
        foretold = json.loads(call("plan", "small.yaml", "--simulate", "--output-format", "json").out)
        assert foretold["steps"]["note"]["earlier_answers"] == 3

    def test_a_simulated_run_takes_what_was_estimated(self, call):
        """The simulator counts what it is sent as the plan does."""
        foretold = json.loads(call("plan", "small.yaml", "--simulate", "--output-format", "json").out)
        done = json.loads(call("run", "small.yaml", "--simulate", "--output-format", "json").out)
        assert done["paid"]["usage"]["input_tokens"] == foretold["steps"]["note"]["input_tokens"]
        assert foretold["cost_usd"]["least"] <= done["paid"]["cost_usd"] <= foretold["cost_usd"]["most"]
