"""Whatever is wrong in a body, the simulator refuses it or answers it: nothing in a request is a crash."""

import hypothesis.strategies as st
from hypothesis import given

from simulator_calls import HELLO, RESULT, SCHEMA, TOOL
from yamlgen.simulator.answers import answer, digest_of
from yamlgen.simulator.api_errors import SimulatedAPIError
from yamlgen.simulator.conversation_store import Conversations
from yamlgen.simulator.plausible_values import PlausibleValues
from yamlgen.simulator.request_checks import check_message
from yamlgen.simulator.stream_events import events_of

VALUES = PlausibleValues()
SEARCH = {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {}}
USE = {"type": "tool_use", "id": "t1", "name": "user", "input": {}}
CALL = {"role": "assistant", "content": [SEARCH, USE]}
KEYS = ["type", "role", "content", "name", "text", "schema", "cache_control"]


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.sampled_from(KEYS), values, max_size=3),
    max_leaves=6,
)
WHOLE = {
    "model": "claude-haiku-5-5",
    "max_tokens": 2000,
    "messages": [HELLO, CALL, RESULT, {"role": "system", "content": "Go on."}],
    "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}, "effort": "low"},
    "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
    "tools": [TOOL, {"type": "web_search_20260318", "name": "web_search", "max_uses": 2}],
    "tool_choice": {"type": "auto"},
    "thinking": {"type": "adaptive", "display": "summarized"},
    "stop_sequences": ["x"],
    "stream": True,
    "metadata": {"user_id": "u"},
    "fallbacks": [{"model": "claude-opus-5"}],
    "thread": {"type": "continue", "previous_message_id": "m"},
    "context_management": {"edits": [{"type": "clear_thinking_20251015"}]},
    "mcp_servers": [{"type": "url", "name": "m", "url": "https://example.com"}],
    "billing_policy": {"type": "billing_policy"},
    "cache_control": {"type": "ephemeral", "ttl": "5m"},
}
BETAS = frozenset(
    {
        "server-side-fallback-2026-07-01",
        "message-threads-2026-08-12",
        "context-management-2025-06-27",
        "mcp-client-2025-11-20",
        "user-profiles-billing-2026-10-01",
        "mid-conversation-output-config-2026-07-01",
    }
)


def places(value, place=()):
    """The place of every value inside a JSON value."""
    found = [place]
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in members:
        found.extend(places(member, (*place, key)))
    return found


def replaced(value, place, other):
    """`value` with `other` at one place."""
    if not place:
        return other
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[place[0]] = replaced(value[place[0]], place[1:], other)
    return copy


@given(st.sampled_from(places(WHOLE)), junk)
def test_whatever_is_wrong_is_a_refusal(place, other):
    """A body with junk at any one place is answered or refused, never a crash."""
    body = replaced(WHOLE, place, other)
    try:
        check_message(Conversations().resumed(body) if place == ("thread",) else body, "2026-10-21", BETAS)
        message = answer(body, digest_of(body, 0), VALUES)
    except SimulatedAPIError:
        return
    assert list(events_of(message))
