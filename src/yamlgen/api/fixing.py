"""Apply the fixes of diagnostics to the files that they are in.

This is the only place that writes to an author's YAML, prompts and schemas. The changes are made in memory, and checked
there: one fix may reveal the next, and two pipelines may share a prompt. Then all files are written at once.
"""

from __future__ import annotations

import codecs
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import unified_diff
from pathlib import Path
from typing import Final

from yamlgen.api.loading import check_file
from yamlgen.diagnostics import Diagnostic, Fix
from yamlgen.errors import Code, EnvironmentProblem, near
from yamlgen.output.atomic_write import replacing
from yamlgen.parsing.drafts import drafting
from yamlgen.parsing.project_folder import is_file, real
from yamlgen.parsing.source_map import SourceText
from yamlgen.redaction import redact
from yamlgen.value_objects import JSON

_MOST_PASSES: Final = 1_000
"""The maximum number of times that the files are checked: a pass may fix only the first place of a repeated mistake."""


@dataclass(frozen=True, slots=True)
class FileChange:
    """What the fixes change in a file.

    Attributes:
        path: the file, with its links resolved.
        shown: the file as messages show it.
        before: its content.
        after: its content with the fixes.
        fixes: how many fixes are in it.
    """

    path: Path
    shown: str
    before: bytes
    after: bytes
    fixes: int = 0

    @property
    def text(self) -> str:
        """The text with the fixes, without a byte order mark."""
        return self.after.decode("utf-8-sig")

    def with_text(self, text: str, fixes: int) -> FileChange:
        """Return the change with another text, and more fixes; a byte order mark is kept."""
        mark = codecs.BOM_UTF8 if self.before.startswith(codecs.BOM_UTF8) else b""
        return replace(self, after=mark + text.encode(), fixes=self.fixes + fixes)

    def diff(self) -> str:
        """Return the change as a unified diff that `git apply` and `patch -p1` accept. API keys are redacted."""
        name = near(self.path).lstrip("/")
        lines = unified_diff(_lines(self.before), _lines(self.after), f"a/{name}", f"b/{name}")
        shown = (each if each.endswith("\n") else f"{each}\n\\ No newline at end of file\n" for each in lines)
        return redact("".join(shown))

    def as_json(self) -> dict[str, JSON]:
        """Return the change as JSON, without its text."""
        return {"file": self.shown, "fixes": self.fixes}


def _lines(content: bytes) -> list[str]:
    *whole, last = content.decode().split("\n")
    return [*(f"{line}\n" for line in whole), *([last] if last else [])]


def find_changes(files: Sequence[Path], params: Mapping[str, JSON]) -> list[FileChange]:
    """Return what the fixes of pipelines and test files change, in them and in the files that they refer to.

    A fix in a file that they refer to, such as a shared prompt, is left out if it would be a mistake in one of them.

    Args:
        files: the pipelines and test files.
        params: the parameters that are known, by name.

    Raises:
        EnvironmentProblem: a file cannot be read any more.
    """
    own = {real(path) for path in files}
    changes: dict[Path, FileChange] = {}
    refused: set[Path] = set()
    seen: set[frozenset[tuple[Path, bytes]]] = set()
    told = _checked(files, params, changes)
    for _ in range(_MOST_PASSES):
        wanted = {path: fixes for path, fixes in _by_file(told).items() if path not in refused}
        unread = [path for path in wanted if path not in changes]
        if unread:  # checked again, so that the fixes belong to the text that was read
            changes |= {path: _read(path, wanted[path][0].mark.file) for path in unread}
            told = _checked(files, params, changes)
            continue
        made = {path: _fixed(changes[path], fixes) for path, fixes in wanted.items()}
        state = frozenset((path, change.after) for path, change in (changes | made).items())
        if not made or state in seen:
            break
        seen.add(state)
        after = _checked(files, params, changes | made)
        worse = {path for path in made if path not in own and _errors_in(path, after) - _errors_in(path, told)}
        refused |= worse
        if not worse:
            changes, told = changes | made, after
    return [change for change in changes.values() if change.after != change.before]


def write(changes: Sequence[FileChange]) -> None:
    """Write the changes, all files or none. Each keeps its mode; the target of a link is written.

    Raises:
        EnvironmentProblem: a file is read-only, changed after it was read, or cannot be written. None is written.
    """
    for change in changes:
        status = change.path.stat() if is_file(change.path) else None
        if status is not None and not (status.st_mode & 0o222 and os.access(change.path, os.W_OK)):
            message = f"cannot write the fixes to {change.shown}: the file is read-only"
            raise EnvironmentProblem(message, code=Code.DISK, hint="make it writable, or apply the change by hand")
    if not changes:
        return
    with replacing(changes[0].path, "fixes") as staging:
        for change in changes:
            staging.write(change.path, [change.after])
        for change in changes:
            if _content(change.path, change.shown) != change.before:
                message = f"cannot write the fixes to {change.shown}: the file changed after it was read"
                raise EnvironmentProblem(message, code=Code.DISK, hint="fix it again")
        staging.replace()


def _checked(files: Iterable[Path], params: Mapping[str, JSON], changes: Mapping[Path, FileChange]) -> list[Diagnostic]:
    with drafting({path: change.text for path, change in changes.items()}):
        found = [each for path in files for each in check_file(path, params=params, overrides={})[1]]
    return list(dict.fromkeys(found))


def _by_file(told: Iterable[Diagnostic]) -> dict[Path, list[Fix]]:
    """Return the fixes by file. Several pipelines may report the same one."""
    found: dict[Path, list[Fix]] = {}
    for fix in filter(None, (each.fix for each in told)):
        found.setdefault(real(Path(fix.mark.file)), []).append(fix)
    return {path: fixes for path, fixes in found.items() if is_file(path)}


def _fixed(change: FileChange, fixes: Iterable[Fix]) -> FileChange:
    """Return a change with those of the fixes that do not overlap an earlier one."""
    source = SourceText(change.shown, change.text)
    spans = sorted({(*source.span(fix.mark), fix.text) for fix in fixes})
    text, end, number = "", 0, 0
    for start, stop, new in spans:
        if start >= end:
            text += source.text[end:start] + new
            end, number = stop, number + 1
    return change.with_text(text + source.text[end:], number)


def _errors_in(path: Path, told: Iterable[Diagnostic]) -> Counter[str]:
    return Counter(each.message for each in told if each.severity == "error" and real(Path(each.mark.file)) == path)


def _read(path: Path, shown: str) -> FileChange:
    content = _content(path, shown)
    try:
        content.decode()
    except UnicodeDecodeError:  # it changed after it was checked
        raise EnvironmentProblem(f"{shown} is not UTF-8", code=Code.NOT_UTF8, hint="save the file as UTF-8") from None
    return FileChange(path, shown, content, content)


def _content(path: Path, shown: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise EnvironmentProblem(f"cannot read {shown}: {error.strerror}", code=Code.UNREADABLE) from error
