"""Runs in which every rule finds something, and runs of the same pipeline in which none does."""

import json

import pytest

import yamlgen
from yamlgen.profiles.doubts.suspicion_rules import MOST_SUSPICIONS, RULES, SuspicionObserver
from yamlgen.profiles.fields.field_profile import Basis, Field

PIPELINE = """\
version: 1
name: doubtful
params: {bad: {type: boolean}}
input: {path: rows.jsonl, id: id}
steps:
  who:
    kind: draw
    draws: {mood: {choices: [calm, angry], weights: [3, 1]}, age: {integer: [18, 90]}}
  made:
    kind: python
    call: made:up
    args: {number: row.id, mood: steps.who.mood, bad: params.bad}
    output:
      schema:
        type: object
        properties:
          label: {enum: [one, two, three]}
          flag: {type: boolean}
          note: {type: string, maxLength: 120}
          long: {type: string, maxLength: 120}
          gist: {type: string}
          price: {type: number, minimum: 10, maximum: 5000}
          order: {type: [string, "null"]}
          rating: {type: integer, minimum: 1, maximum: 5}
          name: {type: string}
          day: {type: string, format: date}
          percent: {type: number, minimum: 0, maximum: 100}
          answer: {enum: ["yes", "no"]}
  judged:
    kind: python
    call: made:judged
    args: {number: row.id, bad: params.bad}
    on_error: null
  said: {model: claude-haiku-5-5, max_tokens: 1024, prompt: "Say {{ row.id }}."}
outputs:
  rows: {path: out/rows.jsonl}
  few: {path: out/few.jsonl, where: "row.mail != ''", columns: {tone: steps.made.label, mood: steps.who.mood}}
"""
FUNCTIONS = """\
WORDS = "the quick brown fox jumps over a lazy dog while rain falls on old roofs and trams ring".split()


def sentence(number):
    return " ".join(WORDS[(number * 7 + each * each) % len(WORDS)] for each in range(14)) + f" {number}."


def up(number, mood, bad):
    if bad and mood == "angry":
        raise ValueError("angry")
    text = sentence(number)
    return {
        "label": ["one", "two", "three"][number % (2 if bad else 3)],
        "flag": bool(bad or number % 10),
        "note": ("Again: " + sentence(number % 40).upper()) if bad else text,
        "long": (text * 3)[:120] if bad and number % 4 == 0 else text[:118].rstrip(".") + ".",
        "gist": text[:50] + "and" if bad and number % 25 == 0 else text,
        "price": 5000 if bad and number % 4 == 0 else 10 + number * 30,
        "order": None if number % 10 < (9 if bad else 7) else f"NP-{number}",
        "rating": 5 if number % 10 < 7 else 1 + number % 5,
        "name": ["Ada", "Bo", "Kim"][number % 3],
        "day": f"2026-01-{1 + number % 28:02}",
        "percent": [0, 100, 0, 100, number / 4][number % 5],
        "answer": "yes" if number % 8 else "no",
    }


def judged(number, bad):
    if number % 20 == 0 and (bad or number == 0):
        raise ValueError("no verdict")
    return {"score": number % 7}
"""
WRONG = {
    ("refusals", "said"),
    ("cut_off", "said"),
    ("failed_nulls", "judged"),
    ("one_value", "made.flag"),
    ("duplicates", "made.note"),
    ("mostly_null", "made.order"),
    ("full_length", "made.long"),
    ("broken", "made.gist"),
    ("never_came", "made.label"),
    ("at_bound", "made.price"),
    ("draws_off_weights", "who.mood"),
    ("unread_columns", "input"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A pipeline whose functions make good values, or bad ones by a parameter."""
    made = tmp_path_factory.mktemp("doubtful")
    (made / "doubtful.yaml").write_text(PIPELINE)
    (made / "made.py").write_text(FUNCTIONS)
    rows = ({"id": number, "town": ["Oslo", "Lima"][number % 2], "mail": f"{number}@x"} for number in range(160))
    (made / "rows.jsonl").write_text("".join(f"{json.dumps(each)}\n" for each in rows))
    return made


def suspicions(folder, *, bad, faults=(), **options):
    """What the report of a run of all rows lists."""
    pipeline = folder / "doubtful.yaml"
    yamlgen.run(pipeline, params={"bad": bad}, simulate=True, faults=list(faults), **options)
    return yamlgen.report(pipeline)["suspicions"]


def test_every_rule_finds_what_is_wrong(folder):
    """Each in its place and nowhere else, in the order of the rules, with rows that show it."""
    found = suspicions(folder, bad=True, faults=["refusal=0.05", "truncate=0.05"])
    named = [(each["rule"], each["place"]) for each in found]
    assert set(named) == WRONG
    assert sorted(named, key=lambda each: RULES.index(each[0])) == named
    without = {"never_came", "unread_columns"}
    assert all(each["rows"] for each in found if each["rule"] not in without)
    town = next(each["message"] for each in found if each["rule"] == "unread_columns")
    assert town.endswith("`town`")


def test_right_work_is_silent(folder):
    """Skewed ratings, short names, dates, percents, optional orders, and one failure in 160."""
    assert not [each for each in suspicions(folder, bad=False) if each["rule"] != "unread_columns"]


def test_the_list_is_bounded():
    """The rest is told by rule, as one."""
    fields = [Field(f"f{number}", "number", {}, 100, nulls=100) for number in range(50)]
    found = SuspicionObserver({}).suspicions(fields, Basis("steps", "", 100, ()))
    assert len(found) == MOST_SUSPICIONS + 1
    assert (found[-1].rule, found[-1].message) == ("more", "30 more are not listed: 30 by `mostly_null`")
