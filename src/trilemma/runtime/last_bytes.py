"""How long a node that stops waits for its sockets to take what was written: last replies, last answers to peers."""

from trilemma.base.limits import limit

LAST_BYTES_S = limit(
    "last_bytes_s",
    1,
    "s",
    "who does not read must not keep a node from stopping",
    "the rest of what was written to it is dropped",
)
