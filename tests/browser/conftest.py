"""The browser of these tests. Where there is none, they are skipped, and say what is missing."""

import pytest


@pytest.fixture(scope="session")
def chromium():
    """One Chromium for all tests of a process."""
    pytest.importorskip("selenium", reason="no selenium: pip install -e '.[browser]'")
    from chromium import missing, started  # noqa: PLC0415 - it needs selenium

    if absent := missing():
        pytest.skip(f"no {' and no '.join(absent)}: apt-get install chromium chromium-driver")
    with started() as one:
        yield one
