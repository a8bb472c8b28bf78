"""How samples agree, and numbers by draws and axes: against naive computing from what the run wrote."""

import pickle
import statistics
from collections import Counter, defaultdict
from itertools import combinations

import pytest

import profiled_fields as pipelines
import yamlgen
from scanned_rows import row as scanned
from scanned_rows import step
from yamlgen.profiles.fields.number_groups import GroupObserver
from yamlgen.profiles.fields.sample_agreement import AgreementObserver
from yamlgen.profiles.step_values import StepShape


@pytest.fixture(scope="module")
def made(fields_run):
    """The profile, and the rows with all steps."""
    return pipelines.profile(fields_run), list(yamlgen.rows(fields_run, output="all"))


@pytest.mark.parametrize("name", ["label", "score"])
def test_samples_agree_as_counted_by_hand(made, name):
    """Samples that failed are left out; a case needs two that did not."""
    profile, rows = made
    cases = [[vote[name] for vote in row["votes"] if vote is not None] for row in rows]
    cases = [case for case in cases if len(case) > 1]
    (found,) = [each for each in profile.agreements if each.field == name]
    pairs = [[one == other for one, other in combinations(case, 2)] for case in cases]
    assert (found.step, found.samples, found.cases) == ("votes", 3, len(cases))
    assert found.unanimous == sum(len(set(case)) == 1 for case in cases)
    assert found.majority == pytest.approx(statistics.mean(max(Counter(case).values()) / len(case) for case in cases))
    assert found.pairs == pytest.approx(statistics.mean(statistics.mean(each) for each in pairs))
    split = [number for number, row in enumerate(rows, 1) if len({vote[name] for vote in row["votes"] if vote}) > 1]
    assert list(found.split_rows) == split[:3]


def test_free_text_and_draws_are_not_compared(made):
    """Nobody expects that two long texts are equal, or two draws."""
    assert {(each.step, each.field) for each in made[0].agreements} == {("votes", "label"), ("votes", "score")}


def naive(rows, path):
    """Numbers by the value of a draw or an axis."""
    groups = defaultdict(list)
    for row in rows:
        if path == "looks.light":
            scores = [(look["light"], look["output"]) for look in row["looks"]]
        else:
            scores = [(row["mood"][path.removeprefix("mood.")], vote) for vote in row["votes"]]
        for label, verdict in scores:
            if verdict is not None and verdict["score"] is not None:
                groups[label].append(verdict["score"])
    return groups


@pytest.mark.parametrize(
    ("field", "by"),
    [("votes[].score", "mood.tone"), ("votes[].score", "mood.size"), ("looks[].output.score", "looks.light")],
)
def test_numbers_are_grouped_as_by_hand(made, field, by):
    """By an earlier draw, and by the axis of the same step."""
    profile, rows = made
    (found,) = [each for each in profile.groups if (each.field, each.by) == (field, by)]
    groups = naive(rows, by)
    assert {group.value: (group.count, group.mean) for group in found.groups} == {
        label: (len(numbers), pytest.approx(statistics.mean(numbers))) for label, numbers in groups.items()
    }
    assert all(group.quantiles.p50 == statistics.median_low(groups[group.value]) for group in found.groups)
    every = [number for numbers in groups.values() for number in numbers]
    within = sum(len(numbers) * statistics.pvariance(numbers) for numbers in groups.values())
    mean_square = within / (len(every) - len(groups))
    assert found.explained == pytest.approx(max(0, 1 - mean_square / statistics.variance(every)))


def test_groups_of_an_axis_keep_its_order(made):
    """Those of a draw are in the order of their frequency, and all are sorted by how much they differ."""
    groups = {(each.field, each.by): each for each in made[0].groups}
    assert [group.value for group in groups["looks[].output.score", "looks.light"].groups] == ["red", "green"]
    counts = [group.count for group in groups["votes[].score", "mood.size"].groups]
    assert counts == sorted(counts, reverse=True)
    explained = [each.explained for each in made[0].groups]
    assert explained == sorted(explained, reverse=True)


ITEMS = """\
version: 1
input: {path: rows.jsonl, id: id}
model: {id: claude-haiku-5-5, max_tokens: 512}
steps:
  trips: {kind: draw, draws: {km: {integer: [1, 3]}}, samples: 3}
  looks: {matrix: {light: [red, green]}, prompt: "{{ row.id }} {{ matrix.light }}"}
  longer: {kind: compute, for_each: steps.trips, values: {size: "10 * item.km"}}
  seen: {kind: compute, for_each: steps.looks, values: {size: "item.output | length"}}
  parts: {kind: draw, for_each: row.pieces, draws: {km: {integer: [1, 3]}}}
  both: {kind: compute, for_each: row.pieces, values: {size: "steps.parts[item_index].km + item"}}
output: {path: out/rows.jsonl}
"""


def test_items_are_grouped_by_what_they_were_made_for(tmp_path):
    """By the draw or the combination in their place, not by those of other items."""
    path = pipelines.write(tmp_path, [{"id": f"r{number}", "pieces": [0, 0]} for number in range(12)], ITEMS)
    pipelines.run(path)
    found = {(each.field, each.by): each for each in pipelines.profile(path).groups}
    assert {key: round(each.explained, 6) for key, each in found.items() if key[1] != "looks.light"} == {
        ("longer[].size", "trips.km"): 1.0,
        ("both[].size", "parts.km"): 1.0,
    }
    assert {group.value: group.mean for group in found["longer[].size", "trips.km"].groups} == {1: 10, 2: 20, 3: 30}
    looks = [row["looks"] for row in yamlgen.rows(path)]
    means = {
        look["light"]: statistics.mean(
            len(each["output"]) for row in looks for each in row if each["light"] == look["light"]
        )
        for look in looks[0]
    }
    assert {group.value: group.mean for group in found["seen[].size", "looks.light"].groups} == pytest.approx(means)


def test_names_that_are_data_take_no_memory():
    """An observer of rows that all have names of their own does not grow beyond its maximum number of fields."""
    mood, votes = StepShape("mood", "draw", None, (), None), StepShape("votes", "generate", None, (), 2)
    shapes = {"mood": mood, "votes": votes}
    sizes = []
    for count in (500, 1000):
        observers = AgreementObserver(shapes), GroupObserver(shapes)
        for number in range(count):
            made = step([{f"key {number}": 1}] * 2)
            for observer in observers:
                observer.add(scanned(number, mood=step({"tone": "dry"}), votes=made))
        sizes.append([len(pickle.dumps(observer)) for observer in observers])
        assert len(observers[0].agreements()) == 100
    assert sizes[0] == sizes[1]
