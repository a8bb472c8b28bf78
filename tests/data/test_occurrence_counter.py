"""Digests that have been seen before, more of them than memory should hold."""

import subprocess
import sys
import textwrap

import pytest

from yamlgen.canonical_json import short_digest
from yamlgen.data.occurrence_counter import OccurrenceCounter
from yamlgen.errors import Code, EnvironmentProblem


def test_counts_each_digest():
    """The first time is 0, and each digest has a count of its own."""
    with OccurrenceCounter() as seen:
        assert [seen.count(digest) for digest in (b"a", b"b", b"a", b"a", b"b")] == [0, 0, 1, 2, 1]


def test_two_counts_know_nothing_of_each_other():
    """A second counter starts from nothing, while the first is open."""
    with OccurrenceCounter() as one, OccurrenceCounter() as other:
        assert (one.count(b"a"), other.count(b"a")) == (0, 0)


def test_more_than_the_cache():
    """Digests that fill the cache several times over are all remembered."""
    number = 4 * 2048 * 1024 // 24  # of 24 bytes, in a cache of 2,048 KiB
    with OccurrenceCounter() as seen:
        assert not any(seen.count(short_digest(b"%d" % index)) for index in range(number))
        assert all(seen.count(short_digest(b"%d" % index)) == 1 for index in range(0, number, 97))
        assert seen.count(short_digest(b"new")) == 0


def test_full_disk():
    """A temporary file that does not fit is a problem of the disk, with what to do about it."""
    script = """
        import resource, signal
        from yamlgen.canonical_json import short_digest
        from yamlgen.data.occurrence_counter import OccurrenceCounter
        from yamlgen.errors import EnvironmentProblem

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
        try:
            with OccurrenceCounter() as seen:
                for index in range(1_000_000):
                    seen.count(short_digest(b"%d" % index))
        except EnvironmentProblem as error:
            print(error.code, "TMPDIR" in error.hint, error)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=True, capture_output=True, text=True)
    assert done.stdout.startswith(f"{Code.DISK} True cannot keep track of the rows in a temporary file: disk ")


def test_closed():
    """After `close` nothing is counted, and closing again does nothing."""
    seen = OccurrenceCounter()
    seen.close()
    seen.close()
    with pytest.raises(EnvironmentProblem):
        seen.count(b"a")
