"""The schemas of reports: those that are published, and that of GitLab, which is published as a table.

https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format
"""

import json
import re
import xml.etree.ElementTree as ET
from functools import cache
from pathlib import Path

from jsonschema import Draft4Validator, Draft202012Validator, FormatChecker

PUBLISHED = Path(__file__).parent / "published"
XS = "{http://www.w3.org/2001/XMLSchema}"
SIZE = {"type": "integer", "minimum": 1}
GITLAB = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["description", "check_name", "fingerprint", "location", "severity"],
        "properties": {
            "description": {"type": "string"},
            "check_name": {"type": "string", "minLength": 1},
            "fingerprint": {"type": "string", "minLength": 1},
            "severity": {"enum": ["info", "minor", "major", "critical", "blocker"]},
            "location": {
                "type": "object",
                "required": ["path", "lines"],
                "properties": {
                    "path": {"type": "string", "not": {"pattern": "^\\./"}},
                    "lines": {"type": "object", "required": ["begin"], "properties": {"begin": SIZE, "end": SIZE}},
                },
            },
        },
    },
}


@cache
def _sarif():
    schema = json.loads((PUBLISHED / "sarif-2.1.0.json").read_text("utf-8"))
    return Draft4Validator(schema, format_checker=FormatChecker())


def sarif_errors(log):
    """What is wrong with a SARIF log by its schema."""
    return [f"{each.json_path}: {each.message}" for each in _sarif().iter_errors(log)]


def gitlab_errors(report):
    """What is wrong with a Code Quality report; a fingerprint that is not unique hides an issue."""
    wrong = [f"{each.json_path}: {each.message}" for each in Draft202012Validator(GITLAB).iter_errors(report)]
    return wrong or (["equal fingerprints"] if len({each["fingerprint"] for each in report}) < len(report) else [])


@cache
def _junit():
    """Return the types with a pattern, and of each element: its attributes, the required ones, and its children."""
    root = ET.parse(PUBLISHED / "junit-10.xsd").getroot()  # noqa: S314 - a file of ours
    patterns = {each.get("name"): each.find(f".//{XS}pattern") for each in root.iter(f"{XS}simpleType")}
    types = {name: re.compile(pattern.get("value")) for name, pattern in patterns.items()}
    elements = {}
    for each in root.findall(f"{XS}element"):
        attributes = {found.get("name"): found for found in each.iter(f"{XS}attribute")}
        children = {found.get("ref") for found in each.iter(f"{XS}element")} - {None}
        has_text = each.get("type") == "xs:string" or any(found.get("mixed") for found in each)
        elements[each.get("name")] = (attributes, children, has_text)
    return types, elements


def junit_errors(text):
    """What is wrong with JUnit XML by its schema, whose elements can have their children in any order."""
    types, elements = _junit()
    root = ET.fromstring(text)  # noqa: S314 - our own
    wrong = [] if root.tag == "testsuites" else [f"{root.tag} at the top"]
    for element in root.iter():
        attributes, children, has_text = elements[element.tag]
        wrong += [f"{element.tag} without {name}" for name, each in attributes.items() if _lacks(element, name, each)]
        for name, value in element.attrib.items():
            kind = types.get(attributes[name].get("type")) if name in attributes else re.compile("(?!)")
            wrong += [f"{element.tag}: {name}={value}"] if kind and not kind.fullmatch(value) else []
        wrong += [f"{child.tag} in {element.tag}" for child in element if child.tag not in children]
        wrong += [f"text in {element.tag}"] if not has_text and (element.text or "").strip() else []
    for suite in root.iter("testsuite"):
        counts = [(name, len(list(suite.iter(tag)))) for name, tag in _COUNTED.items()]
        wrong += [f"{name} is not {count}" for name, count in counts if suite.get(name) != str(count)]
    return wrong


_COUNTED = {"tests": "testcase", "failures": "failure", "errors": "error"}
"""What the attributes of a test suite count."""


def _lacks(element, name, attribute):
    return attribute.get("use") == "required" and name not in element.attrib
