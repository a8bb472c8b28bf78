"""What an API has shown, in a file next to the stores: for a day, for each account, and never an obstacle."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from yamlgen.store.api_facts import FILE, ApiFacts
from yamlgen.value_objects import RateLimits

HERE = "https://api.example.com KEY"
LIMITS = RateLimits(50, 30_000, 8_000)


def test_what_was_noted_is_known(tmp_path):
    """Models and limits, each noted by itself; `False` for a model about which the API said nothing."""
    facts = ApiFacts(tmp_path, HERE)
    facts.note(models={"a": {"id": "a"}, "b": None})
    facts.note(limits={"haiku-5-5": LIMITS})
    again = ApiFacts(tmp_path, HERE)
    assert again.model("a") == {"id": "a"}
    assert again.model("b") is False
    assert again.model("c") is None
    assert again.limits("haiku-5-5").limits == LIMITS
    assert again.limits("opus-5") is None


def test_another_account_has_shown_nothing(tmp_path):
    """The same address with another key has other limits."""
    ApiFacts(tmp_path, HERE).note(limits={"haiku-5-5": LIMITS})
    assert ApiFacts(tmp_path, "https://api.example.com OTHER").limits("haiku-5-5") is None


@pytest.mark.parametrize(("hours", "known"), [(23, True), (25, False), (-1, False)])
def test_a_model_is_asked_again_after_a_day(tmp_path, hours, known):
    """Also if the clock was turned back."""
    facts = ApiFacts(tmp_path, HERE)
    facts.note(models={"a": {"id": "a"}})
    content = json.loads((tmp_path / FILE).read_text())
    content[HERE]["models"]["a"]["asked"] = (datetime.now(UTC) - timedelta(hours=hours)).isoformat()
    (tmp_path / FILE).write_text(json.dumps(content))
    assert (facts.model("a") is not None) == known


@pytest.mark.parametrize(
    "content", ["", "[]", "{", '{"https://api.example.com KEY": {"models": {"a": 1}, "limits": 2}}']
)
def test_a_file_that_was_damaged_is_replaced(tmp_path, content):
    """It is only a hint."""
    (tmp_path / FILE).write_text(content)
    facts = ApiFacts(tmp_path, HERE)
    assert facts.model("a") is None
    facts.note(models={"a": {"id": "a"}}, limits={"opus-5": LIMITS})
    assert facts.model("a") == {"id": "a"}
    assert facts.limits("opus-5").limits == LIMITS


def test_a_folder_that_does_not_exist_is_not_created(tmp_path):
    """A run creates it."""
    facts = ApiFacts(tmp_path / "absent", HERE)
    facts.note(models={"a": {"id": "a"}})
    assert facts.model("a") is None
    assert not (tmp_path / "absent").exists()


def test_no_key_is_kept(tmp_path):
    """Whatever a server sends."""
    ApiFacts(tmp_path, HERE).note(models={"a": {"id": "sk-ant-api03-secret-secret-secret"}})
    assert "api03" not in (tmp_path / FILE).read_text()
