"""What an API has shown: what it says about models, and the rate limits of an account.

They are in a file next to the stores of a folder, because the pipelines of a folder share them. They are only hints: a
file that cannot be read or written is as good as none.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

from yamlgen.redaction import redact
from yamlgen.value_objects import JSON, RateLimits

FILE: Final = "api.json"

_FRESH: Final = timedelta(days=1)
"""For how long it is assumed that the API still says the same about a model."""


class SeenLimits(NamedTuple):
    """The rate limits of a pool, and when an answer showed them, in ISO 8601."""

    limits: RateLimits
    seen: str


@dataclass(frozen=True, slots=True)
class ApiFacts:
    """What one API has shown.

    Attributes:
        folder: the folder of the store.
        account: the address and the name of the key; the rate limits are those of this key.
    """

    folder: Path
    account: str

    def model(self, model: str) -> JSON:
        """Return what the API said about a model within the last day: an object, or `False` if it said nothing.

        Returns:
            `None` if it was not asked.
        """
        known = _part(self._read(), "models", model)
        asked = _moment(known.get("asked"))
        is_fresh = asked is not None and timedelta() <= datetime.now(UTC) - asked < _FRESH
        return known.get("info") or False if is_fresh else None

    def limits(self, pool: str) -> SeenLimits | None:
        """Return the rate limits of a pool that were seen last."""
        known = _part(self._read(), "limits", pool)
        values = [known.get(name) for name in RateLimits.__slots__]
        numbers = [float(value) if isinstance(value, int | float) and value > 0 else None for value in values]
        seen = known.get("seen")
        return SeenLimits(RateLimits(*numbers), seen) if any(numbers) and isinstance(seen, str) else None

    def note(self, *, models: Mapping[str, JSON] | None = None, limits: Mapping[str, RateLimits] | None = None) -> None:
        """Keep what the API said about models (`None` if nothing), and the rate limits of pools.

        The folder must exist.
        """
        if not models and not limits:
            return
        now = datetime.now(UTC).isoformat(timespec="seconds")
        with suppress(OSError):
            every = self._all()
            own = every.setdefault(self.account, {})
            for model, info in (models or {}).items():
                own.setdefault("models", {})[model] = {"asked": now, "info": info}
            for pool, each in (limits or {}).items():
                own.setdefault("limits", {})[pool] = {**asdict(each), "seen": now}
            self._write(every)

    def _read(self) -> JSON:
        return self._all().get(self.account)

    def _all(self) -> dict[str, JSON]:
        """Return what all APIs have shown. A part that is not an object is dropped, so that it can be replaced."""
        content: JSON = None
        with suppress(OSError, ValueError, RecursionError):
            content = json.loads((self.folder / FILE).read_text(encoding="utf-8"))
        apis = _mapping(content)
        return {
            account: {
                part: {key: _mapping(value) for key, value in _mapping(found).items()} for part, found in own.items()
            }
            for account, own in apis.items()
            if isinstance(own, dict)
        }

    def _write(self, content: Mapping[str, JSON]) -> None:
        text = redact(json.dumps(content, ensure_ascii=False, indent=1, sort_keys=True))
        descriptor, name = tempfile.mkstemp(dir=self.folder, prefix=f".{FILE}.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
            Path(name).replace(self.folder / FILE)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def _part(found: JSON, *path: str) -> Mapping[str, JSON]:
    for each in path:
        found = _mapping(found).get(each)
    return _mapping(found)


def _mapping(value: JSON) -> dict[str, JSON]:
    return value if isinstance(value, dict) else {}


def _moment(text: JSON) -> datetime | None:
    with suppress(ValueError, TypeError):
        found = datetime.fromisoformat(text)
        return found if found.tzinfo else None
    return None
