"""`plan` and `render --row` for every construct: what they tell before a run is what the run does."""

import asyncio

import pytest
from constructs import ALL, CONSTRUCTS, ITEMS, TAGS, ask, calls, lay_out

from counted_runs import REFUSED, SERVER_ERROR
from scripted_api import said
from yamlgen.api.loading import load
from yamlgen.api.preview import preview
from yamlgen.errors import Code, RowError, UsageError

EXACT = [name for name in CONSTRUCTS if name not in ("python", "when", "a list to come")]
"""Those of which nothing hangs on what is not there yet, or is called only by a run."""

NONE = said('{"tags": []}')
UNBOUNDED = "at least 1 a row: nothing says how long its list may be (`maxItems` in a schema does)"


def lay(bench, name):
    """Put a construct onto the workbench."""
    lay_out(bench, CONSTRUCTS[name][0])
    return bench


def step(forecast, name="line"):
    """What is told of a step."""
    return next(each for each in forecast.steps if each.step == name)


def matches(forecast, done):
    """Whether a forecast told what the run did."""
    assert {each.step: each.requests for each in forecast.steps if each.requests} == done.sent
    counts = done.report.steps
    assert [each.stored for each in forecast.steps] == [counts[each.step].reused.attempts for each in forecast.steps]
    return True


@pytest.mark.parametrize("name", EXACT)
def test_a_plan_comes_true(bench, name):
    """Before the first run, of a list that is stored in part, and after the last run, the counts are exact."""
    lay(bench, name)
    if name == "kept":
        bench.run(max_requests=1)  # the values are made by a run alone
    forecast = bench.plan()
    assert (forecast.requests + forecast.stored, step(forecast).rows) == (CONSTRUCTS[name][1], ALL)
    bench.run(stop_after=2)
    assert matches(bench.plan(), bench.run())
    after = bench.plan()
    assert (after.requests, after.stored) == (0, CONSTRUCTS[name][1])


@pytest.mark.parametrize("name", [*EXACT, "when", "a list to come"])
def test_after_a_run_nothing_is_to_be_asked(bench, name):
    """Of a finished run all answers are stored, none is to be sent, and it costs nothing."""
    lay(bench, name).run()
    after = bench.plan()
    assert (after.requests, after.stored, after.cost) == (0, CONSTRUCTS[name][1], (0, 0))
    assert {each.failed for each in after.steps} == {0}


def test_a_fresh_plan_asks_for_every_item(bench):
    """A fresh run would pay for the whole list, and its plan says so."""
    lay(bench, "all at once").run()
    assert (bench.plan(fresh=True).requests, bench.plan(fresh=True).stored) == (8 * ITEMS, 0)


def test_more_samples_are_foreseen(bench):
    """A plan of more samples counts the new ones."""
    lay(bench, "samples").run()
    bench.set("steps.line.samples", 5)
    assert (bench.plan().requests, bench.plan().stored) == (2 * ALL, 3 * ALL)


def test_refused_items_are_stored(bench):
    """Of a row of which items failed all answers are stored, and the row is counted as failed."""
    lay(bench, "for_each")
    bench.script.wrong["Rome"] = [REFUSED, REFUSED]
    bench.run()
    told = step(bench.plan())
    assert (told.requests, told.stored, told.failed, told.rows) == (0, ITEMS, 1, ALL)


def test_null_items_are_stored(bench):
    """An item that is null because it was refused has its answer, too."""
    lay(bench, "for_each").set("steps.line.on_item_error", "null")
    bench.script.wrong["Rome"] = [REFUSED]
    bench.run()
    told = step(bench.plan())
    assert (told.requests, told.stored, told.failed) == (0, ITEMS, 0)


def test_an_item_without_an_answer_is_to_be_sent(bench):
    """Beside a refused item, one that got no answer is to be asked for; the refused one is stored."""
    lay(bench, "for_each")
    bench.script.wrong["Rome"] = [REFUSED, SERVER_ERROR]
    bench.run()
    told = step(bench.plan())
    assert (told.requests, told.stored, told.failed) == (1, ITEMS - 1, 0)


@pytest.mark.parametrize("several", [1, 2])
def test_a_retry_of_items_is_foreseen(bench, several):
    """The plan of a retry counts the failed items of the failed rows, and no others."""
    lay(bench, "for_each")
    bench.script.wrong["Rome"] = [REFUSED] * several
    name = bench.run().report.run
    assert bench.plan(retry=name).requests == several
    assert bench.run(retry=name).asked == several


class TestListsToCome:
    """A list that an answer gives, before the answer is there."""

    @pytest.fixture
    def coming(self, bench):
        """A line for each of the tags that a model says of a town: two each."""
        return lay(bench, "a list to come")

    def bound(self, bench, **bounds):
        """Bound the length of the list."""
        tags = {**TAGS["properties"]["tags"], **bounds}
        bench.set("steps.facts.output.schema", {**TAGS, "properties": {"tags": tags}})

    def test_nothing_says_how_long_it_is(self, coming):
        """At least one item a row is counted, and nobody knows what the run costs."""
        forecast = coming.plan()
        assert (step(forecast, "facts").requests, step(forecast).requests) == (ALL, ALL)
        assert (step(forecast).cost, forecast.cost) == (None, None)
        assert step(forecast).how.endswith(UNBOUNDED)
        assert step(forecast, "facts").cost is not None

    def test_its_schema_says_how_long_it_may_be(self, coming):
        """With `maxItems` as many items a row are counted, and the cost is bounded."""
        self.bound(coming, maxItems=5)
        told = step(coming.plan())
        assert (told.requests, told.how.endswith("with 5 items a row, the most that its list may have")) == (
            5 * ALL,
            True,
        )
        assert told.cost[1] > 0

    def test_its_schema_says_how_long_it_must_be(self, coming):
        """With `minItems` alone at least so many are counted, at a cost that nobody knows."""
        self.bound(coming, minItems=3)
        told = step(coming.plan())
        assert (told.requests, told.cost, "at least 3 a row" in told.how) == (3 * ALL, None, True)

    def test_combinations_and_samples_multiply(self, coming):
        """Each item counts for each combination and sample."""
        self.bound(coming, maxItems=5)
        coming.set("steps.line.samples", 2)
        coming.set("steps.line.matrix", {"tone": ["dry", "warm", "curt"]})
        assert step(coming.plan()).requests == 5 * 2 * 3 * ALL

    def test_rows_that_are_known_tell_of_the_others(self, coming):
        """Where lists of some rows are there, the others are reckoned to be as long on average."""
        coming.run(limit=2)
        told = step(coming.plan())
        assert (told.stored, told.requests) == (4, 2 * (ALL - 2))
        assert "with 2 items a row, as in those that are known" in told.how
        assert told.cost is not None

    def test_empty_lists_are_known(self, coming):
        """A row whose list turned out to be empty counts in the average, and has no stored answer."""
        coming.set("runtime.concurrency", 1)
        coming.script.wrong["Rome"] = [NONE]
        coming.run(limit=2)
        told = step(coming.plan())
        assert (told.stored, told.requests) == (2, ALL - 2)
        assert "with 1 items a row" in told.how

    def test_empty_lists_alone_tell_nothing(self, coming):
        """That the only known list is empty does not make the others cost nothing."""
        coming.script.wrong["Oslo"] = [NONE]
        coming.run(limit=1)
        told = step(coming.plan())
        assert (told.requests, told.cost) == (ALL - 1, None)

    def test_a_list_that_is_known_to_be_empty_costs_nothing(self, bench):
        """Where no row has an item nothing is to be asked, and that is what it costs."""
        lay(bench, "for_each")
        bench.rows = [{"town": "Graz", "tags": []}, {"town": "Oslo", "tags": ["sea"]}]
        bench.run(limit=1)
        told = step(bench.plan(limit=1))
        assert (told.requests, told.stored, told.cost) == (0, 0, (0, 0))


class TestWhen:
    """`when`, as far as it is known before."""

    def test_skipped_rows_are_not_counted(self, bench):
        """A condition on the row is known: what it skips is neither counted nor asked."""
        lay_out(bench, {"line": ask("A line on {{ row.town }}", when="row.town != 'Rome'")})
        assert (step(bench.plan()).rows, bench.plan().requests) == (ALL - 1, ALL - 1)

    def test_what_needs_a_skipped_step_is_not_counted(self, bench):
        """Behind a step that is skipped, and one whose answer is to come, nothing will be asked."""
        needs = "{{ steps.line }} {{ steps.facts.tags }}"
        steps = {**CONSTRUCTS["a list to come"][0], "line": CONSTRUCTS["when"][0]["line"], "both": ask(needs)}
        lay_out(bench, steps)
        forecast = bench.plan()
        assert step(forecast, "both").requests == ALL - 1
        assert bench.run().sent["both"] == ALL - 1

    def test_a_known_condition_counts_before_the_answers_are_there(self, bench):
        """A step that needs an answer to come, and is not wanted for a row, is not counted for it."""
        facts = CONSTRUCTS["a list to come"][0]["facts"]
        line = ask("A line on {{ steps.facts.tags }}", when="row.town != 'Rome'")
        lay_out(bench, {"facts": facts, "line": line, "end": ask("End of {{ steps.line }}")})
        forecast = bench.plan()
        assert [each.requests for each in forecast.steps] == [ALL, ALL - 1, ALL - 1]
        assert "if its `when` holds" not in step(forecast).how
        assert bench.run().sent == {"facts": ALL, "line": ALL - 1, "end": ALL - 1}

    def test_a_condition_that_cannot_be_computed(self, bench):
        """A row that will fail before it asks is not counted where its other answers are to come."""
        facts = CONSTRUCTS["a list to come"][0]["facts"]
        line = ask("A line on {{ steps.facts.tags }}", when="1 // (row.tags | length) < 9")
        lay_out(bench, {"facts": facts, "line": line})
        assert step(bench.plan()).requests == ALL - 1
        assert bench.run().sent == {"facts": ALL, "line": ALL - 1}

    def test_a_condition_on_an_answer_to_come(self, bench):
        """What hangs on an answer counts for every row, and is told to be doubtful."""
        facts = CONSTRUCTS["a list to come"][0]["facts"]
        lay_out(bench, {"facts": facts, "line": ask("A line", when="'sea' not in steps.facts.tags")})
        forecast = bench.plan()
        assert (step(forecast).requests, "if its `when` holds" in step(forecast).how) == (ALL, True)
        bench.run()
        assert (step(bench.plan()).requests, step(bench.plan()).rows) == (0, 0)

    def test_a_skipped_step_in_a_branch(self, bench):
        """What reads a skipped step in one branch only may ask all the same, once the answers are there."""
        facts = CONSTRUCTS["a list to come"][0]["facts"]
        line = ask("A line on {{ row.town }}", when="row.town == 'Rome'")
        both = ask("{% if 'sea' in steps.facts.tags %}{{ steps.line }}{% else %}Facts{% endif %}")
        lay_out(bench, {"facts": facts, "line": line, "both": both})
        forecast = bench.plan()
        doubt = "if it reads none of the steps that are skipped"
        assert (step(forecast, "both").requests, doubt in step(forecast, "both").how) == (ALL, True)
        bench.run()
        assert (step(bench.plan(), "both").requests, bench.run().sent.get("both")) == (0, None)

    def test_a_skipped_step_in_a_branch_that_the_row_takes(self, bench):
        """What the row alone decides is known before."""
        line = ask("A line on {{ row.town }}", when="row.town == 'Rome'")
        both = ask("{% if row.town == 'Oslo' %}{{ steps.line }}{% else %}{{ row.town }}{% endif %}")
        lay_out(bench, {"line": line, "both": both})
        assert step(bench.plan(), "both").requests == ALL - 1
        assert bench.run().sent == {"line": 1, "both": ALL - 1}


def test_equal_requests_are_told(bench):
    """Where each of many rows sends the same, the forecast says so; samples are meant to be the same."""
    lay_out(bench, {"line": ask("A line on {{ row.town }}")})
    bench.rows = [{"id": str(number), "town": "Rome"} for number in range(30)]
    assert "30 equal requests" in step(bench.plan()).how
    bench.set("steps.line.samples", 1)
    assert "equal" not in step(bench.plan()).how
    lay_out(bench, {"line": ask("A line on {{ row.id }}")})
    bench.rows = [{"id": str(number), "town": "Rome"} for number in range(30)]
    assert "equal" not in step(bench.plan()).how


def test_a_function_leaves_its_followers_unknown(bench):
    """What follows from a function that only a run calls counts for every row, before and after a run."""
    lay(bench, "python")
    assert (bench.plan().requests, step(bench.plan()).stored) == (ALL, 0)
    bench.run()
    calls(bench)
    assert (bench.plan().requests, calls(bench)) == (ALL, [])


def shown(bench, number=2):
    """The requests of a row, as `render --row` tells them: the step, the case, what is asked; and what is made up."""
    bench.save()
    made = asyncio.run(preview(load(bench.path), {}, number))
    return [(each.step, each.case, each.request["messages"][-1]["content"]) for each in made], made


class TestPreview:
    """`render --row`."""

    @pytest.mark.parametrize("name", [name for name in EXACT if name != "kept"])
    def test_what_is_shown_is_what_is_sent(self, bench, name):
        """The requests of a row are those that a run sends for it, each as often."""
        lay(bench, name)
        _, made = shown(bench)
        bench.rows = bench.rows[1:2]
        bench.run()
        assert sorted(str(each.request) for each in made) == sorted(map(str, bench.server.bodies))
        assert {each.made_up for each in made} == {()}

    def test_each_case_has_a_name(self, bench):
        """Items, combinations and samples are told apart, counted from 1."""
        lay(bench, "all at once")
        bench.set("steps.line.matrix", {"model": ["quick"], "tone": ["dry"]})
        told, _ = shown(bench, 4)
        assert told == [
            ("line", f"item 1, model=quick, tone=dry, sample {number}", "A line on Cork, sea, dry.")
            for number in (1, 2)
        ]

    def test_skipped_steps_are_not_shown(self, bench):
        """A row shows the steps that are wanted for it, and what follows from a skipped one is skipped."""
        lay(bench, "when")
        assert [step for step, _, _ in shown(bench, 2)[0]] == ["instead"]
        assert [step for step, _, _ in shown(bench, 1)[0]] == ["line", "after"]

    def test_draws_are_those_of_the_run(self, bench):
        """What is drawn for a row is no invention."""
        lay(bench, "draw")
        ((_, _, text),), made = shown(bench)
        assert made[0].made_up == ()
        bench.run()
        assert text in str(bench.server.bodies)

    def test_the_authors_functions_are_not_called(self, bench):
        """What a function would give is made up, and told to be."""
        lay(bench, "python").set("steps.score.output", {"schema": {"type": "integer", "minimum": 7, "maximum": 7}})
        told, made = shown(bench)
        assert told == [("line", "", "A line on Rome of 7.")]
        assert (made[0].made_up, calls(bench)) == (("score",), [])

    def test_a_function_of_items_gives_a_list(self, bench):
        """For each item a value is made up, so that later steps see a list of them."""
        score = {**CONSTRUCTS["python"][0]["score"], "for_each": "row.tags"}
        score["output"] = {"schema": {"type": "integer", "minimum": 7, "maximum": 7}}
        lay_out(bench, {"score": score, "line": ask("{{ item }} of {{ steps.score }}", for_each="steps.score")})
        told, _ = shown(bench)
        assert told == [("line", f"item {number}", "7 of [7, 7, 7]") for number in (1, 2, 3)]

    def test_a_list_to_come_is_made_up(self, bench):
        """The items of an answer to come are invented by its schema, and all that follows is told to be."""
        tags = {"type": "array", "minItems": 2, "maxItems": 2, "items": {"const": "sea"}}
        lay(bench, "a list to come").set("steps.facts.output.schema", {**TAGS, "properties": {"tags": tags}})
        told, made = shown(bench)
        assert [text for _, _, text in told] == ["Facts on Rome.", *["A line on Rome and its sea."] * 2]
        assert [each.made_up for each in made] == [(), ("facts",), ("facts",)]

    def test_a_check_does_not_judge_what_is_made_up(self, bench):
        """A check that no invention could pass keeps nothing from being shown."""
        lay_out(bench, {"line": ask("A line", check=["false"]), "after": ask("After {{ steps.line }}")})
        assert [step for step, _, _ in shown(bench)[0]] == ["line", "after"]

    def test_a_row_without_items_shows_nothing(self, bench):
        """An empty list asks nothing."""
        assert shown(lay(bench, "for_each"), 3)[0] == []

    def test_a_row_that_would_fail(self, bench):
        """What sets the row aside in a run is told in place of its requests; a row beyond the last is, too."""
        lay(bench, "compute").set("steps.sums.values.many", "1 // (row.tags | length)")
        with pytest.raises(RowError) as failed:
            shown(bench, 3)
        assert failed.value.code == Code.ROW_TEMPLATE
        with pytest.raises(UsageError, match="no row 5"):
            shown(bench, 5)
