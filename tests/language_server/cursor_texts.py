"""Texts with a cursor, written as `⌶`, in the pipeline of these tests."""

from pathlib import Path

from yamlgen.language_server.completions import completions
from yamlgen.language_server.definitions import definitions
from yamlgen.language_server.documents import TextDocument
from yamlgen.language_server.hover import Hover, hover

PIPELINE = """\
version: 1
params:
  tone: {type: string, default: dry}
models:
  writer: {id: claude-haiku-5-5, max_tokens: 300}
input: {path: rows.csv, id: id}
steps:
  profile:
    model: writer
    prompt: A profile of {{ row.name }}.
    output:
      schema:
        type: object
        required: [age, tags]
        properties:
          age: {type: integer}
          tags: {type: array, items: {type: string}}
  scored:
    kind: python
    call: scoring:score
    args: {text: row.name}
  letter:
    model: writer
    system: {file: prompts/style.md}
    for_each: steps.profile.tags
    prompt: |
      Write to {{ row.name }}, {{ row["home town"] | upper }}.
      {% for tag in steps.profile.tags %}{{ tag }}{% endfor %}
      {{ item }} in a {{ params.tone }} tone: {{ steps.profile.age }}
  graded:
    model: writer
    prompt: "A grade for {{ steps.letter | length }} letters"
    output: {schema: schemas/grade.json}
output:
  path: out/letters.jsonl
  columns: {grade: steps.graded.grade, score: steps.scored}
"""
GRADE = """\
{
  "type": "object",
  "required": ["grade"],
  "properties": {"grade": {"$ref": "#/$defs/grade"}},
  "$defs": {"grade": {"enum": ["good", "bad"]}}
}
"""
SCORING = '"""Scores."""\n\nraise SystemExit("imported")\n\n\ndef score(text):\n    return len(text)\n'


def write_project(folder: Path) -> Path:
    """Write the pipeline and its files, and return the path of the pipeline."""
    for name, text in {
        "rows.csv": "id,name,home town\n1,Ada,London\n2,Bo,Oslo\n",
        "prompts/style.md": "Be kind to {{ row.name }}.\n",
        "schemas/grade.json": GRADE,
        "scoring.py": SCORING,
        "people.yaml": PIPELINE,
    }.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder / "people.yaml"


def opened(path: Path, text: str) -> tuple[TextDocument, int]:
    """Return a document without the cursor in its text, and the offset of the cursor."""
    return TextDocument(path, text.replace("⌶", "")), text.index("⌶")


def edited(path: Path, old: str, new: str) -> tuple[TextDocument, int]:
    """Return the pipeline with a change that contains the cursor."""
    assert PIPELINE.count(old) == 1, old
    return opened(path, PIPELINE.replace(old, new))


def completed(document: TextDocument, offset: int) -> dict[str, str]:
    """Return the labels that are offered, each with the whole line as it is after the choice."""
    made = {}
    for each in completions(document, offset):
        text = document.text[: each.start] + each.text + document.text[each.end :]
        start = text.rfind("\n", 0, each.start) + 1
        made[each.label] = text[start:].partition("\n")[0]
    return made


def hovered(document: TextDocument, offset: int) -> tuple[str, str]:
    """Return what is shown, and the part of the text that it is about; empty strings if it is nothing."""
    found: Hover | None = hover(document, offset)
    return ("", "") if found is None else (found.markdown, document.text[found.start : found.end])


def defined(document: TextDocument, offset: int) -> list[str]:
    """Return each definition as `FILE:LINE: TEXT`, with the marked text."""
    made = []
    for mark in definitions(document, offset):
        path = Path(mark.file)
        text = document.text if path == document.path else path.read_text(encoding="utf-8")
        line = text.splitlines()[mark.line - 1]
        made.append(
            f"{path.relative_to(document.path.parent)}:{mark.line}: {line[mark.column - 1 : mark.end_column - 1]}"
        )
    return made
