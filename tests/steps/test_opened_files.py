"""Files that a function reads by a literal name: which are seen in its source, and what is left alone."""

import ast
import time

import pytest

from yamlgen.steps.python.opened_files import openings


def seen(folder, source, name="score", **siblings):
    """The files that are seen, each with its module and line; those by `__file__` relative to the folder."""
    sources = {"scoring.py": source, **{f"{module}.py": text for module, text in siblings.items()}}
    trees = {path: ast.parse(text) for path, text in sources.items()}
    found = openings(folder, trees, name)
    return [(each.file.removeprefix(f"{folder}/"), each.module, each.line) for each in found]


READ = [
    "open('a.json')",
    "open('a.json', 'rb')",
    "open('a.json', mode='r', encoding='utf-8')",
    "io.open('a.json')",
    "gzip.open('a.json', 'rt')",
    "Path('a.json').open()",
    "Path('a.json').read_text('utf-8')",
    "pathlib.Path('a.json').read_bytes()",
    "json.load(open('a.json'))",
    "pd.read_csv('a.json', sep=';')",
    "pl.scan_parquet(Path('a.json'))",
    "np.load('a.json')",
    "yaml.safe_load(Path('a.json').read_text())",
    "zipfile.ZipFile('a.json')",
    "Image.open('a.json')",
    "open(os.path.join(os.path.dirname(__file__), 'a.json'))",
    "open(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'a.json'))",
    "open(os.path.dirname(__file__) + '/a.json')",
    "open(f'{os.path.dirname(__file__)}/a.json')",
    "open(str(Path(__file__).parent / 'a.json'))",
    "(Path(__file__).parent / 'a.json').read_text()",
    "(Path(__file__).resolve().parent / 'a.json').read_text()",
    "Path(__file__).resolve().parents[0].joinpath('a.json').read_text()",
    "Path(__file__).with_name('a.json').read_text()",
    "Path(__file__).with_name('a.txt').with_suffix('.json').read_text()",
    "Path(HERE, 'a.json').read_text()",
    "open(FILE)",
    "(lambda: open('a.json'))()",
    "[open(name) for name in ['b']] + [open('a.json')]",
]
UNSEEN = [
    "open(text)",
    "open(f'{text}.json')",
    "open(f'{text}')",
    "open('a.json', 'w')",
    "open('a.json', 'a')",
    "open('a.json', mode='x')",
    "open('a.json', text)",
    "Path('a.json').write_text(text)",
    "Path('a.json').exists()",
    "Path('a.json').name",
    "print('a.json')",
    "load(text)",
    "json.load(text)",
    "open(AMBIGUOUS)",
    "Path().read_text()",
    "Path('.').parents[3].read_text()",
    "Path('a').with_name('b', 'c', 'd').read_text()",
    "'a.json'.join(text)",
    "(open('a.json', 'w'), open('a.json'))",
    "(Path('a.json').write_bytes(b''), Path('a.json').read_bytes())",
]
TOP = "HERE = Path(__file__).parent\nFILE = HERE / 'a.json'\nAMBIGUOUS = 'a.json'\n"


@pytest.mark.parametrize("what", READ)
def test_a_literal_name_is_seen(what, tmp_path):
    """A file that is read by a literal name, or by one that goes from `__file__`, is seen at its line."""
    source = f"{TOP}def score(text):\n    return {what}\ndef other(AMBIGUOUS): ...\n"
    assert seen(tmp_path, source) == [("a.json", "scoring.py", 5)]


@pytest.mark.parametrize("what", UNSEEN)
def test_what_is_no_reading_is_left_alone(what, tmp_path):
    """A name that is made, a file that is written, and one that the function itself writes are not told."""
    assert seen(tmp_path, f"{TOP}def score(text):\n    return {what}\ndef other(AMBIGUOUS): ...\n") == []


@pytest.mark.parametrize(
    "source",
    [
        "DATA = open('a.json').read()\ndef score(): ...\n",
        "if True:\n    DATA = open('a.json').read()\ndef score(): ...\n",
        "def load(): return open('a.json')\nDATA = load()\ndef score(): ...\n",
        "def load(): return open('a.json')\ndef score(): return inner()\ndef inner(): return load()\n",
        "class Table:\n    def load(self): return open('a.json')\ndef score(): return Table().load()\n",
        "def load(): return open('a.json')\nHOW = {'it': load}\ndef score(): ...\n",
        "def score():\n    def inner():\n        return open('a.json')\n    return inner()\n",
        "class score:\n    def __new__(cls): return open('a.json')\n",
        "def inner(): return open('a.json')\nscore = inner\n",
        "def score(how=open('a.json')): ...\n",
        "async def score():\n    with open('a.json') as file: return file.read()\n",
    ],
)
def test_what_a_function_can_reach_is_looked_at(source, tmp_path):
    """What is done on import, and in whatever the function calls, is seen."""
    assert [file for file, *_ in seen(tmp_path, source)] == ["a.json"]


@pytest.mark.parametrize(
    "source",
    [
        "def other(): return open('a.json')\ndef score(): ...\n",
        "class Table:\n    def load(self): return open('a.json')\ndef score(): ...\n",
        "def score(): ...\nif __name__ == '__main__':\n    print(open('a.json').read())\n",
    ],
)
def test_what_nobody_calls_is_left_alone(source, tmp_path):
    """A reading in another function, which this one does not reach, is none of its business."""
    assert seen(tmp_path, source) == []


@pytest.mark.parametrize(
    "call", ["from sib import load\n{}load()", "import sib\n{}sib.load()", "from sib import load as it\n{}it()"]
)
def test_a_sibling_is_looked_at(call, tmp_path):
    """What the function calls in a sibling is seen there, what it does not call is not."""
    sib = "def load():\n    return open('a.json')\ndef other():\n    return open('b.json')\n"
    source = call.format("def score():\n    return ") + "\n"
    assert seen(tmp_path, source, sib=sib) == [("a.json", "sib.py", 2)]


@pytest.mark.parametrize(
    "value",
    [
        "FILE = FILE",
        "FILE = OTHER\nOTHER = FILE",
        "FILE = " + " + ".join(["'a'"] * 800),
        "FILE = Path('a')" + ".resolve()" * 200,
        "\n".join(f"A{n} = A{n + 1} + A{n + 1}" for n in range(60)) + "\nA60 = 'a'\nFILE = A0",
    ],
    ids=["itself", "ring", "long", "deep", "doubling"],
)
def test_a_value_is_not_followed_for_ever(value, tmp_path):
    """Names that lead to themselves, and values that are long or grow, take no time."""
    began = time.monotonic()
    seen(tmp_path, f"{value}\ndef score(): return open(FILE)\n")
    assert time.monotonic() - began < 5
