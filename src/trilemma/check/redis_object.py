"""The sequential meaning of OBJECT, as Trilemma answers it: how a value is kept follows from its bytes alone.

Not so in Redis, where it depends on how the value came about, on time and on what else refers to it: histories of other
stores are not judged by this module (`redis_history` does not know it). A read leaves no trace, nothing is shared.
Source: redis.io/commands/object-encoding; docs/commands.md.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from trilemma.check.redis_entry import Data, Refusal, integer

Run = Callable[[Data, Sequence[bytes]], Any]

EMBEDDED_BYTES_MAX: Final = 44
"""Longer strings are `raw`."""

NO_LFU: Final = (
    "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching "
    "between policies at runtime LRU and LFU data will take some time to adjust."
)


def _object(data: Data, args: Sequence[bytes]) -> Any:
    what, key = args
    if key not in data:
        return None
    if what == b"FREQ":
        raise Refusal(NO_LFU)
    return _encoding(data[key].value) if what == b"ENCODING" else {b"REFCOUNT": 1, b"IDLETIME": 0}[what]


def _encoding(value: bytes) -> bytes:
    try:
        integer(value)
    except Refusal:
        return b"raw" if len(value) > EMBEDDED_BYTES_MAX else b"embstr"
    return b"int"


COMMANDS: Final[dict[bytes, Run]] = {b"OBJECT": _object}

READS: Final = frozenset(COMMANDS)
"""None of them changes anything."""
