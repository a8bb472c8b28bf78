"""Functions that a pipeline names: found in their source, held against their arguments, never run."""

import pickle
from pathlib import Path

import pytest

from yamlgen.diagnostics import Mark
from yamlgen.errors import Code
from yamlgen.steps.python import signatures
from yamlgen.steps.python.signatures import check_args, find

CALL = Mark("p.yaml", 7, 11, 7, 24)


@pytest.fixture
def look(tmp_path):
    """Find a function in a module with this source: what was found, and each diagnostic as code, message and hint."""

    def at(source, call="scoring:score", shown=""):
        file = tmp_path / "scoring.py"
        file.write_bytes(source if isinstance(source, bytes) else source.encode())
        return find(tmp_path, shown, call, CALL)

    return at


@pytest.fixture
def complain(look):
    """What is said of a call of `score` with arguments of these names: code, message, line and hint of each."""

    def of(source, *args):
        found, diagnostics = look(source)
        assert diagnostics == []
        marks = {name: Mark("p.yaml", 20 + number, 9, 20 + number, 12) for number, name in enumerate(args)}
        said = list(check_args(found, marks, CALL))
        assert {d.code for d in said} <= {Code.WRONG_ARGUMENT}
        return [(d.mark.line, d.message, d.hint) for d in said]

    return of


def test_a_function_is_its_file_its_name_and_its_source(look, tmp_path):
    """What is found says where the function stands, and tells another source of its module from this one."""
    first, _ = look("def score(text): return 1\n")
    again, _ = look("def score(text): return 1\n")
    other, _ = look("def score(text): return 2\n")
    assert first.function.file == tmp_path / "scoring.py"
    assert first.function.name == "score"
    assert first == again
    assert first.function.source != other.function.source
    assert pickle.loads(pickle.dumps(first)) == first  # noqa: S301 - its own


def test_a_function_is_found_from_anywhere(look, tmp_path, monkeypatch):
    """The file of a function is absolute, whatever the working directory is when it is called."""
    look("def score(): ...\n")
    monkeypatch.chdir(tmp_path)
    found, _ = find(Path(), "", "scoring:score", CALL)
    assert found.function.file == tmp_path / "scoring.py"


def test_a_file_that_cannot_be_read_is_told(tmp_path, monkeypatch):
    """A file that the system refuses to give is said at `call`."""
    (tmp_path / "scoring.py").touch()

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(signatures, "open_inside", refuse)
    found, [said] = find(tmp_path, "", "scoring:score", CALL)
    assert found is None
    assert (said.code, said.message, said.mark) == (
        Code.BAD_MODULE,
        "cannot read scoring.py: Permission denied",
        CALL,
    )


def test_a_dotted_module_is_a_file_in_a_folder(tmp_path):
    """`lib.scoring` is lib/scoring.py, beside the pipeline."""
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "scoring.py").write_text("def score(): ...\n")
    found, diagnostics = find(tmp_path, "", "lib.scoring:score", CALL)
    assert diagnostics == []
    assert found.function.file == tmp_path / "lib" / "scoring.py"


def test_a_module_is_never_imported(look, tmp_path):
    """What a module does when it is imported is not done, and nothing is left beside it."""
    source = "from pathlib import Path\nPath(__file__).with_name('ran').touch()\nimport no_such\ndef score(): ...\n"
    found, diagnostics = look(source)
    assert found is not None
    assert diagnostics == []
    assert [path.name for path in tmp_path.iterdir()] == ["scoring.py"]


def test_a_missing_file_is_told_where_it_is_named(tmp_path):
    """A module without a file is said at `call`, with the file as it is seen from the working directory."""
    found, [said] = find(tmp_path, "pipes", "lib.scoring:score", CALL)
    assert found is None
    assert (said.code, said.mark) == (Code.MISSING_FILE, CALL)
    assert said.message == "pipes/lib/scoring.py does not exist"
    assert said.hint == "write a path relative to the pipeline file"


def test_a_syntax_error_is_told_in_its_own_file(look):
    """A module that is not Python is said where Python says it, in code points."""
    _, [said] = look("x = 'ü'\nyé = 'é' 1\n", shown="pipes")
    assert said.code is Code.BAD_MODULE
    assert said.message.startswith("not valid Python: ")
    assert (said.mark.file, said.mark.line, said.mark.column) == ("pipes/scoring.py", 2, 10)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (b"return 1\ndef score(): ...\n", "'return' outside function"),
        (b"x = '\x00'\ndef score(): ...\n", "null bytes"),
        (b"x = " + b"(" * 5000, "too many nested parentheses"),
        (b"x = " + b"-" * 100_000 + b"1\n", "nested too deeply"),
        (b"x = 1\n  def score(): ...\n", "unexpected indent"),
    ],
)
def test_what_cannot_be_compiled_is_told(look, source, message):
    """Nothing in a module, however broken, is more than a diagnostic."""
    found, [said] = look(source)
    assert found is None
    assert said.code is Code.BAD_MODULE
    assert message in said.message


def test_bytes_that_are_not_utf8_are_told_at_their_place(look):
    """A module in another encoding is said at the first byte that UTF-8 cannot have, a BOM not counted."""
    _, [said] = look(b"\xef\xbb\xbfx = 1\ny = '\xc3\xa4\xe4'\n")
    assert said.code is Code.BAD_MODULE
    assert said.message == "byte 0xe4 is not UTF-8"
    assert (said.mark.line, said.mark.column) == (2, 7)


def test_a_warning_of_the_compiler_is_no_mistake(look):
    """A module that Python takes with a warning is taken here, without one."""
    found, diagnostics = look("pattern = '\\d'\ndef score(): ...\n")
    assert found is not None
    assert diagnostics == []


@pytest.mark.parametrize(("known", "hint"), [("score", "did you mean `score`?"), ("grade", "functions there: `grade`")])
def test_an_unknown_function_is_told_with_those_there_are(look, known, hint):
    """A name that the module does not have is said at `call`, with the nearest function or all of them."""
    found, [said] = look(f"import json\ndef {known}(): ...\nclass A:\n    def scor(self): ...\n", "scoring:scor")
    assert found is None
    assert (said.code, said.mark) == (Code.UNKNOWN_FUNCTION, CALL)
    assert (said.message, said.hint) == ("scoring.py has no function `scor`", hint)


def test_a_name_inside_a_function_is_none_of_the_module(look):
    """What a function binds for itself is not a name of its module."""
    _, [said] = look("def outer():\n    def score(): ...\n    x = lambda: (score := 1)\n")
    assert said.code is Code.UNKNOWN_FUNCTION


@pytest.mark.parametrize(
    "source",
    [
        "from lib import score\n",
        "from lib import grade as score\n",
        "import score.inner\n",
        "class score: ...\n",
        "score = print\n",
        "score: object = print\n",
        "first, (score, *_) = [print, (print, 1)]\n",
        "if True:\n    def score(): ...\nelse:\n    def score(text): ...\n",
        "try:\n    from lib import score\nexcept ImportError:\n    def score(text): ...\n",
        "with open('x') as score: ...\n",
        "for score in [print]: ...\n",
        "(score := print)\n",
        "match print:\n    case score: ...\n",
        "match {}:\n    case {**score}: ...\n",
        "def bind():\n    global score\n    score = print\nbind()\n",
        "from lib import *\n",
        "def __getattr__(name): return print\n",
        "globals()['score'] = print\n",
        "exec('score = print')\n",
        "@cache\ndef score(text): ...\n",
        "def score(text): ...\nscore = print\n",
        "def score(text): ...\ndel score\n",
    ],
)
def test_what_may_be_there_is_not_denied(look, complain, source):
    """A name that is bound in any way, or that may be, is found, and nothing is said of its arguments."""
    found, _ = look(source)
    assert found.signature is None
    assert complain(source, "anything") == []


def test_a_long_expression_is_read(look):
    """The depth of an expression that Python takes is none of our limits."""
    found, diagnostics = look("x = " + " + ".join(["'a'"] * 800) + "\ndef score(text): ...\n")
    assert diagnostics == []
    assert found.signature is not None


@pytest.mark.parametrize(
    ("source", "args"),
    [
        ("def score(): ...", ()),
        ("def score(text, limit=1, *, tone, loud=False): ...", ("text", "tone")),
        ("def score(text, limit=1, *, tone, loud=False): ...", ("text", "limit", "tone", "loud")),
        ("async def score(text): ...", ("text",)),
        ("def score(text, *rest, **more): ...", ("text", "other")),
        ("def score(text='', /): ...", ()),
        ("if True:\n    def score(text): ...", ("text",)),
        ("def score(text):\n    def inner():\n        yield 1\n    return list(inner())", ("text",)),
    ],
)
def test_a_right_call_is_not_complained_about(complain, source, args):
    """Arguments that the function takes, all that it needs among them, are right."""
    assert complain(source + "\n", *args) == []


def test_an_argument_without_a_parameter_is_told_where_it_stands(complain):
    """A name that the function does not know is said at the argument, with the nearest parameter or all of them."""
    assert complain("def score(text=''): ...\n", "txt") == [
        (20, "`score` has no parameter `txt`", "did you mean `text`?")
    ]
    assert complain("def score(a=1, *, b=2): ...\n", "other") == [
        (20, "`score` has no parameter `other`", "its parameters: `a` and `b`")
    ]
    assert complain("def score(): ...\n", "other") == [
        (20, "`score` has no parameter `other`", "remove it: the function accepts no keyword arguments")
    ]


def test_a_missing_argument_is_told_where_the_function_is_named(complain):
    """Parameters without a default that get no argument are said at `call`, together."""
    said = complain("def score(text, limit=1, *, tone, loud=False): ...\n", "limit")
    assert said == [(7, "`score` requires `text` and `tone`", "add them under `args`")]
    assert complain("def score(text): ...\n") == [(7, "`score` requires `text`", "add it under `args`")]


@pytest.mark.parametrize(("args", "line"), [((), 7), (("text",), 20)])
def test_a_parameter_that_takes_no_name_cannot_be_given(complain, args, line):
    """A parameter before a `/` is said once, at its argument if there is one."""
    fact = "`text` of `score` is positional-only, but `args` are passed by name"
    assert complain("def score(text, /): ...\n", *args) == [
        (line, fact, "remove the `/` from the function's parameters")
    ]


@pytest.mark.parametrize("source", ["def score():\n    yield 1\n", "async def score():\n    x = [(yield 1)]\n"])
def test_a_generator_is_told(complain, source):
    """A function that yields has no value for a step."""
    [(line, message, _)] = complain(source)
    assert (line, message) == (7, "`score` is a generator: it yields values but returns none")
