"""What the simulator refuses in blocks, tools, schemas and the cache's breakpoints, with the API's sentences."""

import pytest

from simulator_calls import HELLO, ask, refusal

OLD = "2023-06-01"
MARK = {"cache_control": {"type": "ephemeral"}}
LONG = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
PDF = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "eA=="}}


def asked(**more):
    """A body that is accepted."""
    return {"model": "claude-opus-4-6", "max_tokens": 2000, "messages": [HELLO], **more}


def shown(*blocks, role="user"):
    """A body with blocks in a turn of the user's or, with a question after it, of the assistant's."""
    turn = {"role": role, "content": list(blocks)}
    return asked(messages=[turn] if role == "user" else [HELLO, turn, HELLO])


def text(words="x", **more):
    """A block of text."""
    return {"type": "text", "text": words, **more}


def closed(required=0, optional=0, unions=0):
    """A closed object schema with so many properties of each kind, the unions required too."""
    names = [f"r{index}" for index in range(required)] + [f"u{index}" for index in range(unions)]
    kinds = {name: {"type": ["string", "null"]} if name.startswith("u") else {"type": "string"} for name in names}
    others = {f"o{index}": {"type": "string"} for index in range(optional)}
    return {"type": "object", "additionalProperties": False, "required": names, "properties": {**kinds, **others}}


def native(schema, **more):
    """A body that asks for native output."""
    return asked(output_config={"format": {"type": "json_schema", "schema": schema}}, **more)


def strict(*schemas):
    """A body with strict tools."""
    return asked(tools=[{"name": f"t{i}", "strict": True, "input_schema": each} for i, each in enumerate(schemas)])


def check(body, sentence, **more):
    """Check that a body is refused with this sentence, or taken where there is none."""
    found = refusal(body, **more)
    assert found.startswith(sentence)
    assert bool(found) == bool(sentence)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (shown(text(" \n\t")), "messages: text content blocks must contain non-whitespace text"),
        (shown(text(" "), role="assistant"), "messages: text content blocks must contain non-whitespace text"),
        (asked(system=[text(" ")]), "system: text content blocks must contain non-whitespace text"),
        (shown(text(note="x")), "messages.0.content.0.text.note: Extra inputs are not permitted"),
        (shown({"type": "paragraph"}), "messages.0.content.0: Input tag 'paragraph'"),
        (shown({"type": "mood_tool_result"}), "messages.0.content.0: Input tag 'mood_tool_result'"),
        (shown({"type": "thinking", "thinking": "x"}, role="assistant"), "messages.1.content.0.thinking.signature"),
        (shown({"type": "thinking", "thinking": "x", "signature": "s"}, text(), role="assistant"), ""),
        (shown({"type": "redacted_thinking", "data": "x"}, text(), role="assistant"), ""),
        (shown({"type": "thinking", "thinking": "x", "signature": "s"}), "messages.0.content.0: `thinking` blocks are"),
        (shown(PDF), ""),
        (
            shown({**PDF, "source": {"type": "base64", "media_type": "image/png", "data": ""}}),
            "messages.0.content.0.doc",
        ),
        (shown({"type": "image", "source": {"type": "url", "url": "https://example.com"}}), ""),
        (shown({"type": "image", "source": {"type": "disk"}}), "messages.0.content.0.image.source: Input tag"),
        (shown({"type": "image"}), "messages.0.content.0.image.source: Field required"),
        (
            shown({"type": "image", "source": {"type": "base64", "media_type": "image/bmp", "data": "x"}}),
            "messages.0.content.0.image.source.base64.media_type: Input should be one of",
        ),
        (
            shown({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "x" * 10485761}}),
            "messages.0.content.0.image.source.base64: image exceeds 10 MB maximum: 10485761 bytes > 10485760 bytes",
        ),
        (shown({"type": "compaction", "content": "x"}, text()), "messages.0.content.0: `compaction` blocks are not"),
    ],
)
def test_blocks_have_rules(body, sentence):
    """Which there are, where they stand, what they hold."""
    check(body, sentence)


def test_a_result_holds_blocks_of_its_own():
    """Text, images and documents, but no thoughts."""
    call = {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "user", "input": {}}]}

    def answered(content):
        result = {"type": "tool_result", "tool_use_id": "t1", "content": content}
        return asked(messages=[HELLO, call, {"role": "user", "content": [result]}])

    for content in (None, "", "ok", [], [text(), PDF, {"type": "tool_reference", "tool_name": "x"}]):
        check(answered(content), "")
    check(answered(5), "messages.2.content.0.tool_result.content: Input should be a valid string or array")
    check(answered([{"type": "thinking"}]), "messages.2.content.0.tool_result.content.0: Input tag should be one of")
    check(answered([{"type": "image"}]), "messages.2.content.0.tool_result.content.0.image.source: Field required")


def test_documents_in_answers_and_citations_of_users_are_gone_from_the_new_version():
    """Few-shot examples of before are a 400 under 2026-10-21."""
    example = shown(PDF, text(), role="assistant")
    cited = shown(text(citations=[]))
    for body in (example, cited):
        check(body, "", version=OLD)
    check(example, "messages.1.content.0: `document` blocks are not allowed in `assistant` messages")
    check(cited, "messages.0.content.0.text.citations: Extra inputs are not permitted")
    check(shown(text(citations=None)), "")


def test_citations_exclude_native_output():
    """A document that is to be cited, and an answer of a schema."""
    cited = {"role": "user", "content": [{**PDF, "citations": {"enabled": True}}, text()]}
    check(native(closed(1), messages=[cited]), "Citations are not supported with output_config.format.")
    check(native(closed(1), messages=[{"role": "user", "content": [PDF]}]), "")


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (native(closed(optional=24)), ""),
        (native(closed(optional=25)), "Schemas contains too many optional parameters (25), which would make grammar"),
        (native(closed(unions=16)), ""),
        (native(closed(unions=17)), "Schemas contains too many parameters with union types (17 parameters with type"),
        (strict(closed(optional=12), closed(optional=13)), "Schemas contains too many optional parameters (25)"),
        (strict(*[closed(1)] * 20), ""),
        (strict(*[closed(1)] * 21), "Too many strict tools (21). The maximum number of strict tools supported is 20."),
        (asked(tools=[{"name": f"t{i}", "input_schema": closed(optional=9)} for i in range(21)]), ""),
        (
            native({**closed(1), "properties": {"r0": {"type": "array", "items": closed(optional=25)}}}),
            "Schemas contains too many optional parameters (25)",
        ),
        (
            native({**closed(1), "$defs": {"a": closed(optional=25)}, "properties": {"r0": {"$ref": "#/$defs/a"}}}),
            "Schemas contains too many optional parameters (25)",
        ),
    ],
)
def test_a_grammar_has_room_for_so_much(body, sentence):
    """24 optional parameters, 16 unions and 20 strict tools, over all schemas of a request."""
    check(body, sentence)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (asked(tools=[{"type": "web_search_20260318", "name": "web_search", "max_uses": 3}]), ""),
        (asked(tools=[{"type": "browser_toolset_20260801"}]), ""),
        (
            asked(tools=[{"type": "web_search_2020", "name": "web_search"}]),
            "tools.0: Input tag 'web_search_2020' found",
        ),
        (asked(tools=[{"type": "computer_20251124", "name": "computer"}]), "tools.0: Input tag 'computer_20251124'"),
        (asked(tools=[{"type": "bash_20250124", "name": "sh"}]), "tools.0.bash_20250124.name: Input should be 'bash'"),
        (
            asked(
                tools=[
                    {
                        "type": "web_search_20250305",
                        "name": "web_search",
                        "allowed_domains": ["a.com"],
                        "blocked_domains": ["b.com"],
                    }
                ]
            ),
            "tools.0.web_search_20250305: Cannot specify both",
        ),
        (asked(tools=[{"name": "t", "input_schema": closed(1), "note": "x"}]), "tools.0.custom.note: Extra inputs"),
        (asked(tools=[{"name": "t", "input_schema": closed(1), "description": 5}]), "tools.0.custom.description"),
    ],
)
def test_tools_that_the_api_knows_have_rules(body, sentence):
    """Their type with its date, and their name."""
    check(body, sentence)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (asked(system=[text(**MARK)] * 4), ""),
        (asked(system=[text(**MARK)] * 5), "A maximum of 4 blocks with cache_control may be provided. Found 5."),
        (
            asked(system=[text(**MARK)] * 4, **MARK),
            "A maximum of 4 blocks with cache_control may be provided. Found 5.",
        ),
        (asked(system=[text(**LONG)], messages=[{"role": "user", "content": [text(**MARK)]}]), ""),
        (
            asked(system=[text(**MARK)], messages=[{"role": "user", "content": [text(**LONG)]}]),
            "messages.0.content.0.cache_control.ttl: a ttl='1h' cache_control block must not come after",
        ),
        (asked(cache_control={"type": "forever"}), "cache_control: Input tag should be one of 'ephemeral'"),
        (asked(cache_control={"type": "ephemeral", "ttl": "2h"}), "cache_control.ttl: Input should be one of"),
        (asked(cache_control=None), ""),
        (
            shown({"type": "thinking", "thinking": "x", "signature": "s", **MARK}, text(), role="assistant"),
            "messages.1.content.0.thinking.cache_control: Extra inputs are not permitted",
        ),
    ],
)
def test_breakpoints_of_the_cache_have_rules(body, sentence):
    """Four, of five minutes or an hour, the longer ones first."""
    check(body, sentence)


def test_no_tokens_of_output_fill_the_cache():
    """An empty answer at its limit; what would be put out cannot be asked for."""
    message = ask(asked(max_tokens=0, system=[text("Be brief.", **MARK)]))
    assert (message.content, message.stop_reason, message.usage.output_tokens) == ([], "max_tokens", 0)
    assert message.usage.input_tokens > 0
    tool = {"name": "t", "input_schema": closed(1)}
    for more in (
        {"stream": True},
        {"thinking": {"type": "enabled", "budget_tokens": 1024}},
        {"output_config": {"format": {"type": "json_schema", "schema": closed(1)}}},
        {"tools": [tool], "tool_choice": {"type": "any"}},
    ):
        assert refusal(asked(max_tokens=0, **more)) != ""
    check(asked(max_tokens=0, tools=[tool]), "")


def test_thinking_shows_itself_as_asked():
    """Summarised or left out; updates belong to a beta, and what is off shows nothing."""
    for display in ("summarized", "omitted"):
        (thought, *_) = ask(asked(thinking={"type": "adaptive", "display": display})).content
        assert bool(thought.thinking) == (display == "summarized")
        assert thought.signature
    updates = asked(thinking={"type": "adaptive", "display": "updates"})
    check(updates, "thinking.adaptive.display: Input should be one of 'summarized', 'omitted'")
    check(updates, "", betas=["thinking-display-updates-2026-08-18"])
    check(asked(thinking={"type": "disabled", "display": "omitted"}), "thinking.disabled.display: Extra inputs")


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"temperature": 0.5}, "`temperature` may only be set to 1 when thinking is enabled or in adaptive mode."),
        ({"temperature": 1}, ""),
        ({"top_p": 0.5}, "`top_p` must be greater than or equal to 0.95 or unset when thinking"),
        ({"top_p": 0.97}, ""),
        ({"top_k": 5}, "`top_k` must be unset when thinking"),
        ({"temperature": 1, "top_p": 1}, "`temperature` and `top_p` cannot both be specified for this model."),
    ],
)
def test_sampling_is_bounded_while_a_model_thinks(more, sentence):
    """Under the version that has it; of a gateway's own models nothing is known."""
    check(asked(thinking={"type": "adaptive"}, **more), sentence, version=OLD)
    check(asked(model="my-model", thinking={"type": "adaptive"}, **more), "", version=OLD)
