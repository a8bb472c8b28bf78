"""The files that tell coding agents of a repository how to use yamlgen: a section of AGENTS.md, and a skill.

What is ours in a file is between two markers. Only that is replaced when it is written again; the rest of the file,
which its authors own, stays as it is, byte by byte.
"""

from __future__ import annotations

import re
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Final

from yamlgen.errors import Code, EnvironmentProblem, UsageError
from yamlgen.output.atomic_write import replacing
from yamlgen.parsing.project_folder import is_pipe

AGENTS: Final = "AGENTS.md"
SKILL: Final = "skills/yamlgen/SKILL.md"

_BEGIN: Final = "<!-- yamlgen: begin (yamlgen init --agents writes this part; write your own above or below it) -->"
_END: Final = "<!-- yamlgen: end -->"
_MARKER: Final = re.compile(r"^<!-- yamlgen: (begin|end)\b.*-->[ \t]*\r?$", re.MULTILINE)


def write_agent_files(folder: Path) -> list[Path]:
    """Write the section about yamlgen into `AGENTS.md`, and the skill; return the files that changed.

    Args:
        folder: the folder of the repository. It is created if it does not exist.

    Raises:
        UsageError: the markers in a file are not one pair, or it is not UTF-8; nothing was written.
        EnvironmentProblem: a file cannot be read or written.
    """
    parts = {AGENTS: ("", _text("section.md")), SKILL: (_text("skill.md"), _text("steps.md"))}
    texts = {folder / name: _with_part(folder / name, head, part) for name, (head, part) in parts.items()}
    changed = {path: text for path, (before, text) in texts.items() if before != text}
    if changed:
        with replacing(next(iter(changed)), "the files for agents") as staging:
            for path, text in changed.items():
                staging.write(path, [text])
            staging.replace()
    return list(changed)


def _text(name: str) -> str:
    template = files("yamlgen.api").joinpath("agents", name).read_text(encoding="utf-8")
    return Template(template).substitute(version=version("yamlgen"))


def _with_part(path: Path, head: str, part: str) -> tuple[bytes | None, bytes]:
    """Return the content of a file, `None` if it does not exist, and the content with our part in it."""
    ours = f"{_BEGIN}\n\n{part.strip()}\n\n{_END}"
    before = _read(path)
    if before is None:
        return None, f"{head}{ours}\n".encode()
    try:
        text = before.decode("utf-8")
    except UnicodeDecodeError:
        hint = "save the file as UTF-8, or move it away"
        raise UsageError(f"{path} is not UTF-8; nothing was written", code=Code.NOT_UTF8, hint=hint) from None
    line = "\r\n" if "\r\n" in text else "\n"
    ours = ours.replace("\n", line)
    found = list(_MARKER.finditer(text))
    if [each[1] for each in found] not in ([], ["begin", "end"]):
        message = f"{path} does not have the two markers of yamlgen's part once, in order; nothing was written"
        hint = "remove yamlgen's part, and each line that begins with `<!-- yamlgen:`; the part is written again"
        raise UsageError(message, code=Code.OUTPUT_PATH, hint=hint)
    if found:
        end = found[1].end() - found[1][0].endswith("\r")
        return before, (text[: found[0].start()] + ours + text[end:]).encode()
    gap = "" if not text.strip("\ufeff\r\n") else line * (1 if text.endswith("\n") else 2)
    return before, f"{text}{gap}{ours}{line}".encode()


def _read(path: Path) -> bytes | None:
    if is_pipe(path):
        raise _unreadable(path, "it is not a file")
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unreadable(path, str(error.strerror)) from error


def _unreadable(path: Path, why: str) -> EnvironmentProblem:
    message = f"cannot read {path}: {why}; nothing was written"
    return EnvironmentProblem(message, code=Code.DISK, hint="make it a readable file, or move it away")
