"""How far apart requests are kept where a rate limit does not say how long to wait."""

import math
from itertools import pairwise

import pytest

from yamlgen.pacing.spacing import Spacing


def found(every=10.0, start=100.0):
    """A spacing that has found a steady rate, and when the last request came through."""
    spacing, now = Spacing(), start
    spacing.succeed(now, now)
    granted = now
    while not spacing.active or now - granted <= every:
        now += spacing.refuse(now, now, None, alone=True)
    spacing.succeed(now, now)
    granted = now
    spacing.refuse(now, now, None, alone=True)
    return spacing, granted


def test_nothing_refused_is_no_distance():
    """Until a request that was sent alone is refused, nobody waits."""
    spacing = Spacing()
    spacing.launch(0.0)
    spacing.succeed(1.0, 0.0)
    assert not spacing.active
    assert spacing.wait(1.0) == 0


def test_the_search_doubles():
    """While nothing comes through, each wait is twice the one before it, up to half a minute."""
    spacing, now, waits = Spacing(), 0.0, []
    for _ in range(8):
        waits.append(spacing.refuse(now, now, None, alone=True))
        assert spacing.wait(now) == waits[-1]
        now += waits[-1]
    assert waits == [0.5, 1, 2, 4, 8, 16, 30, 30]


def test_after_the_search_the_next_goes_at_once():
    """The first that comes through may be the end of an outage, or of a window: then nobody has to wait."""
    spacing = Spacing()
    spacing.refuse(0.0, 0.0, None, alone=True)
    spacing.succeed(0.6, 0.5)
    assert spacing.wait(0.6) == 0
    spacing.launch(0.6)
    spacing.succeed(0.7, 0.6)
    assert not spacing.active


def test_a_steady_rate_keeps_its_distance():
    """The next was refused: from the one that came through on, the distance that it took is kept."""
    spacing, granted = found(10.0)
    assert 10 < spacing.seconds < 20
    assert spacing.wait(granted) == pytest.approx(spacing.seconds)


def test_answers_shorten_it_ever_more():
    """Each answer in a row takes off more than the last one did; soon none is left."""
    spacing, now = found(10.0)
    lengths = [spacing.seconds]
    while spacing.active:
        now += spacing.wait(now)
        spacing.launch(now)
        spacing.succeed(now, now)
        lengths.append(spacing.seconds)
    shares = [later / sooner for sooner, later in pairwise(lengths[:3])]
    assert shares == pytest.approx([0.95, 0.9025])
    assert len(lengths) < 10


def test_a_refusal_adds_a_quarter_and_waits_for_no_more():
    """What was waited already counts: the wait is from the last one that came through."""
    spacing, granted = found(10.0)
    before = spacing.seconds
    now = granted + before
    assert spacing.refuse(now, now, None, alone=True) == pytest.approx(0.25 * before)
    assert spacing.seconds == pytest.approx(1.25 * before)


def test_what_was_sent_before_a_change_changes_nothing():
    """One burst is one refusal."""
    spacing, granted = found(10.0)
    before = spacing.seconds
    spacing.refuse(granted + 1, granted - 1, None, alone=False)
    assert spacing.seconds == before


def test_what_the_api_asks_for_is_waited_once_and_is_the_least_then():
    """A right `retry-after` is obeyed; one that was too short is not believed again."""
    spacing = Spacing()
    assert spacing.refuse(0.0, 0.0, 10.0, alone=True) == 10
    spacing = Spacing()
    now, waits = 0.0, []
    for _ in range(5):
        waits.append(spacing.refuse(now, now, 1.0, alone=True))
        now += waits[-1]
    assert waits == [1, 1, 2, 4, 8]


def test_a_long_silence_before_is_no_distance():
    """Nobody asked for an hour, and then one was refused: the hour is not the distance."""
    spacing = Spacing()
    spacing.succeed(0.0, 0.0)
    now = 3600.0
    now += spacing.refuse(now, now, None, alone=True)
    spacing.succeed(now, now)
    assert spacing.refuse(now, now, None, alone=True) <= 1


def test_with_others_in_flight_it_begins_at_what_is_usual():
    """Where answers come every so often, requests go as often, and not one by one."""
    spacing = Spacing()
    assert spacing.refuse(0.0, 0.0, None, alone=False, usual=0.4) == pytest.approx(0.4)
    assert spacing.seconds == 0.4


def test_a_guess_is_no_longer_than_may_be_waited():
    """What is guessed is bounded by who waits; what the API asks for is not."""
    spacing = Spacing()
    assert spacing.refuse(0.0, 0.0, None, alone=True, most=0.1) == 0.1
    assert spacing.wait(0.0) == 0.1
    assert Spacing().refuse(0.0, 0.0, 99.0, alone=True, most=0.1) == 99
    assert math.isfinite(spacing.wait(1e9))
