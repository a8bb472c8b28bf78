"""Draws against their weights: right draws are never suspected, whatever their rule and their number."""

import pytest

from scanned_rows import row as scanned
from scanned_rows import step
from yamlgen.profiles.doubts.draw_shares import DrawObserver
from yamlgen.steps.draw.checks import compile_draws
from yamlgen.steps.draw.config import Draw
from yamlgen.steps.draw.sampling import draw

DRAWS = {
    "mood": {"choices": ["calm", "angry", "angry", None, 1], "weights": [3, 1, 1, 0.5, 0]},
    "even": {"choices": [1, 2.5, True, [1]]},
    "die": {"integer": [1, 6]},
    "age": {"integer": [18, 90]},
    "huge": {"integer": [-(2**70), 2**70]},
    "km": {"number": [1, 40]},
    "one": {"number": [3, 3]},
    "half": {"number": [0, 1], "decimals": 0},
    "fine": {"number": [-1, 1], "decimals": 3},
    "near": {"number": [1_000_000, 1_000_001]},
    "whole": {"number": [1_200_000, 1_200_007], "decimals": 0},
    "day": {"date": ["2026-01-01", "2026-12-31"]},
    "long": {"given": "mood", "cases": {"angry": {"integer": [1, 2]}}, "otherwise": {"choices": ["x", "y"]}},
}


def rules_of(draws):
    """The rules as they are recorded, and as they draw."""
    written = Draw(draws=draws).draws
    recorded = {name: rule.model_dump(exclude_none=True) for name, rule in written.items()}
    rules, problems = compile_draws(written, lambda *_: None)
    assert not problems
    return recorded, rules


def observed(draws, number, *, seed=0, identity=str, status=lambda _: "finished"):
    """What is suspected after so many rows."""
    recorded, rules = rules_of(draws)
    observer = DrawObserver({"who": {"kind": "draw", "draws": recorded}, "note": {"kind": "generate"}})
    for row in range(number):
        made = draw(rules, seed, [identity(row), "who"])
        observer.add(scanned(row, status=status(made), who=step(made)))
    return list(observer.suspicions())


@pytest.mark.parametrize("number", [1, 60, 1500])
def test_right_draws_are_not_suspected(number):
    """Of any kind of rule and any number of rows, with two seeds."""
    assert not observed(DRAWS, number) + observed(DRAWS, number, seed=7)


def test_rows_that_fail_by_their_draws_are_suspected():
    """The rows that are left are not spread as the weights say, and the message says that failures are why."""
    found = observed(
        {"mood": DRAWS["mood"]}, 2000, status=lambda made: "failed" if made["mood"] == "angry" else "finished"
    )
    (one,) = found
    assert (one.rule, one.place) == ("draws_off_weights", "who.mood")
    assert one.message.startswith("`angry` is 0% of ")
    assert one.message.endswith(
        "draws in finished rows, not 36%: 100% of the draws with it are in rows that failed, 0% of the others"
    )
    assert len(one.rows) == 5


def test_failures_that_do_not_depend_on_the_draws_are_silent():
    """A third of all rows failed."""
    turn = iter(range(500))
    assert not observed(DRAWS, 500, status=lambda _: "finished" if next(turn) % 3 else "failed")


def test_rows_of_one_identity_draw_one_value():
    """The message says that."""
    found = observed({"die": DRAWS["die"]}, 300, identity=lambda row: str(row % 5))
    assert [each.place for each in found] == ["who.die"]
    assert found[0].message.endswith(": rows with equal ids or equal values draw equal values")


def test_a_draw_that_depends_on_another_is_judged_by_the_rule_of_its_case():
    """The condition stands in the message."""
    found = observed(
        {"mood": DRAWS["mood"], "long": DRAWS["long"]},
        3000,
        status=lambda made: "failed" if made["mood"] == "angry" and made["long"] == 2 else "finished",
    )
    assert any(each.message.startswith("if `mood` is `angry`, `2` is 0% of ") for each in found)


def test_what_is_left_for_otherwise_is_one_case():
    """There may be as many values as there are rows."""
    draws = {
        "age": {"integer": [1, 10**9]},
        "long": {"given": "age", "cases": {"7": {"choices": ["a"]}}, "otherwise": {"choices": ["x", "y"]}},
    }
    (one,) = observed(draws, 200, status=lambda made: "failed" if made["long"] == "x" else "finished")
    assert one.message.startswith("if `age` is no other case, `x` is 0% of ")


def test_draws_of_items_and_samples_are_counted_one_by_one():
    """The value of such a step is a list, maybe of lists; a draw of a column has no weights on record."""
    recorded, rules = rules_of({"die": DRAWS["die"]})
    recorded["town"] = {"path": "towns.csv", "column": "town"}
    observer = DrawObserver({"who": {"kind": "draw", "draws": recorded}})
    for row in range(50):
        made = [[draw(rules, 0, [str(row), item]) | {"town": "Oslo"} for item in range(3)], []]
        observer.add(scanned(row, who=step(made)))
    assert observer._drawn["who.die", ""].finished.total() == 150
    assert not list(observer.suspicions())
