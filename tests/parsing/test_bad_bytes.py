"""Files that are no pipeline at all, made here because they are too large, too deep or no text."""

import os
import time

import pytest

from yamlgen.api.loading import check
from yamlgen.errors import Code
from yamlgen.pipeline.parameters import read_value

PIPELINE = """version: 1
input: {rows: [{name: Oslo}]}
steps:
  draft: {model: claude-haiku-5-5, prompt: Hello}
output: {path: out.jsonl}
"""


@pytest.fixture
def only(tmp_path, monkeypatch):
    """The one diagnostic of a file with the given bytes."""
    monkeypatch.chdir(tmp_path)

    def look(content: bytes | str):
        path = tmp_path / "pipeline.yaml"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        pipeline, (diagnostic,) = check("pipeline.yaml")
        assert pipeline is None
        assert diagnostic.severity == "error"
        assert diagnostic.mark.file == "pipeline.yaml"
        return diagnostic

    return look


def place(diagnostic):
    """Line and column of a diagnostic."""
    return diagnostic.mark.line, diagnostic.mark.column


def test_a_file_of_two_mebibytes_is_refused_unread(only):
    """A file past the limit is refused by its size."""
    found = only(PIPELINE + "# " + "x" * (2 << 20))
    assert found.code is Code.TOO_LARGE
    assert found.hint == "move rows to a file, and set `input.path` to it"


def test_a_file_of_one_mebibyte_is_read(tmp_path):
    """The limit itself is allowed."""
    path = tmp_path / "pipeline.yaml"
    path.write_text(PIPELINE + "#" + "x" * ((1 << 20) - len(PIPELINE) - 1))
    assert check(path)[0] is not None


@pytest.mark.parametrize("begin", ["x-deep:\n  ", "x-deep:\n- ", "x-deep:\n  ? ", "? "])
@pytest.mark.parametrize("bracket", ["[", "{", "[ ", "{x: ", "[{x: ", "[\n ", "- ", "? "])
@pytest.mark.parametrize("times", [100, 30_000])
def test_the_first_level_too_many_is_told(only, begin, bracket, times):
    """Depth is counted while the text is read, so that nothing crashes, whatever limit libyaml has of its own."""
    text = begin + bracket * times
    levels = [at for at, character in enumerate(text) if at > 1 and character in "[{-?"]
    found = only(text)
    assert (found.code, found.message, found.hint) == (Code.TOO_DEEP, "nested more than 64 levels deep", None)
    line, column = text[: levels[63]].count("\n") + 1, levels[63] - text.rfind("\n", 0, levels[63])
    assert place(found) == (line, column)


@pytest.mark.parametrize("given", ["x=" + "[" * 30_000, "x=" + "{" * 30_000])
def test_a_parameter_is_no_deeper_than_a_file(given):
    """A value of `-p` is read as a file is."""
    _, problem = read_value(*given.split("="))
    assert problem.code is Code.BAD_PARAM
    assert "nested more than 64 levels deep" in problem.message


@pytest.mark.parametrize("levels", [70, 300, 980, 30_000])
def test_a_json_schema_is_no_deeper_than_a_pipeline(tmp_path, monkeypatch, levels):
    """Where the JSON reader or the schema's validator would give up depends on their versions; 64 does not."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "deep.json").write_text('{"not": ' * levels + "{}" + "}" * levels)
    text = PIPELINE.replace("prompt: Hello", "prompt: Hello, output: {schema: deep.json}")
    (tmp_path / "pipeline.yaml").write_text(text)
    _, (diagnostic,) = check("pipeline.yaml")
    assert (diagnostic.code, diagnostic.mark.file, *place(diagnostic)) == (Code.TOO_DEEP, "deep.json", 1, 513)


def test_depth_behind_aliases_counts(only):
    """Anchors that hold one another are as deep as what they stand for."""
    lines = ["version: 1", f"x-0: &a0 {'[' * 20}{']' * 20}"]
    lines += [f"x-{n}: &a{n} {'[' * 20}*a{n - 1}{']' * 20}" for n in range(1, 5)]
    found = only("\n".join(lines))
    assert found.code is Code.TOO_DEEP
    assert found.mark.line == 5
    assert "`*a2`" in found.message


def test_an_alias_bomb_of_mappings_is_refused_at_once(only):
    """Merge keys multiply like aliases do."""
    lines = ["version: 1", "x-0: &a0 {" + ", ".join(f"k{i}: 1" for i in range(50)) + "}"]
    lines += [f"x-{n}: &a{n} [" + ", ".join([f"*a{n - 1}"] * 50) + "]" for n in range(1, 9)]
    start = time.perf_counter()
    found = only("\n".join(lines))
    assert found.code is Code.ALIAS_BOMB
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize(
    ("content", "where"),
    [(b"version: 1\nname: caf\xe9\n", (2, 10)), (b"\xff\xfev\x00e\x00", (1, 1)), (b"version: 1 # \xc3", (1, 14))],
)
def test_bytes_that_are_no_utf8_have_a_place(only, content, where):
    """The first byte that is not UTF-8 is shown."""
    found = only(content)
    assert found.code is Code.NOT_UTF8
    assert place(found) == where
    assert found.hint == "save the file as UTF-8"


@pytest.mark.parametrize("character", ["\0", "\x07", "\x1b", "\x7f", "\ufffe", "\x80"])
def test_a_control_character_has_a_place(only, character):
    """A NUL byte and its like are refused where they stand."""
    found = only(f"version: 1\nname: a{character}b\n")
    assert found.code is Code.NOT_YAML
    assert place(found) == (2, 8)
    assert f"U+{ord(character):04X}" in found.message


def test_foreign_line_breaks_end_no_line(only):
    """Editors and YAML 1.2 end no line at NEL, LS or PS, so neither do the places."""
    found = only("version: 1\nname: 'a\u2028b\u0085c\u2029d'\ndescripton: x\n" + PIPELINE.removeprefix("version: 1\n"))
    assert (found.code, *place(found)) == (Code.UNKNOWN_KEY, 3, 1)


def test_a_lone_carriage_return_ends_a_line(only):
    """Old Mac line ends count."""
    found = only(PIPELINE.replace("\n", "\r") + "descripton: x\r")
    assert (found.code, *place(found)) == (Code.UNKNOWN_KEY, 6, 1)


def test_a_missing_file_is_told(tmp_path, monkeypatch):
    """There is nothing to read."""
    monkeypatch.chdir(tmp_path)
    _, (found,) = check("missing.yaml")
    assert found.code is Code.UNREADABLE
    assert found.message == "cannot read missing.yaml: No such file or directory"
    assert found.hint == "check the path, and whether you may read the file"


def test_a_folder_is_no_pipeline(tmp_path, monkeypatch):
    """A folder cannot be read."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.yaml").mkdir()
    _, (found,) = check("folder.yaml")
    assert found.code is Code.UNREADABLE


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="a device of Unix")  # noqa: PTH110 - a name, not a path
def test_a_device_is_no_pipeline():
    """What has no end is not read."""
    _, (found,) = check("/dev/zero")
    assert found.code is Code.UNREADABLE
    assert found.message == "/dev/zero is not a regular file"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="a pipe of Unix")
def test_a_pipe_without_a_writer_is_not_waited_for(tmp_path):
    """A FIFO is told, and not opened."""
    os.mkfifo(tmp_path / "pipeline.yaml")
    _, (found,) = check(tmp_path / "pipeline.yaml")
    assert found.message.endswith("is not a regular file")


def test_a_file_of_more_than_its_size_is_refused(monkeypatch, only):
    """The size is counted while reading: what the file system says of it may be old."""
    monkeypatch.setattr("yamlgen.parsing.yaml_parser.MOST_BYTES", 10)
    found = only(PIPELINE)
    assert found.code is Code.TOO_LARGE


def test_a_json_schema_past_the_limit_is_refused(tmp_path):
    """A schema in JSON has the limit of every file."""
    (tmp_path / "big.json").write_text('{"description": "' + "x" * (1 << 20) + '"}')
    path = tmp_path / "pipeline.yaml"
    path.write_text(PIPELINE.replace("Hello", "Hello, output: {schema: big.json}"))
    assert [found.code for found in check(path)[1]] == [Code.TOO_LARGE]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_told(tmp_path):
    """What may not be read is told."""
    path = tmp_path / "pipeline.yaml"
    path.write_text(PIPELINE)
    path.chmod(0)
    assert check(path)[1][0].code is Code.UNREADABLE


def test_a_long_number_is_refused_without_a_crash(only):
    """Python refuses to read a number of many thousand digits; the file says so at its place."""
    found = only(PIPELINE.replace("Oslo", "9" * 5000))
    assert found.code is Code.BAD_NUMBER
    assert place(found) == (2, 23)


@pytest.mark.parametrize("expression", ["(" * 3000 + ")" * 3000, "row" + ".a" * 50_000, "9" * 5000, "not " * 5000])
def test_an_expression_past_all_measure_is_a_diagnostic(tmp_path, expression):
    """A template that Jinja's reader chokes on is told, and not a traceback."""
    path = tmp_path / "pipeline.yaml"
    path.write_text(PIPELINE.replace("Hello", f'"{{{{ {expression} }}}}"'))
    _, (found,) = check(path)
    assert found.code is Code.TEMPLATE_SYNTAX
