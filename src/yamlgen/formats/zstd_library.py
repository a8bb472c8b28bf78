"""zstd: from the standard library since Python 3.14, from a package before that."""

import sys

if sys.version_info >= (3, 14):
    from compression.zstd import ZstdCompressor, ZstdError, ZstdFile
else:
    from backports.zstd import ZstdCompressor, ZstdError, ZstdFile

__all__ = ["ZstdCompressor", "ZstdError", "ZstdFile"]
