"""The estimate of tokens without the API, held against what texts were counted to have."""

import base64
import json
from pathlib import Path

import pytest

from yamlgen.model_capabilities import tokenizer_of
from yamlgen.token_estimate import MARGIN, tokens_in, tokens_of

NEW, OLD = "claude-sonnet-5-5", "claude-haiku-4-5"
TEXTS = json.loads(Path(__file__).with_name("scripts.json").read_text(encoding="utf-8"))
"""Texts, and the tokens that the last published tokenizer makes of them with the documented growth of 30% since."""


def body(text, model=NEW, **more):
    """A request of one turn."""
    return {"model": model, "max_tokens": 100, "messages": [{"role": "user", "content": text}], **more}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_every_script_is_estimated_within_the_margin(text):
    """What a plan says of the margin holds in any script, for the newer models and, nearly, for the older."""
    newer, older = (tokens_in(text["text"], tokenizer_of(model)) for model in (NEW, OLD))
    assert text["tokens"] == pytest.approx(newer, rel=MARGIN)
    assert text["tokens"] / 1.3 == pytest.approx(older, rel=MARGIN + 0.05)


@pytest.mark.parametrize(("model", "characters"), [(NEW, 2.5), (OLD, 3.4), ("my-own-model", 2.5)])
def test_english_goes_by_the_model(model, characters):
    """A token is so many characters of plain text as the documentation says; unknown models count like the newest."""
    text = "A marathon leads along the fjord. " * 1000
    assert tokens_of(body(text, model)) == pytest.approx(len(text) / characters, rel=0.01)


def test_numbers_take_more():
    """A table of digits has a token for every one or two characters."""
    table = "".join(f"{number**7 % 99_991},{number**9 % 9_973}\n" for number in range(300))
    assert tokens_of(body(table)) == pytest.approx(len(table) / 1.4, rel=0.2)


@pytest.mark.parametrize(
    ("model", "offered", "forced"),
    [
        ("claude-opus-5-5", 286, 406),
        ("claude-opus-4-8", 290, 410),
        ("claude-opus-4-7", 675, 804),
        ("claude-haiku-4-5-20251001", 497, 589),
    ],
)
def test_a_tool_brings_its_own_prompt(model, offered, forced):
    """Whoever sends a tool pays for it, for what the API says of tools, and for more of that where it is forced."""
    plain = tokens_of(body("x", model))
    tool = {"name": "answer", "input_schema": {"type": "object"}}
    auto = tokens_of(body("x", model, tools=[tool], tool_choice={"type": "auto"})) - plain
    told = tokens_of(body("x", model, tools=[tool], tool_choice={"type": "tool", "name": "answer"})) - plain
    assert offered < auto < offered + 30
    assert forced < told < forced + 30


def test_all_that_is_read_counts():
    """The system prompt, each turn and each block, the schema of an output; not the envelope around them."""
    text = "word " * 200
    one = tokens_of(body(text))
    assert one == pytest.approx(400, abs=10)
    assert tokens_of(body(text, system=text)) == pytest.approx(2 * one, abs=10)
    turns = [{"role": "user", "content": [{"type": "text", "text": text}] * 2}, {"role": "assistant", "content": text}]
    assert tokens_of({**body(""), "messages": turns}) == pytest.approx(3 * one, abs=10)
    form = {"format": {"type": "json_schema", "schema": {"description": text}}}
    assert tokens_of(body(text, output_config=form)) == pytest.approx(2 * one, abs=20)
    assert tokens_of(body(text, max_tokens=100_000, stop_sequences=["END"] * 50)) == one


def test_the_bytes_of_an_image_are_no_text():
    """What a block carries beside its text is not counted as text."""
    source = {"type": "base64", "media_type": "image/png", "data": base64.b64encode(bytes(10_000)).decode()}
    assert tokens_of(body([{"type": "image", "source": source}, {"type": "text", "text": "What?"}])) < 100


def test_half_of_a_surrogate_pair_is_estimated():
    """A text that no file holds costs no forecast."""
    assert tokens_of(body("\ud800" * 10)) > 0
