"""What lies between a file and its format: compression, and the encoding of text.

Formats read and write plain UTF-8; files may be compressed with gzip or zstd, or be text in another encoding.
"""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import PurePath
from typing import TYPE_CHECKING, BinaryIO, Final, cast

from yamlgen.formats.format import refused
from yamlgen.formats.utf8 import other_type
from yamlgen.suggestions import suggestion

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

UTF8: Final = "utf-8"

COMPRESSIONS: Final = (".gz", ".zst")
"""The extensions of compressed files, after that of the format."""

_BLOCK: Final = 1 << 16

_MAGIC: Final = {".gz": ("gzip", b"\x1f\x8b"), ".zst": ("zstd", b"\x28\xb5\x2f\xfd")}
"""The name of each compression, and the first bytes of its files; zstd may begin with a frame that is skipped, too."""

_USUAL: Final = (
    "utf-8",
    "utf-16",
    "utf-16-le",
    "utf-16-be",
    "utf-32",
    "latin-1",
    "cp1252",
    "cp1250",
    "cp1251",
    "cp437",
    "iso-8859-2",
    "iso-8859-15",
    "mac-roman",
    "koi8-r",
    "shift_jis",
    "gb18030",
    "gbk",
    "big5",
    "euc-jp",
    "euc-kr",
)
"""The encodings of most files, the most frequent ones first."""
_SHOWN: Final = 7

_NOT_OF_FILES: Final = ("idna", "punycode", "undefined", "unicode-escape", "raw-unicode-escape", "mbcs", "oem")
"""What Python calls encodings of text, but no file has."""


def encoding_fault(name: str) -> tuple[str, str | None] | None:
    """Return the fact and the fix if a name is not that of an encoding of text files, otherwise `None`."""
    try:
        known = codecs.lookup(name)
    except (LookupError, ValueError):  # from a NUL in the name
        return f"unknown encoding `{name}`", suggestion(name, _USUAL, "encodings", _SHOWN)
    if not known._is_text_encoding or known.name.replace("_", "-") in _NOT_OF_FILES:  # noqa: SLF001 - as `open` does
        return f"`{name}` is not an encoding of text files", suggestion(name, _USUAL, "encodings", _SHOWN)
    return None


def compression_of(path: PurePath | None) -> str | None:
    """Return the extension of the compression of a path; `None` if it has none."""
    ending = "" if path is None else path.suffix.lower()
    return ending if ending in COMPRESSIONS else None


def unpacked(file: BinaryIO, path: PurePath | None, shown: str, encoding: str = UTF8) -> BinaryIO:
    """Return the content of an open file as plain UTF-8.

    Args:
        file: the file, at its beginning.
        path: its path, whose extension tells the compression.
        shown: its name in messages.
        encoding: the encoding of its text.

    Raises:
        UsageError: while it is read: the file is not compressed as its extension says, is cut short, or its text is not
            in this encoding.
    """
    compression = compression_of(path)
    if compression is not None:
        file = io.BufferedReader(_Decompressed(file, compression, shown), _BLOCK)
    fault = encoding_fault(encoding)
    if fault is not None:
        raise refused(shown, *fault)
    if codecs.lookup(encoding).name != UTF8:
        file = io.BufferedReader(_Transcoded(file, encoding, shown), _BLOCK)
    return file


def packed(chunks: Iterable[bytes], path: PurePath) -> Iterable[bytes]:
    """Return the content of a file, compressed as its extension says; the same bytes for the same content."""
    compression = compression_of(path)
    if compression is None:
        return chunks
    if compression == ".gz":
        gzipped = zlib.compressobj(wbits=31)
        return _compressed(chunks, gzipped.compress, gzipped.flush)
    from yamlgen.formats.zstd_library import ZstdCompressor  # noqa: PLC0415 - few files are compressed

    made = ZstdCompressor()
    return _compressed(chunks, made.compress, made.flush)


def _compressed(
    chunks: Iterable[bytes], compress: Callable[[bytes], bytes], flush: Callable[[], bytes]
) -> Iterator[bytes]:
    for chunk in chunks:
        if made := compress(chunk):
            yield made
    yield flush()


class _Content(io.RawIOBase):
    """A stream of what another stream contains."""

    _left = memoryview(b"")
    _over = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        while not self._left and not self._over:
            block = self._next()
            self._over = not block
            self._left = memoryview(block)
        room = memoryview(buffer)
        count = min(len(room), len(self._left))
        room[:count] = self._left[:count]
        self._left = self._left[count:]
        return count

    def _next(self) -> bytes:
        """Return more of the content; empty at the end."""
        raise NotImplementedError


class _Decompressed(_Content):
    def __init__(self, file: BinaryIO, compression: str, shown: str) -> None:
        super().__init__()
        self._compression, self._shown, self._source = compression, shown, file
        self._file: BinaryIO
        self._damages: tuple[type[Exception], ...] = (gzip.BadGzipFile, zlib.error)
        if compression == ".gz":
            self._file = cast("BinaryIO", gzip.GzipFile(fileobj=file))
        else:
            from yamlgen.formats.zstd_library import ZstdError, ZstdFile  # noqa: PLC0415 - few files are compressed

            self._file, self._damages = cast("BinaryIO", ZstdFile(file)), (ZstdError,)
        self._begun = False

    def _next(self) -> bytes:
        kind, magic = _MAGIC[self._compression]
        if not self._begun:
            self._begun = True
            first = self._source.peek(len(magic)) if isinstance(self._source, io.BufferedReader) else magic
            is_skipped = kind == "zstd" and first[1:4] == b"\x2a\x4d\x18"
            if first and not first.startswith(magic) and not is_skipped:
                fact = f"the file is not compressed with {kind}, but its extension is `{self._compression}`"
                raise refused(self._shown, fact, "rename it")
        try:
            return self._file.read(_BLOCK)
        except EOFError as error:
            hint = "it was cut short: copy or download it again"
            raise refused(self._shown, f"the {kind} file ends too early", hint) from error
        except self._damages as error:
            fact = f"the {kind} file is damaged, or has other content after its end"
            raise refused(self._shown, fact, "copy or download it again") from error


class _Transcoded(_Content):
    def __init__(self, file: BinaryIO, encoding: str, shown: str) -> None:
        super().__init__()
        self._file, self._encoding, self._shown = file, encoding, shown
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._line = 1
        self._begun = self._ended = False

    def _next(self) -> bytes:
        while not self._ended:
            raw = self._file.read(_BLOCK)
            self._ended = not raw
            if not self._begun:
                self._begun = True
                other = _other_encoding(raw, self._encoding)
                if other is not None:
                    raise refused(self._shown, f"this file is {other[0]}, not {self._encoding}", other[1])
            state = self._decoder.getstate()
            try:
                text = self._decoder.decode(raw, final=self._ended)
                made = text.encode()
            except UnicodeError as error:
                what, line = f"not {self._encoding}", self._line
                if isinstance(error, UnicodeDecodeError):
                    self._decoder.setstate(state)
                    valid = max(0, error.start - len(error.object) + len(raw))
                    with suppress(UnicodeError):  # the decoder may refuse an earlier byte without saying which
                        line += self._decoder.decode(raw[:valid]).count("\n")
                    what += f": byte 0x{error.object[error.start]:02x}"
                hint = "set `encoding` to the encoding of the file, or save it as UTF-8 and remove `encoding`"
                raise refused(f"{self._shown}:{line}", what, hint) from error
            self._line += text.count("\n")
            if made:
                return made
        return b""


def _other_encoding(raw: bytes, encoding: str) -> tuple[str, str] | None:
    """Return what a file certainly is that begins with these bytes, and the fix; `None` if it may have the encoding."""
    name = codecs.lookup(encoding).name
    family = name[:6].rstrip("-_")
    other = other_type(raw)
    if other is not None:
        what, fix, found = other
        if found[:6] != family or (name == family and found != family):
            return what, f"write `encoding: {found}`" if found else fix
        return None
    is_single = family != "utf-8" and len(bytes(range(128, 256)).decode(encoding, "replace")) == 128  # noqa: PLR2004 - the upper half
    is_wide = family in ("utf-16", "utf-32")
    if b"\0" in raw or not (is_wide or (is_single and not raw.isascii())):
        return None
    try:
        codecs.getincrementaldecoder(UTF8)().decode(raw, final=len(raw) < _BLOCK)  # a full block may end in a character
    except UnicodeDecodeError:
        return None
    return ("UTF-8", "remove `encoding`") if raw else None
