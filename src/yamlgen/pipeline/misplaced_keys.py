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
    **dict.fromkeys(("pythonprocesses", "processes", "numprocesses", "numproc", "numworkers"), "python_workers"),
    **dict.fromkeys(("ncpus", "njobs", "jobs"), "python_workers"),
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
    **dict.fromkeys(("cachecontrol", "caching", "promptcaching", "promptcache", "cached", "usecache"), "cache"),
    **dict.fromkeys(("fallback", "fallbacks", "fallbackmodel", "fallbackmodels", "onrefused"), "on_refusal"),
    **dict.fromkeys(("onmaxtokens", "ontruncation", "retrytruncated"), "on_truncated"),
    **dict.fromkeys(("region", "geo", "dataresidency"), "inference_geo"),
    **dict.fromkeys(("priority", "tier"), "service_tier"),
    **dict.fromkeys(("anthropicbeta", "anthropicbetas", "betaheaders", "betafeatures"), "betas"),
    **dict.fromkeys(("extraparams", "extrafields", "body", "modelkwargs"), "extra_body"),
    **dict.fromkeys(("extraheaders", "defaultheaders", "customheaders", "httpheaders"), "headers"),
    **dict.fromkeys(("authentication", "authtype", "authmode", "authmethod"), "auth"),
    **dict.fromkeys(("authtokenenv", "tokenenv", "keyenv", "authenv"), "api_key_env"),
    **dict.fromkeys(("includethinking", "showthinking", "keepreasoning", "savethinking"), "keep_thinking"),
    **dict.fromkeys(("batched", "usebatch", "usebatches", "batchapi", "batchmode", "messagebatches"), "batch"),
}
"""Names that other tools use for a key, lowercase and without `-` and `_`."""

_FIELDS: Final = frozenset(
    ("container", "context_management", "compaction", "thread", "diagnostics", "mcp_servers", "tools", "tool_choice")
)
"""Fields of a request that have no key of their own."""

_OF_STEP: Final = ("cache", "on_truncated", "on_refusal", "batch")
"""Keys of a step that may be taken for settings of a model."""

_WRITTEN: Final = {
    **dict.fromkeys(("fast", "fastmode"), ("speed", "write `speed: fast`")),
    **dict.fromkeys(("userid", "enduserid", "user"), ("metadata", "write `metadata: {user_id: ...}`")),
    **dict.fromkeys(
        ("profile", "profilename", "anthropicprofile"),
        ("auth", "write `auth: profile`, and the name of the profile into ANTHROPIC_PROFILE"),
    ),
    **dict.fromkeys(
        ("ratelimit", "rpm", "maxrpm", "requestsperminute", "tpm", "tokensperminute"),
        ("quota_share", "for a part of the rate limits, write `quota_share: 0.25`"),
    ),
    **{
        name.replace("_", ""): ("extra_body", f"write it under `extra_body`, as in `extra_body: {{{name}: ...}}`")
        for name in _FIELDS
    },
}
"""Names that other tools use, lowercase and without `-` and `_`: the key that says the same, and the hint."""

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


def home(  # noqa: PLR0911 - a table
    language: dict[str, Any], path: DataPath, key: str, known: tuple[str, ...]
) -> str | None:
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
    instead, hint = _WRITTEN.get(folded(key), ("", ""))
    if instead in known:
        return hint
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
    of_model = None if path[:1] == ("steps",) and len(path) < 3 else _of_model(language, path, meant)  # noqa: PLR2004
    if of_model is not None:
        return f"{_subject(key, meant)} belongs {of_model}"
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


def _of_model(language: dict[str, Any], path: DataPath, key: str) -> str | None:
    """Return where a key belongs that is among the settings of a model, or in its `runtime`, or `None`."""
    above = path[:-1] if path[-1:] == ("runtime",) else path
    in_step = path[:1] == ("steps",)
    if not (above == ("model",) or (above[:1] == ("models",) and len(above) == 2) or above[2:] == ("model",)):  # noqa: PLR2004
        return None
    if above != path:
        if key in _keys(language, {"$ref": "#/$defs/ModelSettings"}):
            return "in the model, outside its `runtime`"
        return "under `runtime` at the top of the file" if key in _keys(language, {"$ref": "#/$defs/Runtime"}) else None
    if above != ("model",) and key in _keys(language, {"$ref": "#/$defs/ModelRuntime"}):
        return f"under the `runtime` of the model: `runtime: {{{key}: ...}}`"
    if key in _keys(language, {"$ref": "#/$defs/Runtime"}):
        return "under `runtime` at the top of the file"
    if key == "keep_thinking":
        return "under the step's `output`" if in_step else "under the `output` of a step"
    if key in _OF_STEP:
        return "in the step itself" if in_step else f"in a step, as in `steps: {{draft: {{{key}: ...}}}}`"
    return None


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
