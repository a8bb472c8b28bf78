"""Rows on standard output: in input order, as soon as all before them are done."""

import io
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yamlgen.data.printer import Printer
from yamlgen.errors import Code, EnvironmentProblem


def test_rows_wait_for_those_before_them():
    """A row goes out as soon as all before it are done; a failed one holds nothing up."""
    stream, store = io.BytesIO(), {}
    printer = Printer(stream, store.get)
    for index, line, told in [
        (2, b"two\n", b""),
        (0, b"zero\n", b"zero\n"),
        (3, b"three\n", b"zero\n"),
        (1, b"", b"zero\ntwo\nthree\n"),
        (4, b"four\n", b"zero\ntwo\nthree\nfour\n"),
    ]:
        store[index] = line
        printer.done(index)
        assert stream.getvalue() == told


@given(order=st.permutations(range(12)), kept=st.sets(st.integers(0, 11)))
def test_any_order_of_completion_gives_input_order(order, kept):
    """Whatever finishes first, the rows are in input order; rows that failed leave no gap."""
    stream, store = io.BytesIO(), {}
    printer = Printer(stream, store.get)
    for index in order:
        store[index] = b"%d\n" % index if index in kept else b""
        printer.done(index)
    assert stream.getvalue() == b"".join(b"%d\n" % index for index in sorted(kept))


def test_reader_has_gone():
    """A closed pipe is told with a sentence, once; the rows are elsewhere."""
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "wb", buffering=0) as stream:  # noqa: PTH123 - a descriptor
        printer = Printer(stream, [b"{}\n", b"{}\n", None].__getitem__)
        with pytest.raises(EnvironmentProblem, match="standard output has gone") as caught:
            printer.done(0)
        printer.done(0)
    assert caught.value.code == Code.STOPPED
    assert "yamlgen runs export" in caught.value.hint


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_disk_full():
    """Standard output into a full disk is a problem of the disk, told once."""
    with Path("/dev/full").open("wb", buffering=0) as stream:
        printer = Printer(stream, [b"{}\n", None].__getitem__)
        with pytest.raises(EnvironmentProblem, match="cannot write standard output: No space left on device") as caught:
            printer.done(0)
        printer.done(0)
    assert caught.value.code == Code.DISK
    assert "yamlgen runs export" in caught.value.hint
