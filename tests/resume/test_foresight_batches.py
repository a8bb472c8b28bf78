"""What a plan says of batches: both prices, what is in a batch already, and how many come one after another."""

import pytest
from constructs import ask, lay_out

from scripted_api import said
from yamlgen.api.loading import load
from yamlgen.api.preparation import prepare
from yamlgen.api.run_options import RunOptions
from yamlgen.cancellation import Cancellation
from yamlgen.engine.scheduler import RowScheduler
from yamlgen.engine.step_runner import StepRunner
from yamlgen.errors import Code
from yamlgen.planning.estimate import Forecaster

LINE = ask("A line on {{ row.town }}.")
AFTER = ask("After {{ steps.line }}")
LAST = ask("Last, {{ steps.after }}")


@pytest.fixture
def towns(project):
    """A pipeline with these steps over this many towns."""

    def made(steps, rows=6, **top):
        lay_out(project, steps)
        project.document.update(top)
        project.rows = [{"town": f"Town {number}", "tags": []} for number in range(rows)]
        return project

    return made


def batched(step, value=True, **more):  # noqa: FBT002 - the value of the key
    """A step with `batch`."""
    return {**step, "batch": value, **more}


def costs(told):
    """The maximum cost of a forecast or a step: as it is sent, one by one, in batches."""
    return [ends and ends[1] for ends in (told.cost, told.single_cost, told.batch_cost)]


class TestPrices:
    """The cost of requests, one by one and in batches."""

    def test_answered_steps_cost_half_in_batches(self, towns):
        """Once a step has answers, all of its requests are in batches: `batch` is half the price."""
        project = towns({"line": LINE}, rows=2)
        project.run()
        project.rows += [{"town": f"New {number}", "tags": []} for number in range(4)]
        single = project.plan()
        project.document["steps"]["line"]["batch"] = True
        told = project.plan()
        assert costs(told) == [told.batch_cost[1], told.single_cost[1], pytest.approx(told.single_cost[1] / 2)]
        assert costs(single) == [told.single_cost[1], told.single_cost[1], told.batch_cost[1]]
        assert (told.steps[0].requests, told.steps[0].batched, single.steps[0].batched) == (4, True, False)

    def test_the_first_request_of_a_new_step_is_paid_in_full(self, towns):
        """It goes out by itself, so that its settings are checked: of six requests, five cost half."""
        told = towns({"line": batched(LINE)}).plan()
        assert told.cost[1] == pytest.approx(told.single_cost[1] * (1 + 5 / 2) / 6)
        assert "the first request by itself, at the full price" in told.steps[0].how

    def test_what_only_a_batch_allows_is_never_sent_first(self, towns):
        """An answer that is longer than a single request allows is in a batch, however few there are."""
        told = towns({"line": batched(LINE, {"minimum": 50}, max_tokens=200_000)}, rows=1).plan()
        assert told.steps[0].batched
        assert told.cost[1] == pytest.approx(told.single_cost[1] / 2)

    @pytest.mark.parametrize(("minimum", "is_batched"), [(5, True), (6, False), (100, False)])
    def test_too_few_requests_cost_the_full_price(self, towns, minimum, is_batched):
        """Of six requests the first goes out by itself; fewer than `minimum` go one by one, and that is told."""
        told = towns({"line": batched(LINE, {"minimum": minimum})}).plan()
        (step,) = told.steps
        assert (step.batched, step.cost == step.single_cost) == (is_batched, not is_batched)
        assert (f"fewer requests than `batch.minimum` ({minimum}): one by one" in step.how) is not is_batched
        assert told.rounds == ((1, 3) if is_batched else (0, 0))

    def test_each_step_has_its_own_way(self, towns):
        """The cost of a pipeline with both is that of its steps; both ends are what it would be one way only."""
        told = towns({"line": batched(LINE), "after": AFTER}).plan()
        line, after = told.steps
        assert (line.batched, after.batched) == (True, False)
        assert told.cost == (line.batch_cost[0] + after.single_cost[0], line.batch_cost[1] + after.single_cost[1])
        assert told.batch_cost[1] < told.cost[1] < told.single_cost[1]

    def test_the_options_decide(self, towns):
        """`batch=True` plans batches for every step, `batch=False` for none."""
        project = towns({"line": batched(LINE), "after": AFTER})
        assert [step.batched for step in project.plan(batch=True).steps] == [True, True]
        told = project.plan(batch=False)
        assert ([step.batched for step in told.steps], told.cost) == ([False, False], told.single_cost)

    def test_a_question_is_put_by_the_price_of_batches(self, towns):
        """`confirm_above_usd` between both prices lets a batch pass, and asks before single requests."""
        project = towns({"line": batched(LINE)})
        told = project.plan()
        between = (told.cost[1] + told.single_cost[1]) / 2
        unconfirmed = project.run(batch=False, confirm_above_usd=between)
        assert (unconfirmed.asked, str(unconfirmed.error.code)) == (0, Code.NOT_CONFIRMED)
        assert project.plan(confirm_above_usd=between).cost[1] < between

    def test_an_unknown_price_is_unknown_both_ways(self, towns):
        """A model without a price has none in a batch either."""
        project = towns({"line": batched(LINE)}, models={"quick": {"id": "our-own-model", "max_tokens": 100}})
        told = project.plan()
        assert (told.cost, told.single_cost, told.batch_cost) == (None, None, None)


class TestRounds:
    """How many batches come one after another, at least and at most."""

    @pytest.mark.parametrize(
        ("steps", "rows", "rounds"),
        [
            ({"line": LINE, "after": AFTER}, 6, (0, 0)),
            ({"line": batched(LINE)}, 6, (1, 1)),
            ({"line": batched(LINE), "after": batched(AFTER), "last": batched(LAST)}, 6, (3, 3)),
            ({"line": batched(LINE), "after": AFTER, "last": batched(LAST)}, 6, (2, 2)),
            ({"line": batched(LINE), "other": batched(ask("Other {{ row.town }}"))}, 6, (1, 1)),
            ({"line": batched(LINE)}, 1, (0, 0)),
            ({"line": batched(LINE)}, 120, (1, 3)),
            ({"line": batched(LINE, output={"reasks": 0})}, 120, (1, 1)),
            ({"line": batched(LINE, {"minimum": 5}, output={"reasks": 4}), "after": batched(AFTER)}, 6, (2, 6)),
            ({"line": batched(LINE, when="row.town == 'Town 0'"), "after": batched(AFTER)}, 6, (0, 0)),
        ],
        ids=[
            "none",
            "one",
            "chain",
            "a step between",
            "side by side",
            "one row",
            "re-asks",
            "no re-asks",
            "few",
            "when",
        ],
    )
    def test_they_are_the_longest_chain(self, towns, steps, rows, rounds):
        """Steps that need each other follow one another; re-asks that are too few for a batch add none."""
        assert towns(steps, rows).plan().rounds == rounds

    def test_only_what_is_left_counts(self, towns):
        """A step whose answers are stored makes no further batch."""
        project = towns({"line": batched(LINE)})
        project.script = lambda _: said("A line.")
        project.run(batch=False)
        project.document["steps"]["after"] = batched(AFTER)
        assert project.plan().rounds == (1, 1)
        assert project.plan(fresh=True).rounds == (2, 2)


class TestWaiting:
    """Requests that are in a batch already."""

    def told(self, project, is_waiting, **options):
        """The forecast of a run of which some requests are in a batch."""
        project.save()
        pipeline, chosen = load(project.path), RunOptions(**options)

        async def main():
            plan = chosen.over(pipeline.plan({}))
            async with prepare(pipeline, plan, chosen) as ready:
                recorder = ready.session.run_recorder
                async with ready.provider.open(plan, Cancellation(), recorder) as models:
                    past = {variant.name: None for _, variant in plan.variants}
                    prices, keys = ready.price_functions, iter(range(1_000_000))
                    counted = Forecaster(plan, models, past, prices, recorder.allows, lambda _: is_waiting(next(keys)))
                    runner = StepRunner(models, value_cache=recorder)
                    scheduler = RowScheduler(plan, runner, counted, lambda _: None, Cancellation())
                    await scheduler.run(ready.source.rows(ready.rows, plan.columns))
                    return counted.forecast(ready.rows)

        return project.wait(main())

    def test_they_are_not_to_send(self, towns):
        """They count neither as requests nor in the cost, but what follows them does."""
        project = towns({"line": batched(LINE), "after": AFTER})
        told = self.told(project, lambda number: number < 4)
        line, after = told.steps
        assert (line.waiting, line.requests, after.waiting, after.requests) == (4, 2, 0, 6)
        assert (told.waiting, told.requests) == (4, 8)
        assert told.as_json()["steps"]["line"]["waiting"] == 4

    def test_a_run_that_only_waits_needs_a_key(self, towns):
        """Nothing is to be sent, and a batch is to be read."""
        told = self.told(towns({"line": batched(LINE)}), lambda _: True)
        assert (told.requests, told.waiting, told.sends, told.asking) == (0, 6, False, ("line",))
        assert told.rounds == (1, 1)

    def test_they_tell_how_often_a_step_runs(self, towns):
        """The items of rows that wait are known, for the rows of which they are not."""
        project = towns({"line": batched({**LINE, "for_each": "row.tags"})}, rows=3)
        for row in project.rows:
            row["tags"] = ["a", "b"]
        told = self.told(project, lambda number: number < 2)
        assert (told.steps[0].waiting, told.steps[0].requests) == (2, 4)
