"""What `plan` reckons of the prompt cache."""

import pytest

import yamlgen

LONG = "A long rule of the house. " * 200
"""About 2,080 tokens of a model of today."""

PIPELINE = """\
version: 1
input: {{rows: [{rows}]}}
model: claude-sonnet-5-5
steps:
  line: {{system: {system}, prompt: "{prompt}", {keys}}}
output: {{path: out/rows.jsonl}}
"""


def forecast(folder, rows=50, system=f'"{LONG}"', keys="", prompt="Say {{ row.t }}"):
    """The forecast of the step."""
    values = ", ".join(f"{{t: row {number}}}" for number in range(rows))
    path = folder / "a.yaml"
    path.write_text(PIPELINE.format(rows=values, system=system, keys=keys, prompt=prompt))
    return yamlgen.plan(path).steps[0]


PRICE = 2.0e-6
"""Dollars per input token of Sonnet 5.5: writing costs 1.25 or 2 times as much, reading a twentieth."""


@pytest.mark.parametrize("keys", ["cache: 5m", "cache: 1h"])
def test_the_first_request_writes_and_the_others_read(tmp_path, keys):
    """The estimate of tokens is the same as without a cache, its price is not."""
    plain, cached = forecast(tmp_path), forecast(tmp_path, keys=keys)
    assert cached.input_tokens == plain.input_tokens
    assert cached.cache_write_tokens * 49 == pytest.approx(cached.cache_read_tokens, rel=0.01)
    assert 0 < plain.input_tokens - cached.cache_write_tokens - cached.cache_read_tokens < 50 * 20
    factor = 1.25 if keys == "cache: 5m" else 2
    paid = cached.cache_write_tokens * factor + cached.cache_read_tokens / 20
    saved = (cached.cache_write_tokens + cached.cache_read_tokens - paid) * PRICE
    assert sum(plain.cost) / 2 - sum(cached.cost) / 2 == pytest.approx(saved, rel=0.02)
    assert f"which saves about ${saved:.4f}" in cached.how


def test_a_part_of_its_own_in_each_row_is_written_each_time(tmp_path):
    """It costs more than without a cache, and the plan says so."""
    cached = forecast(tmp_path, system='"{{ row.t }} ' + LONG + '"', keys="cache: 5m")
    assert cached.cache_read_tokens == 0
    assert "more than without `cache`" in cached.how


def test_a_step_without_a_cache_is_told_what_it_would_save(tmp_path):
    """As much as the plan with a cache then reckons."""
    plain, cached = forecast(tmp_path), forecast(tmp_path, keys="cache: 5m")
    assert plain.cache_could_save == pytest.approx(sum(plain.cost) / 2 - sum(cached.cost) / 2, rel=0.02)
    assert f"`cache: 5m` on this step would save about ${plain.cache_could_save:.4f}" in plain.how


def test_a_prompt_that_begins_with_a_long_text_is_told_what_it_would_save_in_the_system_prompt(tmp_path):
    """The key of the step alone would save nothing, because a part ends with a message."""
    step = forecast(tmp_path, system="Be brief.", prompt=f"{LONG} {{{{ row.t }}}}")
    assert step.cache_could_save is None
    assert "are the same for every row: in `system`, with `cache: 5m`, these would save about $" in step.how


@pytest.mark.parametrize(
    "asked",
    [{"rows": 3}, {"system": "Be brief."}, {"system": f'"{LONG} {{{{ row.t }}}}"'}, {"keys": "cache: 5m"}],
    ids=["few requests", "a short part", "a part that differs", "a cache"],
)
def test_nothing_is_said_where_a_cache_would_save_nothing(tmp_path, asked):
    """Neither in words nor in the JSON."""
    step = forecast(tmp_path, **asked)
    assert step.cache_could_save is None
    assert "would save" not in step.how


def test_the_requests_of_a_batch_may_miss_what_is_cached_for_five_minutes(tmp_path):
    """The maximum counts on no hit; for an hour it does."""
    short, long = (forecast(tmp_path, keys=f"batch: true, cache: {ttl}") for ttl in ("5m", "1h"))
    assert short.batch_cost[1] > long.batch_cost[1]
