"""The request parser of a connection: bytes as they come, out as requests.

Sends blocks of small plain requests through block.py and everything else through strict.py, whose results it equals on
any bytes in any chunks. Knows no sockets; whoever owns the connection reads `error` after `commands`, sends its reply
and closes.
"""

from trilemma.resp.block import BLOCK_ARGUMENT_BYTES_MAX, BLOCK_ARGUMENTS_MAX, BLOCK_BYTES_MAX, split_block
from trilemma.resp.strict import StrictParser
from trilemma.resp.violation import ProtocolError, RequestLimits

DEFAULT_LIMITS = RequestLimits()

ODD_REQUESTS_MAX = 1_024
"""How many requests that the block parser leaves over are parsed at a time."""


class RequestParser:
    """Turns one connection's bytes into requests.

    Keeps: requests come out in order and once; after an error nothing comes out.
    """

    __slots__ = ("_block", "_block_bytes_max", "_strict")

    def __init__(self, limits: RequestLimits = DEFAULT_LIMITS, authenticated: bool = True) -> None:
        self._strict = StrictParser(limits, authenticated)
        self._block = b""  # received, and not looked at yet
        self._block_bytes_max = _block_bytes_max(limits)

    @property
    def authenticated(self) -> bool:
        """Whether the client has proven itself. Until then `commands` returns one request at a time."""
        return self._strict.authenticated

    @authenticated.setter
    def authenticated(self, proven: bool) -> None:
        self._strict.authenticated = proven

    @property
    def error(self) -> ProtocolError | None:
        """The violation that ended the stream; it counts after the requests returned before it."""
        return self._strict.error

    @property
    def pending_bytes(self) -> int:
        """Bytes held that no returned request accounts for."""
        return self._strict.pending_bytes + len(self._block)

    @property
    def is_behind(self) -> bool:
        """Whether something is held that was not looked at: `commands` is to be called, or called again."""
        # The strict parser may have stopped at its bound just where everything ends.
        return bool(self._block) or (self._strict.is_behind and self._strict.pending_bytes > 0)

    def feed(self, data: bytes) -> None:
        """Take what the connection received; ignored after an error."""
        if self._block or self._strict.pending_bytes:
            self._strict.feed(self._block)
            self._strict.feed(data)
            self._block = b""
        elif self._strict.error is None:
            self._block = data

    def commands(self) -> list[list[bytes]]:
        """Return the next complete requests, each a non-empty list of arguments; once `is_behind` is false those were
        the last, and `error` is to be looked at. There may be none though there are more: empty ones are looked at too.

        While `authenticated` is false at most one is returned, since it may be the AUTH that lifts the bounds on
        what follows: run it and call again.

        Cost: about half a microsecond a small request in a pipeline, linear in the bytes in any case. A call looks at a
        block at most, so that no client's megabytes keep the others waiting.
        """
        strict, size_max = self._strict, self._block_bytes_max
        if not strict.authenticated:
            strict.feed(self._block)
            self._block = b""
            return strict.commands(ODD_REQUESTS_MAX)
        requests: list[list[bytes]] = []
        if strict.pending_bytes:
            requests = strict.commands(1)
            if not strict.is_behind:
                return requests
            self._block = strict.release()
        block, self._block = self._block, b""
        if block and size_max:
            plain, left = split_block(block[:size_max])
            requests = requests + plain if requests else plain
            if len(block) <= size_max:
                block = left
            elif plain:
                self._block = left + block[size_max:]
                return requests
        if block:
            strict.feed(block)
            requests += strict.commands(ODD_REQUESTS_MAX)
        return requests


def _block_bytes_max(limits: RequestLimits) -> int:
    """Return how large a block may be that cannot break a limit; 0 if plain requests could."""
    if limits.arguments_max < BLOCK_ARGUMENTS_MAX or limits.bulk_bytes_max < BLOCK_ARGUMENT_BYTES_MAX:
        return 0
    return min(BLOCK_BYTES_MAX, limits.request_bytes_max)
