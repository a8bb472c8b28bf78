"""Whether any digest occurs twice, among more of them than memory should hold."""

import subprocess
import sys
import textwrap

import pytest

from yamlgen.canonical_json import short_digest
from yamlgen.data import duplicate_detector
from yamlgen.data.duplicate_detector import DuplicateDetector
from yamlgen.errors import Code

MANY = 1_000
"""More digests than the set holds, and more than the parts hold in memory, in the tests that make both small."""


def test_a_duplicate_among_the_first_is_known_at_once():
    """The second of two equal digests is reported when it is added."""
    with DuplicateDetector() as seen:
        assert [seen.add(short_digest(each)) for each in "aba"] == [False, False, True]


@pytest.mark.parametrize("first", [0, 400, MANY - 1])
def test_a_duplicate_among_many_is_known_in_the_end(monkeypatch, first):
    """Whether the first of two equal digests was in the set, is in the file, or waits to be written."""
    monkeypatch.setattr(duplicate_detector, "_MOST", 100)
    monkeypatch.setattr(duplicate_detector, "_BUFFER", 32)
    with DuplicateDetector() as seen:
        assert not any(seen.add(short_digest(str(number))) for number in range(MANY))
        assert not seen.has_duplicates()
        seen.add(short_digest(str(first)))
        assert seen.has_duplicates()


def test_full_disk():
    """A temporary file that does not fit is a problem of the disk, with what to do about it."""
    script = """
        import resource, signal
        from yamlgen.canonical_json import short_digest
        from yamlgen.data.duplicate_detector import DuplicateDetector
        from yamlgen.errors import EnvironmentProblem

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4_000, resource.RLIM_INFINITY))
        try:
            with DuplicateDetector() as seen:
                for index in range(200_000):
                    seen.add(short_digest(b"%d" % index))
        except EnvironmentProblem as error:
            print(error.code, "TMPDIR" in error.hint, error)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=True, capture_output=True, text=True)
    assert done.stdout.startswith(f"{Code.DISK} True cannot keep track of the rows in a temporary file: ")
