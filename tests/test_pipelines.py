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
from shipped_pipelines import PIPELINES, TEST_FILES
from yamlgen.schemas.trainer_formats import shape_errors

ROOT = Path(__file__).parent.parent
SHIPPED = PIPELINES
DATA = sorted(path for path in (ROOT / "pipelines/data").iterdir() if path.name != "README.md")
FORMATS = Draft202012Validator.FORMAT_CHECKER


@pytest.fixture
def copied(tmp_path):
    """A copy of the folder of shipped pipelines, without what was ever made from them."""
    return Path(
        shutil.copytree(ROOT / "pipelines", tmp_path / "pipelines", ignore=shutil.ignore_patterns("out", ".yamlgen"))
    )


_RAN = {}


@pytest.fixture
def ran(call, tmp_path_factory):
    """A function that runs a shipped pipeline, once for all tests: the folder of its copy, and what the run told."""

    def first(name):
        if name not in _RAN:
            folder = tmp_path_factory.mktemp("ran") / "pipelines"
            shutil.copytree(ROOT / "pipelines", folder, ignore=shutil.ignore_patterns("out", ".yamlgen"))
            _RAN[name] = folder, call("run", folder / name, "--simulate", "--output-format", "json")
        return _RAN[name]

    return first


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
    (whole,) = plan.outputs
    types = {
        step.name: (step.type, Draft202012Validator(step.type.value, format_checker=FORMATS))
        for step in plan.steps
        if step.name in whole.step_columns
    }
    for row in rows:
        assert row.keys() == expected[0].keys() | types.keys()
        for name, (ours, other) in types.items():
            is_json_text = output.suffix == ".csv" and ours.value != {"type": "string"}
            value = json.loads(row[name]) if is_json_text else row[name]
            assert value != ""
            assert not ours.errors(value)
            assert not list(other.iter_errors(value))


def check_shaped(loaded, outputs):
    """Every row is of its output's type and shape, by our validator and by another, and each part has rows."""
    (shaped,) = loaded.plan().outputs
    other = Draft202012Validator(shaped.type.value, format_checker=FORMATS)
    for output in outputs:
        rows = rows_of(output)
        assert rows
        for row in rows:
            assert not shaped.type.errors(row)
            assert not list(other.iter_errors(row))
            assert shaped.config.shape is None or not shape_errors(shaped.config.shape, row)


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


@pytest.mark.parametrize("path", TEST_FILES, ids=lambda path: path.name)
def test_a_shipped_test_passes_on_its_recordings(path, copied, call):
    """Each case of a shipped test is recorded and passes, each recording is used, and the file says who answered."""
    told = call("validate", path, "--output-format", "json")
    assert (told.code, json.loads(told.out)) == (0, {"version": 1, "diagnostics": []})
    told = call("test", copied / path.name, "--output-format", "json")
    report = json.loads(told.out)
    assert (told.code, {case["verdict"] for case in report["cases"]}) == (0, {"passed"})
    assert not any(report["unused_recordings"].values())
    assert "yamlgen test --record --simulate" in path.read_text(encoding="utf-8").partition("version: 1")[0]


@pytest.mark.parametrize("path", TEST_FILES, ids=lambda path: path.name)
def test_an_edit_under_a_shipped_test_is_a_miss(path, copied, call):
    """An edit of the prompts leaves none of its cases recorded: each reads an answer of the pipeline."""
    pipeline = copied / path.name.replace(".test.yaml", ".yaml")
    text = pipeline.read_text(encoding="utf-8")
    pipeline.write_text(text.replace("prompt: |\n      ", "prompt: |\n      Please. "), encoding="utf-8")
    told = call("test", copied / path.name, "--output-format", "json")
    assert (told.code, {case["verdict"] for case in json.loads(told.out)["cases"]}) == (1, {"not_recorded"})


@pytest.mark.parametrize("name", [path.name for path in SHIPPED])
def test_a_shipped_pipeline_runs(name, ran):
    """Each shipped pipeline runs on the simulator: every row, in order, valid; no failed file; a true record."""
    folder, told = ran(name)
    assert told.code == 0, told.err
    report = json.loads(told.out)
    loaded = yamlgen.load(folder / name)
    (planned,) = loaded.plan().outputs
    written = report["files"]["output"]
    outputs = [Path(path) for path in (written if planned.config.split else [written])]
    assert all(".simulated." in output.name for output in outputs)
    if planned.config.columns is None:
        check_outputs(loaded, *outputs)
    else:
        check_shaped(loaded, outputs)
    assert report["rows"]["failed"] == 0
    run = Path(report["files"]["run"])
    before = tuple(f"{stage.pipeline.path.stem}.simulated." for stage in loaded.stages.values())
    stages = {path for path in run.parent.iterdir() if path.name.startswith(before)}
    others = [path.name for path in run.parent.iterdir() if path not in {run, *outputs, *stages}]
    assert len(others) == (planned.config.rejected is not None)
    assert all(".rejected." in name for name in others)
    record = json.loads(run.read_text(encoding="utf-8"))
    assert record["simulated"] is True
    assert record["rows"] == report["rows"]


@pytest.mark.parametrize("name", [path.name for path in SHIPPED])
def test_a_shipped_pipeline_pays_once(name, ran, call):
    """A second run of a shipped pipeline sends nothing, and writes the same rows."""
    folder, first = ran(name)
    written = [{path.name: path.read_bytes() for path in (folder / "out").iterdir()}]
    again = call("run", folder / name, "--simulate", "--output-format", "json")
    written.append({path.name: path.read_bytes() for path in (folder / "out").iterdir()})
    assert json.loads(first.out)["paid"]["attempts"] > 0
    assert json.loads(again.out)["paid"]["attempts"] == 0
    runs = dict.fromkeys((file for file in written[0] if file.endswith(".run.json")), b"")
    assert written[0] | runs == written[1] | runs


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


def whole_rows(name, folder):
    """The rows of a shipped pipeline with the values of all its steps, whatever its output keeps of them."""
    text = (folder / f"{name}.yaml").read_text(encoding="utf-8")
    steps, _, _ = text.partition("\noutput:")
    (folder / f"{name}_whole.yaml").write_text(f"{steps}\noutput: {{path: out/whole.jsonl}}\n", encoding="utf-8")
    return simulated(f"{name}_whole", folder)


def test_pairs_have_a_clear_margin(copied):
    """`preferences`: a pair is the best and the worst answer to a prompt; without a clear margin it is dropped."""
    pairs = {row["status"]: row for row in simulated("preferences", copied)}
    whole = whole_rows("preferences", copied)
    assert 0 < len(pairs) < len(whole)
    for row in whole:
        scores = [2 * verdict["correct"] + verdict["useful"] for verdict in row["verdict"]]
        best, worst = scores.index(max(scores)), scores.index(min(scores))
        is_clear = max(scores) - min(scores) >= 4 and row["verdict"][best]["correct"] >= 4
        assert (row["status"] in pairs) == is_clear
        if is_clear:
            pair = pairs[row["status"]]
            assert pair["prompt"] == [{"role": "user", "content": row["question"]}]
            assert pair["chosen"] == [{"role": "assistant", "content": row["answers"][best]}]
            assert pair["rejected"] == [{"role": "assistant", "content": row["answers"][worst]}]
            assert pair["scores"] == [max(scores), min(scores)]


def test_the_judge_is_blind(copied, call):
    """`preferences`: a request to the judge has one answer, and neither its number nor its model."""
    call("run", copied / "preferences.yaml", "--simulate", "--limit", 1, "-q")
    told = call("render", copied / "preferences.yaml", "--row", "201").out
    requests, at = [], 0
    while told[at:].strip():
        made, at = json.JSONDecoder().raw_decode(told, at + len(told[at:]) - len(told[at:].lstrip()))
        requests.append(made)
    judged = [json.dumps(made["request"]["messages"]) for made in requests if made["step"] == "verdict"]
    assert len(judged) == 4
    for text in judged:
        assert text.count("<answer>") == 1
        assert not re.search(r"sample|candidate|haiku|answer [0-9]", text)


def test_chats_are_grounded_and_parts_do_not_share_an_entry(copied):
    """`chat_from_faq`: what the judge finds ungrounded is in the rejected file alone; an entry is in one part."""
    rows = simulated("chat_from_faq", copied)
    assert all(row["grounded"] >= 4 for row in rows)
    files = {path.name.split(".")[-2]: rows_of(path) for path in (copied / "out").glob("chat_from_faq*.jsonl")}
    rejected = rows_of(copied / "out" / "chat_from_faq.rejected.simulated.jsonl")
    assert {row["grounded"] for row in rejected} >= {1, 2, 3}
    assert len(rejected) + len(rows) == 4 * len(rows_of(copied / "data/civics_faq.jsonl"))
    train, test = ({row["id"].partition("-")[0] for row in files[part]} for part in ("train", "test"))
    assert train
    assert test
    assert not train & test


def test_a_question_is_written_once(copied):
    """`chat_from_faq`: of chats with the same question, however it is spelled, the first is written."""
    schema = copied / "schemas/faq_exchanges.json"
    exchanges = json.loads(schema.read_text(encoding="utf-8"))
    exchanges["items"]["properties"]["question"] = {"enum": ["What is it? ", "what IS it?"]}
    schema.write_text(json.dumps(exchanges), encoding="utf-8")
    assert len(simulated("chat_from_faq", copied)) == 1


def test_another_system_message_sends_nothing(copied):
    """`chat_from_faq`: the system message of the chats is in the output alone, so another one is free."""
    simulated("chat_from_faq", copied)
    result = yamlgen.run(copied / "chat_from_faq.yaml", simulate=True, params={"assistant": "Be brief."})
    assert {row["messages"][0]["content"] for row in result.rows()} == {"Be brief."}
    assert result.usage.output_tokens == 0


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
    whole = {row["name"]: row for row in whole_rows("diverse_questions", copied)}
    for row in rows:
        angle, exchanges = row["angle"], [whole[row["name"]][step] for step in ("first", "second")]
        assert angle["reader"] in readers
        assert angle["sentences"] <= (2 if angle["form"] == "fact" else 5)
        assert (exchanges[1] is None) == (angle["turns"] == 1)
        said = [(message["role"], message["content"]) for message in row["messages"]]
        assert said == [
            turn
            for exchange in exchanges[: angle["turns"]]
            for turn in (("user", exchange["question"]), ("assistant", exchange["answer"]))
        ]
        assert all(content.endswith("?") for role, content in said if role == "user")


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
    names = ("reviews.yamlgen.yaml", "data/reviews.csv", "schemas/facts.json")
    names += ("reviews.yamlgen.test.yaml", "reviews.yamlgen.answers.jsonl")
    assert [f"wrote my-pipeline/{name}" for name in names] == told.err.splitlines()[:5]
    valid = f"{folder}/reviews.yamlgen.test.yaml: ok (2 cases)\n{folder}/reviews.yamlgen.yaml: ok (2 steps)\n"
    assert call("validate", folder).err == valid
    path = "my-pipeline/reviews.yamlgen.yaml"
    commands = [line.partition("yamlgen ")[2].split() for line in told.err.splitlines()[-3:]]
    assert commands == [["validate", path], ["run", path, "--simulate"], ["plan", path]]
    assert {call(*words).code for words in commands} == {0}
    check_outputs(yamlgen.load(folder / "reviews.yamlgen.yaml"), folder / "out" / "reviews.simulated.jsonl")
    told = call("test", "my-pipeline")
    assert (told.code, told.err) == (0, "2 passed; 4 recorded answers simulated\n")


def test_init_goes_into_this_folder_by_default(tmp_path, monkeypatch, call):
    """Without a folder's name `init` writes where the author stands."""
    monkeypatch.chdir(tmp_path)
    assert call("init").code == 0
    assert (tmp_path / "reviews.yamlgen.yaml").exists()


@pytest.mark.parametrize(
    "taken",
    ["reviews.yamlgen.yaml", "data/reviews.csv", "reviews.yamlgen.answers.jsonl", "test.schema.json", "schemas"],
)
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
    assert told.err.count(str(tmp_path)) == 5
