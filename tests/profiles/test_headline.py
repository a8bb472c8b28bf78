"""What a reader has to know first of a run, whatever became of it, and its verdict in one line."""

import json
from contextlib import ExitStack
from dataclasses import replace

import pytest

import profiled_runs as runs
import yamlgen
from detached_runs import KEY, detach
from threaded_simulator import serving
from yamlgen.api.history import find_run, store_locations
from yamlgen.errors import YamlgenError
from yamlgen.events import RowFailed, RowFinished
from yamlgen.profiles.headline import has_cut, verdict
from yamlgen.simulator.server import Simulator
from yamlgen.store.run_session import open_runs

SIMULATED = "The run is simulated: the simulator made the answers up, and nothing was billed."
PLAIN = """\
version: 1
name: notes
model: claude-haiku-5-5
input: {path: rows.jsonl, id: id}
steps: {note: {prompt: "A note on {{ row.id }}"}}
output: {path: out/notes.jsonl}
"""


def test_the_verdict_is_one_line(bad_run):
    """Rows, failures, cost, time and the share of the quota, as far as each is known."""
    known = {"finished": 1987, "failed": 13, "rows": 2000, "ways": 3, "nulls": 0, "cost_usd": 4.123, "seconds": 271.4}
    head = replace(bad_run[1].headline, **known, quota_used=0.96, simulated=False)
    assert verdict(head) == "1,987 of 2,000 rows; 13 failed in 3 ways; $4.12; 4 min 31 s at 96% of the quota"
    assert verdict(replace(head, failed=0, quota_used=None)) == "1,987 of 2,000 rows; $4.12; 4 min 31 s"
    assert verdict(replace(head, failed=1, ways=1, cost_usd=None, seconds=None)) == (
        "1,987 of 2,000 rows; 1 failed in 1 way; price unknown"
    )
    assert "; $4.12 (simulated); 4 min 31 s at 96% of the quota of the simulator" in verdict(
        replace(head, simulated=True)
    )
    assert "; 1 failed item or step is null; " in verdict(replace(head, nulls=1))
    assert "; 2,000 failed items or steps are null; " in verdict(replace(head, nulls=2000))
    assert "; 3 without an answer; " in verdict(replace(head, missing=3))


def test_a_finished_run_is_told_as_its_record_tells_it(bad_run):
    """Counts, cost, time, parameters, the simulated quota; the only banner says that it is simulated."""
    _, profile, entry = bad_run
    head, report = profile.headline, entry.report
    assert (head.rows, head.finished, head.failed) == (runs.ROWS, entry.finished, entry.failed)
    assert (head.cost_usd, head.seconds) == (report["paid"]["cost_usd"], report["seconds"])
    assert head.quota_used == report["pace"]["haiku-5-5"]["quota_used"] > 0
    assert report["pace"]["haiku-5-5"]["quota"]["requests"] == 4000
    assert (head.params, head.commit, head.banners) == ({"tone": "calm"}, None, (SIMULATED,))
    assert head.version
    assert (profile.timeline, profile.why_no_timeline) == (report["timeline"], "")
    assert sum(profile.timeline["sent"]) == sum(step["sent"] for step in report["steps"].values())


def test_the_record_file_has_a_line_for_each_list_of_numbers(bad_run):
    """People open it: a list of six hundred numbers takes one line, and it has the same numbers as the store."""
    path, _, entry = bad_run
    text = (path.parent / "out" / "notes.simulated.run.json").read_text(encoding="utf-8")
    assert json.loads(text)["timeline"] == entry.report["timeline"]
    lines = [line.strip() for line in text.splitlines()]
    sent = ", ".join(map(str, entry.report["timeline"]["sent"]))
    assert f'"sent": [{sent}],' in lines


def test_a_retried_run_has_a_timeline_of_its_own(tmp_path):
    """It has what the retry has sent, and the headline of the retry."""
    path = runs.lay_out(tmp_path, PLAIN, rows=6)
    runs.ran(path, faults=("refusal=0.5",))
    failed = runs.profiled(path)[1].failed
    yamlgen.retry(path, simulate=True)
    profile, entry = runs.profiled(path)
    assert entry.retry is not None
    assert sum(profile.timeline["sent"]) == failed > 0
    assert profile.steps[0].sent == failed


def test_a_commit_is_told_with_the_state_of_its_folder(tmp_path):
    """As it was recorded when the run began."""
    path = runs.lay_out(tmp_path, PLAIN, rows=1)
    runs.ran(path, faults=())
    runs.edited(path, """UPDATE run SET about = json_set(about, '$.git', json('{"commit": "abc", "dirty": true}'))""")
    head = runs.profiled(path)[0].headline
    assert (head.commit, head.dirty) == ("abc", True)


def test_a_run_that_sends_nothing_has_no_timeline(tmp_path):
    """All of its answers are in the store; the sentence says so, and it has used no quota."""
    path = runs.lay_out(tmp_path, PLAIN, rows=2)
    runs.ran(path, faults=())
    runs.ran(path, faults=())
    profile, _ = runs.profiled(path)
    assert profile.timeline is None
    assert profile.why_no_timeline == "The run sent nothing: its answers were in the store."
    assert profile.headline.quota_used is None


def test_a_run_of_an_earlier_version_says_what_it_lacks(tmp_path):
    """Its record has neither a timeline, nor a quota, nor what the steps declare."""
    path = runs.lay_out(tmp_path, PLAIN, rows=2)
    runs.ran(path, faults=())
    runs.edited(path, "UPDATE run SET report = json_remove(report, '$.timeline', '$.pace.\"haiku-5-5\".quota_used')")
    runs.edited(path, "UPDATE run SET about = json_remove(about, '$.declared')")
    profile, _ = runs.profiled(path)
    assert profile.timeline is None
    assert profile.why_no_timeline == "The run was made by an earlier version of yamlgen, which recorded no timeline."
    assert profile.headline.banners[1:] == (
        "An earlier version of yamlgen made the run: it recorded less than this one does.",
    )
    assert profile.headline.quota_used is None
    assert profile.steps[0].kind == "generate"


def test_a_run_with_a_limit_is_partial(tmp_path):
    """Its rows are not those of the whole input."""
    path = runs.lay_out(tmp_path, PLAIN, rows=4)
    runs.ran(path, faults=(), limit=2)
    head = runs.profiled(path)[0].headline
    assert head.banners[1:] == ("The run has a limit: it covers only the first 2 rows of the input.",)
    assert verdict(head).startswith("partial, the first rows of the input: 2 of 2 rows; ")


@pytest.mark.parametrize(
    ("outputs", "said"),
    [
        ("output: {path: a.jsonl, where: row.id == 9}", "The output has no rows: `where` dropped 4 rows."),
        ("output: {path: a.jsonl, for_each: '[]'}", "The output has no rows: `for_each` found no items."),
        (
            "outputs: {a: {path: a.jsonl}, b: {path: b.jsonl, where: 'false'}}",
            "Output b has no rows: `where` dropped 4 rows.",
        ),
    ],
)
def test_an_output_without_rows_is_told(outputs, said, tmp_path):
    """Rows that finished are not the rows of an output."""
    path = runs.lay_out(tmp_path, PLAIN.replace("output: {path: out/notes.jsonl}", outputs), rows=4)
    runs.ran(path, faults=())
    assert runs.profiled(path)[0].headline.banners[1:] == (said,)


@pytest.mark.parametrize(("limit", "rows", "is_cut"), [(None, 4, False), (4, 4, True), (5, 4, False), (5, None, True)])
def test_a_limit_above_all_rows_leaves_none_out(limit, rows, is_cut):
    """A run that found fewer rows than its limit has taken the whole input."""
    assert has_cut(limit, rows) == is_cut


def test_a_run_in_progress_is_told_until_now(tmp_path):
    """Its rows, its cost and its time so far, and no timeline yet."""
    path = runs.lay_out(tmp_path, PLAIN, rows=4)
    made = []

    def look(event):
        if isinstance(event, RowFinished) and not made:
            made.append(runs.profiled(path)[0])

    runs.ran(path, faults=(), on_event=look, max_concurrency=1)
    (profile,) = made
    head = profile.headline
    assert (head.status, head.rows) == ("running", 4)
    assert 1 <= head.finished < 4
    assert head.banners[1:] == (f"The run is still in progress: this is what came of {head.finished} of 4 rows.",)
    assert verdict(head).startswith(f"still running: {head.finished} of 4 rows; <$0.0001")
    assert 0 <= head.seconds < 60
    assert profile.steps[0].cost_usd == head.cost_usd > 0
    assert profile.steps[0].answers >= head.finished
    assert profile.why_no_timeline == "The run records its timeline at its end."
    assert profile.steps[0].sent is None


def test_a_run_that_ends_meanwhile_is_told_as_it_was(tmp_path):
    """A report reads the store as it is at one time: the run was in progress then, and was not killed."""
    path = runs.lay_out(tmp_path, PLAIN, rows=3)
    with ExitStack() as stack:
        read = []

        def look(event):
            if isinstance(event, RowFinished) and not read:
                (place,) = [each for each in store_locations([path], None) if each.exists]
                run_reader = stack.enter_context(open_runs(place, snapshot=True))
                read.extend([run_reader, *run_reader.runs()])

        runs.ran(path, faults=(), on_event=look, max_concurrency=1)
        run_reader, before = read
        after = run_reader.run(before.name)
    assert (after.status, after.finished, after.paid) == (before.status, before.finished, before.paid)
    assert (before.status, runs.profiled(path)[0].headline.status) == ("running", "finished")


def test_an_export_of_a_run_in_progress_counts_its_own_rows(tmp_path):
    """A row that fails after the run was looked up is in the file and in the count."""
    path, found, made = runs.lay_out(tmp_path, rows=12), [], []

    def look(event):
        if isinstance(event, RowFinished) and not found:
            found.append(find_run(store_locations([path], None), None))
        if isinstance(event, RowFailed) and found:
            made.append(found[0].export(tmp_path / "failed.out.jsonl", failed=True).rows)
            assert len((tmp_path / "failed.out.jsonl").read_text("utf-8").splitlines()) == made[-1]

    runs.ran(path, on_event=look, max_concurrency=1)
    assert found[0].entry.failed < made[-1]


def test_a_killed_run_is_told_by_its_rows(tmp_path, fork_server):
    """What it had stored is there, with its cost; its time and its timeline are not known."""
    path = runs.lay_out(tmp_path, PLAIN, rows=8)
    words = ("run", "notes.yaml", "--simulate", "--max-concurrency", "1")
    assert fork_server.call(tmp_path, *words, failpoint="after-commit:6").code == -9
    profile, _ = runs.profiled(path)
    head = profile.headline
    assert (head.status, head.seconds, profile.timeline) == ("killed", None, None)
    assert profile.why_no_timeline == "The run was killed before it recorded its timeline."
    assert verdict(head).startswith(f"partial, killed: {head.finished} of 8 rows; <$0.0001")
    assert head.banners[1:] == (f"The run was killed: this is what came of {head.finished} of 8 rows.",)
    assert profile.steps[0].cost_usd == head.cost_usd > 0


def test_a_stopped_run_says_why(tmp_path):
    """Its record has a timeline, and the sentence that ended it."""
    path = runs.lay_out(tmp_path, PLAIN, rows=8)
    with pytest.raises(YamlgenError) as stopped:
        runs.ran(path, faults=(), max_requests=3)
    profile, _ = runs.profiled(path)
    head = profile.headline
    assert (head.status, head.finished, head.missing) == ("stopped", 3, 0)
    assert head.banners[1:] == ("The run ended early: this is what came of 3 of 8 rows.",)
    assert head.error[1:] == f"{stopped.value.message[1:]}."
    assert verdict(head).startswith("partial, stopped early: 3 of 8 rows; ")
    assert sum(profile.timeline["sent"]) == 3


def test_rows_without_an_answer_are_a_way_and_no_failure(tmp_path):
    """A run that may send nothing lacks the answers of the rows that an earlier one did not reach."""
    path = runs.lay_out(tmp_path, PLAIN, rows=4)
    runs.ran(path, faults=(), limit=1)
    with pytest.raises(YamlgenError):
        runs.ran(path, faults=(), offline=True)
    profile, _ = runs.profiled(path)
    (way,) = profile.failures
    assert (way.effect, way.count, way.code, profile.headline.ways) == ("missing row", 3, "YG512", 0)
    assert profile.steps[0].statuses == {"finished": 1, "missing": 3}
    assert verdict(profile.headline).startswith("partial, stopped early: 1 of 4 rows; 3 without an answer; ")
    assert "lack an answer" in profile.headline.error
    assert len(profile.headline.banners) == 2


def test_a_detached_run_says_where_its_answers_are(small, monkeypatch, call):
    """Its open batches are told; a run before it that is not simulated has used a share of the quota."""
    with serving(Simulator(batch_delay=60)) as server:
        monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
        assert call("run", "small.yaml", "-q").code == 0
        detach(small / "small.yaml", server.url)
        head = runs.profiled(small / "small.yaml")[0].headline
        before = runs.profiled(small / "small.yaml", yamlgen.runs(small / "small.yaml")[0].name)[0]
    assert head.status == "detached"
    assert any(each.startswith("2 batches with 3 requests may still be in progress: ") for each in head.banners)
    assert verdict(head).startswith("partial, its batches are in progress: 0 of 8 rows; ")
    assert before.headline.banners == ()
    assert verdict(before.headline).endswith(" at 0.2% of the quota")
