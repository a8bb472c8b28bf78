"""What an account may still send, as the API's headers tell it: the reckoning, and headers that make no sense."""

import math
import time
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yamlgen.pacing.quota import Quota
from yamlgen.value_objects import Usage

NAMES = ("requests", "input-tokens", "output-tokens")
LONGEST = 15.0


def headers(limit, remaining, seconds=None, *, name="requests", ahead=0.0):
    """The headers of one bucket, which is whole in some seconds; the server's clock goes `ahead` of ours."""
    server = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=ahead)
    told = {f"anthropic-ratelimit-{name}-limit": str(limit), f"anthropic-ratelimit-{name}-remaining": str(remaining)}
    if seconds is not None:
        told[f"anthropic-ratelimit-{name}-reset"] = (server + timedelta(seconds=seconds)).isoformat()
    return {**told, "date": format_datetime(server, usegmt=True)}


def taught(*told, now=0.0, step="a"):
    """A quota that sent one request, at once answered by these headers."""
    quota = Quota()
    quota.learn(now, quota.claim(now, step), headers(*told))
    return quota


def test_nothing_known_is_no_wait():
    """Until a header tells a quota, any number of requests may go."""
    quota = Quota()
    for _ in range(10_000):
        quota.claim(0.0, "a")
    assert not quota.known
    assert quota.wait(0.0, "a") == 0


def test_a_bucket_that_no_header_tells_holds_nothing_back():
    """Headers of requests alone say nothing about tokens."""
    quota = taught(1000, 900)
    quota.note("a", Usage(10**9, 10**9))
    assert quota.wait(0.0, "a") == 0


def test_an_empty_bucket_is_waited_for():
    """With nothing left of 60 a minute, the next may go once its share and the margin have flown in."""
    assert taught(60, 0).wait(0.0, "a") == pytest.approx(1.6)


def test_a_bucket_refills_continuously():
    """Half of the wait later, half of it is left; then none."""
    quota = taught(60, 0)
    assert quota.wait(0.8, "a") == pytest.approx(0.8)
    assert quota.wait(1.6001, "a") == 0


def test_a_bucket_never_holds_more_than_its_limit():
    """An hour without a request saves nothing up."""
    quota = taught(60, 60)
    for _ in range(60):
        quota.claim(3600.0, "a")
    assert quota.wait(3600.0, "a") == pytest.approx(1.6)


def test_what_is_sent_after_a_header_is_taken_off():
    """Of the ten that a header left, ten may go, and the eleventh waits."""
    quota = taught(60, 11)
    sent = 0
    while quota.wait(0.0, "a") == 0:
        quota.claim(0.0, "a")
        sent += 1
    assert sent == 10  # the margin keeps one hundredth of the bucket


def test_what_was_sent_before_the_answer_came_is_taken_off():
    """A header is true for its request; the nine that were sent behind it are not in it yet."""
    quota = Quota()
    first = quota.claim(0.0, "a")
    for _ in range(9):
        quota.claim(0.0, "a")
    quota.learn(0.0, first, headers(60, 9))
    assert quota.wait(0.0, "a") == pytest.approx(1.6)


def test_what_flew_in_while_the_answer_was_on_its_way_counts():
    """A header that took ten seconds to come tells of a bucket that has filled for ten seconds since."""
    quota = Quota()
    first = quota.claim(0.0, "a")
    quota.learn(10.0, first, headers(60, 0))
    for _ in range(9):
        assert quota.wait(10.0, "a") == 0
        quota.claim(10.0, "a")
    assert quota.wait(10.0, "a") > 0


def test_a_slow_answer_does_not_overwrite_a_newer_one():
    """A request that was sent before tells less than one that was sent later, whichever comes first."""
    quota = Quota()
    old, new = quota.claim(0.0, "a"), quota.claim(1.0, "a")
    quota.learn(2.0, new, headers(60, 0))
    before = quota.wait(2.0, "a")
    quota.learn(3.0, old, headers(60, 60))
    assert quota.wait(2.0, "a") == before > 0


def test_a_newer_answer_overwrites():
    """What the API says last is true, whatever was reckoned."""
    quota = Quota()
    old, new = quota.claim(0.0, "a"), quota.claim(1.0, "a")
    quota.learn(2.0, old, headers(60, 0))
    quota.learn(3.0, new, headers(60, 50))
    assert quota.wait(3.0, "a") == 0


def test_the_reset_tells_the_rate():
    """An empty bucket of 60 that is whole in 6 seconds fills by ten a second: time may run at any scale."""
    assert taught(60, 0, 6).wait(0.0, "a") == pytest.approx(0.16)


def test_a_reset_within_a_second_tells_no_rate():
    """Resets are told in whole seconds: one of none would make the bucket infinitely fast."""
    assert taught(60, 0, 0).wait(0.0, "a") == pytest.approx(1.6)


def test_a_full_bucket_tells_no_rate():
    """Where nothing is missing there is nothing to reckon with: the minute stands."""
    quota = taught(60, 60, 50)
    for _ in range(60):
        quota.claim(0.0, "a")
    assert quota.wait(0.0, "a") == pytest.approx(1.6)


def test_a_rate_is_kept_until_the_limit_changes():
    """A header without a reset keeps the learnt rate; another limit is another bucket."""
    quota = taught(60, 0, 6)
    quota.learn(0.0, quota.claim(0.0, "a"), headers(60, 0))
    assert quota.wait(0.0, "a") == pytest.approx(0.16)
    quota.learn(0.0, quota.claim(0.0, "a"), headers(600, 0))
    assert quota.wait(0.0, "a") == pytest.approx(0.7)


@pytest.mark.parametrize("ahead", [-86_400.0, -30.0, 45.0, 86_400.0 * 365])
def test_a_wrong_clock_does_no_harm(ahead):
    """The reset is compared with the server's own date, not with ours."""
    quota = Quota()
    quota.learn(0.0, quota.claim(0.0, "a"), headers(60, 0, 6, ahead=ahead))
    assert quota.wait(0.0, "a") == pytest.approx(0.16)


def test_without_a_date_the_local_clock_is_used():
    """A server that does not tell the time is compared with ours."""
    told = {key: value for key, value in headers(60, 0, 30).items() if key != "date"}
    quota = Quota()
    quota.learn(0.0, quota.claim(0.0, "a"), told)
    assert quota.wait(0.0, "a") == pytest.approx(0.8, rel=0.1)


@pytest.mark.parametrize(
    ("name", "usage"),
    [
        ("output-tokens", Usage(0, 200)),
        ("input-tokens", Usage(200, 0)),
        ("input-tokens", Usage(150, 0, 50, 10**6)),
    ],
    ids=["output", "input", "cache"],
)
def test_tokens_are_reckoned_by_what_answers_took(name, usage):
    """A step whose answers take 200 tokens waits for 200; what is read from the cache is not counted."""
    quota = Quota()
    quota.note("a", usage)
    quota.learn(0.0, quota.claim(0.0, "a"), headers(6000, 0, name=name))
    assert quota.wait(0.0, "a") == pytest.approx((200 + 60) / 100)


def test_the_mean_runs():
    """A change in the length of answers is followed slowly, and in the end wholly."""
    quota = Quota()
    quota.note("a", Usage(0, 100))
    quota.learn(0.0, quota.claim(0.0, "a"), headers(6000, 0, name="output-tokens"))
    quota.note("a", Usage(0, 200))
    assert quota.wait(0.0, "a") == pytest.approx((110 + 60) / 100)
    for _ in range(100):
        quota.note("a", Usage(0, 200))
    assert quota.wait(0.0, "a") == pytest.approx((200 + 60) / 100, rel=0.01)


def test_each_step_has_a_mean_of_its_own():
    """A step of long answers does not slow down one of short ones."""
    quota = Quota()
    quota.note("long", Usage(0, 900))
    quota.note("short", Usage(0, 10))
    quota.learn(0.0, quota.claim(0.0, "short"), headers(6000, 200, name="output-tokens"))
    assert quota.wait(0.0, "short") == 0
    assert quota.wait(0.0, "long") > 0


def test_the_scarcest_bucket_decides():
    """Requests are left, tokens are not."""
    quota = Quota()
    claim = quota.claim(0.0, "a")
    quota.learn(0.0, claim, headers(1000, 1000) | headers(60_000, 0, name="input-tokens"))
    assert quota.wait(0.0, "a") == pytest.approx(1.1)


def test_a_request_larger_than_its_bucket_waits_for_a_whole_one_only():
    """An answer that takes more than a minute's tokens goes when the bucket is full, not never."""
    quota = Quota()
    quota.note("a", Usage(0, 10**6))
    quota.learn(0.0, quota.claim(0.0, "a"), headers(6000, 6000, name="output-tokens"))
    assert quota.wait(0.0, "a") == 0


@pytest.mark.parametrize("limit", ["", "many", "0", "-5", "nan", "inf", "-inf", "1e999", "0x10", "None", "[]"])
def test_a_limit_that_makes_no_sense_is_none(limit):
    """Garbage in place of a limit holds nothing back."""
    assert taught(limit, 0, 30).wait(0.0, "a") == 0


@pytest.mark.parametrize("remaining", ["", "few", "nan", "inf", "1e999"])
def test_a_remainder_that_makes_no_sense_is_none(remaining):
    """Garbage in place of what is left holds nothing back."""
    assert taught(60, remaining, 30).wait(0.0, "a") == 0


def test_a_remainder_above_the_limit_is_the_limit():
    """No bucket holds more than it can."""
    quota = taught(60, 10**9)
    for _ in range(60):
        quota.claim(0.0, "a")
    assert quota.wait(0.0, "a") > 0


@pytest.mark.parametrize(
    "reset",
    ["", "soon", "12", "0001-01-01T00:00:00", "9999-12-31T23:59:59", "25:00"],
)
def test_a_reset_that_makes_no_sense_tells_no_rate(reset):
    """A reset that nobody can read, or none at all, leaves the bucket at its limit a minute, and the wait bounded."""
    quota = Quota()
    told = {**headers(60, 0), "anthropic-ratelimit-requests-reset": reset}
    quota.learn(0.0, quota.claim(0.0, "a"), told)
    assert 0 < quota.wait(0.0, "a") <= LONGEST


def test_a_reset_without_a_time_zone_holds_nobody_for_long():
    """A local time may be hours off; nobody waits hours for it."""
    quota = Quota()
    local = (datetime.now(UTC) + timedelta(hours=9)).replace(tzinfo=None).isoformat()
    told = {**headers(60, 0), "anthropic-ratelimit-requests-reset": local}
    quota.learn(0.0, quota.claim(0.0, "a"), told)
    assert quota.wait(0.0, "a") <= LONGEST


def test_a_reset_a_year_ahead_holds_nobody_for_long():
    """A reset that is absurd makes one wait of fifteen seconds at most."""
    assert taught(60, 0, 365 * 86_400).wait(0.0, "a") <= LONGEST


@pytest.mark.parametrize("seconds", [365 * 86_400, 7200], ids=["a year", "two hours"])
def test_a_wait_of_fifteen_seconds_is_over_after_fifteen_seconds(seconds):
    """After the longest wait the request may go, and the API says itself whether it may be."""
    assert taught(60, 0, seconds).wait(LONGEST + 0.001, "a") == 0


def test_headers_that_contradict_each_other_hold_nobody_for_long():
    """Nothing left and whole already, whole and hours to wait, more left than fits: each is a bounded wait."""
    for told in [(60, 0, -50), (60, 60, 3600), (60, 90, 3600), (1, 0, 3600), (10**12, 0, 10**9)]:
        quota = taught(*told)
        for _ in range(100):
            quota.claim(0.0, "a")
        assert 0 <= quota.wait(0.0, "a") <= LONGEST, told


@pytest.mark.parametrize("limit", ["5e-324", "1e-322", "1e-300", "1e-9", "0.5", "1e308"])
def test_a_limit_of_any_size_is_reckoned_with(limit):
    """The smallest and the largest number that a header can hold are numbers."""
    for seconds in (None, 3600):
        assert 0 <= taught(limit, 0, seconds).wait(0.0, "a") <= LONGEST


NUMBERS = st.one_of(
    st.sampled_from(
        ["", "0", "-1", "nan", "inf", "-inf", "1e999", "5e-324", "1_0", " 7 ", "\N{FULLWIDTH DIGIT ONE}", "soon"]
    ),
    st.integers(-10, 10**12).map(str),
    st.floats().map(str),
    st.text(max_size=12),
)
ZONES = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
MOMENTS = st.one_of(
    st.datetimes().map(datetime.isoformat),
    st.datetimes(timezones=ZONES).map(datetime.isoformat),
    st.floats(-1e5, 1e8).map(lambda s: datetime.fromtimestamp(time.time() + s, UTC).isoformat()),
    st.text("0123456789-:+TZ.W ", max_size=30),
    st.text(max_size=12),
)
DATES = st.one_of(
    st.datetimes(timezones=st.just(UTC)).map(format_datetime), st.text("0123456789-:+, MonJaGT", max_size=30), st.text()
)


@st.composite
def told_headers(draw):
    """Headers with some of the ten that matter, each of them any text."""
    found = {}
    for name in NAMES:
        for part, texts in (("limit", NUMBERS), ("remaining", NUMBERS), ("reset", MOMENTS)):
            if draw(st.booleans()):
                found[f"anthropic-ratelimit-{name}-{part}"] = draw(texts)
    if draw(st.booleans()):
        found["date"] = draw(DATES)
    return found


@settings(deadline=None)
@given(st.lists(st.tuples(told_headers(), st.floats(0, 1e5), st.integers(0, 10**7)), min_size=1, max_size=5))
def test_no_header_holds_anybody_for_long(answers):
    """Whatever headers say, one after the other, nothing is raised and no wait is longer than fifteen seconds."""
    quota, now = Quota(), 1000.0
    for told, seconds, tokens in answers:
        claim = quota.claim(now, "a")
        quota.note("a", Usage(tokens, tokens))
        now += seconds
        quota.learn(now, claim, told)
        wait = quota.wait(now, "a")
        assert math.isfinite(wait)
        assert 0 <= wait <= LONGEST


@settings(deadline=None)
@given(st.integers(1, 100), st.floats(0, 0.5), st.integers(1, 6), st.lists(st.floats(0, 99), min_size=1, max_size=9))
def test_a_bucket_that_is_waited_for_is_never_overdrawn(limit, share, reset, gaps):
    """Whoever sends only what the bucket lets go never takes more out of the API's own bucket than is in it."""
    remaining, now, quota = share * limit, 0.0, Quota()
    quota.learn(now, quota.claim(now, "a"), headers(limit, remaining, reset))
    level, rate = remaining, (limit - remaining) / reset
    for gap in (*gaps, 12):  # by then the bucket is full
        now += gap
        level = min(limit, level + gap * rate)
        for _ in range(20):
            if quota.wait(now, "a") > 0:
                break
            quota.claim(now, "a")
            level -= 1
            assert level >= -1e-6


@pytest.mark.parametrize("reset", ["2020-01-01T00:00:00Z", "2020-01-01"])
def test_a_reset_in_the_past_holds_nobody(reset):
    """A bucket that was to be full by now is, whatever else is said of it."""
    quota = Quota()
    quota.learn(0.0, quota.claim(0.0, "a"), {**headers(60, 0), "anthropic-ratelimit-requests-reset": reset})
    assert quota.wait(0.0, "a") == 0


def test_fast_mode_has_a_quota_of_its_own():
    """It is in headers of its own; those of the other requests say nothing about it."""
    told = headers(60, 0)
    fast, other = Quota(fast=True), Quota()
    for quota in (fast, other):
        quota.learn(0.0, quota.claim(0.0, "a"), told)
    assert (fast.wait(0.0, "a"), other.wait(0.0, "a")) == (0, pytest.approx(1.6))
    renamed = {name.replace("anthropic-ratelimit-", "anthropic-fast-"): each for name, each in told.items()}
    fast.learn(0.0, fast.claim(0.0, "a"), renamed)
    assert fast.wait(0.0, "a") > 1
