"""The two sides that an argument names."""

import pytest

from git_repositories import branched, committed, git, made, plain
from yamlgen.revisions.compared_sides import parse_sides
from yamlgen.revisions.repository import Repository


@pytest.fixture(autouse=True)
def _plain(monkeypatch):
    plain(monkeypatch)


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """`main` and `feature` part at `base`; HEAD is `main`."""
    folder = made(tmp_path_factory.mktemp("sides"), {"a.txt": "1\n"})
    git(folder, "tag", "base")
    branched(folder, "feature", {"b.txt": "2\n"})
    git(folder, "checkout", "-q", "main")
    committed(folder, {"a.txt": "2\n"})
    return Repository.at(folder)


@pytest.mark.parametrize(
    ("text", "before", "after", "headline"),
    [
        (None, "HEAD", None, "HEAD {main} .. working tree"),
        ("feature", "feature", None, "feature {feature} .. working tree"),
        ("main..feature", "main", "feature", "main {main} .. feature {feature}"),
        ("feature..", "feature", "main", "feature {feature} .. HEAD {main}"),
        ("..feature", "main", "feature", "HEAD {main} .. feature {feature}"),
        ("feature...", "base", None, "merge base {base} of feature .. working tree"),
        ("main...feature", "base", "feature", "merge base {base} of main and feature .. feature {feature}"),
        ("...feature", "base", "feature", "merge base {base} of HEAD and feature .. feature {feature}"),
    ],
)
def test_what_an_argument_compares(repository, text, before, after, headline):
    """The commits, and how the headline names them."""
    sides = parse_sides(repository, text)
    assert sides.before.sha == repository.commit(before).sha
    assert (sides.after and sides.after.sha) == (after and repository.commit(after).sha)
    shorts = {name: repository.commit(name).short for name in ("main", "feature", "base")}
    assert sides.headline == headline.format(**shorts)


def test_a_commit_named_by_its_object_is_told_once(repository):
    """The headline does not repeat it."""
    base = repository.commit("base")
    assert parse_sides(repository, base.sha).headline == f"{base.short} .. working tree"
    assert (
        parse_sides(repository, f"{base.sha}...").headline == f"merge base {base.short} of {base.short} .. working tree"
    )
