"""What an expression proves about null: only ever what is certain."""

import pytest
from hypothesis import example, given, reject
from hypothesis import strategies as st

from yamlgen.errors import RowError
from yamlgen.expressions.evaluation import evaluate, parse_expression
from yamlgen.expressions.narrowing import (
    empty,
    forks,
    not_null,
    null,
    path_of,
)

A, B = ("steps", "a"), ("steps", "b")


def proven(source, *, holds):
    """The members of `steps` that are proven not to be null; roots are left out, which never are."""
    return {".".join(map(str, path[1:])) for path in not_null(parse_expression(source), holds=holds) if len(path) > 1}


@pytest.mark.parametrize(
    ("source", "when_true", "when_false"),
    [
        ("steps.a", {"a"}, set()),
        ("not steps.a", set(), {"a"}),
        ("not not steps.a", {"a"}, set()),
        ("steps.a is not none", {"a"}, set()),
        ("steps.a is none", set(), {"a"}),
        ("not (steps.a is none)", {"a"}, set()),
        ("steps.a != none", {"a"}, set()),
        ("steps.a == none", set(), {"a"}),
        ("steps.a == 'x'", {"a"}, set()),
        ("steps.a == 0", {"a"}, set()),
        ("steps.a != 'x'", set(), set()),
        ("steps.a == steps.b", set(), set()),
        ("steps.a is string", {"a"}, set()),
        ("steps.a is not string", set(), {"a"}),
        ("steps.a is mapping", {"a"}, set()),
        ("steps.a is defined", set(), set()),
        ("steps.a in [none]", set(), set()),
        ("steps.a and steps.b", {"a", "b"}, set()),
        ("steps.a or steps.b", set(), set()),
        ("steps.a or steps.a", {"a"}, set()),
        ("steps.a is none or steps.b is none", set(), {"a", "b"}),
        ("not (steps.a is none or steps.b is none)", {"a", "b"}, set()),
        ("not (steps.a and steps.b)", set(), {"a", "b"}),
        ("steps.a and steps.b or steps.a", {"a"}, set()),
        ("steps.a.x", {"a", "a.x"}, set()),
        ("steps['a']", {"a"}, set()),
        ("steps.a[0]", {"a", "a.0"}, set()),
        ("steps.a | length", set(), set()),
        ("steps.a | default('x')", set(), set()),
        ("steps[row.a]", set(), set()),
        ("true", set(), set()),
        ("steps.b if steps.a else true", set(), set()),
    ],
)
def test_what_a_question_proves(source, when_true, when_false):
    """The references that are not null where it holds, and those where it does not."""
    assert proven(source, holds=True) == when_true
    assert proven(source, holds=False) == when_false


@pytest.mark.parametrize(
    ("source", "path"),
    [
        ("steps.a", A),
        ("steps['a']", A),
        ('steps.a["x y"][0].z', (*A, "x y", 0, "z")),
        ("steps.a[row.x]", ()),
        ("steps.a[1:]", ()),
        ("steps.a | first", ()),
        ("steps.a()", ()),
        ("[steps.a][0]", ()),
        ("'a'", ()),
    ],
)
def test_a_fixed_reference_is_a_path(source, path):
    """Dots and brackets are the same; what is computed has no path."""
    assert path_of(parse_expression(source)) == path


flat = st.sampled_from(["steps.a", "steps.b", 'steps["a"]', "item"])
deep = st.sampled_from(["steps.a.x", "steps.b[0]", "steps.a['x']['y']", "steps.b[1].x"])
constant = st.sampled_from(["none", "0", "1", "'a'", "true", "false", "''", "[]", "2.5", "-1"])
TESTS = """
    defined undefined string mapping sequence iterable number integer float boolean true false odd callable
    sameas(none) eq(1) ne(none) in([none]) in([1]) lower escaped
""".split()  # noqa: SIM905 - one below the other would fill a page
FILTERS = ["default(none)", "default(1,true)", "list", "length", "d('')", "int", "first", "select|list"]
side = flat | deep | constant
atoms = st.one_of(
    flat,
    deep,
    constant,
    st.builds("{} is {}none".format, flat, st.sampled_from(["", "not "])),
    st.builds("{} is {}{}".format, flat | deep, st.sampled_from(["", "not "]), st.sampled_from(TESTS)),
    st.builds("{} {} {}".format, side, st.sampled_from(["==", "!=", "in", "not in", "<", ">="]), side),
    st.builds("{} == {} == {}".format, side, side, side),
    st.builds("{} | {}".format, flat | deep, st.sampled_from(FILTERS)),
)


def grown(inner):
    """Questions around others."""
    part = inner.map("({})".format)
    joint = st.sampled_from(["and", "or"])
    return st.one_of(
        part.map("not {}".format),
        st.builds("{} {} {}".format, inner, joint, inner),
        st.builds("{} {} {}".format, part, joint, part),
        st.builds("{} {} {}".format, part, st.sampled_from(["==", "!="]), part),
        st.builds("{} if {} else {}".format, part, part, part),
        st.builds("{} is {}".format, part, st.sampled_from(TESTS)),
    )


questions = st.recursive(atoms, grown, max_leaves=5)
values = st.recursive(
    st.none() | st.sampled_from([0, 1, "", "a", True, False, 2.5]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("xy"), inner, max_size=2),
    max_leaves=4,
)


def found(scope, path):
    """What a path leads to; anything but null where it leads nowhere, since no expression goes on with that."""
    for key in path:
        try:
            scope = scope[key]
        except (KeyError, IndexError, TypeError):
            return ...
    return scope


values = values | st.fixed_dictionaries({"x": st.fixed_dictionaries({"y": values})}) | st.lists(values, min_size=2)


def answer(source, a, b, item):
    """Whether a question holds, and what it was asked of; `None` where it fails."""
    scope = {"steps": {"a": a, "b": b}, "item": item}
    try:
        return bool(evaluate(source, scope)), scope
    except RowError:
        return None


@st.composite
def answered(draw, *proofs):
    """A question and values that it has an answer for, of which one of some functions proves something."""
    for _ in range(99):
        source = draw(questions)
        tree = parse_expression(source)
        proving = [holds for holds in (True, False) if any(find(tree, holds=holds) for find in proofs)]
        for _ in range(9 if proving else 0):
            asked = source, draw(values), draw(values), draw(values)
            found = answer(*asked)
            if found and found[0] in proving:
                return asked
    return reject()


@given(answered(not_null))
@example(("steps.a.x == none or steps.b", {"x": 1}, None, None))
@example(("not (steps.a is none or item is none) and steps.b[0] == 0", 1, [0], 2))
@example(("steps.a != none != steps.b", None, None, None))
@example(("(steps.a or none) == none", None, 1, None))
def test_what_is_proven_is_not_null(asked):
    """Where a question holds for a row, what it then proves is not null, and where it does not, likewise."""
    source, *_ = asked
    holds, scope = answer(*asked)
    for path in not_null(parse_expression(source), holds=holds):
        assert found(scope, path) is not None, path


def test_a_missing_member_proves_nothing_of_its_owner():
    """A member of null is missing, and what is missing is not none."""
    source = "steps.a.x is not none"
    assert evaluate(source, {"steps": {"a": None}}) is True
    assert ("steps", "a") not in not_null(parse_expression(source), holds=True)


def forks_if(tree, *, holds):
    """The forks of a question that holds."""
    return forks(tree) if holds else ()


@given(answered(forks_if, null, empty))
@example(("steps.a or steps.b", None, 1, None))
@example(("steps.a is not none or steps.b", None, 1, None))
def test_of_a_fork_one_is_there(asked):
    """Where a question holds, one of each set of references is there, and what is empty is empty."""
    source, *_ = asked
    holds, scope = answer(*asked)
    tree = parse_expression(source)
    for fork, is_full in forks(tree) if holds else ():
        there = [found(scope, path) for path in fork]
        assert any(there) if is_full else any(value is not None for value in there), fork
    for path in null(tree, holds=holds):
        assert found(scope, path) is None, path
    for path in empty(tree, holds=holds):
        assert not found(scope, path) or found(scope, path) is ..., path
