"""Conversations that rows and steps contain: what is sent of them, what fails before that, and what a change costs."""

import json

import pytest

from counted_runs import ScriptedReplies
from scripted_api import said
from yamlgen.api.loading import load
from yamlgen.planning.expansion import resolved

SYSTEM = {"role": "system", "content": "You sell {{ row.town }}."}
QUESTION = {"role": "user", "content": "Which one is {% quiet? {{ row.nothing }}"}
ANSWER = {"role": "assistant", "content": "The glass one."}
MORE = {"role": "user", "content": "How much is it in {{ row.town }}?"}


class NumberedReplies(ScriptedReplies):
    """Each answer is the number of its request."""

    def __call__(self, body):  # noqa: ARG002 - all are answered alike
        """The next number."""
        self.lines += 1
        return said(str(self.lines))


@pytest.fixture
def chats(project):
    """A step over the conversations of two rows, each with a system prompt, a question and an answer."""
    project.script = NumberedReplies()
    project.rows = [{"town": town, "chat": [SYSTEM, QUESTION, {**ANSWER, "id": 7}]} for town in ("Oslo", "Rome")]
    project.document["steps"] = {"line": {"model": "quick", "messages": [{"from": "row.chat"}, MORE]}}
    return project


def test_a_conversation_is_sent_as_it_is(chats):
    """The system message is the system prompt; nothing of the row is rendered; the id of a message is not sent."""
    assert chats.run().asked == 2
    body = next(each for each in chats.server.bodies if "Oslo" in each["messages"][-1]["content"])
    assert body["system"] == SYSTEM["content"]
    assert body["messages"] == [QUESTION, ANSWER, {"role": "user", "content": "How much is it in Oslo?"}]


def test_only_what_is_sent_counts(chats):
    """A second run sends nothing, nor does one whose messages say the same otherwise; a changed word sends its row."""
    chats.set("input.id", "town")
    assert chats.run().asked == 2
    assert chats.run().asked == 0
    chats.rows[0]["chat"][2] = {**ANSWER, "score": 0.5}
    chats.set("steps.line.system", "{{ row.chat[0].content }}")
    chats.set("steps.line.messages.0.from", "row.chat[1:]")
    assert chats.run().asked == 0
    chats.rows[1]["chat"][2] = {**ANSWER, "content": "The steel one."}
    assert chats.run().rows == {1}


@pytest.mark.parametrize(
    ("chat", "told"),
    [
        ("Hello", "`from: row.chat` must be a list of messages, not a string"),
        ([SYSTEM, ANSWER], "message 2 of `row.chat`, the first of the conversation, is the assistant's"),
        ([QUESTION, ANSWER, QUESTION], "`messages[1]` has the role `user`, like message 3 of `row.chat` before it"),
        ([QUESTION, {"role": "gpt", "content": "Hi"}], "message 2 of `row.chat` has the role `gpt`"),
        ([QUESTION, {"role": "assistant", "content": None}], "the content of message 2 of `row.chat` must be a string"),
        ([QUESTION, SYSTEM], "message 2 of `row.chat` has the role `system`"),
    ],
)
def test_a_wrong_conversation_fails_its_row_alone(chats, chat, told):
    """The row fails with the message and its place, before anything is sent; the other row is finished."""
    chats.rows[0]["chat"] = chat
    ran = chats.run()
    assert (ran.rows, list(chats.lines())) == ({1}, ["Rome"])
    (line,) = (chats.folder / "out" / "towns.failed.jsonl").read_text().splitlines()
    assert told in json.loads(line)["message"]
    assert "(step `line`, " in json.loads(line)["message"]
    chats.rows[0]["chat"] = [QUESTION, ANSWER]
    assert chats.run().rows == {0}


def test_a_system_prompt_of_its_own_is_not_replaced(chats):
    """A step with `system` fails the row that brings another; a blank one is none."""
    chats.set("steps.line.system", "Be brief.")
    chats.rows[1]["chat"][0] = {"role": "system", "content": " "}
    assert chats.run().rows == {1}
    assert [body["system"] for body in chats.server.bodies] == ["Be brief."]
    assert list(chats.failed()) == ["Oslo"]


def test_a_step_may_give_the_conversation(chats):
    """With `samples`, each is a request of its own; where the step is skipped, the one that reads it is skipped."""
    chats.document["steps"] = {
        "turns": {
            "kind": "compute",
            "when": 'row.town == "Oslo"',
            "for_each": "row.chat[1:]",
            "value": '{"role": item.role, "content": item.content | upper}',
        },
        "line": {"model": "quick", "samples": 2, "messages": [{"from": "steps.turns"}, MORE]},
    }
    ran = chats.run()
    assert (ran.asked, ran.rows, chats.lines()["Rome"]) == (2, {0}, None)
    assert chats.server.bodies[0]["messages"][0] == {"role": "user", "content": QUESTION["content"].upper()}
    chats.set("steps.line.samples", 3)
    assert chats.run().asked == 1


def test_items_of_an_unknown_type_are_conversations_too(chats):
    """Of a JSON Lines file only the first rows are known: what `validate` cannot know is checked for each row."""
    for row in chats.rows:
        row["chats"] = [[QUESTION], [SYSTEM, QUESTION]]
    chats.document["steps"] = {
        "each": {"model": "quick", "for_each": "row.chats", "messages": {"from": "item"}},
        "kept": {"kind": "compute", "value": "row.chats[0]"},
        "line": {"model": "quick", "messages": [{"from": "steps.kept"}, ANSWER, MORE]},
    }
    assert chats.run().sent == {"each": 4, "line": 2}
    assert sorted("system" in body for body in chats.server.bodies) == [False] * 4 + [True] * 2


def test_a_plan_knows_the_requests(chats):
    """Each is estimated as it will be sent, and rows are told apart by the column of the messages."""
    estimated = chats.plan().steps[0]
    assert (estimated.requests, estimated.stored) == (2, 0)
    chats.rows[0]["chat"][1] = {"role": "user", "content": "word " * 4000}
    assert chats.plan().steps[0].input_tokens > estimated.input_tokens + 3000
    chats.set("steps.line.messages", {"from": "row.chat[:2]"})
    chats.save()
    assert load(chats.path).plan().columns == {"chat"}


def test_the_resolved_pipeline_asks_the_same(chats):
    """Read back, it sends nothing."""
    chats.set("steps.line.messages", {"from": "row.chat[:2]"})
    assert chats.run().asked == 2
    chats.document = resolved(load(chats.path).plan())
    assert chats.run().asked == 0
