"""The pipelines that are measured, written into a folder with their rows."""

from __future__ import annotations

import json
from pathlib import Path

_LABEL = """\
version: 1
input: {path: rows.jsonl, id: n}
steps:
  label:
    model: claude-haiku-4-5
    max_tokens: 1024
    system: You label texts.
    prompt: "Label this text: {{ row.text }}"
    output:
      schema:
        type: object
        additionalProperties: false
        required: [label, score, reason]
        properties:
          label: {type: string, enum: [question, statement, other]}
          score: {type: integer, minimum: 1, maximum: 5}
          reason: {type: string}
output: {path: out.jsonl}
"""
_TEXT = "could you tell me where the station is, please? I have been walking for an hour."


def label(folder: Path, rows: int) -> Path:
    """What the scripts on the SDK do as well: one structured step over `rows` rows, with no setting but the model's."""
    texts = ({"n": n, "text": f"Row number {n}: {_TEXT}"} for n in range(rows))
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in texts), encoding="utf-8")
    path = folder / "label.yaml"
    path.write_text(_LABEL, encoding="utf-8")
    return path


def fan(folder: Path, rows: int, items: int) -> Path:
    """The same step for each of `items` texts in each of `rows` rows."""
    texts = (
        {"n": n, "texts": [f"Row number {n * items + item}: {_TEXT}" for item in range(items)]} for n in range(rows)
    )
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in texts), encoding="utf-8")
    path = folder / "fan.yaml"
    each = _LABEL.replace("  label:\n", "  label:\n    for_each: row.texts\n").replace("row.text }}", "item }}")
    path.write_text(each, encoding="utf-8")
    return path


def many(folder: Path, rows: int) -> Path:
    """A pipeline of one structured step over `rows` short rows."""
    (folder / "rows.jsonl").write_text("".join(f'{{"n": {n}, "text": "some text"}}\n' for n in range(rows)), "utf-8")
    path = folder / "many.yaml"
    path.write_text(
        "version: 1\ninput: {path: rows.jsonl, id: n}\nruntime: {concurrency: 64}\nsteps:\n  label:\n"
        "    model: claude-haiku-5-5\n    prompt: 'Label {{ row.n }}: {{ row.text }}'\n    output:\n      schema:\n"
        "        type: object\n        additionalProperties: false\n        required: [label]\n"
        "        properties: {label: {type: string, enum: [a, b, c]}}\noutput: {path: out.jsonl}\n",
        encoding="utf-8",
    )
    return path


def drawn(folder: Path, rows: int) -> Path:
    """The step of `label` over `rows` rows, with a draw and a computed value beside it."""
    path = label(folder, rows)
    more = (
        "  tone:\n    kind: draw\n"
        "    draws: {voice: {choices: [dry, warm], weights: [2, 1]}, words: {integer: [5, 60]}}\n"
        "  sum:\n    kind: compute\n"
        "    values: {total: steps.label.score + steps.tone.words, size: steps.label.reason | length}\n"
    )
    path.write_text(_LABEL.replace("output: {path: out.jsonl}", f"{more}output: {{path: out.jsonl}}"), encoding="utf-8")
    return path


def long(folder: Path) -> Path:
    """A valid pipeline of about 2,000 lines: 140 steps with schemas, each referring to the one before."""
    lines = ["version: 1", "models: {m: {id: claude-haiku-5-5}}", "input: {rows: [{text: a}]}", "steps:"]
    for number in range(140):
        before = f"{{{{ steps.s{number - 1}.label }}}}" if number else "nothing"
        lines += [
            f"  s{number}:",
            "    model: m",
            "    prompt: |",
            "      Label this text: {{ row.text }}",
            f"      The label before it was {before}.",
            "    output:",
            "      schema:",
            "        type: object",
            "        additionalProperties: false",
            "        required: [label, score]",
            "        properties:",
            "          label: {type: string, enum: [a, b, c]}",
            "          score: {type: integer, minimum: 1, maximum: 5}",
            "      reasks: 1",
        ]
    path = folder / "long.yaml"
    path.write_text("\n".join([*lines, "output: {path: out.jsonl}", ""]), encoding="utf-8")
    return path
