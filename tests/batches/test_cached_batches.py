"""Batches whose prompts are cached for an hour: what others read is posted first, and has ended before the rest."""

from yamlgen.errors import Detached
from yamlgen.events import BatchEnded, BatchPosted

LONG = "You write short lines about towns, for the signs of a railway. " * 40


def cache(project, rows=6, step=None, **keys):
    """Change the step, and the number of its rows."""
    project.save(rows)
    path = project.folder / "lines.yaml"
    system = f'system: {{text: "{LONG}", cache: 1h}}, ' if step is None else step
    text = path.read_text().replace("line: {", f"line: {{{system}")
    for key, value in keys.items():
        text = text.replace(f"{key}: true", f"{key}: {value}")
    path.write_text(text)


def sizes(project):
    """The number of requests of each batch, in the order in which they were posted."""
    return [len(post) for post in project.server.posts]


def test_a_batch_of_one_ends_before_the_rest_is_posted(project):
    """The first request of all goes by itself, to prove the settings; then one is alone, then come the others."""
    cache(project)
    run = project.run()
    assert sizes(project) == [1, 4]
    order = [type(event) for event in run.events if isinstance(event, BatchPosted | BatchEnded)]
    assert order == [BatchPosted, BatchEnded, BatchPosted, BatchEnded]
    assert len(project.lines()) == 6


def test_without_a_part_for_an_hour_there_is_one_batch(project):
    """Parts that are cached for five minutes are not waited for."""
    cache(project, step=f'system: {{text: "{LONG}", cache: 5m}}, ')
    project.run()
    assert sizes(project) == [5]


def test_first_requests_of_different_parts_share_a_batch(project):
    """They read nothing of each other."""
    part = f"{LONG} {{{{ row.id % 2 }}}}"
    cache(project, rows=9, step=f'system: {{text: "{part}", cache: 1h}}, ')
    project.run()
    assert sizes(project) == [2, 6]


def test_too_few_requests_are_sent_one_by_one(project):
    """The minimum counts both batches together."""
    cache(project, rows=6, batch="{minimum: 6}")
    project.run()
    assert sizes(project) == []
    assert len(project.lines()) == 6


def test_enough_requests_are_posted_though_the_rest_is_fewer(project):
    """The rest belongs to them."""
    cache(project, rows=6, batch="{minimum: 5}")
    project.run()
    assert sizes(project) == [1, 4]


def test_a_run_that_is_stopped_between_the_two_batches_loses_nothing(project):
    """The next run goes on; it waits for the batch that was posted first."""
    cache(project)
    project.server.looks = 3
    project.run(stop_at=BatchPosted)
    run = project.run()
    assert run.error is None
    assert sizes(project) == [1, 4]
    project.check_bills()
    assert len(project.lines()) == 6


def test_a_run_that_detaches_has_posted_everything(project):
    """It waits for the first batch, and not for the other."""
    cache(project)
    project.server.looks = 40
    run = project.run(detach=True)
    assert isinstance(run.error, Detached)
    assert sizes(project) == [1, 4]
