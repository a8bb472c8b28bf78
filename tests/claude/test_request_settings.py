"""The settings of a model and of a connection: their form on the wire, and which of them identify an answer."""

import asyncio
import json

import pytest

from scripted_api import KEY, ScriptedServer, call, said
from yamlgen.api.loading import load
from yamlgen.api.run_execution import execute
from yamlgen.claude.answer_keys import AnswerKeys
from yamlgen.claude.requests import RequestBuilder, RequestMode
from yamlgen.errors import Code, EnvironmentProblem
from yamlgen.interfaces import UNOBSERVED
from yamlgen.model_capabilities import FAST_BETA
from yamlgen.steps.config_fields import Settings
from yamlgen.steps.generate.plan_step import keyed_settings
from yamlgen.value_objects import Message, Prompt

VALUE = "hunter2-canary-of-a-gateway"
SETTINGS = {
    "service_tier": "standard_only",
    "inference_geo": "us",
    "speed": "fast",
    "metadata": {"user_id": "{{ row.user }}"},
    "betas": ["context-1m-2025-08-07"],
    "extra_body": {"container": "c_1", "output_config": {"task_budget": {"type": "tokens", "total": 20000}}},
}
MODEL = {"id": "claude-opus-5-5", "effort": "low", **SETTINGS}
PLACES = {
    "alias": {"models": {"m": MODEL}, "step": {"model": "m"}},
    "top": {"model": MODEL, "step": {}},
    "model of the step": {"step": {"model": MODEL}},
    "step": {"step": {"model": {"id": MODEL["id"]}, **{key: each for key, each in MODEL.items() if key != "id"}}},
}


class Project:
    """A folder with a pipeline, and its runs against one scripted server.

    Attributes:
        bodies: what the last run asked.
        headers: with which headers.
        failed: the rows of the last run that failed.
        events: what the last run told.
    """

    def __init__(self, folder, runner, server):
        self.path, self._runner, self._server = folder / "p.yaml", runner, server
        self.bodies, self.headers, self.failed, self.events = [], [], [], []

    def run(self, step, *replies, rows=({"a": "tea", "user": "u1"},), runtime=None, **keys):
        """Run a pipeline with the step `s`, and return the rows of its output."""
        steps = {"s": {} if "messages" in step else {"prompt": "About {{ row.a }}."}, **keys.pop("steps", {})}
        steps["s"] |= step
        document = {
            "version": 1,
            "input": {"rows": list(rows)},
            "steps": steps,
            "output": {"path": "out.jsonl"},
            **keys,
        }
        document["runtime"] = {"base_url": self._server.url, **(runtime or {})}
        self.path.write_text(json.dumps(document))
        server, self.events = self._server, []
        server.replies, self.bodies, self.headers = list(replies), [], []
        server.bodies, server.headers = self.bodies, self.headers
        self._runner.run(execute(load(self.path), emit=self.events.append))
        made, failed = (self.path.with_name(name) for name in ("out.jsonl", "out.failed.jsonl"))
        self.failed = [json.loads(line) for line in failed.read_text().splitlines()] if failed.exists() else []
        return [json.loads(line) for line in made.read_text().splitlines()]


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with a key in the environment."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    server = ScriptedServer()
    with asyncio.Runner() as runner:
        runner.run(server.__aenter__())
        yield Project(tmp_path, runner, server)
        runner.run(server.__aexit__())


@pytest.mark.parametrize("place", PLACES)
def test_each_setting_is_sent_wherever_it_is_written(project, place):
    """Under `models`, in the model of the file, in that of the step, and in the step itself."""
    keys = dict(PLACES[place])
    project.run(keys.pop("step"), said("Hi."), **keys)
    body, headers = project.bodies[0], project.headers[0]
    assert {name: body[name] for name in ("service_tier", "inference_geo", "speed", "container")} == {
        "service_tier": "standard_only",
        "inference_geo": "us",
        "speed": "fast",
        "container": "c_1",
    }
    assert body["metadata"] == {"user_id": "u1"}
    assert body["output_config"] == {"effort": "low", "task_budget": {"type": "tokens", "total": 20000}}
    assert headers["anthropic-beta"] == f"context-1m-2025-08-07,{FAST_BETA}"


def test_betas_are_added_to_those_of_the_environment(project, monkeypatch):
    """Each once, in one header; without any of its own, a request has those of the environment."""
    monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", "Anthropic-Beta: a-2026-01-01, b-2026-01-01")
    step = {"model": {"id": "claude-haiku-5-5", "betas": ["b-2026-01-01", "c-2026-01-01"]}}
    project.run(step, said("Hi."))
    assert project.headers[0].getall("anthropic-beta") == ["a-2026-01-01,b-2026-01-01,c-2026-01-01"]
    project.run({"model": "claude-haiku-5-5"}, said("Hi."))
    assert project.headers[0].getall("anthropic-beta") == ["a-2026-01-01, b-2026-01-01"]


def test_further_fields_are_sent_with_a_re_ask(project):
    """Also where the messages hold blocks, which the SDK transforms."""
    model = {"id": "claude-haiku-5-5", "extra_body": {"new_field": {"x": [1]}}}
    output = {"schema": {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}}
    replies = [said(json.dumps({"n": "x"})), said(json.dumps({"n": 1}))]
    rows = project.run({"model": model, "output": output}, *replies)
    assert [body["new_field"] for body in project.bodies] == [{"x": [1]}] * 2
    assert rows[0]["s"] == {"n": 1}


def test_a_blank_id_of_a_person_is_left_out_and_one_that_is_too_long_fails_its_row(project):
    """Nothing is sent for the row that fails; the other rows go on."""
    rows = [{"a": "tea", "user": " "}, {"a": "rain", "user": "x" * 257}, {"a": "ice", "user": "y" * 256}]
    rows.append({"a": "fog", "user": None})
    step = {"model": {"id": "claude-haiku-5-5", "metadata": SETTINGS["metadata"]}}
    made = project.run(step, said("Hi."), rows=rows)
    told = {body["messages"][0]["content"]: body.get("metadata") for body in project.bodies}
    assert told == {"About tea.": None, "About ice.": {"user_id": "y" * 256}, "About fog.": None}
    assert len(made) == 3
    assert "257 characters" in project.failed[0]["message"]


def test_the_id_of_a_person_asks_nothing_again(project):
    """Neither is its column a part of the identity of a row."""
    step = {"model": {"id": "claude-haiku-5-5", "metadata": SETTINGS["metadata"]}}
    made, sent = project.run(step, said("Hi.")), len(project.bodies)
    other = project.run(step, said("Hey."), rows=[{"a": "tea", "user": "u2"}])
    assert (sent, len(project.bodies)) == (1, 0)
    assert made[0]["s"] == other[0]["s"] == "Hi."


UNKEYED = [{"service_tier": "auto"}, {"speed": "fast"}, {"speed": "standard"}, {"metadata": {"user_id": "u"}}]
UNKEYED += [{"betas": []}, {"extra_body": {}}]
KEYED = [
    {"inference_geo": "us"},
    {"betas": ["a-2026-01-01"]},
    {"extra_body": {"container": "c"}},
    {"thinking": {"type": "adaptive", "display": "summarized"}},
    {"effort": "low"},
]


def key_of(settings, betas=(), workspace=""):
    """The key of the answer to one prompt."""
    keys = AnswerKeys("https://host", "2026-10-21", tuple(betas), workspace).with_betas(settings.betas or ())
    builder = RequestBuilder(settings, keys=keys)
    prompt = Prompt(None, (Message("user", "Hi"),), user_id="u" if settings.metadata else None)
    return builder.first(prompt, RequestMode(None), UNOBSERVED).key


@pytest.mark.parametrize(("more", "is_keyed"), [(each, False) for each in UNKEYED] + [(each, True) for each in KEYED])
def test_what_changes_an_answer_is_in_its_key(more, is_keyed):
    """And in what `diff` and locks call a change of the step: they say the same."""
    plain, changed = (Settings.model_validate({"id": "claude-opus-5-5", **each}) for each in ({}, more))
    assert (key_of(plain) != key_of(changed)) is is_keyed
    assert (keyed_settings(plain) != keyed_settings(changed)) is is_keyed


def test_a_beta_has_one_key_wherever_it_is_named():
    """In the environment or under the model, in any order."""
    settings = Settings(id="claude-opus-5-5", betas=["b-2026-01-01", "a-2026-01-01"])
    plain = Settings(id="claude-opus-5-5")
    assert key_of(settings) == key_of(plain, ("a-2026-01-01", "b-2026-01-01")) == key_of(settings, ("a-2026-01-01",))


def test_a_workspace_is_in_the_key_only_if_one_is_named():
    """Without it, keys are what they were."""
    plain = Settings(id="claude-opus-5-5")
    assert len({key_of(plain), key_of(plain, workspace="w_1"), key_of(plain, workspace="w_2")}) == 3


def test_headers_of_the_pipeline_are_sent_and_hidden(project, monkeypatch):
    """They override those of the environment, and an answer that repeats one does not show it."""
    monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", "X-Team: other\nX-More: more")
    monkeypatch.setenv("TEAM", VALUE)
    runtime = {"headers": {"x-team": {"env": "TEAM"}}, "workspace": "wrkspc_1"}
    rows = project.run({"model": "claude-haiku-5-5"}, said(f"You sent {VALUE}!"), runtime=runtime)
    headers = project.headers[0]
    assert headers.getall("x-team") == [VALUE]
    assert (headers["x-more"], headers["anthropic-workspace-id"]) == ("more", "wrkspc_1")
    assert VALUE not in json.dumps(rows)
    assert VALUE not in str(project.events)


def test_another_value_of_a_header_asks_nothing_again_and_another_workspace_does(project, monkeypatch):
    """The workspace may have other data; a header of a gateway is no part of the question."""
    runtime = {"headers": {"x-team": {"env": "TEAM"}}, "workspace": {"env": "SPACE"}}
    sent = []
    for team, space in (("one", "w_1"), ("two", "w_1"), ("two", "w_2")):
        monkeypatch.setenv("TEAM", team)
        monkeypatch.setenv("SPACE", space)
        project.run({"model": "claude-haiku-5-5"}, said("Hi."), runtime=runtime)
        sent.append(len(project.bodies))
    assert sent == [1, 0, 1]


@pytest.mark.parametrize(
    ("runtime", "told"),
    [
        ({"headers": {"x-team": {"env": "TEAM"}}}, "`runtime.headers.x-team` needs the environment variable TEAM"),
        ({"workspace": {"env": "TEAM"}}, "`runtime.workspace` needs the environment variable TEAM"),
    ],
)
def test_a_missing_variable_is_named(project, runtime, told):
    """Before anything is sent."""
    with pytest.raises(EnvironmentProblem) as raised:
        project.run({"model": "claude-haiku-5-5"}, said("Hi."), runtime=runtime)
    assert raised.value.code is Code.BAD_HEADER
    assert raised.value.message.startswith(told)


THOUGHT = {"type": "thinking", "thinking": "Tea is hot.", "signature": "s"}


def test_kept_thinking_is_a_column_and_a_name(project):
    """Of the answer itself and, in a second run, of the store; null where an answer shows none."""
    step = {"model": "claude-opus-5-5", "output": {"keep_thinking": True}}
    after = {"model": "claude-haiku-5-5", "prompt": "Check: {{ thinking.s or 'none' }}"}
    rows = [{"a": "tea"}, {"a": "rain"}]

    def answer(body):
        asked = body["messages"][0]["content"]
        return said(*([THOUGHT] if "tea" in asked else []), f"Re: {asked}")

    for expected in (4, 0):
        made = project.run(step, *[answer] * 9, rows=rows, steps={"t": after})
        assert len(project.bodies) == expected
        assert [list(row) for row in made] == [["a", "s", "s_thinking", "t"]] * 2
        assert [row["s_thinking"] for row in made] == ["Tea is hot.", None]
        assert [row["t"] for row in made] == ["Re: Check: Tea is hot.", "Re: Check: none"]
        shown = [body["thinking"] for body in project.bodies if body["model"] == "claude-opus-5-5"]
        assert shown == [{"type": "adaptive", "display": "summarized"}] * (expected // 2)


def test_kept_thinking_has_the_shape_of_the_value(project):
    """A list for samples, within an entry for each combination."""
    step = {"model": "claude-opus-5-5", "samples": 2, "matrix": {"tone": ["dry"]}, "output": {"keep_thinking": True}}
    step["prompt"] = "About {{ row.a }}, {{ matrix.tone }}."
    made = project.run(step, said(THOUGHT, "Hi."))
    assert made[0]["s_thinking"] == [{"tone": "dry", "output": ["Tea is hot."] * 2}]


def test_a_fallback_model_shows_its_thinking_too(project):
    """Its request asks for it as that of the first model does."""
    step = {"model": "claude-opus-5", "on_refusal": ["claude-sonnet-5-5"], "output": {"keep_thinking": True}}
    made = project.run(step, lambda _: {**said(), "stop_reason": "refusal"}, lambda _: said(THOUGHT, "Hi."))
    assert [body["thinking"] for body in project.bodies] == [{"type": "adaptive", "display": "summarized"}] * 2
    assert made[0]["s_thinking"] == "Tea is hot."


def test_older_models_show_their_thinking_anyway(project):
    """Nothing of their request changes, so that nothing is asked again."""
    settings = {"id": "claude-sonnet-4-6", "thinking": {"budget_tokens": 1024}, "max_tokens": 2048}
    project.run({"model": settings}, said(THOUGHT, "Hi."))
    made = project.run({"model": settings, "output": {"keep_thinking": True}}, said("Hi."))
    assert project.bodies == []
    assert made[0]["s_thinking"] == "Tea is hot."


def test_a_system_turn_is_sent_as_it_is_written(project):
    """In the middle of a conversation, and out of a row."""
    chat = [{"role": "user", "content": "A?"}, {"role": "assistant", "content": "B."}]
    chat += [{"role": "user", "content": "C?"}, {"role": "system", "content": "Be brief."}]
    for messages, model in ((chat, "claude-opus-5-5"), ({"from": "row.chat"}, "claude-sonnet-5-5")):
        project.run({"model": model, "messages": messages}, said("Hi."), rows=[{"chat": chat}])
        assert project.bodies[0]["messages"] == chat


def test_a_tool_call_keeps_what_the_sdk_does_not_know(project):
    """A re-ask of a tool has blocks, and the further fields of the first request."""
    output = {
        "mode": "tools",
        "schema": {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}},
    }
    step = {"model": {"id": "claude-haiku-5-5", "extra_body": {"new_field": 1}, "speed": "standard"}, "output": output}
    replies = [said(call({"n": "x"}, name="s"), stop="tool_use"), said(call({"n": 1}, name="s"), stop="tool_use")]
    made = project.run(step, *replies)
    assert [(body["new_field"], body["speed"]) for body in project.bodies] == [(1, "standard")] * 2
    assert isinstance(project.bodies[1]["messages"][-1]["content"], list)
    assert made[0]["s"] == {"n": 1}
