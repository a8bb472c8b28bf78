"""What people are told of steps that were skipped, and of items that failed in rows that did not."""

from dataclasses import replace

import pytest

from hand_made_output import paths_at
from yamlgen.cli.display import Display, LiveDisplay, PlainDisplay
from yamlgen.cli.open_batches import OpenBatches
from yamlgen.cli.summary import failures, foretold, outlay, pace_told, summary
from yamlgen.events import (
    AnswerReceived,
    BatchChecked,
    BatchEnded,
    BatchPosted,
    ItemFailed,
    PaceChanged,
    RequestRetried,
    RowDeferred,
    RowFailed,
    RowFinished,
    RowResumed,
    RunForecast,
    RunStarted,
    StepFinished,
    StepForecast,
    StepSkipped,
)
from yamlgen.reports.report import Report
from yamlgen.value_objects import Usage

STARTED = RunStarted("r1", "p", ("facts", "line"), 5)
ITEM = ItemFailed(1, "facts", 2, "YG503", "item 3: $.kind: bad")


def folded(*events):
    """The report of some events."""
    report = Report()
    for event in (STARTED, *events):
        report.observe(event)
    return report


def test_the_summary_tells_what_was_left_out():
    """Behind its table the summary says of each step how many rows it skipped, and how many items are null."""
    report = folded(*(StepSkipped(row, "line") for row in range(3)), ITEM, ITEM, StepSkipped(0, "facts"))
    told = summary(report, paths_at("out.jsonl")).splitlines()
    assert "  facts: 1 skipped, 2 items failed and are null" in told
    assert "  line: 3 skipped" in told


@pytest.mark.parametrize("kind", [Display, PlainDisplay])
def test_the_headers_of_the_environment_are_named(kind, capsys):
    """At the start, unless nothing is to be said, or there are none."""
    kind().observe(replace(STARTED, headers=("x-gate", "x-team")))
    assert capsys.readouterr().err == "further headers in every request: x-gate, x-team\n"
    kind(quiet=True).observe(replace(STARTED, headers=("x-gate",)))
    kind().observe(STARTED)
    assert capsys.readouterr().err == ""


def test_one_item_is_one():
    """A single failed item is told in the singular."""
    assert "  facts: 1 item failed and is null" in outlay(folded(ITEM))


def test_where_nothing_was_left_out_nothing_is_told():
    """A run that skipped nothing, and whose items all have values, is told as ever."""
    report = folded(StepFinished(0, "facts"), RowFinished(0))
    assert len(outlay(report)) == 4  # the table, and what was paid
    assert failures(report) == []


def test_a_missing_value_is_told_with_its_fix():
    """Once, after the examples."""
    lacking = [RowFailed(row, "line", "YG501", "there is no `colour` in the mapping (step `line`)") for row in (0, 1)]
    *_, last, fix = failures(folded(*lacking))
    assert last.startswith("      row 2: there is no `colour`")
    assert fix.startswith("      = add `default(...)`")
    assert fix.endswith("skip such rows with `when`")


def test_a_missing_value_of_an_output_is_told_with_a_key_that_outputs_have():
    """They have no `when`."""
    lacking = RowFailed(0, "output", "YG501", "there is no `colour` in the mapping (`output`)")
    assert failures(folded(lacking))[-1].endswith("drop such rows with `where`")


def test_why_items_failed_is_told():
    """The groups of items come after those of rows, with examples, and say that they are of items."""
    told = failures(folded(ITEM, ITEM, RowFailed(0, "line", "YG504", "refused")))
    assert told == [
        "  1 x YG504 in line:",
        "      row 1: refused",
        "  2 x YG503 in items of facts:",
        "      row 2: item 3: $.kind: bad",
        "      row 2: item 3: $.kind: bad",
    ]


def test_a_plain_line_tells_what_was_left_out(monkeypatch, capsys):
    """The line that comes now and then names the steps that skipped rows, or have failed items."""
    monkeypatch.setattr("yamlgen.cli.display._EVERY", 0)
    with PlainDisplay() as display:
        for event in (STARTED, ITEM, StepSkipped(0, "line")):
            display.observe(event)
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("0/5 rows, 0 failed, ")
    assert line.endswith("; facts: 1 item failed and is null; line: 1 skipped")


def test_a_verbose_run_tells_each_item(capsys):
    """With `-v` a failed item has a line, as a failed row has."""
    with Display(verbose=True) as display:
        display.observe(STARTED)
        display.observe(ITEM)
    assert capsys.readouterr().err == "row 2, facts: YG503: item 3: $.kind: bad\n"


@pytest.mark.parametrize("last", [StepSkipped(3, "line"), StepFinished(3, "line")], ids=["skipped", "finished"])
def test_bars_advance_for_skipped_rows(last):
    """A bar counts the rows that its step finished, skipped or failed, and its note tells them apart."""
    with LiveDisplay() as display:
        for event in (STARTED, StepFinished(0, "line"), RowFailed(1, "line", "YG504", "no"), StepSkipped(2, "line")):
            display.observe(event)
        display.observe(last)
        display.observe(ITEM)
    facts, line = display.bars.progress.tasks
    assert (line.completed, line.total) == (4, 5)
    skipped = 1 + isinstance(last, StepSkipped)
    assert line.fields["counts"] == f"[red]1 failed[/red]  {skipped} skipped"
    assert facts.fields["counts"] == "1 item failed"


def test_the_summary_tells_of_a_step_that_lost_everything():
    """At once behind the counts, with the step, the most frequent reason, and how many items share it."""
    report = folded(ITEM, StepFinished(1, "facts", 1), RowFinished(1))
    told = summary(report, paths_at("out.jsonl"), simulation=None).splitlines()
    assert told[1] == "  step `facts` lost every item of every row, 1 of 1 with this error: YG503: item 3: $.kind: bad"
    assert "  facts: all 1 item failed and is null" in told


def test_failures_are_named_by_the_ids_of_their_rows(capsys):
    """In the summary and in the live lines, as `--row` takes them; without ids by their numbers."""
    failed = [RowFailed(0, "facts", "YG504", "no", "New York"), RowFailed(1, "facts", "YG504", "no")]
    told = failures(folded(*failed))
    assert told[1:] == ['      row "New York": no', "      row 2: no"]
    display = Display(verbose=True)
    for event in (STARTED, replace(failed[0], id=7), RequestRetried(3, "facts", "busy", 1.0, "r-4")):
        display.observe(event)
    assert capsys.readouterr().err.splitlines() == [
        "row 7, facts: YG504: no",
        "row r-4, facts: busy, retrying in 1.0 s",
    ]


def test_a_pace_line_names_the_aliases():
    """The models of the pipeline that share a rate limit come before it, unless their ids name it already."""
    pace = PaceChanged("haiku-5-5", 8, 8, 8, 0, 0.0, None, 0, 0, 0.0)
    assert pace_told(pace) == "haiku-5-5: 8 in flight of 8"
    assert pace_told(replace(pace, models=("writer", "judge"))) == "writer, judge (haiku-5-5): 8 in flight of 8"
    assert pace_told(replace(pace, models=("claude-haiku-5-5",))) == "haiku-5-5: 8 in flight of 8"


@pytest.mark.parametrize(("width", "head"), [(None, "failed"), (200, "failed"), (80, "answers")])
def test_a_narrow_terminal_gets_no_columns_of_zeros(monkeypatch, width, head):
    """Where the table of steps is wider than the terminal, columns in which all is zero are left out."""
    monkeypatch.setattr("yamlgen.cli.summary.terminal_width", lambda: width)
    answer = AnswerReceived(0, "facts", Usage(10, 5, 0, 0), 0.5, reused=False, seconds=1.0)
    told = outlay(folded(answer))
    assert told[0].split()[2 if head == "failed" else 1] == head
    assert width is None or len(told[0]) <= width


def test_simulated_dollars_are_marked():
    """Wherever a simulated run shows dollars; those of a real run have no mark."""
    answer = AnswerReceived(0, "facts", Usage(10, 5, 0, 0), 0.5, reused=False, seconds=1.0)
    started = replace(STARTED, simulated=True)
    told = outlay(folded(started, answer, replace(answer, reused=True)))
    assert "simulated cost" in told[0]
    assert told[-1] == "  cost: $0.5000 (simulated); 1 answer from the store, saved $0.5000 (simulated)"
    told = outlay(folded(answer))
    assert told[-1] == "  paid: $0.5000"
    assert not any("simulated" in line for line in told)
    step = StepForecast("facts", 5, 0, 0, 5, 100, (5, 50), (0.1, 0.2), "guessed")
    forecast = RunForecast("p", 5, (step,), None, {"seed": 0, "faults": {}})
    assert foretold(forecast).endswith(", $0.1000 to $0.2000 (simulated)")
    assert foretold(replace(forecast, simulation=None)).endswith(" out, $0.1000 to $0.2000")


@pytest.mark.parametrize(
    ("least", "told"),
    [(None, ", 5 requests to send"), (5, ", 5 requests to send"), (2, ", 2 to 5 requests"), (0, ", up to 5 requests")],
)
def test_a_maximum_of_requests_is_told_as_one(least, told):
    """What depends on missing answers is a range, and no fact."""
    step = StepForecast("facts", 5, 0, 0, 5, 100, (5, 50), (0.1, 0.2), "guessed", least_requests=least)
    forecast = RunForecast("p", 5, (step,), None)
    assert told in foretold(forecast)
    assert "least_requests" not in forecast.as_json()["steps"]["facts"]


POSTED = BatchPosted("msgbatch_01", "line", 4)
CHECKED = BatchChecked("msgbatch_01", "line", 4, "in_progress", 60.0, (240.0, 2400.0))
ENDED = BatchEnded("msgbatch_01", "line", 4, {"succeeded": 3, "errored": 1, "canceled": 0, "expired": 0}, 1.5, 90.0)
WAITING = (STARTED, *(RowDeferred(row) for row in range(4)), RowFinished(4), POSTED)


def said(capsys, *observed, display=None):
    """What a plain display says of these events after those of a run that waits, as lines."""
    shown = display or PlainDisplay()
    for event in WAITING:
        shown.observe(event)
    capsys.readouterr()
    for event in observed:
        shown.observe(event)
    return capsys.readouterr().err.splitlines()


@pytest.mark.parametrize("verbose", [False, True])
def test_logs_tell_of_each_batch_once(capsys, verbose):
    """When it was posted, by whom, and what came of it; a line for each check would fill the log."""
    display = PlainDisplay(verbose=verbose)
    told = said(
        capsys, replace(POSTED, batch="b2", seconds=120.0, earlier=True), *[CHECKED] * 9, ENDED, display=display
    )
    assert told == [
        "batch b2 of line: 4 requests, posted by an earlier run 2 min 0 s ago",
        "batch msgbatch_01 of line: ended after 1 min 30 s: 3 succeeded, 1 errored, $1.50",
    ]


def test_a_log_shows_now_and_then_that_a_run_waits(capsys, monkeypatch):
    """Who waits, for what, how old it is, and what earlier batches took: no speed, and no end that nobody knows."""
    monkeypatch.setattr("yamlgen.cli.display._EVERY_CHECK", 0)
    pace = PaceChanged("haiku-5-5", 8, 1, 8, 0, 0.0, None, 0, 0, 0.0)
    *_, line = said(capsys, pace, CHECKED)
    head, batch, past = line.split("; ")
    assert head == "1/5 rows, 0 failed, 0 in, 0 out, 4 rows wait for batches"
    assert batch.startswith("batch of line: 4 requests, in progress, 1 min ")
    assert past == "earlier batches took 4 min 0 s to 40 min 0 s"


def test_a_log_is_silent_between(capsys, monkeypatch):
    """A check of a batch is no progress: the line of every few seconds does not come because of it."""
    monkeypatch.setattr("yamlgen.cli.display._EVERY", 0)
    assert said(capsys, CHECKED) == []
    assert len(said(capsys, RowResumed(0))) == 1


def test_bars_do_not_move_for_rows_that_wait():
    """The bar stays where it is and says how many requests are in batches, without a speed or a time that is left."""
    with LiveDisplay() as display:
        for event in (*WAITING[:-1], StepFinished(4, "line"), POSTED, CHECKED):
            display.observe(event)
    facts, line = display.bars.progress.tasks
    assert (line.completed, line.total, line.fields["counts"], line.fields["rate"]) == (1, 5, "4 in batches", "")
    assert facts.fields["waits"]
    display.observe(ENDED)
    display.bars.update()
    assert display.bars.progress.tasks[1].fields["counts"] == ""


def test_many_open_batches_take_few_lines():
    """The oldest come first, one by one; the rest is one line."""
    report = folded(*(replace(CHECKED, batch=f"b{age}", seconds=age * 60.0 + 5, past=None) for age in range(7)))
    lines = OpenBatches(report).lines()
    assert lines[0] == "batch of line: 4 requests, in progress, 6 min 5 s old"
    assert lines[4:] == ["3 more batches: 12 requests"]


def test_the_summary_tells_what_came_by_batch():
    """By step, with what is in progress when the run ends."""
    more = replace(POSTED, batch="b2", requests=1)
    assert "  line: 3 succeeded, 1 errored in 1 batch" in outlay(folded(POSTED, ENDED))
    told = outlay(folded(POSTED, ENDED, more))
    assert "  line: 3 succeeded, 1 errored in 1 batch; 1 request in 1 batch still in progress" in told
    assert "  5 sent, none answered" in outlay(folded(POSTED, more))


def test_the_batches_of_a_simulated_run_end_with_it():
    """So none of them is still in progress when it ends early."""
    told = outlay(folded(replace(STARTED, simulated=True), POSTED))
    assert "  line: 4 requests in 1 batch that ended with the simulator" in told
