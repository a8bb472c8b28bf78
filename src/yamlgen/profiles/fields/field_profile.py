"""How the values of a field are spread, as values. `field_observer` counts them.

Everywhere here, rows are positions in the input, counted from 1, and a list of rows holds the first three.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from yamlgen.value_objects import JSON


@dataclass(frozen=True, slots=True)
class ValueCount:
    """How often a value came.

    Attributes:
        value: the value; a text is cut after 600 characters.
        count: how often it came; 0 if the schema lists it and it never came.
        rows: the first rows in which it came.
        cut: how many characters the value lacks.
    """

    value: JSON
    count: int
    rows: tuple[int, ...] = ()
    cut: int = 0


@dataclass(frozen=True, slots=True)
class Bin:
    """A bar of a histogram: from `least`, included, to `most`, excluded but in the last bar."""

    least: float
    most: float
    count: int


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Order statistics of numbers by nearest rank: p5 is the smallest of them that 5% of them do not exceed."""

    least: float
    p5: float
    p50: float
    p95: float
    most: float


@dataclass(frozen=True, slots=True)
class Bound:
    """A bound of the schema, and how many values are exactly at it.

    Attributes:
        keyword: `minimum`, `maximum`, `minLength`, `maxLength`, `minItems` or `maxItems`; for an integer also
            `exclusiveMinimum` and `exclusiveMaximum`.
        limit: the least or the greatest value, length, or number of items.
        count: how many values are at it.
        rows: the first rows in which they are.
    """

    keyword: str
    limit: float
    count: int
    rows: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Repeats:
    """Texts that are equal to an earlier one after case, white space and punctuation are dropped.

    Attributes:
        compared: how many texts were compared: all but empty ones, or the first 250,000.
        count: how many of them are equal to an earlier one.
        distinct: how many different texts come more than once.
        most: how often the most frequent of them comes; 0 if none comes more than once.
        rows: the first rows in which it comes.
    """

    compared: int
    count: int
    distinct: int
    most: int = 0
    rows: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Field:
    """A field of the rows, such as `triage.category`, or of the items of a list, such as `tags[]`.

    Attributes:
        name: its path. The items of a list have `[]`, so that `tags[].name` is the name of a tag.
        kind: `choice` (an enum or a constant; without a schema, few short texts that come again and again),
            `boolean`, `number`, `text`, `list`, `object` (only if it is also null, absent or empty, or has no known
            members), `null` if it has no other value, or `mixed`.
        schema: its JSON Schema with references resolved, without null, and without the schemas of its parts; empty if
            there is none.
        count: how many values it has, nulls included.
        nulls: how many of them are null.
        absent: how many rows, or objects that could have it, lack it.
        null_rows: the first rows in which it is null.
        kinds: for `mixed`, how many values are `text`, `number`, `boolean`, `list`, `object`; else empty.
        values: the most frequent values, at most 12: of a choice also those that never came, which are last; of a
            text those that came more than once; of a number only if it has at most 12 different values.
        distinct: how many different values there are, without null; `None` if they were not counted to the end, or if
            there are more than 12 numbers, of which one is an integer beyond 2**53, which floats round.
        other: how many values that are not null `values` leaves out.
        unseen: how many values of a choice never came.
        mode: of numbers with more than 12 different values, the one that comes most often; else, and if floats
            round one of them or it is too large for sums, `None`.
        quantiles: of the numbers, of the lengths of texts in characters, or of the lengths of lists.
        mean: the mean of the same.
        bins: the histogram of the same; at most 20 bars.
        measured: how many numbers `quantiles`, `mean` and `bins` are made of: all, or a random choice of 250,000.
        bounds: the bounds of the schema.
        repeats: the texts that come again; `None` if it has no free texts.
        empty: how many texts have no character but white space.
        unended: how many texts, without empty ones, do not end as a sentence does.
        broken: how many of these end in a line of 40 characters or more, as if they were cut.
        broken_rows: the first rows with such a text.
    """

    name: str
    kind: str
    schema: Mapping[str, JSON] = field(default_factory=dict)
    count: int = 0
    nulls: int = 0
    absent: int = 0
    null_rows: tuple[int, ...] = ()
    kinds: Mapping[str, int] = field(default_factory=dict)
    values: tuple[ValueCount, ...] = ()
    distinct: int | None = None
    other: int = 0
    unseen: int = 0
    mode: ValueCount | None = None
    quantiles: Quantiles | None = None
    mean: float | None = None
    bins: tuple[Bin, ...] = ()
    measured: int = 0
    bounds: tuple[Bound, ...] = ()
    repeats: Repeats | None = None
    empty: int = 0
    unended: int = 0
    broken: int = 0
    broken_rows: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Basis:
    """What the fields were counted in.

    Attributes:
        source: `output` for the rows of an output, `steps` for the values of the steps of finished rows.
        output: the name of the output; empty if it has none, or if `source` is `steps`.
        rows: how many rows were counted.
        outputs: the names of all outputs of the run.
        left_out: how many fields were left out, because there are more than 100; the count ends at 10,000.
        copied: the columns of the rows that were not counted, because they are copied from the input.
    """

    source: str
    output: str
    rows: int
    outputs: tuple[str, ...]
    left_out: int = 0
    copied: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Agreement:
    """How often the samples of a step agree in a field, over the cases with two samples or more that are not null.

    Attributes:
        step: the step.
        field: the path of the field in a sample, such as `category`; empty if a sample has no fields.
        samples: how many samples the step takes.
        cases: how many cases were counted: rows, or items and combinations of rows.
        unanimous: in how many of them all samples are equal.
        majority: the mean share of the most frequent answer, from 0 to 1.
        pairs: the share of pairs of samples that are equal, from 0 to 1.
        split_rows: the first rows in which not all samples are equal.
    """

    step: str
    field: str
    samples: int
    cases: int
    unanimous: int
    majority: float
    pairs: float
    split_rows: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Group:
    """The numbers of a field in the rows that have one value of another.

    Attributes:
        value: the value.
        count: how many numbers there are.
        mean: their mean.
        quantiles: their order statistics; of more than 4,000, those of a random choice.
    """

    value: JSON
    count: int
    mean: float
    quantiles: Quantiles


@dataclass(frozen=True, slots=True)
class GroupedNumbers:
    """A number by the value of an earlier draw, or of an axis of a matrix.

    Attributes:
        field: the number: its step and its path, such as `verdict.score`.
        by: the draw, such as `situation.asker`, or the axis, such as `summary.tone`.
        groups: the values with their numbers: those of an axis in its order, those of a draw the most frequent first;
            at most 12.
        left_out: how many values there are beyond 12.
        explained: which share of the variance of the numbers lies between the groups, without what lies there by
            chance (the adjusted coefficient of determination), from 0 to 1.
    """

    field: str
    by: str
    groups: tuple[Group, ...]
    left_out: int
    explained: float


def holds_names(kind: str, schema: Mapping[str, JSON]) -> bool:
    """Return whether the values of a field are no texts of rows: numbers, yes or no, or what its schema lists."""
    alternatives = schema.get("anyOf") or [schema]
    return kind in ("boolean", "number") or all("enum" in each or "const" in each for each in alternatives)
