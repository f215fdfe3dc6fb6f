"""Every bound of the product, once: name, default, unit, reason, and the error that answers when it is reached.

docs/limits.md is generated from LIMITS.
"""

from dataclasses import dataclass

KIB = 1 << 10
MIB = 1 << 20
GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Limit:
    """One bound. `answer` says what a client or operator sees when it is reached."""

    name: str
    default: int
    unit: str
    reason: str
    answer: str


LIMITS: dict[str, Limit] = {}


def limit(name: str, default: int, unit: str, reason: str, answer: str) -> int:
    """Name a bound at import time and return its default.

    Raises:
        ValueError: the name is taken by a different bound.
    """
    entry = Limit(name, default, unit, reason, answer)
    if LIMITS.setdefault(name, entry) != entry:
        raise ValueError(f"limit {name!r} is named twice")
    return default


KEY_BYTES_MAX = limit(
    "key_bytes_max", 64 * KIB, "bytes", "a key is copied into rows and the log", "ERR key is longer than 65536 bytes"
)
VALUE_BYTES_MAX = limit(
    "proto_max_bulk_len",
    16 * MIB,
    "bytes",
    "one value is held whole in memory on every replica",
    "ERR Protocol error: invalid bulk length",
)
ARGUMENTS_MAX = limit(
    "arguments_max",
    1 << 20,
    "arguments",
    "what is held before the last argument has come; Redis 7.0 takes 2^31 - 1",
    "ERR Protocol error: invalid multibulk length",
)
OUTPUT_BUFFER_BYTES_MAX = limit(
    "client_output_buffer_bytes_max",
    64 * MIB,
    "bytes",
    "a slow reader must not grow the node",
    "the connection is closed",
)
CLIENTS_MAX = limit(
    "maxclients",
    10_000,
    "connections",
    "descriptors and memory; one more, from the node's own machine, is let in for administrators' commands",
    "ERR max number of clients reached",
)
MULTI_QUEUE_BYTES_MAX = limit(
    "multi_queue_bytes_max", 64 * MIB, "bytes", "queued commands are held in memory", "EXECABORT at EXEC"
)
LOG_RETAINED_BYTES_MAX = limit(
    "log_retained_bytes",
    64 * MIB,
    "bytes, of one shard and of all together",
    "kept for a replica that is away",
    "it returns by snapshot",
)
CLOCK_OFFSET_MS_MAX = limit(
    "clock_offset_ms_max", 500, "ms", "a wall clock further from most peers is not trusted", "INFO says so"
)
ONCE_TOKEN_BYTES_MAX = limit(
    "once_token_bytes_max",
    128,
    "bytes",
    "a token is kept in rows; any UUID fits",
    "ERR CAP ONCE: a token has 1 to 128 bytes",
)
ONCE_KEPT_MS_MAX = limit(
    "once_kept_ms_max",
    24 * 3_600_000,
    "ms of log time",
    "nobody retries a request of yesterday",
    "the token is forgotten, and its command would be executed again",
)
ONCE_KEPT_MS_MIN = limit(
    "once_kept_ms_min",
    10 * 60_000,
    "ms of log time",
    "longer than fail-over, the restart of a client and its patience; what is younger is never forgotten",
    "where the other bounds leave no room, new tokens are refused: TRYAGAIN",
)
ONCE_TOKENS_MAX = limit(
    "once_tokens_max",
    1_000_000,
    "tokens per shard",
    "room for 1,600 new tokens a second, each kept ten minutes",
    "the oldest are forgotten, none younger than once_kept_ms_min",
)
ONCE_BYTES_MAX = limit(
    "once_bytes_max",
    256 * MIB,
    "bytes per shard",
    "tokens and first replies are kept on every replica, and travel with every snapshot",
    "the oldest are forgotten, none younger than once_kept_ms_min",
)
ONCE_REPLY_BYTES_MAX = limit(
    "once_reply_bytes_max",
    64 * KIB,
    "bytes",
    "every first reply is kept for hours on every replica",
    "the reply is given once; a retry is told that the command was executed and its reply not kept",
)
