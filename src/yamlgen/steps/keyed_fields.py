"""Which fields of a request's body are a part of the key of its answer: for the keys, and for the reference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

KEYED: Final[Mapping[str, str]] = {
    "model": "the `id` of the model",
    "max_tokens": "`max_tokens`, or its default",
    "system": "the system prompt",
    "messages": "the messages, also those of a re-ask",
    "stop_sequences": "`stop_sequences`",
    "thinking": "`thinking`",
    "output_config": "`effort`, and the schema of native structured output",
    "tools": "the schema that is requested with a tool",
    "tool_choice": "whether the tool is forced",
    "temperature": "`temperature`",
    "top_p": "`top_p`",
    "top_k": "`top_k`",
    "inference_geo": "`inference_geo`",
}
"""The fields that requests have, with what they come from. Any other field is a part of the key too."""

UNKEYED: Final[Mapping[str, str]] = {
    "stream": "how the answer is transferred",
    "cache_control": "what the API caches, also in a block of `system`, `messages` or `tools`",
    "service_tier": "at which priority the request is processed",
    "speed": "how fast the model writes",
    "metadata": "who the request is for",
    "fallbacks": "which models the API asks after a refusal",
}
"""The fields that are not a part of the key, with what they say."""
