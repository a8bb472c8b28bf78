"""A diagnostic about an unknown name has the names that are known at its place, and the command that explains it."""

import json
import pickle
import re
from pathlib import Path

import pytest
import yaml

from shipped_pipelines import PIPELINES
from yamlgen.api.loading import check
from yamlgen.diagnostics import Diagnostic, Mark
from yamlgen.errors import Code
from yamlgen.option_names import cli_option_names
from yamlgen.parsing.drafts import drafting
from yamlgen.suggestions import Hint, Rewrite, knowing

MODULE = "def words(text, least=1):\n    return 1\n\n\ndef lines(text):\n    return 2\n"
WHOLE = {
    "version": 1,
    "params": {"shop": {"type": "string", "default": "x"}, "tone": {"type": "string", "default": "dry"}},
    "models": {"writer": {"id": "claude-haiku-5-5"}, "judge": {"id": "claude-sonnet-5-5"}},
    "input": {"rows": [{"id": "a", "text": "tea", "stars": 1}], "id": "id"},
    "steps": {
        "mood": {
            "model": "writer",
            "prompt": "{{ params.shop }} {{ params.tone }} {{ row.text }}",
            "output": {
                "schema": {
                    "type": "object",
                    "required": ["label", "score"],
                    "additionalProperties": False,
                    "properties": {"label": {"type": "string"}, "score": {"type": "integer"}},
                }
            },
        },
        "verdict": {"model": "judge", "prompt": "{{ steps.mood.label }}"},
    },
    "output": {"path": "out.jsonl"},
}


@pytest.fixture
def told(tmp_path, monkeypatch):
    """Return the diagnostic of the whole pipeline with one value changed."""

    def diagnose(path, value):
        document = json.loads(json.dumps(WHOLE))
        holder = document
        for part in path[:-1]:
            holder = holder[part]
        holder[path[-1]] = value
        (tmp_path / "words.py").write_text(MODULE, encoding="utf-8")
        (tmp_path / "style.md").write_text("Short.", encoding="utf-8")
        (tmp_path / "tone.md").write_text("Dry.", encoding="utf-8")
        file = tmp_path / "p.yaml"
        file.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
        return check(Path(file.name))[1][0]

    monkeypatch.chdir(tmp_path)
    return diagnose


STEP = {"model": "judge", "prompt": "{{ steps.mood.label }}"}


@pytest.mark.parametrize(
    ("path", "value", "code", "known"),
    [
        (("steps", "verdict", "prompt"), "{{ row.txt }}", "YG206", ["id", "text", "stars"]),
        (("steps", "verdict", "prompt"), "{{ steps.mud.label }}", "YG204", ["mood"]),
        (("steps", "verdict", "prompt"), "{{ params.town }}", "YG203", ["shop", "tone"]),
        (("steps", "verdict", "prompt"), "{{ steps.mood.colour }}", "YG205", ["label", "score"]),
        (("steps", "verdict", "prompt"), "{{ nothing }}", "YG202", ["row.text", "params.shop", "steps.mood"]),
        (("steps", "verdict", "prompt"), "{{ row.text | uper }}", "YG209", ["upper", "tojson"]),
        (("steps", "verdict", "prompt"), {"file": "styl.md"}, "YG310", ["style.md", "tone.md"]),
        (("steps", "verdict", "prompt"), {"file": "unlike.md"}, "YG310", ["style.md", "tone.md"]),
        (("steps", "verdict", "model"), "nobody", "YG301", ["writer", "judge"]),
        (("steps", "verdict"), {**STEP, "promt": "x"}, "YG101", ["prompt", "model", "for_each"]),
        (("steps", "verdict"), {**STEP, "depends_on": "x"}, "YG101", ["prompt", "model", "for_each"]),
        (("steps", "verdict"), {**STEP, "base_url": "x"}, "YG101", ["prompt", "model", "for_each"]),
        (("steps", "verdict"), {"kind": "python", "call": "words:word"}, "YG320", ["words", "lines"]),
        (
            ("steps", "verdict"),
            {"kind": "python", "call": "words:words", "args": {"text": "row.text", "most": "1"}},
            "YG321",
            ["text", "least"],
        ),
        (("steps", "verdict", "on_error"), "stop", "YG104", ["fail", "null"]),
        (("input", "id"), "idd", "YG206", ["id", "text", "stars"]),
        (("output", "path"), "out.txt", "YG318", [".jsonl", ".csv"]),
        (("output", "exclude"), ["steps.verdit"], "YG204", ["mood", "verdict"]),
        (("models", "writer", "id"), "claude-haiku-5.5", "YG302", ["claude-haiku-5-5", "claude-opus-5-5"]),
        (("colour",), 1, "YG101", ["input", "steps", "output"]),
        (("steps", "verdict", "prompt"), "{{ [1] | sort(revers=true) }}", "YG321", ["reverse", "attribute"]),
        (
            ("steps", "verdict", "prompt"),
            "{{ [{'a': 1}] | map(atribute='a') | join }}",
            "YG321",
            ["attribute", "default"],
        ),
        (("steps", "verdict", "prompt"), "{{ row.text | upper(1) }}", "YG321", []),
        (
            ("steps", "verdict", "prompt"),
            "{% for word in row.text %}{{ wrd }}{% endfor %}",
            "YG202",
            ["word", "row.text"],
        ),
        (("output", "shape_"), "x", "YG101", ["shape"]),
        (
            ("output",),
            {
                "path": "o.jsonl",
                "shape": "instruction",
                "columns": {"prompt": [{"rol": "'user'", "content": "row.text"}], "completion": "row.text"},
            },
            "YG325",
            ["role", "content"],
        ),
        (("params", "tone"), {"type": "string", "enum": ["dry", "warm"], "default": "wram"}, "YG402", ["dry", "warm"]),
        (
            ("steps", "mood", "output"),
            {"schema": {"type": "array", "items": {"tpye": "string"}}},
            "YG312",
            ["type", "enum"],
        ),
    ],
)
def test_the_names_that_are_known_are_told(path, value, code, known, told):
    """Each kind of unknown name comes with its candidates, and with the command that explains its code."""
    found = told(path, value)
    assert set(known) <= set(found.known), found
    with cli_option_names():
        as_json = found.as_json()
    assert as_json["known"] == list(found.known)
    assert as_json["explain"] == f"yamlgen explain {as_json['code']}"
    assert found.as_json()["explain"] == f"errors/{as_json['code']}.md"
    if code != "YG302":
        assert as_json["code"] == code


TYPED = (r"\b(?:row|params|steps)\.(\w{4,})", r"^(\w{4,}):", r"^    (prompt|output|model|for_each|call|values):")
"""A member of a root, a key of the file, and a key of a step."""


@pytest.mark.parametrize("path", PIPELINES, ids=lambda path: path.stem)
def test_a_slip_in_a_right_pipeline_is_mended_by_the_names(path):
    """Two letters are swapped in a name: one diagnostic knows the right name, or the wrong one where it is declared."""
    text = path.read_text("utf-8")
    for found in filter(None, (re.search(pattern, text, re.MULTILINE) for pattern in TYPED)):
        right = found[1]
        wrong = right[:2] + right[3] + right[2] + right[4:] if right[2] != right[3] else right[:3] + right[4:]
        with drafting({path.resolve(): text[: found.start(1)] + wrong + text[found.end(1) :]}):
            told = check(path)[1]
        assert any({right, wrong} & set(each.known) for each in told), (found[0], told)


def test_a_mistake_without_a_name_knows_none(told):
    """A diagnostic about something else has no names."""
    assert told(("limits",), {"max_requests": 0}).as_json()["known"] == []


def test_a_hint_keeps_its_names():
    """The names stay if the text changes, or the hint is pickled; a rewrite stays one."""
    hint = Rewrite("did you mean `b`?", "a", "b").knowing(["b", "c"])
    for each in (hint.reworded("did you mean `b`? (also in line 3)"), pickle.loads(pickle.dumps(hint))):  # noqa: S301 - its own
        assert (each.known, each.old, each.new) == (("b", "c"), "a", "b")
    assert knowing(hint, ["d"]).known == ("b", "c")
    assert knowing(None, ["d"]) is None
    assert Hint("x", {"b", "a"}).known == ("a", "b")


def test_a_hint_is_its_text():
    """Two diagnostics with the same text are equal, whatever the names."""
    mark = Mark("p.yaml", 1, 1, 1, 2)
    plain, told = (Diagnostic(Code.UNKNOWN_KEY, "x", mark, hint) for hint in ("y", Hint("y", ["z"])))
    assert plain == told
    assert (plain.known, told.known) == ((), ("z",))


def test_a_key_is_never_among_the_names(tmp_path):
    """A column that is an API key is left out of the names."""
    secret = "sk-ant-api03-" + "a1B2" * 10
    document = json.loads(json.dumps(WHOLE))
    (tmp_path / "rows.jsonl").write_text(json.dumps({"id": "a", "text": "b", secret: 1}) + "\n", encoding="utf-8")
    document["input"] = {"path": "rows.jsonl", "id": "id"}
    document["steps"]["verdict"]["prompt"] = "{{ row.txt }}"
    file = tmp_path / "p.yaml"
    file.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    found = [each.as_json() for each in check(file)[1]]
    assert any("text" in each["known"] for each in found)
    assert secret not in json.dumps(found)
