"""Hints for a key in the wrong place, or under the name that other tools use for it."""

from __future__ import annotations

import re
from collections.abc import Collection
from itertools import combinations
from typing import Any, Final

from yamlgen.parsing.source_map import DataPath
from yamlgen.suggestions import folded

_PARTS: Final = ("runtime", "limits", "input", "output")
_CALLED: Final = {
    **dict.fromkeys(("retries", "retry", "numretries", "maxattempts", "attempts"), "max_retries"),
    **dict.fromkeys(("parallel", "parallelism", "workers", "maxworkers", "maxconcurrency", "threads"), "concurrency"),
    **dict.fromkeys(("maxcost", "costlimit", "budget", "maxbudget"), "max_cost_usd"),
    **dict.fromkeys(("defaultmodel", "modelname", "modelid", "llm"), "model"),
    **dict.fromkeys(("systemprompt", "systemmessage", "instructions"), "system"),
    **dict.fromkeys(("user", "userprompt", "template", "text", "human"), "prompt"),
    **dict.fromkeys(("maxnewtokens", "maxoutputtokens", "maxlength"), "max_tokens"),
    "reasoningeffort": "effort",
    **dict.fromkeys(("if", "condition", "onlyif", "runif", "where"), "when"),
    **dict.fromkeys(("foreach", "loop", "withitems", "mapover", "each", "over"), "for_each"),
    **dict.fromkeys(("n", "numgenerations", "numsamples", "repeat"), "samples"),
    **dict.fromkeys(("assert", "asserts", "checks", "validate", "tests"), "check"),
    **dict.fromkeys(("dataset", "data", "source"), "input"),
    **dict.fromkeys(("vars", "variables", "parameters"), "params"),
    **dict.fromkeys(("apibase", "endpoint"), "base_url"),
    **dict.fromkeys(("stop", "stopwords"), "stop_sequences"),
    **dict.fromkeys(("batched", "usebatch", "usebatches", "batchapi", "batchmode", "messagebatches"), "batch"),
}
"""Names that other tools use for a key, lowercase and without `-` and `_`."""

_CALLED_HERE: Final = {
    "values": ("expressions", "compute"),
    "value": ("expression", "expr", "formula"),
    "call": ("code", "function", "func", "file", "module", "script"),
    "reasks": ("retries", "retry", "maxretries", "attempts", "maxattempts"),
    "delimiter": ("sep", "separator", "delim"),
    "encoding": ("charset", "codec"),
    "header": ("hasheader",),
    "where": ("filter", "if", "when", "condition", "select", "keep"),
    "unique": ("dedup", "deduplicate", "distinct", "uniqueby"),
    "columns": ("fields", "select", "map", "row"),
    "exclude": ("drop", "omit", "hide", "without", "remove"),
    "for_each": ("explode", "unnest", "unfold", "flatten"),
    "shape": ("template", "trainer", "style"),
    "split": ("splits", "partition", "parts"),
    "wait": ("timeout", "maxwait", "deadline", "duration", "window", "completionwindow"),
    "minimum": ("min", "least", "minsize", "minrequests", "threshold", "size", "batchsize"),
    "rejected": ("rejects", "dropped", "discarded"),
    "path": ("file", "filename", "filepath", "source", "src", "csv", "jsonl", "url"),
}
"""Names that other tools use for a key, valid only where that key is allowed."""

_CALLED_IN_INPUT: Final = {
    "path": (
        "file",
        "files",
        "paths",
        "filename",
        "filepath",
        "filenames",
        "source",
        "src",
        "csv",
        "jsonl",
        "json",
        "parquet",
        "url",
        "uri",
        "glob",
        "globs",
        "dataset",
        "data",
    ),
    "folder": ("dir", "directory", "dirs", "documents", "docs"),
    "rows": ("row", "records", "items", "inline", "values"),
    "range": ("count", "times", "repeat", "generate"),
    "tables": ("table", "sources", "relations"),
    "where": ("filter", "filters", "if", "when", "condition", "keep"),
    "sample": ("subsample", "subset", "random"),
    "limit": ("head", "take", "first", "top", "maxrows", "nrows", "numrows", "limitrows"),
    "columns": ("names", "fields", "fieldnames", "columnnames"),
    "file_column": ("filenamecolumn", "pathcolumn", "includefilename", "includepath", "filepathcolumn"),
    "encoding": ("charset", "codec"),
    "memory": ("memorylimit", "maxmemory"),
}
"""Names that other tools use for a key of `input`."""

ID_WORDS: Final = ("name", "model", "modelname", "modelid", "llm")
"""Names that other tools use for the id of a model."""

TORN: Final = "if the value before it goes on here, put that value in quotes: a comma ends it inside `{...}`"
"""The hint for a key that is probably the rest of a string."""

_CALLED_COLUMN: Final = ("idcolumn", "idfield", "idkey", "primarykey", "key")
_SORT: Final = "remove it: rows keep their order; to sort them, use `sql` with ORDER BY"
_OUT_OF_PLACE: Final = {
    ("output", "format"): "remove it: the format is the extension of `path`: .jsonl, .json, .parquet or .csv",
    ("output", "formulas"): "write `csv: {formulas: escape}`",
    **{("output", word): 'write `csv: {delimiter: ";"}`' for word in ("delimiter", "sep", "separator", "delim")},
    **{("input", word): "did you mean `sql`?" for word in ("query", "statement", "select", "duckdb")},
    **{("input", word): "it belongs under `sample`: `sample: {n: 500, seed: 1}`" for word in ("n", "seed")},
    ("input", "shuffle"): "remove it: rows keep their order; for a random part, write `sample: {n: 500, seed: 1}`",
    ("input", "sort"): _SORT,
    ("input", "order_by"): _SORT,
    ("input", "skip"): "remove it; to leave out rows, write `where: ...`",
    ("input", "offset"): "remove it; to leave out rows, write `where: ...`",
}


_OF_KIND: Final = {
    "generate": ("prompt", "write its keys in the step itself"),
    "compute": ("values", "write `kind: compute`, with `value` or `values`"),
    "python": ("call", "write `kind: python`, with `call` and `args`"),
    "draw": ("draws", "write `kind: draw`, with `draws`"),
}
"""The hints for a key that is the name of a kind of step, with the key that a step of this kind has."""

_RIVALS: Final = (
    *combinations(("path", "folder", "range", "sql", "rows"), 2),
    ("prompt", "messages"),
    ("values", "value"),
)
"""Keys that exclude each other."""


def home(language: dict[str, Any], path: DataPath, key: str, known: tuple[str, ...]) -> str | None:
    """Return the hint that shows where a key belongs, or `None` if there is none or another hint is better.

    Args:
        language: the language's JSON Schema.
        path: the path of the mapping that has the key.
        key: the key, unknown in this mapping.
        known: the keys that this mapping may have.
    """
    if path[:1] == ("outputs",) and len(path) == 2:  # noqa: PLR2004 - an output by name
        path = ("output",)
    if path in (("input",), ("output",)) and (path[0], key) in _OUT_OF_PLACE:
        return _OUT_OF_PLACE[str(path[0]), key]
    called = called_here(path, key, known)
    if called is not None:
        return f"did you mean `{called}`?"
    meant = _CALLED.get(folded(key), key)
    is_step = path[:1] == ("steps",) and len(path) == 2  # noqa: PLR2004 - the part and a name
    if is_step and key in _OF_KIND:
        own, hint = _OF_KIND[key]
        return hint if own not in known or key == "generate" else f"did you mean `{own}`?"
    settings = _keys(language, {"$ref": "#/$defs/ModelSettings"})
    if meant == key and path[-1:] == ("output",) and path[:1] == ("steps",) and key == "format":
        return "for JSON, write `schema: {...}`; for a string, remove `output`"
    keys = {part: _keys(language, language["properties"][part]) for part in _PARTS}
    places = [f"`{part}`" for part in _PARTS if meant in keys[part] and path != (part,)]
    step = _keys(language, {"$ref": "#/$defs/Generate"})
    if is_step:
        places = [place for place in places if place in ("`runtime`", "`limits`")]
        if meant in _keys(language, {"$ref": "#/$defs/StepOutput"}):
            places = ["the step's `output`"]
    elif path[:1] == ("steps",) and path[2:] == ("output",) and meant in step:
        return f"{_subject(key, meant)} belongs in the step itself"
    elif path == ("output",) and meant in _keys(language, {"$ref": "#/$defs/StepOutput"}):
        places = ["the `output` of a step"]
    elif meant in settings and path[:1] not in (("model",), ("models",), ("steps",)):
        places.append("`model`")
    elif meant in ("model", "batch") and path and not is_step:
        return f"{_subject(key, meant)} belongs at the top of the file, or in a step"
    elif meant in step and len(path) < 2:  # noqa: PLR2004 - the file, or one of its parts
        return f"{_subject(key, meant)} belongs in a step, as in `steps: {{draft: {{{meant}: ...}}}}`"
    return f"{_subject(key, meant)} belongs under {' or '.join(places)}" if places else None


def called_here(path: DataPath, key: str, known: tuple[str, ...]) -> str | None:
    """Return the key of a mapping for which other tools use this name, or `None`."""
    word = folded(key)
    if "id" in known and "max_tokens" in known and "prompt" not in known and word in ID_WORDS:
        return "id"
    if path == ("input",):
        own = next((each for each, words in _CALLED_IN_INPUT.items() if word in words), None)
        if own is not None or word in _CALLED_COLUMN:
            return own or "id"
    meant = next((each for each, words in _CALLED_HERE.items() if each in known and word in words), None)
    return meant or (_CALLED[word] if _CALLED.get(word) in known else None)


def rival(called: str | None, there: Collection[str]) -> str | None:
    """Return the key in `there` that excludes `called`, or `None`."""
    others = (name for pair in _RIVALS if called in pair for name in pair)
    return next((name for name in others if name != called and name in there), None)


def key_of(word: str) -> str | None:
    """Return the key that absorbed its value because `: ` is missing after it, or `None`."""
    joined = re.match(r"(\w+)[:;= ]", word)
    return joined[1] if joined else None


def _subject(key: str, meant: str) -> str:
    return "it" if key == meant else f"`{meant}`"


def _keys(language: dict[str, Any], part: dict[str, Any]) -> set[str]:
    """Return the keys of a part of the language."""
    if "$ref" in part:
        part = language["$defs"][part["$ref"].rsplit("/", 1)[1]]
    return set(part.get("properties", ()))
