"""A run against another one: its numbers are those of a naive join of what the two runs wrote."""

import json
from collections import Counter

import pytest

import yamlgen
from compared_pipeline import run, write
from yamlgen.api.run_reports import ReportOptions, profiled, report
from yamlgen.profiles.compared.run_comparison import comparison_verdict

COUNT = 60


def rows_of(path, name):
    """The rows that a run wrote, by their ids."""
    return {row["id"]: row for row in yamlgen.rows(path, name)}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The pipeline, and two runs of it: other answers, some rows of their own, other failures, in another order."""
    folder = tmp_path_factory.mktemp("runs")
    rows = [{"id": f"r-{number}", "text": f"text {number}"} for number in range(COUNT)]
    path = write(folder, rows)
    other = run(path, faults=["refusal=0.1"])
    write(folder, [*reversed(rows[5:]), {"id": 7, "text": "new"}], prompt="Judge this:")
    this = run(path, seed=3, faults=["refusal=0.15"], params={"tone": "dry"})
    return path, this, other


@pytest.fixture(scope="module")
def against(runs):
    """The comparison of the two."""
    path, this, other = runs
    return json.loads(json.dumps(report(path, this, against=other)["against"]))


def test_rows_are_matched_by_their_ids(runs, against):
    """Rows are counted by their ids, whatever their order."""
    path, this, other = runs
    mine, theirs = rows_of(path, this), rows_of(path, other)
    assert against["matched_by"] == "identity"
    assert against["rows"] == {"both": COUNT - 5, "only_this": 1, "only_other": 5}
    assert against["finished"] == len(mine.keys() & theirs.keys())
    assert against["newly_failed"] == len(theirs.keys() - mine.keys() - {f"r-{number}" for number in range(5)})
    assert against["mended"] == len(mine.keys() - theirs.keys() - {7})
    assert against["newly_failed"] > 0 < against["mended"]


@pytest.mark.parametrize("name", ["label", "good", "score"])
def test_the_table_is_that_of_a_naive_join(runs, against, name):
    """The table from value to value counts the pairs of values of the two outputs."""
    path, this, other = runs
    mine, theirs = rows_of(path, this), rows_of(path, other)
    pairs = Counter((theirs[key]["verdict"][name], mine[key]["verdict"][name]) for key in mine.keys() & theirs.keys())
    changes = next(each for each in against["fields"] if each["name"] == f"verdict.{name}")["changes"]
    assert Counter({(each["other"], each["this"]): each["count"] for each in changes["table"]}) == pairs
    assert changes["changed"] == sum(count for (before, after), count in pairs.items() if before != after)
    assert changes["compared"] == pairs.total()
    if name == "score":
        assert changes["rose"] == sum(count for (before, after), count in pairs.items() if before < after)
        assert changes["mean"] == pytest.approx(sum(pair[1] * count for pair, count in pairs.items()) / pairs.total())
        assert changes["other_mean"] == pytest.approx(
            sum(pair[0] * count for pair, count in pairs.items()) / pairs.total()
        )


def test_named_rows_are_rows_that_changed(runs, against):
    """The rows of a change have these values, under the ids that are told."""
    path, this, other = runs
    mine, theirs = rows_of(path, this), rows_of(path, other)
    changes = next(each for each in against["fields"] if each["name"] == "verdict.label")["changes"]
    named = [(each, row) for each in changes["table"] for row in each["rows"]]
    assert named
    for each, row in named:
        key = against["ids"][str(row)]
        assert (theirs[key]["verdict"]["label"], mine[key]["verdict"]["label"]) == (each["other"], each["this"])


def test_a_text_is_equal_or_not(against):
    """A long text has no table, and is counted as changed."""
    changes = next(each for each in against["fields"] if each["name"] == "verdict.why")["changes"]
    assert changes["table"] is None
    assert changes["changed"] == changes["compared"] == against["finished"]


def test_failures_are_gained_and_lost(runs, against):
    """A row that failed in one run alone is among its failures, with step and code."""
    path, this, other = runs
    failed = [{row["row"]["id"] for row in yamlgen.failures(path, name)} for name in (this, other)]
    shared = {f"r-{number}" for number in range(5, COUNT)}
    for name, rows in (("gained", failed[0] - failed[1]), ("lost", failed[1] - failed[0])):
        (way,) = against[name]
        assert (way["step"], way["code"], way["effect"]) == ("verdict", "YG504", "failed row")
        assert way["count"] == len(rows & shared)
        assert {against["ids"][str(row)] for row in way["rows"]} <= rows


def test_what_differs_between_the_runs_is_told(against):
    """The step whose prompt changed, the parameter with its values, and how the runs were started."""
    assert against["changes"] == [
        "step `verdict`: `messages`, `params`",
        "the parameter `tone`: kind -> dry",
        f"the rows of the input: {COUNT} -> {COUNT - 4}",
        "the seed of the simulator: 0 -> 3",
        'the faults of the simulator: {"refusal": 0.1} -> {"refusal": 0.15}',
    ]


def test_a_comparison_has_a_verdict(runs, against):
    """A line says which rows failed anew or were mended, and how many fields differ."""
    path, this, other = runs
    (found,) = [each for each in yamlgen.runs(path) if each.name == this]
    assert comparison_verdict(profiled(found, ReportOptions(against=other)).against) == (
        f"against {other}: {COUNT - 5} rows in both; {against['newly_failed']} failed anew; "
        f"{against['mended']} mended; 4 of 4 fields differ"
    )


def test_rows_without_ids_are_matched_by_their_content(tmp_path):
    """Equal rows are paired in their order, and a step that reads another column does not hide what they share."""
    rows = [{"text": text, "more": "m"} for text in ("a", "b", "a", "c")]
    path = write(tmp_path, rows, has_ids=False)
    other = run(path)
    this = run(write(tmp_path, [rows[2], rows[0], rows[3]], has_ids=False), seed=1)
    found = report(path, this, against=other)["against"]
    assert (found["matched_by"], found["rows"]) == ("identity", {"both": 3, "only_this": 0, "only_other": 1})
    assert (found["ids"], found["notes"]) == ({}, ())

    reading = run(write(tmp_path, rows, has_ids=False, prompt="Judge {{ row.more }}"))
    found = report(path, reading, against=other)["against"]
    assert (found["matched_by"], found["rows"]["both"]) == ("content", 4)
    assert "matched by their columns" in " ".join(found["notes"])


def test_equal_runs_differ_in_nothing(tmp_path):
    """A run whose answers come from the store has no change, and nothing to tell."""
    path = write(tmp_path, [{"id": 1, "text": "a"}, {"id": 2, "text": "b"}])
    other = run(path)
    found = report(path, run(path), against=other)["against"]
    assert found["changes"] == found["gained"] == found["lost"] == ()
    assert {each["changes"]["changed"] for each in found["fields"]} == {0}


def test_runs_without_a_common_row_are_told(tmp_path):
    """Nothing is compared, and a sentence says why."""
    path = write(tmp_path, [{"id": 1, "text": "a"}])
    other = run(path)
    found = report(path, run(write(tmp_path, [{"id": 2, "text": "b"}])), against=other)["against"]
    assert found["rows"]["both"] == found["finished"] == 0
    assert "no row in common" in " ".join(found["notes"])


def test_a_field_of_one_run_is_told(tmp_path):
    """A field that only one of the runs has is there without changes."""
    path = write(tmp_path, [{"id": 1, "text": "a"}])
    other = run(path)
    path.write_text(path.read_text(encoding="utf-8").replace("good", "fine"), encoding="utf-8")
    found = {each["name"]: each for each in report(path, run(path), against=other)["against"]["fields"]}
    assert found["verdict.good"]["this"] is None
    assert found["verdict.good"]["changes"] is None
    assert found["verdict.fine"]["other"] is None
    assert found["verdict.label"]["changes"]["compared"] == 1


def test_a_step_that_is_null_is_a_failure_that_was_gained(tmp_path):
    """A step that failed and is null in finished rows is told, and its values count as changed."""
    path = write(tmp_path, [{"id": number, "text": "a"} for number in range(3)])
    text = path.read_text(encoding="utf-8").replace("  verdict:\n", "  verdict:\n    on_error: null\n")
    path.write_text(text, encoding="utf-8")
    other = run(path)
    found = report(path, run(path, faults=["refusal=1"]), against=other)["against"]
    (way,) = found["gained"]
    assert (way["effect"], way["step"], way["count"], way["rows"]) == ("null step", "verdict", 3, (1, 2, 3))
    assert (found["finished"], found["newly_failed"]) == (3, 0)


def test_a_run_of_failures_is_compared(tmp_path):
    """A run in which no row has finished has all failures gained, and no values to compare."""
    path = write(tmp_path, [{"id": number, "text": "a"} for number in range(3)])
    other = run(path)
    found = report(path, run(path, faults=["refusal=1"]), against=other, path=tmp_path / "page.html")["against"]
    assert (found["finished"], found["newly_failed"], found["gained"][0]["count"]) == (0, 3, 3)
    assert all(each["changes"] is None or not each["changes"]["compared"] for each in found["fields"])
    assert "No values are compared." in (tmp_path / "page.html").read_text(encoding="utf-8")
