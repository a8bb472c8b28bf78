"""The spellings in which a server may return a key, for tests of redaction."""

import base64
import html
import json
from urllib.parse import quote


def spellings(key):
    """Return the spellings of a key by name. Each decodes to the key."""
    raw = key.encode()
    return {
        "plain": key,
        "in capitals": key.upper(),
        "in JSON": json.dumps(key)[1:-1],
        "in JSON, all escaped": "".join(f"\\u{ord(c):04x}" for c in key),
        "in JSON in JSON": json.dumps(json.dumps(key)),
        "as Python shows it": repr(key)[1:-1],
        "as Python shows its bytes": "".join(f"\\x{byte:02x}" for byte in raw),
        "in a URL": quote(key, safe=""),
        "in a URL, all escaped": "".join(f"%{byte:02x}" for byte in raw),
        "in a URL in a URL": quote(quote(key, safe=""), safe=""),
        "in HTML": html.escape(key),
        "in HTML, all escaped": "".join(f"&#{ord(c)};" for c in key),
        "in hex": raw.hex(),
        "in hex with colons": raw.hex(":").upper(),
        "in base64": base64.b64encode(raw).decode(),
        "in base64 behind a name": base64.b64encode(b"user:" + raw).decode(),
        "in base64 for URLs": base64.urlsafe_b64encode(b"me:" + raw).decode().rstrip("="),
        "backwards": key[::-1],
        "over two lines": f"{key[:9]}\n{key[9:]}",
        "with what is not seen": "\u200b".join(key),
    }
