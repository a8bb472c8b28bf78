"""The project of the tests of resumption, whose runs are recorded and replayed here."""

import pytest

from scripted_api import KEY


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A pipeline with two steps over four towns, with a scripted API."""
    from counted_runs import PipelineProject  # noqa: PLC0415 - found once a test of this folder is read

    monkeypatch.chdir(tmp_path)
    with PipelineProject(tmp_path) as made:
        monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
        monkeypatch.setenv("ANTHROPIC_BASE_URL", made.server.url)
        yield made
