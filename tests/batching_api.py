"""A simulated API whose batches end when the test says so, and that counts each request however it came."""

import json
import re
from collections import Counter
from contextlib import contextmanager

from threaded_simulator import FixedFaults, serving
from yamlgen.batches.waits import Backoff
from yamlgen.simulator.answers import digest_of
from yamlgen.simulator.api_errors import SimulatedAPIError
from yamlgen.simulator.server import Simulator

LATER = 3600.0
"""The delay of batches that the test ends."""

_WAY = re.compile(r'"request_id": (null|"[^"]*"), |, "cost_usd": [0-9.e-]+|, "service_tier": "(batch|standard)"')


def apart_from_way(file):
    """The text of a file, without what failed rows say of the way of an answer."""
    return _WAY.sub("", file.read_text(encoding="utf-8"))


class BatchingAPI(Simulator):
    """Counts single requests, and those of batches that were created.

    Attributes:
        single: how often each body came by itself, by its digest.
        batched: how often each body came in a batch.
        sizes: the number of requests of each batch, in the order of creation.
        posts: how often the creation of a batch was asked for, whatever the answer.
        texts: the bodies as JSON, in the order in which they came, by either way.
        refuse: called with each single body; an error to answer with, or `None`.
        refuse_batch: called with the number of requests of each creation; likewise.
        refuse_list: an error for each listing of batches; or `None`.
    """

    def __init__(self, *faults, delay=LATER, queue=500_000):
        super().__init__(faults=FixedFaults(FixedFaults.parse(faults).rates), batch_delay=delay, batch_queue=queue)
        self.single, self.batched = Counter(), Counter()
        self.sizes, self.texts, self.posts = [], [], 0
        self.refuse = self.refuse_batch = lambda _: None
        self.refuse_list = None
        lives, routes = self._batches._lives, self._batches
        check_queue, create, listed = lives.check_queue, lives.create, routes._list

        def checked(count):
            self.posts += 1
            problem = self.refuse_batch(count)
            if problem is not None:
                raise problem
            check_queue(count)

        def created(spool, *rest):
            requests = [spool.request(index) for index in range(len(spool))]
            self.batched.update(digest_of(each["params"], 0) for each in requests)
            self.texts += [json.dumps(each["params"]) for each in requests]
            self.sizes.append(len(spool))
            return create(spool, *rest)

        async def pages(request):
            if self.refuse_list is not None:
                raise self.refuse_list
            return await listed(request)

        lives.check_queue, lives.create, routes._list = checked, created, pages

    async def _message(self, request):
        body = await request.json()
        self.single[digest_of(body, 0)] += 1
        self.texts.append(json.dumps(body))
        problem = self.refuse(body)
        if problem is not None:
            raise problem
        return await super()._message(request)

    @property
    def asked(self):
        """How often each body came."""
        return self.single + self.batched

    @property
    def batches(self):
        """The batches, oldest first."""
        return [*self._batches._lives._batches.values()]

    def finish(self):
        """End every batch at the next look."""
        for batch in self.batches:
            batch._ends = 0.0


def refused(status, text="no", kind="invalid_request_error"):
    """An error of the API."""
    return SimulatedAPIError(text, kind, status)


@contextmanager
def batching(monkeypatch, *faults, **options):
    """A simulated API at the address of the environment, and runs that look at once."""
    monkeypatch.setattr(Backoff, "delay", lambda *_: 0.01)
    with serving(BatchingAPI(*faults, **options)) as server:
        monkeypatch.setenv("ANTHROPIC_API_KEY", "our-key")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
        yield server
