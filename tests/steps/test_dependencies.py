"""What a module imports from the pipeline's folder, by its source."""

import os

import pytest

from yamlgen.steps.python.dependencies import sources_of, stamp_of

FILES = ("ones.py", "lib/ones.py", "pack/__init__.py", "pack/ones.py", "pack/deep/__init__.py", "pack/deep/twos.py")


@pytest.fixture
def sources(tmp_path):
    """What a module with a source is made of, beside files that hold nothing."""

    def of(text, path="scoring.py"):
        for name in FILES:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()
        (tmp_path / path).write_bytes(text if isinstance(text, bytes) else text.encode())
        return sources_of(tmp_path, path)

    return of


@pytest.mark.parametrize(
    ("source", "files"),
    [
        ("", ()),
        ("import json, os.path", ()),
        ("import ones", ("ones.py",)),
        ("import ones as other", ("ones.py",)),
        ("from ones import *", ("ones.py",)),
        ("from lib import ones", ("lib/ones.py",)),
        ("import lib.ones", ("lib/ones.py",)),
        ("from lib.ones import one", ("lib/ones.py",)),
        ("import pack", ("pack/__init__.py",)),
        ("from pack import ones", ("pack/__init__.py", "pack/ones.py")),
        ("from pack import other", ("pack/__init__.py",)),
        ("import pack.deep.twos", ("pack/__init__.py", "pack/deep/__init__.py", "pack/deep/twos.py")),
        ("def score():\n    if 1:\n        import ones", ("ones.py",)),
        ("try:\n    import ones\nexcept ImportError: ...", ("ones.py",)),
        ("import nowhere, lib.nowhere", ()),
        ("from .. import ones", ("ones.py",)),  # which fails when it is run
    ],
)
def test_an_import_is_a_file(sources, source, files):
    """Each form of import leads to the files of the folder that it loads, packages on the way included."""
    assert sorted(sources(source).files) == sorted(("scoring.py", *files))


def test_a_relative_import_goes_from_its_package(sources, tmp_path):
    """In a package a relative import leads to what stands beside, or above."""
    (tmp_path / "pack" / "deep").mkdir(parents=True)
    (tmp_path / "pack" / "deep" / "twos.py").write_text("from . import more\nfrom ..ones import one\n")
    (tmp_path / "pack" / "deep" / "more.py").touch()
    found = sources("from pack.deep import twos")
    assert {"pack/deep/more.py", "pack/ones.py"} <= set(found.files)
    assert {"pack.deep.more", "pack.ones"} <= found.imports


def test_a_ring_of_imports_ends(sources, tmp_path):
    """Modules that import each other are each looked at once."""
    (tmp_path / "a.py").write_text("import b")
    (tmp_path / "b.py").write_text("import a, scoring")
    assert sorted(sources("import a").files) == ["a.py", "b.py", "scoring.py"]


@pytest.mark.parametrize("source", ["import importlib", "from importlib import import_module", "x = __import__('a')"])
def test_imports_by_other_means_may_be_any(sources, source):
    """Where a module imports by a name that is made, nobody knows which ones."""
    assert sources(source).imports is None
    assert sources("import ones").imports == {"ones"}


@pytest.mark.parametrize("text", [b"x = (", b"\x00", b"\xff", b"x = " + b"-" * 100_000 + b"1"])
def test_a_sibling_that_is_not_python_is_a_file(sources, tmp_path, text):
    """A sibling that cannot be read as Python counts, and leads nowhere."""
    (tmp_path / "broken.py").write_bytes(text)
    found = sources("import broken")
    assert (sorted(found.files), sorted(found.trees)) == (["broken.py", "scoring.py"], ["scoring.py"])


def test_a_state_is_told_from_another(tmp_path):
    """A file that was written to, or replaced, by one of the same size and time too, is in another state."""
    path = tmp_path / "a"
    path.write_text("1")
    states = {stamp_of(path)}
    path.write_text("2")
    os.utime(path, ns=(0, 0))
    states.add(stamp_of(path))
    (tmp_path / "b").write_text("3")
    os.utime(tmp_path / "b", ns=(0, 0))
    (tmp_path / "b").replace(path)
    states.add(stamp_of(path))
    assert len(states) == 3
    assert stamp_of(tmp_path) is stamp_of(tmp_path / "nothing") is None
