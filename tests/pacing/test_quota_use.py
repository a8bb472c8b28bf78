"""How much of its limits a run has used in its fullest minute."""

import pytest

from yamlgen.pacing.quota_use import QuotaUse

LIMITS = (100, 1000, 0)


def used(*spent, limits=LIMITS):
    """The largest share after requests, input tokens and output tokens were spent at these seconds."""
    use = QuotaUse()
    for now, *costs in spent:
        use.spend(now, costs, limits)
    return use.most


def test_nothing_is_known_without_a_limit():
    """A run whose API shows no limit, or that has sent nothing, has no share."""
    assert used((1.0, 5, 5, 5), limits=(0, 0, 0)) is None
    assert used() is None


def test_the_scarcest_limit_counts():
    """The share is that of the limit of which most was used; an unknown limit has none."""
    assert used((1.0, 10, 500, 10**9)) == 0.5


def test_the_fullest_minute_counts():
    """What is a minute apart is not added up, and a quiet minute afterwards takes nothing away."""
    assert used((0.0, 30, 0, 0), (30.0, 30, 0, 0), (59.9, 30, 0, 0)) == 0.9
    assert used((0.0, 30, 0, 0), (60.0, 40, 0, 0), (300.0, 1, 0, 0)) == 0.4


def test_it_is_at_most_the_whole():
    """A quota that is full at the start lets more through in the first minute."""
    assert used((0.0, 90, 0, 0), (50.0, 90, 0, 0)) == 1.0


def test_what_comes_late_counts_now():
    """The tokens of an answer without a time are those of the newest second."""
    assert used((70.0, 1, 0, 0), (0.0, 0, 700, 0)) == pytest.approx(0.7)


def test_a_long_run_keeps_a_minute():
    """However many seconds a run has, sixty of them are kept."""
    use = QuotaUse()
    for second in range(1000):
        use.spend(second, (1, 0, 0), LIMITS)
    assert len(use._seconds) == 60
    assert use.most == pytest.approx(0.6)
