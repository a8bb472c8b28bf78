"""How long a run takes: by the limit that binds, or by the duration of earlier answers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yamlgen.cli.duration_text import duration_told
from yamlgen.forecast import RequestLoad, RunDuration, StepForecast
from yamlgen.planning.run_duration import duration_of
from yamlgen.value_objects import RateLimits

LIMITS = RateLimits(50, 30_000, 8_000)
SEEN = "2026-11-27T10:00:00+00:00"


def step(*loads, batched=False):
    """A step with these requests."""
    return StepForecast("a", 1, 0, 0, 1, 1, (1, 1), None, "", batched=batched, loads=loads)


def told(*steps, limits=LIMITS, share=1.0, concurrency=1000):
    """The duration of steps in pools with the same limits."""
    limits_of = {"here": lambda _: limits and (limits, SEEN)}
    return duration_of(steps, {"a": "here"}, limits_of, share=share, concurrency=concurrency)


def load(*arguments, **named):
    """Requests of a variant."""
    return RequestLoad("a", *arguments, **named)


def test_the_limit_that_takes_longest_binds():
    """320,000 tokens of answers at 8,000 a minute."""
    found = told(step(load("sonnet-5-5", 1000, 200_000, (320_000, 320_000))))
    assert duration_told(found) == (
        "about 40 min: output tokens bind (8,000 a minute for sonnet-5-5, seen on 2026-11-27)"
    )


def test_a_part_of_the_quota_takes_longer():
    """As many times as the part is smaller."""
    its = load("haiku-5-5", 100, 100, (100, 100))
    assert told(step(its), share=0.25).seconds[0] == pytest.approx(4 * told(step(its)).seconds[0])
    assert "0.25 of 50 a minute" in duration_told(told(step(its), share=0.25))


def test_steps_of_one_pool_share_its_limit_and_others_do_not():
    """Two steps of one model take twice the time; those of two models run at the same time."""
    one, other = load("a", 100, 0, (0, 0)), load("b", 100, 0, (0, 0))
    assert told(step(one), step(one)).seconds[1] == 2 * told(step(one)).seconds[1]
    assert told(step(one), step(other)).seconds[1] == told(step(one)).seconds[1]


def test_batches_do_not_count():
    """They have limits of their own."""
    assert told(step(load("a", 100, 0, (0, 0)), batched=True)) is None


def test_without_limits_the_earlier_answers_tell():
    """A hundred requests of 30 seconds, ten at once."""
    its = load("a", 100, 0, (0, 0), seconds=30.0)
    found = told(step(its), limits=None, concurrency=10)
    assert (found.limit, found.seconds) == ("concurrency", (300.0, 300.0))
    assert duration_told(found).startswith("about 5 min: ")
    assert told(step(its), concurrency=1).limit == "concurrency"


def test_nothing_known_is_nothing_said():
    """Neither limits nor earlier answers."""
    assert told(step(load("a", 100, 0, (0, 0))), limits=None) is None
    assert told() is None


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        ((1, 59), "less than a minute"),
        ((1, 600), "up to 10 min"),
        ((600, 610), "about 10 min"),
        ((600, 1200), "10 min to 20 min"),
        ((9000, 9000), "about 2 h 30 min"),
        ((864_000, 864_000), "about 10 days"),
    ],
)
def test_a_duration_has_a_suitable_unit(seconds, words):
    """Or a range."""
    assert duration_told(RunDuration(seconds, "requests", 50.0, "a", SEEN)).startswith(f"{words}: requests bind (50 a")


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 10**6), st.integers(0, 10**9), st.integers(0, 10**9))))
def test_more_to_send_never_takes_less_time(loads):
    """And no limit would be exceeded."""
    every = [load(pool, count, read, (0, written)) for pool, count, read, written in loads]
    times = [told(step(*every[:number])) for number in range(len(every) + 1)]
    most = [each.seconds[1] if each else 0.0 for each in times]
    assert most == sorted(most)
    assert not every or most[-1] >= 0.999 * 60 * max(load.requests for load in every) / 50
