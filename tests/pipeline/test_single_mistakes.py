"""One mistake gives one error, at its place, naming it.

By hand, with the figure, each so manyth mistake: `python tests/language/test_single_mistakes.py [STRIDE [FIRST]]`;
all 70,000 take half an hour.
"""

import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from planted_mistakes import Mistake, mistakes

from yamlgen.api.loading import check
from yamlgen.diagnostics import Diagnostic
from yamlgen.errors import Code
from yamlgen.parsing.source_map import SourceText
from yamlgen.parsing.yaml_parser import compose
from yamlgen.pipeline import document_repair
from yamlgen.pipeline.parsed_file import read
from yamlgen.pipeline.schema_messages import deviations
from yamlgen.testing.suite_files import is_test_file

ROOT = Path(__file__).parent.parent.parent
FOLDERS = (ROOT / "pipelines", ROOT / "tests" / "cases" / "valid")
STRIDE = 1499
"""The suite plants each so manyth mistake; a prime, so that each kind comes up."""


def pipelines(folder: Path) -> list[Path]:
    """The pipelines of a folder that need no command line."""
    found = sorted(path for path in folder.glob("*.yaml") if not is_test_file(path))
    return [path for path in found if "# with:" not in path.read_text(encoding="utf-8-sig")[:200]]


def told(
    path: Path, mistake: Mistake, text: str, before: tuple[Diagnostic, ...], pipeline: Path
) -> tuple[str, list[Diagnostic]]:
    """What is said of a pipeline with a mistake in a file, and whether it is right: `one`, `warning`, or what it is.

    Returns:
        `meant` where nothing is said of what may be no mistake.
    """
    path.write_text(mistake.text, encoding="utf-8")
    try:
        found = check(pipeline.name)[1]
    finally:
        path.write_text(text, encoding="utf-8")
    errors = [each for each in found if each.severity == "error"]
    more = Counter(each.code for each in found) - Counter(each.code for each in before)
    messages = {each.message for each in before}
    changed = [each for each in found if each.severity == "warning" and each.message not in messages]
    new = errors + [each for each in changed if each.code in more]
    new = new or changed[:1]
    if not new and not mistake.is_sure:
        return "meant", new
    if len(new) != 1:
        return f"{len(new)} told", new
    said = f"{new[0].message} {new[0].hint}"
    words = [word for word in mistake.words if len(word) > 1]
    stops = new[0].code is Code.NOT_YAML and new[0].mark.line > mistake.line  # a reader does, where it cannot go on
    here = stops or new[0].mark.line == mistake.line or f"line {mistake.line}" in said
    here = here or any(word in said for word in words)
    return ("one" if new[0].severity == "error" else "warning") if here else "elsewhere", new


def is_one(mistake: Mistake, text: str, suffix: str) -> bool:
    """Whether a change is a mistake at all: the file says something else with it."""
    if suffix == ".md" or mistake.text == text:
        return mistake.text != text
    (before, _), (after, _) = compose(SourceText("", text)), compose(SourceText("", mistake.text))
    return suffix == ".json" or before is None or after is None or before.data != after.data


def planted(folder: Path) -> Iterator[tuple[Path, Path]]:
    """The files of a folder that mistakes are planted into: the pipelines, and what they name, each with a pipeline."""
    named: dict[Path, Path] = {}
    for path in pipelines(folder):
        yield path, path
        parsed = read(path, path.name)[0]
        for each in sorted(parsed.files()) if parsed is not None else ():
            if each.suffix in (".json", ".md") and each.parent.name in ("schemas", "prompts"):
                named.setdefault(each, path)
    yield from named.items()


def swept(folder: Path, stride: int, first: int = 0) -> Iterator[tuple[str, str, list[Diagnostic]]]:
    """The mistakes of a folder's pipelines, in the working directory, each with what came of it."""
    number = first
    for path, pipeline in planted(folder):
        text = path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
        before: tuple[Diagnostic, ...] | None = None
        for mistake in mistakes(text, path.suffix):
            number += 1
            if number % stride == 0 and is_one(mistake, text, path.suffix):
                if before is None:
                    before = check(pipeline.name)[1]
                verdict, found = told(path, mistake, text, before, pipeline)
                if verdict != "meant":
                    yield verdict, f"{path.name}: {mistake}", found


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_one_mistake_is_told_once(folder, tmp_path, monkeypatch):
    """Of the mistakes that people make each gives one error, or one warning, at its place or by its name."""
    here = Path(shutil.copytree(folder, tmp_path / folder.name))
    monkeypatch.chdir(here)
    wrong = [
        (what, verdict, found) for verdict, what, found in swept(here, STRIDE) if verdict not in ("one", "warning")
    ]
    assert len(wrong) <= 1, wrong


def test_many_mistyped_keys_cost_no_more_looks_than_one(tmp_path, monkeypatch):
    """Each is told, and the whole file is held against the language as often as for a single one."""
    looks = Counter()

    def counted(data):
        looks["all"] += 1
        return deviations(data)

    monkeypatch.setattr(document_repair, "deviations", counted)
    monkeypatch.chdir(tmp_path)
    for count in (1, 60):
        steps = "".join(f"  s{n}: {{model: m, promt: Hello}}\n" for n in range(count))
        Path("p.yaml").write_text(
            f"version: 1\ninput: {{rows: [{{a: 1}}]}}\nsteps:\n{steps}output: {{path: o.jsonl}}\n"
        )
        assert len(check("p.yaml")[1]) == count
        looks[count], looks["all"] = looks["all"], 0
    assert looks[60] == looks[1]


def main() -> None:
    """Plant them all, and print the share that is told once."""
    import os  # noqa: PLC0415 - by hand only

    verdicts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as box:
        for folder in FOLDERS:
            here = Path(shutil.copytree(folder, Path(box) / folder.name))
            os.chdir(here)
            for verdict, what, found in swept(here, *map(int, sys.argv[1:3] or [1])):
                verdicts[verdict] += 1
                if verdict not in ("one", "warning"):
                    print(f"{verdict}: {what}", *(f"    {each.place} {each.message}" for each in found), sep="\n")  # noqa: T201
    right = verdicts["one"] + verdicts["warning"]
    print(f"{right:,} of {verdicts.total():,} are told once ({right / verdicts.total():.1%}): {dict(verdicts)}")  # noqa: T201


if __name__ == "__main__":
    main()
