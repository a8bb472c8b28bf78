"""What the tests of the model share."""

import pytest

from scripted import KEY


@pytest.fixture
def key(monkeypatch):
    """A key in the environment."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
