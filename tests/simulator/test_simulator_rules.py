"""What the simulator refuses, as the real API does: status, type and sentence."""

import asyncio
import io
import json

import aiohttp
import pytest

from simulator_calls import HELLO, RESULT, SCHEMA, TOOL
from yamlgen.simulator.server import Simulator

HEADERS = {"x-api-key": "x", "anthropic-version": "2026-10-21"}
OLD = {**HEADERS, "anthropic-version": "2023-06-01"}
OLDER = "claude-haiku-4-5"
CALL = {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "user", "input": {}}]}


def asked(*without, **more):
    """A body that is accepted, without some keys and with others."""
    body = {"model": "claude-haiku-5-5", "max_tokens": 2000, "messages": [HELLO], **more}
    return {key: value for key, value in body.items() if key not in without}


def native(schema=SCHEMA, **more):
    """A body that asks for native output."""
    return asked(output_config={"format": {"type": "json_schema", "schema": schema}}, **more)


def closed(**members):
    """A closed object schema with one property."""
    return {"type": "object", "additionalProperties": False, "properties": {"x": members}}


def send(data, headers=HEADERS, path="/v1/messages", method="POST"):
    """(status, body) of one request; `data` is JSON or bytes."""

    async def main():
        raw = io.BytesIO(data if isinstance(data, bytes) else json.dumps(data).encode())
        async with (
            Simulator() as simulator,
            aiohttp.ClientSession() as session,
            session.request(method, simulator.url + path, data=raw, headers=headers) as response,
        ):
            return response.status, await response.json()

    return asyncio.run(main())


def refused(data, message, *, status=400, kind="invalid_request_error", **more):
    """Check that a request is refused like this."""
    found, body = send(data, **more)
    assert (found, body["type"], body["error"]["type"]) == (status, "error", kind), body
    assert message in body["error"]["message"]
    assert body["request_id"].startswith("req_sim_")


@pytest.mark.parametrize("key", [{}, {"x-api-key": ""}, {"x-api-key": " "}, {"Authorization": "Bearer "}])
def test_a_request_without_a_key_is_refused(key):
    """401 without a key."""
    headers = {"anthropic-version": "2026-10-21", **key}
    refused(asked(), "x-api-key", status=401, kind="authentication_error", headers=headers)


@pytest.mark.parametrize("key", [{"x-api-key": "sk"}, {"Authorization": "Bearer sk"}])
def test_any_key_is_accepted(key):
    """Both ways of sending a key work."""
    assert send(asked(), headers={"anthropic-version": "2026-10-21", **key})[0] == 200


def test_the_api_version_has_to_be_known():
    """A missing or unknown `anthropic-version` is refused."""
    refused(asked(), "anthropic-version: header is required", headers={"x-api-key": "x"})
    refused(asked(), '"2020-01-01" is not a valid version', headers={**HEADERS, "anthropic-version": "2020-01-01"})


@pytest.mark.parametrize("data", [b"", b"{", b'{"a": NaN}', b"\xff", b"[" * 100_000, b"1" * 10_000])
def test_a_body_that_is_not_json_is_refused(data):
    """What is no JSON is a 400, however broken."""
    assert send(data)[0] == 400


def test_a_body_that_is_no_object_is_refused():
    """A list is no request."""
    refused([], "Input should be an object")


def test_a_body_above_32_mb_is_too_large():
    """413 past the size limit."""
    refused(b" " * (32 * 2**20 + 1), "maximum size", status=413, kind="request_too_large")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (asked("model"), "model: Field required"),
        (asked(model=5), "model: Input should be a valid string"),
        (asked("max_tokens"), "max_tokens: Field required"),
        (asked(max_tokens=-1), "max_tokens: Input should be greater than or equal to 0"),
        (asked(max_tokens=True), "max_tokens: Input should be a valid integer"),
        (asked(max_tokens="5"), "max_tokens: Input should be a valid integer"),
        (asked(model="claude-haiku-4-5", max_tokens=64001), "max_tokens: 64001 > 64000, which is the maximum"),
        (asked("messages"), "messages: Field required"),
        (asked(messages=[]), "messages: at least one message is required"),
        (asked(messages="Hi"), "messages: Input should be a valid array"),
        (asked(messages=["Hi"]), "messages.0: Input should be an object"),
        (asked(messages=[{"role": "user"}]), "messages.0.content: Field required"),
        (asked(messages=[{**HELLO, "name": "x"}]), "messages.0.name: Extra inputs are not permitted"),
        (asked(messages=[{"role": "bot", "content": "x"}]), "messages.0.role: Input should be 'user',"),
        (asked(messages=[{"role": "user", "content": " \n"}]), "must contain non-whitespace text"),
        (asked(messages=[{"role": "assistant", "content": "x"}, HELLO]), 'first message must use the "user" role'),
        (asked(messages=[{"role": "user", "content": ""}]), "messages.0: all messages must have non-empty content"),
        (asked(messages=[{"role": "user", "content": []}]), "messages.0: all messages must have non-empty content"),
        (asked(messages=[{"role": "user", "content": [{"type": "text", "text": ""}]}]), "must be non-empty"),
        (asked(messages=[{"role": "user", "content": [{"type": "text"}]}]), "messages.0.content.0.text.text: Field"),
        (asked(messages=[{"role": "user", "content": CALL["content"]}]), "`tool_use` blocks are not allowed in `user`"),
        (asked(messages=[HELLO, {"role": "assistant", "content": "So "}], model=OLDER), "cannot end with trailing"),
        (asked(foo=1), "foo: Extra inputs are not permitted"),
        (asked(system=5), "system: Input should be"),
        (asked(system=[{"type": "text", "text": ""}]), "system: text content blocks must be non-empty"),
        (asked(stop_sequences=[" "]), "stop_sequences: each stop sequence must contain non-whitespace"),
        (asked(stream="yes"), "stream: Input should be a valid boolean"),
    ],
)
def test_a_malformed_request_is_refused(body, message):
    """Each with the place and the rule."""
    refused(body, message)


@pytest.mark.parametrize(
    "model",
    [
        "claude-nope",
        "claude-opus-9",
        "claude-haiku-5-5-beta",
        "claude-3-5-sonnet-latest",
        "claude-opus-4-20250514",
        "claude-sonnet-4-0",
        "claude-2.1",
    ],
)
def test_an_unknown_or_retired_model_is_not_found(model):
    """404 for a model that does not exist, or no longer."""
    refused(asked(model=model), f"model: {model}", status=404, kind="not_found_error")


@pytest.mark.parametrize(
    "model",
    [
        "claude-haiku-5-5-20260901",
        "anthropic/claude-haiku",
        "anthropic.claude-v9",
        "gateway",
    ],
)
def test_other_names_of_models_are_accepted(model):
    """Dated ids and the names of gateways."""
    assert send(asked(model=model))[0] == 200


@pytest.mark.parametrize("name", ["temperature", "top_p", "top_k"])
def test_sampling_parameters_are_gone_from_the_new_version(name):
    """400 under 2026-10-21 for every model, and under 2023-06-01 for the newer models."""
    refused(asked(**{name: 1}), f"{name}: Extra inputs are not permitted")
    refused(asked(model="claude-haiku-4-5", **{name: 1}), f"{name}: Extra inputs are not permitted")
    refused(asked(**{name: 1}), f"`{name}` is not supported by this model", headers=OLD)


def test_sampling_parameters_work_for_older_models_under_the_old_version():
    """Up to 4.6, with values in range."""
    assert send(asked(model="claude-haiku-4-5", temperature=0.5, top_k=5), headers=OLD)[0] == 200
    refused(asked(model="claude-haiku-4-5", temperature=1.5), "temperature: range: 0..1", headers=OLD)
    refused(
        asked(model="claude-haiku-4-5", temperature="1"), "temperature: Input should be a valid number", headers=OLD
    )


@pytest.mark.parametrize(
    ("thinking", "message"),
    [
        ({"type": "enabled"}, "budget_tokens: Field required"),
        ({"type": "enabled", "budget_tokens": 1000}, "greater than or equal to 1024"),
        ({"type": "enabled", "budget_tokens": 2000}, "`max_tokens` must be greater than `thinking.budget_tokens`"),
        ({"type": "much"}, "thinking: Input tag"),
    ],
)
def test_thinking_has_rules(thinking, message):
    """The budget has a least value and fits under `max_tokens`."""
    refused(asked(thinking=thinking), message)


@pytest.mark.parametrize("model", ["claude-opus-5-5", "claude-fable-5-1", "claude-mythos-5-1"])
@pytest.mark.parametrize("choice", [{"type": "any"}, {"type": "tool", "name": "user"}])
def test_forced_tools_are_refused_by_models_that_reject_them(model, choice):
    """400 for `any` and `tool`; `auto` passes."""
    refused(asked(model=model, tools=[TOOL], tool_choice=choice), "tool_choice")
    assert send(asked(model=model, tools=[TOOL], tool_choice={"type": "auto"}))[0] == 200


@pytest.mark.parametrize("thinking", [{"type": "enabled", "budget_tokens": 1024}, {"type": "adaptive"}])
def test_forced_tools_are_refused_while_thinking(thinking):
    """Thinking and forcing exclude each other."""
    body = asked(model="claude-opus-4-6", tools=[TOOL], tool_choice={"type": "any"}, thinking=thinking)
    refused(body, "Thinking may not be enabled when tool_choice forces tool use.")
    assert send({**body, "thinking": {"type": "disabled"}})[0] == 200


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"tools": [{**TOOL, "name": "a b"}]}, "tools.0.custom.name: String should match pattern"),
        ({"tools": [{**TOOL, "name": "a" * 129}]}, "tools.0.custom.name: String should match pattern"),
        ({"tools": [{"input_schema": SCHEMA}]}, "tools.0.custom.name: Field required"),
        ({"tools": [{"name": "x"}]}, "tools.0.custom.input_schema: Field required"),
        ({"tools": [{"name": "x", "input_schema": {}}]}, "tools.0.custom.input_schema.type: Field required"),
        ({"tools": [{"name": "x", "input_schema": {"type": "array"}}]}, "type: Input should be 'object'"),
        ({"tools": [{"name": "x", "input_schema": {"type": "object", "oneOf": [{}]}}]}, "at the top level"),
        ({"tools": [{"name": "x", "input_schema": closed(type="text")}]}, "JSON schema is invalid"),
        (
            {"tools": [{"name": "x", "input_schema": {"type": "object", "properties": {"a b": {}}}}]},
            "Property keys should match pattern",
        ),
        ({"tools": [TOOL, TOOL]}, "tools: Tool names must be unique."),
        (
            {"tools": [{"name": "x", "strict": True, "input_schema": closed(type="integer", minimum=1)}]},
            "properties minimum are not supported",
        ),
        ({"tool_choice": {"type": "auto"}}, "tool_choice may only be specified while providing tools"),
        ({"tools": [TOOL], "tool_choice": {"type": "tool", "name": "x"}}, "Tool 'x' not found in provided tools"),
        ({"tools": [TOOL], "tool_choice": {"type": "all"}}, "tool_choice: Input tag"),
        ({"tools": [TOOL], "tool_choice": {"type": "any", "name": "x"}}, "tool_choice.any.name: Extra inputs"),
    ],
)
def test_tools_have_rules(more, message):
    """Names, schemas and choices of tools are checked."""
    refused(asked(**more), message)


def test_native_output_takes_no_prefill():
    """The answer's beginning cannot be given."""
    refused(native(model=OLDER, messages=[HELLO, {"role": "assistant", "content": "{"}]), "Prefilling")


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"type": "object", "properties": {}}, "'additionalProperties' must be explicitly set to false"),
        (closed(type="object"), "'additionalProperties' must be explicitly set to false"),
        (closed(type=["object", "null"]), "'additionalProperties' must be explicitly set to false"),
        (closed(type="integer", minimum=1), "For 'integer' type, properties minimum are not supported"),
        (closed(type="number", maximum=1, multipleOf=2), "properties maximum, multipleOf are not supported"),
        (closed(type="string", minLength=1), "For 'string' type, properties minLength are not supported"),
        (closed(type="string", maxLength=1), "properties maxLength are not supported"),
        (closed(type="string", format="regex"), "format 'regex' is not supported"),
        (closed(type="array", items={}, minItems=2), "'minItems' values other than 0 or 1"),
        (closed(type="array", items={}, maxItems=2), "properties maxItems are not supported"),
        ({**closed(), "patternProperties": {"a": {}}}, "properties patternProperties are not supported"),
        (closed(oneOf=[{"type": "string"}]), "keyword 'oneOf' is not supported"),
        (closed(**{"not": {"type": "string"}}), "keyword 'not' is not supported"),
        (closed(enum=[{"a": 1}]), "Complex types in 'enum'"),
        (closed(**{"$ref": "https://example.com/a.json"}), "JSON schema is invalid"),
        ({**closed(**{"$ref": "#"})}, "Recursive schemas are not supported"),
        (
            {
                **closed(**{"$ref": "#/$defs/node"}),
                "$defs": {"node": {**closed(**{"$ref": "#/$defs/node"})}},
            },
            "Recursive schemas are not supported",
        ),
        ({}, "Empty schema is not supported"),
        (5, "JSON schema is invalid"),
    ],
)
def test_native_output_refuses_what_it_cannot_express(schema, message):
    """A schema beyond the grammar of native output is a 400 that names the keyword."""
    refused(native(schema), message)


def test_native_output_takes_what_it_can_express():
    """References, alternatives, enums, formats and patterns pass."""
    schema = {
        **closed(anyOf=[{"$ref": "#/$defs/a"}, {"type": "null"}]),
        "$defs": {"a": closed(type="array", minItems=1, items={"type": ["string", "null"], "pattern": "^a+$"})},
    }
    assert send(native(schema))[0] == 200


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (5, "output_config: Input should be an object"),
        ({"mode": "x"}, "output_config.mode: Extra inputs are not permitted"),
        ({"effort": "huge"}, "output_config.effort: Input should be one of"),
        ({"format": {"type": "xml"}}, "output_config.format.type: Input should be 'json_schema'"),
        ({"format": {"type": "json_schema", "name": "x"}}, "output_config.format.name: Extra inputs"),
        ({"format": {"type": "json_schema"}}, "output_config.format.schema: Field required"),
    ],
)
def test_output_config_has_rules(config, message):
    """What it holds is checked."""
    refused(asked(output_config=config), message)


@pytest.mark.parametrize(
    ("turns", "message"),
    [
        ([HELLO, CALL], "`tool_use` ids were found without `tool_result` blocks immediately after: t1"),
        ([HELLO, CALL, HELLO], "`tool_use` ids were found without `tool_result` blocks immediately after: t1"),
        ([HELLO, RESULT], "unexpected `tool_use_id` found in `tool_result` blocks: t1"),
        ([HELLO, CALL, RESULT, {"role": "assistant", "content": "ok"}, RESULT], "unexpected `tool_use_id`"),
    ],
)
def test_tool_calls_and_results_pair_up(turns, message):
    """A call is answered in the next turn, and nothing else is."""
    refused(asked(messages=turns, tools=[TOOL]), message)


@pytest.mark.parametrize(
    ("turns", "message"),
    [
        ([HELLO, CALL, RESULT, CALL, RESULT], "messages.3: `tool_use` ids must be unique"),
        (
            [HELLO, CALL, {"role": "user", "content": RESULT["content"] * 2}],
            "each tool_use must have a single result. Found multiple `tool_result` blocks with id: t1",
        ),
        (
            [HELLO, CALL, {"role": "user", "content": [{"type": "text", "text": "x"}, *RESULT["content"]]}],
            "without `tool_result` blocks immediately after: t1",
        ),
        (
            [HELLO, {"role": "assistant", "content": [{**CALL["content"][0], "id": "a b"}]}],
            "messages.1.content.0.tool_use.id: String should match pattern",
        ),
    ],
)
def test_a_call_has_an_id_and_one_result_that_comes_first(turns, message):
    """What the user says besides comes after it."""
    refused(asked(messages=turns, tools=[TOOL]), message)


def test_neighbouring_turns_of_one_role_are_one_turn():
    """A result may come in a message of its own, before another of the same role."""
    assert send(asked(messages=[HELLO, HELLO, CALL, RESULT, HELLO], tools=[TOOL]))[0] == 200


def test_an_unknown_path_or_method_gets_the_envelope():
    """404 and 405 look like the API's errors."""
    refused(asked(), "Not Found", status=404, kind="not_found_error", path="/v1/nothing")
    refused(b"", "Method Not Allowed", status=405, method="GET")


def test_counting_tokens_has_the_same_rules():
    """Without `max_tokens`, which is no part of it."""
    refused(asked(), "max_tokens: Extra inputs are not permitted", path="/v1/messages/count_tokens")
    refused(asked("max_tokens", messages=[]), "at least one message", path="/v1/messages/count_tokens")


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "limit=1001", "after_id=nope"])
def test_paging_has_rules(query):
    """A page that cannot be is a 400."""
    assert send(b"", path=f"/v1/models?{query}", method="GET")[0] == 400
