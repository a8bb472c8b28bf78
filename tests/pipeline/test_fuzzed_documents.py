"""Whatever a file holds, `validate` tells it: no foreign exception, and each place inside its file.

Each document is made from a number, its seed: a file of `cases/` or `pipelines/` with a few parts of it changed, as
text or as data. The suite tries a few; thorough, with the seeds from the one given:

    YAMLGEN_FUZZ=100000 YAMLGEN_FUZZ_SEED=0 pytest -s tests/language/test_fuzz.py
"""

import json
import os
import random
import shutil
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path

import pytest
import yaml

from yamlgen.api.loading import check
from yamlgen.cli.messages import as_json, rendered
from yamlgen.diagnostics import InvalidPipeline
from yamlgen.parsing.source_map import LINE_END
from yamlgen.testing.suite_files import is_test_file

COUNT = int(os.environ.get("YAMLGEN_FUZZ", "60"))
SEED = int(os.environ.get("YAMLGEN_FUZZ_SEED", "0"))
LONGEST = 2500
HOME = Path(__file__).parent.parent.parent
CASES = HOME / "tests" / "cases"
FOLDERS = (CASES / "valid", CASES / "invalid", HOME / "pipelines")

ODD = (
    *(
        None,
        True,
        False,
        0,
        -1,
        1.5,
        1e308,
        -1e308,
        10**30,
        10**309,
        10**350,
        "",
        " ",
        "\0",
        "\x85",
        "\u2028",
        "\ufeff",
    ),
    *(
        "x" * 300,
        "é" * 200,
        "a/" * 3000,
        "../" * 50,
        "/",
        ".",
        "~",
        "-",
        "*",
        "**/*",
        "[",
        "a\nb",
        "\r",
        "\t",
        "{{",
        "{%",
    ),
    *(
        "{{ row }}",
        "{{ steps.a }}",
        "{# x",
        "row.a.b",
        "((((",
        "a:b",
        "a.b:c",
        "..:x",
        "schema.json#",
        "#/",
        "#a",
        "file:x",
    ),
    *(
        "http://[",
        "https://h:99999999",
        "https://h\x85",
        "50%",
        "1e999",
        ".inf",
        "{}",
        '{"type": "object"}',
        "\U0001f600",
    ),
    *(
        [],
        {},
        [[]],
        [{}],
        {"": 1},
        {"a": {"b": {"c": []}}},
        {"file": "x" * 300},
        {"file": "\0"},
        {"$ref": "#"},
        {"$ref": 1},
    ),
    *(
        {"$ref": "\0"},
        {"$ref": "x" * 300},
        {"$schema": 5},
        {"$schema": "x"},
        {"$id": "http://["},
        {"$id": "a", "$ref": "a"},
    ),
    *({"type": []}, {"enum": []}, {"pattern": "("}, {"minimum": 10**400}, {"$anchor": "a", "$ref": "#a"}, {"not": {}}),
    *({"multipleOf": 1e-300}, {"maxLength": 1e300}, {"required": [1]}, {"properties": []}, {"$dynamicRef": "#x"}),
    *({"allOf": [{"$ref": "#"}]}, {"$defs": {"a": {"$id": "b", "$schema": "c"}}}, {"format": 5}, {"items": [{}]}),
)
PIECES = (
    *(
        "\0",
        "\t",
        "\r",
        "\n",
        "\r\n",
        "\x85",
        "\u2028",
        "\ufeff",
        "\ud7ff",
        "{",
        "}",
        "[",
        "]",
        ":",
        ": ",
        "- ",
        "#",
        " #",
    ),
    *(
        "&a ",
        "*a",
        "!x ",
        "!!str ",
        "|",
        ">",
        "|2\n",
        ">-\n",
        "'",
        '"',
        "\\",
        "%YAML 1.2\n",
        "---\n",
        "...\n",
        "<<: *a\n",
        "? ",
    ),
    *(
        "{{",
        "}}",
        "{%",
        "%}",
        "{#",
        "\\ud83d",
        "\\ude00",
        "\\ud83d\\ude00",
        "\\x",
        "~",
        "1e999",
        ".inf",
        "0x" + "f" * 300,
    ),
    *("9" * 350, "9" * 5000, "x" * 1100, "[" * 70, "@", "`", ",", "<<", "=", "\U0001f600", "é", "sk-ant-x"),
)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with all that the files of the three name, and the texts of these."""
    home = tmp_path_factory.mktemp("fuzz")
    for folder in FOLDERS:
        shutil.copytree(folder, home, dirs_exist_ok=True)
    paths = [path for folder in FOLDERS for path in sorted(folder.glob("*.yaml")) if not is_test_file(path)]
    texts = [path.read_bytes().decode() for path in paths]
    return home, [text for text in texts if len(text) <= LONGEST]


def places(value, path=()):
    """The path to each part of some data, the whole first."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in inner:
        yield from places(part, (*path, key))


def replaced(value, path, new):
    """The data with another value at a path, under another key where `new` is a pair."""
    if not path:
        return new
    key, *rest = path
    if isinstance(value, dict):
        return {k: replaced(v, rest, new) if k == key else v for k, v in value.items()}
    return [replaced(v, rest, new) if k == key else v for k, v in enumerate(value)]


def within(value, path):
    """The part of the data at a path."""
    for key in path:
        value = value[key]
    return value


def as_data(chance, data, other):
    """The data with a value put in, taken out, moved, or under another key."""
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        path = chance.choice(list(places(data)))
        part = within(data, path)
        what = chance.randrange(5)
        if what == 0:
            donor = chance.choice((data, other))
            data = replaced(data, path, within(donor, chance.choice(list(places(donor)))))
        elif what == 1 and isinstance(part, dict) and part:
            key = chance.choice(list(part))
            name = chance.choice(
                (f"{key}x", key[1:], key.upper(), chance.choice([o for o in ODD if isinstance(o, str)]))
            )
            data = replaced(data, path, {name if k == key else k: v for k, v in part.items()})
        elif what == 2 and isinstance(part, dict):
            data = replaced(
                data, path, {**part, chance.choice(("$ref", "format", "schema", "id", "x")): chance.choice(ODD)}
            )
        else:
            data = replaced(data, path, chance.choice(ODD))
    try:
        return (
            json.dumps(data, ensure_ascii=chance.random() < 0.5)
            if chance.random() < 0.5
            else yaml.dump(data, Dumper=yaml.CSafeDumper)
        )
    except RecursionError:
        return "{}"


def as_text(chance, text, other):
    """The text with a piece put in, taken out, doubled, or from elsewhere."""
    for _ in range(chance.choice((1, 1, 2, 4))):
        at = chance.randrange(len(text) + 1)
        end = min(len(text), at + chance.choice((0, 1, 3, 30)))
        start = chance.randrange(len(other) + 1)
        piece = chance.choice(
            (chance.choice(PIECES), "", text[at:end] * 2, other[start : start + chance.randrange(60)])
        )
        text = text[:at] + piece + text[end:]
    endings = chance.random()
    return text.replace("\n", "\r") if endings < 0.04 else text.replace("\n", "\r\n") if endings < 0.08 else text


@cache
def parsed(text):
    """The data of a text, by a reader that is not ours."""
    return yaml.load(text, Loader=yaml.CSafeLoader)


def document(seed, texts):
    """The document of a seed."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    text, other = chance.choice(texts), chance.choice(texts)
    if chance.random() < 0.5:
        try:
            data, donor = parsed(text), parsed(other)
            if isinstance(data, dict) and isinstance(donor, dict) and all(isinstance(key, str) for key in data):
                return as_data(chance, data, donor)
        except (yaml.YAMLError, TypeError, ValueError, RecursionError):
            pass
    return as_text(chance, text, other)


def misplaced(diagnostic):
    """Whether a place is behind the end of its line, or of its file."""
    mark, path = diagnostic.mark, Path(diagnostic.mark.file)
    if not path.is_file():
        return False
    lines = LINE_END.split(path.read_bytes().decode("utf-8-sig", "replace"))
    if (mark.line, mark.column) == (1, 1):  # the file as a whole
        return False
    inside = 1 <= mark.line <= len(lines) and 1 <= mark.column <= len(lines[mark.line - 1]) + 1
    return not (inside and mark.end_column > mark.column)


def try_one(text):
    """What `validate` does with a text, to the last line that it prints."""
    path = Path("fuzzed.yaml")
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    pipeline, diagnostics = check(path)
    as_json(diagnostics)
    for diagnostic in diagnostics:
        rendered(diagnostic)
    assert pipeline is not None or any(diagnostic.severity == "error" for diagnostic in diagnostics)
    assert [diagnostic for diagnostic in diagnostics if misplaced(diagnostic)] == []
    if pipeline is not None:
        with suppress(InvalidPipeline):
            pipeline.plan()


def test_no_foreign_exception_leaves_validate(home, monkeypatch):
    """Each document has its errors, at places inside their files, or a plan."""
    folder, texts = home
    monkeypatch.chdir(folder)
    failed = {}
    for seed in range(SEED, SEED + COUNT):
        try:
            try_one(document(seed, texts))
        except Exception as error:  # noqa: BLE001 - whatever it is: it is told with its seed
            failed[seed] = f"{type(error).__name__}: {error}"[:300]
            tell(f"seed {seed}: {failed[seed]}")
        if (seed + 1) % 1000 == 0:
            tell(f"seeds {SEED} to {seed}: {len(failed)} failed")
    assert failed == {}


def tell(text):
    """Say how far it is, to who fuzzes by hand."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
