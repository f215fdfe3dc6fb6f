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


KEY_BYTES_MAX = limit("key_bytes_max", 64 * KIB, "bytes", "a key is copied into rows and the log", "ERR key too long")
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
    "Redis' own bound on a multibulk request",
    "ERR Protocol error: invalid multibulk length",
)
OUTPUT_BUFFER_BYTES_MAX = limit(
    "client_output_buffer_bytes_max",
    64 * MIB,
    "bytes",
    "a slow reader must not grow the node",
    "the connection is closed",
)
CLIENTS_MAX = limit("maxclients", 10_000, "connections", "descriptors and memory", "ERR max number of clients reached")
MULTI_QUEUE_BYTES_MAX = limit(
    "multi_queue_bytes_max", 64 * MIB, "bytes", "queued commands are held in memory", "EXECABORT at EXEC"
)
LOG_RETAINED_BYTES_MAX = limit(
    "log_retained_bytes", 64 * MIB, "bytes per shard", "kept for a replica that is away", "it returns by snapshot"
)
CLOCK_OFFSET_MS_MAX = limit(
    "clock_offset_ms_max", 500, "ms", "a wall clock further from most peers is not trusted", "INFO says so"
)
