"""The fingerprints of requests, in place of the keys by which a store finds answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

from yamlgen.canonical_json import digest
from yamlgen.claude.answer_keys import AnswerKeys, keyed
from yamlgen.interfaces import RequestContext
from yamlgen.testing.recordings import fingerprint_of, schema_fingerprint
from yamlgen.testing.stand_ins import NOTHING_HIDDEN, StandIns
from yamlgen.value_objects import JSON

_SETUP = b"recorded"


@dataclass(frozen=True, slots=True)
class Fingerprints(AnswerKeys):
    """The fingerprints of the requests of a run. Neither the address nor the identity of a row is a part of them.

    Attributes:
        stand_ins: the stand-ins of each row, by its position; a row without any needs no entry.
        store_keys: computes the keys by which the store of the pipeline finds the same answers, if they are wanted.
        noted: the request of each fingerprint and row, as its key in that store and its body.
        originals: the digest of the request as it would be sent, by fingerprint and row, if values are left out of it.
    """

    address: str = field(default="", init=False)
    workspace: str = field(default="", init=False)
    stand_ins: Mapping[int, StandIns] = field(default_factory=dict)
    store_keys: AnswerKeys | None = None
    noted: dict[tuple[bytes, str], tuple[bytes, Mapping[str, JSON]]] = field(default_factory=dict)
    originals: dict[tuple[bytes, str], bytes] = field(default_factory=dict)

    def with_betas(self, betas: Sequence[str]) -> Self:
        """Return the fingerprints of the requests of a model, which do not contain its betas; the keys do."""
        return self if self.store_keys is None else replace(self, store_keys=self.store_keys.with_betas(betas))

    def keys(self, body: Mapping[str, JSON], context: RequestContext) -> tuple[bytes, ...]:
        """Return the fingerprint of a request."""
        kept = self.recorded(body, context.row)
        fingerprint = fingerprint_of(self.api_version, context.sample, kept)
        if self.stand_ins.get(context.row) and (sent := keyed(body)) != kept:
            self.originals[fingerprint, context.identity] = digest(sent)
        if self.store_keys is not None:
            self.noted[fingerprint, context.identity] = self.store_keys.keys(body, context)[0], body
        return (fingerprint,)

    def recorded(self, body: Mapping[str, JSON], row: int) -> dict[str, JSON]:
        """Return the part of a request's body that is recorded, which its fingerprint covers."""
        return self.stand_ins.get(row, NOTHING_HIDDEN).hide_request(keyed(body))

    def setup(self, body: Mapping[str, JSON]) -> bytes:  # noqa: ARG002 - a replay sends nothing that can be refused
        """Return the same for all requests."""
        return _SETUP

    def schema(self, body: Mapping[str, JSON]) -> bytes:
        """Return the fingerprint of the native schema of a request."""
        return schema_fingerprint(self.api_version, body["model"], body["output_config"]["format"])
