"""Refusals, answers that were cut off, and nulls in the place of what failed."""

from dataclasses import replace
from itertools import count

from scanned_rows import attempt, row, step
from yamlgen.errors import Code
from yamlgen.profiles.doubts.answer_ends import AnswerObserver

RESOLVED = {
    "models": {"other": {"id": "claude-opus-5-5"}},
    "steps": {
        "note": {"kind": "generate", "model": {"id": "claude-haiku-5-5"}, "on_refusal": ["other"]},
        "plain": {"kind": "generate", "model": {"id": "claude-haiku-5-5"}},
    },
}


def observed(*rows):
    """What is suspected after these rows."""
    observer, numbers = AnswerObserver(RESOLVED), count(1)
    for number, each in enumerate(rows):
        steps = {
            name: replace(one, attempts=[replace(made, number=next(numbers)) for made in one.attempts])
            for name, one in each.items()
        }
        observer.add(row(number, **steps))
    return [(each.rule, each.place, each.message, each.rows) for each in observer.suspicions()]


def test_answers_that_came_to_their_end_are_silent():
    """Also those of a dated version of the model, and of another name where no other model may answer."""
    good = step("a", attempts=[attempt(), attempt("tool_use", model="claude-haiku-5-5-20260101", errors=["no"])])
    assert not observed(*[{"note": good, "plain": step("a", attempts=[attempt(model="haiku-by-gateway")])}] * 30)


def test_a_refusal_is_told_with_the_rows_that_lack_a_value():
    """One refusal is enough: it is never the answer that was asked for."""
    refused = step(status="failed", attempts=[attempt("refusal")], code=Code.REFUSED)
    good = step("a", attempts=[attempt()])
    assert observed(*[{"plain": good}] * 99, {"plain": refused}) == [
        ("refusals", "plain", "1 of 100 answers (1%) is a refusal; 1 row lacks a value because of it", (100,))
    ]


def test_answers_of_a_fallback_model_are_counted():
    """The refusals that the API has answered with another model itself are not on record."""
    good, other = step("a", attempts=[attempt()]), attempt(model="claude-opus-5-5-20260101")
    own = step("b", attempts=[attempt("refusal"), other])
    assert observed({"note": good}, {"note": own}, {"note": step("b", attempts=[other])}) == [
        (
            "refusals",
            "note",
            "1 of 4 answers (25%) is a refusal; 2 of 4 answers are by another model, because the first one refused",
            (2,),
        )
    ]


def test_many_cut_answers_are_told_and_few_are_not():
    """A few are what `on_truncated: retry_larger` is for."""
    good = {"plain": step("a", attempts=[attempt()])}
    cut = {"plain": step("a", attempts=[attempt("max_tokens", errors=["cut"]), attempt()])}
    lost = {"plain": step(status="failed", attempts=[attempt("max_tokens", errors=["cut"])], code=Code.TRUNCATED)}
    assert not observed(*[good] * 199, cut)
    assert observed(*[good] * 7, cut, lost) == [
        ("cut_off", "plain", "2 of 10 answers (20%) were cut off; 1 row lacks a value because of it", (8, 9))
    ]


def test_many_nulls_for_what_failed_are_told_and_few_are_not():
    """A null step and a list with null items count alike; a skipped step and an answer of null do not."""
    good, skipped = {"plain": step("a")}, {"plain": step(status="skipped")}
    null, items = (
        {"plain": step(status="null")},
        {"plain": step(["a", None], failed_items=[{"item": 2, "code": Code.INVALID_OUTPUT}])},
    )
    assert not observed(*[good] * 50, *[skipped] * 50, null)
    assert observed(*[good] * 98, null, items) == [
        ("failed_nulls", "plain", "in 2 of 100 rows (2%), a null stands for what failed", (99, 100))
    ]


def test_an_answer_that_rows_share_counts_once():
    """As among the numbers of its step; the rows that lack a value because of it all count."""
    observer = AnswerObserver(RESOLVED)
    refused = step(status="failed", attempts=[attempt("refusal")], code=Code.REFUSED)
    for number in range(3):
        observer.add(row(number, plain=refused))
    (found,) = observer.suspicions()
    assert found.message == "1 of 1 answers (100%) is a refusal; 3 rows lack a value because of it"
