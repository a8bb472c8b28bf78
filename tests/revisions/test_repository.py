"""A repository, found from a folder, and its commits, found by a revision."""

import hashlib
import os
import re
import sys

import pytest

from git_repositories import branched, committed, git, made, plain, shallow_clone, with_submodule
from yamlgen.errors import Code, EnvironmentProblem
from yamlgen.revisions.git_process import ask
from yamlgen.revisions.repository import Repository


@pytest.fixture(autouse=True)
def _plain(monkeypatch):
    plain(monkeypatch)


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A repository with two branches that have a common commit; no test changes it."""
    folder = made(tmp_path_factory.mktemp("shared") / "repo", {"a.txt": "1\n", "sub/b.txt": "1\n"})
    branched(folder, "feature", {"b.txt": "2\n"})
    git(folder, "checkout", "-q", "main")
    committed(folder, {"a.txt": "2\n"})
    git(folder, "tag", "-a", "v1.0", "-m", "x")
    return folder


def problem(call, *arguments):
    """The error of a call, as one text."""
    with pytest.raises(EnvironmentProblem) as caught:
        call(*arguments)
    assert caught.value.code == Code.NO_REVISION
    assert caught.value.hint
    return str(caught.value)


@pytest.mark.parametrize("folder", ["", "sub", "sub/not/there"])
def test_the_repository_of_a_folder(shared, folder):
    """Every folder below the top leads to it, also one that does not exist any more."""
    assert Repository.at(shared / folder).root == shared


def test_the_root_is_named_as_the_user_reaches_it(shared, tmp_path):
    """A link on the way to the repository stays in its path."""
    (tmp_path / "link").symlink_to(shared.parent)
    repository = Repository.at(tmp_path / "link" / "repo" / "sub")
    assert repository.root == tmp_path / "link" / "repo"
    assert repository.inner(shared / "a.txt") == "a.txt"


@pytest.mark.parametrize("variable", ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"])
def test_the_variables_of_a_hook_hide_nothing(shared, tmp_path, monkeypatch, variable):
    """Git sets variables for hooks; the repository is that of the folder all the same."""
    monkeypatch.setenv(variable, str(tmp_path / "elsewhere"))
    assert Repository.at(shared).commit("main").name == "main"


def test_it_works_in_a_hook(tmp_path):
    """A `pre-commit` hook finds its repository, and the one of a submodule."""
    inner = made(tmp_path / "inner", {"x": "1"})
    outer = made(tmp_path / "outer", {"p": "1"})
    with_submodule(outer, inner, "lib")
    code = "from pathlib import Path; from yamlgen.revisions.repository import Repository as R; "
    code += "print(R.at(Path('lib')).root.name, R.at(Path()).commit('HEAD').sha, file=open('told', 'w'))"
    hook = outer / ".git" / "hooks" / "pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f'#!/bin/sh\nexec "$PYTHON" -c "{code}"\n')
    hook.chmod(0o755)
    before = git(outer, "rev-parse", "HEAD")
    (outer / "p").write_text("2")
    git(outer, "commit", "-qam", "x", PYTHON=sys.executable, PYTHONPATH=os.pathsep.join(sys.path))
    assert (outer / "told").read_text() == f"lib {before}\n"


def test_outside_of_git(tmp_path, monkeypatch):
    """The folder is named, and what to do."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.chdir(tmp_path)
    expected = "this folder is in no git repository (change to a folder of a clone, or create one with `git init`)"
    assert problem(Repository.at, tmp_path) == expected


def test_a_bare_repository(tmp_path):
    """There is no working tree to compare."""
    git(tmp_path, "init", "-q", "--bare", "bare")
    assert "a repository without a working tree" in problem(Repository.at, tmp_path / "bare")


def test_the_repository_of_another_user(shared, monkeypatch):
    """The fix is the one that git tells."""
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    told = problem(Repository.at, shared)
    assert "because another user owns it" in told
    assert f"`git config --global --add safe.directory {shared}`" in told


def test_without_git(shared, monkeypatch):
    """A machine without git is told so."""
    monkeypatch.setenv("PATH", "")
    assert problem(Repository.at, shared).startswith("`git` is not installed")


@pytest.mark.parametrize("revision", ["main", "HEAD~1", "v1.0", "feature", "main@{0}", ":/feature", "HEAD^{/x}"])
def test_a_commit_is_found_by_every_notation_of_git(shared, revision):
    """The same commit that git finds."""
    commit = Repository.at(shared).commit(revision)
    assert commit.sha == git(shared, "rev-list", "-1", revision)
    assert commit.sha.startswith(commit.short)
    assert str(commit) == f"{revision} {commit.short}"


def test_a_commit_that_is_named_by_its_object_is_shown_once(shared):
    """A part of its name is not repeated before its name."""
    repository = Repository.at(shared)
    sha = repository.commit("main").sha
    assert str(repository.commit(sha[:10])) == sha[:7]


@pytest.mark.parametrize("revision", ["-x", "--all", "--help", "", "a b", "a\nb", "\0", "main..feature", "\udcff"])
def test_what_is_no_revision_is_an_error(shared, revision):
    """No text is taken for an option."""
    assert "there is no revision" in problem(Repository.at(shared).commit, revision)


@pytest.mark.parametrize("revision", ["main^{tree}", "main:a.txt"])
def test_an_object_that_is_no_commit(shared, revision):
    """A tree or a file cannot be compared."""
    assert problem(Repository.at(shared).commit, revision).startswith(f"`{revision}` names no commit in")


@pytest.mark.parametrize(("word", "meant"), [("mian", "main"), ("featur", "feature"), ("v1.0.0", "v1.0")])
def test_a_near_name_is_suggested(shared, word, meant):
    """Branches and tags."""
    assert f"(did you mean `{meant}`?)" in problem(Repository.at(shared).commit, word)


def test_a_branch_that_only_the_remote_has_is_suggested(shared, tmp_path):
    """In a clone of CI, `feature` is only `origin/feature`."""
    git(tmp_path, "clone", "-q", shared, "clone")
    assert "(did you mean `origin/feature`?)" in problem(Repository.at(tmp_path / "clone").commit, "feature")


def test_an_ambiguous_name(tmp_path):
    """Several commits begin with the same characters."""
    folder = made(tmp_path / "repo", {"a": "1"})
    seen = {}
    for number in range(2000):
        text = str(number).encode()
        name = hashlib.sha1(b"blob %d\0%s" % (len(text), text), usedforsecurity=False).hexdigest()[:4]
        if name in seen:
            break
        seen[name] = text
    committed(folder, {"x": text, "y": seen[name]})
    assert "names several objects" in problem(Repository.at(folder).commit, name)


def test_a_shallow_clone_lacks_commits(shared, tmp_path):
    """The hint says how to fetch them, also in CI."""
    told = problem(Repository.at(shallow_clone(shared, tmp_path / "clone")).commit, "HEAD~1")
    assert "the clone is shallow" in told
    assert "`fetch-depth: 0`" in told


def test_a_repository_without_commits(tmp_path):
    """Nothing was ever committed."""
    told = problem(Repository.at(made(tmp_path / "repo")).commit, "HEAD")
    assert re.fullmatch(r"the repository \S+ has no commits yet \(commit the files first\)", told)


def test_the_merge_base(shared):
    """The commit at which two branches part."""
    repository = Repository.at(shared)
    base = repository.merge_base(repository.commit("main"), repository.commit("feature"))
    assert base.sha == repository.commit("main~1").sha
    assert str(base) == base.short


def test_branches_without_a_common_commit(tmp_path):
    """There is no merge base."""
    folder = made(tmp_path / "repo", {"a": "1"})
    git(folder, "checkout", "-q", "--orphan", "other")
    committed(folder, message="y")
    repository = Repository.at(folder)
    told = problem(repository.merge_base, repository.commit("main"), repository.commit("other"))
    assert "have no merge base" in told
    assert "fetch-depth" not in told


def test_a_shallow_clone_lacks_the_merge_base(shared, tmp_path):
    """Both branches are fetched, but not what is before them."""
    git(shared, "clone", "-q", "--depth=1", "--no-single-branch", f"file://{shared}", tmp_path / "clone")
    repository = Repository.at(tmp_path / "clone")
    told = problem(repository.merge_base, repository.commit("main"), repository.commit("origin/feature"))
    assert "`fetch-depth: 0`" in told


def test_a_linked_worktree_is_a_repository_of_its_own(shared, tmp_path):
    """Its HEAD is its own, its branches are shared."""
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", shared, clone)
    git(clone, "worktree", "add", "-q", tmp_path / "tree", "origin/feature")
    repository = Repository.at(tmp_path / "tree")
    assert repository.root == tmp_path / "tree"
    assert repository.commit("HEAD").sha == repository.commit("origin/feature").sha


def test_a_path_outside_of_the_repository(shared, tmp_path):
    """No commit has it."""
    repository = Repository.at(shared)
    assert not repository.holds(tmp_path / "x")
    assert "lies outside of the repository" in problem(repository.inner, tmp_path / "x")
    assert not repository.holds(shared.with_name("repository"))


@pytest.mark.parametrize("script", ["exec sleep 60", "kill -9 $$"])
def test_a_hanging_or_killed_git_is_an_error(tmp_path, monkeypatch, script):
    """Every call of git has a deadline."""
    (tmp_path / "git").write_text(f"#!/bin/sh\n{script}\n")
    (tmp_path / "git").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(EnvironmentProblem, match=r"did not answer within 0\.3 seconds|was ended by signal 9"):
        ask(tmp_path, "version", seconds=0.3)


def test_no_network_is_reached(tmp_path):
    """Git may use no protocol."""
    with pytest.raises(EnvironmentProblem, match="not allowed"):
        ask(tmp_path, "ls-remote", "https://127.0.0.1:9/x")
