"""The result of the validation of a document: the document without its broken parts, and what was wrong with it."""

from __future__ import annotations

from dataclasses import dataclass, field

from yamlgen.collector import Collector
from yamlgen.diagnostics import Mark
from yamlgen.parsing.source_map import DataPath, Document, Issue


@dataclass
class ValidationResult(Collector):
    """The result of the validation of a document.

    Attributes:
        document: the document without its broken parts. Its models can be constructed.
        broken: the paths that were removed; nothing more must be reported about them.
        mended: the places of keys that were read as others, and of their plain values: already reported.
    """

    document: Document
    broken: set[DataPath] = field(default_factory=set)
    mended: set[Mark] = field(default_factory=set)
    anchored: set[Mark] = field(default_factory=set)

    def report(self, finding: Issue, at: DataPath, *, key: bool = False) -> None:
        """Report a finding. A mistake inside an anchor is reported once, regardless of the number of aliases."""
        mark, is_shared = self.document.mark(at, key=key), self.document.is_shared(at)
        alike = (told.mark == mark and told.code == finding.code for told in self.diagnostics)
        if (is_shared or mark in self.anchored) and any(alike):
            return
        if is_shared:
            self.anchored.add(mark)
        self.diagnostics.append(finding.at(mark))
