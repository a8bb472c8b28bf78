"""The pipelines that are shipped, and their test files."""

from pathlib import Path

from yamlgen.testing.suite_files import is_test_file

FOLDER = Path(__file__).parent.parent / "pipelines"
TEST_FILES = sorted(path for path in FOLDER.glob("*.yaml") if is_test_file(path))
PIPELINES = sorted(set(FOLDER.glob("*.yaml")) - set(TEST_FILES))
