"""One pipeline for each construct beyond one prompt a row, for the tests that hold for all of them."""

from copy import deepcopy

from scripted_api import said

TOWNS = {"Oslo": ["sea", "food"], "Rome": ["art", "food", "art"], "Graz": [], "Cork": ["sea"]}
"""The rows, and the list of each: with equal items, with none, with one."""

ROWS = [{"town": town, "tags": tags} for town, tags in TOWNS.items()]
ITEMS = sum(map(len, TOWNS.values()))
ALL = len(TOWNS)
MODELS = {
    "quick": {"id": "claude-haiku-5-5", "max_tokens": 2000},
    "twin": {"id": "claude-haiku-5-5", "max_tokens": 2000},
    "slow": {"id": "claude-sonnet-5-5", "max_tokens": 2000},
}
MODULE = """\
def score(town, weight=1):
    with open("calls.log", "a") as log:
        log.write(f"{town}\\n")
    return len(town) * weight
"""
"""A function that notes its calls."""


def ask(prompt, **more):
    """A step that asks the quick model."""
    return {"model": "quick", "prompt": prompt, **more}


TAGS = {"type": "object", "required": ["tags"], "properties": {"tags": {"type": "array", "items": {"type": "string"}}}}
"""What a model says that gives a list; nothing says how long it may be."""

SCORED = ask("A line on {{ row.town }} of {{ steps.score }}.")
SCORE = {"kind": "python", "call": "scoring:score", "args": {"town": "row.town"}}
LINE = "A line on {{ row.town }}"
CONSTRUCTS = {
    "for_each": ({"line": ask(f"{LINE} and its {{{{ item }}}}.", for_each="row.tags")}, ITEMS),
    "samples": ({"line": ask(LINE, samples=3)}, 3 * ALL),
    "matrix": ({"line": ask(f"{LINE}, {{{{ matrix.tone }}}}.", matrix={"tone": ["dry", "warm"]})}, 2 * ALL),
    "models": ({"line": {"prompt": LINE, "matrix": {"model": ["quick", "twin", "slow"]}}}, 3 * ALL),
    "all at once": (
        {
            "line": {
                "prompt": f"{LINE}, {{{{ item }}}}, {{{{ matrix.tone }}}}.",
                "for_each": "row.tags",
                "matrix": {"model": ["quick", "slow"], "tone": ["dry", "warm"]},
                "samples": 2,
            }
        },
        8 * ITEMS,
    ),
    "when": (
        {
            "line": ask(LINE, when="row.town != 'Rome'"),
            "after": ask("After {{ steps.line }}"),
            "instead": ask("Instead of {{ row.town }}", when="steps.line is none"),
        },
        2 * (ALL - 1) + 1,
    ),
    "check": ({"line": ask(LINE, check=["output | length > 3", "row.town in output"])}, ALL),
    "compute": (
        {
            "sums": {"kind": "compute", "values": {"size": "row.town | length", "many": "row.tags | length"}},
            "line": ask(f"{LINE} of {{{{ steps.sums.size }}}}."),
        },
        ALL,
    ),
    "python": ({"score": SCORE, "line": SCORED}, ALL),
    "kept": ({"score": {**SCORE, "keep": True}, "line": SCORED}, ALL),
    "draw": (
        {
            "dice": {"kind": "draw", "draws": {"eye": {"integer": [1, 6]}, "tone": {"choices": ["dry", "warm"]}}},
            "line": ask(f"{LINE} of {{{{ steps.dice.eye }}}}, {{{{ steps.dice.tone }}}}."),
        },
        ALL,
    ),
    "a list to come": (
        {
            "facts": ask("Facts on {{ row.town }}.", output={"schema": TAGS}),
            "line": ask(f"{LINE} and its {{{{ item }}}}.", for_each="steps.facts.tags"),
        },
        ALL + 2 * ALL,
    ),
}
"""Steps by construct, and how many requests they take."""


class Numbered:
    """Answers with the request and its number, so that no two answers are the same; lists of two to facts.

    Attributes:
        wrong: words -> replies that come first, one after the other, to requests with these words in their turns.
    """

    def __init__(self, **wrong):
        self.wrong = wrong
        self.number = 0

    def __call__(self, body):
        """The reply to a body."""
        asked = body["messages"][0]["content"]
        for words, replies in self.wrong.items():
            if words in str(body["messages"]) and replies:
                return replies.pop(0)
        if asked.startswith("Facts"):
            return said('{"tags": ["sea", "air"]}')
        self.number += 1
        return said(f"No. {self.number}: {body['model']}: {asked}")


def lay_out(project, steps):
    """Put steps onto the project; the names of steps that ask are not those of its own pipeline."""
    project.document["steps"] = deepcopy(steps)
    project.document["models"] = MODELS
    project.rows = [dict(row) for row in ROWS]
    project.script = Numbered()
    project.set("runtime.concurrency", 3)
    (project.folder / "scoring.py").write_text(MODULE)


def calls(project):
    """For which towns the function was called, in order; they are forgotten."""
    log = project.folder / "calls.log"
    found = log.read_text().split() if log.exists() else []
    log.unlink(missing_ok=True)
    return found
