"""The browser of these tests. Where there is none, they are skipped, and say what is missing."""

from contextlib import ExitStack

import pytest


@pytest.fixture(scope="session")
def chromium():
    """One Chromium for all tests of a process."""
    pytest.importorskip("selenium", reason="no selenium: pip install -e '.[browser]'")
    from chromium import missing, started  # noqa: PLC0415 - it needs selenium
    from selenium.common import SessionNotCreatedException  # noqa: PLC0415 - there may be none

    if absent := missing():
        pytest.skip(f"no {' and no '.join(absent)}: apt-get install chromium chromium-driver")
    with ExitStack() as stack:
        try:
            one = stack.enter_context(started())
        except SessionNotCreatedException as error:  # some containers do not let a browser run
            pytest.skip(f"Chromium does not start here: {error.msg}")
        yield one
