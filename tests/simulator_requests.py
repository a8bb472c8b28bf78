"""Requests of every kind, right and wrong, and what the simulator makes of each."""

import itertools
import json
import random

from yamlgen import model_capabilities
from yamlgen.simulator.answers import answer, digest_of
from yamlgen.simulator.api_errors import SimulatedAPIError
from yamlgen.simulator.conversation_store import Conversations
from yamlgen.simulator.plausible_values import PlausibleValues
from yamlgen.simulator.request_checks import check_count, check_message

NEW, OLD = "2026-10-21", model_capabilities.OLD_VERSION
VALUES = PlausibleValues()
HELLO = {"role": "user", "content": "Hello."}
SAID = {"role": "assistant", "content": "Hi."}
MARK = {"type": "ephemeral", "ttl": "5m"}
NAME = {
    "type": "object",
    "additionalProperties": False,
    "required": ["name"],
    "properties": {"name": {"type": "string"}},
}
FORMAT = {"type": "json_schema", "schema": NAME}
TOOL = {"name": "user", "input_schema": NAME}
USE = {"type": "tool_use", "id": "t1", "name": "user", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "t1", "content": "ok"}
SEARCH = {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {}}
TEXT = {"type": "text", "text": "See."}
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "eA=="}}
PDF = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "eA=="}}
PASSAGE = {"type": "search_result", "source": "a", "title": "b", "content": [TEXT]}
THOUGHT = {"type": "thinking", "thinking": "x", "signature": "s"}

BETAS = {
    "advisor-tool-2026-03-01",
    "compact-2026-01-12",
    "compact-2026-09-04",
    "computer-use-2024-10-22",
    "computer-use-2025-01-24",
    "computer-use-2025-11-24",
    "context-management-2025-06-27",
    "fallback-credit-2026-07-01",
    "fast-mode-2026-02-01",
    "inline-tools-2026-08-01",
    "interleaved-thinking-2025-05-14",
    "mcp-client-2025-11-20",
    "message-threads-2026-08-12",
    "mid-conversation-output-config-2026-07-01",
    "mid-conversation-system-clear-at-2026-07-01",
    "mid-conversation-tool-changes-2026-07-01",
    "server-side-fallback-2026-07-01",
    "structured-outputs-2025-11-13",
    "task-budgets-2026-03-13",
    "thinking-binding-controls-2026-08-01",
    "thinking-display-updates-2026-08-18",
    "user-profiles-billing-2026-10-01",
}


def asked(*messages, **more):
    """A body that is accepted."""
    return {"model": "claude-opus-5", "max_tokens": 2000, "messages": list(messages) or [HELLO], **more}


def turn(role, *blocks):
    """A turn that consists of blocks."""
    return {"role": role, "content": list(blocks)}


BASES = {
    "arguments": (
        NEW,
        asked(
            HELLO,
            {"role": "system", "output_config": {"effort": "low"}, "clear_at": 1},
            turn("assistant", SEARCH, USE),
            turn("user", RESULT),
            {"role": "system", "content": "Go on."},
            output_config={"effort": "low", "task_budget": {"type": "tokens", "total": 9, "remaining": 3}},
            output_format=FORMAT,
            system=[{**TEXT, "cache_control": MARK, "citations": None}],
            tools=[TOOL, {"type": "web_search_20260318", "name": "web_search", "max_uses": 2}],
            tool_choice={"type": "auto", "disable_parallel_tool_use": True},
            thinking={"type": "adaptive", "display": "summarized", "block_binding": None},
            stop_sequences=["x"],
            stream=True,
            metadata={"user_id": "u"},
            service_tier="auto",
            speed="fast",
            inference_geo="us",
            container={"id": "c", "skills": []},
            diagnostics={"previous_message_id": None},
            user_profile_id="p",
            workspace_id="w",
            fallbacks=[{"model": "claude-opus-4-8", "max_tokens": 5}],
            thread={"type": "create"},
            context_management={"edits": [{"type": "clear_thinking_20251015"}]},
            mcp_servers=[{"type": "url", "name": "m", "url": "https://example.com", "authorization_token": "x"}],
            billing_policy={"type": "billing_policy", "bill_to": "user_profile"},
            cache_control=MARK,
        ),
    ),
    "credit": (
        NEW,
        asked(
            HELLO,
            SAID,
            compaction={"type": "summarize", "instructions": "Be brief."},
            fallback_credit_token={"token": "t", "mode": "strict"},
        ),
    ),
    "older": (
        OLD,
        asked(
            turn("user", TEXT, {**IMAGE, "cache_control": MARK}, PDF, PASSAGE),
            turn("assistant", {**THOUGHT}, {"type": "redacted_thinking", "data": "x"}, USE, {**USE, "id": "t2"}),
            turn(
                "user",
                {
                    **RESULT,
                    "content": [TEXT, {**IMAGE, "cache_control": MARK}, {**PDF, "title": "t"}],
                    "is_error": True,
                },
                {**RESULT, "tool_use_id": "t2"},
                {"type": "container_upload", "file_id": "f"},
            ),
            model="claude-haiku-4-5",
            temperature=1,
            max_tokens=3000,
            thinking={"type": "enabled", "budget_tokens": 1024},
            tools=[{**TOOL, "description": "A user.", "strict": True, "cache_control": MARK, "type": "custom"}],
            system="Be brief.",
        ),
    ),
    "sampled": (OLD, asked(model="claude-haiku-4-5", top_p=0.5, top_k=5)),
    "forced": (NEW, asked(tools=[TOOL], tool_choice={"type": "tool", "name": "user"}, thinking={"type": "disabled"})),
    "native": (
        NEW,
        asked(
            turn("user", {"type": "compaction", "content": "x"}, {**PDF, "citations": {"enabled": False}}),
            output_config={
                "effort": "max",
                "format": {
                    "type": "json_schema",
                    "schema": {
                        **NAME,
                        "$defs": {"a": {"type": "array", "minItems": 1, "items": {"enum": ["x", 1]}}},
                        "properties": {
                            "name": {"type": ["string", "null"], "format": "email"},
                            "a": {"anyOf": [{"$ref": "#/$defs/a"}, {"type": "null"}]},
                        },
                    },
                },
            },
        ),
    ),
}
"""Bodies that are accepted with every beta."""

LONG = "x" * 300
OTHERS = {
    **{json.dumps(value): value for value in (None, True, 0, -1, 2.5, "", " ", "tool", [], ["x"], {}, {"type": "x"})},
    "long": LONG,
}


def places(value, place=()):
    """The place of every value inside a JSON value."""
    found = [place]
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in members:
        found.extend(places(member, (*place, key)))
    return found


def at(value, place):
    """What stands at a place."""
    for key in place:
        value = value[key]
    return value


def changed(value, place, change):
    """`value` with the member at a place as `change(container, key)` leaves it."""
    copy = value.copy()
    if len(place) == 1:
        change(copy, place[0])
    else:
        copy[place[0]] = changed(value[place[0]], place[1:], change)
    return copy


def mutations(body, place):
    """(name, change) of everything that is tried at a place."""
    here = at(body, place)
    yield "left out", lambda holder, key: holder.pop(key)
    others = {**OTHERS}
    if isinstance(here, dict):
        others["+extra"] = {**here, "extra": 1}
    if isinstance(here, list):
        others |= {"doubled": here * 2, "backwards": here[::-1], "ninefold": here * 9}
    if isinstance(here, str):
        others |= {"+x": here + "x", **{text: text for text in ("claude-nope", "5m", "1h", "high")}}
    for name, other in others.items():
        yield name, lambda holder, key, other=other: holder.__setitem__(key, other)


def served(body, version=NEW, betas=frozenset(BETAS), *, counting=False):
    """The status and the error, or the whole message, with which a request is answered."""
    try:
        body = Conversations().resumed(body)
        if counting:
            check_count(body, version, betas)
            return 200, "counted"
        check_message(body, version, betas)
        return 200, json.dumps(answer(body, digest_of(body, 7, "row"), VALUES), sort_keys=True)
    except SimulatedAPIError as problem:
        kind = "" if problem.kind == "invalid_request_error" else f"{problem.kind}: "
        return problem.status, f"{kind}{problem.message}{problem.details or ''}"


def mutated():
    """One mistake in a right body."""
    for base, (version, body) in BASES.items():
        yield f"{base}", "as it is", served(body, version)
        for place in places(body)[1:]:
            where = f"{base}: {'.'.join(map(str, place))}"
            for name, change in mutations(body, place):
                yield where, name, served(changed(body, place, change), version)
        for beta in sorted(BETAS):
            yield f"{base}, betas", beta, served(body, version, frozenset(BETAS - {beta}))
        yield f"{base}, betas", "none", served(body, version, frozenset())
        yield f"{base}, version", "the other", served(body, OLD if version == NEW else NEW)
        for name in ("nothing", *body):
            less = {key: value for key, value in body.items() if key not in {name, "max_tokens", "metadata"}}
            yield f"{base}, counted", name, served(less, version, counting=True)


def mistaken_twice(count):
    """Two mistakes in a right body: which is told first."""
    rng = random.Random(14)  # noqa: S311 - a choice of cases
    for base, (version, body) in BASES.items():
        everywhere = places(body)[1:]
        for _ in range(count):
            one, other = sorted(rng.sample(everywhere, 2), key=len)
            if one == other[: len(one)] or (one[:-1] == other[:-1] and isinstance(one[-1], int)):
                continue
            first, second = rng.choice([*mutations(body, one)]), rng.choice([*mutations(body, other)])
            wrong = changed(changed(body, other, second[1]), one, first[1])
            names = f"{one} {first[0]}, {other} {second[0]}"
            yield f"two, {base}: {one[0]}", names, served(wrong, version)


def of_models():
    """What each model takes."""
    models = (
        *model_capabilities.MODELS,
        *model_capabilities.DATED,
        "claude-nope",
        "my-model",
        "claude-2.1",
        "anthropic/claude-x",
    )
    wishes = {
        **{f"thinking {kind}": {"thinking": {"type": kind}} for kind in model_capabilities.THINKING},
        "budget": {"thinking": {"type": "enabled", "budget_tokens": 1024}},
        "large budget": {"thinking": {"type": "enabled", "budget_tokens": 2000}},
        **{f"effort {level}": {"output_config": {"effort": level}} for level in model_capabilities.EFFORTS},
        **{
            f"{kind}, effort {level}": {"thinking": {"type": kind}, "output_config": {"effort": level}}
            for kind, level in itertools.product(sorted(model_capabilities.OFF), model_capabilities.EFFORTS)
        },
        "forced": {"tools": [TOOL], "tool_choice": {"type": "any"}},
        "fast": {"speed": "fast"},
        "region": {"inference_geo": "us"},
        "much": {"max_tokens": 10**6},
        "nothing": {"max_tokens": 0},
        "prefill": {"messages": [HELLO, SAID]},
        "prefill and budget": {"messages": [HELLO, SAID], "thinking": {"type": "enabled", "budget_tokens": 1024}},
        "credited prefill": {"messages": [HELLO, SAID], "fallback_credit_token": "t"},
        "system turn": {"messages": [HELLO, {"role": "system", "content": "Go on."}]},
        "searched": {"tools": [{"type": "web_search_20260318", "name": "web_search"}]},
        "fallback": {"fallbacks": [{"model": "claude-2.1"}]},
        "temperature": {"temperature": 0.5},
        "both": {"temperature": 0.5, "top_p": 1},
        "top_k, thinking": {"top_k": 5, "thinking": {"type": "adaptive"}},
    }
    for model in models:
        for name, wish in wishes.items():
            yield f"model {model}", name, served(asked(**{"model": model, **wish}), OLD)


BLOCKS = {
    **{block["type"]: block for block in (TEXT, IMAGE, PDF, PASSAGE, THOUGHT, USE, RESULT, SEARCH)},
    **{
        kind: {"type": kind, **more}
        for kind, more in {
            "redacted_thinking": {"data": "x"},
            "container_upload": {"file_id": "f"},
            "compaction": {"content": "x"},
            "nothing": {},
        }.items()
    },
    **{
        kind: {"type": kind, "tool_use_id": "t1", "content": []}
        for kind in (
            *(f"{name}_tool_result" for name in ("web_search", "web_fetch", "code_execution", "bash_code_execution")),
            *("text_editor_code_execution_tool_result", "tool_search_tool_result", "mcp_tool_result"),
            *("mcp_tool_use", "mcp_tool_listing", "advisor_tool_result", "fallback", "tool_addition", "tool_removal"),
            *("tool_reference", "browser_state"),
        )
    },
}
SOURCES = (
    *({"type": "base64", "media_type": kind, "data": "eA=="} for kind in ("image/webp", "text/plain")),
    {"type": "text", "media_type": "text/plain", "data": "x"},
    {"type": "text", "media_type": "text/html", "data": "x"},
    *({"type": "content", "content": "x"}, {"type": "url", "url": "u"}, {"type": "file", "file_id": "f"}),
    *({"type": kind} for kind in ("base64", "text", "content", "url", "file", "disk")),
    *({}, None, "x", {"type": "base64", "media_type": "image/png", "data": 5}, {"type": "url", "url": None}),
)


def of_blocks():
    """Which blocks stand where, and the sources of some."""
    for (kind, block), role in itertools.product(BLOCKS.items(), ("user", "assistant", "system")):
        for version, betas in itertools.product((NEW, OLD), (frozenset(), frozenset(BETAS))):
            body = asked(HELLO, turn(role, block, TEXT), SAID, HELLO)
            yield f"block {kind}", f"{role} {version} {len(betas)}", served(body, version, betas)
        body = asked(HELLO, turn("assistant", USE), turn("user", {**RESULT, "content": [block]}))
        yield f"block {kind}", "in a result", served(body)
    for kind, source in itertools.product((IMAGE, PDF), SOURCES):
        name = json.dumps(source)
        yield f"source of {kind['type']}", name, served(asked(turn("user", {**kind, "source": source})))


def of_turns():
    """Who speaks when."""
    turns = {
        "user": HELLO,
        "assistant": SAID,
        "system": {"role": "system", "content": "Go on."},
        "effort": {"role": "system", "output_config": {"effort": "low"}},
        "call": turn("assistant", USE),
        "result": turn("user", RESULT, TEXT),
        "late": turn("user", TEXT, RESULT),
        "paused": turn("assistant", TEXT, SEARCH),
        "served": turn("assistant", SEARCH, BLOCKS["web_search_tool_result"]),
        "empty": turn("assistant"),
        "begun": {"role": "assistant", "content": "So "},
        "compacted": turn("assistant", {"type": "compaction", "content": "x"}),
    }
    for length in (1, 2, 3):
        for names in itertools.product(turns, repeat=length):
            yield f"turns {' '.join(names[:2])}", names[-1], served(asked(*(turns[name] for name in names)))


TOOLS = {
    **dict.fromkeys(("bash_20250124", "bash_20241022"), "bash"),
    **{f"code_execution_{date}": "code_execution" for date in ("20250522", "20250825", "20260120", "20260521")},
    "memory_20250818": "memory",
    **dict.fromkeys(("text_editor_20250124", "text_editor_20241022"), "str_replace_editor"),
    **dict.fromkeys(("text_editor_20250429", "text_editor_20250728"), "str_replace_based_edit_tool"),
    **{f"tool_search_tool_{how}_20251119": f"tool_search_tool_{how}" for how in ("bm25", "regex")},
    **{f"web_fetch_{date}": "web_fetch" for date in ("20250910", "20260209", "20260309", "20260318")},
    **{f"web_search_{date}": "web_search" for date in ("20250305", "20260209", "20260318")},
    "advisor_20260301": "advisor",
    **{f"computer_{date}": "computer" for date in ("20241022", "20250124", "20251124")},
    **dict.fromkeys(("mcp_toolset", "browser_toolset_20260801", "computer_toolset_20260801", "nothing")),
}


def of_tools():
    """The tools that the API knows."""
    for kind, name in TOOLS.items():
        tool = {"type": kind, **({"name": name} if name else {})}
        tries = {
            "": tool,
            "misnamed": {**tool, "name": "sh"},
            "domains": {**tool, "allowed_domains": ["a.com"], "blocked_domains": ["b.com"]},
            "direct": {**tool, "allowed_callers": ["direct"]},
            "never": {**tool, "max_uses": 0},
        }
        for about, tried in tries.items():
            for model, betas in itertools.product(("claude-opus-5", "claude-haiku-4-5"), ((), BETAS)):
                body = asked(model=model, tools=[tried])
                yield f"tool {kind}", f"{about} {model} {len(betas)}", served(body, betas=frozenset(betas))
    for kind in ("auto", "any", "tool", "none"):
        for tools in ([], [TOOL], [{"type": "web_search_20250305", "name": "web_search"}, TOOL]):
            choice = {"type": kind, **({"name": "user"} if kind == "tool" else {})}
            yield f"choice {kind}", str(len(tools)), served(asked(tools=tools, tool_choice=choice))


WORDS = (
    "name full_name first_name given_name firstname last_name family_name lastname surname author person "
    "username user_name handle email mail phone phone_number telephone address street city town hometown "
    "location place state region country nationality country_code zip zipcode postcode postal_code zip_code "
    "company organization organisation employer brand team club job job_title occupation profession date day "
    "birthday birth_date birthdate date_of_birth time timestamp year url uri link website id uuid language "
    "currency color colour gender tag keyword label category topic word slug title headline subject question "
    "description summary bio biography text body story age month hour minute second score rating star priority "
    "rank count quantity percent percentage probability confidence latitude lat longitude lon price height "
    "weight cityName cities stars other"
)
FORMATS = (
    "date time date-time duration email idn-email hostname idn-hostname ipv4 ipv6 uri iri uri-reference iri- "
    "reference uri-template uuid json-pointer relative-json-pointer regex other"
)


def of_values():
    """What a field holds, by its name or its format."""

    def drawn(**member):
        names = (FORMATS if "format" in member else WORDS).split()
        members = {name: {**member, **({"format": name} if "format" in member else {})} for name in names}
        tool = {"name": "t", "input_schema": {"type": "object", "required": names, "properties": members}}
        return served(asked(tools=[tool], max_tokens=9000))

    for member in ({"type": "string"}, {"type": "integer"}, {"type": "number"}, {"type": "string", "format": ""}):
        yield f"values {' '.join(member)} {member['type']}", "", drawn(**member)
