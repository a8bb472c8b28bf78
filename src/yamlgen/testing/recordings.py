"""Recorded answers: what a recording is, and how an answer is found among them.

A recording is found by the fingerprint of its request, which is a digest of what is sent, without the address. It is
never found by likeness. If the rows of a run have sent equal requests and got different answers, each of these answers
is recorded for its row, too.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, TypeAlias

from yamlgen.canonical_json import canonical, digest, short_digest
from yamlgen.testing.line_ends import with_lf
from yamlgen.value_objects import JSON

VERSION = 1
"""The version of fingerprints, a part of each."""

RecordingKey: TypeAlias = tuple[bytes, bytes]
"""A fingerprint, and the digest of a row; empty for the answer to any row."""


@dataclass(frozen=True, slots=True)
class Recording:
    """One answer, or the refusal of a request or of a schema.

    Attributes:
        fingerprint: the fingerprint of its request; of the schema, for the refusal of one.
        step: the step that sent the request.
        request: the fields of the request's body that the fingerprint covers.
        response: `content`, `stop_reason`, `model` and `usage` of the answer; `None` for a refusal.
        refusal: the status and message of a refusal; `None` for an answer.
        date: when it was recorded.
        sample: the number of the request, from 0, among the equal requests of its step for its row.
        row: the digest of the identity of the only row that it answers (see `row_digest`); empty for all rows.
        simulated: whether the simulator has answered.
        original: the digest of the request as it was sent, if values are left out of `request`; not in the file, from
            which the values could be guessed.
    """

    fingerprint: bytes
    step: str
    request: Mapping[str, JSON]
    response: Mapping[str, JSON] | None
    refusal: tuple[int, str] | None
    date: date
    sample: int = 0
    row: bytes = b""
    simulated: bool = False
    original: bytes = field(default=b"", compare=False)

    @property
    def key(self) -> RecordingKey:
        """What distinguishes it from other recordings."""
        return self.fingerprint, self.row

    @property
    def outcome(self) -> str:
        """The answer or refusal, as JSON. The order of the keys in an answer counts: it is that of the output."""
        return json.dumps(self.response if self.refusal is None else self.refusal)

    def answers_as(self, other: Recording) -> bool:
        """Return whether this answer may stand for another one to the same request.

        It may not if both requests are the same only because values are left out of them.
        """
        is_same = not (self.original and other.original) or self.original == other.original
        return is_same and self.outcome == other.outcome


class RecordedAnswers:
    """Recordings by their keys. Of two with one key, the newer one counts.

    Args:
        recordings: the recordings; of two with one key and date, the later one counts.

    Attributes:
        superseded: the keys that occurred with different answers, each once.
    """

    def __init__(self, recordings: Iterable[Recording] = ()) -> None:
        self._by_key: dict[RecordingKey, Recording] = {}
        superseded: dict[RecordingKey, None] = {}
        for each in recordings:
            other = self._by_key.get(each.key)
            if other is not None and other.outcome != each.outcome:
                superseded[each.key] = None
            if other is None or each.date >= other.date:
                self._by_key[each.key] = each
        self.superseded = tuple(superseded)
        self._of_rows = frozenset(fingerprint for fingerprint, row in self._by_key if row)

    def __len__(self) -> int:
        return len(self._by_key)

    def __iter__(self) -> Iterator[Recording]:
        """Yield the recordings in the order of their keys."""
        return iter(self._by_key[key] for key in sorted(self._by_key))

    @property
    def are_simulated(self) -> bool:
        """Whether the simulator has answered all requests."""
        return bool(self._by_key) and all(each.simulated for each in self._by_key.values())

    @property
    def real(self) -> RecordedAnswers:
        """The recordings of answers by the models of the pipeline."""
        return RecordedAnswers(each for each in self if not each.simulated)

    def simulated(self, used: Collection[RecordingKey]) -> int:
        """Return how many of the recordings with these keys are answers of the simulator."""
        return sum(each.simulated for key, each in self._by_key.items() if key in used)

    def get(self, key: RecordingKey) -> Recording:
        """Return the recording with this key, which must exist."""
        return self._by_key[key]

    def find(self, fingerprint: bytes, identity: str = "") -> Recording | None:
        """Return the recording of a request; for a row with this identity, the one of the row if it has one."""
        if fingerprint in self._of_rows and identity:
            own = self._by_key.get((fingerprint, row_digest(identity)))
            if own is not None:
                return own
        return self._by_key.get((fingerprint, b""))

    def of_step(self, step: str) -> tuple[Recording, ...]:
        """Return the answers of a step, newest first."""
        found = [each for each in self if each.step == step and each.response is not None]
        return tuple(sorted(found, key=lambda each: each.date, reverse=True))

    def with_newer(
        self, recordings: Iterable[Recording], of_rows: Collection[Recording] = (), *, everything: bool = False
    ) -> RecordedAnswers:
        """Return these recordings and newer ones, whatever their dates.

        The answer to any row stays, because the rows that were not recorded anew need it: a row whose newer answer
        differs gets its own. The answer of a model is never replaced by one of the simulator.

        Args:
            recordings: the newer recordings.
            of_rows: each newer recording for each row that needs it. Older answers for these rows are dropped.
            everything: whether all rows are recorded anew, so that the newer answer to any row replaces the older one.
        """
        real = {each.key for each in self if not each.simulated}
        newer = {each.key: each for each in recordings if not (each.simulated and each.key in real)}
        rows = [each for each in of_rows if not (each.simulated and real & {each.key, (each.fingerprint, b"")})]
        anew = {each.key for each in rows}
        made = {each.key: each for each in self if each.key not in anew}
        for key, each in newer.items():
            known = made.get(key)
            if known is None or everything or known.answers_as(each):
                made[key] = each
        for each in rows:
            general = made.get((each.fingerprint, b""))
            if general is not None and not (each.answers_as(general) and not self._has_own(each, general)):
                made[each.key] = each
        return RecordedAnswers(made.values())

    def _has_own(self, newer: Recording, general: Recording) -> bool:
        """Return whether a row has an answer of its own, perhaps because values are left out of its request."""
        return bool(newer.original) and not general.original and newer.key in self._by_key

    def without_unused(self, used: Collection[RecordingKey]) -> RecordedAnswers:
        """Return the recordings with these keys."""
        return RecordedAnswers(each for each in self if each.key in used)

    def unused(self, used: Collection[RecordingKey]) -> int:
        """Return how many recordings do not have one of these keys."""
        return sum(key not in used for key in self._by_key)

    def older(self, day: date) -> tuple[Recording, ...]:
        """Return the recordings from before a day."""
        return tuple(each for each in self if each.date < day)


def fingerprint_of(api_version: str, sample: int, body: Mapping[str, Any]) -> bytes:
    """Return the fingerprint of a request from its keyed fields (see `steps.keyed_fields`).

    CRLF counts as LF in every string, because git may change the line ends of the files that a request is made of. The
    keys of stored answers distinguish them.
    """
    return digest({"fingerprint": VERSION, "api_version": api_version, "sample": sample, "body": with_lf(body)})


def schema_fingerprint(api_version: str, model: JSON, form: JSON) -> bytes:
    """Return the fingerprint of a native schema, given the `format` of a request that has it."""
    return digest({"fingerprint": VERSION, "api_version": api_version, "model": model, "format": with_lf(form)})


def row_digest(identity: str) -> bytes:
    """Return the digest of the identity of a row, as recordings have it. CRLF counts as LF."""
    is_plain = r"\r\n" not in identity
    return short_digest(identity if is_plain else canonical(with_lf(json.loads(identity))))
