"""The table of kinds: each is a folder of its name, which is loaded as far as it is needed."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import yamlgen.steps
from yamlgen.steps.step_kinds import KINDS

FOLDER = Path(yamlgen.steps.__file__).parent
PIPELINES = Path(__file__).parent.parent.parent / "pipelines"


def test_each_folder_is_a_kind():
    """No kind stands elsewhere, and no folder is left out of the table."""
    assert {path.parent.name for path in FOLDER.glob("*/__init__.py")} == KINDS.keys()


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_is_called_the_same_everywhere(kind):
    """In the table, in a file, in a plan, and by its folder, where all of it stands."""
    declared = import_module(f"yamlgen.steps.{kind}.declaration").DECLARED
    executor = import_module(f"yamlgen.steps.{kind}.execution").EXECUTOR
    assert (KINDS[kind].model_fields["kind"].default, declared.planned.kind) == (kind, kind)
    homes = {each.__module__.split(".")[2] for each in (declared, KINDS[kind], declared.planned, executor)}
    assert homes == {kind}


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_is_known_in_its_folder_alone(kind):
    """Nothing else imports from a kind's folder: what there is to know of a kind is asked of the protocols."""
    sources = {path: path.read_text(encoding="utf-8") for path in FOLDER.parent.rglob("*.py")}
    assert not [path for path, text in sources.items() if f"steps.{kind}" in text and FOLDER / kind not in path.parents]


def test_what_is_checked_is_not_loaded_to_be_done():
    """`validate` imports nothing that does a step, and nothing that calls functions."""
    code = (
        "import sys; from yamlgen.api.loading import check; from pathlib import Path\n"
        "assert not [found for path in Path(sys.argv[1]).glob('*.yaml')\n"
        "            if '.test' not in path.suffixes and (found := check(path)[1])]\n"
        "print(*sorted(name for name in sys.modules if name.endswith(('.performed', '.function_calls'))))"
    )
    done = subprocess.run([sys.executable, "-c", code, PIPELINES], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
