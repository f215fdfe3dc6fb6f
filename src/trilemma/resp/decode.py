"""The reply decoder: RESP2 and RESP3 replies out of bytes, for clients, forwarding and tests.

Owns the reading of replies only; the values are those of reply.py, so that decoding what was encoded gives the value
back. What the other side sends is hostile: every length is checked against a bound before a byte is kept for it, and
nothing is allocated for a declared count. Source: the RESP specification (without streamed types and attributes).
"""

from dataclasses import dataclass, field

from trilemma.base.limits import ARGUMENTS_MAX, KIB, MIB, VALUE_BYTES_MAX, limit
from trilemma.resp.number import parse_double, parse_int64
from trilemma.resp.reply import NIL_ARRAY, BigNumber, ErrorReply, MapReply, Push, Reply, SetReply, Simple, Verbatim

REPLY_DEPTH_MAX = limit(
    "reply_depth_max", 32, "levels", "no command nests deeper than COMMAND DOCS", "the connection is closed"
)
REPLY_LINE_BYTES_MAX = limit(
    "reply_line_bytes_max", 64 * KIB, "bytes", "statuses, errors and numbers are short", "the connection is closed"
)
REPLY_BYTES_MAX = limit(
    "reply_bytes_max",
    256 * MIB,
    "bytes",
    "a reply is held whole until its last byte has come",
    "the connection is closed",
)
BIG_NUMBER_DIGITS_MAX = 4000  # below the digits that int() refuses, and beyond any use

_LINE_END = b"\r\n"
_VERBATIM_KIND_BYTES = 3
_NESTED_MARKS = b"*%~>"
_BULK_MARKS = b"$="


class MalformedReply(Exception):  # noqa: N818 - the field's word for it
    """The bytes are no reply, or one beyond the bounds; the connection is of no more use."""


@dataclass(frozen=True, slots=True)
class ReplyLimits:
    """The bounds of one reply."""

    bulk_bytes_max: int = VALUE_BYTES_MAX
    items_max: int = ARGUMENTS_MAX
    depth_max: int = REPLY_DEPTH_MAX
    reply_bytes_max: int = REPLY_BYTES_MAX
    line_bytes_max: int = REPLY_LINE_BYTES_MAX


@dataclass(slots=True)
class _Nested:
    """An array, map, set or push whose items are still coming; a map's keys and values count singly."""

    mark: int
    left: int
    items: list[Reply] = field(default_factory=list)

    def closed(self) -> Reply:
        if self.mark == ord("%"):
            return MapReply(tuple(zip(self.items[::2], self.items[1::2], strict=True)))
        if self.mark == ord("~"):
            return SetReply(tuple(self.items))
        if self.mark == ord(">"):
            return Push(tuple(self.items))
        return self.items


class ReplyDecoder:
    """An incremental decoder of one connection's replies.

    Keeps: replies come out in order and once; after an error nothing comes out.
    """

    __slots__ = ("_buffer", "_limits", "_open", "_position", "_reply_bytes", "_searched", "error")

    def __init__(self, limits: ReplyLimits | None = None) -> None:
        self.error: MalformedReply | None = None
        self._limits = limits or ReplyLimits()
        self._buffer = bytearray()
        self._position = 0
        self._searched = 0
        self._open: list[_Nested] = []
        self._reply_bytes = 0  # read of the reply whose arrays are open

    @property
    def pending_bytes(self) -> int:
        """Bytes received that no returned reply accounts for."""
        return len(self._buffer) + self._reply_bytes

    def feed(self, data: bytes) -> None:
        """Append what was received; ignored after an error."""
        if self.error is None:
            self._buffer += data

    def replies(self) -> list[Reply]:
        """Return every complete reply, a map as MapReply; then `error` is to be looked at."""
        found: list[Reply] = []
        if self.error is not None:
            return found
        try:
            while True:
                start = self._position
                step = self._step()
                if step is None:
                    break
                found += step
                self._reply_bytes = self._reply_bytes + self._position - start if self._open else 0
                if self._reply_bytes > self._limits.reply_bytes_max:
                    raise MalformedReply("a reply is too large")
        except MalformedReply as error:
            self.error = error
            self._open.clear()
            self._reply_bytes = 0
            self._position = len(self._buffer)
        del self._buffer[: self._position]
        self._searched = max(0, self._searched - self._position)
        self._position = 0
        return found

    def _step(self) -> list[Reply] | None:
        """Read one line, and the bulk it announces; return the reply it completes, if any, None for want of bytes."""
        end = self._buffer.find(_LINE_END, max(self._position, self._searched))
        # Without an end, the last byte may be its CR.
        certain = end if end >= 0 else len(self._buffer) - 1
        if certain - self._position > self._limits.line_bytes_max:
            raise MalformedReply("a line is too long")
        if end < 0:
            self._searched = max(self._position, certain)
            return None
        if end == self._position:
            raise MalformedReply("an empty line")
        mark = self._buffer[self._position]
        text = bytes(memoryview(self._buffer)[self._position + 1 : end])
        after = end + len(_LINE_END)
        if mark in _BULK_MARKS and text != b"-1":
            return self._bulk(mark, text, after)
        self._position = after
        if mark in _NESTED_MARKS and text != b"-1":
            return self._begin(mark, text)
        return self._place(self._line(mark, text))

    def _bulk(self, mark: int, text: bytes, start: int) -> list[Reply] | None:
        end = start + self._count(text, self._limits.bulk_bytes_max)
        if end + len(_LINE_END) > len(self._buffer):
            self._searched = start - len(_LINE_END)
            return None
        if self._buffer[end : end + len(_LINE_END)] != _LINE_END:
            raise MalformedReply("a bulk string does not end where it should")
        content = bytes(memoryview(self._buffer)[start:end])
        self._position = end + len(_LINE_END)
        if mark == ord("$"):
            return self._place(content)
        kind, colon = content[:_VERBATIM_KIND_BYTES], content[_VERBATIM_KIND_BYTES : _VERBATIM_KIND_BYTES + 1]
        if colon != b":":
            raise MalformedReply("a verbatim string without its format")
        return self._place(Verbatim(content[_VERBATIM_KIND_BYTES + 1 :], kind))

    def _begin(self, mark: int, text: bytes) -> list[Reply]:
        count = self._count(text, self._limits.items_max)
        nested = _Nested(mark, 2 * count if mark == ord("%") else count)
        if count == 0:
            return self._place(nested.closed())
        if len(self._open) >= self._limits.depth_max:
            raise MalformedReply("nested too deep")
        self._open.append(nested)
        return []

    def _place(self, value: Reply) -> list[Reply]:
        """Put a value where it belongs: into what is open, or out."""
        while self._open:
            innermost = self._open[-1]
            innermost.items.append(value)
            innermost.left -= 1
            if innermost.left:
                return []
            self._open.pop()
            value = innermost.closed()
        return [value]

    def _count(self, text: bytes, bound: int) -> int:
        count = parse_int64(text)
        if count is None or not 0 <= count <= bound:
            raise MalformedReply(f"a length out of bounds: {text[:32]!r}")
        return count

    def _line(self, mark: int, text: bytes) -> Reply:
        match chr(mark):
            case "+":
                return Simple(text)
            case "-":
                return ErrorReply(text.decode("utf-8", "surrogateescape"))
            case ":" if (number := parse_int64(text)) is not None:
                return number
            case "$":
                return None  # "-1"; any other length has been taken as a bulk string
            case "_" if not text:
                return None
            case "*" if text == b"-1":
                return NIL_ARRAY
            case "#" if text in (b"t", b"f"):
                return text == b"t"
            case "," if (double := parse_double(text)) is not None:
                return double
            case "(" if len(text) <= BIG_NUMBER_DIGITS_MAX and text.removeprefix(b"-").isdigit():
                return BigNumber(int(text))
            case _:
                raise MalformedReply(f"not a reply: {bytes([mark]) + text[:32]!r}")


def decode_reply(data: bytes, limits: ReplyLimits | None = None) -> Reply:
    """Return the one reply that `data` is.

    Raises:
        MalformedReply: `data` is no reply, a part of one, or more than one.
    """
    decoder = ReplyDecoder(limits)
    decoder.feed(data)
    replies = decoder.replies()
    if decoder.error is not None:
        raise decoder.error
    if len(replies) != 1 or decoder.pending_bytes:
        raise MalformedReply(f"{len(replies)} replies and {decoder.pending_bytes} bytes where one reply was expected")
    return replies[0]
