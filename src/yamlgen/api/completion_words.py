"""The words that a shell completes: names in a pipeline, paths of `--set`, runs of a store, pages of the manual.

A shell waits for these at each press of a key. So nothing here loads the language or writes a file, and of a file no
more is read than a pipeline may have. What cannot be read has no words, or raises any error: the caller stays silent.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from yamlgen.value_objects import JSON

if TYPE_CHECKING:
    from yamlgen.store.location import StoreLocation

ENDINGS: Final = (".yaml", ".yml")
_SCHEMA: Final = Path(__file__).parent.parent / "pipeline" / "pipeline.schema.json"
_MOST_RUNS: Final = 500
_MOST_FILES: Final = 10_000
_MOST_PIPELINES: Final = 20
_PATIENCE: Final = 0.1
"""Seconds to wait for a store that another program has locked."""

_NAMED: Final = ("models", "steps", "params", "outputs")
"""The parts whose names the author chooses: `--set` adds none."""

_FORMS: Final = frozenset({"$ref", "anyOf", "oneOf", "allOf", "if", "properties", "additionalProperties", "required"})
"""The keywords of a schema that describes more than a plain value."""

_MARKS: Final = re.compile("[\n,:]")
_MOST_MARKS: Final = 20_000
"""The maximum number of values of a pipeline, roughly: to parse more takes longer than a user waits for a word."""

_ABSENT: Final = object()

_RUNS: Final = """
    SELECT started, name, status FROM run
    WHERE status <> 'pruned' AND substr(name, 1, length(?1)) = ?1 ORDER BY id DESC LIMIT ?2
"""


class CompletionWord(NamedTuple):
    """A word that a shell may insert.

    Attributes:
        text: the word.
        about: what it is, in a few words; may be empty.
        is_open: whether more of the word follows, so that the shell adds no space.
    """

    text: str
    about: str = ""
    is_open: bool = False


def parameter_words(targets: Sequence[Path], typed: str) -> list[CompletionWord]:
    """Return the beginnings `NAME=` of `-p`, and after the sign the values that the parameter may have."""
    name, equals, _ = typed.partition("=")
    found: list[CompletionWord] = []
    for data in _documents(targets):
        declared = _mapping(data.get("params"))
        if equals:
            found += [CompletionWord(f"{name}={value}") for value in _values([_mapping(declared.get(name))])]
        else:
            found += [CompletionWord(f"{each}=", _about(schema), is_open=True) for each, schema in declared.items()]
    return found


def override_words(targets: Sequence[Path], typed: str) -> list[CompletionWord]:
    """Return what completes `--set PATH=VALUE`: the keys at the last level of the path, or the values of its key."""
    schema = json.loads(_SCHEMA.read_text(encoding="utf-8"))
    return [word for data in _documents(targets) for word in _Overrides(schema, data).words(typed)]


def names_in(targets: Sequence[Path], part: str) -> list[CompletionWord]:
    """Return the names under a key of the pipelines, such as `steps`."""
    return [CompletionWord(str(name)) for data in _documents(targets) for name in _mapping(data.get(part))]


def run_words(
    targets: Sequence[Path], store: Path | None, typed: str, *, simulated: bool = False
) -> list[CompletionWord]:
    """Return the names of runs that begin with `typed`, the newest first.

    Args:
        targets: pipelines, and folders of them. Default: the current folder and its subfolders.
        store: the folder of the stores. Default: `.yamlgen/` next to each pipeline.
        typed: the beginning.
        simulated: whether to return simulated runs only.
    """
    places = [place for place in _stores(targets, store) if place.simulated or not simulated]
    found = [(*row, place) for place in places for row in _runs_in(place.database, typed)]
    found.sort(key=lambda run: run[0], reverse=True)
    return [
        CompletionWord(name, f"{place.name}, {started}, {status}{' (simulated)' if place.simulated else ''}")
        for started, name, status, place in found[:_MOST_RUNS]
    ]


def pipeline_paths(typed: str) -> list[CompletionWord]:
    """Return the YAML files and folders whose paths begin with `typed`; `~` is the user's folder."""
    head, tail = os.path.split(typed)
    found: list[CompletionWord] = []
    with os.scandir(Path(head or ".").expanduser()) as entries:
        for entry in islice(entries, _MOST_FILES):
            if not entry.name.startswith(tail) or (entry.name.startswith(".") and not tail):
                continue
            if entry.is_dir():
                found.append(CompletionWord(os.path.join(head, entry.name, ""), is_open=True))  # noqa: PTH118 - as it was typed
            elif entry.name.endswith(ENDINGS) and entry.is_file():
                found.append(CompletionWord(os.path.join(head, entry.name)))  # noqa: PTH118
    return sorted(found)


class _Overrides:
    """The paths that `--set` accepts for one pipeline, by the JSON Schema of the language."""

    def __init__(self, schema: dict[str, Any], data: dict[str, Any]) -> None:
        self.schema = schema
        self.data = data

    def words(self, typed: str) -> Iterator[CompletionWord]:
        path, equals, _ = typed.partition("=")
        *above, last = path.split(".")
        schemas, value = [self.schema], self.data
        for depth, part in enumerate(above):
            schemas, value = self.below(schemas, value, part)
            if not schemas or not self.is_enterable(above[: depth + 1], value):
                return
        if equals:
            schemas, _ = self.below(schemas, value, last)
            yield from (CompletionWord(f"{path}={each}") for each in self.values_at([*above, last], schemas))
            return
        for name, about in self.names(schemas, value).items():
            inner, its_value = self.below(schemas, value, name)
            full = [*above, name]
            has_keys = self.is_enterable(full, its_value) and bool(self.names(inner, its_value))
            if not above and not self.is_for_file(name, has_keys=has_keys):
                continue
            if has_keys:
                yield CompletionWord(f"{'.'.join(full)}.", about, is_open=True)
            if not has_keys or any(map(_is_plain, self.views(inner, its_value))):
                yield CompletionWord(f"{'.'.join(full)}=", about, is_open=True)

    def is_for_file(self, name: str, *, has_keys: bool) -> bool:
        """Return whether a key at the top makes sense for this file."""
        if name in ("output", "outputs"):
            return name == ("outputs" if "outputs" in self.data else "output")
        return has_keys or name not in _NAMED

    def is_enterable(self, path: Sequence[str], value: object) -> bool:
        """Return whether `--set` accepts a key below this value."""
        if value is _ABSENT:
            return len(path) != 2 or path[0] not in _NAMED  # noqa: PLR2004 - the names of the part
        if isinstance(value, str) and path[-1] == "model" and len(path) in (1, 3):
            return "models" not in self.data  # an id, which stands for a mapping; an alias does not
        return isinstance(value, dict | list)

    def views(self, schemas: Sequence[dict[str, Any]], value: object) -> Iterator[dict[str, Any]]:
        """Yield these schemas and those in them that apply to the same value."""
        for schema in schemas:
            yield schema
            parts = [*schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("allOf", ())]
            if "$ref" in schema:
                parts.append(self.schema["$defs"][schema["$ref"].rpartition("/")[2]])
            if "if" in schema:
                branch = "then" if _holds(schema["if"], value) else "else"
                parts += [schema[branch]] if branch in schema else []
            yield from self.views(parts, value)

    def names(self, schemas: Sequence[dict[str, Any]], value: object) -> dict[str, str]:
        """Return the keys below a value, those that it has and those that it may have, with their descriptions."""
        found: dict[str, str] = {}
        for view in self.views(schemas, value):
            found |= {name: _about(each) for name, each in view.get("properties", {}).items()}
            if isinstance(value, dict) and view.get("additionalProperties") not in (None, False):
                found |= {str(name): "" for name in value if name not in found}
            if isinstance(value, list) and "items" in view:
                found |= {str(number): "" for number in range(len(value))}
        return {name: about for name, about in found.items() if name and not set(name) & set(".= ")}

    def below(self, schemas: Sequence[dict[str, Any]], value: object, name: str) -> tuple[list[dict[str, Any]], Any]:
        """Return the schemas and the value of a key."""
        found: list[dict[str, Any]] = []
        for view in self.views(schemas, value):
            more = view.get("additionalProperties")
            if name in view.get("properties", {}):
                found.append(view["properties"][name])
            elif more not in (None, False):
                found.append(more if isinstance(more, dict) else {"additionalProperties": True})
            elif name.isdigit() and isinstance(view.get("items"), dict):
                found.append(view["items"])
        if isinstance(value, list):
            return found, value[int(name)] if name.isdigit() and int(name) < len(value) else None
        return found, value.get(name, _ABSENT) if isinstance(value, dict) else _ABSENT

    def values_at(self, path: Sequence[str], schemas: Sequence[dict[str, Any]]) -> list[str]:
        """Return the values that a key may have, as they are written; for a model, the known ones."""
        found = _values(self.views(schemas, _ABSENT))
        if path[-1] == "model" and len(path) in (1, 3) and self.data.get("models"):
            return [*found, *_mapping(self.data["models"])]
        if path[-1] == "model" or path[-2:] == ["model", "id"] or (path[0] == "models" and path[2:] == ["id"]):
            from yamlgen.model_capabilities import MODELS  # noqa: PLC0415 - only for these keys

            return [*found, *MODELS]
        return found


def _documents(targets: Sequence[Path]) -> Iterator[dict[str, Any]]:
    """Yield the data of each pipeline that can be read: a file, or those in a folder. Default: the current folder."""
    for target in targets or [Path()]:
        if target.is_dir():
            files = sorted(path for path in islice(target.iterdir(), _MOST_FILES) if path.suffix in ENDINGS)
            found = (_data(path) for path in files[:_MOST_PIPELINES])
            yield from (data for data in found if data is not None and "steps" in data)
        elif (data := _data(target)) is not None:
            yield data


def _data(pipeline: Path) -> dict[str, Any] | None:
    """Return the data of a pipeline, or `None` if it cannot be read."""
    from yamlgen.parsing.yaml_parser import compose, read  # noqa: PLC0415 - not for the names of runs

    source, _ = read(pipeline, str(pipeline))
    if source is None or len(_MARKS.findall(source.text)) > _MOST_MARKS:
        return None
    document, _ = compose(source)
    return None if document is None else _mapping(document.data)


def _holds(condition: dict[str, Any], value: object) -> bool:
    """Return whether a value meets the `if` of a schema, which says which keys it has, or what they are."""
    given = _mapping(value)
    consts = {name: each["const"] for name, each in condition.get("properties", {}).items()}
    required = all(name in given for name in condition.get("required", ()))
    return required and all(given.get(name, const) == const for name, const in consts.items())


def _is_plain(schema: dict[str, Any]) -> bool:
    """Return whether a value of this schema may be written in one word."""
    kind = schema.get("type")
    if kind is not None:
        return bool(kind != "object")
    return "enum" in schema or "const" in schema or not schema.keys() & _FORMS


def _values(schemas: Iterable[object]) -> list[str]:
    """Return the values that schemas list, as YAML on one line."""
    found: list[str] = []
    for schema in map(_mapping, schemas):
        kinds = schema.get("type")
        listed = schema.get("enum")
        values = list(listed) if isinstance(listed, list) else []
        values += [schema["const"]] if "const" in schema else []
        values += [True, False] if kinds == "boolean" or (isinstance(kinds, list) and "boolean" in kinds) else []
        found += [_written(value) for value in values if not isinstance(value, dict | list)]
        for form in ("anyOf", "oneOf"):
            parts = schema.get(form)
            found += _values(parts) if isinstance(parts, list) else []
    return list(dict.fromkeys(found))


def _written(value: JSON) -> str:
    """Return a value as it is written in YAML: a string without quotes if it needs none."""
    if not isinstance(value, str):
        return json.dumps(value)
    from yamlgen.parsing.source_map import SourceText  # noqa: PLC0415 - not for the names of runs
    from yamlgen.parsing.yaml_parser import compose  # noqa: PLC0415

    document, problems = compose(SourceText("", value), any_root=True)
    is_plain = document is not None and not problems and document.data == value
    return value if is_plain else json.dumps(value, ensure_ascii=False)


def _about(schema: object) -> str:
    """Return the first sentence of a description."""
    text = _mapping(schema).get("description")
    return " ".join(text.split()).split(". ")[0].removesuffix(".") if isinstance(text, str) else ""


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _stores(targets: Sequence[Path], store: Path | None) -> list[StoreLocation]:
    """Return the stores of these targets, as `history.store_locations` does, which loads much more."""
    from yamlgen.store.location import FOLDER, location_of, locations_in  # noqa: PLC0415 - only for the names of runs

    found: list[StoreLocation] = []
    for target in targets:
        if target.is_dir():
            found += locations_in(store or target / FOLDER)
        else:
            found += [location_of(target, store), location_of(target, store, simulated=True)]
    if not targets:
        folders = [store] if store else [Path(FOLDER), *islice(Path().glob(f"*/{FOLDER}"), _MOST_FILES)]
        for folder in folders:
            with suppress(Exception):  # the others may be readable
                found += locations_in(folder)
    return found


def _runs_in(database: Path, typed: str) -> list[tuple[str, str, str]]:
    """Return when runs started, their names and states. Neither the store nor its log nor its index is written.

    A log exists while a process writes to the store, or if one was killed; its index is then opened for reading only.
    Without a log, or without an index, nothing else needs to be asked, and `immutable` keeps SQLite from creating them.
    """
    if not database.is_file():
        return []
    has_log = database.with_name(f"{database.name}-wal").exists()
    for mode in (["mode=ro&readonly_shm=1"] if has_log else []) + ["immutable=1"]:
        uri = f"{database.absolute().as_uri()}?{mode}"
        with suppress(sqlite3.Error), closing(sqlite3.connect(uri, uri=True, timeout=_PATIENCE)) as connection:
            return connection.execute(_RUNS, (typed, _MOST_RUNS)).fetchall()
    return []
