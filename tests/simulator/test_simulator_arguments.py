"""The simulator takes what the installed SDK can send, and a beta's fields with their beta only.

A newer SDK may know more than the simulator: that is told by skipping, and fails nothing.
"""

import typing

import anthropic
import pytest
from anthropic.types import ContentBlockParam, ToolUnionParam, message_create_params
from anthropic.types.beta import BetaContentBlockParam, BetaToolUnionParam
from anthropic.types.beta import message_create_params as beta_message_create_params

from simulator_calls import HELLO, refusal, talk
from yamlgen.simulator import allowed_arguments, content_blocks, tools
from yamlgen.simulator.api_errors import SimulatedAPIError

OLDER = "claude-haiku-4-5"
SCHEMA = {"type": "object", "additionalProperties": False, "properties": {"name": {"type": "string"}}}
FORMAT = {"type": "json_schema", "schema": SCHEMA}
TOOLS = [{"name": "user", "input_schema": SCHEMA}]

SEARCH = {"type": "web_search_20260318", "name": "web_search"}

TAKEN = {
    "max_tokens": 100,
    "messages": [HELLO],
    "model": OLDER,
    "cache_control": {"type": "ephemeral", "ttl": "1h"},
    "container": "container_1",
    "diagnostics": {"previous_message_id": None},
    "inference_geo": None,
    "metadata": {"user_id": "u1"},
    "output_config": {"format": FORMAT},
    "service_tier": "standard_only",
    "speed": "standard",
    "stop_sequences": ["x"],
    "stream": False,
    "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
    "thinking": {"type": "disabled"},
    "tool_choice": {"type": "auto"},
    "tools": TOOLS,
    "user_profile_id": "uprof_1",
    "workspace_id": "wrkspc_1",
}
BETA_TAKEN = {
    "billing_policy": ({"type": "billing_policy", "bill_to": "self"}, "user-profiles-billing-2026-10-01"),
    "compaction": ({"type": "summarize", "instructions": None}, "compact-2026-09-04"),
    "context_management": ({"edits": [{"type": "clear_tool_uses_20250919"}]}, "context-management-2025-06-27"),
    "fallback_credit_token": ({"token": "t", "mode": "best_effort"}, "fallback-credit-2026-07-01"),
    "fallbacks": ("default", "server-side-fallback-2026-07-01"),
    "mcp_servers": ([{"type": "url", "name": "m", "url": "https://example.com"}], "mcp-client-2025-11-20"),
    "thread": ({"type": "create"}, "message-threads-2026-08-12"),
}
HEADERS = {"betas"}


def asked(**more):
    """A body that is accepted."""
    return {"model": OLDER, "max_tokens": 2000, "messages": [HELLO], **more}


def known_or_skipped(names, known):
    """Those of the SDK's names that the simulator should know; tell by a skip what a newer SDK has besides."""
    newer = sorted(set(names) - set(known))
    if newer and anthropic.__version__ not in TRIED:
        pytest.skip(f"anthropic {anthropic.__version__} has {', '.join(newer)}, which the simulator does not know")
    assert not newer


TRIED = {"2.14.0"}
"""The versions of the SDK that have nothing which is unknown here."""


def test_every_argument_of_the_sdk_is_taken():
    """Each is sent by the SDK itself, and answered."""
    names = typing.get_type_hints(message_create_params.MessageCreateParamsNonStreaming)

    async def sent(client, _):
        for name in TAKEN.keys() & names.keys():
            more = {"tools": TOOLS} if name == "tool_choice" else {}
            message = await client.messages.create(**asked(**more, **{name: TAKEN[name]}))
            assert message.role == "assistant", name

    talk(sent)
    known_or_skipped(names, TAKEN)


def test_every_argument_of_a_beta_is_taken_with_its_beta_and_refused_without():
    """As a header on the route of betas; without it the field does not exist."""
    names = typing.get_type_hints(beta_message_create_params.MessageCreateParamsNonStreaming)

    async def sent(client, _):
        for name in BETA_TAKEN.keys() & names.keys():
            value, beta = BETA_TAKEN[name]
            message = await client.beta.messages.create(**asked(**{name: value}), betas=[beta])
            assert message.role == "assistant", name
            with pytest.raises(anthropic.BadRequestError, match=f"{name}: Extra inputs are not permitted"):
                await client.beta.messages.create(**asked(**{name: value}))

    talk(sent)
    known_or_skipped(names, {*TAKEN, *BETA_TAKEN, *HEADERS})
    assert allowed_arguments.BETA.keys() == {*BETA_TAKEN, "output_format"}


def kinds_of(union):
    """The fields of a union's members, by the type of each; a type that may be left out stands in a union itself."""
    kinds = {}
    for member in filter(typing.is_typeddict, typing.get_args(union)):
        fields = typing.get_type_hints(member)
        (kind, *_) = typing.get_args(fields["type"])
        kinds[kind if isinstance(kind, str) else typing.get_args(kind)[0]] = fields
    return kinds


def test_every_type_of_tool_in_the_sdk_is_known():
    """With the name that the SDK gives it."""
    plain = {"custom", *(kind for kind, (_, beta) in tools.TOOLS.items() if not beta)}
    known_or_skipped(kinds_of(ToolUnionParam), plain)
    known_or_skipped(kinds_of(BetaToolUnionParam), {"custom", *tools.TOOLS})
    for kind, fields in kinds_of(BetaToolUnionParam).items():
        if kind == "custom":
            continue
        name, _ = tools.TOOLS.get(kind, ("", ""))
        assert typing.get_args(fields.get("name")) == ((name,) if name else ()), kind


def test_every_block_in_the_sdk_is_known_with_its_fields():
    """No block that a client can send is refused for what it is."""
    for union in (ContentBlockParam, BetaContentBlockParam):
        found = kinds_of(union)
        known_or_skipped(found, content_blocks.BLOCKS)
        for kind, fields in found.items():
            known = content_blocks.BLOCKS.get(kind, ("", ""))[1].replace("!", "").split()
            known_or_skipped(fields, known or fields)


@pytest.mark.parametrize(
    ("more", "betas", "sentence"),
    [
        ({"fallbacks": "default"}, ["server-side-fallback-2026-07-01"], ""),
        ({"fallbacks": [{"model": OLDER}] * 4}, ["server-side-fallback-2026-07-01"], "fallbacks: List should have 1"),
        ({"fallbacks": [{"name": OLDER}]}, ["server-side-fallback-2026-07-01"], "fallbacks.0.name: Extra inputs"),
        (
            {"fallbacks": [{"model": "claude-nope"}], "model": "claude-opus-5-5"},
            ["server-side-fallback-2026-07-01"],
            "model: claude-nope",
        ),
        (
            {"fallbacks": "default", "fallback_credit_token": "t"},
            ["server-side-fallback-2026-07-01", "fallback-credit-2026-07-01"],
            "fallback_credit_token: cannot be combined",
        ),
        ({"thread": {"type": "stop"}}, ["message-threads-2026-08-12"], "thread: Input tag"),
        ({"compaction": {"type": "summarize", "x": 1}}, ["compact-2026-09-04"], "compaction.x: Extra inputs"),
        (
            {"compaction": {"type": "summarize"}, "context_management": {}},
            ["compact-2026-09-04", "context-management-2025-06-27"],
            "compaction: cannot be combined",
        ),
        (
            {"billing_policy": {"type": "billing_policy", "bill_to": "user_profile"}},
            ["user-profiles-billing-2026-10-01"],
            "billing_policy: `bill_to: user_profile` needs the header",
        ),
        ({"output_format": FORMAT}, ["structured-outputs-2025-11-13"], ""),
        ({"output_format": {"type": "xml"}}, ["structured-outputs-2025-11-13"], "output_format.type: Input should be"),
        ({"output_config": {"task_budget": {"type": "tokens", "total": 9}}}, ["task-budgets-2026-03-13"], ""),
        ({"output_config": {"task_budget": {"type": "tokens", "total": 9}}}, [], "output_config.task_budget: Extra"),
        (
            {"mcp_servers": [{"type": "url", "name": "m", "url": "x"}]},
            ["mcp-client-2025-11-20"],
            "mcp_servers.0",
        ),
        ({"metadata": {"user": "x"}}, [], "metadata.user: Extra inputs"),
        ({"metadata": {"user_id": "x" * 257}}, [], "metadata.user_id: String should have at most 256"),
        ({"service_tier": "best"}, [], "service_tier: Input should be one of 'auto', 'standard_only'"),
        ({"speed": "fast"}, [], '"speed" value "fast" is not supported for this model'),
        ({"speed": "fast", "model": "claude-opus-5-5"}, [], ""),
        ({"speed": "fast", "model": "claude-opus-5"}, ["fast-mode-2026-02-01"], ""),
        ({"speed": "standard", "model": "claude-opus-5"}, [], "speed: Extra inputs are not permitted"),
        (
            {"fallbacks": [{"model": "claude-opus-5"}], "model": "claude-opus-5"},
            ["server-side-fallback-2026-07-01"],
            "fallbacks.0.model: each model must be distinct",
        ),
        (
            {"fallbacks": [{"model": OLDER}], "model": "claude-opus-5"},
            ["server-side-fallback-2026-07-01"],
            "fallbacks.0.model: not a permitted fallback model for 'claude-opus-5'",
        ),
        (
            {"fallbacks": [{"model": OLDER}], "model": "claude-haiku-5-5"},
            ["server-side-fallback-2026-07-01"],
            "'claude-haiku-5-5' does not support the `fallbacks` parameter",
        ),
        (
            {"fallbacks": [{"model": "claude-opus-4-8", "max_tokens": 5}], "model": "claude-opus-5"},
            ["server-side-fallback-2026-07-01"],
            "",
        ),
        ({"fallbacks": "default", "model": "claude-haiku-5-5"}, ["server-side-fallback-2026-07-01"], ""),
        (
            {"context_management": {"edits": [{"type": "compact_20260112"}]}},
            ["compact-2026-01-12"],
            "context_management: 'compact_20260112' is not supported for this model",
        ),
        ({"inference_geo": "us"}, [], "inference_geo is not supported for this model"),
        ({"inference_geo": "us", "model": "claude-opus-4-6"}, [], ""),
        ({"tools": [SEARCH]}, [], "tools.0.web_search_20260318: 'claude-haiku-4-5' does not support programmatic"),
        ({"tools": [{**SEARCH, "allowed_callers": ["direct"]}]}, [], ""),
        ({"tools": [SEARCH], "model": "claude-opus-4-6"}, [], ""),
        ({"speed": "faster"}, [], "speed: Input should be one of 'standard', 'fast'"),
        ({"inference_geo": "eu"}, [], "inference_geo: Input should be one of 'us', 'global'"),
        ({"temperature": 1}, [], "temperature: Extra inputs"),
    ],
)
def test_what_an_argument_holds_is_checked(more, betas, sentence):
    """With the place and the rule."""
    found = refusal(asked(**more), betas=betas)
    assert found.startswith(sentence)
    assert bool(found) == bool(sentence)


def test_the_name_of_a_beta_has_a_date():
    """Another one is refused, as the API refuses a name that it does not know."""
    assert allowed_arguments.betas_of("compact-2026-09-04, files-api-2025-04-14,") == {
        "compact-2026-09-04",
        "files-api-2025-04-14",
    }
    assert allowed_arguments.betas_of(None) == frozenset()
    with pytest.raises(SimulatedAPIError, match="Unexpected value"):
        allowed_arguments.betas_of("compaction")
