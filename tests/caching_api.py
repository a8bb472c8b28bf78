"""A Messages API that caches prompts as the real one does, told in usage. It shares nothing with the simulator."""

import asyncio
import json
import time

from scripted_api import Reply, message

PER_TOKEN = 2.5
SECONDS = {"5m": 300, "1h": 3600}


def tokens(text):
    """About how many tokens a text has."""
    return round(len(text) / PER_TOKEN)


def blocks(body):
    """The blocks of a request in the order in which they are read: text, and the lifetime of a breakpoint after it."""
    found = [(json.dumps({**tool, "cache_control": None}), tool.get("cache_control")) for tool in body.get("tools", [])]
    for content in (body.get("system", ""), *(turn["content"] for turn in body["messages"])):
        listed = [{"type": "text", "text": content}] if isinstance(content, str) else content
        found += [(block["text"], block.get("cache_control")) for block in listed]
    if body.get("cache_control"):
        found[-1] = found[-1][0], body["cache_control"]
    return [(text, control and control.get("ttl", "5m")) for text, control in found]


class CachingAPI:
    """Replies with usage. A part is written at its breakpoint, and is read by requests that come after the answer.

    Attributes:
        minimum: the fewest tokens that are cached.
        usages: the usage of each answer.
        wait: seconds that an answer takes.
    """

    def __init__(self, minimum=512, wait=0.02):
        self.minimum, self.wait = minimum, wait
        self.kept = {}
        self.usages = []

    def __call__(self, body):
        """The reply to a request."""
        return Reply(message("A line.", usage=self.use(body)), wait=self.wait)

    def use(self, body, *, after=None):
        """Note a request, and return its usage; it has written when its answer comes."""
        now, parts = time.monotonic(), blocks(body)
        whole = [" ".join(text for text, _ in parts[: end + 1]) for end in range(len(parts))]
        marked = [end for end, (_, lifetime) in enumerate(parts) if lifetime]
        reads = [at for end in marked for at in range(max(0, end - 19), end + 1) if self._is_kept(whole[at], now)]
        read = max(reads, default=-1)
        written = {"5m": 0, "1h": 0}
        before = tokens(whole[read]) if read >= 0 else 0
        total, sizes = tokens(whole[-1]), before
        for end in marked:
            size, lifetime = tokens(whole[end]), parts[end][1]
            if size < self.minimum:
                continue
            written[lifetime] += max(0, size - sizes)
            sizes = max(sizes, size)
            keep = (whole[end], now + SECONDS[lifetime])
            if after is None:
                asyncio.get_running_loop().call_later(self.wait * 0.9, self.kept.__setitem__, *keep)
            else:
                after.append(keep)
        usage = {
            "input_tokens": total - sizes,
            "output_tokens": 5,
            "cache_read_input_tokens": before,
            "cache_creation_input_tokens": sum(written.values()),
            "cache_creation": {f"ephemeral_{lifetime}_input_tokens": count for lifetime, count in written.items()},
        }
        self.usages.append(usage)
        return usage

    def _is_kept(self, text, now):
        return self.kept.get(text, 0) > now

    @property
    def writes(self):
        """How many requests have written."""
        return sum(1 for usage in self.usages if usage["cache_creation_input_tokens"])

    @property
    def reads(self):
        """How many requests have read, and written nothing."""
        return sum(
            1 for usage in self.usages if usage["cache_read_input_tokens"] and not usage["cache_creation_input_tokens"]
        )
