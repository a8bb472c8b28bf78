"""How many requests of a pool may be in flight: the search for a ceiling, and the gate."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yamlgen.pacing.pool import MAX_PAUSE, START, Pool


def pool(ceiling=1000, max_pause=MAX_PAUSE):
    """A new pool."""
    return Pool("haiku-5-5", ceiling, max_pause)


def window(found, used=1.0):
    """As many answers as were in flight, with a share of the places taken all the while."""
    width = int(found.limit)
    for _ in range(width):
        found.flying = math.ceil(used * found.limit)
        succeed(found)
    found.flying = 0


def succeed(found, sent=math.inf):
    """An answer has come through, to a request that was sent then."""
    found.succeed(0.0, sent)


def fail(found, now, times=1, reason="overloaded (529)", *, heard=True):
    """So many failures at once."""
    for _ in range(times):
        found.fail(now, now, reason, heard=heard)


def limited(ceiling=1000, limit=100.0, flying=1000):
    """A pool whose doubling is over, and that stands at this limit."""
    found = pool(ceiling)
    found.growing, found.limit, found.flying = False, limit, flying
    return found


def burst(found, refused, seconds=None, now=0.1):
    """All that the pool lets go goes at once, and so many are refused; what that means for the last of them."""
    found.flying, refusal = int(found.limit), None
    for _ in range(refused):
        refusal = found.refuse(now, 0.0, seconds)
        found.flying -= 1
    return refusal


def test_it_begins_with_a_start():
    """A pool begins with a few requests at once, or with all that there may be."""
    assert pool().limit == START
    assert pool(5).limit == 5


def test_it_doubles_with_each_window():
    """Until the API objects, a window of answers lets twice as many go."""
    found, seen = pool(10_000), []
    for _ in range(4):
        window(found)
        seen.append(found.limit)
    assert seen == [2 * START, 4 * START, 8 * START, 16 * START]


def test_it_grows_to_its_ceiling():
    """Nothing makes it grow beyond what the author allows."""
    found = pool(100)
    for _ in range(5):
        window(found)
    assert found.limit == 100


@pytest.mark.parametrize(("used", "grows"), [(0.5, False), (0.75, False), (0.85, True), (1.0, True)])
@pytest.mark.parametrize("found", [pool, limited], ids=["before a 429", "after"])
def test_it_grows_only_while_it_is_used(found, used, grows):
    """Places that nobody takes are no reason for more of them."""
    found = found()
    before = found.limit
    window(found, used)
    assert (found.limit > before) == grows


@pytest.mark.parametrize("seconds", [None, 2.0])
def test_a_rate_limit_among_answers_holds_its_own_request(seconds):
    """The others come through: they go on, as many as before, and the refused one waits by itself."""
    found = pool()
    for number in range(200):
        found.flying = 40
        if number % 20:
            succeed(found)
        else:
            refusal = found.refuse(0.0, 0.0, seconds)
            assert refusal.own
            assert (seconds or 0.5) <= refusal.wait <= 1.2 * (seconds or 0.5) + 0.1
        assert found.wait(0.0, "a") == 0
    assert found.limit >= START


def test_one_that_is_refused_again_waits_longer():
    """Where the API does not say how long, a request waits twice as long each time, and some seconds at most."""
    found, waits = pool(), []
    for before in range(7):
        window(found)
        found.flying = 40
        waits.append(found.refuse(0.0, 0.0, None, before=before).wait)
    for wait, least in zip(waits, [0.5, 1, 2, 4, 8, 8, 8], strict=True):
        assert least <= wait <= 1.1 * least + 0.05


@pytest.mark.parametrize("seconds", [None, 3.0])
@pytest.mark.parametrize("places", [1, 10, 20])
def test_a_crowd_of_rate_limits_leaves_what_was_not_refused(places, seconds):
    """Of a burst so many are not refused: so many may go at once."""
    found = pool()
    refusal = burst(found, START - places, seconds)
    assert int(found.limit) == places
    assert not refusal.own


def test_a_crowd_that_says_how_long_closes_the_gate():
    """Most of what comes back is rate limits: nobody goes before the API wants it."""
    found = pool()
    refusal = burst(found, START - 10, 3.0)
    found.flying = 0
    assert 3 <= refusal.wait <= 3.4
    assert found.wait(0.1, "a") == pytest.approx(refusal.wait)
    assert found.wait(0.1 + refusal.wait, "a") == 0


def test_a_few_rate_limits_before_any_answer_are_no_crowd():
    """A refusal comes sooner than an answer: three first ones of many do not close the gate."""
    found = pool()
    assert burst(found, 3, 1.0).own
    assert found.wait(0.1, "a") == 0
    assert found.limit == START


def test_an_answer_ends_a_crowd():
    """What comes back after the gate was closed is looked at by itself."""
    found = pool()
    burst(found, START - 10, 3.0)
    found.flying = 10
    succeed(found, sent=5.0)
    assert found.refuse(5.1, 5.0, 3.0).own


def test_headers_that_leave_nothing_close_the_gate():
    """A rate limit whose headers tell of an empty bucket is everybody's; it says nothing of how many may go at once."""
    found = pool()
    window(found)
    before = found.limit
    claim = found.launch(10.0, "a")
    found.flying = 40
    told = {"limit": "60", "remaining": "0"}
    found.quota.learn(10.0, claim, {f"anthropic-ratelimit-requests-{key}": value for key, value in told.items()})
    refusal = found.refuse(10.0, 10.0, 5.0, "a")
    assert not refusal.own
    assert found.wait(10.0, "a") >= 5
    assert found.limit == before


def test_a_fifth_of_rate_limits_takes_places():
    """Where a fifth of what goes in two rounds is refused, there are too many at once, if all places are used."""
    for used, gives in ((1.0, True), (0.5, False)):
        found = limited(limit=40.0)
        for number in range(200):
            found.flying = int(used * found.limit)
            if number % 4:
                found.succeed(0.0, 0.0)
            else:
                found.refuse(0.0, 0.0, 1.0)
        assert (found.limit < 40) == gives


def test_after_a_rate_limit_it_grows_by_a_twentieth_then_twice_that():
    """The doubling is over; each window without an objection grows by twice as much as the one before it."""
    found, seen = limited(ceiling=10_000), []
    for _ in range(7):
        before = found.limit
        window(found)
        seen.append(found.limit / before)
    assert seen[:4] == pytest.approx([1.05, 1.10, 1.20, 1.40], abs=0.05)
    assert max(seen) <= 2


def test_a_crowd_makes_it_grow_slowly_again():
    """What was found by growing fast is not to be lost by it."""
    found = limited(ceiling=10_000)
    for _ in range(5):
        window(found)
    burst(found, int(found.limit) - 100)
    found.flying = 0
    before = found.limit
    window(found)
    assert before == 100
    assert found.limit <= 1.06 * before


def test_a_failure_does_not_end_the_doubling():
    """One failure says nothing about how many may go at once."""
    found = pool()
    fail(found, 0.0)
    window(found)
    assert found.limit == 2 * START


def test_a_failure_now_and_then_cuts_nothing():
    """Three of twenty answers are no trouble."""
    found = limited()
    before = found.limit
    for number in range(200):
        if number % 20 < 3:
            fail(found, 10.0 + number)
        else:
            found.flying = 0
            succeed(found)
    assert found.limit == before


def test_a_fifth_of_failures_cuts():
    """Four of the last twenty are, and the cut is made once."""
    found = pool()
    found.flying = 0
    for _ in range(16):
        succeed(found)
    found.flying = 100
    fail(found, 10.0, 3)
    assert found.limit == START
    fail(found, 10.0)
    assert found.limit == START / 2
    fail(found, 20.0, 10)
    assert found.limit == START / 2


def test_fewer_than_twenty_answers_say_nothing():
    """A run that begins with failures is not cut for them."""
    found = pool()
    found.flying = 100
    fail(found, 0.0, 19)
    assert found.limit == START


@settings(deadline=None)
@given(
    st.integers(1, 300),
    st.lists(
        st.tuples(st.sampled_from("sssrf"), st.integers(0, 300), st.floats(0, 3), st.floats(0, 2)),
        min_size=1,
        max_size=200,
    ),
)
def test_the_limit_stays_between_one_and_the_ceiling(ceiling, happenings):
    """Whatever happens, in whatever order: at least one may go, never more than the author allows."""
    found, now = pool(ceiling, math.inf), 0.0
    for what, flying, seconds, ago in happenings:
        now += seconds
        found.flying = min(flying, int(found.limit))
        if what == "s":
            succeed(found)
        elif what == "r":
            assert found.refuse(now, now - ago, None).wait >= 0
        else:
            found.fail(now, now - ago, "overloaded (529)", heard=True)
        assert 1 <= found.limit <= ceiling
        found.flying = 0
        assert found.wait(now, "a") < 35
        found.flying = ceiling
        assert found.wait(now, "a") == math.inf


def test_places_that_are_taken_are_waited_for():
    """With all places taken nobody can say when the next may go."""
    found = pool(2)
    found.flying = 1
    assert found.wait(0.0, "a") == 0
    found.flying = 2
    assert found.wait(0.0, "a") == math.inf


def test_a_gate_is_not_opened_early_by_a_shorter_wait():
    """The longest wait that was asked for counts."""
    found = pool(1)
    found.flying = 1
    found.refuse(0.0, 0.0, 10.0)
    found.refuse(1.0, 0.0, 0.5)
    assert found.wait(1.0, "a") == math.inf
    found.flying = 0
    assert found.wait(1.0, "a") >= 9


def test_without_a_header_the_waits_grow():
    """What is sent alone and refused without a word is tried after half a second, and never after more than thirty."""
    found, now, waits = pool(1, math.inf), 0.0, []
    for _ in range(12):
        found.flying = 1
        waits.append(found.refuse(now, now, None).wait)
        now += waits[-1]
    assert waits == [0.5, 1, 2, 4, 8, 16, *[30] * 6]


@pytest.mark.parametrize("asked", [3600.0, math.inf])
def test_what_the_api_asks_for_is_no_longer_than_a_run_waits(asked):
    """While something is still in flight, a wait that a run has no time for is cut, also where requests keep apart."""
    found = pool()
    for _ in range(2):  # sent alone, and refused: requests are kept apart from now on
        found.launch(0.0, "s")
        found.refuse(0.0, 0.0, None)
        found.flying -= 1
    assert found.spacing.active
    found.launch(1.0, "s")
    found.launch(1.1, "s")
    found.refuse(1.2, 1.1, asked)
    found.flying -= 1
    found.succeed(1.5, 1.0)
    found.flying -= 1
    assert found.wait(1.5, "s") < 60


def test_time_at_the_gate_is_added_up():
    """What a gate or a quota held is told, also while it still does."""
    found = pool()
    found.hold(1.0, held=True)
    found.hold(2.0, held=True)
    assert found.state(3.0).held == 2
    found.hold(4.0, held=False)
    found.hold(9.0, held=True)
    assert found.state(10.0).held == 4
