"""Rows on standard output: in input order, as soon as all before them are done."""

import asyncio
import io
import os
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yamlgen.errors import Code, EnvironmentProblem
from yamlgen.output.stdout_writer import Printer, PrinterThread


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
        with pytest.raises(EnvironmentProblem, match="standard output has closed it") as caught:
            printer.done(0)
        printer.done(0)
    assert caught.value.code == Code.STOPPED
    assert "with an `output`" in caught.value.hint


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_disk_full():
    """Standard output into a full disk is a problem of the disk, told once."""
    with Path("/dev/full").open("wb", buffering=0) as stream:
        printer = Printer(stream, [b"{}\n", None].__getitem__)
        with pytest.raises(
            EnvironmentProblem, match="cannot write to standard output: No space left on device"
        ) as caught:
            printer.done(0)
        printer.done(0)
    assert caught.value.code == Code.DISK
    assert "with an `output`" in caught.value.hint


def opened(stream, line):
    """What gives a thread its printer."""

    @contextmanager
    def printer():
        yield Printer(stream, line)

    return printer


def test_a_reader_that_pauses_holds_nobody_up():
    """While the pipe is full, rows are noted at once; when its reader goes on, all of them come, in order."""
    row, rows = b"x" * 999 + b"\n", 1000
    reader, writer = os.pipe()

    async def main():
        with open(writer, "wb", buffering=0) as stream:  # noqa: PTH123, ASYNC230 - a descriptor
            printer = PrinterThread(opened(stream, [*[row] * rows, None].__getitem__))
            started = time.monotonic()
            for index in range(rows):
                printer.done(index)
            took = time.monotonic() - started
            closing = asyncio.ensure_future(printer.close())
            await asyncio.sleep(0.1)
            assert not closing.done()
            read = 0
            while read < len(row) * rows:
                read += len(await asyncio.to_thread(os.read, reader, 100_000))
            await closing
        return took

    try:
        assert asyncio.run(main()) < 1
    finally:
        os.close(reader)


def raising(error):
    """A store that cannot be read."""

    def line(_index):
        raise error

    return line


@pytest.mark.parametrize("error", [EnvironmentProblem("damaged", code=Code.DISK), KeyError("damaged")], ids=repr)
def test_what_goes_wrong_in_the_thread_is_told_once(error):
    """It is told with the next row, or at the end where there is none; afterwards nothing is tried."""

    async def go_on(printer):
        for index in range(1, 500):
            printer.done(index)
            await asyncio.sleep(0.01)

    async def main(*, soon):
        printer = PrinterThread(opened(io.BytesIO(), raising(error)))
        printer.done(0)
        if not soon:
            with pytest.raises(type(error), match="damaged"):
                await printer.close()
            return
        with pytest.raises(type(error), match="damaged"):
            await go_on(printer)
        printer.done(500)
        await printer.close()

    asyncio.run(main(soon=True))
    asyncio.run(main(soon=False))


def test_a_printer_that_is_left_holds_nobody_up():
    """Whoever leaves does not wait for the reader."""
    reader, writer = os.pipe()

    @contextmanager
    def closing():
        with open(writer, "wb", buffering=0) as stream:  # noqa: PTH123 - a descriptor
            yield Printer(stream, [b"x" * 1_000_000, None].__getitem__)

    async def main():
        printer = PrinterThread(closing)
        printer.done(0)
        printer.leave()

    started = time.monotonic()
    asyncio.run(main())
    assert time.monotonic() - started < 1
    while os.read(reader, 100_000):
        pass
    os.close(reader)
