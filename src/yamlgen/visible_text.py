"""Text that is shown as it is: control characters and invisible characters become JSON escapes."""

from __future__ import annotations

import json
import re
from typing import Final

_OBEYED: Final = r"\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff"
_UNSEEN: Final = (
    r"\xad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    r"\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_JOINERS: Final = r"(?<![^\x00-\x7f])[\u200c\u200d]|[\u200c\u200d](?![^\x00-\x7f])"
"""Zero-width joiners: emoji, Persian and Indic scripts need them; between ASCII characters they are only invisible."""

_UNFIT: Final = re.compile(f"[{_OBEYED}{_UNSEEN}]|{_JOINERS}")


def visible(text: str) -> str:
    """Return a string with control characters and invisible characters as JSON escapes.

    Line feeds and tabs are kept. A string that was escaped before does not change.
    """
    if text.isascii() and text.isprintable():  # most texts, and much faster
        return text
    return _UNFIT.sub(lambda found: json.dumps(found[0])[1:-1], text)
