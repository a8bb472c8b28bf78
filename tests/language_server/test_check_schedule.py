"""What is shown of checks that do not end as they should."""

import asyncio

import pytest

from yamlgen.language_server import check_schedule
from yamlgen.language_server.check_schedule import CheckSchedule
from yamlgen.language_server.documents import TextDocument

WRONG = "version: 1\nsteps: {}\ninput: {rows: [{a: 1}]}\n"


class Worker:
    """Works until it is told to fail."""

    error = None

    async def run(self, work, seconds):  # noqa: ARG002
        """Return the result of the work, or fail."""
        if self.error is not None:
            raise self.error
        return work()


@pytest.mark.parametrize("error", [TimeoutError(), ZeroDivisionError()])
def test_a_check_that_fails_leaves_no_diagnostics_of_an_older_text(error, tmp_path, monkeypatch):
    """They would be at wrong places, or mended."""
    monkeypatch.setattr(check_schedule, "PAUSE", 0)
    path, worker = tmp_path / "a.yaml", Worker()

    async def edited():
        shown = asyncio.Queue()
        schedule = CheckSchedule(worker, lambda each: shown.put_nowait(schedule.findings(each)))
        schedule.show(TextDocument(path, WRONG, 1))
        assert await shown.get() != []
        worker.error = error
        schedule.show(TextDocument(path, WRONG, 2))
        assert await shown.get() == []

    asyncio.run(asyncio.wait_for(edited(), 20))
