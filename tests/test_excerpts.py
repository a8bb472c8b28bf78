"""No message quotes more of a value than is needed to know it by."""

import json
import re
import time
from pathlib import Path

import pytest

from yamlgen.api.loading import check
from yamlgen.errors import Code, RowError
from yamlgen.excerpts import MOST, brief, short
from yamlgen.option_names import cli_option_names

INVALID = Path(__file__).parent / "cases" / "invalid"
TAILS = (f"{'x' * 99}/" * 10, f"{' word' * 19}/" * 10)
"""Long enough to be cut, and still a path that a system can look up."""
QUOTED = re.compile(r"`([^`]+)`|\"([^\"]+)\"|'([^']+)'")


def one_of_each_code():
    """For each code the first file that shows it, with the line of its first message of that code."""
    found = {}
    for path in sorted(INVALID.glob("*.expected")):
        for line in path.read_text(encoding="utf-8").splitlines():
            code = re.search(r" (?:error|warning) (YG\d+) ", line)
            if code and path.with_suffix(".yaml").exists():
                found.setdefault(code[1], (path.stem, line.split(code[0])[1]))
    return sorted((stem, said) for stem, said in found.values())


def longest_run(text):
    """How many characters of a long value stand in a message one after the other."""
    return max((len(run) for run in re.findall(r"[x/]{50,}|(?:[ /]*word){10,}", text)), default=0)


@pytest.mark.parametrize(("name", "said"), one_of_each_code())
def test_a_long_value_is_cut_in_each_kind_of_message(name, said, tmp_path, monkeypatch):
    """What a message quotes of a file is made a thousand characters longer there."""
    text = (INVALID / f"{name}.yaml").read_bytes().decode("utf-8-sig", "replace")
    quoted = [next(filter(None, groups)) for groups in QUOTED.findall(said)]
    for value in quoted:
        text = text.replace(value, value + TAILS[len(name) % 2])
    for folder in ("data", "prompts", "schemas"):
        (tmp_path / folder).symlink_to(INVALID / folder)
    (tmp_path / "long.yaml").write_bytes(text.encode())
    monkeypatch.chdir(tmp_path)
    with cli_option_names():
        _, found = check("long.yaml")
    for each in found:
        assert longest_run(each.message) <= MOST, each.message[:900]
        assert longest_run(each.hint or "") <= MOST, each.hint[:900]


@pytest.mark.parametrize("value", [*TAILS, 'a "b" `c` ' * 200, [1] * 500, {"key": ["a"] * 500}, "\\" * 700, 10**999])
def test_a_value_is_cut_however_it_is_quoted(value):
    """As JSON, as Python, in code marks, or bare; the words around it stay, of a diagnostic their ends."""
    for quoted in (json.dumps(value), repr(value), f"`{value}`", str(value)):
        cut = short(f"`key` of step `draft` cannot be {quoted}, and this is the way out")
        assert MOST // 2 < len(cut) <= 2 * MOST
        assert cut.startswith("`key` of step `draft` cannot be ")
        assert cut.endswith("this is the way out")
        assert short(cut) == cut


@pytest.mark.parametrize(
    ("path", "overrides"),
    [
        ("x" * 1000, {}),
        ("long.yaml", {"x" * 1000: "3"}),
        ("long.yaml", {"name": f"[{'x' * 1000}"}),
        ("long.yaml", {"name.x": "x" * 1000}),
        ("long.yaml", {"model.max_tokens": "x" * 1000}),
    ],
)
def test_what_is_given_to_a_command_is_cut_too(path, overrides, tmp_path, monkeypatch):
    """The path of a pipeline, and both sides of `--set`; an override is cut in the place that it names, too."""
    monkeypatch.chdir(tmp_path)
    Path("long.yaml").write_text("version: 1\nname: a\nmodel: m\ninput: {rows: [{a: 1}]}\nsteps: {}\n")
    with cli_option_names():
        _, (found, *_) = check(path, overrides=overrides)
    assert longest_run(found.message) <= MOST
    assert longest_run(found.hint or "") <= MOST
    assert not overrides or longest_run(found.mark.file) <= MOST


def test_what_is_short_stays():
    """A message is cut where it quotes a long value, and nowhere else."""
    many = ", ".join(f"`{'name' * 10}{number}`" for number in range(12))
    said = f"unknown key `modle`; keys here: {many}"
    assert len(said) > MOST
    assert brief(said) == said


def test_the_error_of_a_row_is_brief():
    """What was made of an answer is in the failed file; the message says what it is about."""
    error = RowError(
        f'the output is invalid: $.a: {json.dumps("x" * 5000)} is not of type "integer"', code=Code.INVALID_OUTPUT
    )
    assert len(error.message) < 2 * MOST
    assert error.message.endswith('…" is not of type "integer"')
    other = error.replace(message=f"item 3: {'y' * 900}")
    assert len(other.message) < 2 * MOST


@pytest.mark.parametrize("text", ["[" * 100_000, "]" + "{" * 100_000, "[" * 50_000 + "]" + "[" * 50_000])
def test_brackets_that_are_never_closed_take_no_time(text):
    """Each opening bracket is not held against the rest of the text."""
    began = time.process_time()
    assert len(brief(text)) < 2 * MOST
    assert time.process_time() - began < 1
