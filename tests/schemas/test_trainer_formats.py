"""The rows that trainers document are accepted, in each form, and what they refuse is told at its place."""

import pytest

from yamlgen.schemas.trainer_formats import SHAPES, shape_columns, shape_errors

SYSTEM = {"role": "system", "content": "Answer in one sentence."}
ASK = {"role": "user", "content": "Why is the sea salty?"}
ANSWER = {"role": "assistant", "content": "Rivers carry salts into it."}
WORSE = {"role": "assistant", "content": "Because of the fish."}
CALL = {"id": "c1", "type": "function", "function": {"name": "tide", "arguments": {"port": "Oslo"}}}
CALLS = {"role": "assistant", "tool_calls": [CALL]}


def test_shapes_and_their_columns():
    """Three shapes, each with the columns that it requires."""
    assert {shape: shape_columns(shape) for shape in SHAPES} == {
        "chat": ("messages",),
        "instruction": ("prompt", "completion"),
        "preference": ("prompt", "chosen", "rejected"),
    }


@pytest.mark.parametrize(
    "messages",
    [
        [ASK, ANSWER],
        [SYSTEM, ASK, ANSWER, ASK, WORSE],
        [ASK, CALLS, {"role": "tool", "name": "tide", "content": "rising"}, ANSWER],
        [{"role": "developer", "content": "Be brief."}, ASK, {**ANSWER, "thinking": "Salts dissolve."}],
    ],
    ids=["one turn", "system and several turns", "tool calls", "harmony"],
)
def test_chat_of_trl_and_unsloth(messages):
    """TRL, "Dataset formats": the conversational language modeling type, tool calling, and the Harmony format.

    Unsloth trains with TRL's trainers, on the same columns.
    """
    assert shape_errors("chat", {"messages": messages, "tools": [{"type": "function"}], "id": 1}) == []


@pytest.mark.parametrize(
    "messages",
    [
        [SYSTEM, ASK, {**ANSWER, "weight": 0}, {**ASK, "name": "Ada"}, {**WORSE, "weight": 1}],
        [
            ASK,
            {"role": "assistant", "content": None, "tool_calls": [{**CALL, "function": {"name": "tide"}}]},
            {"role": "tool", "tool_call_id": "c1", "content": "rising"},
            ANSWER,
        ],
        [ASK, CALLS],
    ],
    ids=["weights", "tool result", "ends with a call"],
)
def test_chat_of_openai(messages):
    """OpenAI, supervised fine-tuning: `weight` and `name`, and tool calls whose message needs no content."""
    assert shape_errors("chat", {"messages": messages, "parallel_tool_calls": False}) == []


@pytest.mark.parametrize(
    "messages",
    [
        [{**SYSTEM, "train": False}, {**ASK, "train": False}, {**ANSWER, "train": True}],
        [ASK, {**ANSWER, "train_detail": [{"begin_offset": 0, "end_offset": 5, "train": False}]}],
        [
            ASK,
            {**CALLS, "content": ""},
            {"role": "tool", "tool_call_id": "c1", "name": "tide", "content": "rising"},
            ANSWER,
        ],
        [ASK, {**ANSWER, "reasoning_content": "Salts dissolve."}],
    ],
    ids=["train", "train_detail", "tool calls", "reasoning"],
)
def test_chat_of_axolotl(messages):
    """Axolotl, "Conversation": the dataset type `chat_template`, with its marks of what is trained on."""
    assert shape_errors("chat", {"messages": messages}) == []


def test_chat_of_llama_factory():
    """LLaMA-Factory, "OpenAI Format": an optional system prompt, then turns; other columns are described apart."""
    assert shape_errors("chat", {"messages": [SYSTEM, ASK, ANSWER], "images": []}) == []


def test_a_key_without_a_value_is_absent():
    """Where other rows have a key, tables of Arrow give null, which TRL's datasets are."""
    bare = {"name": None, "tool_calls": None, "tool_call_id": None, "weight": None, "thinking": None}
    assert shape_errors("chat", {"messages": [{**ASK, **bare}, {**ANSWER, **bare}]}) == []


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "The sea is", "completion": " salty."},
        {"prompt": [ASK], "completion": [ANSWER]},
        {"prompt": [SYSTEM, ASK, ANSWER, ASK], "completion": [WORSE]},
        {"prompt": [ASK, CALLS, {"role": "tool", "content": "rising"}], "completion": [ANSWER]},
        {"prompt": [ASK], "completion": [CALLS, {"role": "tool", "content": "rising"}, ANSWER]},
    ],
    ids=["standard", "conversational", "several turns", "after a tool", "with a tool"],
)
def test_instruction_of_trl(row):
    """TRL, "Dataset formats": the prompt-completion type, standard (OpenAI documents it too) or not."""
    assert shape_errors("instruction", {**row, "id": "a"}) == []


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "The sea is", "chosen": " salty.", "rejected": " sweet."},
        {"prompt": [ASK], "chosen": [ANSWER], "rejected": [WORSE]},
        {"prompt": [SYSTEM, ASK], "chosen": [ANSWER], "rejected": [WORSE]},
    ],
    ids=["standard", "conversational", "with a system prompt"],
)
def test_preference_of_trl(row):
    """TRL, "Dataset formats": the preference type with an explicit prompt, for DPO, ORPO and others."""
    assert shape_errors("preference", {**row, "margin": 0.4}) == []


def test_preference_of_axolotl():
    """Axolotl, "RLHF": `chatml.prompt_pairs` and `user_defined.default`, with a system prompt in its own column."""
    assert (
        shape_errors("preference", {"system": "Be brief.", "prompt": "Hi", "chosen": "Hello", "rejected": "No"}) == []
    )


NOT_CHAT = {
    "no column": ({"turns": [ASK]}, ["`messages` is missing; the row must have this column"]),
    "a string": ({"messages": "Hi"}, ["`messages` must be a list of messages, not a string"]),
    "null": ({"messages": None}, ["`messages` must be a list of messages, not null"]),
    "no message": ({"messages": []}, ["`messages` is an empty list; a conversation has at least one message"]),
    "no object": (
        {"messages": [ASK, "Hello"]},
        ["`messages[1]` must be an object with `role` and `content`, not a string"],
    ),
    "ShareGPT": (
        {"messages": [ASK, {"from": "gpt", "value": "x"}]},
        [
            "`messages[1].from` is not a key of a message; did you mean `role`?",
            "`messages[1].value` is not a key of a message; did you mean `content`?",
        ],
    ),
    "a mistyped key": (
        {"messages": [{"roel": "user", "content": "x"}, ANSWER]},
        ["`messages[0].roel` is not a key of a message; did you mean `role`?"],
    ),
    "another name of a role": (
        {"messages": [{**ASK, "role": "human"}, ANSWER]},
        ['`messages[0].role` cannot be `"human"`; write `user`'],
    ),
    "a role that is no string": (
        {"messages": [ASK, {**ANSWER, "role": ["assistant"]}]},
        ['`messages[1].role` cannot be `["assistant"]`; roles: `system`, `developer`, `user`, `assistant` and `tool`'],
    ),
    "a late system message": (
        {"messages": [ASK, SYSTEM, ANSWER]},
        ["`messages[1].role` cannot be `system`: only the first message can be from `system`"],
    ),
    "an open end": (
        {"messages": [ASK, ANSWER, ASK]},
        ["`messages[2].role` cannot be `user`: the last message must be from `assistant`"],
    ),
    "nobody asks": ({"messages": [SYSTEM, ANSWER]}, ["`messages` must contain a message from `user`"]),
    "content that is null": (
        {"messages": [{**ASK, "content": None}, ANSWER]},
        ["`messages[0].content` must be a string, not null"],
    ),
    "content that is an object": (
        {"messages": [ASK, {**ANSWER, "content": {"text": "x"}}]},
        ["`messages[1].content` must be a string, not an object"],
    ),
    "an unknown key": (
        {"messages": [ASK, {**ANSWER, "score": 3}]},
        [
            (
                "`messages[1].score` is not a key of a message; keys: `role`, `content`, `name`, `tool_calls`, "
                "`tool_call_id`, `weight`, `thinking`, `reasoning_content`, `train` and `train_detail`"
            )
        ],
    ),
    "a key of another role": (
        {"messages": [{**ASK, "weight": 1}, ANSWER]},
        ["`messages[0].weight` is for messages from `assistant`, not from `user`"],
    ),
    "messages from elsewhere": (
        {"messages": [{"from": [ASK]}, ANSWER]},
        ["`messages[0].from` is not a key of a message; join lists in an expression, as in `row.messages + [...]`"],
    ),
    "an odd weight": (
        {"messages": [ASK, {**ANSWER, "weight": 0.5}]},
        ["`messages[1].weight` must be 0 or 1, not `0.5`"],
    ),
    "calls without names": (
        {"messages": [ASK, {**ANSWER, "tool_calls": [{"name": "tide"}]}]},
        [
            (
                '`messages[1].tool_calls` must be a list of calls such as `{"function": {"name": ...}}`, '
                'not `[{"name": "tide"}]`'
            )
        ],
    ),
    "no calls": (
        {"messages": [ASK, {"role": "assistant", "tool_calls": None}]},
        ["`messages[1].content` is missing"],
    ),
}


@pytest.mark.parametrize(("row", "told"), NOT_CHAT.values(), ids=NOT_CHAT)
def test_what_is_no_chat_is_told(row, told):
    """Each mistake is one sentence that begins with its place."""
    assert shape_errors("chat", row) == told


@pytest.mark.parametrize(
    ("shape", "row", "told"),
    [
        ("instruction", {"prompt": "Hi"}, ["`completion` is missing; the row must have this column"]),
        (
            "instruction",
            {"prompt": None, "completion": 3},
            [
                "`prompt` must be a string or a list of messages, not null",
                "`completion` must be a string or a list of messages, not a number",
            ],
        ),
        (
            "instruction",
            {"prompt": "Hi", "completion": [ANSWER]},
            ["`completion` is a list of messages, but `prompt` is a string; write all of them in the same form"],
        ),
        (
            "preference",
            {"prompt": [ASK], "chosen": [ANSWER], "rejected": "No"},
            ["`rejected` is a string, but `prompt` is a list of messages; write all of them in the same form"],
        ),
        (
            "instruction",
            {"prompt": [ASK, ANSWER], "completion": [ANSWER]},
            ["`prompt[1].role` cannot be `assistant`: the last message must be from `user` or `tool`"],
        ),
        (
            "preference",
            {"prompt": [ASK], "chosen": [ASK, ANSWER], "rejected": [WORSE, ASK]},
            [
                "`chosen[0].role` cannot be `user`: the first message must be from `assistant`",
                "`rejected[1].role` cannot be `user`: the last message must be from `assistant`",
            ],
        ),
    ],
)
def test_what_is_no_pair_is_told(shape, row, told):
    """A column that is missing, of another type or form, or that begins or ends with the wrong role."""
    assert shape_errors(shape, row) == told
