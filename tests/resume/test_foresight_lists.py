"""`plan` and `render --row` for every construct: what they tell before a run is what the run does."""

import asyncio

import pytest
from constructs import ALL, CONSTRUCTS, ITEMS, TAGS, ask, calls, lay_out

from counted_runs import REFUSED, SERVER_ERROR
from scripted_api import said
from yamlgen.api.loading import load
from yamlgen.api.row_requests import requests_of_row
from yamlgen.errors import Code, RowError, UsageError

EXACT = [name for name in CONSTRUCTS if name not in ("python", "when", "a list to come")]
"""Those of which nothing hangs on what is not there yet, or is called only by a run."""

NONE = said('{"tags": []}')
UNBOUNDED = "at least 1 per row: the maximum length of its list is unknown (set `maxItems` in the schema)"


def lay(project, name):
    """Put a construct onto the project."""
    lay_out(project, CONSTRUCTS[name][0])
    return project


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
def test_a_plan_comes_true(project, name):
    """Before the first run, of a list that is stored in part, and after the last run, the counts are exact."""
    lay(project, name)
    if name == "kept":
        project.run(max_requests=1)  # the values are made by a run alone
    forecast = project.plan()
    assert (forecast.requests + forecast.stored, step(forecast).rows) == (CONSTRUCTS[name][1], ALL)
    project.run(stop_after=2)
    assert matches(project.plan(), project.run())
    after = project.plan()
    assert (after.requests, after.stored) == (0, CONSTRUCTS[name][1])


@pytest.mark.parametrize("name", [*EXACT, "when", "a list to come"])
def test_after_a_run_nothing_is_to_be_asked(project, name):
    """Of a finished run all answers are stored, none is to be sent, and it costs nothing."""
    lay(project, name).run()
    after = project.plan()
    assert (after.requests, after.stored, after.cost) == (0, CONSTRUCTS[name][1], (0, 0))
    assert {each.failed for each in after.steps} == {0}


def test_a_fresh_plan_asks_for_every_item(project):
    """A fresh run would pay for the whole list, and its plan says so."""
    lay(project, "all at once").run()
    assert (project.plan(fresh=True).requests, project.plan(fresh=True).stored) == (8 * ITEMS, 0)


def test_more_samples_are_foreseen(project):
    """A plan of more samples counts the new ones."""
    lay(project, "samples").run()
    project.set("steps.line.samples", 5)
    assert (project.plan().requests, project.plan().stored) == (2 * ALL, 3 * ALL)


def test_refused_items_are_stored(project):
    """Of a row of which items failed all answers are stored, and the row is counted as failed."""
    lay(project, "for_each")
    project.script.wrong["Rome"] = [REFUSED, REFUSED]
    project.run()
    told = step(project.plan())
    assert (told.requests, told.stored, told.failed, told.rows) == (0, ITEMS, 1, ALL)


def test_null_items_are_stored(project):
    """An item that is null because it was refused has its answer, too."""
    lay(project, "for_each").set("steps.line.on_item_error", "null")
    project.script.wrong["Rome"] = [REFUSED]
    project.run()
    told = step(project.plan())
    assert (told.requests, told.stored, told.failed) == (0, ITEMS, 0)


def test_an_item_without_an_answer_is_to_be_sent(project):
    """Beside a refused item, one that got no answer is to be asked for; the refused one is stored."""
    lay(project, "for_each")
    project.script.wrong["Rome"] = [REFUSED, SERVER_ERROR]
    project.run()
    told = step(project.plan())
    assert (told.requests, told.stored, told.failed) == (1, ITEMS - 1, 0)


@pytest.mark.parametrize("several", [1, 2])
def test_a_retry_of_items_is_foreseen(project, several):
    """The plan of a retry counts the failed items of the failed rows, and no others."""
    lay(project, "for_each")
    project.script.wrong["Rome"] = [REFUSED] * several
    name = project.run().report.run
    assert project.plan(retry=name).requests == several
    assert project.run(retry=name).asked == several


class TestListsToCome:
    """A list that an answer gives, before the answer is there."""

    @pytest.fixture
    def coming(self, project):
        """A line for each of the tags that a model says of a town: two each."""
        return lay(project, "a list to come")

    def bound(self, project, **bounds):
        """Bound the length of the list."""
        tags = {**TAGS["properties"]["tags"], **bounds}
        project.set("steps.facts.output.schema", {**TAGS, "properties": {"tags": tags}})

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
        assert (told.requests, told.how.endswith("with 5 items per row, the maximum of its list")) == (
            5 * ALL,
            True,
        )
        assert told.cost[1] > 0

    def test_its_schema_says_how_long_it_must_be(self, coming):
        """With `minItems` alone at least so many are counted, at a cost that nobody knows."""
        self.bound(coming, minItems=3)
        told = step(coming.plan())
        assert (told.requests, told.cost, "at least 3 per row" in told.how) == (3 * ALL, None, True)

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
        assert "with 2 items per row, as in the known rows" in told.how
        assert told.cost is not None

    def test_empty_lists_are_known(self, coming):
        """A row whose list turned out to be empty counts in the average, and has no stored answer."""
        coming.set("runtime.concurrency", 1)
        coming.script.wrong["Rome"] = [NONE]
        coming.run(limit=2)
        told = step(coming.plan())
        assert (told.stored, told.requests) == (2, ALL - 2)
        assert "with 1 items per row" in told.how

    def test_empty_lists_alone_tell_nothing(self, coming):
        """That the only known list is empty does not make the others cost nothing."""
        coming.script.wrong["Oslo"] = [NONE]
        coming.run(limit=1)
        told = step(coming.plan())
        assert (told.requests, told.cost) == (ALL - 1, None)

    def test_a_list_that_is_known_to_be_empty_costs_nothing(self, project):
        """Where no row has an item nothing is to be asked, and that is what it costs."""
        lay(project, "for_each")
        project.rows = [{"town": "Graz", "tags": []}, {"town": "Oslo", "tags": ["sea"]}]
        project.run(limit=1)
        told = step(project.plan(limit=1))
        assert (told.requests, told.stored, told.cost) == (0, 0, (0, 0))


class TestWhen:
    """`when`, as far as it is known before."""

    def test_skipped_rows_are_not_counted(self, project):
        """A condition on the row is known: what it skips is neither counted nor asked."""
        lay_out(project, {"line": ask("A line on {{ row.town }}", when="row.town != 'Rome'")})
        assert (step(project.plan()).rows, project.plan().requests) == (ALL - 1, ALL - 1)

    def test_what_needs_a_skipped_step_is_not_counted(self, project):
        """Behind a step that is skipped, and one whose answer is to come, nothing will be asked."""
        needs = "{{ steps.line }} {{ steps.facts.tags }}"
        steps = {**CONSTRUCTS["a list to come"][0], "line": CONSTRUCTS["when"][0]["line"], "both": ask(needs)}
        lay_out(project, steps)
        forecast = project.plan()
        assert step(forecast, "both").requests == ALL - 1
        assert project.run().sent["both"] == ALL - 1

    def test_a_known_condition_counts_before_the_answers_are_there(self, project):
        """A step that needs an answer to come, and is not wanted for a row, is not counted for it."""
        facts = CONSTRUCTS["a list to come"][0]["facts"]
        line = ask("A line on {{ steps.facts.tags }}", when="row.town != 'Rome'")
        lay_out(project, {"facts": facts, "line": line, "end": ask("End of {{ steps.line }}")})
        forecast = project.plan()
        assert [each.requests for each in forecast.steps] == [ALL, ALL - 1, ALL - 1]
        assert "if its `when` is true" not in step(forecast).how
        assert project.run().sent == {"facts": ALL, "line": ALL - 1, "end": ALL - 1}

    def test_a_condition_that_cannot_be_computed(self, project):
        """A row that will fail before it asks is not counted where its other answers are to come."""
        facts = CONSTRUCTS["a list to come"][0]["facts"]
        line = ask("A line on {{ steps.facts.tags }}", when="1 // (row.tags | length) < 9")
        lay_out(project, {"facts": facts, "line": line})
        assert step(project.plan()).requests == ALL - 1
        assert project.run().sent == {"facts": ALL, "line": ALL - 1}

    def test_a_condition_on_an_answer_to_come(self, project):
        """What hangs on an answer counts for every row, and is told to be doubtful."""
        facts = CONSTRUCTS["a list to come"][0]["facts"]
        lay_out(project, {"facts": facts, "line": ask("A line", when="'sea' not in steps.facts.tags")})
        forecast = project.plan()
        assert (step(forecast).requests, "if its `when` is true" in step(forecast).how) == (ALL, True)
        assert (step(forecast).least_requests, forecast.least_requests) == (0, ALL)
        project.run()
        assert (step(project.plan()).requests, step(project.plan()).rows) == (0, 0)

    def test_a_skipped_step_in_a_branch(self, project):
        """What reads a skipped step in one branch only may ask all the same, once the answers are there."""
        facts = CONSTRUCTS["a list to come"][0]["facts"]
        line = ask("A line on {{ row.town }}", when="row.town == 'Rome'")
        both = ask("{% if 'sea' in steps.facts.tags %}{{ steps.line }}{% else %}Facts{% endif %}")
        lay_out(project, {"facts": facts, "line": line, "both": both})
        forecast = project.plan()
        doubt = "if it reads none of the skipped steps"
        assert (step(forecast, "both").requests, doubt in step(forecast, "both").how) == (ALL, True)
        project.run()
        assert (step(project.plan(), "both").requests, project.run().sent.get("both")) == (0, None)

    def test_a_skipped_step_in_a_branch_that_the_row_takes(self, project):
        """What the row alone decides is known before."""
        line = ask("A line on {{ row.town }}", when="row.town == 'Rome'")
        both = ask("{% if row.town == 'Oslo' %}{{ steps.line }}{% else %}{{ row.town }}{% endif %}")
        lay_out(project, {"line": line, "both": both})
        assert step(project.plan(), "both").requests == ALL - 1
        assert project.run().sent == {"line": 1, "both": ALL - 1}


def test_equal_requests_are_told(project):
    """Where each of many rows sends the same, the forecast says so; samples are meant to be the same."""
    lay_out(project, {"line": ask("A line on {{ row.town }}")})
    project.rows = [{"id": str(number), "town": "Rome"} for number in range(30)]
    assert "30 equal requests" in step(project.plan()).how
    project.set("steps.line.samples", 1)
    assert "equal" not in step(project.plan()).how
    lay_out(project, {"line": ask("A line on {{ row.id }}")})
    project.rows = [{"id": str(number), "town": "Rome"} for number in range(30)]
    assert "equal" not in step(project.plan()).how


def test_a_function_leaves_its_followers_unknown(project):
    """What follows from a function that only a run calls counts for every row, before and after a run."""
    lay(project, "python")
    assert (project.plan().requests, step(project.plan()).stored) == (ALL, 0)
    project.run()
    calls(project)
    assert (project.plan().requests, calls(project)) == (ALL, [])


def shown(project, number=2):
    """The requests of a row, as `render --row` tells them: the step, the case, what is asked; and what is made up."""
    project.save()
    made = asyncio.run(requests_of_row(load(project.path), {}, number))
    return [(each.step, each.case, each.request["messages"][-1]["content"]) for each in made], made


class TestPreview:
    """`render --row`."""

    @pytest.mark.parametrize("name", [name for name in EXACT if name != "kept"])
    def test_what_is_shown_is_what_is_sent(self, project, name):
        """The requests of a row are those that a run sends for it, each as often."""
        lay(project, name)
        _, made = shown(project)
        project.rows = project.rows[1:2]
        project.run()
        assert sorted(str(each.request) for each in made) == sorted(map(str, project.server.bodies))
        assert {each.made_up for each in made} == {()}

    def test_each_case_has_a_name(self, project):
        """Items, combinations and samples are told apart, counted from 1."""
        lay(project, "all at once")
        project.set("steps.line.matrix", {"model": ["quick"], "tone": ["dry"]})
        told, _ = shown(project, 4)
        assert told == [
            ("line", f"item 1, model=quick, tone=dry, sample {number}", "A line on Cork, sea, dry.")
            for number in (1, 2)
        ]

    def test_skipped_steps_are_not_shown(self, project):
        """A row shows the steps that are wanted for it, and what follows from a skipped one is skipped."""
        lay(project, "when")
        assert [step for step, _, _ in shown(project, 2)[0]] == ["instead"]
        assert [step for step, _, _ in shown(project, 1)[0]] == ["line", "after"]

    def test_draws_are_those_of_the_run(self, project):
        """What is drawn for a row is no invention."""
        lay(project, "draw")
        ((_, _, text),), made = shown(project)
        assert made[0].made_up == ()
        project.run()
        assert text in str(project.server.bodies)

    def test_the_authors_functions_are_not_called(self, project):
        """What a function would give is made up, and told to be."""
        lay(project, "python").set("steps.score.output", {"schema": {"type": "integer", "minimum": 7, "maximum": 7}})
        told, made = shown(project)
        assert told == [("line", "", "A line on Rome of 7.")]
        assert (made[0].made_up, calls(project)) == (("score",), [])

    def test_a_function_of_items_gives_a_list(self, project):
        """For each item a value is made up, so that later steps see a list of them."""
        score = {**CONSTRUCTS["python"][0]["score"], "for_each": "row.tags"}
        score["output"] = {"schema": {"type": "integer", "minimum": 7, "maximum": 7}}
        lay_out(project, {"score": score, "line": ask("{{ item }} of {{ steps.score }}", for_each="steps.score")})
        told, _ = shown(project)
        assert told == [("line", f"item {number}", "7 of [7, 7, 7]") for number in (1, 2, 3)]

    def test_a_list_to_come_is_made_up(self, project):
        """The items of an answer to come are invented by its schema, and all that follows is told to be."""
        tags = {"type": "array", "minItems": 2, "maxItems": 2, "items": {"const": "sea"}}
        lay(project, "a list to come").set("steps.facts.output.schema", {**TAGS, "properties": {"tags": tags}})
        told, made = shown(project)
        assert [text for _, _, text in told] == ["Facts on Rome.", *["A line on Rome and its sea."] * 2]
        assert [each.made_up for each in made] == [(), ("facts",), ("facts",)]

    def test_a_check_does_not_judge_what_is_made_up(self, project):
        """A check that no invention could pass keeps nothing from being shown."""
        lay_out(project, {"line": ask("A line", check=["false"]), "after": ask("After {{ steps.line }}")})
        assert [step for step, _, _ in shown(project)[0]] == ["line", "after"]

    def test_a_row_without_items_shows_nothing(self, project):
        """An empty list asks nothing."""
        assert shown(lay(project, "for_each"), 3)[0] == []

    def test_a_row_that_would_fail(self, project):
        """What sets the row aside in a run is told in place of its requests; a row beyond the last is, too."""
        lay(project, "compute").set("steps.sums.values.many", "1 // (row.tags | length)")
        with pytest.raises(RowError) as failed:
            shown(project, 3)
        assert failed.value.code == Code.ROW_TEMPLATE
        with pytest.raises(UsageError, match="no row 5"):
            shown(project, 5)
