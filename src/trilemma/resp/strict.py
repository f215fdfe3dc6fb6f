"""The strict request parser: every rule of Redis' request protocol, one byte stream at a time, in plain Python.

It is the twin that the block parser is compared with, and it parses whatever that one leaves over: inline commands,
large or partial requests, anything odd. Memory grows with the bytes that came, never with a length that was declared,
and a request costs time linear in its bytes however it is cut into chunks. Knows no sockets and no commands, except the
two names that betray a web browser. Source: networking.c of redis-server 7.0 (processInputBuffer and what it calls).

Differs from redis-server in intended points: a line beyond its bound is refused whether or not its end came with it,
a NUL byte does not hide what follows, and a request has a bound of its own.
"""

import sys

from trilemma.resp.inline import split_arguments
from trilemma.resp.number import parse_int64
from trilemma.resp.violation import ProtocolError, RequestLimits, protocol_error, silent_error

_MULTIBULK = ord("*")
_BULK = ord("$")
_LINE_END_BYTES = 2
_UNKNOWN = -1
# What a browser that was tricked into talking to us sends first (cross-protocol scripting).
_WEB_NAMES = (b"post", b"host:")


class StrictParser:
    """An incremental parser of one connection's requests."""

    __slots__ = (
        "_arguments",
        "_arguments_left",
        "_buffer",
        "_bulk_bytes",
        "_limits",
        "_position",
        "_request_bytes",
        "_searched",
        "authenticated",
        "error",
        "is_behind",
    )

    def __init__(self, limits: RequestLimits, authenticated: bool = True) -> None:
        self.authenticated = authenticated
        self.error: ProtocolError | None = None
        self.is_behind = False
        """Whether what is held, if anything is, was not looked at: `commands` is to be called, or called again."""
        self._limits = limits
        self._buffer = bytearray()
        self._position = 0
        self._searched = 0  # no line end lies between _position and here
        self._arguments: list[bytes] = []
        self._arguments_left = 0
        self._bulk_bytes = _UNKNOWN
        self._request_bytes = 0  # wire bytes of the begun request that are parsed

    @property
    def pending_bytes(self) -> int:
        """Bytes received that no returned request accounts for."""
        return len(self._buffer) - self._position + self._request_bytes

    def feed(self, data: bytes) -> None:
        """Append what the connection received."""
        if self.error is None:
            self._buffer += data
            self.is_behind = True

    def commands(self, most: int = sys.maxsize) -> list[list[bytes]]:
        """Return the complete requests among the next `most`, of which those of no arguments are none; see `is_behind`.

        While `authenticated` is false at most one is returned.
        """
        requests: list[list[bytes]] = []
        self.is_behind = False
        for _ in range(most):
            request = self._next()
            if request is None:
                return requests
            if request:
                requests.append(request)
                if not self.authenticated:
                    break
        self.is_behind = True
        return requests

    def _next(self) -> list[bytes] | None:
        """Return the next request, [] where it has no arguments; None when more bytes are needed or `error` is set."""
        if self.error is not None:
            return None
        try:
            request = self._request()
        except ProtocolError as error:
            self.error = error
            request = None
        if request is None:
            self._forget_parsed()
        return request

    def release(self) -> bytes:
        """Give back the bytes after the last request, which must not have begun to be parsed."""
        rest = bytes(memoryview(self._buffer)[self._position :])
        self._position = self._searched = len(self._buffer)
        self._forget_parsed()
        self.is_behind = False
        return rest

    def _forget_parsed(self) -> None:
        if self.error is not None:
            self._buffer.clear()
            self._arguments = []
            self._position = self._searched = self._request_bytes = 0
        elif self._position:
            del self._buffer[: self._position]
            self._searched = max(0, self._searched - self._position)
            self._position = 0

    def _request(self) -> list[bytes] | None:
        if self._arguments_left == 0:
            if self._position == len(self._buffer):
                return None
            if self._buffer[self._position] != _MULTIBULK:
                return self._inline()
            if not self._begin_multibulk():
                return None
            if self._arguments_left == 0:
                return []
        return self._multibulk()

    def _inline(self) -> list[bytes] | None:
        """Return the words of the next line, [] for a blank one, None when it is incomplete."""
        end = self._line_end(b"\n", b"too big inline request")
        if end is None:
            return None
        line = bytes(memoryview(self._buffer)[self._position : end]).removesuffix(b"\r")
        self._position = end + 1
        words = split_arguments(line)
        if words is None:
            raise protocol_error(b"unbalanced quotes in request")
        if words and words[0].lower() in _WEB_NAMES:
            raise silent_error("possible cross-protocol scripting: a web request instead of Redis commands")
        return words

    def _begin_multibulk(self) -> bool:
        """Read `*<count>`, of which none and less than none are no request at all; False when it is incomplete."""
        header = self._header(b"too big mbulk count string")
        if header is None:
            return False
        count = parse_int64(header[1:])
        if count is None or count > self._limits.arguments_max:
            raise protocol_error(b"invalid multibulk length")
        if not self.authenticated and count > self._limits.unauthenticated_arguments_max:
            raise protocol_error(b"unauthenticated multibulk length")
        if count > 0:
            self._arguments_left = count
            self._request_bytes = len(header) + _LINE_END_BYTES
        return True

    def _multibulk(self) -> list[bytes] | None:
        """Read the arguments that are there; None when some are missing."""
        arguments = self._arguments
        while self._arguments_left:
            if self._bulk_bytes == _UNKNOWN and not self._begin_bulk():
                return None
            start = self._position
            end = start + self._bulk_bytes
            if end + _LINE_END_BYTES > len(self._buffer):
                return None
            arguments.append(bytes(memoryview(self._buffer)[start:end]))
            # Redis steps over the two bytes after an argument without looking at them.
            self._position = self._searched = end + _LINE_END_BYTES
            self._request_bytes += self._bulk_bytes + _LINE_END_BYTES
            self._bulk_bytes = _UNKNOWN
            self._arguments_left -= 1
        self._arguments = []
        self._request_bytes = 0
        return arguments

    def _begin_bulk(self) -> bool:
        """Read `$<bytes>`; False when it is incomplete."""
        header = self._header(b"too big bulk count string")
        if header is None:
            return False
        if header[:1] != b"$":
            raise protocol_error(b"expected '$', got '%c'" % (header or b"\r")[0])
        length = parse_int64(header[1:])
        limits = self._limits
        if length is None or not 0 <= length <= limits.bulk_bytes_max:
            raise protocol_error(b"invalid bulk length")
        if not self.authenticated and length > limits.unauthenticated_bulk_bytes_max:
            raise protocol_error(b"unauthenticated bulk length")
        self._request_bytes += len(header) + _LINE_END_BYTES
        if self._request_bytes + length + _LINE_END_BYTES > limits.request_bytes_max:
            raise silent_error("a request beyond the query buffer limit")
        self._bulk_bytes = length
        return True

    def _header(self, too_big: bytes) -> bytes | None:
        """Take one length line without its end; None when it is incomplete. Redis does not look at the LF."""
        end = self._line_end(b"\r", too_big)
        if end is None or end + _LINE_END_BYTES > len(self._buffer):
            return None
        header = bytes(memoryview(self._buffer)[self._position : end])
        self._position = self._searched = end + _LINE_END_BYTES
        return header

    def _line_end(self, mark: bytes, too_big: bytes) -> int | None:
        """Find where the line at the position ends; each byte is searched once however many chunks it takes."""
        end = self._buffer.find(mark, max(self._position, self._searched))
        if (len(self._buffer) if end < 0 else end) - self._position > self._limits.line_bytes_max:
            raise protocol_error(too_big)
        if end < 0:
            self._searched = len(self._buffer)
            return None
        self._searched = end
        return end
