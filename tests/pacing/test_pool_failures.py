"""A pool that meets nothing but failures: its budget, the pause with its probes, and the end of patience."""

import math

import pytest
from test_pool import fail, pool, succeed

from yamlgen.errors import Code, RunStopped
from yamlgen.exit_codes import ExitCode
from yamlgen.pacing.pool import Pool


def empty(found, now=0.0):
    """Empty a pool's budget by failures of many requests at once."""
    found.flying = 1000
    while not found.paused:
        fail(found, now)
    found.flying = 0
    return found


def ended(happening, clock):
    """What ends the run when something happens again and again, and when."""
    for _ in range(100):
        now = clock()
        try:
            happening()
        except RunStopped as stopped:
            return stopped, now
    pytest.fail("the run goes on and on")


def test_failures_pause_and_rate_limits_do_not():
    """Twenty failures in a row pause a pool; a rate limit is no failure, however many there are."""
    found = pool()
    fail(found, 0.0, 19)
    assert not found.paused
    fail(found, 0.0)
    assert found.paused
    found = pool()
    for _ in range(200):
        found.refuse(0.0, 0.0, 0.1)
    assert not found.paused


def test_answers_refund_the_budget():
    """Five answers make up for one failure, so that one failure in ten goes on for ever, and one in two does not."""
    found = pool()
    for _ in range(500):
        fail(found, 0.0)
        for _ in range(9):
            succeed(found)
    assert not found.paused
    for _ in range(30):
        fail(found, 0.0)
        succeed(found)
    assert found.paused or found.state(0.0).overloaded > 520


def test_the_budget_is_never_more_than_whole():
    """A thousand answers save nothing up for an outage."""
    found = pool()
    for _ in range(1000):
        succeed(found)
    fail(found, 0.0, 20)
    assert found.paused


def test_a_paused_pool_lets_one_probe_go():
    """One request at a time, however many were allowed before."""
    found = empty(pool())
    later = found.open_at + 0.001
    assert found.wait(0.0, "a") > 0
    assert found.wait(later, "a") == 0
    found.flying = 1
    assert found.wait(later, "a") == math.inf
    assert found.state(later).limit == 1
    assert found.state(later).reason == "paused: overloaded (529)"


def test_probes_are_ever_further_apart():
    """Each probe that fails doubles the wait, up to thirty seconds."""
    found, now, waits = empty(pool(max_pause=math.inf)), 0.0, []
    for _ in range(9):
        waits.append(found.open_at - now)
        now = found.open_at
        fail(found, now)
    for wait, least in zip(waits, [0.5, 1, 2, 4, 8, 16, 30, 30, 30], strict=True):
        assert least <= wait <= 1.1 * least + 0.05


def test_what_was_in_flight_when_the_pause_began_is_no_probe():
    """Sixty failures at once are one outage: the first probe goes after half a second, not after thirty."""
    found = pool()
    for _ in range(60):
        found.fail(1.0, 0.0, "overloaded (529)", heard=True)
    assert found.open_at - 1.0 <= 0.6


def test_an_outage_may_last_for_a_thousand_probes():
    """A patience of days is not ended by arithmetic."""
    found, now = empty(pool(max_pause=math.inf)), 0.0
    for _ in range(1100):
        now = found.open_at
        fail(found, now)
    assert found.open_at - now <= 31


@pytest.mark.parametrize("kind", ["refuse", "fail"])
def test_probes_that_fail_cut_nothing(kind):
    """One request at a time says nothing about how many may go at once when the API is back."""
    found, now = empty(pool(max_pause=math.inf)), 0.0
    before = found.limit
    for _ in range(40):
        now, found.flying = found.open_at, 1
        if kind == "refuse":
            found.refuse(now, now, 2.0)
        else:
            fail(found, now)
    succeed(found)
    assert found.limit >= 0.6 * before


def test_a_probe_that_succeeds_ends_the_pause():
    """One answer lets all go again, with half a budget."""
    found = empty(pool())
    succeed(found)
    assert not found.paused
    assert found.state(found.open_at).limit > 1
    fail(found, 100.0, 9)
    assert not found.paused
    fail(found, 100.0)
    assert found.paused


def test_where_nobody_was_ever_heard_there_is_little_patience():
    """An address where nobody is gets some seconds of probes, however long a run would wait for one that was heard."""
    found = pool()
    assert all(found.fail(0.0, 0.0, "refused", heard=False) for _ in range(25))
    assert found.paused
    assert found.fail(7.0, 6.0, "refused", heard=False)
    assert not found.fail(9.0, 8.0, "refused", heard=False)


def test_how_long_an_address_may_be_silent_can_be_said():
    """An author who waits for an address to come up says for how long."""
    found = Pool("haiku-5-5", 1000, 600.0, unheard=100.0)
    fail(found, 0.0, 25, heard=False)
    for now in range(20, 101, 20):
        assert found.fail(now, now - 1.0, "refused", heard=False)
    assert not found.fail(101.0, 100.0, "refused", heard=False)


def test_headers_of_an_answer_that_never_comes_end_no_outage():
    """What begins and is never whole is a failure like any other: it does not begin the patience of a run anew."""
    found = empty(pool(max_pause=60.0))

    def overdue():
        found.hear()
        fail(found, found.open_at, reason="no whole answer came")

    stopped, now = ended(overdue, lambda: found.open_at)
    assert stopped.code == Code.PAUSED_TOO_LONG
    assert 20 < now <= 61  # with its jitter


def test_an_outage_beyond_patience_ends_the_run():
    """Nothing but failures for longer than `max_pause`: the run ends with what failed, and with 3."""
    found = empty(pool(max_pause=60.0))
    stopped, now = ended(lambda: fail(found, found.open_at), lambda: found.open_at)
    assert "overloaded (529)" in stopped.message
    assert stopped.code == Code.PAUSED_TOO_LONG
    assert stopped.exit_code == ExitCode.ENVIRONMENT == 3
    assert 20 < now <= 61  # with its jitter


def test_rate_limits_beyond_patience_end_the_run():
    """Nothing but rate limits for longer than `max_pause` ends the run, too."""
    found, times = pool(max_pause=60.0), [0.0]

    def refused():
        found.flying = 1
        times.append(times[-1] + found.refuse(times[-1], times[-1], None).wait)

    stopped, now = ended(refused, lambda: times[-1])
    assert stopped.code == Code.PAUSED_TOO_LONG
    assert 20 < now <= 61  # with its jitter


@pytest.mark.parametrize("seconds", [61.0, 3600.0, 1e300, math.inf])
def test_a_wait_beyond_patience_is_not_begun(seconds):
    """A `retry-after` longer than `max_pause` is told at once."""
    with pytest.raises(RunStopped) as stopped:
        pool(max_pause=60.0).refuse(0.0, 0.0, seconds)
    assert stopped.value.code == Code.PAUSED_TOO_LONG


def test_an_answer_gives_patience_back():
    """A pause counts from the last answer: two short outages are no long one."""
    found = pool(max_pause=60.0)
    for start in (0.0, 50.0, 100.0):
        now = start
        while now < start + 25:
            now += found.refuse(now, now, 5.0).wait
        found.succeed(now, now)
    assert found.wait(now, "a") < math.inf


@pytest.mark.parametrize("kind", ["refuse", "fail"])
def test_a_pool_that_nobody_asked_was_not_silent(kind):
    """One failure, and an hour in which this model was not asked: the next failure ends no run."""
    found = pool(max_pause=600.0)
    fail(found, 0.0)
    if kind == "refuse":
        assert found.refuse(3600.0, 3599.0, None).wait <= 1
    else:
        fail(found, 3600.0, 30)
        assert found.paused


def test_a_pause_without_a_last_failure_is_told_plainly():
    """An answer to what was sent before the pause leaves it standing, and nothing to say but that."""
    found = empty(pool())
    succeed(found, sent=-1.0)
    assert found.paused
    assert found.state(0.0).reason == "paused"


def test_a_final_answer_ends_the_silence():
    """A refusal of what was asked shows that the API is there: the next rate limit begins to count anew."""
    found = pool(max_pause=10.0)
    found.refuse(0.0, 0.0, 1.0)
    succeed(found, sent=8.0)
    assert found.refuse(9.0, 8.5, 5.0).wait < 7
