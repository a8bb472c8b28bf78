"""The tree of errors: codes that stay unique, and exceptions that survive a trip to another process."""

import copy
import importlib
import pickle
import pkgutil

import pytest

import yamlgen
from yamlgen.diagnostics import Diagnostic, InvalidPipeline, Mark
from yamlgen.errors import Code, RowError, UsageError, YamlgenError
from yamlgen.exit_codes import ExitCode
from yamlgen.redaction import redact
from yamlgen.value_objects import Attempt, Usage


def every_error():
    """All subclasses of the root, wherever in the package they are."""
    for module in pkgutil.walk_packages(yamlgen.__path__, "yamlgen."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    found, waiting = [], [YamlgenError]
    while waiting:
        kind = waiting.pop()
        found.append(kind)
        waiting.extend(kind.__subclasses__())
    return [kind for kind in found if kind.__module__.startswith("yamlgen.")]


def pickled(error):
    """The error after a trip to another process."""
    return pickle.loads(pickle.dumps(error))  # noqa: S301 - our own


MARK = Mark("a.yaml", 1, 2, 1, 5)


def made(kind):
    """One of each kind, with all that it can carry."""
    if issubclass(kind, InvalidPipeline):
        warning = Diagnostic(Code.UNKNOWN_KEYWORD, "odd", MARK, None, "warning")
        return kind((warning, Diagnostic(Code.UNKNOWN_KEY, "unknown key `promt`", MARK, "did you mean `prompt`?")))
    if issubclass(kind, RowError):
        attempt = Attempt({"content": []}, Usage(1, 2), ("$.a: no",), "req_1", 0.5)
        return kind("so", code=Code.REFUSED, hint="why", request={"model": "m"}, attempts=(attempt,))
    return kind("so", code=Code.STOPPED, hint="why")


@pytest.mark.parametrize("kind", every_error(), ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("travel", [pickled, copy.copy, copy.deepcopy])
def test_every_error_survives_pickling(kind, travel):
    """A row may fail in another process than the one that reports it: nothing is lost on the way."""
    error = made(kind)
    error.told = {"more": [1]}
    again = travel(error)
    assert type(again) is kind
    assert again.__dict__ == error.__dict__
    assert again.args == error.args
    assert str(again) == str(error)


@pytest.mark.parametrize("kind", every_error(), ids=lambda kind: kind.__name__)
def test_another_error_is_a_copy(kind):
    """What somebody adds to an error, whoever has it already does not see."""
    error = made(kind)
    before = str(error), dict(error.__dict__)
    changed = error.replace(message="other", hint="do", exit_code=ExitCode.LIMIT)
    assert (type(changed), changed.message, changed.hint, changed.exit_code) == (kind, "other", "do", ExitCode.LIMIT)
    assert (str(error), error.__dict__) == before
    rest = {"hint": None, "exit_code": None}
    assert changed.__dict__ | rest == error.__dict__ | rest


@pytest.mark.parametrize("kind", every_error(), ids=lambda kind: kind.__name__)
def test_every_error_has_an_exit_code(kind):
    """Whatever ends a run says how the command ends."""
    assert isinstance(kind.exit_code, ExitCode)


def test_an_invalid_pipeline_is_told_by_its_first_error():
    """A warning before it does not stand in for it."""
    error = made(InvalidPipeline)
    assert error.message == "a.yaml:1:2: unknown key `promt`"
    assert str(error) == "a.yaml:1:2: unknown key `promt` (did you mean `prompt`?)"
    assert error.code == Code.UNKNOWN_KEY


def test_an_invalid_pipeline_counts_the_rest():
    """Several errors are told by the first and how many more there are, and each by itself where there is room."""
    one = Diagnostic(Code.UNKNOWN_KEY, "unknown key `a`", MARK, "remove it")
    error = InvalidPipeline((one, one, one))
    assert error.message == "a.yaml:1:2: unknown key `a` (and 2 more)"
    assert str(error).splitlines() == ["a.yaml:1:2: unknown key `a` (remove it)"] * 3


@pytest.mark.parametrize("kind", every_error(), ids=lambda kind: kind.__name__)
def test_the_text_of_an_error_has_its_hint(kind):
    """Once, behind the fact, whatever is changed of either later; without a hint it is the fact."""
    error = made(kind)
    assert str(error) == f"{error.message} ({error.hint})"
    if not issubclass(kind, InvalidPipeline):
        error = error.replace(message="so it was", hint="because")
        assert str(error) == str(pickled(error)) == "so it was (because)"
        assert error.args == ("so it was",)
        assert str(error.replace(hint=None)) == "so it was"


def test_codes_are_unique():
    """Two kinds of error never share a code."""
    assert len({code.value for code in Code}) == len(Code.__members__)


@pytest.mark.parametrize("name", ["RunStopped", "RowError", "InvalidPipeline", "YamlgenError", "Diagnostic"])
def test_users_can_name_the_errors(name):
    """What users catch stands in the package's root."""
    assert getattr(yamlgen, name).__name__ == name


def test_keys_are_redacted():
    """Anything in the shape of a key goes."""
    assert redact("sk-ant-api03-AbC_9-x and sk-ant-") == "sk-ant-[secret] and sk-ant-"


def test_usage_errors_exit_with_2():
    """A wrong call is the caller's, not the surroundings'."""
    assert UsageError("so", code=Code.BAD_PARAM).exit_code == ExitCode.USAGE
