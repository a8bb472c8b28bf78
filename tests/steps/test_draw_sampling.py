"""What is drawn for a row, how it is spread, and the schema of it."""

import json
import pickle
from collections import Counter
from hashlib import sha256

import jsonschema_rs
import pytest
from draw_columns import COLUMNS, column, compiled
from hypothesis import given
from hypothesis import strategies as st

from yamlgen.steps.draw.checks import compile_draws
from yamlgen.steps.draw.rules import DrawRule
from yamlgen.steps.draw.sampling import draw, schema_of


def drawn(rule, count=2000, seed=0):
    """One draw by `rule` for each of many rows."""
    rules = compiled({"it": rule})
    return [draw(rules, seed, row)["it"] for row in range(count)]


# What is drawn


PERSONA = {
    "topic": {"choices": ["rivers", "bridges"], "weights": [3, 1]},
    "age": {"integer": [18, 90]},
    "height": {"number": [1.5, 2.0], "decimals": 2},
    "share": {"number": [0, 1]},
    "born": {"date": ["1990-01-01", "2005-12-31"]},
    "city": {"path": "cities.csv", "column": "name"},
    "dish": {
        "given": "topic",
        "cases": {"rivers": {"choices": ["trout", "pike"]}, "bridges": {"integer": [1, 3]}},
    },
    "huge": {"integer": [0, 10**60]},
}


def test_the_draws_of_a_known_row_never_change():
    """The values of a seed and a row are a contract: another algorithm would change the data of every pipeline."""
    rules = compiled(PERSONA)
    assert draw(rules, 7, ["oslo", "persona", 0]) == {
        "topic": "rivers",
        "age": 78,
        "height": 1.94,
        "share": 0.30096895151504366,
        "born": "2004-11-20",
        "city": "Oslo",
        "dish": "trout",
        "huge": 33413170322028007985451149013966967054819273638827225904033,
    }
    assert draw(rules, 8, {"row": "é"}) == {
        "topic": "rivers",
        "age": 41,
        "height": 1.75,
        "share": 0.1554189814583713,
        "born": "1997-10-28",
        "city": "Bergen",
        "dish": "pike",
        "huge": 388188922248967839225585825317249879382583961128994721306263,
    }


def test_a_draw_is_a_share_of_its_hash():
    """What the hash of seed, row and name is of all hashes, the drawn value is of its span."""
    chance = int.from_bytes(sha256(b'[7,"oslo","age"]').digest())
    assert draw(compiled({"age": {"integer": [18, 90]}}), 7, "oslo") == {"age": 18 + chance * 73 // 2**256}


def test_rules_are_values():
    """Rules survive pickling, and draw the same afterwards, as another process would."""
    rules = compiled(PERSONA)
    again = pickle.loads(pickle.dumps(rules))  # noqa: S301 - our own bytes
    assert again == rules
    assert draw(again, 7, "a row") == draw(rules, 7, "a row")


def test_what_was_drawn_is_the_rows_own():
    """A row that changes what it drew changes nothing for the next."""
    rules = compiled({"it": {"choices": [{"tags": ["a"]}]}})
    draw(rules, 0, "one")["it"]["tags"].append("b")
    assert draw(rules, 0, "two") == {"it": {"tags": ["a"]}}


@given(st.permutations(range(20)), st.integers())
def test_the_order_of_rows_does_not_matter(order, seed):
    """The same row draws the same, whichever were drawn before."""
    rules = compiled(PERSONA)
    expected = [draw(rules, seed, {"row": row}) for row in range(20)]
    assert {row: draw(rules, seed, {"row": row}) for row in order} == dict(enumerate(expected))


@given(st.permutations([name for name in PERSONA if name not in ("topic", "dish")]), st.integers(0, 6))
def test_other_draws_do_not_matter(names, kept):
    """Draws that are added, removed or moved change no other draw."""
    whole = draw(compiled(PERSONA), 7, "a row")
    some = ["topic", *names[:kept], "dish"]
    assert draw(compiled({name: PERSONA[name] for name in some}), 7, "a row") == {name: whole[name] for name in some}


def test_each_draw_has_its_own_chance():
    """Equal rules under two names draw independently of each other."""
    rules = compiled({"a": {"integer": [0, 9]}, "b": {"integer": [0, 9]}})
    same = sum(len(set(draw(rules, 0, row).values())) == 1 for row in range(2000))
    assert 150 < same < 250


@pytest.mark.parametrize("other", [(1, "row"), (0, "wor"), (0, ["row"])])
def test_another_seed_or_row_draws_anew(other):
    """The seed and the row both decide."""
    rules = compiled({"it": {"integer": [0, 10**30]}})
    assert draw(rules, *other) != draw(rules, 0, "row")


# How it is spread


def is_even(counts, expected):
    """Whether counts are as expected, by chi-square: far above what chance would do once in a thousand times is not."""
    off = sum((counts[value] - wanted) ** 2 / wanted for value, wanted in expected.items())
    return set(counts) <= set(expected) and off < 2 * len(expected) + 10


@pytest.mark.parametrize(
    ("rule", "shares"),
    [
        ({"choices": ["a", "b", "c"]}, {"a": 1, "b": 1, "c": 1}),
        ({"choices": ["a", "b"], "weights": [3, 1]}, {"a": 3, "b": 1}),
        ({"choices": ["a", "b", "c"], "weights": [0.1, 0.2, 0.7]}, {"a": 1, "b": 2, "c": 7}),
        ({"choices": ["a", "b"], "weights": [1e308, 1e308]}, {"a": 1, "b": 1}),
        ({"choices": ["a", "a"], "weights": [1, 1]}, {"a": 1}),
        ({"integer": [-3, 6]}, dict.fromkeys(range(-3, 7), 1)),
        ({"number": [0, 0.5], "decimals": 1}, {0.0: 1, 0.1: 1, 0.2: 1, 0.3: 1, 0.4: 1, 0.5: 1}),
        ({"number": [0.25, 3.5], "decimals": 0}, {1.0: 1, 2.0: 1, 3.0: 1}),
        ({"date": ["2024-02-28", "2024-03-01"]}, {"2024-02-28": 1, "2024-02-29": 1, "2024-03-01": 1}),
        ({"path": "cities.csv", "column": "name"}, {"Oslo": 2, "Bergen": 1}),
    ],
)
def test_values_come_as_often_as_their_weights_say(rule, shares):
    """Choices by weight, and everything else evenly, both ends included."""
    count = 10_000
    whole = sum(shares.values())
    assert is_even(Counter(drawn(rule, count)), {value: count * share / whole for value, share in shares.items()})


@pytest.mark.parametrize("rule", [{"number": [-1e308, 1e308]}, {"integer": [-(10**400), 10**400]}])
def test_a_wide_span_is_even_too(rule):
    """Tenths of a span that no float or hash can hold are hit alike."""
    least, most = next(iter(rule.values()))
    tenth = int(most) // 10 - int(least) // 10
    counts = Counter((int(value) - int(least)) // tenth for value in drawn(rule, 10_000))
    assert is_even(counts, dict.fromkeys(range(10), 1000))


def test_a_weight_of_zero_is_never_drawn():
    """Not first, not last, not between."""
    rule = {"choices": ["a", "b", "c", "d", "e"], "weights": [0, 1, 0, 1e-9, 0]}
    rules = compiled({"it": rule})
    assert {draw(rules, 0, row)["it"] for row in range(3000)} == {"b"}
    assert set(drawn({**rule, "weights": [0, 1, 0, 1, 0]})) == {"b", "d"}


def test_any_scale_of_weights_is_the_same():
    """Weights are proportions: draws do not change with their scale."""
    shares = [drawn({"choices": ["a", "b"], "weights": weights}) for weights in ([3, 1], [0.75, 0.25], [3e200, 1e200])]
    assert shares[0] == shares[1] == shares[2]


def test_a_small_change_of_a_rule_changes_few_rows():
    """What is drawn moves with the weights and the bounds, so that little has to be asked again."""
    before, after = (drawn({"choices": ["a", "b"], "weights": weights}) for weights in ([3, 1], [3.1, 1]))
    assert sum(one != other for one, other in zip(before, after, strict=True)) < 40


@given(st.integers(), st.integers(0, 10**50), st.integers())
def test_integers_stay_in_their_span(least, span, who):
    """Integers of any size are between their bounds."""
    assert least <= draw(compiled({"it": {"integer": [least, least + span]}}), 0, who)["it"] <= least + span


@given(st.integers())
def test_integers_reach_both_ends(least):
    """Both bounds are drawn."""
    assert set(drawn({"integer": [least, least + 1]}, 60)) == {least, least + 1}


FINITE = st.floats(allow_nan=False, allow_infinity=False)


@given(FINITE, FINITE, st.none() | st.integers(0, 12), st.integers())
def test_numbers_stay_in_their_bounds(one, other, decimals, who):
    """Numbers are between their bounds, rounded too, and no longer than their decimals."""
    least, most = sorted((one, other))
    found, wrong = compile_draws({"it": DrawRule(number=[least, most], decimals=decimals)}, column)
    if wrong:
        assert decimals is not None
        assert round(least, decimals) < least or round(most, decimals) > most or most - least < 10**-decimals
        return
    value = draw(found, 0, who)["it"]
    assert isinstance(value, float)
    assert least <= value <= most
    assert decimals is None or value == round(value, decimals)


def test_one_day_is_a_span():
    """The first may be the last."""
    assert set(drawn({"date": ["0001-01-01", "0001-01-01"]}, 5)) == {"0001-01-01"}
    assert set(drawn({"number": [0.1, 0.1]}, 5)) == {0.1}


# What depends on what


def test_an_earlier_draw_picks_the_case():
    """The rule is the one of the value that was drawn before; others fall to `otherwise`."""
    rules = compiled(
        {
            "topic": {"choices": ["rivers", "bridges", "roads"]},
            "dish": {
                "given": "topic",
                "cases": {"rivers": {"choices": ["trout"]}, "bridges": {"integer": [1, 3]}},
                "otherwise": {"choices": ["bread"]},
            },
        }
    )
    seen = {}
    for row in range(200):
        made = draw(rules, 0, row)
        seen.setdefault(made["topic"], set()).add(made["dish"])
    assert seen == {"rivers": {"trout"}, "bridges": {1, 2, 3}, "roads": {"bread"}}


def test_cases_are_named_by_the_json_of_what_is_no_text():
    """`true`, `3`, `2.5`, `null` and a list are named as JSON writes them; text as it is."""
    values = [True, 3, 2.5, None, "true story", [1, "b"]]
    names = ["true", "3", "2.5", "null", "true story", '[1,"b"]']
    cases = {name: {"choices": [name]} for name in names}
    rules = compiled({"a": {"choices": values}, "b": {"given": "a", "cases": cases}})
    seen = {json.dumps(made["a"]): made["b"] for made in (draw(rules, 0, row) for row in range(200))}
    assert seen == {json.dumps(value): name for value, name in zip(values, names, strict=True)}


def test_a_case_may_depend_on_another_draw():
    """A case is a rule like any other, with a `given` of its own."""
    rules = compiled(
        {
            "a": {"choices": ["x", "y"]},
            "b": {"integer": [1, 2]},
            "c": {
                "given": "a",
                "cases": {
                    "x": {"given": "b", "cases": {"1": {"choices": ["x1"]}, "2": {"choices": ["x2"]}}},
                    "y": {"choices": ["y"]},
                },
            },
            "d": {"given": "c", "cases": {name: {"choices": [name]} for name in ("x1", "x2", "y")}},
        }
    )
    for row in range(50):
        made = draw(rules, 0, row)
        assert made["d"] == made["c"] == ("y" if made["a"] == "y" else f"x{made['b']}")


# The schema


LEAVES = st.one_of(
    st.builds(
        lambda values: {"choices": values},
        st.lists(st.one_of(st.integers(), st.text(max_size=3), st.booleans(), st.none(), st.just([1])), min_size=1).map(
            lambda values: list({json.dumps(value): value for value in values}.values())
        ),
    ),
    st.builds(lambda pair: {"integer": sorted(pair)}, st.tuples(st.integers(), st.integers())),
    st.builds(lambda pair: {"number": sorted(pair)}, st.tuples(FINITE, FINITE)),
    st.builds(lambda pair: {"number": [min(pair), max(pair) + 1], "decimals": 1}, st.tuples(*[st.floats(-9, 9)] * 2)),
    st.builds(lambda pair: {"date": sorted(map(str, pair))}, st.tuples(st.dates(), st.dates())),
    st.sampled_from(list(COLUMNS)).map(lambda pair: {"path": pair[0], "column": pair[1]}),
)


@given(st.lists(LEAVES, min_size=1, max_size=4), LEAVES, st.integers())
def test_every_draw_satisfies_the_schema(leaves, last, who):
    """The schema accepts whatever is drawn, and is one that the validator takes."""
    draws = {f"d{number}": rule for number, rule in enumerate(leaves)}
    either = {"given": "way", "cases": {"x": leaves[0]}, "otherwise": last}
    rules = compiled({**draws, "way": {"choices": ["x", "y"]}, "either": either})
    schema = schema_of(rules)
    jsonschema_rs.meta.validate(schema)
    validator = jsonschema_rs.Draft202012Validator(schema, validate_formats=True, offline=True)
    assert [str(error) for error in validator.iter_errors(draw(rules, 0, who))] == []


@pytest.mark.parametrize(
    ("rule", "schema"),
    [
        ({"choices": ["a", "b"]}, {"type": "string", "enum": ["a", "b"]}),
        ({"choices": [1, 2.5, None]}, {"type": ["null", "number"], "enum": [1, 2.5, None]}),
        ({"choices": [1, 1.0, True], "weights": [1, 1, 1]}, {"type": ["boolean", "number"], "enum": [1, True]}),
        ({"integer": [1, 3]}, {"type": "integer", "minimum": 1, "maximum": 3}),
        ({"number": [1, 3], "decimals": 1}, {"type": "number", "minimum": 1, "maximum": 3}),
        ({"date": ["2024-01-01", "2024-12-31"]}, {"type": "string", "format": "date"}),
        ({"path": "cities.csv", "column": "name"}, {"type": "string", "enum": ["Oslo", "Bergen"]}),
        ({"path": "many.jsonl", "column": "id"}, {"type": "integer"}),
    ],
)
def test_the_schema_says_what_can_be_drawn(rule, schema):
    """Each rule has its schema; all draws are there, and nothing else."""
    whole = {"type": "object", "properties": {"it": schema}, "required": ["it"], "additionalProperties": False}
    assert schema_of(compiled({"it": rule})) == whole


def test_the_schema_of_cases_is_any_of_theirs():
    """Equal cases are said once, and one alone needs no `anyOf`."""
    text, number = {"choices": ["x"]}, {"integer": [1, 2]}
    two = {"given": "a", "cases": {"u": text, "v": number}, "otherwise": text}
    one = {"given": "a", "cases": {"u": number}, "otherwise": number}
    made = schema_of(compiled({"a": {"choices": ["u", "v", "w"]}, "two": two, "one": one}))["properties"]
    span = {"type": "integer", "minimum": 1, "maximum": 2}
    assert made["two"] == {"anyOf": [{"type": "string", "enum": ["x"]}, span]}
    assert made["one"] == span
