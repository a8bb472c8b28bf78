"""`validate --output-format`: what a reviewer sees where they look, held against the published schemas."""

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from published_schemas import gitlab_errors, junit_errors, sarif_errors
from yamlgen.api.check_report import report_of
from yamlgen.cli.check_formats import FORMATS
from yamlgen.diagnostics import Diagnostic, Fix, Mark
from yamlgen.errors import Code

GOOD = """\
version: 1
input: {rows: [{id: 1, topic: a}]}
params: {size: {type: integer, default: 1}}
model: claude-haiku-5-5
steps:
  haiku: {prompt: "A haiku about {{ row.topic }}"}
output: {path: haiku.jsonl}
"""
BAD = GOOD.replace("row.topic", "row.topc")
WARNED = GOOD.replace("model: claude-haiku-5-5", "model: {id: claude-haiku-5-5, temperature: 0.5}")
KEY = "sk-ant-api03-abcdefghijklmnopqrstuvwxyz"
NAME = "pipe lines/ü 100%, a.yaml"


def written(path, text=BAD):
    """A file in a folder that need not exist."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


@pytest.fixture(autouse=True)
def repository(tmp_path, monkeypatch):
    """The current folder, which is a repository."""
    top = tmp_path / "repo"
    (top / ".git").mkdir(parents=True)
    monkeypatch.chdir(top)
    return top


@pytest.fixture
def reported(call):
    """What `validate` writes to stdout, in each format; stderr has no line of it."""

    def checked(output_format, *arguments, code=1):
        told = call("validate", *arguments, "--output-format", output_format)
        assert told.code == code
        return told.out

    return checked


def paths_in(text, output_format):
    """The paths of a report, each once, as they are meant."""
    if output_format == "concise":
        return {line.partition(":")[0] for line in text.splitlines()}
    if output_format == "github":
        found = re.findall("^::[a-z]+ file=([^,]*),", text, re.MULTILINE)
        return {each.replace("%2C", ",").replace("%3A", ":").replace("%25", "%") for each in found}
    if output_format == "gitlab":
        return {each["location"]["path"] for each in json.loads(text)}
    if output_format == "junit":
        return {each.get("name") for each in ET.fromstring(text).iter("testcase")}  # noqa: S314 - our own
    found = {each["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for each in results(text)}
    return {unquote(each.removeprefix("file://")) for each in found}


def results(text):
    """The results of a SARIF log."""
    return json.loads(text)["runs"][0]["results"]


def check(text, output_format):
    """Hold a report against its schema."""
    if output_format == "gitlab":
        assert gitlab_errors(json.loads(text)) == []
    elif output_format == "sarif":
        assert sarif_errors(json.loads(text)) == []
    elif output_format == "junit":
        assert junit_errors(text) == []
    elif output_format == "github":
        lines = text.split("\n")
        command = re.compile(
            r"::(error|warning) file=[^,:]*,line=\d+,col=\d+,title=YG\d+::.*|and \d+ more (error|warning)s?"
        )
        assert lines.pop() == ""
        assert all(command.fullmatch(line) for line in lines)
        assert lines == text.splitlines()
    else:
        assert all(re.fullmatch(r".*:\d+:\d+: (error|warning) YG\d+ .*", line) for line in text.splitlines())


class TestEveryFormat:
    """What all of them have in common."""

    @pytest.mark.parametrize("output_format", FORMATS)
    def test_it_is_valid_without_diagnostics(self, output_format, reported):
        """An empty report is a report."""
        written(NAME, GOOD)
        text = reported(output_format, ".", code=0)
        check(text, output_format)
        assert paths_in(text, output_format) == ({NAME} if output_format == "junit" else set())

    @pytest.mark.parametrize("output_format", FORMATS)
    def test_it_is_valid_with_errors_and_warnings(self, output_format, reported):
        """Of pipelines, tests and parameters; only the report is on stdout."""
        written(NAME)
        written("b.yaml", WARNED)
        written("b.test.yaml", "version: 1\ncases: [{name: a, row: {id: 1}, expct: []}]\n")
        text = reported(output_format, ".", "-p", "no=1", "-p", "size=[", "--set", "modle=x")
        check(text, output_format)
        assert paths_in(text, output_format) == {NAME, "b.yaml", "b.test.yaml"}

    @pytest.mark.parametrize("output_format", FORMATS)
    @pytest.mark.parametrize("git", ["folder", "file"])
    def test_paths_are_relative_to_the_repository(self, output_format, git, repository, reported, monkeypatch):
        """From wherever the command is called; `.git` of a worktree or a submodule is a file."""
        if git == "file":
            (repository / ".git").rmdir()
            written(".git", "gitdir: ../elsewhere\n")
        path = repository / written(NAME)
        assert paths_in(reported(output_format, path), output_format) == {NAME}
        monkeypatch.chdir(path.parent)
        assert paths_in(reported(output_format, path.name), output_format) == {NAME}
        monkeypatch.chdir(repository.parent)
        assert paths_in(reported(output_format, "repo"), output_format) == {NAME}

    @pytest.mark.parametrize("output_format", FORMATS)
    def test_paths_of_links_are_those_of_their_files(self, output_format, reported):
        """Git knows no file behind a link to a folder."""
        written("real/a.yaml")
        Path("linked").symlink_to("real")
        assert paths_in(reported(output_format, "linked/../linked/a.yaml"), output_format) == {"real/a.yaml"}

    @pytest.mark.parametrize("output_format", FORMATS)
    def test_a_file_outside_the_repository_has_its_whole_path(self, output_format, repository, reported):
        """With links resolved."""
        written("a.yaml")
        outside = written(repository.parent / "other ü" / "b.yaml")
        text = reported(output_format, "a.yaml", "../other ü/b.yaml")
        check(text, output_format)
        assert paths_in(text, output_format) == {"a.yaml", str(outside)}

    @pytest.mark.parametrize("output_format", FORMATS)
    def test_without_a_repository_paths_are_relative_to_the_folder(
        self, output_format, tmp_path, reported, monkeypatch
    ):
        """The current one."""
        monkeypatch.chdir(tmp_path)
        written("below/a.yaml")
        assert paths_in(reported(output_format, "below"), output_format) == {"below/a.yaml"}

    @pytest.mark.parametrize("output_format", FORMATS)
    def test_a_diagnostic_of_an_option_is_at_the_first_file(self, output_format, reported):
        """An option is no path; the message contains it."""
        written("a.yaml", GOOD)
        written("b.yaml", GOOD)
        for option in (("-p", "no=1"), ("-p", "size=["), ("--set", "modle=x"), ("--set", "steps.no.when=1")):
            text = reported(output_format, "a.yaml", "b.yaml", *option)
            check(text, output_format)
            assert paths_in(text, output_format) - {"b.yaml"} == {"a.yaml"}
            assert " ".join(option).replace("%", "%25") in text

    @pytest.mark.parametrize("output_format", FORMATS)
    def test_no_key_is_in_it(self, output_format, call):
        """Neither in a message nor in a path."""
        written(f"{KEY}/a.yaml", BAD.replace("A haiku", f"A haiku {KEY}"))
        told = call("validate", ".", "--output-format", output_format, "-p", f"no={KEY}")
        assert told.code == 1
        assert "YG303" in told.out
        assert "abcdefghijkl" not in told.out + told.err
        check(told.out, output_format)

    @pytest.mark.parametrize("output_format", FORMATS)
    def test_a_shared_mistake_is_told_once(self, output_format, reported):
        """But the test case of each file that has it fails; a file that is named twice is one."""
        written("prompt.md", "{{ row.topc }}")
        for name in ("a/a.yaml", "b/b.yaml"):
            written(name, GOOD.replace('"A haiku about {{ row.topic }}"', "{file: ../prompt.md}"))
        text = reported(output_format, ".", Path("a").absolute(), "b/b.yaml")
        if output_format == "junit":
            assert text.count("<failure") == 2
        else:
            assert paths_in(text, output_format) == {"prompt.md"}
            assert text.count("title=YG206" if output_format == "github" else "unknown column `topc`") == 1


class TestConcise:
    """Lines that editors and pre-commit read."""

    def test_a_line_has_place_severity_code_message_and_hint(self, reported):
        """As compilers write them."""
        written("a.yaml", WARNED.replace("row.topic", "row.topc"))
        warning, error = reported("concise", "a.yaml").splitlines()
        assert warning.startswith("a.yaml:4:")
        assert ": warning YG305 " in warning
        assert error == ("a.yaml:6:37: error YG206 unknown column `topc` (did you mean `topic`?)")


class TestGithub:
    """Annotations of a pull request."""

    def test_ten_errors_and_ten_warnings_are_shown(self):
        """Errors first, whatever the order of the files; GitHub drops the others without a word."""
        warned = [Diagnostic(Code.NOT_YAML, f"w{n}", Mark("a", n, 1, n, 2), severity="warning") for n in range(1, 12)]
        told = [Diagnostic(Code.NOT_YAML, f"e{n}", Mark("a", n, 1, n, 2)) for n in range(1, 42)]
        checked = [(Path("a"), [*warned[:6], *told[:5]]), (Path("b"), [*told[5:], *warned[6:]])]
        lines = FORMATS["github"](report_of(checked)).splitlines()
        assert [line.rpartition("::")[2] for line in lines] == [
            *(f"e{n}" for n in range(1, 11)),
            "and 31 more errors",
            *(f"w{n}" for n in range(1, 11)),
            "and 1 more warning",
        ]

    def test_text_is_escaped(self):
        """Percent signs and line breaks everywhere, colons and commas in properties."""
        told = Diagnostic(Code.NOT_YAML, "50%, a: b\r\n::error::c", Mark("a:b,c%.yaml", 3, 5, 3, 6), "a\nb")
        (line,) = FORMATS["github"](report_of([(Path("a"), [told])])).splitlines()
        place = "file=a%3Ab%2Cc%25.yaml,line=3,col=5,title=YG002"
        assert line == f"::error {place}::50%25, a: b%0D%0A::error::c (a%0Ab)"


class TestGitlab:
    """The widget of a merge request."""

    def test_severities_and_lines(self, reported):
        """An error is `major`, a warning `minor`."""
        written("a.yaml", WARNED.replace("row.topic", "row.topc"))
        found = json.loads(reported("gitlab", "a.yaml"))
        assert [(each["severity"], each["location"]["lines"]["begin"]) for each in found] == [
            ("minor", 4),
            ("major", 6),
        ]

    def test_a_fingerprint_is_kept_when_lines_move(self, reported):
        """And when they are indented; equal lines have fingerprints of their own."""
        twice = GOOD + "x: 1\n"
        before = written("a.yaml", twice + "extra:\n  - 1\n") and json.loads(reported("gitlab", "a.yaml"))
        after = written("a.yaml", f"# moved\n\n{twice}extra:\n  - 1\n") and json.loads(reported("gitlab", "a.yaml"))
        assert [each["fingerprint"] for each in after] == [each["fingerprint"] for each in before]
        assert [each["location"]["lines"]["begin"] + 2 for each in before] == [
            each["location"]["lines"]["begin"] for each in after
        ]

    def test_equal_lines_have_fingerprints_of_their_own(self):
        """GitLab shows one issue of each."""
        told = [Diagnostic(Code.NOT_YAML, "a", Mark("a", n, 1, n, 2)) for n in range(1, 9)]
        assert gitlab_errors(json.loads(FORMATS["gitlab"](report_of([(Path("a"), told)])))) == []


class TestSarif:
    """The log for code scanning."""

    def test_a_result_has_its_rule_and_region(self, repository, reported):
        """Columns are code points, and ends exclusive, as in JSON."""
        written("a.yaml", BAD.replace("A haiku", "🏃 A haiku"))
        text = reported("sarif", "a.yaml")
        run, (result,) = json.loads(text)["runs"][0], results(text)
        assert run["columnKind"] == "unicodeCodePoints"
        assert run["originalUriBaseIds"] == {"%SRCROOT%": {"uri": f"{repository.as_uri()}/"}}
        place = result["locations"][0]["physicalLocation"]
        assert place["artifactLocation"] == {"uri": "a.yaml", "uriBaseId": "%SRCROOT%"}
        line = Path("a.yaml").read_text("utf-8").splitlines()[place["region"]["startLine"] - 1]
        assert line[place["region"]["startColumn"] - 1 : place["region"]["endColumn"] - 1] == "row.topc"
        rule = run["tool"]["driver"]["rules"][result["ruleIndex"]]
        assert (rule["id"], result["ruleId"], result["level"]) == ("YG206", "YG206", "error")
        assert rule["shortDescription"]["text"] == "Unknown column"
        assert rule["help"]["markdown"].startswith("# YG206: Unknown column\n")
        assert not re.search(r"\]\((?!https:)", rule["help"]["markdown"])

    def test_a_fix_is_a_replacement(self):
        """Of a range of the file, with the hint as its description."""
        fix = Fix(Mark("a b.yaml", 3, 5, 3, 9), "topic")
        told = Diagnostic(Code.UNKNOWN_COLUMN, "no", Mark("a b.yaml", 3, 1, 3, 9), "did you mean `topic`?", fix=fix)
        text = FORMATS["sarif"](report_of([(Path("a b.yaml"), [told])]))
        check(text, "sarif")
        (made,) = results(text)[0]["fixes"]
        (change,) = made["artifactChanges"]
        assert made["description"]["text"] == "did you mean `topic`?"
        assert change["artifactLocation"]["uri"] == "a%20b.yaml"
        assert change["replacements"] == [
            {
                "deletedRegion": {"startLine": 3, "startColumn": 5, "endLine": 3, "endColumn": 9},
                "insertedContent": {"text": "topic"},
            }
        ]


class TestJunit:
    """The report for CI servers."""

    def test_a_file_with_errors_fails(self, reported):
        """Warnings are what a test case printed."""
        written("a.yaml", BAD + "x: 1\n")
        written("b.yaml", WARNED)
        written("c.yaml", GOOD)
        a, b, c = ET.fromstring(reported("junit", ".")).iter("testcase")  # noqa: S314 - our own
        assert a[0].get("type") == "YG206"
        assert a[0].get("message").startswith("a.yaml:6:37: error YG206 ")
        assert len(a[0].text.splitlines()) == 2
        assert [child.tag for child in b] == ["system-out"]
        assert b[0].text.startswith("b.yaml:4:")
        assert len(c) == 0


anything = st.text(st.characters() | st.sampled_from("%:,\r\n\t/\x00\x1b{}[]<>&\ud800\udcff\x85\u2028 "), max_size=20)
lines = st.integers(1, 5)


@st.composite
def diagnostics(draw):
    """A diagnostic of any text, at any path."""
    line, column = draw(lines), draw(lines)
    mark = Mark(draw(anything), line, column, line + draw(lines), draw(lines))
    fix = draw(st.none() | st.builds(Fix, st.just(mark), anything))
    codes = st.sampled_from([Code.NOT_YAML, Code.UNKNOWN_COLUMN, Code.BAD_PARAM])
    hint, severity = draw(st.none() | anything), draw(st.sampled_from(["error", "warning"]))
    return Diagnostic(draw(codes), draw(anything), mark, hint, severity, fix)


@given(st.lists(st.tuples(anything.map(Path), st.lists(diagnostics(), max_size=3)), max_size=2))
def test_every_format_is_valid_for_any_text(checked):
    """Messages contain what authors wrote, and paths what file systems allow."""
    report = report_of(checked)
    for output_format, write in FORMATS.items():
        text = write(report).encode("utf-8", "backslashreplace").decode()
        check(text, output_format)
    told = dict.fromkeys(each for _, diagnostics in checked for each in diagnostics)
    assert [each.code for each, _ in report.diagnostics] == [each.code for each in told]
    assert len(FORMATS["concise"](report).splitlines()) == len(report.diagnostics)
    assert len(results(FORMATS["sarif"](report))) == len(report.diagnostics)
