"""Bundle a schema and the files that it refers to into one self-contained schema.

Owns the resolution of `$ref`: to a part of the same document (by pointer, anchor or `$id`), to a file in the
pipeline's folder tree, or to a metaschema of JSON Schema; never to the network.
"""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urljoin

from yamlgen.collector import Collector
from yamlgen.diagnostics import Mark
from yamlgen.errors import Code
from yamlgen.parsing.project_folder import real
from yamlgen.parsing.source_map import DataPath, Document
from yamlgen.schemas.json_pointer import steps, within, written
from yamlgen.schemas.keywords import subschemas
from yamlgen.schemas.metaschemas import standard
from yamlgen.value_objects import JSON

SAVE: Final = "save the schema next to the pipeline and refer to that file: URLs are never fetched"


@dataclass(frozen=True)
class SchemaPlace:
    """The place of a schema: its document, its path there, and the file that its references are relative to."""

    document: Document
    prefix: DataPath
    file: Path

    def mark(self, path: DataPath) -> Mark:
        """Return the place of a part."""
        return self.document.mark((*self.prefix, *path))

    def key_mark(self, path: DataPath) -> Mark:
        """Return the place of a part's key."""
        return self.document.mark((*self.prefix, *path), key=True)


class Loader(Collector, ABC):
    """Reads the files of a bundle, checks them against the draft, and reports their errors."""

    folder: Path

    @abstractmethod
    def read(self, path: Path, shown: str, mark: Mark) -> tuple[JSON, SchemaPlace] | None:
        """Return the schema in a file, or report why it cannot be read and return `None`."""

    @abstractmethod
    def check(self, data: JSON, place: SchemaPlace) -> None:
        """Report the errors in the schema of one file."""


class _Resources:
    """The parts of one document that have an `$id`, and the targets of references to them."""

    def __init__(self, schema: JSON, place: SchemaPlace) -> None:
        self._schema = schema
        self._uris: dict[DataPath, str] = {(): place.file.absolute().as_uri()}
        if place.prefix:  # a part of a file has no URI of its own
            self._uris[()] = place.file.parent.absolute().as_uri() + "/"
        for path, part in subschemas(schema):
            if isinstance(part.get("$id"), str):
                self._uris[path] = _joined(self._base(path), part["$id"]).partition("#")[0]
        self.is_one = len(self._uris) == 1
        self.is_dynamic = any("$dynamicRef" in part for _, part in subschemas(schema))

    def target(self, ref: str, at: DataPath) -> DataPath | None:
        """Return the path to the target of a reference; `None` if the target is not in this document.

        Raises:
            LookupError: the reference names this document, but no part of it.
        """
        uri, _, fragment = _joined(self._base(at), ref).partition("#")
        home = next((path for path, known in self._uris.items() if known == uri), None)
        if home is None:
            return None
        if fragment and not fragment.startswith("/"):
            return self._anchored(fragment, home)
        return (*home, *steps(within(self._schema, home), fragment))

    def _base(self, at: DataPath) -> str:
        return next(self._uris[at[:length]] for length in range(len(at), -1, -1) if at[:length] in self._uris)

    def _anchored(self, anchor: str, home: DataPath) -> DataPath:
        for path, part in subschemas(self._schema):
            if anchor in (part.get("$anchor"), part.get("$dynamicAnchor")) and self._base(path) == self._uris[home]:
                return path
        raise LookupError(anchor)


def _joined(base: str, ref: str) -> str:
    try:
        return base.partition("#")[0] + ref if ref.startswith("#") else urljoin(base, ref)
    except ValueError:  # not an address
        return ref


class Bundle:
    """Bundles a root schema and the files it refers to, each once, under the root's `$defs`."""

    def __init__(self, loader: Loader, root: JSON, place: SchemaPlace) -> None:
        self.loader = loader
        self.root = root
        self.place = place
        self.names: dict[Path, str] = {}
        self.places: dict[str, SchemaPlace] = {}
        self.parts: dict[str, JSON] = {}
        self.standards: dict[str, str] = {}
        self.failed = False

    def make(self) -> dict[str, Any] | None:
        """Return the schema, or report the references that cannot be resolved and return `None`."""
        schema = self._rewritten(self.root, self.place, "#")
        if self.failed:
            return None
        if not isinstance(schema, dict):
            return {} if schema else {"not": {}}
        if self.parts:
            schema["$defs"] = {**schema.get("$defs", {}), **self.parts}
        return schema

    def origin(self, path: DataPath) -> tuple[SchemaPlace, DataPath]:
        """Return where a part of the bundle was written: the place of its file, and its path there."""
        if path[:1] == ("$defs",) and len(path) > 1 and path[1] in self.places:
            return self.places[str(path[1])], path[2:]
        return self.place, path

    def _rewritten(self, schema: JSON, place: SchemaPlace, base: str) -> JSON:
        """Return a copy of a schema whose references are valid inside the bundle.

        References by `$id` are replaced by paths, unless a `$dynamicRef` depends on those names.

        Args:
            schema: the root of one file.
            place: the place of that file.
            base: the pointer to the root in the bundle.
        """
        resources = _Resources(schema, place)
        keeps_names = base == "#" and (resources.is_one or resources.is_dynamic)
        copy = json.loads(json.dumps(schema))
        for path, part in subschemas(copy):
            if isinstance(part.get("$ref"), str):
                part["$ref"] = self._target(part["$ref"], path, resources, place, base)
        for path, part in subschemas(copy) if not keeps_names else ():
            for word in ("$id", "$schema", "$anchor") if path or base != "#" else ("$anchor",):
                part.pop(word, None)
        return copy

    def _target(self, ref: str, at: DataPath, resources: _Resources, place: SchemaPlace, base: str) -> str:
        mark = place.mark((*at, "$ref"))
        try:
            inside = resources.target(ref, at)
        except LookupError:
            return self._fail(Code.BAD_REFERENCE, f"the reference `{ref}` cannot be resolved", mark, None)
        if inside is not None:
            stays = base == "#" and (resources.is_dynamic or (resources.is_one and ref.startswith("#")))
            return ref if stays else base + written(inside)
        file, _, fragment = ref.partition("#")
        if re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*:|//", file):
            try:
                own = self._standard(file, fragment)
            except LookupError:
                return self._fail(Code.BAD_REFERENCE, f"the reference `{ref}` cannot be resolved", mark, None)
            return own or self._fail(Code.REMOTE_REFERENCE, f"the reference `{ref}` is a URL", mark, SAVE)
        target = place.file.parent / file
        home = real(self.loader.folder)
        if not real(target).is_relative_to(home):
            message = f"the reference `{ref}` points outside the pipeline's folder"
            return self._fail(Code.OUTSIDE_FOLDER, message, mark, "copy the schema into that folder")
        loaded = self.loader.read(target, str(real(target).relative_to(home)), mark)
        if loaded is None:
            self.failed = True
            return ref
        data, there = loaded
        try:
            path = _Resources(data, there).target(f"#{fragment}", ())
        except LookupError:
            return self._fail(Code.BAD_REFERENCE, f"the reference `{ref}` cannot be resolved", mark, None)
        return self._embed(real(target), data, there) + written(path or ())

    def _embed(self, file: Path, data: JSON, place: SchemaPlace) -> str:
        if file == real(self.place.file) and not self.place.prefix:
            return "#"
        if file not in self.names:
            name = self._free(re.sub(r"\W+", "_", file.stem).strip("_") or "part")
            self.names[file] = name
            self.places[name] = place
            self.loader.check(data, place)
            self.parts[name] = self._rewritten(data, place, f"#/$defs/{name}")
        return f"#/$defs/{self.names[file]}"

    def _standard(self, address: str, fragment: str) -> str | None:
        """Return the reference to a part of a metaschema in the bundle; `None` if the address is not a metaschema.

        Raises:
            LookupError: the metaschema has no such part.
        """
        schema = standard(address)
        if schema is None:
            return None
        if address not in self.standards:
            self.standards[address] = name = self._free("json_schema")
            self.parts[name] = schema = self._moved(schema, f"#/$defs/{name}")
        return f"#/$defs/{self.standards[address]}{written(steps(schema, fragment))}"

    @staticmethod
    def _moved(schema: dict[str, Any], base: str) -> dict[str, Any]:
        for _, part in subschemas(schema):
            if "$ref" in part:
                part["$ref"] = base + part["$ref"].removeprefix("#")
        return schema

    def _free(self, stem: str) -> str:
        taken = {*self.names.values(), *self.standards.values()}
        taken.update(self.root.get("$defs", ()) if isinstance(self.root, dict) else ())
        return next(name for name in (stem, *(f"{stem}_{i}" for i in range(2, 1000))) if name not in taken)

    def _fail(self, code: Code, message: str, mark: Mark, hint: str | None) -> str:
        self.loader.complain(code, message, mark, hint)
        self.failed = True
        return "#"
