"""Test files: which there are, what is in them, and which of their cases are chosen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from yamlgen.api.found_files import yaml_files_in
from yamlgen.api.loading import check
from yamlgen.diagnostics import Diagnostic, InvalidPipeline
from yamlgen.errors import Code, UsageError, near
from yamlgen.option_names import by_surface
from yamlgen.parsing.project_folder import is_folder
from yamlgen.parsing.similar_paths import neighbour
from yamlgen.suggestions import listing, nearest
from yamlgen.testing.reader import read_suite
from yamlgen.testing.recording_file import read_recordings
from yamlgen.testing.recordings import RecordedAnswers
from yamlgen.testing.suite import CheckedCase, CheckedSuite
from yamlgen.testing.suite_files import ENDINGS, RECORDINGS, is_recordings_file, is_test_file, other_of, stem_of


@dataclass(frozen=True)
class OpenedSuite:
    """A checked test file with its recorded answers.

    Attributes:
        suite: the test file.
        answers: its recorded answers.
        cases: the chosen cases.
    """

    suite: CheckedSuite
    answers: RecordedAnswers
    cases: tuple[CheckedCase, ...]

    @property
    def is_whole(self) -> bool:
        """Whether all cases are chosen."""
        return len(self.cases) == len(self.suite.cases)


def find_test_files(paths: Sequence[str | Path]) -> list[Path]:
    """Return test files: those that are named, and all in the named folders and below, sorted.

    Below a named folder, hidden files and folders are left out, and the folders of installed packages.

    Args:
        paths: files and folders. Default: the current folder.

    Raises:
        UsageError: a path is not a test file, or there is none.
    """
    found: list[Path] = []
    for path in map(Path, paths or ["."]):
        if is_folder(path):
            inside = sorted(filter(is_test_file, yaml_files_in(path)))
            if not inside and paths:
                raise _none(f"the folder {near(path)} contains no test file")
            found += inside
        elif is_test_file(path):
            found.append(path)
        else:
            raise _no_test_file(path)
    if not found:
        raise _none("there is no test file in this folder or below")
    return list(dict.fromkeys(found))


def _no_test_file(path: Path) -> UsageError:
    """Return the error of a path that does not exist, or is no test file."""
    stem = path.name.removesuffix(RECORDINGS) if is_recordings_file(path) else path.stem
    beside = next((each for ending in ENDINGS if (each := path.with_name(f"{stem}{ending}")).exists()), None)
    hint = None if beside is None else f"did you mean `{near(beside)}`?"
    if not path.exists():
        way = "write the path of a test file, or of a folder of them"
        hint = hint or _similar(path, stem) or neighbour(path, near(path), way)
        return UsageError(f"{near(path)} does not exist", code=Code.MISSING_FILE, hint=hint)
    if hint is None:
        hint = f"its name must end with {ENDINGS[0]}"
        if path.suffix in (".yaml", ".yml"):
            made = f"{stem}{ENDINGS[0]}"
            hint += by_surface(command=f"; `yamlgen test {near(path)} --from-run` writes {made} from a run", python="")
    return UsageError(f"{near(path)} is not a test file", code=Code.UNKNOWN_FORMAT, hint=hint)


def _similar(path: Path, stem: str) -> str | None:
    """Return the hint for a path that does not exist: the test file in its folder with the most similar name."""
    beside = sorted(each for each in path.parent.glob("*") if is_test_file(each)) if is_folder(path.parent) else []
    stems = {stem_of(each): each for each in beside}
    meant = nearest(stem, stems)
    return None if meant is None else f"did you mean `{near(stems[meant])}`?"


def _none(message: str) -> UsageError:
    first = by_surface(command="`yamlgen test --from-run` writes one from a run", python="write one")
    return UsageError(message, code=Code.MISSING_FILE, hint=f"{first}, such as triage{ENDINGS[0]} next to triage.yaml")


def open_suites(
    files: Iterable[Path], word: str | None = None, *, update: bool = False
) -> tuple[list[OpenedSuite], list[Diagnostic]]:
    """Read and check test files with their recordings.

    Args:
        files: the files.
        word: choose the cases whose name, or the name of whose file without `.test.yaml`, contains this word, in any
            case of letters.
        update: whether golden files will be written anew, so that they need not be JSON now.

    Returns:
        The files, each with its chosen cases, without those that have none; and the warnings.

    Raises:
        InvalidPipeline: a test file or a file of recordings has errors; `.diagnostics` contains all of them.
        UsageError: a file does not exist, or no case is chosen.
    """
    suites: list[CheckedSuite] = []
    found: list[Diagnostic] = []
    for path in files:
        if not path.exists():
            other = neighbour(path, near(path), "write the path of a test file, or of a folder of them")
            raise UsageError(f"{near(path)} does not exist", code=Code.MISSING_FILE, hint=other)
        if other_of(path).exists():
            message = f"{near(path)} and {near(other_of(path))} would have the same recorded answers"
            raise UsageError(message, code=Code.CONFLICT, hint="rename one of them, or write its cases into the other")
        suite, diagnostics = read_suite(path.absolute(), str(path), check, update=update)
        found += diagnostics
        suites += [] if suite is None else [suite]
    if any(each.severity == "error" for each in found):
        raise InvalidPipeline(tuple(found))
    opened = [OpenedSuite(suite, RecordedAnswers(), _chosen(suite, word)) for suite in suites]
    if word is not None and not any(each.cases for each in opened):
        message = f"no case has `{word}` in its name or in the name of its file"
        raise UsageError(message, code=Code.WRONG_VALUE, hint=_near_names(suites, word))
    return [_with_answers(each, found) for each in opened if each.cases], found


def _chosen(suite: CheckedSuite, word: str | None) -> tuple[CheckedCase, ...]:
    if word is None or word.lower() in stem_of(suite.path).lower():
        return suite.cases
    return tuple(case for case in suite.cases if word.lower() in case.name.lower())


def _near_names(suites: Sequence[CheckedSuite], word: str) -> str:
    """Return the hint for a word that chooses no case: the most similar name or word of a name, or else all names."""
    names = list(dict.fromkeys(case.name for suite in suites for case in suite.cases))
    whole = [*names, *(stem_of(suite.path) for suite in suites)]
    words = [each for name in whole for each in name.split()]
    meant = nearest(word, whole) or nearest(word, words)
    return f"did you mean `{meant}`?" if meant is not None else f"cases: {listing(names)}"


def _with_answers(opened: OpenedSuite, found: list[Diagnostic]) -> OpenedSuite:
    read = read_recordings(opened.suite.recordings)
    found += read.warnings
    return replace(opened, answers=read.recordings)
