"""A run that may use a part of a quota, in virtual time: what it sends in a minute, and what it leaves."""

import pytest

from virtual_time import TellingApi, VirtualApi, run
from yamlgen.events import PaceChanged, RunWarned
from yamlgen.pacing.quota import Quota
from yamlgen.pacing.quota_share import QuotaShare
from yamlgen.value_objects import RateLimits, Usage


def busiest_minute(sent):
    """The most requests that were sent within a minute."""
    return max(sum(first <= at < first + 60 for at in sent) for first in sent)


@pytest.mark.parametrize(("a_minute", "share"), [(50, 0.25), (1000, 0.25), (1000, 0.5), (4000, 0.1)])
def test_a_minute_has_its_share_of_the_requests(a_minute, share):
    """Whichever minute: never more than the share, and hardly less over the whole run."""
    rows = int(4 * a_minute * share)
    api = TellingApi(a_minute)
    ran = run(api, rows, ceiling=100, share=share)
    assert (ran.done, ran.limited) == (rows, 0)
    assert busiest_minute(api.sent) <= a_minute * share + 1
    assert ran.seconds <= 1.05 * 60 * rows / (a_minute * share)


def test_without_a_share_the_whole_quota_is_used():
    """The bucket of a minute at once, and what flows in."""
    api = TellingApi(1000)
    run(api, 1500, ceiling=100)
    assert busiest_minute(api.sent) == 1500


def test_what_a_share_leaves_can_be_used_by_others():
    """At no moment has the bucket lost more than the share."""
    api, lowest = TellingApi(1000), []
    told = api.headers
    api.headers = lambda now: lowest.append(api.level) or told(now)
    run(api, 500, ceiling=100, share=0.25)
    assert min(lowest) >= 750


def test_the_first_request_goes_alone_until_the_quota_is_known():
    """Otherwise the requests in flight at the start could be more than the share of a small account."""
    api = TellingApi(4000, latency=3)
    run(api, 50, ceiling=100, share=0.25)
    assert api.sent[1] - api.sent[0] >= 3
    assert api.most > 1


def test_a_share_of_a_quota_that_is_not_shown_is_told_once():
    """An API without the headers: the run is as fast as without a share, and says so."""
    ran = run(VirtualApi(), 200, share=0.25)
    warned = [event.message for event in ran.told if isinstance(event, RunWarned)]
    assert warned == [
        "`runtime.quota_share` has no effect: the answers of the API show no quota for haiku-5-5",
    ]
    assert ran.seconds < 5


def test_the_pace_has_the_limits_that_the_headers_show():
    """As the run and the next `plan` want to know them."""
    ran = run(TellingApi(50), 3)
    last = [event for event in ran.told if isinstance(event, PaceChanged)][-1]
    assert last.quota == RateLimits(requests=50)


def headers(limit):
    """What an answer tells of the output tokens."""
    name = "anthropic-ratelimit-output-tokens"
    return {f"{name}-limit": str(limit), f"{name}-remaining": str(limit)}


def test_an_answer_longer_than_assumed_is_made_up_for():
    """A quarter of 6,000 a minute is 25 a second: 1,000 tokens are those of 40 seconds."""
    quota = Quota(0.25)
    claim = quota.claim(0.0, "a")
    quota.learn(0.0, claim, headers(6000))
    quota.note("a", Usage(10, 1000), claim)
    assert quota.wait(0.0, "a") == pytest.approx(40, abs=1)


def test_the_whole_is_no_part():
    """A share of 1 has no pace of its own."""
    share = QuotaShare(1.0)
    share.spend(0.0, [1.0, 1e6, 1e6], [1.0, 1.0, 1.0])
    assert share.wait(0.0) == 0
