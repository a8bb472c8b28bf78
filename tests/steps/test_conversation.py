"""A conversation that a row contains: what passes is what the API takes, and what does not is told with its place."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from yamlgen import model_capabilities
from yamlgen.errors import RowError
from yamlgen.simulator.turns import check_turns
from yamlgen.steps.generate.conversation import TakenMessages, TemplateMessage, prompt_of
from yamlgen.steps.generate.prompt_cache import PromptCache
from yamlgen.value_objects import Message, Prompt

ASKED, TOLD = {"role": "user", "content": "A?"}, {"role": "assistant", "content": "B."}
SYSTEM = {"role": "system", "content": "C!"}
ABLE = replace(model_capabilities.of("claude-haiku-4-5"), system_turns=True)
"""A model that accepts a prefill, and system turns too."""

texts = st.sampled_from(["A?", "{{ row.x }}", " ", "", "é"])
turns = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant", "user", "assistant", "system", "tool", None]), "content": texts},
    optional={"name": texts},
)
oddities = st.sampled_from([None, "A?", 1, [], {}, {"role": "user"}, {"content": "A?"}, {**ASKED, "content": ["A?"]}])
alternating = st.integers(0, 4).map(lambda count: [ASKED, TOLD] * count + [ASKED])
lists = alternating | st.lists(turns, max_size=4) | st.lists(turns | oddities, max_size=4)
parts = st.lists(lists | st.sampled_from([ASKED, TOLD]), min_size=1, max_size=4)


def made(entries, system=None):
    """The prompt of a step with these entries: turns that are written in it, and lists out of a row."""
    taken = [TakenMessages(f"row[{index}]") if isinstance(each, list) else None for index, each in enumerate(entries)]
    scope = {"row": entries}
    written = [each or TemplateMessage(**entry) for each, entry in zip(taken, entries, strict=True)]
    return prompt_of(system, written, scope, "s", PromptCache())


@given(parts)
@example([[SYSTEM]])
@example([[], []])
@example([[SYSTEM, TOLD]])
def test_what_is_sent_is_what_the_api_takes(entries):
    """Property: a prompt with turns of a row begins and ends as the API wants it, alternates, and has no blank turn."""
    try:
        prompt = made(entries)
    except RowError:
        return
    sent = [{"role": turn.role, "content": turn.content} for turn in prompt.messages]
    if any(isinstance(each, list) for each in entries):
        check_turns(sent, ABLE, "2026-10-21", frozenset())
        assert all(one["role"] != other["role"] for one, other in pairwise(sent))
    said = [each for entry in entries for each in (entry if isinstance(entry, list) else [entry])]
    begins = isinstance(entries[0], list) and entries[0][:1] and entries[0][0]["role"] == "system"
    assert sent == [{key: each[key] for key in ("role", "content")} for each in said[1 if begins else 0 :]]


@pytest.mark.parametrize(
    ("entries", "roles"),
    [
        ([[ASKED]], "user"),
        ([[SYSTEM, ASKED, TOLD], ASKED], "user assistant user"),
        ([[SYSTEM], ASKED], "user"),
        ([ASKED, [TOLD, ASKED]], "user assistant user"),
        ([[ASKED], [], [TOLD], ASKED], "user assistant user"),
        ([[ASKED], TOLD], "user assistant"),
        ([[ASKED], [SYSTEM]], "user system"),
        ([[SYSTEM, ASKED, SYSTEM, TOLD, ASKED]], "user system assistant user"),
    ],
)
def test_right_conversations_pass(entries, roles):
    """Whatever is written and whatever comes from a row; a prefill is written."""
    assert " ".join(turn.role for turn in made(entries).messages) == roles


@pytest.mark.parametrize(
    ("entries", "told", "fix"),
    [
        ([[]], "the conversation of step `s` has no messages", "skip such rows"),
        ([[TOLD]], "message 1 of `row[0]`, the first of the conversation", "add a message with `role: user` before"),
        ([[ASKED, TOLD]], "message 2 of `row[0]`, the last of the conversation", "`from: (row[0])[:-1]`"),
        ([[ASKED, ASKED]], "message 2 of `row[0]` has the role `user`, like message 1", "join the two messages"),
        ([ASKED, [ASKED]], "message 1 of `row[1]` has the role `user`, like `messages[0]`", "leave one out"),
        ([[ASKED], ASKED], "`messages[1]` has the role `user`, like message 1 of `row[0]`", "`from: (row[0])[:-1]`"),
        ([TOLD, [ASKED]], "`messages[0]`, the first of the conversation", "add a message with `role: user` before"),
        ([ASKED, TOLD, [SYSTEM, ASKED]], "message 1 of `row[2]` has the role `system`, but does not follow", "after a"),
        ([[ASKED, SYSTEM, ASKED]], "message 2 of `row[0]` has the role `system`, but is neither", "after the last"),
        ([[ASKED, SYSTEM, SYSTEM]], "message 2 of `row[0]` has the role `system`, but is neither", "after the last"),
        ([[SYSTEM, SYSTEM, ASKED]], "message 2 of `row[0]` has the role `system`, but does not follow", "after a"),
    ],
)
def test_the_order_is_told_with_its_fix(entries, told, fix):
    """Each with the position: of a message in its list, or of one that is written."""
    with pytest.raises(RowError) as raised:
        made(entries)
    assert raised.value.message.startswith(told)
    assert fix in raised.value.hint


def test_a_blank_system_message_is_none():
    """It says nothing, with a system prompt of the step or without."""
    entries = [[{"role": "system", "content": "\n"}, ASKED]]
    assert [made(entries, own).system for own in (None, "Be brief.")] == [None, "Be brief."]
    assert made([[SYSTEM, ASKED]]) == Prompt("C!", (Message("user", "A?"),))
