"""The draws of a step as written: every mistake that they can have, told once at its place."""

import pytest
from draw_columns import column

from yamlgen.steps.draw.checks import compile_draws
from yamlgen.steps.draw.rules import DrawRule


def problems(draws):
    """What is wrong, each as `path code message | hint`, with a `!` where the key is marked."""
    rules, found = compile_draws({name: DrawRule.model_validate(rule) for name, rule in draws.items()}, column)
    assert set(rules) < set(draws) or not found
    paths = [".".join(map(str, problem.path)) + "!" * problem.is_key for problem in found]
    return [f"{path} {p.code} {p.message} | {p.hint}" for path, p in zip(paths, found, strict=True)]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (
            {"choices": ["a", "b"], "weights": [1]},
            (
                "it.weights! YG322 draw `it` has 1 `weights` for 2 `choices` | write one weight for each choice, in the"
                " same order"
            ),
        ),
        (
            {"choices": ["a", "b"], "weights": [0, 0]},
            (
                "it.weights YG322 all `weights` of draw `it` are 0 | set at least one weight above 0: a choice"
                " of weight 0 is never drawn"
            ),
        ),
        (
            {"choices": ["a", "b"], "weights": [1, float("inf")]},
            "it.weights.1 YG104 `weights[1]` of draw `it` is not a JSON number | write a finite number",
        ),
        (
            {"choices": ["a", [{"b": float("nan")}]]},
            (
                "it.choices.1 YG104 `choices[1]` of draw `it` contains a number that is not a JSON number | write a"
                " finite number, or quote it if it is a string"
            ),
        ),
        (
            {"choices": ["a", {"x": 1}, {"x": 1.0}]},
            (
                "it.choices.2 YG322 `choices[2]` of draw `it` is the same as `choices[1]` | remove it; to make a choice"
                " more likely, use `weights`"
            ),
        ),
        (
            {"integer": [9, 1]},
            "it.integer YG322 `integer` of draw `it` is in the wrong order: from 9 to 1 | write `[1, 9]`",
        ),
        (
            {"number": [2, 1.5]},
            "it.number YG322 `number` of draw `it` is in the wrong order: from 2.0 to 1.5 | write `[1.5, 2.0]`",
        ),
        (
            {"number": [0, float("nan")]},
            "it.number.1 YG104 `number[1]` of draw `it` is not a JSON number | write a finite number",
        ),
        (
            {"number": [1.21, 1.29], "decimals": 1},
            (
                "it.decimals YG322 draw `it` has no number with 1 decimal from 1.21 to 1.29 | allow more decimals, or a"
                " wider `number`"
            ),
        ),
        (
            {"date": ["2024-05-01", "2023-05-01"]},
            (
                "it.date YG322 `date` of draw `it` is in the wrong order: from 2024-05-01 to 2023-05-01 | write"
                " `[2023-05-01, 2024-05-01]`"
            ),
        ),
        (
            {"date": ["2023-02-29", "2023-05-01"]},
            (
                'it.date.0 YG104 `date[0]` of draw `it` is not a date: "2023-02-29" | write a day that exists in the'
                " calendar"
            ),
        ),
        (
            {"date": ["2023-02-01", "20240501"]},
            'it.date.1 YG104 `date[1]` of draw `it` is not a date: "20240501" | write it as in `2026-11-30`',
        ),
        (
            {"path": "absent.csv", "column": "name"},
            "it.path YG310 absent.csv does not exist | put it there",
        ),
        (
            {"path": "cities.csv", "column": "nmae"},
            "it.column YG206 cities.csv has no column `nmae` | did you mean `name`?",
        ),
        ({"path": "gaps.csv", "column": "name"}, "it.path YG322 gaps.csv:3: `name` is empty | fill it in"),
    ],
)
def test_a_mistake_in_one_draw_is_told_at_its_place(rule, expected):
    """Each mistake gives one problem: where, which, what, and what to do."""
    assert problems({"it": rule}) == [expected]


def cases(*names, **more):
    """A draw `b` that has a case for each of `names` of the draw `a`."""
    return {"given": "a", "cases": {name: {"choices": ["x"]} for name in names}, **more}


OTHERWISE = {"otherwise": {"choices": ["y"]}}


@pytest.mark.parametrize(
    ("draws", "expected"),
    [
        (
            {"topic": {"choices": ["x"]}, "b": {**cases("x"), "given": "topik"}},
            "b.given YG202 there is no draw `topik` | did you mean `topic`?",
        ),
        (
            {"b": cases("x")},
            "b.given YG202 there is no draw `a` | `given` must be a draw above it, and there is none",
        ),
        (
            {"b": {**cases("x"), "given": "b"}},
            "b.given YG322 `given` of draw `b` is the draw itself | write the name of a draw above it",
        ),
        (
            {"b": cases("x"), "a": {"choices": ["x"]}},
            "b.given YG322 `given` of draw `b` is `a`, which is drawn after it | move `a` above `b`",
        ),
        (
            {"a": {"choices": ["rivers", "bridges"]}, "b": cases("rivers", "bridgse")},
            "b.cases.bridgse! YG322 draw `a` is never `bridgse` | did you mean `bridges`?",
        ),
        (
            {"a": {"choices": ["rivers"]}, "b": cases("rivers", "sea")},
            "b.cases.sea! YG322 draw `a` is never `sea` | its values: `rivers`",
        ),
        (
            {"a": {"integer": [1, 3]}, "b": cases("4", **OTHERWISE)},
            "b.cases.4! YG322 draw `a` is never `4` | its values: `1`, `2` and `3`",
        ),
        (
            {"a": {"path": "cities.csv", "column": "name"}, "b": cases("oslo", "Bergen")},
            "b.cases.oslo! YG322 draw `a` is never `oslo` | did you mean `Oslo`?",
        ),
        (
            {"a": {"choices": ["u", "v", "w"]}, "b": cases("v")},
            "b.cases! YG322 draw `b` has no case for `u` and `w` of `a` | add a case for each, or `otherwise`",
        ),
        (
            {
                "z": {"choices": ["u"]},
                "a": {"given": "z", "cases": {"u": {"integer": [1, 2]}}, "otherwise": {"choices": ["k"]}},
                "b": cases("1"),
            },
            "b.cases! YG322 draw `b` has no case for `2` and `k` of `a` | add a case for each, or `otherwise`",
        ),
        *(
            (
                {"z": {"choices": ["u"]}, "a": many, "b": cases("1")},
                (
                    "b.cases! YG322 draw `b` needs `otherwise`: `a` has more values than its cases can list | add"
                    " `otherwise` next to `cases`"
                ),
            )
            for many in (
                {"integer": [1, 1000]},
                {"number": [1, 2]},
                {"date": ["2023-02-01", "2023-02-02"]},
                {"given": "z", "cases": {"u": {"number": [1, 2]}}},
            )
        ),
        (
            {"a": {"choices": ["u"]}, "b": {"given": "a", "cases": {"u": {"integer": [2, 1]}}}},
            (
                "b.cases.u.integer YG322 `integer` of case `u` of draw `b` is in the wrong order: from 2 to 1 | write"
                " `[1, 2]`"
            ),
        ),
        (
            {"a": {"choices": ["u", "v"]}, "b": cases("u", otherwise={"integer": [2, 1]})},
            (
                "b.otherwise.integer YG322 `integer` of `otherwise` of draw `b` is in the wrong order: from 2 to 1 |"
                " write `[1, 2]`"
            ),
        ),
        (
            {"a": {"choices": ["u"]}, "b": {"given": "a", "cases": {"u": cases("u")}}, "c": cases("w", **OTHERWISE)},
            "c.cases.w! YG322 draw `a` is never `w` | its values: `u`",
        ),
    ],
)
def test_a_mistake_between_draws_is_told_once(draws, expected):
    """What a draw is given must be there, and its cases must be its values, all of them."""
    assert problems(draws) == [expected]


def test_a_weight_of_zero_needs_no_case_and_may_have_one():
    """A choice that is switched off is a value still, that cases may name and need not."""
    off = {"choices": ["u", "v", "w"], "weights": [1, 0, 0]}
    assert problems({"a": off, "b": cases("u", "v")}) == []


def test_one_mistake_is_not_told_again_where_it_is_felt():
    """A draw that is given a broken one, or one whose shape is broken, is left out in silence."""
    draws = {"a": {"integer": [2, 1]}, "b": cases("7"), "c": {**cases("x"), "given": "b"}}
    assert problems(draws) == [
        "a.integer YG322 `integer` of draw `a` is in the wrong order: from 2 to 1 | write `[1, 2]`"
    ]
    assert (
        problems({"a": {}, "b": cases("7"), "c": {"given": "a"}, "d": {"cases": {"x": {}}}, "e": {"path": "x"}}) == []
    )


def test_a_broken_file_is_told_once_and_read_once():
    """Two draws from one file do not tell its mistake twice; a wrong path or name is told at each place."""
    asked = []

    def counted(path, name):
        asked.append((path, name))
        return column(path, name)

    gaps, absent = DrawRule(path="gaps.csv", column="a"), DrawRule(path="absent.csv", column="a")
    found = compile_draws({"a": gaps, "b": gaps, "c": absent, "d": absent}, counted)[1]
    assert [problem.path for problem in found] == [("a", "path"), ("c", "path"), ("d", "path")]
    assert asked == [("gaps.csv", "a"), ("absent.csv", "a")]


def test_several_mistakes_are_all_told():
    """One draw with mistakes does not hide those of another."""
    found = problems({"a": {"integer": [2, 1]}, "b": {"choices": ["x", "x", "x"]}, "c": {"date": ["x", "y"]}})
    assert [text.partition(" ")[0] for text in found] == [
        "a.integer",
        "b.choices.1",
        "b.choices.2",
        "c.date.0",
        "c.date.1",
    ]
