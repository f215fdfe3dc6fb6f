"""Violations of the request protocol: the bounds of a request, and the error that ends a connection.

Knows texts and bounds; strict.py decides when they apply. The texts are those of redis-server 7.0 to the letter
(networking.c: processInlineBuffer, processMultibulkBuffer; server.c: the guard against cross-protocol scripting).
"""

from dataclasses import dataclass

from trilemma.base.errors import register
from trilemma.base.limits import ARGUMENTS_MAX, KIB, MIB, VALUE_BYTES_MAX, limit

register(
    "protocol",
    "ERR Protocol error: {detail}",
    "the connection is closed; the client must frame its requests as RESP or as inline commands",
)

REQUEST_LINE_BYTES_MAX = limit(
    "request_line_bytes_max",
    64 * KIB,
    "bytes",
    "Redis' own bound on an inline command or a length line (PROTO_INLINE_MAX_SIZE)",
    "ERR Protocol error: too big inline request, and the connection is closed",
)
UNAUTHENTICATED_ARGUMENTS_MAX = limit(
    "unauthenticated_arguments_max",
    10,
    "arguments",
    "a stranger must not make the node hold memory (CVE-2021-32675)",
    "ERR Protocol error: unauthenticated multibulk length, and the connection is closed",
)
UNAUTHENTICATED_BULK_BYTES_MAX = limit(
    "unauthenticated_bulk_bytes_max",
    16 * KIB,
    "bytes",
    "a stranger must not make the node hold memory (CVE-2021-32675)",
    "ERR Protocol error: unauthenticated bulk length, and the connection is closed",
)
QUERY_BUFFER_BYTES_MAX = limit(
    "client_query_buffer_limit",
    64 * MIB,
    "bytes",
    "one request is held whole until its last byte has come",
    "the connection is closed",
)


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """The bounds of one request, on the wire."""

    line_bytes_max: int = REQUEST_LINE_BYTES_MAX
    arguments_max: int = ARGUMENTS_MAX
    bulk_bytes_max: int = VALUE_BYTES_MAX
    request_bytes_max: int = QUERY_BUFFER_BYTES_MAX
    unauthenticated_arguments_max: int = UNAUTHENTICATED_ARGUMENTS_MAX
    unauthenticated_bulk_bytes_max: int = UNAUTHENTICATED_BULK_BYTES_MAX


class ProtocolError(Exception):
    """The byte stream is no longer a sequence of requests: send `reply`, then close.

    `reply` is ready for the wire and empty where Redis closes without a word; `reason` is for the trace.
    """

    def __init__(self, reason: str, reply: bytes) -> None:
        super().__init__(reason)
        self.reason = reason
        self.reply = reply


def protocol_error(detail: bytes) -> ProtocolError:
    """Return the error that answers `-ERR Protocol error: <detail>`; CR and LF in it become spaces."""
    safe = detail.replace(b"\r", b" ").replace(b"\n", b" ")
    return ProtocolError(safe.decode("latin-1"), b"-ERR Protocol error: " + safe + b"\r\n")


def silent_error(reason: str) -> ProtocolError:
    """Return the error after which the connection is closed without a reply."""
    return ProtocolError(reason, b"")
