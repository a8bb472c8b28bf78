"""Rows in memory, for Python users: a sink that stands before the one that writes the files."""

from __future__ import annotations

from collections.abc import Mapping

from yamlgen.ports import JSON, RowSink


class Collected:
    """Hands every row on, and keeps it once it is safe there.

    Args:
        sink: the sink whose calls return when a row is safe; set before the first row.
    """

    def __init__(self) -> None:
        self.sink: RowSink | None = None
        self._rows: dict[int, dict[str, JSON]] = {}
        self._failures: dict[int, dict[str, JSON]] = {}

    def add(self, index: int, record: Mapping[str, JSON]) -> None:
        """Keep the record of a finished row."""
        if self.sink is not None:
            self.sink.add(index, record)
        self._rows[index] = dict(record)

    def add_failed(self, index: int, record: Mapping[str, JSON]) -> None:
        """Keep the record of a row that was set aside."""
        if self.sink is not None:
            self.sink.add_failed(index, record)
        self._failures[index] = dict(record)

    @property
    def rows(self) -> list[dict[str, JSON]]:
        """The finished rows, in input order."""
        return [self._rows[index] for index in sorted(self._rows)]

    @property
    def failures(self) -> list[dict[str, JSON]]:
        """The rows that were set aside, in input order."""
        return [self._failures[index] for index in sorted(self._failures)]
