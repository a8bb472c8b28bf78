"""The layers of a model, stacked otherwise: what sends a request is exchanged, and the others do not notice."""

import asyncio

import pytest

from scripted_api import KEY, ScriptedServer, asking, message, prompt, said
from yamlgen.claude.answer_lookup import LookupLayer
from yamlgen.claude.answer_recording import Accounting, RecordingLayer
from yamlgen.claude.error_mapping import ErrorContext
from yamlgen.claude.reasking import ReaskLayer
from yamlgen.claude.requests import RequestBuilder, RequestMode
from yamlgen.claude.response_checks import RawAnswer
from yamlgen.claude.schema_fallback import SchemaFallback
from yamlgen.errors import Code, RowError
from yamlgen.interfaces import UNOBSERVED
from yamlgen.steps.config_fields import Settings
from yamlgen.value_objects import Charge, Message, Prompt

SENDER = ErrorContext("claude-haiku-5-5", "http://127.0.0.1:9", "ANTHROPIC_API_KEY", KEY)


class Queue:
    """Sends requests together, once there are so many: what a batch would do."""

    def __init__(self, size, *answers):
        self.size, self.answers = size, list(answers)
        self.batches, self._waiting = [], []

    async def send(self, request):
        """The answer to a request, which comes with those of the others."""
        future = asyncio.get_running_loop().create_future()
        self._waiting.append((request.body, future))
        if len(self._waiting) == self.size:
            self.batches.append([body for body, _ in self._waiting])
            for _, each in self._waiting:
                each.set_result(self.answers.pop(0))
            self._waiting.clear()
        answer = await future
        if isinstance(answer, Exception):
            raise answer
        return RawAnswer(answer, "req_batch")


def asked(queue, *texts, reasks=1, price=None, check=None):
    """What each text leads to, by layers that send through a queue."""
    builder = RequestBuilder(Settings(id="claude-haiku-5-5", max_tokens=100))
    recording = RecordingLayer(queue, Accounting(builder.model, price))
    layers = ReaskLayer(LookupLayer(recording, SchemaFallback(None, builder, SENDER)), builder, SENDER, reasks)

    async def main():
        requests = [builder.first(prompt(text), RequestMode(None), UNOBSERVED) for text in texts]
        answers = [layers.answer(request, check, []) for request in requests]
        return await asyncio.gather(*answers, return_exceptions=True)

    return asyncio.run(main())


def test_requests_may_be_sent_together():
    """Two requests are one batch; each has its own answer, its usage and its cost."""
    queue = Queue(2, message("A."), message("B."))
    first, second = asked(queue, "a", "b", price=lambda charge: charge.usage.output_tokens / 10)
    assert (first.value, second.value) == ("A.", "B.")
    assert [[body["messages"][0]["content"] for body in batch] for batch in queue.batches] == [["a", "b"]]
    assert (first.attempts[0].request_id, first.attempts[0].cost) == ("req_batch", 0.5)


def test_what_is_sent_otherwise_is_asked_again_as_ever():
    """A blank answer of a batch is told in the next one."""
    queue = Queue(1, message(" "), message("B."))
    (answer,) = asked(queue, "a")
    assert answer.value == "B."
    assert [attempt.errors for attempt in answer.attempts] == [("the answer holds no text",), ()]
    assert "Answer again" in queue.batches[1][0]["messages"][-1]["content"]


def test_an_error_of_a_batch_costs_its_row():
    """The others have their answers, and the error its request."""
    refused = RowError("no", code=Code.BAD_REQUEST)
    first, second = asked(Queue(2, refused, message("B.")), "a", "b")
    assert second.value == "B."
    assert (first.code, first.request["messages"][0]["content"]) == (Code.BAD_REQUEST, "a")


@pytest.mark.parametrize("fault", [ArithmeticError, LookupError, ValueError])
def test_a_price_that_fails_costs_no_answer(fault):
    """What the list of prices makes of odd tokens is no reason to lose what was paid for."""

    def price(_charge):
        raise fault

    assert Accounting("m", price).cost(Charge()) is None


@pytest.mark.parametrize("most", [100, 30_000], ids=["whole", "streamed"])
@pytest.mark.parametrize("content", ["Hi?", [{"type": "text", "text": "Hi?"}]], ids=["text", "blocks"])
def test_what_the_transport_is_told_is_not_sent(most, content):
    """No header of a request is ours, whether the SDK is handed a body or its own arguments."""

    async def main():
        async with ScriptedServer(said("Hi.")) as server, asking(server.url, max_tokens=most) as asked_of:
            answer = await asked_of.model.answer(Prompt(None, (Message("user", content),)), UNOBSERVED)
            return answer.value, server.headers

    value, (headers,) = asyncio.run(main())
    assert value == "Hi."
    assert not [name for name in headers if "yamlgen" in name.lower()]
