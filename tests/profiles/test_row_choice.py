"""Which rows of a run are chosen to be looked at, and why."""

import tracemalloc
from dataclasses import replace

import pytest

from scanned_rows import attempt, row, step
from yamlgen.profiles.row_choice import EACH, RULES, ChoiceReason, ChosenRow, RowChooser, with_named


def chosen(rows, most=200, run="run"):
    """The reasons of the chosen rows, by their positions."""
    chooser = RowChooser(run, most)
    for each in rows:
        chooser.add(each)
    return {each.number: each.reasons for each in chooser.rows()}


def failed(number, message):
    """A row that failed because an answer broke a rule."""
    broken = step(status="failed", attempts=[attempt(errors=[message])])
    broken.error = {"code": "YG503", "message": message, "hint": "", "request": None}
    return row(number, status="failed", label=broken)


def with_rule(found, rule):
    """The positions of the rows with a rule, and the details."""
    return {number: each.detail for number, reasons in found.items() for each in reasons if each.rule == rule}


def test_five_rows_of_each_way_of_failing_come_first():
    """By step, code and keyword; the others may come at random."""
    long, missing = '$.a: "xyz" is longer than 2 characters', '$: "a" is a required property'
    found = chosen([failed(number, missing if number % 2 else long) for number in range(40)], most=12)
    ways = with_rule(found, "failed")
    assert sorted(ways) == list(range(10))
    assert set(ways.values()) == {"label YG503 maxLength", "label YG503 required"}
    assert list(found)[:10] == sorted(ways, key=lambda number: number % 2)
    assert len(found) == 12


def test_a_step_or_an_item_that_failed_and_is_null_is_a_way_of_failing():
    """Its row has finished, and says so."""
    item = {"item": 2, "case": "item 2", "code": "YG504", "message": "refused", "request": None}
    found = chosen([row(0, notes=step([1, None], failed_items=[item])), *(row(number) for number in range(1, 9))])
    assert found[0] == (ChoiceReason("failed", "notes YG504 (null item)"),)


def test_the_slowest_dearest_and_most_reasked_are_chosen():
    """Five of each, the most first; answers of other runs take no time and cost nothing."""
    rows = []
    for number in range(50):
        own = replace(attempt(), seconds=float(number), cost=50.0 - number)
        rows.append(row(number, note=step("x", attempts=[own] * (1 + (number == 30)))))
    rows.append(row(50, note=step("x", attempts=[replace(attempt(), run="other", seconds=999.0, cost=999.0)])))
    found = chosen(rows)
    assert list(with_rule(found, "slowest")) == [30, 49, 48, 47, 46]
    assert with_rule(found, "slowest")[49] == "49.0 s"
    assert list(with_rule(found, "dearest")) == [0, 1, 2, 3, 4]
    assert with_rule(found, "most re-asked") == {30: "once"}


def test_rows_with_rare_values_are_chosen():
    """Two of each rare value of a field of few values, also inside of lists; texts and numbers are no such fields."""
    values = [{"kind": "bad" if number in {70, 80, 90} else "good", "tags": ["a"], "text": f"t {number}", "n": number}
              for number in range(200)]  # fmt: skip
    values[9]["tags"] = ["a", "z"]
    found = chosen(row(number, label=step(value)) for number, value in enumerate(values))
    rare = with_rule(found, "rare value")
    assert rare == {
        9: "label.tags[] = z (1 of 201)",
        70: "label.kind = bad (3 of 200)",
        80: "label.kind = bad (3 of 200)",
    }


def test_the_rest_is_drawn_from_all_rows_and_the_same_in_each_report():
    """Another run has another rest; whatever the order in which the rows are read."""
    rows = [row(number) for number in range(1000)]
    found = chosen(rows, most=100)
    assert list(found) == list(chosen(reversed(rows), most=100))
    assert list(found)[:50] == list(chosen(rows, most=50))
    assert found != chosen(rows, most=100, run="another")
    assert 350 < sum(found) / 100 < 650
    assert set(found.values()) == {(ChoiceReason("at random"),)}


def test_all_rows_of_a_small_run_are_chosen():
    """Each has a reason; of no rows, none is chosen."""
    assert sorted(chosen(row(number) for number in range(7))) == list(range(7))
    assert chosen([]) == {}
    assert chosen([row()], most=0) == {}


def test_when_all_rows_are_shown_only_those_with_a_reason_of_their_own_are_chosen():
    """They are marked among the others."""
    assert list(chosen([row(0), failed(1, '$: "a" is a required property')], most=None)) == [1]


@pytest.mark.parametrize(("most", "shown"), [(None, [3, 5, 1, 2]), (2, [3, 5])])
def test_rows_that_the_report_names_are_chosen_too(most, shown):
    """Beside their other reasons, the most important first; as many as there may be."""
    known = [
        ChosenRow(3, (ChoiceReason("failed", "a"),)),
        ChosenRow(1, (ChoiceReason("slowest", "9 s"),)),
        ChosenRow(2, (ChoiceReason("at random"),)),
    ]
    made = with_named(known, {"suspicious": [(5, "x"), (1, "y")]}, most)
    if most is None:
        shown = [3, 5, 1, 2]
        assert made[2].reasons == (ChoiceReason("suspicious", "y"), ChoiceReason("slowest", "9 s"))
    assert sorted(each.number for each in made) == sorted(shown)
    assert made[0].number == 3


def test_whatever_a_run_has_the_memory_is_bounded():
    """By rules, fields and values, not by rows."""

    def many(count):
        for number in range(count):
            yield row(number, note=step({f"field {number}": "x" * 50, "id": f"id {number}"}, attempts=[attempt()]))

    tracemalloc.start()
    try:
        for count in (1_000, 3_000):
            chooser = RowChooser("run", 20)
            tracemalloc.reset_peak()
            for each in many(count):
                chooser.add(each)
            peak = tracemalloc.get_traced_memory()[1]
            assert peak < 400_000
    finally:
        tracemalloc.stop()
    assert len(chooser.rows()) == 20


def test_every_rule_has_words():
    """Which say what its rows are."""
    assert all("{each}" not in words.format(each=EACH) for words in RULES.values())
