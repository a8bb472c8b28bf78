"""The prompt cache of the simulator: what is read and written, as the API counts it."""

import pytest

from yamlgen.simulator.cache_usage import SimulatedCache

LONG = "A long rule of the shop. " * 200
MODEL = "claude-haiku-5-5"


class Clock:
    """A clock that a test sets."""

    now = 0.0

    def __call__(self):
        """Return the time."""
        return self.now


@pytest.fixture
def clock():
    """A clock at 0."""
    return Clock()


@pytest.fixture
def cache(clock):
    """An empty cache."""
    return SimulatedCache(clock)


def block(text, lifetime=None):
    """A text block, with a breakpoint if it has a lifetime."""
    mark = {"cache_control": {"type": "ephemeral", "ttl": lifetime}} if lifetime else {}
    return {"type": "text", "text": text, **mark}


def body(*content, system=LONG, lifetime="5m", **more):
    """A request with a cached system prompt."""
    turns = [{"role": "user", "content": list(content) or "Hello"}]
    return {"model": MODEL, "system": [block(system, lifetime)], "messages": turns, **more}


def asked(cache, request):
    """The use of a request that was answered: the tokens that were read, and those that were written."""
    use = cache.look(request)
    cache.keep(use.kept)
    return use.read, sum(use.written.values())


def test_the_second_request_reads_what_the_first_has_written(cache):
    """Only after the first was answered."""
    first, other = cache.look(body()), cache.look(body(block("Other")))
    assert first.read == other.read == 0
    cache.keep(first.kept)
    read, written = asked(cache, body(block("Other")))
    assert (read, written) == (sum(first.written.values()), 0)
    assert read > 512


@pytest.mark.parametrize(("lifetime", "seconds"), [("5m", 300), ("1h", 3600)])
def test_a_part_is_kept_for_its_lifetime_after_its_last_use(cache, clock, lifetime, seconds):
    """Each use extends it."""
    asked(cache, body(lifetime=lifetime))
    clock.now += seconds - 1
    assert asked(cache, body(lifetime=lifetime))[1] == 0
    clock.now += seconds - 1
    assert asked(cache, body(lifetime=lifetime))[1] == 0
    clock.now += seconds
    assert asked(cache, body(lifetime=lifetime))[0] == 0


def test_a_short_part_is_not_cached(cache):
    """Nothing is read or written, without an error."""
    assert asked(cache, body(system="Be brief.")) == (0, 0)
    assert asked(cache, body(system="Be brief.")) == (0, 0)


def test_the_breakpoint_of_the_request_is_at_its_last_block(cache):
    """A request with another end writes its own end again."""
    plain = {"model": MODEL, "system": LONG, "cache_control": {"type": "ephemeral"}}
    turns = [[{"role": "user", "content": text}] for text in ("One", "Two")]
    assert asked(cache, {**plain, "messages": turns[0]})[1] > 512
    assert asked(cache, {**plain, "messages": turns[1]})[0] == 0
    assert asked(cache, {**plain, "messages": turns[0]})[1] == 0


@pytest.mark.parametrize(("blocks", "is_read"), [(19, True), (20, False)])
def test_a_breakpoint_looks_back_twenty_blocks(cache, blocks, is_read):
    """Its own block is one of them."""
    asked(cache, body())
    others = [block(f"Part {number}") for number in range(blocks - 1)]
    longer = {**body(*others, block("End", "5m")), "system": [block(LONG)]}
    assert bool(cache.look(longer).read) == is_read


def test_a_string_is_the_same_as_its_block(cache):
    """The mark itself is no part of what is cached."""
    asked(cache, body(block("Hello")))
    marked = {**body(), "messages": [{"role": "user", "content": "Hello"}], "cache_control": {"type": "ephemeral"}}
    assert cache.look(marked).read > 512
