"""Runs whose prompts are cached, against an API that keeps prefixes as the real one does."""

import pytest

from caching_api import CachingAPI
from counted_runs import PipelineProject
from yamlgen.claude import provider

LONG = "You judge letters that customers have written to a shop. " * 40


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project whose API caches prompts; the others follow the first request at once."""
    monkeypatch.setattr(provider, "SETTLING", 0.05)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "key")
    api = CachingAPI()
    with PipelineProject(tmp_path, api) as made:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", made.server.url)
        made.document = {
            "version": 1,
            "name": "towns",
            "input": {"path": "rows.jsonl"},
            "steps": {"line": {"model": "claude-haiku-5-5", "system": LONG, "prompt": "A line on {{ row.town }}."}},
            "output": {"path": "out/towns.jsonl"},
        }
        made.rows = [{"town": f"town {number}"} for number in range(100)]
        made.api = api
        yield made


def test_four_hundred_rows_with_one_prefix(project):
    """The first request writes the prefix, and all others read it."""
    project.rows = [{"town": f"town {number}"} for number in range(400)]
    project.set("steps.line.cache", "5m")
    project.run()
    assert len(project.api.usages) == 400
    assert 1 <= project.api.writes <= 3
    assert project.api.reads == 400 - project.api.writes


@pytest.mark.parametrize(
    "settings",
    [{"cache": "1h"}, {"system": {"text": LONG, "cache": "5m"}}, {"system": {"text": LONG, "cache": "1h"}}],
    ids=["step for an hour", "system", "system for an hour"],
)
def test_one_request_writes_and_the_others_read(project, settings):
    """However it is asked for; the report tells what was saved."""
    project.document["steps"]["line"] |= settings
    report = project.run().report
    assert (project.api.writes, project.api.reads) == (1, 99)
    usage, told = report.paid.usage, report.paid.as_json()
    assert usage.cache_read_input_tokens == 99 * usage.cache_creation_input_tokens
    price = 0.1e-6 * (2 if "1h" in str(settings) else 1.25)
    paid = usage.cache_creation_input_tokens * price + usage.cache_read_input_tokens * 0.01e-6
    whole = (usage.cache_creation_input_tokens + usage.cache_read_input_tokens) * 0.1e-6
    assert told["cache_saved_usd"] == pytest.approx(whole - paid, rel=1e-3)


def test_a_cache_that_nobody_reads_is_told_to_cost_more(project):
    """Each row writes a part of its own."""
    project.document["steps"]["line"] |= {"system": "Be brief.", "prompt": "{{ row.town }} " + LONG, "cache": "5m"}
    report = project.run().report
    assert project.api.reads == 0
    assert report.paid.cache_saved_usd < 0


def test_each_group_of_rows_writes_its_own_part(project):
    """A request per document and question: the documents differ, and each is written once."""
    project.rows = [{"town": f"town {number}"} for number in range(5)]
    project.document["steps"]["line"] = {
        "model": "claude-haiku-5-5",
        "for_each": "range(8) | list",
        "messages": [
            {"role": "user", "content": "{{ row.town }} " + LONG, "cache": "5m"},
            {"role": "assistant", "content": "I have read it."},
            {"role": "user", "content": "Question {{ item }}"},
        ],
    }
    project.run()
    assert (project.api.writes, project.api.reads) == (5, 35)


def test_the_cache_of_a_step_covers_what_the_items_of_a_row_share(project):
    """It is at the end of the last message that is the same for them."""
    project.rows = [{"town": f"town {number}"} for number in range(3)]
    project.document["steps"]["line"] = {
        "model": "claude-haiku-5-5",
        "cache": "5m",
        "for_each": "range(4) | list",
        "system": "{{ row.town }} " + LONG,
        "prompt": "Question {{ item }}",
    }
    project.run()
    assert (project.api.writes, project.api.reads) == (3, 9)


def test_a_cache_asks_nothing_again(project):
    """It is no part of the key."""
    project.rows = project.rows[:3]
    assert project.run().asked == 3
    for settings in ({"cache": "5m"}, {"system": {"text": LONG, "cache": "1h"}}):
        project.document["steps"]["line"] |= settings
        assert project.run().asked == 0


MARK_5M, MARK_1H = ({"cache_control": {"type": "ephemeral", "ttl": ttl}} for ttl in ("5m", "1h"))


def text(said, **mark):
    """A block of text."""
    return [{"type": "text", "text": said, **mark}]


def sent(project, **settings):
    """The first request of a step with these settings."""
    project.rows = project.rows[:1]
    project.document["steps"]["line"] = {"model": "claude-haiku-5-5", **settings}
    project.run()
    return project.server.bodies[0]


def test_a_step_uses_the_automatic_caching_of_the_api(project):
    """A field of the request itself, where its requests share no long part."""
    body = sent(project, prompt="A line on {{ row.town }}.", cache="1h")
    assert body["cache_control"] == MARK_1H["cache_control"]
    assert body["messages"] == [{"role": "user", "content": "A line on town 0."}]


def test_a_step_whose_requests_share_a_part_caches_that_part(project):
    """The end of each request is read by nobody, so that it is not written either."""
    body = sent(project, system=LONG, prompt="A line on {{ row.town }}.", cache="5m")
    assert "cache_control" not in body
    assert body["system"] == text(LONG, **MARK_5M)


def test_samples_cache_the_whole_request_too(project):
    """They are equal requests."""
    body = sent(project, system=LONG, prompt="A line on {{ row.town }}.", cache="5m", samples=3)
    assert body["cache_control"] == MARK_5M["cache_control"]
    assert body["system"] == text(LONG, **MARK_5M)


def test_breakpoints_are_sent_where_they_are_written(project):
    """At the end of the system prompt, and of messages; with a tool, whose sentence comes before it."""
    turns = [
        {"role": "user", "content": "One", "cache": "1h"},
        {"role": "assistant", "content": "Two"},
        {"role": "user", "content": "{{ row.town }}", "cache": "5m"},
    ]
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False}
    output = {"schema": schema, "mode": "tools", "reasks": 0}
    body = sent(
        project, system={"text": "Be brief.", "cache": "1h"}, messages=turns, thinking="adaptive", output=output
    )
    assert body["system"] == text("Be brief.\n\nAnswer with a call of the tool `line` and no other text.", **MARK_1H)
    contents = [turn["content"] for turn in body["messages"]]
    assert contents == [text("One", **MARK_1H), "Two", text("town 0", **MARK_5M)]


def test_re_asks_keep_the_breakpoints(project):
    """They read what the first request has written."""
    schema = {
        "type": "object",
        "properties": {"a": {"type": "string"}},
        "required": ["a"],
        "additionalProperties": False,
    }
    sent(project, system={"text": LONG, "cache": "5m"}, prompt="{{ row.town }}", output={"schema": schema, "reasks": 1})
    first, again = project.server.bodies
    assert first["system"] == again["system"] == text(LONG, **MARK_5M)
    assert [usage["cache_read_input_tokens"] > 0 for usage in project.api.usages] == [False, True]
