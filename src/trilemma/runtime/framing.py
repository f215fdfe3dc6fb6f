"""Frames on a peer connection: 4 bytes of length (big-endian, kind included), 1 byte of kind, the body.

A length beyond the bound of its phase ends the connection before anything is allocated for it.
"""

from enum import IntEnum
from struct import Struct

from trilemma.base.limits import KIB, MIB, limit

HANDSHAKE_BYTES_MAX = limit(
    "peer_handshake_bytes_max", 4 * KIB, "bytes", "nobody has proven anything yet", "the connection is closed"
)
FRAME_BYTES_MAX = limit(
    "peer_frame_bytes_max",
    256 * MIB,
    "bytes",
    "a turn's messages for one peer are held whole in memory",
    "the frame is dropped, and the log says so",
)
_HEADER = Struct(">IB")
_LENGTH_BYTES = 4


class Kind(IntEnum):
    """What a frame holds. Numbers are on the wire: never reuse one."""

    HANDSHAKE = 1
    NODE = 2
    """A frame of the pure node; the lab's faults apply."""
    CONTROL = 3
    """A message between the shells; the lab's faults do not apply."""


class FramingError(Exception):
    """The bytes are no frames of ours."""


def header(kind: Kind, length: int) -> bytes:
    """Return the bytes before a body of `length` bytes."""
    return _HEADER.pack(length + 1, kind)


def frame(kind: Kind, body: bytes) -> bytes:
    """Return a whole frame."""
    return header(kind, len(body)) + body


class FrameReader:
    """Cuts a stream of bytes into frames."""

    __slots__ = ("_buffer", "bytes_max")

    def __init__(self, bytes_max: int) -> None:
        self.bytes_max = bytes_max
        """The bound on a body from the next frame on; raised once the peer has proven itself."""
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        """Take in bytes."""
        self._buffer += data

    def next(self) -> tuple[int, bytes] | None:
        """Return the next whole frame's kind and body, or None.

        Raises:
            FramingError: a length of zero or beyond the bound.
        """
        buffer = self._buffer
        if len(buffer) < _HEADER.size:
            return None
        length, kind = _HEADER.unpack_from(buffer)
        if not 1 <= length <= self.bytes_max + 1:
            raise FramingError(f"a frame of {length} bytes, allowed are {self.bytes_max}")
        end = _LENGTH_BYTES + length
        if len(buffer) < end:
            return None
        body = bytes(memoryview(buffer)[_HEADER.size : end])
        del buffer[:end]
        return kind, body
