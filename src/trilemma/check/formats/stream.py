"""Binary streams as readers want them: with a first look at what comes, whole lines, and text with an encoding checked.

Owns how much is read at once and how long a line may be. Opens nothing.
"""

import codecs
from collections.abc import Iterator
from typing import Final, Protocol

from trilemma.check.formats.error import FormatError

CHUNK_BYTES: Final = 1 << 20
"""What is read at once: large enough that the cost per read vanishes."""

PIECE_BYTES: Final = 1 << 16
"""What is split into lines at once: small enough that the lines stay in the processor's cache."""

LINE_BYTES_MAX: Final = 1 << 24
"""The longest line: a read of a whole list of some hundred thousand elements. Longer ones are refused unread."""

BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


class Readable(Protocol):
    """What readers need of a file: `read`, as of a file opened in binary mode."""

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes; none at the end."""


class Held:
    """Bytes in memory as a stream."""

    __slots__ = ("_data", "_position")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes; none at the end."""
        begin = self._position
        self._position = min(len(self._data), begin + size)
        return self._data[begin : self._position]


class Source:
    """A stream whose beginning can be looked at before it is read. A byte order mark is skipped."""

    __slots__ = ("_held", "_stream")

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self._held = b""
        self._held = self.peek().removeprefix(BYTE_ORDER_MARK)

    def peek(self) -> bytes:
        """Return what comes next, a chunk at most, without using it up."""
        while len(self._held) < CHUNK_BYTES:
            more = self._stream.read(CHUNK_BYTES - len(self._held))
            if not more:
                break
            self._held += more
        return self._held

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes; none at the end."""
        if self._held:
            given, self._held = self._held[:size], self._held[size:]
            return given
        return self._stream.read(size)


def pieces(source: Readable) -> Iterator[bytes]:
    """Yield the lines of a stream, many at a time, each with its line feed; the last may have none.

    Raises:
        FormatError: a line is longer than LINE_BYTES_MAX.
    """
    count = held_bytes = 0
    held: list[bytes] = []
    while chunk := source.read(PIECE_BYTES):
        end = chunk.rfind(b"\n") + 1
        if end:
            piece = b"".join([*held, chunk[:end]])
            count += piece.count(b"\n")
            yield piece
            held, held_bytes = [], 0
        held.append(chunk[end:])
        held_bytes += len(chunk) - end
        if held_bytes > LINE_BYTES_MAX:
            raise FormatError(count + 1, 1, f"the line is longer than {LINE_BYTES_MAX} bytes")
    if held_bytes:
        yield b"".join(held)


def lines_of(piece: bytes) -> list[bytes]:
    """Return the lines of a piece without their line feeds."""
    return piece.removesuffix(b"\n").split(b"\n")


def decode_line(line: bytes, number: int) -> str:
    """Return a line as text.

    Raises:
        FormatError: it is not UTF-8.
    """
    try:
        return line.decode()
    except UnicodeDecodeError as problem:
        column = len(line[: problem.start].decode()) + 1
        raise FormatError(number, column, "not UTF-8") from problem


class Text:
    """A stream decoded piece by piece."""

    __slots__ = ("_decoder", "_source")

    def __init__(self, source: Readable) -> None:
        self._source = source
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    def read(self, size_bytes: int) -> str:
        """Return the text of about `size_bytes` bytes more; empty at the end.

        Raises:
            UnicodeDecodeError: they are not UTF-8; `object` holds the bytes since the last whole character.
        """
        while True:
            chunk = self._source.read(size_bytes)
            text = self._decoder.decode(chunk, final=not chunk)
            if text or not chunk:
                return text
