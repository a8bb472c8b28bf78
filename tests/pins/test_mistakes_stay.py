"""What is said of planted mistakes stays as it is, to the letter.

A larger corpus, to be held against another commit's: `python tests/pins/test_mistakes_stay.py 37 > FILE`.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "pipeline"))

from test_cases import spoken  # noqa: E402
from test_single_mistakes import FOLDERS, swept  # noqa: E402

STRIDE = 997


def told(folder: Path, stride: int) -> Iterator[str]:
    """Each so manyth mistake of a folder's pipelines, with the diagnostics that it brings."""
    for _, what, found in swept(folder, stride):
        yield f"# {what}\n"
        yield from (spoken(each, "") for each in found)


def test_what_is_said_of_mistakes_stays(pinned, tmp_path, monkeypatch):
    """The same mistakes bring the same diagnostics."""
    lines = []
    for folder in FOLDERS:
        here = Path(shutil.copytree(folder, tmp_path / folder.name))
        monkeypatch.chdir(here)
        lines += told(here, STRIDE)
    pinned("mistakes.txt", "".join(lines))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as box:
        for each in FOLDERS:
            copied = Path(shutil.copytree(each, Path(box) / each.name))
            os.chdir(copied)
            sys.stdout.writelines(told(copied, int(sys.argv[1])))
