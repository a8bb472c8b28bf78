"""How many requests of a pool may be in flight: the search for a ceiling, and the gate."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yamlgen.claude.pool import MAX_PAUSE, START, Pool


def pool(ceiling=1000, max_pause=MAX_PAUSE):
    """A new pool."""
    return Pool("haiku-5", ceiling, max_pause)


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
    """A pool that has met its first rate limit, at second 0, and stands at this limit."""
    found = pool(ceiling)
    found.refuse(0.0, 0.0, 0.1)
    found.limit, found.flying = limit, flying
    return found


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


def test_the_first_rate_limit_halves_and_later_ones_cut_by_a_fifth():
    """Doubling may have gone twice too far; what was found by small steps is followed by four fifths of it."""
    found = pool()
    found.limit, found.flying = 200.0, 200
    found.refuse(0.0, 0.0, 1.0)
    assert found.limit == 100
    found.refuse(1.0, 0.5, None)
    assert found.limit == 80


def test_a_cut_is_of_the_limit():
    """What is in flight may be little, because a quota holds the rest back; the limit was found all the same."""
    found = limited()
    found.flying = 2
    found.refuse(6.0, 5.0, 1.0)
    assert found.limit == 80


def test_a_crowd_of_rate_limits_cuts_once():
    """All that was sent before the cut may be refused without another one."""
    found = limited()
    found.refuse(5.0, 4.0, 1.0)
    for late in (5.1, 6.5, 9.0):
        found.refuse(late, 4.9, 1.0)
    assert found.limit == 80


def test_what_is_sent_after_a_cut_may_cut_again():
    """It has met the limit that was cut, and found it too high."""
    found = limited()
    found.refuse(5.0, 4.0, None)
    found.refuse(5.9, 4.9, None)
    assert found.limit == 80
    found.refuse(6.1, 5.5, None)
    assert found.limit == 64


def test_rate_limits_that_say_how_long_cut_now_and_then():
    """They are of a rate, which the gate obeys: one in twenty answers must not bring the limit down to nothing."""
    found = limited()
    for second in range(6, 11):
        found.refuse(float(second), second - 0.1, 1.0)
    assert found.limit == 80
    found.refuse(12.0, 11.9, 1.0)
    assert found.limit == 64


def test_after_a_rate_limit_it_grows_by_a_twentieth_a_window():
    """The doubling is over for good."""
    found = limited()
    window(found)
    assert found.limit == pytest.approx(105)
    window(found)
    assert found.limit == pytest.approx(110.25, abs=0.1)


def test_a_failure_does_not_end_the_doubling():
    """One failure says nothing about how many may go at once."""
    found = pool()
    fail(found, 0.0)
    window(found)
    assert found.limit == 2 * START


def test_a_failure_now_and_then_cuts_nothing():
    """Three of twenty answers are no trouble."""
    found = limited()
    found._cut_at = -math.inf
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
    st.lists(st.tuples(st.sampled_from("sssrf"), st.integers(0, 300), st.floats(0, 3), st.floats(0, 2)), max_size=200),
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
            assert found.refuse(now, now - ago, None) >= 0
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


def test_a_rate_limit_closes_the_gate_for_as_long_as_it_says():
    """The wait is what the API asks for, and a little, so that not everybody comes back at once."""
    found = pool()
    told = found.refuse(10.0, 9.0, 3.0)
    assert 3 <= told <= 3.4
    assert found.wait(10.0, "a") == pytest.approx(told)
    assert found.wait(10.0 + told, "a") == 0


def test_a_gate_is_not_opened_early_by_a_shorter_wait():
    """The longest wait that was asked for counts."""
    found = pool()
    found.refuse(0.0, 0.0, 10.0)
    found.refuse(1.0, 0.0, 0.5)
    assert found.wait(1.0, "a") >= 9


def test_without_a_header_the_waits_grow():
    """A rate limit that says nothing is waited out for half a second first, and never for more than thirty."""
    found, now, waits = pool(), 0.0, []
    for _ in range(12):
        waits.append(found.refuse(now, now, None))
        now += waits[-1]
    assert 0.5 <= waits[0] <= 0.6
    assert waits == sorted(waits[:8]) + waits[8:]
    assert 30 <= max(waits) <= 31


def test_an_answer_begins_the_waits_anew():
    """After an answer the next rate limit is a first one again."""
    found = pool()
    found.refuse(0.0, 0.0, None)
    succeed(found)
    assert found.refuse(100.0, 100.0, None) <= 0.6


def test_time_at_the_gate_is_added_up():
    """What a gate or a quota held is told, also while it still does."""
    found = pool()
    found.hold(1.0, held=True)
    found.hold(2.0, held=True)
    assert found.state(3.0).held == 2
    found.hold(4.0, held=False)
    found.hold(9.0, held=True)
    assert found.state(10.0).held == 4
