"""The reading of what the batch endpoints answer. Gateways may omit any field but the id."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, get_args

from yamlgen.batches.batch_api import RemoteBatch, Status
from yamlgen.value_objects import JSON

_ID: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.:=+~-]{0,255}")
_STATUSES: Final[tuple[Status, ...]] = get_args(Status)
_NO_FIELDS: Final[Mapping[str, JSON]] = {}


def is_id(text: JSON) -> bool:
    """Return whether a value can be the id of a batch."""
    return isinstance(text, str) and _ID.fullmatch(text) is not None


def batch_in(body: JSON, now: datetime) -> RemoteBatch | None:
    """Return the batch that a body describes; `None` if it describes none. `now` is for a missing time of creation."""
    if not isinstance(body, dict) or not is_id(body.get("id")):
        return None
    told, ended = body.get("processing_status"), _moment(body.get("ended_at"))
    if told is None and body.get("type") != "message_batch":
        return None
    status: Status = "ended" if ended else "in_progress"
    status = next((each for each in _STATUSES if each == told), status)
    is_canceled = body.get("cancel_initiated_at") is not None or status == "canceling"
    given = body.get("request_counts")
    found = given if isinstance(given, dict) else _NO_FIELDS
    counts = {kind: count for kind, count in found.items() if type(count) is int and count >= 0}
    return RemoteBatch(body["id"], status, _moment(body.get("created_at")) or now, ended, is_canceled, counts)


def page_in(body: JSON, now: datetime) -> tuple[list[RemoteBatch], str | None] | None:
    """Return the batches of a page and the id after which the next page begins; `None` if it is no page."""
    if not isinstance(body, dict) or not isinstance(body.get("data"), list):
        return None
    batches: list[Any] = [batch_in(each, now) for each in body["data"]]
    if None in batches:  # a batch that is not read might be the one that is looked for
        return None
    after = body.get("last_id") if is_id(body.get("last_id")) else batches[-1].id if batches else None
    return batches, after if body.get("has_more") is True else None


def _moment(text: JSON) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
