"""Histories of a pipeline that is edited and run: what a plain run comes to is compared with a run that rechecks.

The API answers by the words of a request and by its own version, so that equal stores get equal answers in any order.
"""

import hashlib
import json
import re
import shutil
import sqlite3
import tempfile
from contextlib import closing
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path

from counted_runs import PipelineProject
from scripted_api import call, refusal, said
from yamlgen.api.loading import load
from yamlgen.errors import YamlgenError
from yamlgen.events import RowsTakenOver

TOWNS = ("Oslo", "Rome", "Graz", "Cork", "Bern", "Nice")
TAGS = ("sea", "art", "food")
MODULES = (
    "def score(town, weight=1):\n    return len(town) * weight\n",
    "# the same, told\ndef score(town, weight=1):\n    return len(town) * weight\n",
    "from words import more\n\n\ndef score(town, weight=1):\n    return more(town) * weight\n",
    "import importlib\n\n\ndef score(town, weight=1):\n    return importlib.import_module('words').more(town)\n",
    """\
import json
from pathlib import Path


def score(town, weight=1):
    return json.loads(Path(__file__).with_name("terms.json").read_text()).get(town, 7)
""",
)
WORDS = ("def more(town):\n    return len(town) + 1\n", "def more(town):\n    return len(town) + 2\n")
TERMS = ('{"Oslo": 3}', '{"Oslo": 4, "Rome": 5}')
TIMED = frozenset({"run", "started", "ended", "seconds", "timeline", "pace", "duration", "examples", "digest"})
"""What a record and a forecast say of the time, of the order of answers, and of the run itself; digests of files that
name runs."""

NAMED = re.compile(r"\d{8}T\d{6}-[0-9a-f]{6}|req_\d+")
"""The name of a run, which `provenance` tells, and the API's number of a request."""


def ask(prompt, **more):
    """A step that asks the quick model."""
    return {"model": "quick", "prompt": prompt, **more}


def facts_schema(kinds=("old", "new", 3), **more):
    """The schema of the step `facts`."""
    return {"type": "object", "required": ["kind"], "properties": {"kind": {"enum": list(kinds), **more}}}


STEPS = {
    "facts": ask("Facts on {{ row.town }}.", output={"schema": facts_schema(), "reasks": 1}),
    "line": ask("A line on {{ row.town }}, {{ steps.facts.kind }}, {{ params.tone }}."),
    "score": {
        "kind": "python",
        "call": "scoring:score",
        "args": {"town": "row.town"},
        "keep": True,
        "reads": ["terms.json"],
        "output": {"schema": {"type": "integer"}},
    },
    "dice": {"kind": "draw", "draws": {"eye": {"integer": [1, 6]}, "tone": {"choices": ["dry", "warm"]}}},
    "sums": {"kind": "compute", "values": {"size": "row.town | length", "eye": "steps.dice.eye"}},
    "item": ask("On {{ item }} in {{ row.town }}, {{ steps.score }}.", for_each="row.tags"),
}


def document():
    """The pipeline before it is edited."""
    return {
        "version": 1,
        "name": "towns",
        "params": {"tone": {"type": "string", "default": "dry"}, "least": {"type": "integer", "default": 0}},
        "models": {
            "quick": {"id": "claude-haiku-5-5", "max_tokens": 2000},
            "slow": {"id": "claude-sonnet-5-5", "max_tokens": 2000},
        },
        "runtime": {"max_retries": 0, "concurrency": 3},
        "input": {"path": "rows.jsonl"},
        "steps": deepcopy(STEPS),
        "output": {"path": "out/towns.jsonl"},
    }


class WordyApi:
    """Answers by the words of a request and by its own version: facts, cut answers, refusals, lines.

    Attributes:
        version: with another one, it answers otherwise.
        is_picky: whether it refuses native schemas.
    """

    def __init__(self):
        self.version = 0
        self.is_picky = False

    def __call__(self, body):
        """The reply to a body."""
        asked = json.dumps([body["model"], body["messages"], body.get("system"), self.version])
        number = int.from_bytes(hashlib.sha256(asked.encode()).digest()[:4], "big")
        if self.is_picky and "format" in body.get("output_config", {}):
            return refusal(400, "This model does not support structured outputs.")
        if number % 31 == 2:
            return refusal(400, "not this one")
        if number % 19 == 0:
            return said(stop="refusal")
        if number % 23 == 1:
            return said("Cut", stop="max_tokens")
        words = body["messages"][0]["content"]
        if not isinstance(words, str) or "Facts on" not in words:
            return said(f"No. {number} by {body['model']}")
        kind = {"kind": ("old", "new", 3, "no")[number % 4]}
        return (
            said(call(kind, body["tools"][0]["name"]), stop="tool_use") if "tools" in body else said(json.dumps(kind))
        )


@dataclass
class EditedHistory:
    """A pipeline, its rows and its store, and what was done to them.

    Attributes:
        project: the pipeline in a folder, with a scripted API.
        chance: decides what is done.
        told: what was done, in order.
        params: the parameters of the next runs.
        states: what was edited, as it was before each edit.
        taken: how many rows were taken over in all comparisons.
        rows: how many rows there were in them.
    """

    project: PipelineProject
    chance: object
    told: list = field(default_factory=list)
    params: dict = field(default_factory=dict)
    states: list = field(default_factory=list)
    taken: int = 0
    rows: int = 0

    def __post_init__(self):
        self.project.document, self.project.script = document(), WordyApi()
        self.project.rows = [self.row(number) for number in range(1, 6)]
        if self.chance.random() < 0.5:  # a fresh run makes kept values anew, which hides newer answers
            del self.project.document["steps"]["score"], self.project.document["steps"]["item"]
        self.put("scoring.py", MODULES[0])
        self.put("words.py", WORDS[0])
        self.put("terms.json", TERMS[0])

    def row(self, number):
        """A row."""
        pick = self.chance
        return {"id": number, "town": pick.choice(TOWNS), "tags": pick.sample(TAGS, pick.randint(0, 2)), "free": 0}

    def put(self, name, text):
        """Write a file beside the pipeline."""
        (self.project.folder / name).write_text(text)

    def texts(self):
        """The files beside the pipeline that are edited, by name."""
        return {name: (self.project.folder / name).read_text() for name in ("scoring.py", "words.py", "terms.json")}

    # What is edited.

    def edit(self):
        """Edit the pipeline, its files, its parameters or its input."""
        self.states.append((deepcopy(self.project.document), deepcopy(self.project.rows), self.params, self.texts()))
        edits = [name for name in dir(self) if name.startswith("edit_")]
        edits += ["edit_back", "edit_back", "edit_back", "edit_back"]
        name, before = self.chance.choice(edits), deepcopy(self.project.document)
        told = getattr(self, name)()
        self.project.save()
        try:
            load(self.project.path).plan(self.params)
        except YamlgenError:
            self.project.document, told = before, "refused"
        self.told.append(f"{name}: {told}")

    def set(self, path, *values):
        """Set what a dotted path names to one of some values."""
        value = deepcopy(self.chance.choice(values))
        step = path.split(".")[1] if path.startswith("steps.") else None
        if step is not None and step not in self.project.document["steps"]:
            return f"{step} is away"
        self.project.set(path, value)
        return f"{path} = {value!r}"

    def edit_prompt(self):
        """Another prompt."""
        return self.set("steps.line.prompt", "A line on {{ row.town }}, {{ params.tone }}.", STEPS["line"]["prompt"])

    def edit_facts(self):
        """Another prompt of a step that is checked."""
        return self.set("steps.facts.prompt", "Facts on {{ row.town }}.", "Facts on {{ row.town }}, {{ row.free }}.")

    def edit_schema(self):
        """A schema that accepts other answers, or only says more."""
        schemas = (facts_schema(), facts_schema(("old", "new")), facts_schema(type="string"), facts_schema(title="x"))
        return self.set("steps.facts.output.schema", *schemas)

    def edit_check(self):
        """Other conditions of an answer."""
        checks = (None, ["output.kind != 'old'"], ["output.kind != params.tone"])
        return self.set("steps.facts.check", *checks)

    def edit_outcome(self):
        """What happens to failures."""
        changes = (
            ("steps.facts.output.reasks", 0, 1, 2),
            ("steps.facts.on_error", None, "null"),
            ("steps.line.on_refusal", None, ["slow"]),
            ("steps.item.on_truncated", None, "retry_larger"),
            ("steps.item.on_item_error", None, "null"),
        )
        path, *values = self.chance.choice(changes)
        if self.chance.random() < 0.5 and path.endswith("error"):  # `null` is a value there
            name = path.split(".")[1]
            if name in self.project.document["steps"]:
                self.project.document["steps"][name][path.split(".")[2]] = None
                return f"{path} is null"
        return self.set(path, *(value for value in values if value != "null"))

    def edit_mode(self):
        """How JSON is requested."""
        return self.set("steps.facts.output.mode", "native", "tools", "json", "auto")

    def edit_model(self):
        """Another model, or other settings."""
        change = self.chance.choice(
            (
                ("models.quick.id", "claude-haiku-5-5", "claude-haiku-4-5"),
                ("models.quick.max_tokens", 2000, 1500),
                ("steps.line.model", "quick", "slow"),
                ("steps.line.max_tokens", None, 900),
                ("models.quick.price", None, {"input": 1, "output": 2}),
            )
        )
        return self.set(*change)

    def edit_fan_out(self):
        """How often a step runs for a row."""
        change = self.chance.choice(
            (
                ("steps.line.samples", None, 2, 3),
                ("steps.item.matrix", None, {"way": ["up", "down"]}),
                ("steps.item.for_each", "row.tags", "row.tags[:1]"),
                ("steps.line.when", None, "row.town != 'Oslo'", "steps.dice.eye > 2"),
            )
        )
        return self.set(*change)

    def edit_steps(self):
        """A step goes, comes back, or is renamed."""
        steps = self.project.document["steps"]
        name = self.chance.choice(("line", "item", "dice", "renamed", "order"))
        if name == "order":
            self.project.document["steps"] = dict(sorted(steps.items(), key=lambda _: self.chance.random()))
            return "another order"
        if name == "renamed":
            old, new = ("line", "verse") if "line" in steps else ("verse", "line")
            if old not in steps:
                return "nothing"
            self.project.document["steps"] = {new if each == old else each: step for each, step in steps.items()}
            return f"{old} is {new}"
        if name == "dice" and ("sums" in steps or "steps.dice" in str(steps.get("line"))):
            steps.pop("sums", None)
            return "without sums"
        if name in steps:
            del steps[name]
            return f"without {name}"
        if name == "item":
            steps["score"] = deepcopy(STEPS["score"])
        if name != "line" or "verse" not in steps:
            steps[name] = deepcopy(STEPS[name])
        return f"with {name}"

    def edit_draw(self):
        """Other draws."""
        seed = ("steps.dice.seed", 0, 1)
        return self.set(*self.chance.choice((seed, ("steps.dice.draws.eye.integer", [1, 6], [1, 3]))))

    def edit_params(self):
        """Another parameter."""
        self.params = {"tone": self.chance.choice(("dry", "warm")), "least": self.chance.randint(0, 1)}
        return self.params

    def edit_python(self):
        """Another function, or other files that it depends on."""
        name, texts = self.chance.choice((("scoring.py", MODULES), ("words.py", WORDS), ("terms.json", TERMS)))
        text = self.chance.choice(texts)
        self.put(name, text)
        return f"{name} = {text!r}"

    def edit_keep(self):
        """Whether its values are kept."""
        if "score" not in self.project.document["steps"]:
            return "score is away"
        keep = self.chance.random() < 0.7
        self.project.set("steps.score.keep", keep)
        self.project.set("steps.score.reads", ["terms.json"] if keep else None)
        return f"keep = {keep}"

    def edit_output(self):
        """Which rows the output has, and what is in them."""
        change = self.chance.choice(
            (
                ("output.where", None, "row.id > params.least", "steps.sums.size > 4", "row.tags[0] == 'sea'"),
                ("output.unique", None, "row.town"),
                ("output.columns", None, {"town": "row.town", "first": "row.tags[0]"}, {"town": "row.town"}),
                ("output.path", "out/towns.jsonl", "out/others.jsonl"),
                ("output.provenance", False, True),
                ("output.for_each", None, "row.tags"),
                ("output.failed", "separate", "keep"),
            )
        )
        return self.set(*change)

    def edit_runtime(self):
        """The connection; most of it matters to no answer."""
        change = self.chance.choice(
            (
                ("runtime.concurrency", 1, 3),
                ("runtime.timeout", 100, 200),
                ("runtime.api_version", None, "2023-06-01"),
                ("name", "towns", "places"),
                ("limits", None, {"max_cost_usd": 50}),
            )
        )
        return self.set(*change)

    def edit_rows(self):
        """Rows are added, removed, sorted, changed or doubled."""
        rows, way = self.project.rows, self.chance.choice(("add", "add", "drop", "sort", "change", "double"))
        if way == "add" or not rows:
            rows.append(self.row(max((row["id"] for row in rows), default=0) + 1))
        elif way == "drop" and len(rows) > 2:
            rows.pop(self.chance.randrange(len(rows)))
        elif way == "sort":
            self.chance.shuffle(rows)
        elif way == "double":
            rows.append({**deepcopy(self.chance.choice(rows)), "id": max(row["id"] for row in rows) + 1})
        else:
            row = self.chance.choice(rows)
            row[self.chance.choice(("town", "free"))] = self.chance.choice(TOWNS)
        return f"{way}: {[(row['id'], row['town'], row['free']) for row in rows]}"

    def edit_back(self):
        """Everything is as it was before one of the edits."""
        document, rows, self.params, texts = deepcopy(self.chance.choice(self.states))
        self.project.document, self.project.rows = document, rows
        for name, text in texts.items():
            self.put(name, text)
        return "as before"

    def edit_id(self):
        """Rows are known by an id, or by what is in them."""
        return self.set("input.id", "id", None)

    def edit_api(self):
        """The API answers otherwise from now on."""
        script = self.project.script
        if self.chance.random() < 0.3:
            script.is_picky = not script.is_picky
            return f"is picky: {script.is_picky}"
        script.version += 1
        return script.version

    # What is run.

    def go(self):
        """Run in one of many ways; however it ends."""
        ways = (
            {},
            {"limit": self.chance.randint(1, 4)},
            {"fresh": True},
            {"fresh": True, "limit": self.chance.randint(1, 3)},
            {"stop_after": self.chance.randint(1, 4)},
            {"stop_after": self.chance.randint(1, 4), "cancel": True},
            {"fresh": True, "stop_after": self.chance.randint(2, 6)},
            {"fresh": True, "stop_after": self.chance.randint(2, 6)},
            {"offline": True},
            {"recheck": True},
            {"retry": True},
        )
        way = dict(self.chance.choice(ways))
        self.project.script.version += "fresh" in way
        if "retry" in way:
            names = self.failed_runs()
            if not names:
                return
            way["retry"] = self.chance.choice(names)
        done = self.run(**way)
        self.told.append(f"run {way}: {done.asked} asked, {done.report.finished} finished, {done.error}")

    def failed_runs(self):
        """The names of the runs that can be retried."""
        if not self.project.store().exists():
            return []
        with closing(sqlite3.connect(f"file:{self.project.store()}?mode=ro", uri=True)) as connection:
            query = "SELECT name FROM run WHERE EXISTS (SELECT 1 FROM row WHERE run = run.id AND status = 'failed')"
            return [name for (name,) in connection.execute(query)]

    def run(self, **options):
        """Run the pipeline."""
        return self.project.run(params=self.params, **options)

    # What is compared.

    def compare(self):
        """Compare a run with one that rechecks; the history goes on from one of them."""
        self.project.save()
        folder, before = self.project.folder, Snapshot(self.project.folder)
        plain, taken = self.came_to(recheck=False)
        after = Snapshot(folder)
        before.restore()
        checked, none = self.came_to(recheck=True)
        assert none == 0
        assert plain == checked, difference(plain, checked)
        self.taken += taken
        self.rows += len(self.project.rows)
        is_plain = self.chance.random() < 0.5
        self.told.append(
            f"compared, {taken} of {len(self.project.rows)} taken over, on by {is_plain}: {plain['error']}"
        )
        if is_plain:
            after.restore()

    def came_to(self, *, recheck):
        """What a plan, a run, and the run after it come to; and how many rows were taken over."""
        plan = self.planned(recheck=recheck)
        first, taken = self.outcome(recheck=recheck)
        again, _ = self.outcome()
        return {"plan": plan, **first, "again": again, "after": self.planned()}, taken

    def planned(self, **options):
        """The forecast as JSON."""
        self.project.save()
        return untimed(self.project.plan(params=self.params, **options).as_json())

    def outcome(self, **options):
        """What a run comes to, without times; and how many rows were taken over."""
        sent = len(self.project.server.bodies)
        done = self.run(**options)
        bodies = sorted(json.dumps(body, sort_keys=True) for body in self.project.server.bodies[sent:])
        report = untimed(done.report.as_json())
        made = {
            "error": None if done.error is None else done.error.code,
            "report": report,
            "bodies": bodies,
            "files": self.files(),
            "rows": stored_rows(self.project.store()),
        }
        return made, sum(len(event.rows) for event in done.events if isinstance(event, RowsTakenOver))

    def files(self):
        """The bytes of the outputs, and the records without times."""
        found = {}
        for path in sorted((self.project.folder / "out").glob("*")):
            is_record = path.name.endswith(".run.json")
            text = NAMED.sub("", path.read_text())
            found[path.name] = untimed(json.loads(text)) if is_record else text
        return found


class Snapshot:
    """The files of a folder at a time."""

    def __init__(self, folder):
        self.folder = folder
        self.copy = Path(tempfile.mkdtemp(dir=folder.parent))
        shutil.copytree(folder, self.copy, dirs_exist_ok=True)

    def restore(self):
        """Put the files back."""
        for path in self.folder.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        shutil.copytree(self.copy, self.folder, dirs_exist_ok=True)


def untimed(value):
    """A record without what depends on the time and on the name of the run."""
    if isinstance(value, dict):
        return {name: untimed(each) for name, each in value.items() if name not in TIMED}
    if isinstance(value, str):
        return NAMED.sub("", value)
    return sorted(map(untimed, value), key=str) if isinstance(value, list) else value


def stored_rows(path):
    """The rows of the latest run in a store, with their results."""
    if not path.exists():
        return []
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        query = """
            SELECT row.number, row.status, hex(row.identity), hex(source.digest), row.kept IS NULL, result.step,
                   result.status, result.value, result.code,
                   (SELECT json_group_array(json_array(hex(attempt.key), json_extract(noted.value, '$[1]')))
                    FROM json_each(result.attempts) AS noted
                    JOIN attempt ON attempt.id = json_extract(noted.value, '$[0]'))
            FROM row JOIN source ON source.id = row.source
            JOIN json_each(row.results) AS own JOIN result ON result.id = own.value
            WHERE row.run = (SELECT max(id) FROM run) ORDER BY number, own.key
        """
        kept = "SELECT hex(key), value, run = (SELECT max(id) FROM run) FROM kept ORDER BY key"
        return [*connection.execute(query), *connection.execute(kept)]


def difference(one, other, at=""):
    """The first places at which two values differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        names = sorted({*one, *other}, key=str)
        found = (difference(one.get(name), other.get(name), f"{at}/{name}") for name in names)
        return "\n".join(each for each in found if each)
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        found = (difference(*each, f"{at}/{number}") for number, each in enumerate(zip(one, other, strict=True)))
        return "\n".join(each for each in found if each)
    if isinstance(one, str) and isinstance(other, str) and one != other:
        same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
        one, other = one[max(same - 60, 0) : same + 200], other[max(same - 60, 0) : same + 200]
    return "" if one == other else f"{at}:\n  plain:   {one!r}\n  recheck: {other!r}"
