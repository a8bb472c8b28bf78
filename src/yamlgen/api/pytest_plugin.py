"""The pytest plugin: `pytest --yamlgen` shows each case of a test file as a test. Without it, nothing is loaded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from yamlgen.testing.verdicts import CaseVerdict


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option `--yamlgen`."""
    parser.addoption("--yamlgen", action="store_true", help="Run the cases of *.test.yaml files on recorded answers.")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect the test files of yamlgen."""
    if parent.config.getoption("yamlgen") and file_path.name.endswith((".test.yaml", ".test.yml")):
        made: pytest.Collector = YamlFile.from_parent(parent, path=file_path)
        return made
    return None


class _CaseFailed(Exception):  # noqa: N818 - a result of a test
    """The verdict of a case that did not pass."""


class YamlFile(pytest.File):
    """A test file of yamlgen."""

    def collect(self) -> Iterator[pytest.Item]:
        """Yield its cases."""
        from yamlgen.api.test_files import open_suites  # noqa: PLC0415 - only if there is a test file
        from yamlgen.errors import YamlgenError, near  # noqa: PLC0415

        try:
            opened, _ = open_suites([Path(near(self.path))])
        except YamlgenError as error:
            raise self.CollectError(str(error)) from None
        for suite in opened:
            for number, case in enumerate(suite.cases):
                item: YamlCase = YamlCase.from_parent(self, name=case.name)
                item.given = suite, number
                yield item


class YamlCase(pytest.Item):
    """A case."""

    given: Any

    def runtest(self) -> None:
        """Replay the case on recorded answers."""
        from yamlgen.api.tests import replayed_verdict  # noqa: PLC0415 - loads the engine

        verdict = replayed_verdict(*self.given)
        if verdict.verdict != "passed":
            raise _CaseFailed(_told(verdict))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Return why the case did not pass."""
        return str(excinfo.value) if isinstance(excinfo.value, _CaseFailed) else super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Return the place of the case."""
        suite, number = self.given
        return self.path, suite.cases[number].mark.line - 1, self.name


def _told(verdict: CaseVerdict) -> str:
    from yamlgen.testing.verdict_lines import details  # noqa: PLC0415 - only after a failure

    return "\n".join([f"{verdict.case}: {verdict.verdict}", *details(verdict)])
