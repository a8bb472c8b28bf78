"""The batched project, ready."""

import pytest


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A pipeline of one batched step over six towns, and a scripted server; the waits are short."""
    from batched_runs import BatchedProject, shorten_waits  # noqa: PLC0415 - found once a test of this folder is read

    shorten_waits(monkeypatch)
    with BatchedProject(tmp_path / "project") as made:
        yield made
