"""The bounds on one replica that a test may want small: what comes in pieces must be right in pieces too.

Thesis §10.2.2 (batches of a size); paper §7 (what is kept of the log). What is applied in a turn is not in the paper.
"""

from typing import NamedTuple

from trilemma.base.limits import LOG_RETAINED_BYTES_MAX

APPEND_BYTES_MAX = 256 << 10
"""Payload bytes of one append, unless its first entry alone is more: taking it in must not hold up the receiver."""

APPLY_BYTES_MAX = 64 << 10
"""Payload bytes handed out for applying in one turn: no heartbeat leaves meanwhile, and of the smallest commands these
are two thousand, so that who has fallen behind its leader catches up."""


class Bounds(NamedTuple):
    """Bounds in payload bytes: of an append, of what is applied in a turn, of what is kept for a peer that is away."""

    append_bytes: int = APPEND_BYTES_MAX
    apply_bytes: int = APPLY_BYTES_MAX
    retained_bytes: int = LOG_RETAINED_BYTES_MAX
