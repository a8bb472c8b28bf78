"""What a check has found, as CI systems take it: at paths of the repository, and with fingerprints."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from yamlgen.api.source_lines import source_lines
from yamlgen.canonical_json import fingerprint
from yamlgen.diagnostics import Diagnostic, Mark
from yamlgen.option_names import is_option
from yamlgen.parsing.project_folder import is_file, real, repository_of


@dataclass(frozen=True)
class CheckedFile:
    """A pipeline or a test file that was checked, with all its diagnostics."""

    path: str
    diagnostics: tuple[Diagnostic, ...]


@dataclass(frozen=True)
class CheckReport:
    """What a check of files has found. Paths are relative to `root`, with `/`; those of files outside are absolute.

    Attributes:
        root: the top folder of the repository; without a repository, the current folder.
        files: the checked files.
        diagnostics: the diagnostics of all files, each once, with its fingerprint. A fingerprint is unique, and does
            not change when other lines are added or removed.
    """

    root: Path
    files: tuple[CheckedFile, ...]
    diagnostics: tuple[tuple[Diagnostic, str], ...]


def report_of(checked: Sequence[tuple[Path, Iterable[Diagnostic]]]) -> CheckReport:
    """Return the report of files with their diagnostics. A diagnostic of an option is placed at the file."""
    root = _root(path for path, _ in checked)

    @cache
    def shown(file: str) -> str:
        return _within(root, file)

    files: list[CheckedFile] = []
    found: dict[Diagnostic, Diagnostic] = {}
    known: set[Diagnostic] = set()
    for path, diagnostics in checked:
        placed = {each: _placed(each, str(path), shown) for each in diagnostics}
        files.append(CheckedFile(shown(str(path)), tuple(placed.values())))
        for diagnostic, at in placed.items():
            if diagnostic not in known:  # the same error of an option is at another file each time
                found.setdefault(at, diagnostic)
        known |= placed.keys()
    return CheckReport(root, tuple(files), tuple(zip(found, _fingerprints(found), strict=True)))


def described(diagnostic: Diagnostic) -> str:
    """Return the message of a diagnostic with its hint in brackets."""
    return diagnostic.message + (f" ({diagnostic.hint})" if diagnostic.hint else "")


def _root(paths: Iterable[Path]) -> Path:
    """Return the repository of the current folder, or else of the first file that is in one."""
    here = Path()
    found = (repository for path in (here, *paths) if (repository := repository_of(path)) is not None)
    return next(found, real(here))


def _within(root: Path, file: str) -> str:
    """Return a path as git names it, or the whole path of a file outside the repository."""
    for place in (real(Path(file)), whole := Path(os.path.abspath(file))):  # noqa: PTH100 - removes `..` as well
        if place.is_relative_to(root):
            return place.relative_to(root).as_posix()
    return str(whole)


def _placed(diagnostic: Diagnostic, checked: str, shown: Callable[[str], str]) -> Diagnostic:
    """Return a diagnostic at the path of its file; for one of an option, at the file that was checked with it."""
    mark, fix = diagnostic.mark, diagnostic.fix
    if is_option(mark.file) and not is_file(Path(mark.file)):
        known = mark.file in diagnostic.message
        message = diagnostic.message if known else f"{mark.file}: {diagnostic.message}"
        return replace(diagnostic, message=message, mark=Mark(shown(checked), 1, 1, 1, 1), fix=None)
    if fix is not None:
        fix = replace(fix, mark=replace(fix.mark, file=shown(fix.mark.file)))
    return replace(diagnostic, mark=replace(mark, file=shown(mark.file)), fix=fix)


def _fingerprints(found: Mapping[Diagnostic, Diagnostic]) -> Iterator[str]:
    """Yield the fingerprints of diagnostics: of code, path, line without its indentation, and a number if equal."""
    lines = cache(source_lines)
    counts: Counter[tuple[str, ...]] = Counter()
    for at, diagnostic in found.items():
        whole, number = lines(diagnostic.mark.file), diagnostic.mark.line
        text = whole[number - 1].strip() if number <= len(whole) else diagnostic.message
        parts = (str(at.code), at.mark.file, text)
        yield fingerprint([*parts, counts[parts]])
        counts[parts] += 1
