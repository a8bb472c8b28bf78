"""Whole files and what `validate` says about them.

`cases/invalid/` holds files with mistakes, each with its diagnostics beside it in `name.expected`: one line per
diagnostic in source order, `line:column-end_column severity code message | hint`, with the file before it where it is
another than the pipeline. `cases/valid/` holds files without errors; one that is worth a warning has a `name.expected`
too. Files are found here, not listed. A first line `# with: -p name=value --set path=value` is the command line.

To write the expectations anew after a change, and then to read each of them in the diff:

    YAMLGEN_REWRITE_CASES=1 pytest tests/language/test_cases.py
"""

import os
import re
import shlex
from pathlib import Path

import pytest

from yamlgen.api.loading import check
from yamlgen.diagnostics import Diagnostic
from yamlgen.errors import Code
from yamlgen.option_names import cli_option_names
from yamlgen.pipeline.parameters import read_value

CASES = Path(__file__).parent.parent / "cases"
LISTING = re.compile(r"(?:^|; )(?!add |write )[a-z ]+: `[^`]+`(?:, `| and `)")
"""A list of names in a hint, such as "columns: `a` and `b`"."""

REWRITE = "YAMLGEN_REWRITE_CASES" in os.environ


def cases(kind: str) -> list[str]:
    """The names of the cases in a folder."""
    return sorted(path.stem for path in (CASES / kind).glob("*.yaml"))


def verdict(path: Path) -> tuple[Diagnostic, ...]:
    """Everything that a check of the file says, its command line included."""
    first, *_ = path.read_bytes().decode("utf-8-sig").splitlines() or [""]
    words = shlex.split(first.removeprefix("# with:")) if first.startswith("# with:") else []
    params, overrides, unread = {}, {}, []
    for option, text in zip(words[::2], words[1::2], strict=True):
        name, _, value = text.partition("=")
        if option == "--set":
            overrides[name] = value
        else:
            with cli_option_names():
                read, problem = read_value(name, value)
            if problem is None:
                params[name] = read
            else:
                unread.append(problem)
    with cli_option_names():
        return (*unread, *check(path, params=params, overrides=overrides)[1])


def spoken(diagnostic: Diagnostic, main: str) -> str:
    """A diagnostic as a line of an `.expected` file."""
    mark = diagnostic.mark
    assert mark.end_line == mark.line
    where = "" if mark.file == main else f"{mark.file}:"
    hint = f" | {diagnostic.hint}" if diagnostic.hint else ""
    place = f"{where}{mark.line}:{mark.column}-{mark.end_column}"
    return f"{place} {diagnostic.severity} {diagnostic.code} {diagnostic.message}{hint}\n"


def lacks_names(diagnostic: Diagnostic) -> bool:
    """Whether the hint of a diagnostic has names that its `known` has not."""
    hint = diagnostic.hint or ""
    is_unknown = diagnostic.message.startswith("unknown key `") and "indent it" not in hint
    return not diagnostic.known and (is_unknown or "did you mean" in hint or LISTING.search(hint) is not None)


def expected(path: Path, lines: list[str]) -> str:
    """What the file beside a case says, written anew when that is asked for."""
    beside = path.with_suffix(".expected")
    if REWRITE and lines:
        beside.write_text("".join(lines), encoding="utf-8")
    elif REWRITE:
        beside.unlink(missing_ok=True)
    return beside.read_text(encoding="utf-8") if beside.exists() else ""


@pytest.mark.parametrize("name", cases("invalid"))
def test_each_mistake_is_told_once_at_its_place(name, monkeypatch):
    """A file with mistakes gives exactly the diagnostics beside it, at least one of them an error."""
    monkeypatch.chdir(CASES / "invalid")
    path = Path(f"{name}.yaml")
    diagnostics = verdict(path)
    lines = [spoken(diagnostic, path.name) for diagnostic in diagnostics]
    assert "".join(lines) == expected(path, lines)
    assert any(diagnostic.severity == "error" for diagnostic in diagnostics)
    assert [spoken(each, path.name) for each in diagnostics if lacks_names(each)] == []


@pytest.mark.parametrize("name", cases("valid"))
def test_a_right_file_has_no_errors(name, monkeypatch):
    """A file without mistakes gives no error, and only the warnings beside it."""
    monkeypatch.chdir(CASES / "valid")
    path = Path(f"{name}.yaml")
    diagnostics = verdict(path)
    lines = [spoken(diagnostic, path.name) for diagnostic in diagnostics]
    assert "".join(lines) == expected(path, lines)
    assert all(diagnostic.severity == "warning" for diagnostic in diagnostics)
    assert [spoken(each, path.name) for each in diagnostics if lacks_names(each)] == []


def test_each_code_of_the_language_has_a_case():
    """Whatever can be wrong with text, shape, references, files and settings is shown by a file here."""
    said = "".join(path.read_text(encoding="utf-8") for path in CASES.glob("*/*.expected"))
    elsewhere = {Code.UNREADABLE, Code.TOO_LARGE, Code.TOO_DEEP}  # made in test_bad_bytes.py
    elsewhere |= {Code.NO_EXTRA}  # made in test_sql_pipelines.py
    codes = {code for code in Code if code < "YG403"} - elsewhere
    assert sorted(code for code in codes if code not in said) == []


def test_no_expectation_is_left_without_its_case():
    """Each `.expected` file belongs to a case."""
    assert not [path for path in CASES.glob("*/*.expected") if not path.with_suffix(".yaml").exists()]
