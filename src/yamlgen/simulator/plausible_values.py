"""Plausible values for a field, based on its name or format.

Names, places and sentences come from Faker. One Faker serves a whole simulator (creating one takes 30 ms), and is
seeded for each answer (5 us). Dates are drawn here, because Faker's depend on the current date and answers must not.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from functools import cached_property, lru_cache
from random import Random
from typing import Any

from faker import Faker

_DAYS = (date(1990, 1, 1).toordinal(), date(2026, 12, 31).toordinal())
_BIRTHS = (date(1940, 1, 1).toordinal(), date(2005, 12, 31).toordinal())

_Draw = Callable[["PlausibleValues"], str]

# By field name. A name is looked up whole, then by its last word, then by the singular of that word.
_FIELDS: dict[str, _Draw] = {
    "name full_name author person": lambda v: v.fake.name(),
    "first_name given_name firstname": lambda v: v.fake.first_name(),
    "last_name family_name lastname surname": lambda v: v.fake.last_name(),
    "username user_name handle": lambda v: v.fake.user_name(),
    "email mail": lambda v: v.fake.ascii_safe_email(),
    "phone phone_number telephone": lambda v: v.fake.numerify("+1-555-###-####"),
    "address": lambda v: v.fake.address().replace("\n", ", "),
    "street": lambda v: v.fake.street_address(),
    "city town hometown location place": lambda v: v.fake.city(),
    "state region": lambda v: v.fake.state(),
    "country nationality": lambda v: v.fake.country(),
    "country_code": lambda v: v.fake.country_code(),
    "zip zipcode postcode postal_code": lambda v: v.fake.postcode(),
    "company company_name organization employer brand team club": lambda v: v.fake.company(),
    "job job_title occupation profession": lambda v: v.fake.job(),
    "date day": lambda v: v.day(_DAYS),
    "birthday birth_date birthdate date_of_birth": lambda v: v.day(_BIRTHS),
    "time": lambda v: v.clock()[:5],
    "timestamp": lambda v: f"{v.day(_DAYS)}T{v.clock()}Z",
    "year": lambda v: str(v.rng.randint(1950, 2026)),
    "url uri link website": lambda v: v.link(),
    "id uuid": lambda v: v.fake.uuid4(),
    "language": lambda v: v.fake.language_name(),
    "currency": lambda v: v.fake.currency_code(),
    "color colour": lambda v: v.fake.color_name(),
    "gender": lambda v: v.rng.choice(("female", "male", "non-binary")),
    "tag keyword label category topic word": lambda v: v.fake.word(),
    "slug": lambda v: f"{v.fake.word()}-{v.fake.word()}",
    "title": lambda v: v.fake.sentence(4).rstrip(".").title(),
    "headline": lambda v: v.fake.sentence(6).rstrip("."),
    "subject": lambda v: v.fake.sentence(5).rstrip("."),
    "question": lambda v: v.fake.sentence(8).rstrip(".") + "?",
    "description summary bio biography text body story": lambda v: v.paragraph(),
}

_RANGES: dict[str, tuple[float, float]] = {
    "age": (18, 90),
    "year": (1950, 2026),
    "month": (1, 12),
    "day": (1, 28),
    "hour": (0, 23),
    "minute second": (0, 59),
    "score rating star priority": (1, 5),
    "rank count quantity": (1, 20),
    "percent percentage": (0, 100),
    "probability confidence": (0, 1),
    "latitude lat": (-90, 90),
    "longitude lon": (-180, 180),
    "price": (1, 500),
    "height": (150, 200),
    "weight": (50, 100),
}
_USUAL = (1.0, 100.0)
_LARGEST = sys.float_info.max
_LARGE = 10**6

_FORMATS: dict[str, _Draw] = {
    "date": lambda v: v.day(_DAYS),
    "time": lambda v: f"{v.clock()}Z",
    "date-time": lambda v: f"{v.day(_DAYS)}T{v.clock()}Z",
    "duration": lambda v: f"PT{v.rng.randint(1, 5)}H{v.rng.randint(1, 59)}M",
    "email idn-email": lambda v: v.fake.ascii_safe_email(),
    "hostname idn-hostname": lambda v: f"{v.fake.word()}.example.com",
    "ipv4": lambda v: f"192.0.2.{v.rng.randint(1, 254)}",
    "ipv6": lambda v: f"2001:db8::{v.rng.randint(1, 9999)}",
    "uri iri": lambda v: v.link(),
    "uri-reference iri-reference": lambda v: f"/{v.fake.word()}/{v.fake.word()}",
    "uri-template": lambda v: f"https://example.com/{v.fake.word()}/{{id}}",
    "uuid": lambda v: v.fake.uuid4(),
    "json-pointer": lambda v: f"/{v.fake.word()}/{v.rng.randint(0, 9)}",
    "relative-json-pointer": lambda v: f"{v.rng.randint(0, 9)}/{v.fake.word()}",
    "regex": lambda v: f"^{v.fake.word()}[0-9]+$",
}


def _by_name(grouped: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for names, value in grouped.items() for name in names.split()}


_BY_FIELD = _by_name(_FIELDS)
_RANGE_BY_FIELD = _by_name(_RANGES)
_BY_FORMAT = _by_name(_FORMATS)


class PlausibleValues:
    """The random values of one simulator, reproducible for each seed."""

    def __init__(self) -> None:
        self.rng: Random = Random(0)  # noqa: S311 - invented data, no secrets

    @cached_property
    def fake(self) -> Any:
        """The Faker's factory; its proxy would take a third of the time of each call."""
        return Faker("en_US", use_weighting=False)._factories[0]  # noqa: SLF001 - no public way to the factory

    def seed(self, seed: int) -> None:
        """Set the seed of the next answer."""
        self.rng = Random(seed)  # noqa: S311 - invented data, no secrets
        self.fake.seed_instance(seed)

    def string(self, field: str, least: int, most: int | None) -> str:
        """Draw a string for a field, `least` to `most` code points long."""
        drawn = next((_BY_FIELD[key] for key in _keys(field) if key in _BY_FIELD), None)
        return self.fit(drawn(self) if drawn else self.sentence(), least, most)

    def formatted(self, form: str) -> str | None:
        """Draw a string for a JSON Schema `format`; `None` if the format is not a standard one."""
        drawn = _BY_FORMAT.get(form)
        return drawn(self) if drawn else None

    def span(self, field: str, low: float | None, high: float | None) -> tuple[float, float]:
        """Return the range for a field's number: the usual range of the field, within the allowed one."""
        usual = next((_RANGE_BY_FIELD[key] for key in _keys(field) if key in _RANGE_BY_FIELD), _USUAL)
        least = usual[0] if low is None else low
        most = usual[1] if high is None else high
        if low is not None and high is not None:
            inside = max(low, usual[0]), min(high, usual[1])
            return inside if inside[0] < inside[1] and usual is not _USUAL else (low, high)
        if low is not None and most <= low:
            return low, min(low + _room(low), _LARGEST)
        if high is not None and least >= high:
            return max(high - _room(high), -_LARGEST), high
        return least, most

    def fit(self, text: str, least: int, most: int | None) -> str:
        """Cut or extend `text` to a length from `least` to `most`."""
        while len(text) < least:
            text = f"{text} {self.fake.word()}"
        if most is not None and len(text) > most:
            text = text[:most]
            text = text.rstrip() if len(text.rstrip()) >= least else text.replace(" ", "x")
        return text

    def word(self) -> str:
        """Draw one word."""
        return str(self.fake.word())

    def sentence(self) -> str:
        """Draw one sentence."""
        return str(self.fake.sentence())

    def paragraph(self) -> str:
        """Draw two sentences."""
        return f"{self.sentence()} {self.sentence()}"

    def day(self, days: tuple[int, int]) -> str:
        """Draw a date in ISO format."""
        return date.fromordinal(self.rng.randint(*days)).isoformat()

    def clock(self) -> str:
        """Draw a time of day."""
        return f"{timedelta(seconds=self.rng.randrange(86_400))!s:0>8}"

    def link(self) -> str:
        """Draw the URL of a page that does not exist."""
        return f"https://www.example.com/{self.fake.word()}"


def _room(bound: float) -> float:
    """Return the width of the range for a number with one bound; it grows with the bound, as the gaps of floats do."""
    return abs(bound) if abs(bound) > _LARGE else 100


@lru_cache(maxsize=4096)
def _keys(field: str) -> tuple[str, ...]:
    whole = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+", "_", field).lower().strip("_")
    first, _, last = whole.rpartition("_")
    # `city_name` is a city; `runner_name`, whose first word is unknown, is a name.
    named = (first.rpartition("_")[2],) if first and last == "name" else ()
    return whole, *named, last, last.removesuffix("s"), re.sub("ies$", "y", last)
