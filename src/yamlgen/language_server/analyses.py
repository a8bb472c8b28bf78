"""What is known of a pipeline that is being written: its models, the types in its templates, its first row.

Nothing is executed and nothing is requested. The last analyses are kept, so that what is asked several times of one
state of a text is analysed once.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import Final

from yamlgen.api.loaded_pipeline import column_of
from yamlgen.api.query_checks import checked_head
from yamlgen.data.input_head import PEEK, InputHead, read_head
from yamlgen.data.input_sources import selection_of, source_of
from yamlgen.errors import Code, YamlgenError
from yamlgen.expressions.static_types import ANYTHING, NamespaceView, SchemaView, TypeView
from yamlgen.language_server.mended_text import mended
from yamlgen.parsing.drafts import drafting, drafts
from yamlgen.parsing.project_folder import confined, real
from yamlgen.parsing.source_map import DataPath
from yamlgen.pipeline import parsed_file
from yamlgen.pipeline.parsed_file import ParsedFile
from yamlgen.planning.compiled_pipeline import CompiledPipeline
from yamlgen.planning.compiler import compile_pipeline
from yamlgen.planning.finding_reports import ScopedTemplate
from yamlgen.schemas.types import Type
from yamlgen.steps.step_template import EARLY, StepTemplate
from yamlgen.value_objects import InputRow

_MOST: Final = 8
"""How many analyses are kept."""
_LARGE: Final = 20_000
"""From this many characters on, an analysis of an earlier state of the text is used while the text changes."""


@dataclass(frozen=True)
class Analysis:
    """What is known of one state of a pipeline.

    Attributes:
        parsed: its models, without the broken parts.
        compiled: its templates with the types in them, and its plan if it has no errors.
        head: the first rows of its input; empty if it is unknown, outside the folder, or a query.
    """

    parsed: ParsedFile
    compiled: CompiledPipeline
    head: InputHead

    @cached_property
    def first_row(self) -> InputRow | None:
        """The first row that a run would read, without `limit` and `sample`; `None` if it is unknown."""
        plan, head = self.compiled.plan, self.head
        if plan is not None and plan.input.where is not None:
            if plan.declared.keys() - plan.params.keys():
                return None
            head = head.fulfilling(selection_of(plan.input, plan.params).where)
        wanted = head.rows[0][1] if head.rows else None
        if wanted is None:
            return None
        try:
            rows = islice(self.head.source.rows(columns=None if plan is None else plan.columns), PEEK)
            found = next((each for each in rows if each.row == wanted), None)
        except YamlgenError:
            found = None
        return found or InputRow(0, wanted, "")

    def scoped(self, path: DataPath) -> ScopedTemplate | None:
        """Return the template at a path, with the names in its scope."""
        return self.compiled.scoped.get(path)

    def names(self, path: DataPath) -> Mapping[str, TypeView]:
        """Return the names that a template at a path can read, with their types; if it is new, those of its step."""
        scoped = self.compiled.scoped
        if path in scoped:
            return {**scoped[path].names, **self._steps(scoped[path].names.get("steps"))}
        beside = [each for at, each in scoped.items() if at[:2] == path[:2] and at[-1] not in EARLY and len(path) > 1]
        if beside:
            return {**beside[-1].names, **self._steps(beside[-1].names.get("steps"))}
        columns = self.head.columns
        row: TypeView = ANYTHING
        if columns is not None:
            types = {name: SchemaView.of(Type(columns.types.get(name, {})), f"row.{name}") for name in columns.names}
            row = NamespaceView(Code.UNKNOWN_COLUMN, "column", types)
        last = self._last("steps")
        return {**last, "row": row, "params": self.compiled.parameters.view(), **self._steps(last.get("steps"))}

    def following(self, step: str) -> set[str]:
        """Return a step and the steps that refer to it, directly or indirectly: it cannot refer to them."""
        found, before = {step}, set[str]()
        while found != before:
            before = set(found)
            found |= {str(at[1]) for at, each in self._step_templates() if each.references.named & before}
        return found

    def _step_templates(self) -> Iterator[tuple[DataPath, StepTemplate]]:
        return ((at, each.template) for at, each in self.compiled.scoped.items() if at[0] == "steps")

    def _last(self, name: str) -> Mapping[str, TypeView]:
        """Return the names of the template that was read last, and has a name: by then, all types are known."""
        return next((each.names for each in reversed([*self.compiled.scoped.values()]) if name in each.names), {})

    def _steps(self, seen: TypeView | None) -> Mapping[str, TypeView]:
        """Return the view of the steps as a template sees them; those that were read after it with their types, too."""
        members: dict[str, TypeView] = dict.fromkeys(self.parsed.pipeline.steps, ANYTHING)
        later: Mapping[str, TypeView] = getattr(self._last("steps").get("steps"), "members", {})
        members |= {name: view.solid() for name, view in later.items()}
        known: Mapping[str, TypeView] = getattr(seen, "members", {})
        members |= {name: view for name, view in known.items() if view is not ANYTHING}
        return {} if seen is None else {"steps": NamespaceView(Code.UNKNOWN_STEP, "step", members)}


class _AnalysisCache:
    """The last analyses, by the file and everything that was read for them; threads share it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._found: OrderedDict[tuple[object, ...], Analysis | None] = OrderedDict()
        self._last: OrderedDict[Path, Analysis] = OrderedDict()

    def get(self, path: Path, key: tuple[object, ...]) -> tuple[bool, Analysis | None]:
        with self._lock:
            if key in self._found and ((found := self._found[key]) is None or found.compiled.is_current):
                self._found.move_to_end(key)
                return True, found if found is not None else self._last.get(path)
            return False, self._last.get(path)

    def put(self, path: Path, key: tuple[object, ...], made: Analysis | None) -> Analysis | None:
        with self._lock:
            self._found[key] = made
            if made is not None:
                self._last[path] = made
                self._last.move_to_end(path)
            for kept in (self._found, self._last):
                while len(kept) > _MOST:
                    kept.popitem(last=False)
            return made if made is not None else self._last.get(path)


_CACHE: Final = _AnalysisCache()


def analysis_of(path: Path, text: str, at: int, *, is_changing: bool = False) -> Analysis | None:
    """Return what is known of a text, or of its last state that could be read.

    Args:
        path: the file, absolute.
        text: the text, which is analysed without its broken lines.
        at: the offset of the cursor.
        is_changing: whether the answer is needed at once: for a large text, that of an earlier state will do.
    """
    document = mended(str(path), text, at)
    others = frozenset((place, draft) for place, draft in drafts().items() if place != real(path))
    key = (path, "" if document is None else document.source.text, others)
    is_known, found = _CACHE.get(path, key)
    if is_known or document is None or (is_changing and found is not None and len(text) > _LARGE):
        return found
    return _CACHE.put(path, key, _analysed(path, document.source.text))


def keep_up(path: Path, text: str) -> None:
    """Analyse the newest state of a large text, so that later answers about it are right and come at once."""
    if len(text) > _LARGE:
        analysis_of(path, text, 0)


def _analysed(path: Path, text: str) -> Analysis | None:
    with drafting({real(path): text}), confined(path.parent):
        parsed, _ = parsed_file.read(path, str(path))
        if parsed is None:
            return None
        head = _head(parsed)
        column = partial(column_of, parsed, [])
        return Analysis(parsed, compile_pipeline(parsed, head.columns, column), head)


def _head(parsed: ParsedFile) -> InputHead:
    """Return the first rows of the input, if they are in the pipeline's folder; of a query, only the columns."""
    source = source_of(parsed.pipeline.input, parsed.path, parsed.shown)
    tables = () if source.query is None else (file for table in source.query.tables for file in table.files)
    paths = [file.path for file in (*source.files, *tables) if file.path is not None]
    if not all(is_inside(parsed.path.parent, path) for path in paths):
        return InputHead(replace(source, query=None, files=()))
    try:
        return read_head(source) if source.query is None else checked_head(parsed, source, source.query)[0]
    except (YamlgenError, OSError):
        return InputHead(source)


def is_inside(folder: Path, path: Path) -> bool:
    """Check whether a path is in a folder, also behind its links."""
    return real(path).is_relative_to(real(folder))
