"""A chain of pipelines on the command line: stages run first, once, and only if they are not up to date."""

import json
import shutil
import signal

import pytest

import yamlgen
from yamlgen.events import RunStarted

pytest.importorskip("duckdb")

EXTRACT = """\
version: 1
model: claude-haiku-5-5
input: {folder: contracts, pattern: "*.md", id: path}
steps:
  terms:
    prompt: "The topic of this contract: {{ row.text }}"
    output:
      schema:
        type: object
        additionalProperties: false
        required: [topic]
        properties: {topic: {enum: [rent, repair]}}
output: {path: out/terms.jsonl, columns: {path: row.path, topic: steps.terms.topic}}
"""
THEMES = """\
version: 1
model: claude-haiku-5-5
input:
  tables: {t: {pipeline: extract.yaml}}
  sql: select topic, count(*) as contracts from t group by topic
  id: topic
steps:
  summary: {prompt: "{{ row.contracts }} contracts about {{ row.topic }}"}
output: {path: out/themes.jsonl}
"""


TWO_OUTPUTS = """\
outputs:
  two: {path: out/two.parquet, columns: {path: row.path}}
  one: {path: out/one.jsonl,"""
EN = "{pipeline: extract.yaml, params: {lang: en}}"


@pytest.fixture
def chain(tmp_path):
    """A folder with five contracts, the pipeline that reads them, and one that groups its rows."""
    (tmp_path / "contracts").mkdir()
    for number in range(5):
        (tmp_path / "contracts" / f"c{number}.md").write_text(f"Contract {number}\n", encoding="utf-8")
    (tmp_path / "extract.yaml").write_text(EXTRACT, encoding="utf-8")
    (tmp_path / "themes.yaml").write_text(THEMES, encoding="utf-8")
    return tmp_path


@pytest.fixture
def run(call, chain, monkeypatch):
    """Run a command on the simulator in the folder; return its exit code and its JSON."""
    monkeypatch.chdir(chain)

    def simulated(command, file, *options):
        done = call(command, file, "--simulate", "--output-format", "json", *options)
        return done.code, json.loads(done.out)

    return simulated


def sent(told):
    """How many requests each stage and the run itself have sent."""
    reports = (*(each["report"] for each in told["stages"]), told)
    return [0 if each is None else each["paid"]["attempts"] for each in reports]


def test_a_stage_runs_first_and_once(chain, run):
    """The second run finds it up to date; a changed document is the only request of the third."""
    code, told = run("run", "themes.yaml")
    assert (code, sent(told)[0], told["stages"][0]["up_to_date"]) == (0, 5, False)
    code, told = run("run", "themes.yaml")
    assert (code, sent(told), told["stages"][0]["up_to_date"]) == (0, [0, 0], True)
    (chain / "contracts" / "c1.md").write_text("Another\n", encoding="utf-8")
    code, told = run("run", "themes.yaml")
    assert (code, sent(told)[0], told["stages"][0]["up_to_date"]) == (0, 1, False)


@pytest.mark.parametrize("edit", ["prompt", "output", "folder", "store"])
def test_a_stage_is_stale_after_a_change(chain, run, edit):
    """Its file, its output, its input, and its store."""
    run("run", "themes.yaml")
    if edit == "prompt":
        (chain / "extract.yaml").write_text(EXTRACT.replace("The topic", "The main topic"), encoding="utf-8")
    elif edit == "output":
        (chain / "out" / "terms.simulated.jsonl").write_text("", encoding="utf-8")
    elif edit == "folder":
        (chain / "contracts" / "c9.md").write_text("New\n", encoding="utf-8")
    else:
        shutil.rmtree(chain / ".yamlgen")
    code, told = run("run", "themes.yaml")
    assert (code, told["stages"][0]["up_to_date"]) == (0, False)
    assert sent(told)[0] == {"prompt": 5, "output": 0, "folder": 1, "store": 5}[edit]


def test_the_pipeline_that_is_asked_for_may_change_alone(chain, run):
    """An edit of the last pipeline does not run the stage again."""
    run("run", "themes.yaml")
    (chain / "themes.yaml").write_text(THEMES.replace("contracts about", "files on"), encoding="utf-8")
    code, told = run("run", "themes.yaml")
    assert (code, told["stages"][0]["up_to_date"], sent(told)[0]) == (0, True, 0)


def test_a_file_of_a_query_makes_a_stage_stale(chain, run):
    """A stage whose rows are a query itself: a new row of its table is sent."""
    query = '{tables: {r: rows.csv}, sql: "select * from r", id: id}'
    folder = '{folder: contracts, pattern: "*.md", id: path}'
    stage = EXTRACT.replace(folder, query).replace("row.text", "row.id").replace("row.path", "row.id")
    (chain / "extract.yaml").write_text(stage, encoding="utf-8")
    (chain / "rows.csv").write_text("id\n1\n2\n", encoding="utf-8")
    assert sent(run("run", "themes.yaml")[1])[0] == 2
    (chain / "rows.csv").write_text("id\n1\n2\n3\n", encoding="utf-8")
    assert sent(run("run", "themes.yaml")[1])[0] == 1


def test_a_change_during_the_run_is_noticed_by_the_next(chain, monkeypatch):
    """What was edited after the stage began was not read by it."""
    monkeypatch.chdir(chain)

    def edit(event):
        if isinstance(event, RunStarted) and event.pipeline == "extract":
            (chain / "extract.yaml").write_text(EXTRACT.replace("The topic", "The subject"), encoding="utf-8")

    yamlgen.run("themes.yaml", simulate=True, on_event=edit)
    (stage,) = yamlgen.run("themes.yaml", simulate=True).stages
    assert stage.report.paid.attempts == 5


def test_every_output_of_a_stage_must_exist(chain, run):
    """Two tables are the outputs of one stage: it runs once, and again if the second file is missing."""
    (chain / "extract.yaml").write_text(
        EXTRACT.replace("output: {path: out/terms.jsonl,", TWO_OUTPUTS), encoding="utf-8"
    )
    tables = "{t: {pipeline: extract.yaml, output: one}, u: {pipeline: extract.yaml, output: two}}"
    last = THEMES.replace("{t: {pipeline: extract.yaml}}", tables).replace("from t", "from t join u using (path)")
    (chain / "themes.yaml").write_text(last.replace("select topic", "select t.topic"), encoding="utf-8")
    assert len(run("run", "themes.yaml")[1]["stages"]) == 1
    (chain / "out" / "two.simulated.parquet").unlink()
    code, told = run("run", "themes.yaml")
    assert (code, sent(told), told["stages"][0]["up_to_date"]) == (0, [0, 0], False)


def test_three_stages_run_in_order(chain, run):
    """A diamond: the first stage is a table of both others, and runs once."""
    last = THEMES.replace("{t: {", "{s: {pipeline: themes.yaml}, t: {").replace("from t", "from t join s using (topic)")
    (chain / "last.yaml").write_text(last.replace("out/themes", "out/last"), encoding="utf-8")
    code, told = run("run", "last.yaml")
    assert (code, [each["file"] for each in told["stages"]]) == (0, ["extract.yaml", "themes.yaml"])
    assert sent(run("run", "last.yaml")[1]) == [0, 0, 0]


@pytest.mark.parametrize(
    ("table", "code", "told", "at"),
    [
        ("{pipeline: extract.yaml, params: {lang: 3}}", "YG402", "extract.yaml: the value of `lang`", "lang: 3"),
        ("{pipeline: extract.yaml}", "YG403", "extract.yaml: the parameter `lang` has no value", "extract.yaml}"),
        (f"{EN[:-2]}, m: 1}}}}", "YG401", "extract.yaml: the pipeline has no parameter", "m: 1"),
        ("{pipeline: last.yaml}", "YG220", "cannot read its own output", "last.yaml"),
        ("{pipeline: gone.yaml}", "YG310", "gone.yaml does not exist", "gone.yaml"),
        ("{pipeline: broken.yaml}", "YG101", "the pipeline broken.yaml has an error: unknown key", "broken.yaml"),
        (
            f"{EN}, u: {EN.replace('en}', 'de}')}",
            "YG220",
            "writes out/terms.jsonl twice",
            "extract.yaml, params: {lang: de",
        ),
        (f"{EN}, u: {EN.replace('extract', 'copy')}", "YG220", "both write out/terms.jsonl", "copy.yaml"),
        (f"{EN}, u: {EN[:-2]}, n: 1}}}}", None, "", ""),
    ],
)
def test_validate_reports_a_stage_at_its_table(chain, call, monkeypatch, table, code, told, at):
    """Its parameters are complete and valid, and no two runs of the chain write one file."""
    monkeypatch.chdir(chain)
    params = "params: {lang: {type: string}, n: {type: integer, default: 1}}\n"
    for name in ("extract.yaml", "copy.yaml"):
        (chain / name).write_text(EXTRACT + params, encoding="utf-8")
    (chain / "broken.yaml").write_text(EXTRACT.replace("steps:", "stepz:"), encoding="utf-8")
    (chain / "last.yaml").write_text(THEMES.replace("{pipeline: extract.yaml}", table), encoding="utf-8")
    done = call("validate", "last.yaml", "--output-format", "json")
    found = json.loads(done.out)["diagnostics"]
    assert [each["code"] for each in found] == ([] if code is None else [code])
    assert all(told in each["message"] for each in found)
    column = (chain / "last.yaml").read_text(encoding="utf-8").splitlines()[3].index(at) + 1
    assert all((each["file"], each["line"], each["column"]) == ("last.yaml", 4, column) for each in found)


def test_the_cells_of_a_csv_file_are_strings_before_the_stage_has_run(chain, call, monkeypatch):
    """`validate` does not accept a query that the run refuses after the stage was paid."""
    monkeypatch.chdir(chain)
    whole = EXTRACT.replace("{topic: {enum: [rent, repair]}}", "{topic: {type: integer}}").replace(".jsonl", ".csv")
    (chain / "extract.yaml").write_text(whole, encoding="utf-8")
    (chain / "themes.yaml").write_text(THEMES.replace("count(*)", "sum(topic)"), encoding="utf-8")
    assert "YG218" in call("validate", "themes.yaml").err
    (chain / "themes.yaml").write_text(THEMES.replace("count(*)", "sum(topic::int)"), encoding="utf-8")
    assert call("validate", "themes.yaml").code == 0


def test_a_limit_is_for_the_first_stage(chain, run):
    """Trial files of both, so that no whole output is replaced."""
    code, told = run("run", "themes.yaml", "--limit", "2")
    assert (code, told["stages"][0]["report"]["rows"]["input"]) == (0, 2)
    assert {path.name for path in (chain / "out").glob("*.jsonl")} == {
        "terms.simulated.limit-2.jsonl",
        "themes.simulated.limit-2.jsonl",
    }


def test_failed_rows_stop_the_chain(chain, run):
    """Exit code 1, and nothing of the pipeline itself; with `partial` it runs on what there is."""
    code, told = run("run", "themes.yaml", "--fault", "refusal=0.5")
    assert (code, told["error"]["code"], told["stages"][0]["report"]["rows"]["failed"] > 0) == (1, "YG623", True)
    assert not (chain / "out" / "themes.simulated.jsonl").exists()
    partial = THEMES.replace("extract.yaml}", "extract.yaml, partial: true}")
    (chain / "themes.yaml").write_text(partial, encoding="utf-8")
    run("run", "themes.yaml", "--fault", "refusal=0.5")
    assert (chain / "out" / "themes.simulated.run.json").exists()


def test_a_stage_without_a_finished_row_stops_the_chain(chain, run):
    """Its output is as before, so that not even `partial` allows it."""
    partial = THEMES.replace("extract.yaml}", "extract.yaml, partial: true}")
    (chain / "themes.yaml").write_text(partial, encoding="utf-8")
    run("run", "themes.yaml")
    code, told = run("run", "themes.yaml", "--fault", "refusal=1")
    assert (code, told["error"]["message"]) == (1, "the chain stopped: every row of extract.yaml failed")


def test_what_a_stopped_stage_did_is_told(run):
    """In JSON among the stages, and not as the run itself."""
    code, told = run("run", "themes.yaml", "--max-requests", "2")
    assert (code, told["stages"][0]["report"]["rows"]["input"], "rows" in told) == (4, 5, False)
    assert told["error"]["message"].startswith("extract.yaml: ")


def test_the_command_that_continues_a_stopped_stage_is_that_of_the_chain(chain, call, monkeypatch):
    """Its finished rows are in the store of the stage."""
    monkeypatch.chdir(chain)
    told = call("run", "themes.yaml", "--simulate", "--max-requests", "2").err
    assert "next: yamlgen run themes.yaml --simulate --max-requests 2\n" in told
    assert "yamlgen runs export extract.yaml" in told


def test_the_warnings_of_a_stage_are_shown_when_it_runs(chain, call, monkeypatch):
    """Once: not if it is up to date."""
    monkeypatch.chdir(chain)
    unused = 'steps:\n  unused: {prompt: "A haiku about {{ row.text }}"}'
    (chain / "extract.yaml").write_text(EXTRACT.replace("steps:", unused), encoding="utf-8")
    assert "warning[" in call("run", "themes.yaml", "--simulate").err
    assert "warning[" not in call("run", "themes.yaml", "--simulate").err


def test_a_chain_without_batches_cannot_be_detached(chain, call, monkeypatch):
    """An error before its first stage runs."""
    monkeypatch.chdir(chain)
    told = call("run", "themes.yaml", "--detach")
    assert (told.code, "no step is sent in batches" in told.err, (chain / ".yamlgen").exists()) == (2, True, False)


def test_printed_rows_are_those_of_the_last_pipeline(chain, call, monkeypatch):
    """The output of the stage is a file."""
    monkeypatch.chdir(chain)
    told = call("run", "themes.yaml", "--simulate", "-o", "-")
    assert {frozenset(json.loads(line)) for line in told.out.splitlines()} == {
        frozenset({"topic", "contracts", "summary"})
    }
    assert (chain / "out" / "terms.simulated.jsonl").exists()


def test_rows_in_place_of_the_query_need_no_stage(chain, run):
    """With `--input`, no stage runs."""
    (chain / "rows.jsonl").write_text('{"topic": "rent", "contracts": 1}\n', encoding="utf-8")
    code, told = run("run", "themes.yaml", "--input", "rows.jsonl")
    assert (code, told.get("stages"), told["rows"]["input"]) == (0, None, 1)


def test_python_users_see_the_stages(chain, monkeypatch):
    """`Result.stages`; an estimate is an error as long as the rows are unknown."""
    monkeypatch.chdir(chain)
    with pytest.raises(yamlgen.YamlgenError, match=r"unknown until extract\.yaml has run"):
        yamlgen.plan("themes.yaml", simulate=True)
    (first,) = yamlgen.run("themes.yaml", simulate=True).stages
    assert (first.file, first.up_to_date, first.report.paid.attempts) == ("extract.yaml", False, 5)
    assert yamlgen.plan("themes.yaml", simulate=True).requests == 0
    (again,) = yamlgen.run("themes.yaml", simulate=True).stages
    assert (again.up_to_date, again.report) == (True, None)


@pytest.mark.parametrize("content", ["", "[]", '{"version": 0}', "\udcff"])
def test_a_broken_note_makes_a_stage_stale(chain, run, content):
    """Nothing is sent again, since the answers are stored."""
    run("run", "themes.yaml")
    (note,) = (chain / ".yamlgen").glob("*.stage.json")
    note.write_bytes(content.encode("utf-8", "surrogateescape"))
    code, told = run("run", "themes.yaml")
    assert (code, sent(told), told["stages"][0]["up_to_date"]) == (0, [0, 0], False)


def test_what_the_stages_cost_counts(chain, run):
    """The limit of the last file covers all of them."""
    (chain / "themes.yaml").write_text(f"{THEMES}limits: {{max_cost_usd: 0.00001}}\n", encoding="utf-8")
    code, told = run("run", "themes.yaml")
    assert (code, told["error"]["code"]) == (4, "YG612")
    assert not (chain / "out" / "themes.simulated.jsonl").exists()


def test_a_question_names_what_the_stages_have_cost(call, chain, monkeypatch):
    """The limit that it names is what they have left."""
    monkeypatch.chdir(chain)
    short = EXTRACT.replace("claude-haiku-5-5", "{id: claude-haiku-5-5, max_tokens: 60}")
    (chain / "extract.yaml").write_text(short, encoding="utf-8")
    told = call("run", "themes.yaml", "--simulate", "--confirm-above-usd", "0.003")
    assert (told.code, "stage 2 of 2" in told.err) == (4, True)
    assert "without what the stages before have cost ($0.0" in told.err


@pytest.mark.parametrize(("point", "left"), [("after-rename:1", [0, 2]), ("after-receive:6", [0, 2])])
def test_a_killed_chain_goes_on_where_it_was(fork_server, chain, run, point, left):
    """What is stored is not sent again, and the output is that of a run which nothing disturbed."""
    run("run", "themes.yaml", "--store", "other")
    undisturbed = (chain / "out" / "themes.simulated.jsonl").read_bytes()
    shutil.rmtree(chain / "out")
    killed = fork_server.call(chain, "run", "themes.yaml", "--simulate", failpoint=point)
    assert killed.code == -signal.SIGKILL
    code, told = run("run", "themes.yaml")
    assert (code, (chain / "out" / "themes.simulated.jsonl").read_bytes()) == (0, undisturbed)
    assert all(now <= most for now, most in zip(sent(told), left, strict=True))


def test_plan_shows_the_stages(run):
    """Rows that a stage has not written yet are unknown; once it has, they are counted."""
    code, told = run("plan", "themes.yaml")
    first, last = told["stages"]
    assert (code, first["forecast"]["requests"], last["waits_for"]) == (0, 5, "extract.yaml")
    run("run", "themes.yaml")
    code, told = run("plan", "themes.yaml")
    assert (code, told["stages"][0]["up_to_date"], told["requests"]) == (0, True, 0)


@pytest.mark.parametrize("command", ["run", "plan"])
def test_columns_that_only_rows_show_are_checked_after_the_stage(call, chain, run, command):
    """A misspelt column is found although `validate` cannot know the columns: nothing is sent for it."""
    (chain / "c.jsonl").write_text('{"path": "c0", "text": "Contract"}\n', encoding="utf-8")
    read = EXTRACT.replace('folder: contracts, pattern: "*.md"', "path: c.jsonl")
    (chain / "extract.yaml").write_text(read.replace(", columns: {path: row.path, topic: steps.terms.topic}", ""))
    (chain / "themes.yaml").write_text(
        THEMES.replace("select topic, count(*) as contracts from t group by topic", "select path as topic from t")
    )
    assert call("validate", "themes.yaml").code == 0
    run("run", "themes.yaml")
    done = call(command, "themes.yaml", "--simulate")
    assert done.code == 2
    assert "unknown column `contracts`" in done.err


def test_a_stage_may_write_no_row(chain, run):
    """An empty CSV file has no header, but the columns of its pipeline are known."""
    step = "steps: {y: {kind: compute, value: row.x + 1}}\n"
    first = f"version: 1\ninput: {{rows: [{{x: 2}}]}}\n{step}output: {{path: out/a.csv, where: steps.y > 5}}\n"
    (chain / "a.yaml").write_text(first, encoding="utf-8")
    query = "input: {tables: {a: {pipeline: a.yaml}}, sql: 'select 1 as id, count(*) as x from a', id: id}\n"
    (chain / "b.yaml").write_text(f"version: 1\n{query}{step}output: {{path: out/b.jsonl}}\n", encoding="utf-8")
    code, told = run("run", "b.yaml")
    assert (code, told["rows"]["finished"]) == (0, 1)
