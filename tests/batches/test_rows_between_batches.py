"""A row whose steps wait for several batches: it goes on with each of them, and ends once."""

from collections import Counter

import pytest

from batched_runs import ROWS
from yamlgen.events import AnswerReceived, BatchEnded, RowFinished, StepFinished

STEPS = """\
steps:
  line: {model: claude-haiku-5-5, max_tokens: 100, prompt: "A line on {{ row.town }}."}
  side: {model: claude-haiku-5-5, max_tokens: 100, prompt: "Aside on {{ row.town }}."}
  after: {model: claude-haiku-5-5, max_tokens: 100, batch: false, prompt: "After {{ steps.line }}"}
"""


def lay_out(project):
    """Two batched steps side by side, and one that is sent by itself after the first of them."""
    path = project.folder / "lines.yaml"
    head, _, tail = path.read_text().partition("steps:\n")
    path.write_text(head + STEPS + tail[tail.index("output:") :])


def ends_later(server, looks):
    """The batch of `side` ends so many looks later than that of `line`, which is looked at once."""

    def created():
        batch = [*server.batches.values()][-1]
        is_side = next(iter(batch.requests.values()))["messages"][0]["content"].startswith("Aside")
        batch.looks = looks if is_side else 1

    server.created = created


@pytest.mark.parametrize("looks", [1, 2, 4, 40])
def test_a_row_that_waits_for_two_batches_ends_once(looks, project):
    """Whether the second batch ends with the first, while the rows go on with its answers, or afterwards."""
    lay_out(project)
    ends_later(project.server, looks)
    project.server.slow = 0.15
    done = project.run()
    assert done.code == 0, done.error
    assert Counter(event.row for event in done.of(RowFinished)) == dict.fromkeys(range(ROWS), 1)
    ended = Counter((event.row, event.step) for event in done.of(StepFinished))
    assert (len(ended), set(ended.values())) == (3 * ROWS, {1})
    assert Counter(event.step for event in done.of(AnswerReceived)) == dict.fromkeys(("line", "side", "after"), ROWS)
    assert all(len(post) == ROWS - 1 for post in project.server.posts)


def test_results_are_stored_while_no_row_is_in_progress(project):
    """A batch that ends meanwhile waits: what a row sees of the store does not change under it."""
    lay_out(project)
    ends_later(project.server, None)
    project.server.slow = 0.15

    def asked(text):
        for batch in project.server.batches.values():
            if batch.looks is None and text.startswith("After") and "Town 0" not in text:
                batch.looks = 1

    project.server.asked = asked
    done = project.run()
    assert done.code == 0, done.error
    kinds = [type(event) for event in done.events if isinstance(event, BatchEnded) or _is_after(event)]
    assert kinds[-1] is BatchEnded


def _is_after(event):
    return isinstance(event, StepFinished) and event.step == "after"
