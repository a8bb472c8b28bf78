"""`yamlgen test`: exit codes, what is printed, and the formats for other programs."""

import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest

from published_schemas import junit_errors
from yamlgen.cli.test_formats import github, junit, markdown
from yamlgen.cli.test_text import text_lines
from yamlgen.diagnostics import Mark
from yamlgen.testing.verdicts import CaseVerdict, Flaw, Miss, TestReport, Verdict

MARK = Mark("a.test.yaml", 3, 5, 3, 9)
ODD = 'a "quoted" <name> & more, 100%: \x00\x1b[31m ]]> \ud800 \ufffe | `x`\r\n::error::second'
TESTS = """\
version: 1
pipeline: small.yaml
cases:
  - name: one town
    row: {id: 1, topic: town 1}
    expect: [steps.note != ""]
  - name: two towns
    rows: {path: rows.jsonl, limit: 2}
    expect: [finished == 2]
"""


def flawed(number=1, name="a case", detail="x is 1"):
    """A report with cases that failed."""
    flaws = (Flaw(MARK, "x == 2", detail),)
    cases = [CaseVerdict("a.test.yaml", name, MARK, Verdict.FAILED, 0.25, flaws) for _ in range(number)]
    return TestReport(tuple(cases))


def missed(number=1, text="old"):
    """A report with cases that are not recorded."""
    miss = Miss("label", 20, 20, (0.01, 0.02), "2026-11-02", (("p.md:12", text, "new"),), ("reply",))
    case = CaseVerdict("a.test.yaml", "the rows", MARK, Verdict.MISSED, 0.1, misses=(miss,))
    return TestReport((case,) * number, {"a.test.yaml": 3})


@pytest.fixture
def tested(small):
    """Change to a folder with a pipeline and a test that is not recorded."""
    (small / "small.test.yaml").write_text(TESTS, encoding="utf-8")
    return small


class TestExitCodes:
    """What a script reads."""

    def test_cases_that_are_not_recorded_exit_with_1(self, tested, call):
        """They did not pass."""
        done = call("test", tested)
        assert done.code == 1
        assert "0 passed, 2 not recorded" in done.err

    @pytest.mark.usefixtures("tested")
    def test_a_recorded_test_exits_with_0(self, call):
        """Nothing is printed but the count, on stderr."""
        assert call("test", "--record", "--simulate").code == 0
        done = call("test")
        assert (done.code, done.out, done.err) == (0, "", "2 passed; 2 recorded answers simulated\n")

    def test_a_failed_case_exits_with_1(self, tested, call):
        """The condition has its place."""
        call("test", "--record", "--simulate")
        path = tested / "small.test.yaml"
        path.write_text(TESTS.replace("finished == 2", "finished == 3"), encoding="utf-8")
        done = call("test")
        assert done.code == 1
        assert re.search(r"FAIL  two towns +small\.test\.yaml:9:14\n +finished == 3 +finished is 2\n", done.err)

    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            (["nothing.test.yaml"], "nothing.test.yaml does not exist"),
            (["small.yaml"], "small.yaml is not a test file"),
            (["-k", "three"], "no case has `three` in its name"),
            (["--older", "soon"], "soon"),
            (["--live", "--simulate"], "`--live` and `--simulate` cannot be combined"),
            (["--rows", "3"], "--rows requires --from-run"),
            (["--from-run"], "--from-run requires one PATH"),
            (["small.yaml", "--from-run"], "no store"),
            (["--record=most"], "most"),
        ],
    )
    @pytest.mark.usefixtures("tested")
    def test_a_wrong_command_exits_with_2(self, call, arguments, told):
        """It says what is wrong."""
        done = call("test", *arguments)
        assert done.code == 2
        assert told in done.err

    def test_an_invalid_test_exits_with_2(self, tested, call):
        """The error has its place, and the pipeline's errors are told too."""
        path = tested / "small.test.yaml"
        path.write_text(TESTS.replace("steps.note", "steps.nte"), encoding="utf-8")
        done = call("test")
        assert done.code == 2
        assert "small.test.yaml:6:14" in done.err

    def test_a_broken_recording_exits_with_2_and_its_line(self, tested, call):
        """A line that was cut off."""
        call("test", "--record", "--simulate")
        path = tested / "small.answers.jsonl"
        path.write_bytes(path.read_bytes()[:-40])
        lines = path.read_bytes().count(b"\n") + 1
        done = call("test")
        assert done.code == 2
        assert f"small.answers.jsonl:{lines}:1" in done.err

    @pytest.mark.usefixtures("tested")
    def test_no_key_exits_with_3(self, call):
        """Only `--record` and `--live` need one."""
        assert call("test", "--live").code == 3
        assert call("test", "--record").code == 3

    @pytest.mark.usefixtures("tested")
    def test_a_limit_exits_with_4(self, call):
        """Nobody is there to confirm."""
        done = call("test", "--record", "--simulate", "--confirm-above-usd", "0")
        assert done.code == 4
        assert "nothing was sent" in done.err


class TestOptions:
    """How the command line is read."""

    def test_record_never_reads_a_path_as_its_value(self, tested, call):
        """`--record PATH` records that file."""
        assert call("test", "--record", "small.test.yaml", "--simulate").code == 0
        assert (tested / "small.answers.jsonl").exists()

    @pytest.mark.usefixtures("tested")
    def test_the_price_is_told_before_it_is_paid(self, call):
        """The forecast is the first line."""
        done = call("test", "--record", "--simulate")
        assert done.err.startswith("small.test.yaml (simulated): 3 rows, ")
        assert "requests to send" in done.err.partition("\n")[0]

    def test_the_price_of_several_files_is_told_for_each_and_in_total(self, tested, call):
        """The total comes last, before the question; no request is sent before."""
        (tested / "other.test.yaml").write_text(TESTS, encoding="utf-8")
        lines = call("test", "--record", "--simulate").err.splitlines()
        assert [line.partition(" (simulated): ")[0] for line in lines[:3]] == [
            "other.test.yaml",
            "small.test.yaml",
            "2 test files",
        ]
        assert "6 requests to send" in lines[2]

    @pytest.mark.parametrize("run", ["2019", "2026x", "lates"])
    @pytest.mark.usefixtures("small")
    def test_a_misspelt_run_is_no_path(self, call, run):
        """Before or after the path; without one, the message names the word."""
        call("run", "small.yaml", "--simulate", "-q")
        for arguments in (["--from-run", run, "small.yaml"], ["small.yaml", "--from-run", run]):
            done = call("test", *arguments, "--simulate")
            assert (done.code, f"there is no run `{run}`" in done.err) == (2, True)
        assert (
            f"requires one PATH: a pipeline, or the test file to write; `{run}` is read as"
            in call("test", "--from-run", run).err
        )

    @pytest.mark.parametrize("arguments", [["small.yaml", "--from-run"], ["--from-run", "small.yaml"]])
    @pytest.mark.usefixtures("small")
    def test_a_run_becomes_cases(self, call, arguments):
        """The path may follow the option."""
        call("run", "small.yaml", "--simulate", "-q")
        done = call("test", *arguments, "--rows", "2")
        assert done.code == 0
        assert re.match(r"small\.test\.yaml: 2 cases written from run 20", done.err)
        assert call("test").err == "2 passed; 2 recorded answers simulated\n"

    def test_a_folder_is_searched_below(self, tested, call, monkeypatch):
        """Without a path, the current folder is."""
        monkeypatch.chdir(tested.parent)
        done = call("test", tested.name)
        assert "2 not recorded" in done.err
        assert f"{tested.name}/rows.jsonl" not in done.out

    @pytest.mark.usefixtures("tested")
    def test_a_word_chooses_cases(self, call):
        """In any case of letters."""
        assert "1 not recorded" in call("test", "-k", "TWO").err
        assert "2 not recorded" in call("test", "-k", "small").err


class TestText:
    """The report for people."""

    def test_a_miss_shows_the_change_and_the_price(self):
        """As one line each."""
        assert list(text_lines(missed())) == [
            "MISS  the rows: 20 rows                     `label` sends another request than was recorded on 2 Nov 2026",
            "      p.md:12                               - old   + new",
            "                                            not reached: `reply`",
            "      yamlgen test --record sends at least 20 requests, $0.0100 to $0.0200",
            "0 passed, 1 not recorded; 3 recordings unused (--prune)",
        ]

    def test_control_characters_are_escaped(self):
        """Names and messages come from others."""
        text = "\n".join(text_lines(flawed(name=ODD, detail=ODD)))
        assert "\x1b" not in text
        assert "\x00" not in text
        assert len(text.splitlines()) == 3


class TestJson:
    """The report for programs."""

    @pytest.mark.usefixtures("tested")
    def test_it_has_the_counts_and_the_cases(self, call):
        """Failed and not recorded are apart."""
        done = call("test", "--output-format", "json")
        report = json.loads(done.out)
        assert (report["version"], report["passed"], report["failed"], report["not_recorded"]) == (1, 0, 0, 2)
        assert report["cases"][0]["misses"][0]["requests"] == 1
        assert done.code == 1

    @pytest.mark.usefixtures("tested")
    def test_an_error_is_an_object_too(self, call):
        """It is the only output."""
        assert json.loads(call("test", "-k", "x", "--output-format", "json").out)["error"]["code"] == "YG104"


class TestJunit:
    """The report for CI servers."""

    def test_it_is_valid_by_the_schema(self):
        """That of Jenkins, with whatever text; a file has its suite."""
        odd = flawed(name=ODD, detail=ODD).cases
        text = junit(TestReport((*flawed().cases, *missed().cases, *odd)))
        assert junit_errors(text) == []
        tree = ET.fromstring(text)  # noqa: S314 - our own
        assert [child.get("name") for child in tree] == ["a.test.yaml"]
        assert (tree[0].get("tests"), tree[0].get("failures"), tree[0].get("errors")) == ("3", "2", "1")

    def test_counts_are_those_of_the_elements(self):
        """For each file: tests, failures, errors and seconds, whatever the verdicts."""
        passed = CaseVerdict("a.test.yaml", "fine", MARK, Verdict.PASSED, 0.5)
        other = CaseVerdict("b.test.yaml", "fine", MARK, Verdict.PASSED, 1.25)
        cases = (passed, *flawed(3).cases, *missed(2).cases, other, passed)
        suites = list(ET.fromstring(junit(TestReport(cases))))  # noqa: S314
        assert [(suite.get("name"), suite.get("tests")) for suite in suites] == [
            ("a.test.yaml", "6"),
            ("b.test.yaml", "1"),
            ("a.test.yaml", "1"),
        ]
        for suite in suites:
            found = list(suite.iter("testcase"))
            assert int(suite.get("tests")) == len(found)
            assert int(suite.get("failures")) == len(list(suite.iter("failure")))
            assert int(suite.get("errors")) == len(list(suite.iter("error")))
            assert float(suite.get("time")) == pytest.approx(sum(float(case.get("time")) for case in found))
            assert all(case.get("classname") == suite.get("name") and len(case) < 2 for case in found)

    def test_what_is_not_recorded_is_apart_from_failures(self):
        """It is an error with a type of its own."""
        (error,) = ET.fromstring(junit(missed())).iter("error")  # noqa: S314
        assert error.get("type") == "not recorded"
        assert "p.md:12   - old   + new" in error.text

    def test_any_text_is_valid_xml(self):
        """Characters that XML cannot have are shown as escapes."""
        (case,) = ET.fromstring(junit(flawed(name=ODD, detail=ODD)).encode()).iter("testcase")  # noqa: S314
        assert '"quoted" <name> & more' in case.get("name")
        assert r"\u0000\u001b[31m ]]> \ud800 \ufffe" in case[0].text

    @pytest.mark.usefixtures("tested")
    def test_it_is_printed_to_stdout(self, call):
        """Nothing else is."""
        assert call("test", "--output-format", "junit").out.startswith("<?xml")


class TestGithub:
    """Annotations of a pull request."""

    def test_a_failure_is_an_error_at_its_place(self):
        """The line of the condition."""
        first = github(flawed()).partition("\n")[0]
        assert first == ("::error file=a.test.yaml,line=3,col=5,title=a case%3A failed::a.test.yaml:3: x == 2; x is 1")

    def test_what_is_not_recorded_is_a_warning(self):
        """It is of another kind."""
        assert github(missed()).startswith("::warning file=a.test.yaml,line=3,col=5,title=the rows%3A not recorded::")

    def test_no_text_begins_another_command(self):
        """Line breaks, percent signs, colons and commas are escaped."""
        lines = github(flawed(name=ODD, detail=ODD)).splitlines()
        assert len(lines) == 2
        _, properties, *message = lines[0].split("::")
        assert 'title=a "quoted" <name> & more%2C 100%25%3A' in properties
        assert message[0].endswith("`x`%0D%0A")
        assert "\x1b" not in lines[0]

    def test_ten_of_each_kind_are_shown(self):
        """GitHub drops the others without a word."""
        report = TestReport((*flawed(41).cases, *missed(12).cases))
        lines = github(report).splitlines()
        assert sum(line.startswith("::error ") for line in lines) == 10
        assert sum(line.startswith("::warning ") for line in lines) == 10
        assert "and 31 more failed" in lines
        assert "and 2 more not recorded" in lines


class TestMarkdown:
    """The report for a summary or a comment."""

    def test_a_table_has_a_row_for_each_case_that_did_not_pass(self):
        """With four cells, whatever is in them."""
        lines = markdown(flawed(name=ODD, detail=ODD)).splitlines()
        assert lines[0] == "**0 passed, 1 failed**"
        (row,) = [line for line in lines if line.startswith("| a ")]
        assert len(re.findall(r"(?<!\\)\|", row)) == 5

    def test_no_text_is_read_as_markup(self):
        """Names come from others."""
        assert "<b>" not in markdown(flawed(name="<b>bold</b>"))


# Named instead of found: the package may not be installed.
OPTIONS = ["-p", "no:yamlgen", "-p", "yamlgen.api.pytest_plugin", "-q", "-p", "no:cacheprovider"]
PLUGIN = [sys.executable, "-m", "pytest", *OPTIONS]


@pytest.fixture
def alone(monkeypatch):
    """Load no plugin that is not named: each of those that are installed takes its time."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


@pytest.mark.usefixtures("alone")
class TestPlugin:
    """`pytest --yamlgen`."""

    def test_cases_are_tests(self, tested, call):
        """Each has its name and its verdict."""
        call("test", "--record", "--simulate")
        path = tested / "small.test.yaml"
        path.write_text(TESTS.replace("finished == 2", "finished == 3"), encoding="utf-8")
        done = subprocess.run([*PLUGIN, "--yamlgen"], cwd=tested, capture_output=True, text=True, check=False)
        assert "1 failed, 1 passed" in done.stdout
        assert "FAILED small.test.yaml::two towns" in done.stdout
        assert "small.test.yaml:9: finished == 3; finished is 2" in done.stdout

    def test_an_invalid_file_is_an_error_of_collection(self, tested):
        """With the place of its error."""
        (tested / "small.test.yaml").write_text(TESTS.replace("finished", "finishd"), encoding="utf-8")
        done = subprocess.run([*PLUGIN, "--yamlgen"], cwd=tested, capture_output=True, text=True, check=False)
        assert "1 error" in done.stdout
        assert "small.test.yaml:9:14" in done.stdout

    def test_without_the_option_nothing_is_collected_or_loaded(self, tested):
        """The plugin of an installed package is in every run of pytest."""
        (tested / "conftest.py").write_text(
            "import sys\n"
            "def pytest_sessionfinish():\n"
            "    print('loaded', [m for m in sys.modules if m in ('pydantic', 'anthropic', 'yamlgen.errors')])\n",
            encoding="utf-8",
        )
        done = subprocess.run(PLUGIN, cwd=tested, capture_output=True, text=True, check=False)
        assert "no tests ran" in done.stdout
        assert "loaded []" in done.stdout
