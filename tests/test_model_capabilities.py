"""What a model can do, by its name."""

import ast
import re
from datetime import date
from typing import get_args

import anthropic
import pytest
from anthropic import types
from anthropic.resources.messages.messages import DEPRECATED_MODELS
from anthropic.types import Model

from manual_pages import ROOT
from yamlgen.model_capabilities import (
    CONTEXT_EDITS,
    DATED,
    EFFORTS,
    FAST_BETA,
    LINES,
    LONG_BATCH_BETA,
    MODELS,
    THINKING,
    UNKNOWN,
    Tokenizer,
    betas_needed,
    meant,
    of,
    pool_of,
    successor_of,
    tokenizer_of,
)

IDS = (*MODELS, *DATED)
CHECKED_SDK = "2.14."
"""The SDK that the table was made from: a newer one may list more, an older one less."""

checked = pytest.mark.skipif(
    not anthropic.__version__.startswith(CHECKED_SDK), reason="the table was made from another version of the SDK"
)


@checked
def test_the_table_is_the_list_of_the_sdk():
    """Every id is known, and none is extra."""
    assert sorted(IDS) == sorted(get_args(get_args(Model)[0]))


@checked
def test_retirements_are_those_of_the_sdk():
    """The dates at which models retire, and no other model is deprecated."""
    days = [f"{day:%B} {day.day}, {day.year}" for day in map(_date, IDS)]
    told = {model: re.sub(r"(\d)(st|nd|rd|th)", r"\1", day) for model, day in DEPRECATED_MODELS.items()}
    assert {model: day for model, day in zip(IDS, days, strict=True) if of(model).retires} == told


@pytest.mark.parametrize(
    ("written", "known"),
    [
        ("claude-sonet-4-5", "claude-sonnet-4-5"),
        ("clude-haiku-5-5", "claude-haiku-5-5"),
        ("claude-haiku-55", "claude-haiku-5-5"),
        ("claude-haiku-5--5", "claude-haiku-5-5"),
        ("claude-sonnet-4.5", "claude-sonnet-4-5"),
        ("claude-4-5-sonnet", "claude-sonnet-4-5"),
        ("Claude-Opus-5-5", "claude-opus-5-5"),
        ("claude-3.5-sonnet", "claude-sonnet-5-5"),
        ("sonnet", "claude-sonnet-5-5"),
        *((other, None) for other in ("claude-opus-6", "claude-sonnet-5-6", "claude-house-blend", "my-fine-tune")),
        *((other, None) for other in ("gpt-4", "anthropic/claude-sonnet-5-5", "anthropic.claude-sonnet-5-5")),
        *((other, None) for other in ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-haiku-4-5@20251001")),
        *((other, None) for other in ("my-claude-sonnet-4-5", "claude-sonnet-5-5-fast")),
    ],
)
def test_a_slip_of_an_id_is_none_of_a_newer_or_another_model(written, known):
    """Letters may be wrong; other digits, other signs or more words make another model."""
    assert meant(written) == known


def _date(model):
    return date.fromisoformat(of(model).retires or "1970-01-01")


@pytest.mark.parametrize(
    ("model", "pool"),
    [
        ("claude-opus-5-5", "opus-5-5"),
        ("claude-opus-5", "opus-5"),
        ("claude-sonnet-5-5-20261101", "sonnet-5-5"),
        ("claude-sonnet-5", "sonnet-5"),
        ("claude-haiku-5-5", "haiku-5-5"),
        ("claude-haiku-4-5-20251001", "haiku-4-5"),
        ("claude-fable-5-2", "fable-5"),
        ("claude-fable-5", "fable-5"),
        ("claude-opus-4-8", "opus-4"),
        ("claude-opus-4-20250514", "opus-4"),
        ("claude-sonnet-4-5", "sonnet-4"),
        ("another-model", "another-model"),
        ("", ""),
    ],
)
def test_the_pool_of_a_model(model, pool):
    """Models that share a rate limit share a pool; an unknown one has its own."""
    assert pool_of(model) == pool


@pytest.mark.parametrize("model", IDS)
def test_each_model_of_the_sdk_is_known(model):
    """The table has a family for every id that the SDK lists, and each of them has native structured output."""
    able = of(model)
    assert able.known
    assert able.tools
    assert able.native_output


@pytest.mark.parametrize("model", [model for model in IDS if not model[-8:].isdigit()])
def test_a_date_changes_nothing(model):
    """A dated name is that of its family."""
    assert of(f"{model}-20261021") == of(f"{model}-latest") == of(model)


@pytest.mark.parametrize("model", [model for model in IDS if "-4-" not in model])
def test_newer_models_refuse_sampling(model):
    """From 4.7 on no model takes a temperature."""
    assert of(model).sampling is False


@pytest.mark.parametrize("model", ["claude-opus-4-6", "claude-sonnet-4-5", "claude-haiku-4-5-20251001"])
def test_older_models_take_sampling(model):
    """Up to 4.6 they do, under the older version of the API."""
    assert of(model).sampling is True


@pytest.mark.parametrize("model", ["claude-opus-4-7", "claude-opus-4-8", "claude-sonnet-5", "claude-haiku-5-5"])
def test_the_line_of_sampling_is_drawn_at_4_7(model):
    """4.7 is the first that refuses."""
    assert of(model).sampling is False


@pytest.mark.parametrize(
    ("model", "most"),
    [
        ("claude-3-opus-20240229", 4096),
        ("claude-3-5-sonnet-latest", 8192),
        ("claude-3-7-sonnet-20250219", 64_000),
        ("claude-opus-4-20250514", 32_000),
        ("claude-opus-4-1-20250805", 32_000),
        ("claude-sonnet-4-20250514", 64_000),
    ],
)
def test_older_models_have_a_limit(model, most):
    """What an older model writes at most is known, and that it has no native output."""
    assert of(model).max_output_tokens == most
    assert of(model).native_output is False


@pytest.mark.parametrize("model", ["claude-2.1", "claude-2.0", "claude-2", "claude-instant-1.2"])
def test_the_first_models_take_no_tools(model):
    """They answer in text alone."""
    assert of(model).tools is False


@pytest.mark.parametrize(
    "model",
    [
        "",
        "claude",
        "claude-",
        "claude-haiku",
        "claude-haiku-6",
        "gpt-5",
        "my-fine-tune",
        "claude-haiku-5-5-mine",
        "CLAUDE-HAIKU-5-5",
        "claude-haiku-5-5 ",
        "claude-haiku-5-5\n",
        "claude-haiku-5-55",
        "llama-claude-haiku-5-5",
    ],
)
def test_an_unknown_name_is_unknown(model):
    """Nothing is guessed about a name that no family has."""
    assert of(model) is UNKNOWN
    assert of(model).native_output is None


@pytest.mark.parametrize("model", IDS)
def test_newer_models_count_more_tokens(model):
    """From 4.7 on a token is shorter, and so it is for a model that nobody knows."""
    older = any(part in model for part in ("-4-0", "-4-1", "-4-2", "-4-5", "-4-6", "-3-"))
    assert tokenizer_of(model).characters == (3.4 if older else 2.5)
    assert tokenizer_of("my-fine-tune") == Tokenizer(2.5)


@pytest.mark.parametrize("model", ["claude-sonnet-4-20250514", "claude-3-opus-20240229", "claude-2.1"])
def test_models_that_have_retired_count_as_they_did(model):
    """Whatever a gateway still serves counts like the older ones."""
    assert tokenizer_of(model).characters == 3.4


@pytest.mark.parametrize(
    ("model", "successor"),
    [
        ("claude-sonnet-4-5", "claude-sonnet-5-5"),
        ("claude-opus-4-1-20250805", "claude-opus-5-5"),
        ("claude-3-5-haiku-latest", "claude-haiku-5-5"),
        ("claude-mythos-preview", "claude-mythos-5-2"),
        ("claude-2.1", "claude-haiku-5-5"),
    ],
)
def test_what_follows_a_model(model, successor):
    """The newest active model of its line, or the smallest one where it has none."""
    assert successor_of(model) == successor


@pytest.mark.parametrize("row", MODELS.values())
def test_each_row_agrees_with_itself(row):
    """Types, levels and life cycle are those that there are, and a default is one of what is taken."""
    assert set(row.thinking) <= set(THINKING)
    assert set(row.efforts) <= set(EFFORTS)
    assert row.default_effort is None or row.default_effort in row.efforts
    assert row.most_effort_off is None or row.most_effort_off in row.efforts
    assert (row.lifecycle == "deprecated") == (row.retires is not None)
    assert row.max_output_tokens < row.context
    assert row.fast or not row.fast_beta
    assert set(row.fallbacks or ()) <= set(MODELS)


def test_no_other_module_knows_models():
    """What is known of a model is in the table: others name only the model of examples and hints."""
    folder = ROOT / "src" / "yamlgen"
    found = {}
    for path in folder.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if path.name == "model_capabilities.py" or not re.search(r"claude-[a-z]+-\d|claude-\d", text):
            continue
        tree = ast.parse(text)
        docstrings = {id(each.value) for each in ast.walk(tree) if isinstance(each, ast.Expr)}
        strings = [each for each in ast.walk(tree) if isinstance(each, ast.Constant) and id(each) not in docstrings]
        named = {name for each in strings for name in re.findall(r"claude-[a-z0-9-]*\d", str(each.value))}
        found |= {path.relative_to(folder).as_posix(): named - {"claude-haiku-5-5"}}
    assert {name: named for name, named in found.items() if named} == {}
    assert "pipeline/model_settings.py" in found


def test_the_kinds_of_the_table_are_those_of_the_sdk():
    """Types of thinking, efforts, context edits, lines and betas: what the SDK names besides is missing here."""
    assert set(types.ThinkingTypes.model_fields) <= set(THINKING)
    assert set(types.EffortCapability.model_fields) - {"supported"} == set(EFFORTS)
    assert set(types.ContextManagementCapability.model_fields) - {"supported"} == set(CONTEXT_EDITS)


@checked
def test_the_lines_and_betas_of_the_table_are_those_of_the_sdk():
    """Every line that the SDK names is known, and the betas that the table names exist."""
    assert set(get_args(types.ModelLine)) == set(LINES)
    assert {FAST_BETA, LONG_BATCH_BETA} <= set(get_args(get_args(types.AnthropicBetaParam)[1]))


@pytest.mark.parametrize(
    ("model", "tokens", "needed"),
    [
        ("claude-haiku-5-5", 128_000, ()),
        ("claude-haiku-5-5", 128_001, (LONG_BATCH_BETA,)),
        ("claude-haiku-5-5-20261001", 300_000, (LONG_BATCH_BETA,)),
        ("claude-haiku-4-5", 200_000, ()),
        ("claude-fable-5-1", 200_000, ()),
        ("our-own-model", 200_000, ()),
    ],
)
def test_a_long_answer_needs_a_beta(model, tokens, needed):
    """Above its maximum, a model that writes more in batches needs the beta for it; no other model has it."""
    assert betas_needed(model, tokens) == needed
