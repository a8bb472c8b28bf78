"""Secrets are found in every spelling, and nothing else is touched."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from key_spellings import spellings
from yamlgen.claude.error_mapping import ErrorContext
from yamlgen.claude.secret_mask import Mask

KEYS = ["canary-9d1c7f_AAbb", "canary-\"with\\quotes'&<entities>/and+signs=", "anything"]


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("spelling", spellings("a key"))
def test_a_key_is_found_in_every_spelling(key, spelling):
    """However it is written, it is not in what is left, and what stands around it is."""
    written = spellings(key)[spelling]
    left = Mask((key,)).hide(f"Before: {written} (after).")
    assert left.startswith("Before: ")
    assert left.endswith(" (after).")
    assert "[secret]" in left
    assert len(left) < len("Before: [secret] (after).") + 14  # of base64, the letters shared with its neighbours stay


@given(st.text())
def test_what_holds_no_key_is_left_as_it_is(text):
    """A text without a key is the text, whatever escapes it holds."""
    assert Mask(("canary-9d1c7f",)).hide(text) == text


@given(st.text(max_size=40), st.text(max_size=40))
def test_nothing_around_a_key_is_lost(before, after):
    """What stands before and behind a key stays, to the letter."""
    assert Mask(("canary-9d1c7f",)).hide(f"{before} canary-9d1c7f {after}") == f"{before} [secret] {after}"


def test_escapes_before_a_key_do_not_hide_it():
    """A key is found raw where its first letters read as the end of an escape."""
    mask = Mask(("token-4711-of-a-gateway", "deadbeef0123456789ab"))
    assert mask.hide("C:\\token-4711-of-a-gateway") == "C:\\[secret]"
    assert mask.hide("100%deadbeef0123456789ab") == "100%[secret]"


@pytest.mark.parametrize("key", ["x", "none", ""])
def test_what_is_no_key_is_not_hidden(key):
    """Gateways take `x`, which every text holds."""
    assert Mask((key,)).hide("none of the foxes") == "none of the foxes"


def answer(text):
    """A response with a text, and with the key where it says what it is."""
    return {"id": f"msg_{KEYS[2]}", "content": [{"type": "text", "text": text}], "stop_details": {"for": [KEYS[2]]}}


def test_a_short_key_is_a_word_in_an_answer():
    """With the key `anything` a paid sentence is left alone; what is about the answer is not."""
    paid = "You may write anything you like"
    kept = ErrorContext("m", "u", "K", "anything").scrubbed(answer(paid))
    assert kept["content"][0]["text"] == paid
    assert kept["id"] == "msg_[secret]"
    assert kept["stop_details"] == {"for": ["[secret]"]}


@pytest.mark.parametrize(("length", "is_hidden"), [(19, False), (20, True)])
def test_a_key_of_twenty_characters_is_hidden_in_answers(length, is_hidden):
    """From there on no text holds it by chance: in texts, in calls, in names of fields."""
    key = f"canary-{'7b' * 20}"[:length]
    content = [{"type": "text", "text": f"It is {key}."}, {"type": "tool_use", "input": {key: [key.upper()]}}]
    kept = str(ErrorContext("m", "u", "K", key).scrubbed({"content": content}))
    assert (key not in kept and key.upper() not in kept) == is_hidden


def test_an_answer_without_a_key_is_the_answer():
    """What holds none is not even copied."""
    content = [{"type": "text", "text": "a\\u0062c %41 &amp;"}]
    assert ErrorContext("m", "u", "K", "canary-7b7b7b7b7b7b7b7b").scrubbed({"content": content})["content"] is content


def test_a_sender_does_not_show_its_key():
    """Nor does its `repr`."""
    assert "canary" not in repr(ErrorContext("m", "u", "K", "canary-9d1c7f", ("canary-of-a-header",)))
