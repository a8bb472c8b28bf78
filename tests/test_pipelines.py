"""The shipped pipelines and the starter of `init`: each is right as it stands, and runs on the simulator."""

import csv
import json
import re
import runpy
import shutil
from datetime import date
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

import yamlgen

ROOT = Path(__file__).parent.parent
SHIPPED = sorted((ROOT / "pipelines").glob("*.yaml"))
DATA = sorted(path for path in (ROOT / "pipelines/data").iterdir() if path.name != "README.md")
FORMATS = Draft202012Validator.FORMAT_CHECKER


@pytest.fixture
def copied(tmp_path):
    """A copy of the folder of shipped pipelines, without what was ever made from them."""
    return Path(
        shutil.copytree(ROOT / "pipelines", tmp_path / "pipelines", ignore=shutil.ignore_patterns("out", ".yamlgen"))
    )


def rows_of(path):
    """The rows of an output, nested values read back."""
    if path.suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def check_outputs(loaded, output):
    """Every row is there, in input order, and every value is of its step's type, by our validator and by another."""
    plan, rows = loaded.plan(), rows_of(output)
    expected = [dict(given.row) for given in loaded.source.rows()]
    assert [{name: row[name] for name in expected[0]} for row in rows] == expected
    types = {
        step.name: (step.type, Draft202012Validator(step.type.value, format_checker=FORMATS)) for step in plan.steps
    }
    for row in rows:
        assert row.keys() == expected[0].keys() | types.keys()
        for name, (ours, other) in types.items():
            is_json_text = output.suffix == ".csv" and ours.value != {"type": "string"}
            value = json.loads(row[name]) if is_json_text else row[name]
            assert value != ""
            assert not ours.errors(value)
            assert not list(other.iter_errors(value))


def simulated(name, folder, **options):
    """The rows of a shipped pipeline, run on the simulator."""
    result = yamlgen.run(folder / f"{name}.yaml", simulate=True, **options)
    assert not result.failures
    return result.rows()


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_pipeline_is_right(path, call):
    """Each shipped pipeline validates without an error or a warning."""
    told = call("validate", path, "--output-format", "json")
    assert (told.code, json.loads(told.out)) == (0, {"version": 1, "diagnostics": []})


@pytest.mark.parametrize("name", [path.name for path in SHIPPED])
def test_a_shipped_pipeline_runs(name, copied, call):
    """Each shipped pipeline runs on the simulator: every row, in order, valid; no failed file; a true record."""
    told = call("run", copied / name, "--simulate", "--output-format", "json")
    assert told.code == 0, told.err
    report = json.loads(told.out)
    output = Path(report["files"]["output"])
    assert ".simulated." in output.name
    check_outputs(yamlgen.load(copied / name), output)
    assert report["rows"]["failed"] == 0
    assert sorted(path.name for path in output.parent.iterdir()) == [
        f"{output.stem}{output.suffix}",
        f"{output.stem}.run.json",
    ]
    record = json.loads(Path(report["files"]["run"]).read_text(encoding="utf-8"))
    assert record["simulated"] is True
    assert record["rows"] == report["rows"]


def test_the_marathons_are_real_data():
    """The mission's example reads some forty marathons, each with a name of its own."""
    lines = (ROOT / "pipelines/data/marathons.jsonl").read_text(encoding="utf-8").splitlines()
    assert len({json.loads(line)["name"] for line in lines}) == len(lines) >= 40


@pytest.mark.parametrize("path", DATA, ids=lambda path: path.name)
def test_data_names_its_source_and_licence(path):
    """Each file of data is small, and has a line in the README beside it: what it is, its source, its licence."""
    lines = (ROOT / "pipelines/data/README.md").read_text(encoding="utf-8").splitlines()
    (line,) = [line for line in lines if line.startswith(f"| `{path.name}` |")]
    what, source, licence = (cell.strip() for cell in line.strip("|").split("|")[1:])
    assert what
    assert source
    assert licence in {"CC0 1.0", "public domain"}
    assert path.stat().st_size < 16_000


def test_the_readme_names_no_data_that_is_not_there():
    """The README of the data has a line for each file there is, and for no other."""
    text = (ROOT / "pipelines/data/README.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)) == [path.name for path in DATA]


def test_the_article_has_all_its_sections_in_order(copied):
    """`outline_to_article`: the article is its title, its lead, and all the sections as planned, in order."""
    rows = simulated("outline_to_article", copied)
    assert len({len(row["section"]) for row in rows}) > 1
    for row in rows:
        sections, outline = row["section"], row["outline"]
        assert len(sections) == len(set(sections)) == len(outline["sections"])
        parts = [f"# {outline['title']}", row["lead"]["lead"]]
        for planned, section in zip(outline["sections"], sections, strict=True):
            parts += [f"## {planned['heading']}", section]
        assert row["article"]["markdown"] == "\n\n".join(parts) + "\n"


def test_the_winner_is_the_best_by_score(copied):
    """`best_of_three`: the first of the best drafts is chosen, the last of the worst rejected; a tie has no margin."""
    rows = simulated("best_of_three", copied)
    for row in rows:
        drafts, winner = row["draft"], row["winner"]
        totals = [2 * score["faithful"] + score["plain"] for score in row["score"]]
        assert len(drafts) == len(set(drafts)) == len(totals) == 3
        assert winner["draft"] == totals.index(max(totals)) + 1
        assert winner["chosen"] == drafts[winner["draft"] - 1]
        assert winner["rejected"] == drafts[2 - totals[::-1].index(min(totals))]
        assert winner["margin"] == max(totals) - min(totals)
    assert len({row["winner"]["draft"] for row in rows}) > 1


def test_of_a_tie_the_earliest_draft_wins(copied):
    """`best_of_three`: where all drafts are as good, the first is chosen, and another one is rejected."""
    schema = copied / "schemas/plain_english.json"
    always = re.sub(r'"minimum": 1, "maximum": 5', '"const": 4', schema.read_text(encoding="utf-8"))
    schema.write_text(always, encoding="utf-8")
    for row in simulated("best_of_three", copied):
        first, _, last = row["draft"]
        assert row["winner"] == {"draft": 1, "chosen": first, "rejected": last, "margin": 0}


def test_draws_do_not_depend_on_the_order_of_rows(copied):
    """`diverse_questions`: rows in another order, and fewer, draw what they drew before; by another seed not."""
    before = {row["name"]: row["angle"] for row in simulated("diverse_questions", copied)}
    elements = copied / "data/elements.json"
    rows = json.loads(elements.read_text(encoding="utf-8"))
    elements.write_text(json.dumps(rows[:3:-1]), encoding="utf-8")
    again = simulated("diverse_questions", copied, output=copied / "again.jsonl")
    assert [row["name"] for row in again] == [row["name"] for row in rows[:3:-1]]
    assert all(row["angle"] == before[row["name"]] for row in again)
    pipeline = copied / "diverse_questions.yaml"
    seeded = pipeline.read_text(encoding="utf-8").replace("kind: draw", "kind: draw\n    seed: 1")
    pipeline.write_text(seeded, encoding="utf-8")
    other = simulated("diverse_questions", copied, output=copied / "other.jsonl")
    assert any(row["angle"] != before[row["name"]] for row in other)


def test_draws_make_the_questions_diverse(copied):
    """`diverse_questions`: every form comes up, cases go by it, and the chat has as many turns as were drawn."""
    rows = simulated("diverse_questions", copied)
    readers = {row["reader"] for row in rows_of(copied / "data/readers.csv")}
    assert {row["angle"]["form"] for row in rows} == {"fact", "comparison", "reason", "mistake"}
    assert len({row["angle"]["reader"] for row in rows}) > len(readers) / 2
    assert {row["angle"]["turns"] for row in rows} == {1, 2}
    for row in rows:
        angle, exchanges = row["angle"], [row["first"], row["second"]][: row["angle"]["turns"]]
        assert angle["reader"] in readers
        assert angle["sentences"] <= (2 if angle["form"] == "fact" else 5)
        assert (row["second"] is None) == (angle["turns"] == 1)
        said = [(message["role"], message["content"]) for message in row["chat"]["messages"]]
        assert said == [
            turn
            for exchange in exchanges
            for turn in (("user", exchange["question"]), ("assistant", exchange["answer"]))
        ]
        assert all(exchange["question"].endswith("?") for exchange in exchanges)


def test_a_question_that_speaks_of_the_facts_is_refused(copied):
    """`diverse_questions`: an answer that its checks do not let pass sets the row aside, and says why."""
    schema = copied / "schemas/exchange.json"
    exchange = json.loads(schema.read_text(encoding="utf-8"))
    exchange["properties"]["question"] = {"type": "string", "const": "What do the facts say?"}
    schema.write_text(json.dumps(exchange), encoding="utf-8")
    result = yamlgen.run(copied / "diverse_questions.yaml", simulate=True, limit=1)
    (failed,) = result.failures
    assert "The question speaks of the facts, which nobody in the chat has seen." in failed["message"]


def test_python_does_the_calendar_and_the_audit(copied):
    """`enrich_with_python`: what its functions find is right, and decides on the repair."""
    rows = simulated("enrich_with_python", copied)
    flights = {row["mission"]: row["flight"] for row in rows}
    assert flights["Apollo 11"] == {
        "launched": "1969-07-16",
        "landed": "1969-07-24",
        "launch_weekday": "Wednesday",
        "landing_weekday": "Thursday",
        "days": 9,
        "days_after_gagarin": 3017,
    }
    for row in rows:
        flight = row["flight"]
        first, last = date.fromisoformat(flight["launched"]), date.fromisoformat(flight["landed"])
        assert flight["days"] == last.toordinal() - first.toordinal() + 1 > 0
        assert (first.strftime("%A"), last.strftime("%A")) == (flight["launch_weekday"], flight["landing_weekday"])
        assert (row["repair"] is None) == (row["audit"] == [])
        assert row["final"]["label"] == (row["repair"] or row["label"])
    assert [row["launched"] for row in flights.values()] == sorted(row["launched"] for row in flights.values())


@pytest.mark.parametrize(
    ("text", "unsupported"),
    [
        ("On 16 July 1969 Apollo 11 left, 3,017 days after Gagarin.", []),
        ("It flew 8 days, 8 hours and 1.5 million km.", ["8", "1.5"]),
        ("In 1970, and on 07 July, and in 1,969 ways.", ["1970"]),
        ("Three people, eleven days.", []),
    ],
)
def test_the_audit_finds_the_numbers_that_no_fact_has(text, unsupported):
    """A number is supported when the facts have it, however it is written; words are not looked at."""
    functions = runpy.run_path(str(ROOT / "pipelines/flights.py"))
    facts = [{"mission": "Apollo 11", "launched": "16 July 1969"}, {"launched": "1969-07-16", "days": 9, "more": 3017}]
    assert functions["unsupported"](text, facts) == unsupported
    assert functions["audited"](text, facts) == {"label": text, "unsupported": unsupported}


@pytest.mark.parametrize("launched", ["21 Juli 1961", "1961-07-21", "31 June 1961", ""])
def test_a_date_that_is_none_sets_its_row_aside(launched, copied):
    """`enrich_with_python`: a date that cannot be read is quoted in the failure of its row, and of no other."""
    missions = copied / "data/missions.csv"
    text = missions.read_text(encoding="utf-8")
    missions.write_text(text.replace("7,Gus Grissom,21 July 1961", f"7,Gus Grissom,{launched}"), encoding="utf-8")
    result = yamlgen.run(copied / "enrich_with_python.yaml", simulate=True, limit=3)
    assert len(result.rows()) == 2
    (failed,) = result.failures
    assert f"{launched!r} is no date such as '16 July 1969'" in failed["message"]


def test_a_label_with_unsupported_numbers_is_repaired(copied):
    """`enrich_with_python`: a label is written again where the audit found numbers, and only there."""
    pipeline = copied / "enrich_with_python.yaml"
    text = pipeline.read_text(encoding="utf-8")
    assert text.count("facts: \"[row, steps.flight, '12 April 1961']\"") == 2
    pipeline.write_text(re.sub('facts: .*]"', 'facts: "[]"', text), encoding="utf-8")
    rows = simulated("enrich_with_python", copied)
    assert {row["mission"]: row["audit"] for row in rows}["Freedom 7"] == ["7"]
    assert {bool(row["audit"]) for row in rows} == {True, False}
    for row in rows:
        assert (row["repair"] is None) == (row["audit"] == [])
        assert row["final"] == {"label": row["repair"] or row["label"], "unsupported": []}


def test_a_run_says_the_same_again(copied, call):
    """The same pipeline, asked again on the simulator, writes the same bytes, and rows differ from one another."""
    first, second = copied / "first.jsonl", copied / "second.jsonl"
    for path in (first, second):
        assert call("run", copied / "hello.yaml", "--simulate", "--fresh", "-q", "-o", path).code == 0
    assert first.read_bytes() == second.read_bytes()
    assert len({row["greeting"] for row in rows_of(first)}) == 3


def test_the_starter_works(tmp_path, monkeypatch, call):
    """What `init` writes into a fresh folder validates and runs, by the command that it names."""
    monkeypatch.chdir(tmp_path)
    told = call("init", "my-pipeline")
    assert told.code == 0
    folder = tmp_path / "my-pipeline"
    names = ("pipeline.yaml", "data/reviews.csv", "schemas/facts.json", "pipeline.schema.json")
    assert [f"wrote my-pipeline/{name}" for name in names] == told.err.splitlines()[:4]
    assert call("validate", folder).err == f"{folder}/pipeline.yaml: ok (2 steps)\n"
    command = told.err.rpartition("next: yamlgen ")[2].split()
    assert command == ["run", "my-pipeline/pipeline.yaml", "--simulate"]
    assert call(*command, "-q").code == 0
    check_outputs(yamlgen.load(folder / "pipeline.yaml"), folder / "out" / "reviews.simulated.jsonl")


def test_init_goes_into_this_folder_by_default(tmp_path, monkeypatch, call):
    """Without a folder's name `init` writes where the author stands."""
    monkeypatch.chdir(tmp_path)
    assert call("init").code == 0
    assert (tmp_path / "pipeline.yaml").exists()


@pytest.mark.parametrize("taken", ["pipeline.yaml", "data/reviews.csv", "pipeline.schema.json", "schemas"])
def test_init_never_overwrites(taken, tmp_path, call):
    """When one of its files (or a file in place of a folder) is there, `init` writes nothing and names it."""
    mine = tmp_path / taken
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("mine", encoding="utf-8")
    told = call("init", tmp_path)
    assert told.code == 2
    assert f"`{mine}` already exists; nothing was written" in told.err
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [mine]
    assert mine.read_text(encoding="utf-8") == "mine"


def test_init_names_all_that_is_taken(tmp_path, call):
    """A second `init` says every file that it would have overwritten."""
    call("init", tmp_path)
    told = call("init", tmp_path)
    assert told.code == 2
    assert told.err.count(str(tmp_path)) == 4
