"""Text that is sent as it is, written as a template: `{file: ..., template: false}`."""

from __future__ import annotations

import json
import re
from typing import Final

_CHANGED: Final = re.compile(r"[{}\r]|\n\Z")
"""What a template reads as syntax, or changes: braces, carriage returns, and a line break at the end."""


def template_of(text: str) -> str:
    """Return a template that renders exactly to a text: the text itself, or an expression that prints it as a string.

    The strings of Jinja have the escapes of JSON.
    """
    return f"{{{{ {json.dumps(text, ensure_ascii=False)} }}}}" if _CHANGED.search(text) else text
