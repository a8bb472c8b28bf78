"""What becomes of rows at APIs that limit a rate in one way or another, in virtual time: whole runs of requests."""

import random

import pytest

from virtual_time import BucketApi, ConcurrencyApi, RandomFailureApi, SteadyApi, VirtualApi, WindowedApi, run
from yamlgen.errors import Code


@pytest.fixture(autouse=True)
def _drawn():
    """The same jitter each time."""
    random.seed(1)


@pytest.mark.parametrize("told", [False, True], ids=["untold", "told"])
@pytest.mark.parametrize(("every", "rows"), [(10, 15), (2, 40), (0.5, 40), (0.5, 100), (0.05, 1000)])
def test_a_rate_is_found_and_kept(every, rows, told):
    """One request each so many seconds: all rows, hardly slower than the rate, and at most two 429s an answer."""
    ran = run(SteadyApi(every, told=told and every > 1), rows)
    assert ran.done == rows
    assert ran.seconds <= 1.5 * every * (rows - 1)
    assert ran.limited <= 2 * rows


@pytest.mark.parametrize("every", [60, 300])
def test_a_very_slow_rate_costs_no_row(every):
    """One request in minutes, less than a run's patience: each row waits its turn, and none fails for it."""
    ran = run(SteadyApi(every), 20)
    assert (ran.done, ran.failed, ran.stopped) == (20, [], None)
    assert ran.seconds <= 1.5 * every * 19


@pytest.mark.parametrize("every", [10, 60])
def test_a_wait_that_is_told_wrong_costs_no_row(every):
    """An API that always asks to wait a second, and grants one request in many: it is not asked each second."""
    ran = run(SteadyApi(every, hint=1), 20)
    assert ran.done == 20
    assert ran.limited <= 2 * 20
    assert ran.seconds <= 1.5 * every * 19


@pytest.mark.parametrize("latency", [0.01, 0.3, 0.49, 0.55, 1.0, 2.0, 5.0])
def test_a_rate_is_found_whatever_the_latency(latency):
    """Answers that take as long as the rate, or longer: then there are more than one at once, which takes a while."""
    ran = run(SteadyApi(0.5, latency=latency), 100)
    assert ran.done == 100
    assert ran.seconds <= (1.5 if latency < 0.5 else 1.7) * (0.5 * 99 + latency)
    assert ran.limited <= 2 * 100


@pytest.mark.parametrize("hint", [None, 5])
@pytest.mark.parametrize(("size", "seconds", "rows"), [(60, 60.0, 300), (600, 60.0, 3000)])
def test_the_windows_of_a_clock_are_used(size, seconds, rows, hint):
    """So many requests a minute of the clock: once a window has begun, it is used up, not followed at a distance."""
    ran = run(WindowedApi(size, seconds, hint=hint), rows)
    assert ran.done == rows
    assert ran.seconds <= 1.25 * rows / size * seconds


@pytest.mark.parametrize("latency", [0.05, 1.0, 5.0])
@pytest.mark.parametrize(("depth", "rate", "rows"), [(10, 2, 200), (50, 2, 200), (10, 20, 2000)])
def test_a_bucket_that_fills_is_used(depth, rate, rows, latency):
    """A burst, and a steady rate afterwards: nothing is lost of either."""
    ran = run(BucketApi(depth, rate, latency=latency), rows)
    assert ran.done == rows
    assert ran.seconds <= 1.5 * ((rows - depth) / rate + latency)
    assert ran.limited <= 2 * rows


@pytest.mark.parametrize("hint", [None, 1, 5])
@pytest.mark.parametrize(("places", "rows"), [(1, 60), (10, 1000), (100, 5000)])
def test_places_are_found_and_kept(places, rows, hint):
    """So many requests at once: all places are used, and a request that finds none is the exception."""
    ran = run(ConcurrencyApi(places, latency=1, hint=hint), rows)
    assert ran.done == rows
    assert ran.most == places
    assert ran.seconds <= (1.25 if places > 1 else 1.5) * rows / places
    assert ran.limited <= max(0.3 * rows, 2 * 48)


@pytest.fixture(scope="module")
def calm():
    """How 10,000 requests end at an API that refuses none."""
    return run(VirtualApi(), 10_000, ceiling=64, window=160)


@pytest.mark.parametrize("share", [0.02, 0.05, 0.1])
@pytest.mark.parametrize("seed", range(5))
def test_a_rate_limit_now_and_then_stops_nobody_else(share, seed, calm):
    """Some of many are told to wait a second: that takes a second at the end, and hardly any longer altogether."""
    api = RandomFailureApi(share, hint=1)
    api.random.seed(seed)
    storm = run(api, 10_000, ceiling=64, window=160)
    assert storm.done == 10_000
    assert storm.seconds <= 1.5 * calm.seconds + 3


@pytest.mark.parametrize("share", [0.3, 0.6])
def test_many_rate_limits_by_chance_cost_no_row(share):
    """What is refused by chance comes through in the end; no distance helps, and none is kept for ever."""
    ran = run(RandomFailureApi(share, hint=1), 300, ceiling=64)
    assert (ran.done, ran.failed) == (300, [])


@pytest.mark.parametrize("hint", [None, 5])
@pytest.mark.parametrize(("ceiling", "latency"), [(1, 1), (64, 4)])
def test_a_request_larger_than_its_quota_fails_by_itself(ceiling, latency, hint):
    """One that is refused whenever it is sent, while others come through, is given up after `max_pause`."""
    rows = 1500 * ceiling // latency
    ran = run(RandomFailureApi(rows=(7,), hint=hint, latency=latency), rows, ceiling=ceiling)
    assert ran.failed == [7]
    assert ran.done == rows - 1
    assert ran.stopped is None
    assert ran.seconds <= 1.1 * 1500


def test_a_request_larger_than_its_quota_outlives_the_others():
    """The others are done before the patience is over: the one is given up, not the run."""
    ran = run(RandomFailureApi(rows=(7,), hint=5, latency=1), 100)
    assert (ran.done, ran.failed, ran.stopped) == (99, [7], None)


@pytest.mark.parametrize("hint", [None, 10])
def test_nothing_but_rate_limits_ends_the_run(hint):
    """Nobody comes through for longer than `max_pause`."""
    ran = run(RandomFailureApi(1.0, hint=hint), 20, until=2000)
    assert ran.stopped.code == Code.PAUSED_TOO_LONG
    assert ran.failed == []
    assert 500 < ran.ended < 620


def test_a_wait_of_hours_is_told_at_once():
    """All are told to wait for longer than a run does."""
    ran = run(RandomFailureApi(1.0, hint=7200), 20, until=2000)
    assert ran.stopped.code == Code.PAUSED_TOO_LONG
    assert ran.ended < 5
