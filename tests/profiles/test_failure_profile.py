"""The ways in which rows, steps and items fail, each with its first example."""

from collections import Counter

import profiled_runs as runs
from yamlgen.option_names import cli_option_names
from yamlgen.profiles.failure_profile import MOST_WAYS


def ways(bad_run, **wanted):
    """The ways that have these values."""
    return [way for way in bad_run[1].failures if all(getattr(way, name) == value for name, value in wanted.items())]


def test_every_failure_is_counted_once(bad_run):
    """The counts are those of the report: each failed row in one way, each null item and each null step."""
    _, profile, entry = bad_run
    counts = Counter()
    for way in profile.failures:
        counts[way.effect] += way.count
    nulls = sum(step["failed_items"] for step in entry.report["steps"].values())
    null_rows = sum(step["null_rows"] for step in entry.report["steps"].values())
    assert (counts["failed row"], counts["null item"], counts["null step"]) == (entry.failed, nulls, null_rows)
    assert min(entry.failed, nulls, null_rows) > 0
    assert profile.more_failures == 0


def test_rows_fail_where_and_as_the_report_says(bad_run):
    """By step and code, the counts of failed rows are those that the run has told, those of its output among them."""
    _, profile, entry = bad_run
    told, counted = Counter(), Counter()
    for group in entry.report["failures"]:
        told[group["step"], group["code"]] += group["count"]
    for way in ways(bad_run, effect="failed row"):
        counted[way.step, way.code] += way.count
    assert counted == told
    assert told["output", "YG501"] > 0
    assert profile.headline.ways == len(ways(bad_run, effect="failed row"))


def test_the_most_frequent_way_comes_first(bad_run):
    """The order is that of the counts."""
    counts = [way.count for way in bad_run[1].failures]
    assert counts == sorted(counts, reverse=True)


def test_a_way_names_the_keyword_that_the_last_answer_broke(bad_run):
    """The simulator leaves a required field out; the answers are in their order, with the words of the validator."""
    (way,) = ways(bad_run, step="facts", keyword="required")
    assert (way.code, way.place, way.effect) == ("YG503", "$.score", "failed row")
    assert len(way.answers) == 3
    assert way.answers[-1].text == "{}"
    assert way.answers[-1].errors == ('$: "score" is a required property',)
    assert '"score" is a required property' in str(way.request["messages"][-1]), "the last request is a re-ask"


def test_the_answer_of_a_null_item_is_that_of_its_case(bad_run):
    """A step with several requests for a row shows those of the item that failed."""
    way = ways(bad_run, effect="null item", code="YG504")[0]
    assert {answer.case for answer in way.answers} == {way.message.partition(":")[0]}
    assert way.answers[-1].stop_reason == "refusal"


def test_a_failure_without_a_request_has_none(bad_run):
    """An expression has neither request nor answers."""
    (way,) = ways(bad_run, step="share")
    assert (way.request, way.answers, way.code, way.row % 7) == (None, (), "YG501", 0)
    assert "division by zero" in way.message


def test_a_way_has_the_commands_that_mend_and_show_it(bad_run, call, monkeypatch):
    """Both can be typed; the one shows the row of the example, the other retries the rows that failed."""
    path, _, entry = bad_run
    monkeypatch.chdir(path.parent)
    with cli_option_names():
        profile, _ = runs.profiled(path)
    (way,) = [each for each in profile.failures if each.keyword == "required"]
    assert way.command == f"yamlgen retry notes.yaml {entry.name} --simulate"
    shown = call(*way.shows.split()[1:], "--json")
    assert shown.code == 0
    assert f'"row": {way.row},' in shown.out
    assert way.id in shown.out


def test_few_ways_are_told_in_full(tmp_path):
    """Forty ways have an example; how many failures are of others is told."""
    steps = "".join(
        f"  s{at}: {{kind: compute, value: 1 / (row.number - row.number)}}\n" for at in range(MOST_WAYS + 2)
    )
    text = f"version: 1\nname: notes\ninput: {{path: rows.jsonl}}\nsteps:\n{steps}output: {{path: out/notes.jsonl}}\n"
    path = runs.lay_out(tmp_path, text.replace("number)}", 'number), on_error: "null"}'), rows=2)
    runs.ran(path)
    profile, _ = runs.profiled(path)
    assert len(profile.failures) == MOST_WAYS
    assert profile.more_failures == 4
