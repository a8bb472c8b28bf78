"""The rules about native output and strict tools: for each schema, and for all schemas of a request together."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

import jsonschema_rs

from yamlgen.schemas.native_output_schema import MOST_OPTIONAL, MOST_UNIONS, count
from yamlgen.simulator.api_errors import SimulatedAPIError
from yamlgen.simulator.body_fields import check_object
from yamlgen.simulator.native_output_rules import check_native

_MOST_STRICT: Final = 20


def format_of(body: Mapping[str, Any]) -> Any:
    """Return the output format of a request, from `output_config` or the beta's `output_format`; or `None`."""
    return (body.get("output_config") or {}).get("format") or body.get("output_format")


def check_format(body: dict[str, Any]) -> None:
    """Refuse an output format that the API does not accept."""
    form = format_of(body)
    if form is None:
        return
    where = "output_config.format" if (body.get("output_config") or {}).get("format") else "output_format"
    if not isinstance(form, dict) or form.get("type") != "json_schema":
        raise SimulatedAPIError(f"{where}.type: Input should be 'json_schema'")
    check_object(form, where, "type schema")
    if "schema" not in form:
        raise SimulatedAPIError(f"{where}.schema: Field required")
    if body["messages"][-1]["role"] == "assistant":
        raise SimulatedAPIError("Prefilling the assistant message is not supported with output_config.format.")
    if _is_cited(body):
        raise SimulatedAPIError("Citations are not supported with output_config.format.")
    text = json.dumps(form["schema"])
    check_schema(text, f"{where}.schema")
    check_grammar(text, f"{where}.schema")


def check_counts(body: dict[str, Any]) -> None:
    """Refuse more strict tools, optional parameters or unions than the API allows."""
    strict = [
        tool["input_schema"]
        for tool in body.get("tools") or ()
        if tool.get("strict") is True and "input_schema" in tool
    ]
    if len(strict) > _MOST_STRICT:
        raise SimulatedAPIError(
            f"Too many strict tools ({len(strict)}). The maximum number of strict tools supported is {_MOST_STRICT}. "
            "Try reducing the number of tools marked as strict."
        )
    form = format_of(body)
    counts = [_count(json.dumps(schema)) for schema in (*strict, *((form["schema"],) if form else ()))]
    optional, unions = sum(each[0] for each in counts), sum(each[1] for each in counts)
    if optional > MOST_OPTIONAL:
        raise SimulatedAPIError(
            f"Schemas contains too many optional parameters ({optional}), which would make grammar compilation "
            "inefficient. Reduce the number of optional parameters in your tool schemas "
            f"(limit: {MOST_OPTIONAL})."
        )
    if unions > MOST_UNIONS:
        raise SimulatedAPIError(
            f"Schemas contains too many parameters with union types ({unions} parameters with type arrays or anyOf). "
            "This causes exponential compilation cost. Reduce the number of nullable or union-typed parameters "
            f"(limit: {MOST_UNIONS} parameters with unions)."
        )


def _is_cited(body: Mapping[str, Any]) -> bool:
    """Check whether a document of the request has citations enabled."""
    for message in body["messages"]:
        content = message.get("content")
        for block in content if isinstance(content, list) else ():
            citations = block.get("citations") if block["type"] in {"document", "search_result"} else None
            if isinstance(citations, dict) and citations.get("enabled"):
                return True
    return False


# Thousands of rows send the same schema, so results are cached.
@lru_cache(maxsize=128)
def check_schema(text: str, where: str) -> None:
    """Refuse a schema that is not valid JSON Schema.

    Args:
        text: the schema as JSON.
        where: its place in the body.

    Raises:
        SimulatedAPIError: 400.
    """
    try:
        jsonschema_rs.Draft202012Validator(json.loads(text), offline=True)
    except jsonschema_rs.ValidationError as error:
        place = "/".join(map(str, error.instance_path))
        raise SimulatedAPIError(
            f"{where}: JSON schema is invalid. It must match JSON Schema draft 2020-12 "
            f"(https://json-schema.org/draft/2020-12): {error.message} at #/{place}"
        ) from None
    except (jsonschema_rs.ReferencingError, ValueError) as error:
        raise SimulatedAPIError(f"{where}: JSON schema is invalid: {error}") from None


@lru_cache(maxsize=128)
def check_grammar(text: str, where: str) -> None:
    """Refuse a schema (as JSON) that native output cannot express."""
    check_native(json.loads(text), where)


@lru_cache(maxsize=128)
def _count(text: str) -> tuple[int, int]:
    return count(json.loads(text))
