"""Who made the values of a field."""

import pytest

from yamlgen.profiles.doubts.field_origins import Authorship, FieldOrigins

STEPS = {
    "who": {"kind": "draw", "draws": {"mood": {"choices": ["calm", "angry"]}}},
    "drafts": {"kind": "generate", "samples": 3},
    "tidy": {"kind": "python", "call": "a:b"},
    "second": {"kind": "generate", "when": "steps.tidy"},
    "candidate": {
        "kind": "compute",
        "for_each": "steps.drafts",
        "values": {"number": "item_index + 1", "text": "item", "who": "steps.who.mood", "language": "params.language"},
    },
    "top": {"kind": "compute", "when": "row.id", "value": "steps.candidate[0].text"},
    "named": {"kind": "compute", "value": "row.name"},
    "best": {"kind": "compute", "values": {"chosen": "steps.candidate[0]", "title": "'A'", "last": "steps.second"}},
}
COLUMNS = {
    "id": "row.id",
    "mood": "steps.who.mood",
    "a.b": "steps.tidy",
    "a": {"b": "'constant'"},
    "messages": [{"role": "'user'", "content": "params.prompt"}, {"role": "'assistant'", "content": "item.text"}],
    "chosen": [{"role": "'assistant'", "content": "steps.best.chosen"}],
    "either": "steps.second or steps.tidy",
    "position": "item_index",
    "top": "steps.top",
}
ABOUT = {
    "lock": {"steps": {name: {"kind": keys["kind"]} for name, keys in STEPS.items()}},
    "resolved": {
        "steps": STEPS,
        "outputs": {
            "rows": {"columns": COLUMNS, "for_each": "steps.candidate"},
            "all": {},
            "items": {"for_each": "row.numbers"},
        },
    },
}
MADE, GIVEN = Authorship(made=True), Authorship(made=False)


@pytest.mark.parametrize("output", [None, "all"])
@pytest.mark.parametrize(
    ("name", "origin"),
    [
        ("drafts[]", MADE),
        ("tidy.flag", MADE),
        ("who.mood", GIVEN),
        ("second", Authorship(made=True, skipped=True)),
        ("second.reason", Authorship(made=True, skipped=True)),
        ("candidate[].text", MADE),
        ("candidate[].text.length", MADE),
        ("candidate[].number", GIVEN),
        ("candidate[].who", GIVEN),
        ("candidate[].language", GIVEN),
        ("best.chosen.text", MADE),
        ("best.title", GIVEN),
        ("top", Authorship(made=True, skipped=True)),
        ("named", GIVEN),
        ("best.last", Authorship(made=True, skipped=True)),
        ("drafts_thinking", GIVEN),
        ("added_by_something", MADE),
    ],
)
def test_values_of_steps(output, name, origin):
    """Draws, constants, parameters and positions are as their author wants them; `when` leaves nulls."""
    assert FieldOrigins(ABOUT, output).of(name) == origin


@pytest.mark.parametrize(
    ("name", "origin"),
    [
        ("id", GIVEN),
        ("mood", GIVEN),
        ("a.b", GIVEN),  # two columns have this path: nothing is suspected of it
        ("messages[].role", GIVEN),
        ("messages[].content", GIVEN),  # one of its texts is the same in all rows
        ("chosen[].role", GIVEN),
        ("chosen[].content", Authorship(made=True, skipped=True)),  # a part of `best` may be skipped
        ("either", Authorship(made=True, skipped=True)),
        ("position", GIVEN),
        ("top", Authorship(made=True, skipped=True)),
    ],
)
def test_columns_of_an_output(name, origin):
    """An expression is followed through computed steps and the items of a list."""
    assert FieldOrigins(ABOUT, "rows").of(name) == origin


def test_items_of_an_output_are_those_of_their_list():
    """A list of the input is as it was given."""
    origins = FieldOrigins(ABOUT, "items")
    assert (origins.of("item.name"), origins.of("tidy")) == (GIVEN, MADE)


def test_a_run_of_an_earlier_version_has_fields_of_models():
    """It has recorded less; its fields are judged."""
    assert FieldOrigins({}, None).of("note") == MADE
