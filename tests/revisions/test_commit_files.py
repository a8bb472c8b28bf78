"""The files of a commit, written to a mirror: their content, their places, links, submodules, what is missing."""

import os
import subprocess
from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_repositories import committed, git, made, plain, put, with_submodule
from yamlgen.errors import Code, EnvironmentProblem
from yamlgen.revisions import object_reader
from yamlgen.revisions.commit_files import CommitFiles
from yamlgen.revisions.repository import Repository

NAMES = [
    "a.md",
    "with space/b.md",
    "über/ä.md",
    "u\u0308ber/a\u0308.md",
    "quo\"te'.md",
    "new\nline.md",
    "\udcff/x",
    " y",
]


@pytest.fixture(autouse=True)
def _plain(monkeypatch):
    plain(monkeypatch)


@pytest.fixture
def folder(tmp_path):
    """A repository without commits."""
    return made(tmp_path / "repo")


@pytest.fixture
def of(tmp_path):
    """A function that returns the files of a commit, with a mirror of their own."""
    numbers = count()

    def files(folder, revision="HEAD"):
        repository = Repository.at(folder)
        return CommitFiles(repository, repository.commit(revision), tmp_path / f"mirror{next(numbers)}")

    return files


def content(files, path):
    """What the mirror has of a file, which is brought."""
    assert files.bring([path]) == set()
    return files.mirror_of(path).read_bytes()


def snapshot(folder):
    """All files below a folder, with their content and times."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in paths}


def test_files_are_those_of_the_commit(folder, of):
    """Whatever the working tree and the index have."""
    committed(folder, {"a": "old"})
    put(folder, {"a": "new"})
    git(folder, "add", "a")
    (folder / "a").unlink()
    assert content(of(folder), folder / "a") == b"old"


@pytest.mark.parametrize("name", NAMES)
def test_every_name_that_a_file_can_have(folder, of, name):
    """Spaces, umlauts in both forms, quotes, line ends, bytes that are no UTF-8."""
    committed(folder, {name: name.encode("utf-8", "surrogateescape")})
    files = of(folder)
    assert files.paths() == [folder / name]
    assert content(files, folder / name) == os.fsencode(name)


def test_what_the_commit_lacks_is_returned(folder, of):
    """A file, a file in a file, a file of another commit."""
    committed(folder, {"a": "1"})
    git(folder, "checkout", "-q", "-b", "other")
    committed(folder, {"b": "1"})
    files = of(folder, "main")
    asked = [folder / name for name in ("a", "b", "a/x", "no/x", "A")]
    assert files.bring(asked) == set(asked[1:])
    assert not files.mirror_of(folder / "b").exists()


def test_relative_paths_keep_their_meaning(folder, of):
    """The mirror repeats the absolute path of each file."""
    committed(folder, {"p/x.yaml": "1", "q/y.md": "2"})
    files = of(folder)
    assert files.bring([folder / "p/x.yaml", folder / "p/../q/y.md"]) == set()
    assert (files.mirror_of(folder / "p/x.yaml").parent / "../q/y.md").read_text() == "2"
    assert files.mirror_of(folder) == files.mirror / folder.relative_to("/")


def test_files_are_listed_below_a_folder(folder, of):
    """Not those of a folder whose name begins alike."""
    committed(folder, {"d/a": "", "d/e/b": "", "d2/c": "", "d.txt": ""})
    files = of(folder)
    assert files.paths(folder / "d") == [folder / "d/a", folder / "d/e/b"]
    assert files.paths(folder / "no") == []
    assert len(files.paths()) == 4


def test_a_folder_brings_its_files(folder, of):
    """All that are below it."""
    committed(folder, {"d/a": "1", "d/e/b": "2", "c": "3"})
    files = of(folder)
    assert files.bring([folder / "d"]) == set()
    assert sorted(path.name for path in files.mirror.rglob("*") if path.is_file()) == ["a", "b"]


def test_a_file_is_brought_once(folder, of):
    """A second time nothing is written, and the same is missing."""
    committed(folder, {"a": "1"})
    files = of(folder)
    for _ in range(2):
        assert files.bring([folder / "a", folder / "b"]) == {folder / "b"}
        files.mirror_of(folder / "a").write_text("kept")
    assert files.mirror_of(folder / "a").read_text() == "kept"


@pytest.mark.parametrize(
    ("settings", "attributes", "stored", "expected"),
    [
        ({}, "", b"a\nb\n", b"a\nb\n"),
        ({"core.autocrlf": "true"}, "", b"a\nb\n", b"a\r\nb\r\n"),
        ({}, "*.txt text eol=crlf", b"a\nb\n", b"a\r\nb\r\n"),
        ({"core.autocrlf": "true"}, "*.txt -text", b"a\nb\n", b"a\nb\n"),
        ({}, "*.txt working-tree-encoding=UTF-16LE", "ä\n".encode("utf-16-le"), "ä\n".encode("utf-16-le")),
    ],
)
def test_line_ends_are_those_of_a_checkout(folder, of, settings, attributes, stored, expected):
    """By the settings and attributes of this working tree."""
    for name, value in settings.items():
        git(folder, "config", name, value)
    committed(folder, {".gitattributes": attributes, "a.txt": stored})
    git(folder, "rm", "-q", "-r", "--cached", ".")
    (folder / "a.txt").unlink()
    git(folder, "reset", "-q", "--hard")
    assert content(of(folder), folder / "a.txt") == (folder / "a.txt").read_bytes() == expected


def test_no_filter_of_lfs_runs(folder, of):
    """A large file stays a pointer."""
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"
    committed(
        folder, {"big.csv": pointer, "small.csv": "version https://git\n", ".gitattributes": "big.csv filter=lfs"}
    )
    for name in ("smudge", "clean", "process"):
        git(folder, "config", f"filter.lfs.{name}", f"touch {folder}/ran; cat")
    git(folder, "config", "filter.lfs.required", "true")
    files = of(folder)
    assert content(files, folder / "big.csv") == pointer.encode()
    (folder / "big.csv").touch()
    files.changed(None)
    assert not (folder / "ran").exists()


def link(folder, name, target):
    """Make a link."""
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).symlink_to(target)


@pytest.mark.parametrize("target", ["real/a.md", "./real//a.md", "real/../real/a.md", "second", "{root}/real/a.md"])
def test_a_link_is_brought_with_its_target(folder, of, target):
    """Also through a second link, and by an absolute path."""
    link(folder, "second", "real/a.md")
    link(folder, "link.md", target.format(root=folder))
    committed(folder, {"real/a.md": "1"})
    files = of(folder)
    assert content(files, folder / "link.md") == b"1"
    assert files.mirror_of(folder / "link.md").is_symlink()
    assert files.mirror_of(folder / "link.md").resolve() == files.mirror_of(folder / "real/a.md").resolve()


def test_a_folder_that_is_a_link(folder, of):
    """Its files are listed under the link, and found through it."""
    link(folder, "p/prompts", "../shared/prompts")
    committed(folder, {"shared/prompts/a.md": "1", "shared/prompts/b/c.md": "2"})
    files = of(folder)
    assert files.paths(folder / "p/prompts") == [folder / "p/prompts/a.md", folder / "p/prompts/b/c.md"]
    assert content(files, folder / "p/prompts/a.md") == b"1"
    assert content(files, folder / "p/prompts/b/../b/c.md") == b"2"


@pytest.mark.parametrize("target", ["/etc/passwd", "../../../../../../../../../etc/passwd", "../outside", "x", "y"])
def test_no_link_leads_out_of_the_mirror(folder, of, target):
    """What is outside of the repository, and what is nowhere, is not in the commit."""
    (folder.parent / "outside").write_text("secret")
    link(folder, "x", target)
    link(folder, "z", "x")
    committed(folder)
    files = of(folder)
    assert files.bring([folder / "x", folder / "z"]) == {folder / "x", folder / "z"}
    assert not files.mirror_of(folder / "x").exists()
    assert not files.mirror_of(folder / "z").exists()


def test_a_link_is_not_followed_where_the_commit_has_a_folder(folder, of):
    """Each commit has its own mirror, so nothing is written through a link of another commit."""
    committed(folder, {"d/a": "1"})
    (folder / "d/a").unlink()
    (folder / "d").rmdir()
    link(folder, "d", "e")
    committed(folder, {"e/a": "2"})
    assert content(of(folder, "HEAD~1"), folder / "d/a") == b"1"
    assert content(of(folder), folder / "d/a") == b"2"


PARTS = st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map("/".join)


@given(st.dictionaries(PARTS, st.none() | PARTS, min_size=1, max_size=6), st.lists(PARTS, max_size=3))
def test_paths_lead_where_a_checkout_leads(tmp_path_factory, tree, asked):
    """Files and links in any order: each path has in the mirror what it has in the working tree."""
    folder = made(tmp_path_factory.mktemp("any") / "repo")
    for name, target in tree.items():
        with suppress(OSError):  # below a file, or in place of a folder
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            if target is None:
                (folder / name).write_text(name)
            else:
                (folder / name).symlink_to(os.path.relpath(folder / target, (folder / name).parent.resolve()))
    with pytest.MonkeyPatch.context() as monkeypatch:
        plain(monkeypatch)
        committed(folder)
        repository = Repository.at(folder)
        files = CommitFiles(repository, repository.commit("HEAD"), folder.parent / "mirror")
        paths = {folder / name for name in [*tree, *asked]}
        missing = files.bring(paths)
        for path in paths:
            there = files.mirror_of(path)
            assert (path in missing) == (not there.exists())
            assert (there.is_file(), there.is_dir()) == (path.is_file(), path.is_dir() and any(path.iterdir()))
            assert not path.is_file() or there.read_text() == path.read_text()
            assert sorted(files.paths(path)) == sorted(each for each in files_below(path))


def files_below(path):
    """What is below a folder of the working tree and is no folder; links are not followed."""
    return [each for each in path.rglob("*") if each.is_symlink() or not each.is_dir()]


def test_a_path_outside_of_the_repository(folder, of):
    """Fact, place and fix."""
    committed(folder)
    with pytest.raises(
        EnvironmentProblem, match=r"outside of the repository .* \(move it into the repository"
    ) as caught:
        of(folder).bring([folder.parent / "x"])
    assert caught.value.code == Code.NO_REVISION


@pytest.fixture
def host(tmp_path):
    """A repository with the submodule `lib`; its second commit names another commit of it."""
    inner = made(tmp_path / "inner", {"x.txt": "1", "d/y.txt": "1"})
    host = made(tmp_path / "host", {"p": "1"})
    with_submodule(host, inner, "lib")
    committed(host / "lib", {"x.txt": "2"})
    committed(host)
    return host


def test_files_of_a_submodule(host, of):
    """At the commit that the superproject's commit names."""
    link(host, "l", "lib/d")
    committed(host)
    old, new = of(host, "HEAD~2"), of(host)
    assert content(old, host / "lib/x.txt") == b"1"
    assert content(new, host / "lib/x.txt") == b"2"
    assert content(new, host / "l/y.txt") == b"1"
    assert new.paths(host / "lib/d") == [host / "lib/d/y.txt"]
    assert new.paths(host / "l") == [host / "l/y.txt"]
    assert {host / "p", host / "lib/x.txt", host / "lib/d/y.txt"} < set(new.paths())
    assert new.bring([host / "lib/no", host / "lib/x.txt"]) == {host / "lib/no"}


def test_a_submodule_that_is_not_in_this_clone(host, of, tmp_path):
    """Its files are not listed; one that is needed is an error with a fix."""
    git(tmp_path, "clone", "-q", host, "clone")
    files = of(tmp_path / "clone")
    assert [path.name for path in files.paths()] == [".gitmodules", "p"]
    with pytest.raises(EnvironmentProblem, match=r"submodule \S+lib is not .* `git submodule update --init`"):
        files.bring([tmp_path / "clone/lib/x.txt"])


def test_a_submodule_without_the_commit(host, of, tmp_path):
    """The superproject names a commit that nobody has pushed."""
    (host / "lib").rename(tmp_path / "away")
    git(tmp_path, "clone", "-q", tmp_path / "inner", host / "lib")
    with pytest.raises(EnvironmentProblem, match=r"lacks the commit \w{12}, which HEAD \w+ names .* fetch`"):
        of(host).bring([host / "lib/x.txt"])


def test_a_partial_clone_fetches_nothing(folder, of, tmp_path):
    """A missing object is an error that says how to fetch it; after that it is there."""
    git(folder, "config", "uploadpack.allowFilter", "true")
    committed(folder, {"a.txt": "1"})
    committed(folder, {"a.txt": "2"})
    git(tmp_path, "clone", "-q", "--filter=blob:none", f"file://{folder}", "clone")
    path = tmp_path / "clone" / "a.txt"
    files = of(path.parent, "HEAD~1")
    with pytest.raises(EnvironmentProblem, match=r"a.txt, object \w{12}, is not in this clone .*--refetch --no-filter"):
        files.bring([path])
    assert not files.mirror_of(path).exists()
    git(path.parent, "fetch", "-q", "--refetch", "--no-filter")
    assert content(files, path) == b"1"


def test_a_damaged_object_is_an_error(folder, of):
    """The object is gone from the repository."""
    committed(folder, {"a": "1"})
    name = git(folder, "rev-parse", "HEAD:a")
    (folder / ".git" / "objects" / name[:2] / name[2:]).unlink()
    with pytest.raises(EnvironmentProblem, match="is not in this clone"):
        of(folder).bring([folder / "a"])


@pytest.mark.parametrize("script", ["exec sleep 60", "kill -9 $$", "echo 'fatal: broken' >&2; exit 128"])
def test_git_that_hangs_or_dies_is_an_error(folder, of, tmp_path, monkeypatch, script):
    """Nothing is left in the mirror."""
    committed(folder, {"a": "1"})
    files = of(folder)
    files.paths()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/git").write_text(f"#!/bin/sh\n{script}\n")
    (tmp_path / "bin/git").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    monkeypatch.setattr(object_reader, "SECONDS", 0.2)
    with pytest.raises(EnvironmentProblem, match=r"within 0\.2 seconds|signal 9|failed: broken"):
        files.bring([folder / "a"])
    assert not files.mirror_of(folder / "a").exists()


def test_a_mirror_that_cannot_be_written(folder, of):
    """The folder is named."""
    committed(folder, {"a": "1"})
    files = of(folder)
    files.mirror.write_text("")
    with pytest.raises(EnvironmentProblem, match=r"cannot write .*mirror") as caught:
        files.bring([folder / "a"])
    assert caught.value.code == Code.DISK


@pytest.mark.parametrize("arguments", [["--split-index"], ["--untracked-cache"], []])
def test_the_repository_is_only_read(folder, of, arguments):
    """Not one byte of `.git` or of the working tree changes, also where the index could be refreshed."""
    committed(folder, {"a": "1", "b": "2"})
    committed(folder, {"a": "3"})
    git(folder, "update-index", *arguments)
    put(folder, {"a": "3", "b": "9", "new": "x"})
    before = snapshot(folder)
    files = of(folder, "HEAD~1")
    files.bring(files.paths())
    assert files.changed(None) == {folder / name for name in "ab"} | {folder / "new"}
    files.changed(of(folder))
    assert {path: text for path, (text, _) in snapshot(folder).items()} == {p: t for p, (t, _) in before.items()}
    assert all(at == before[path][1] for path, (_, at) in snapshot(folder).items() if "sharedindex" not in path.name)


@pytest.fixture(scope="module")
def brought(tmp_path_factory):
    """A function that commits a content, and returns what the mirror has of it."""
    folder = made(tmp_path_factory.mktemp("any") / "repo", {"keep": "x"})
    mirror = tmp_path_factory.mktemp("mirror")
    numbers = count()

    def content_of(data):
        with pytest.MonkeyPatch.context() as monkeypatch:
            plain(monkeypatch)
            committed(folder, {"any": data, "after": data + b"!"})
            repository = Repository.at(folder)
            own = Path(mirror, str(next(numbers)))
            files = CommitFiles(repository, repository.commit("HEAD"), own)
            return content(files, folder / "any"), content(files, folder / "after")

    return content_of


@given(
    st.binary(max_size=200) | st.sampled_from([b"\n", b"x missing\n", b"blob 3\nabc\n", b"a" * 70_000, b"\n" * 65_536])
)
def test_every_content_comes_as_it_is(brought, data):
    """The end of a file is found whatever is in it."""
    assert brought(data) == (data, data + b"!")


def test_changes_of_the_working_tree(folder, of):
    """Changed, removed, staged and untracked files; not those that git ignores, nor those that were only touched."""
    names = ("same", "touched", "changed", "removed", "staged", "moved")
    committed(folder, {**{name: f"{name}\n" * 3 for name in names}, ".gitignore": "*.log\n"})
    put(folder, {"changed": "x", "removed": None, "staged": "x", "d/new": "", "a.log": "x"})
    git(folder, "add", "staged")
    git(folder, "mv", "moved", "there")
    os.utime(folder / "touched", (0, 0))
    expected = {"changed", "removed", "staged", "d/new", "moved", "there"}
    assert of(folder).changed(None) == {folder / name for name in expected}


def test_line_ends_are_no_change(folder, of):
    """A file that a commit would convert to what is committed."""
    git(folder, "config", "core.autocrlf", "true")
    committed(folder, {"a": "1\n2\n"})
    put(folder, {"a": "1\r\n2\r\n"})
    assert of(folder).changed(None) == set()


def test_changes_between_commits(folder, of):
    """Whatever the working tree has."""
    committed(folder, {"a": "1", "b": "1", "d/c": "1"})
    committed(folder, {"a": "2", "d/c": None, "d/n": "1"})
    put(folder, {"b": "9"})
    assert of(folder, "HEAD~1").changed(of(folder)) == {folder / name for name in ("a", "d/c", "d/n")}


def test_changes_in_a_submodule(host, of):
    """The files of it; without its repository, its folder."""
    old, new = of(host, "HEAD~1"), of(host)
    assert host / "lib/x.txt" in old.changed(new)
    assert new.changed(None) == set()
    put(host, {"lib/d/y.txt": "9", "lib/z": ""})
    assert new.changed(None) == {host / "lib/d/y.txt", host / "lib/z"}


def test_a_repository_without_an_index(folder, of):
    """Everything was removed from it."""
    committed(folder, {"a": "1"})
    (folder / ".git/index").unlink()
    assert of(folder).changed(None) == {folder / "a"}


def test_git_ends_where_the_work_is_interrupted(folder, of, monkeypatch):
    """Ctrl-C in the middle of many files leaves no process."""
    committed(folder, {"a": "1"})
    started = []

    class Recorded(subprocess.Popen):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            started.append(self)

    def interrupted():
        yield folder / "a"
        raise KeyboardInterrupt

    files = of(folder)
    monkeypatch.setattr(subprocess, "Popen", Recorded)
    with pytest.raises(KeyboardInterrupt):
        files.bring(interrupted())
    assert "cat-file" in started[-1].args
    assert [process.poll() is None for process in started] == [False] * len(started)


def test_a_change_in_the_second_of_the_index_is_seen(folder, of):
    """A change in the second in which git wrote its index is seen, although size and time of the file are the same."""
    path, index = folder / "a.md", folder / ".git/index"
    put(folder, {"a.md": "one"})
    os.utime(path, (10**9, 10**9))
    committed(folder)
    os.utime(index, (10**9, 10**9))
    put(folder, {"a.md": "two"})
    os.utime(path, (10**9, 10**9))
    assert of(folder).changed(None) == {path}
