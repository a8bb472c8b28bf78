"""What is said of expressions and templates, right and wrong ones, stays as it is, to the letter."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from textwrap import indent

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "pipeline"))

from template_corpus import AUTHORED, AUTHORED_TEMPLATES, NAMES, OUTPUT, PIPELINE, VALUES, expressions, templates  # noqa: E402
from test_cases import spoken  # noqa: E402

from yamlgen.api.loading import check  # noqa: E402

SHAPES = {
    "a value": "kind: compute\nvalues:\n  v: |-\n{text}",
    "when": "model: w\nprompt: '{{{{ row.name }}}}'\nwhen: |-\n{text}",
    "for_each": "model: w\nprompt: '{{{{ row.name }}}} {{{{ item }}}}'\nfor_each: |-\n{text}",
    "check": "model: w\nprompt: '{{{{ row.name }}}}'\nmatrix: {{tone: [dry, warm]}}\ncheck:\n- |-\n{text}",
    "prompt": "model: w\nfor_each: row.tags\nprompt: |-\n{text}",
}
"""The places of an expression or a template, each in a step of its own."""

AT_ONCE = 100
"""How many texts stand in one pipeline."""

CORPUS = {
    "a value": (*expressions(), *AUTHORED),
    "when": (*NAMES, *AUTHORED),
    "for_each": (*VALUES, *NAMES),
    "check": NAMES,
    "prompt": (*templates(), *AUTHORED_TEMPLATES),
}


def told(place: str, texts: Sequence[str], path: Path) -> Iterator[str]:
    """Each text in such a place, and below it the diagnostics that it brings."""
    lines, owners = PIPELINE.splitlines(), {}
    for number, text in enumerate(texts):
        step = SHAPES[place].format(text=indent(text, "    "))
        lines += [f"  s{number}:", *indent(step, "    ").splitlines()]
        owners |= dict.fromkeys(range(len(owners), len(lines) + 1), number)
    path.write_text("\n".join([*lines, OUTPUT]), encoding="utf-8")
    found: dict[int, list[str]] = {}
    for each in check(path.name)[1]:
        found.setdefault(owners[each.mark.line], []).append(spoken(each, path.name).partition(":")[2])
    for number, text in enumerate(texts):
        said = "".join(f"    {line}" for line in found.get(number, ()))
        yield f"{text!r}\n{said}"


def test_what_is_said_of_expressions_and_templates_stays(pinned, tmp_path, monkeypatch):
    """The same expressions and templates bring the same diagnostics."""
    monkeypatch.chdir(tmp_path)
    lines = []
    for place, texts in CORPUS.items():
        lines.append(f"# {place}\n")
        for first in range(0, len(texts), AT_ONCE):
            lines += told(place, texts[first : first + AT_ONCE], tmp_path / "p.yaml")
    pinned("templates.txt", "".join(lines))
