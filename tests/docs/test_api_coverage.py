"""The page about the API has every part of the installed SDK: written in YAML, done by yamlgen, or excused.

A part that a newer SDK adds fails a test, whose message says which row of the page is missing.
"""

import inspect
import re
from dataclasses import dataclass
from functools import cache
from types import SimpleNamespace
from typing import Literal, TypedDict

import anthropic
import httpx2
import jsonschema
import pytest
from anthropic._error_classes import ERROR_CLASSES

import sdk_parts
from manual_pages import DOCS
from yamlgen.batches.batch_store import BatchFailure
from yamlgen.claude.batch_results import error_of, is_transient
from yamlgen.claude.error_mapping import ErrorContext, mapped
from yamlgen.claude.retry_policy import FinalOutcome, classify_response
from yamlgen.cli import group
from yamlgen.errors import RunStopped
from yamlgen.pipeline.pipeline_model import PipelineModel

PAGE = DOCS / "api_coverage.md"
SDK = re.search(r"up to version (\d+\.\d+)", PAGE.read_text(encoding="utf-8"))[1]
"""The version of the SDK that the page was written for; an older one has less."""

OTHERWISE = ("automatic", "no")
SCHEMA = PipelineModel.model_json_schema(by_alias=True)
SENDER = ErrorContext("claude-haiku-5-5", "https://api.anthropic.com", "ANTHROPIC_API_KEY", "k")
CODED = (400, 402, 429)
"""The statuses of which each code is on the page; others are where they differ from their status."""


def rows(head):
    """The rows of the tables with a head: the names in the first cell, and the other cells."""
    text = PAGE.read_text(encoding="utf-8")
    for table in re.findall(rf"^\| {head} \|\n\|[-|]+\|\n((?:\|.*\n)+)", text, re.MULTILINE):
        for line in table.splitlines():
            first, *others = (cell.strip() for cell in line.strip("|").split("|"))
            yield re.findall(r"`([^`]+)`", first) or first.split(", "), others


@dataclass(frozen=True)
class Part:
    """A part of the SDK on the page: how it is in a pipeline, and the note."""

    how: str
    note: str

    @property
    def keys(self):
        """The keys of a pipeline that stand for it."""
        return re.findall(r"`(?!yamlgen )([^`]+)`", self.how)

    @property
    def commands(self):
        """The names of the commands that stand for it."""
        return re.findall(r"`yamlgen (\w+)", self.how)

    def takes(self, value):
        """Whether one of its keys takes a value of the SDK."""
        return any(
            jsonschema.Draft202012Validator({**each, "$defs": SCHEMA["$defs"]}).is_valid(value)
            for each in self.schemas()
        )

    def schemas(self):
        """The schemas of its keys, and of the items of those that are lists."""
        return [each for key in self.keys for each in found_at(key)]


def whole(schemas):
    """Schemas, and those that they refer to or choose from, and those of items."""
    waiting, found = list(schemas), []
    while waiting:
        schema = waiting.pop()
        if "$ref" in schema:
            waiting.append(SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]])
            continue
        found.append(schema)
        for word in ("anyOf", "oneOf", "allOf"):
            waiting.extend(schema.get(word, ()))
        waiting.extend(schema[word] for word in ("then", "else", "items") if isinstance(schema.get(word), dict))
    return found


def found_at(key):
    """The schemas of a key of a pipeline, by its dotted path, in which `NAME` is a name of the author's."""
    found = whole([SCHEMA])
    for name in key.split("."):
        inner = []
        for schema in found:
            if name == "NAME":
                inner += [*schema.get("patternProperties", {}).values(), schema.get("additionalProperties")]
            else:
                inner.append(schema.get("properties", {}).get(name))
        found = whole([each for each in inner if isinstance(each, dict)])
    return found


LISTED = [
    (name, Part(*cells))
    for head in ("argument", "block", "tool", "call", "event", "part")
    for names, cells in rows(rf"{head} \| in a pipeline \| note")
    for name in names
]
PARTS = dict(LISTED)


def walked(roots):
    """Every part that must be on the page, with whether it is: the page decides how deep the walk goes."""
    waiting = list(roots.items())
    while waiting:
        name, inner = waiting.pop()
        part = PARTS.get(name)
        yield name, part is not None
        if part is None or inner is None:
            continue
        is_listed = any(other.startswith(f"{name}.") for other in PARTS)
        for each, below in sdk_parts.members(inner).items() if part.keys or is_listed else ():
            path = f"{name}.{each}"
            is_value = below is None and part.keys and part.takes(each)
            is_shared = inspect.isfunction(inner) and each in PARTS
            if path in PARTS or not (is_value or is_shared):
                waiting.append((path, below))


@cache
def walked_sdk():
    """Every part of the installed SDK, with whether it is on the page."""
    return dict(walked(sdk_parts.roots()))


def test_every_part_of_the_sdk_is_on_the_page():
    """Arguments, kinds of blocks and tools, values, calls, stop reasons: a new one needs a row."""
    missing = sorted(name for name, is_there in walked_sdk().items() if not is_there)
    assert not missing, (
        f"anthropic {anthropic.__version__} has what {PAGE.name} has not: {', '.join(missing)}. Add a row for each, "
        "with the key of the pipeline that stands for it, or `automatic` or `no` and the reason"
    )


class _Scoped(TypedDict):
    ttl: Literal["5m", "1h", "1d"]
    scope: str


async def _asked(_self, requests: str, priority: int, betas: list[str]) -> None:
    """A call as it may be in a newer SDK."""


@pytest.mark.parametrize(
    ("name", "newer", "missing"),
    [
        ("novelty", str, ["novelty"]),
        ("cache_control", _Scoped, ["cache_control.scope", "cache_control.ttl.1d"]),
        ("service_tier", Literal["auto", "best"], ["service_tier.best"]),
        ("message.stop_reason", Literal["end_turn", "bored"], ["message.stop_reason.bored"]),
        ("client.messages.batches.create", _asked, ["client.messages.batches.create.priority"]),
        ("tool_choice", Literal["automatic covers what is inside"], []),
    ],
)
def test_a_new_part_is_missing(name, newer, missing):
    """An argument, a field, a value that the key does not take, a stop reason, or an argument of another call."""
    assert sorted(part for part, is_there in walked({name: newer}) if not is_there) == missing


@pytest.mark.skipif(not anthropic.__version__.startswith(f"{SDK}."), reason="the page is of another version")
def test_every_part_of_the_page_is_in_the_sdk():
    """A name that the SDK does not have is a slip, or is gone."""
    assert [name for name in PARTS if name not in walked_sdk()] == []


def test_no_part_is_on_the_page_twice():
    """A part has one row."""
    assert len(LISTED) == len(PARTS)


def test_a_part_is_written_in_yaml_or_excused():
    """A key is one of the language, a command exists, and what is not supported has a reason."""
    assert [(name, key) for name, part in LISTED for key in part.keys if not found_at(key)] == []
    assert [
        name for name, part in LISTED for command in part.commands if group.get_command(None, command) is None
    ] == []
    assert [name for name, part in LISTED if not part.keys + part.commands and part.how not in OTHERWISE] == []
    assert [name for name, part in LISTED if part.how == "no" and not part.note] == []


EFFECTS = [
    (int(status), code, effect)
    for names, (status, effect, _) in rows(r"code \| status \| effect \| note")
    for code in names
    for status in status.split(", ")
]
BARE = {int(status): effect for names, (effect,) in rows(r"status \| effect") for status in names}


def effect_of(status, code):
    """What yamlgen does after an error response, in the words of the page."""
    details = {"error_code": code} if code else {}
    body = {"type": "error", "error": {"type": "api_error", "message": "no", "details": details}}
    http = httpx2.Response(status, json=body, request=httpx2.Request("POST", "https://api.anthropic.com/v1/messages"))
    outcome = classify_response(SimpleNamespace(http_response=http))
    if not isinstance(outcome, FinalOutcome):
        return "waits" if outcome.limited else "is retried"
    error = anthropic.APIStatusError("no", response=http, body=body)
    return "ends the run" if isinstance(mapped(error, SENDER), RunStopped) else "fails the row"


def test_an_error_has_the_effect_that_the_page_says():
    """By what the transport and the mapping of errors do with such a response: with a code, and without one."""
    expected = [*EFFECTS, *((status, None, effect) for status, effect in BARE.items())]
    assert [(status, code, effect_of(status, code)) for status, code, _ in expected] == expected


KINDS = {
    400: "invalid_request",
    402: "billing",
    403: "permission",
    404: "not_found",
    409: "conflict",
    429: "rate_limit",
}
"""What the API calls an error of a status in the results of a batch, where there is no status."""


def test_an_error_in_a_batch_has_the_same_effect():
    """A request of a batch is sent again where it would have been tried again or have waited by itself."""
    for status, code, effect in EFFECTS:
        error = {"type": f"{KINDS[status]}_error", "message": "no", "details": {"error_code": code}}
        failure = BatchFailure("errored", {"type": "error", "error": error})
        assert is_transient(failure) == (effect in ("waits", "is retried")), code
        assert isinstance(error_of(failure, SENDER), RunStopped) == (effect == "ends the run"), code


def unlisted(codes):
    """The error codes that must be on the page, and are not; a code of `None` is a status."""
    listed = {(status, code) for status, code, _ in EFFECTS} | {(status, None) for status in BARE}
    return [
        f"{status} {code}"
        for status, code in codes
        if (status, code) not in listed and (status in CODED or effect_of(status, code) != BARE.get(status))
    ]


def test_every_error_code_of_the_sdk_is_on_the_page():
    """Each of 400, 402 and 429, and each other one that has not the effect of its status; and every status."""
    assert not unlisted(ERROR_CLASSES), (
        f"anthropic {anthropic.__version__} has codes that {PAGE.name} has not: {', '.join(unlisted(ERROR_CLASSES))}. "
        "Add each to a table of errors there, and to claude/server_errors.py where its effect is not that of its status"
    )


def test_a_new_error_code_is_missing():
    """One that ends runs or fails rows must be looked at; one of a status that is not listed, too."""
    assert unlisted([(402, "broke"), (404, "gone"), (418, None)]) == ["402 broke", "418 None"]


@pytest.mark.skipif(not anthropic.__version__.startswith(f"{SDK}."), reason="the page is of another version")
def test_every_code_of_the_page_is_in_the_sdk():
    """None is misspelt."""
    assert [(status, code) for status, code, _ in EFFECTS if (status, code) not in ERROR_CLASSES] == []
