"""Types of columns that no trainer accepts are told before a run, and never those of a right row."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yamlgen.schemas.trainer_columns import cannot_fit
from yamlgen.schemas.trainer_formats import SHAPES, shape_columns, shape_errors
from yamlgen.schemas.types import ANYTHING, Type, list_of, nullable, object_of, observed, union

TEXT = Type({"type": "string"})
NUMBER = Type({"type": "integer"})


def const(value):
    """The type of one value."""
    return Type({"const": value})


def tuple_of(*items):
    """The type of a list that is written item by item in the pipeline."""
    parts = [item.schema for item in items]
    size = len(parts)
    return Type({"type": "array", "prefixItems": parts, "items": False, "minItems": size, "maxItems": size})


def said(role, content=TEXT, **more):
    """The type of a message whose role is known."""
    return object_of({"role": const(role), "content": content, **more})


RIGHT = {
    "turns as they are written": ("chat", {"messages": tuple_of(said("system"), said("user"), said("assistant"))}),
    "turns of a step": ("chat", {"messages": list_of(object_of({"role": TEXT, "content": TEXT}))}),
    "anything": ("preference", dict.fromkeys(shape_columns("preference"), ANYTHING)),
    "texts": ("preference", dict.fromkeys(shape_columns("preference"), TEXT)),
    "content that may be null": (
        "chat",
        {"messages": tuple_of(said("user"), said("assistant", nullable(TEXT, "it has a `when`")))},
    ),
    "a call without content": (
        "chat",
        {"messages": tuple_of(said("user"), object_of({"role": const("assistant"), "tool_calls": ANYTHING}))},
    ),
    "either form": ("instruction", {"prompt": union([TEXT, list_of(said("user"))]), "completion": TEXT}),
    "a list of which one branch is right": (
        "instruction",
        {"prompt": union([list_of(NUMBER), list_of(said("user"))]), "completion": tuple_of(said("assistant"))},
    ),
}


@pytest.mark.parametrize(("shape", "columns"), RIGHT.values(), ids=RIGHT)
def test_what_may_fit_is_not_told(shape, columns):
    """A type of which one value has the shape is left to the check of each row."""
    assert cannot_fit(shape, columns) == []


WRONG = {
    "a missing column": (
        "instruction",
        {"prompt": TEXT, "answer": TEXT},
        [(("completion",), "`completion` is missing; `shape: instruction` requires this column")],
    ),
    "all columns": (
        "preference",
        {"text": TEXT},
        [
            (
                ("prompt",),
                "`prompt`, `chosen` and `rejected` are missing; `shape: preference` requires these columns",
            )
        ],
    ),
    "a mistyped key": (
        "chat",
        {"messages": tuple_of(said("user"), object_of({"roel": const("assistant"), "content": TEXT}))},
        [(("messages", 1, "roel"), "`messages[1].roel` is not a key of a message; did you mean `role`?")],
    ),
    "a string": ("chat", {"messages": TEXT}, [(("messages",), "`messages` must be a list of messages, not a string")]),
    "neither form": (
        "instruction",
        {"prompt": nullable(NUMBER, "it has a `when`"), "completion": TEXT},
        [(("prompt",), "`prompt` must be a string or a list of messages, not a number or null")],
    ),
    "no messages": (
        "chat",
        {"messages": list_of(TEXT)},
        [(("messages", 0), "`messages[0]` must be an object with `role` and `content`, not a string")],
    ),
    "an empty list": ("chat", {"messages": tuple_of()}, None),
    "an unknown role": (
        "chat",
        {"messages": tuple_of(said("user"), said("bot"))},
        [(("messages", 1, "role"), '`messages[1].role` cannot be `"bot"`; write `assistant`')],
    ),
    "roles of which none is known": (
        "chat",
        {"messages": list_of(object_of({"role": Type({"enum": ["human", "gpt"]}), "content": TEXT}))},
        [
            (
                ("messages", 0, "role"),
                "`messages[0].role` must be a role: `system`, `developer`, `user`, `assistant` and `tool`",
            )
        ],
    ),
    "no role": (
        "chat",
        {"messages": list_of(object_of({"content": TEXT}))},
        [(("messages", 0, "role"), "`messages[0].role` is missing")],
    ),
    "no content": (
        "chat",
        {"messages": list_of(object_of({"role": TEXT}))},
        [(("messages", 0, "content"), "`messages[0].content` is missing")],
    ),
    "content of another type": (
        "chat",
        {"messages": tuple_of(said("user"), said("assistant", NUMBER))},
        [(("messages", 1, "content"), "`messages[1].content` must be a string, not a number")],
    ),
    "a weight of another role": (
        "chat",
        {"messages": tuple_of(said("user", weight=NUMBER), said("assistant", weight=const(2)))},
        [
            (("messages", 0, "weight"), "`messages[0].weight` is for messages from `assistant`, not from `user`"),
            (("messages", 1, "weight"), "`messages[1].weight` must be 0 or 1, not `2`"),
        ],
    ),
    "an optional key of another type": (
        "chat",
        {"messages": tuple_of(said("user", name=NUMBER), said("assistant", train=TEXT))},
        [
            (("messages", 0, "name"), "`messages[0].name` must be a string, not a number"),
            (("messages", 1, "train"), "`messages[1].train` must be a boolean, not a string"),
        ],
    ),
    "an unknown key": (
        "chat",
        {"messages": tuple_of(said("user"), said("assistant", contents=TEXT))},
        [(("messages", 1, "contents"), "`messages[1].contents` is not a key of a message; did you mean `content`?")],
    ),
    "a late system message": (
        "chat",
        {"messages": tuple_of(said("user"), said("system"), said("assistant"))},
        [
            (
                ("messages", 1, "role"),
                "`messages[1].role` cannot be `system`: only the first message can be from `system`",
            )
        ],
    ),
    "the wrong end": (
        "chat",
        {"messages": tuple_of(said("user"), said("assistant"), said("user"))},
        [(("messages", 2, "role"), "`messages[2].role` cannot be `user`: the last message must be from `assistant`")],
    ),
    "a list that never ends right": (
        "instruction",
        {"prompt": list_of(said("assistant")), "completion": list_of(said("assistant"))},
        [(("prompt",), "`prompt` must end with a message from `user` or `tool`")],
    ),
    "the wrong beginning": (
        "preference",
        {"prompt": tuple_of(said("user")), "chosen": tuple_of(said("user"), said("assistant")), "rejected": ANYTHING},
        [(("chosen", 0, "role"), "`chosen[0].role` cannot be `user`: the first message must be from `assistant`")],
    ),
    "nobody asks": (
        "chat",
        {"messages": tuple_of(said("system"), said("assistant"))},
        [(("messages",), "`messages` must contain a message from `user`")],
    ),
    "two forms": (
        "preference",
        {"prompt": TEXT, "chosen": ANYTHING, "rejected": list_of(said("assistant"))},
        [
            (
                ("rejected",),
                "`rejected` is a list of messages, but `prompt` is a string; write all of them in the same form",
            )
        ],
    ),
    "lists that fail for different reasons": (
        "chat",
        {"messages": union([tuple_of(said("user")), list_of(TEXT)])},
        [
            (
                ("messages",),
                (
                    "`messages` is never a list of messages; one reason: "
                    "`messages[0].role` cannot be `user`: the last message must be from `assistant`"
                ),
            )
        ],
    ),
    "a reference": (
        "chat",
        {
            "messages": Type(
                {
                    "$ref": "#/$defs/m",
                    "$defs": {"m": {"items": {"$ref": "#/$defs/t"}, "type": "array"}, "t": {"type": "null"}},
                }
            )
        },
        [(("messages", 0), "`messages[0]` must be an object with `role` and `content`, not null")],
    ),
}


@pytest.mark.parametrize(("shape", "columns", "told"), WRONG.values(), ids=WRONG)
def test_what_never_fits_is_told_at_its_place(shape, columns, told):
    """The path leads to the column, the message and the key, as far as they are known."""
    found = cannot_fit(shape, columns)
    assert found == (told or [(("messages",), "`messages` is an empty list; a conversation has at least one message")])


def test_an_unknown_column_may_be_the_missing_one():
    """Where the columns are not all known, none is said to be missing."""
    assert cannot_fit("preference", {"prompt": TEXT}, others=True) == []
    assert cannot_fit("preference", {"prompt": NUMBER}, others=True) != []


def literal(value):
    """The type of a value that is written in the pipeline."""
    if isinstance(value, list):
        return tuple_of(*map(literal, value))
    if isinstance(value, dict):
        return object_of({key: literal(each) for key, each in value.items()})
    return const(value)


def loose(value):
    """A type that says less of lists and objects than `literal` does."""
    if isinstance(value, list):
        return list_of(union(map(literal, value)), least=len(value))
    return Type(observed([value]))


roles = st.sampled_from(["user", "assistant", "system", "tool", "developer", "bot"])
contents = st.sampled_from(["Hi", "", None, 3])
calls = st.sampled_from([None, [], [{"function": {"name": "f"}}]])
right = st.sampled_from([{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}])
messages = right | st.fixed_dictionaries(
    {},
    optional={
        "role": roles,
        "content": contents,
        "tool_calls": calls,
        "weight": st.integers(0, 2) | st.none() | st.booleans(),
        "name": st.none() | st.integers() | st.just("n"),
        "train": st.none() | st.booleans() | st.just(1),
        "odd": st.none(),
    },
)
cells = st.one_of(
    st.text(max_size=3),
    st.none() | st.integers() | st.lists(st.text(max_size=2), max_size=2),
    st.lists(right, min_size=1, max_size=3),
    st.lists(messages, max_size=4),
)
rows = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(["messages", "prompt", "completion", "chosen", "rejected", "id"], cells)
)
typings = st.sampled_from(
    [literal, const, loose, lambda value: Type(observed([value])), lambda value: nullable(literal(value), "why")]
)


@given(shape=st.sampled_from(SHAPES), rows=st.lists(rows, min_size=1, max_size=3), typed=typings, others=st.booleans())
def test_what_is_told_of_a_type_holds_for_every_row(shape, rows, typed, others):
    """If no row of a type can have the shape, then each row of that type has errors."""
    names = set.intersection(*map(set, rows)) if others else set.union(*map(set, rows))
    columns = {name: union([typed(row[name]) for row in rows if name in row]) for name in names}
    if cannot_fit(shape, columns, others=others):
        assert all(shape_errors(shape, row) for row in rows)


turns = st.lists(st.sampled_from(["user", "assistant"]), min_size=1, max_size=3)


@given(shape=st.sampled_from(SHAPES), between=turns, typed=typings)
def test_the_type_of_a_right_row_is_never_told(shape, between, typed):
    """A row without errors has columns of which none is reported, in both forms."""
    ask, answer = ({"role": role, "content": "x"} for role in ("user", "assistant"))
    middle = [{"role": role, "content": "y"} for role in between]
    made = {"messages": [ask, *middle, answer], "prompt": [*middle, ask]}
    row = {column: made.get(column, [answer, *middle, answer]) for column in shape_columns(shape)}
    for each in [row] + [dict.fromkeys(row, "x")] * (shape != "chat"):
        assert shape_errors(shape, each) == []
        assert cannot_fit(shape, {name: typed(value) for name, value in each.items()}) == []
