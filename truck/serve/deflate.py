"""Parts of a gzip stream that are compressed once and stand in everybody's stream.

Each part is compressed by itself and ends on a byte (RFC 1951, 3.2.4: an empty stored block), so it
refers to nothing before it and may follow any other: one compression a frame, however many listen.
"""

import zlib

BEGIN = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"  # RFC 1952: deflate, no time, no name
_LEVEL = 6
_RAW = -15  # no header of its own


def deflated(data: bytes) -> bytes:
    """A part of a stream that begins with `BEGIN` and has no end."""
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _RAW)
    return packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH)
