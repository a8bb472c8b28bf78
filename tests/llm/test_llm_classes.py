"""`AnthropicLLM` with a pydantic class: a generation is what the class makes of the answer."""

import datetime as dt
import json
from typing import ClassVar

import pytest
from pydantic import BaseModel, ConfigDict, Field, RootModel, field_serializer, field_validator, model_validator

from llm_calls import HELLO, agenerate, generate
from scripted_api import call, said

pytestmark = pytest.mark.usefixtures("key")


class Filled(BaseModel):
    """A default and one that is made."""

    name: str
    kind: str = "person"
    tags: list[str] = Field(default_factory=lambda: ["new"])


class Coerced(BaseModel):
    """Values that come as texts."""

    id: int
    born: dt.date
    share: float


class Tidied(BaseModel):
    """A validator that changes what it is given, and a field that is not asked for."""

    name: str

    @field_validator("name")
    @classmethod
    def _tidy(cls, value):
        return value.strip().title()


class Aliased(BaseModel):
    """A field that JSON names otherwise."""

    number: int = Field(alias="user-name", ge=1)


class AliasedBothWays(Aliased):
    """And one that is written so, too."""

    model_config = ConfigDict(serialize_by_alias=True)


class Written(BaseModel):
    """A serializer."""

    price: float

    @field_serializer("price")
    def _write(self, value):
        return f"{value:.2f}"


class Names(RootModel[list[str]]):
    """A list at the top."""


class Made(BaseModel):
    """A whole-model validator from before the fields are looked at."""

    first: str
    last: str

    @model_validator(mode="before")
    @classmethod
    def _split(cls, data):
        if isinstance(data, dict) and "name" in data:
            first, last = data["name"].split()
            return {"first": first, "last": last}
        return data


@pytest.mark.parametrize("mode", ["json", "tools"])
@pytest.mark.parametrize(
    ("schema", "answer", "generation"),
    [
        (Filled, {"name": "Ada"}, '{"name":"Ada","kind":"person","tags":["new"]}'),
        (Coerced, {"id": "7", "born": "1815-12-10", "share": 1}, '{"id":7,"born":"1815-12-10","share":1.0}'),
        (Tidied, {"name": " ada łódź ", "extra": 1}, '{"name":"Ada Łódź"}'),
        (Aliased, {"user-name": 41}, '{"number":41}'),
        (AliasedBothWays, {"user-name": 41}, '{"user-name":41}'),
        (Written, {"price": 3}, '{"price":"3.00"}'),
        (Made, {"name": "Ada Lovelace"}, '{"first":"Ada","last":"Lovelace"}'),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_generation_is_what_the_class_makes(mode, schema, answer, generation):
    """As `model_dump_json()` writes the instance, after one request."""
    reply = said(call(answer), stop="tool_use") if mode == "tools" else said(json.dumps(answer))
    output, server = agenerate(reply, options={"structured_output": {"schema": schema, "mode": mode}})
    assert output["generations"] == [generation]
    assert generation == schema.model_validate(answer).model_dump_json()
    assert len(server.bodies) == 1


def test_a_list_at_the_top_is_made_too():
    """A root model goes out in an object, and comes back as its list."""
    output, _ = agenerate(said('{"value": ["a"]}'), options={"structured_output": {"schema": Names}})
    assert output["generations"] == ['["a"]']


class Strict(BaseModel):
    """No coercion, no other keys, and a rule between two fields."""

    model_config = ConfigDict(strict=True, extra="forbid")
    least: int
    most: int
    inner: list[Aliased] = []

    @model_validator(mode="after")
    def _order(self):
        if self.least > self.most:
            raise ValueError("least must not be above most")
        return self


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"least": "1", "most": 2}, "$.least: Input should be a valid integer"),
        ({"least": 1, "most": 2, "x": 1}, "$.x: Extra inputs are not permitted"),
        ({"least": 3, "most": 2}, "$: Value error, least must not be above most"),
        ({"least": 1, "most": 2, "inner": [{"user-name": 0}]}, "$.inner[0].user-name: Input should be greater than"),
    ],
)
def test_what_the_class_refuses_is_asked_again(answer, told):
    """With pydantic's words and the place in the answer."""
    replies = [said(json.dumps(answer)), said('{"least": 1, "most": 2}')]
    output, server = agenerate(replies, options={"structured_output": {"schema": Strict, "mode": "json"}})
    assert output["generations"] == ['{"least":1,"most":2,"inner":[]}']
    assert told in server.bodies[1]["messages"][-1]["content"]


class Broken(BaseModel):
    """A validator that stumbles over an answer."""

    name: str

    @field_validator("name")
    @classmethod
    def _look_up(cls, value):
        return {"a": "A"}[value]


class Unwritable(BaseModel):
    """A serializer that does."""

    name: str

    @field_serializer("name")
    def _write(self, value):
        return {"a": "A"}[value]


@pytest.mark.parametrize("schema", [Broken, Unwritable])
def test_a_class_that_stumbles_costs_an_answer_and_no_call(schema):
    """An error of the user's own code is told to the model; it reaches no sibling, and what was paid is counted."""
    replies = [said('{"name": "b"}'), said('{"name": "a"}')]
    output, server = agenerate(replies, options={"structured_output": {"schema": schema}})
    assert output["generations"] == ['{"name":"A"}']
    assert "KeyError: 'b'" in json.dumps(server.bodies[1]["messages"])

    def reply(body):
        return said(f'{{"name": "{body["messages"][0]["content"]}"}}')

    inputs = [[{"role": "user", "content": text}] for text in "ab"]
    with pytest.warns(UserWarning, match="KeyError"):
        outputs, _ = generate(reply, inputs, {"structured_output": {"schema": schema, "mode": "json"}})
    assert [each["generations"] for each in outputs][1] == [None]
    assert outputs[1]["statistics"] == {"input_tokens": [20], "output_tokens": [10]}


def test_an_answer_is_judged_once():
    """A validator may have a memory, such as one that wants every name to be new."""

    class New(BaseModel):
        """A name that was not there yet."""

        seen: ClassVar[list[str]] = []
        name: str

        @field_validator("name")
        @classmethod
        def _is_new(cls, value):
            if value in cls.seen:
                raise ValueError("was there already")
            cls.seen.append(value)
            return value

    replies = [said('{"name": "a"}'), said('{"name": "a"}'), said('{"name": "b"}')]
    options = {"structured_output": {"schema": New}}
    (output,), server = generate(replies, [HELLO], options, num_generations=2)
    assert sorted(output["generations"]) == ['{"name":"a"}', '{"name":"b"}']
    assert len(server.bodies) == 3


def test_a_class_of_one_input_makes_its_generation():
    """A pair's class as well as the model's own."""
    output, _ = agenerate(said('{"name": "Ada"}'), (HELLO, {"schema": Filled}))
    assert json.loads(output["generations"][0])["kind"] == "person"
