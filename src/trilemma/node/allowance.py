"""What one turn of an `ap` shard may execute: its units, their replies, and the operations of its one batch.

Owns the bounds of a batch, which is one record of the log and one frame to every peer. How operations are numbered is
in datatype/operations.py; what a transaction's commands may write at most is the view's to say, as they run.
"""

from trilemma.base.errors import error, register
from trilemma.base.limits import limit
from trilemma.datatype.causal import CausalView
from trilemma.datatype.operations import POSITION_BITS
from trilemma.node.unit import REPLY_BYTES_PER_TURN, UNIT_BYTES_PER_TURN, Result, Unit, result_bytes
from trilemma.resp.reply import ErrorReply, encode

UNITS_MAX = 512
"""Units executed in one turn, and in one batch, which every replica applies in one turn: no heartbeat leaves meanwhile.
What is over has the next turn."""

WRITES_BEHIND_MAX = 64
"""Units of a batch that write while others' batches wait for a turn: who makes batches faster than it applies those of
others would fall behind for as long as there is load."""

OPERATIONS_MAX = limit(
    "operations_per_batch_max",
    1 << POSITION_BITS,
    "operations",
    "on ap an update of a counter is numbered by its batch and its place in it",
    "the rest is in the next batch; EXECABORT where one transaction has more arguments",
)

register(
    "too_many_operations",
    "EXECABORT Transaction discarded because of: more than {limit} arguments in one transaction on an ap keyspace",
    "make several transactions of it",
)


def _operations_at_most(unit: Unit) -> int:
    """Return a bound on the operations of a unit: a command makes no more of them than it has arguments."""
    return len(unit.argv) + sum(len(part.argv) for part in unit.parts)


def why_not_executed(unit: Unit) -> bytes | None:
    """Return the encoded refusal of a unit that no batch has room for, or None."""
    if _operations_at_most(unit) <= OPERATIONS_MAX:
        return None
    return encode(ErrorReply(error("too_many_operations", limit=OPERATIONS_MAX).text), unit.protocol)


class Allowance:
    """What is left of one turn's bounds. The operations of the turn so far are the view's."""

    def __init__(self, view: CausalView, *, others_wait: bool) -> None:
        self._view = view
        self._units = UNITS_MAX
        self._writes = WRITES_BEHIND_MAX if others_wait else UNITS_MAX
        self._reply_bytes = REPLY_BYTES_PER_TURN

    def has_room_for(self, unit: Unit) -> bool:
        """Say whether a unit may be executed in this turn still; in an empty batch there is room for each."""
        if (
            self._units <= 0
            or self._writes <= 0
            or self._reply_bytes <= 0
            or self._view.operation_bytes >= UNIT_BYTES_PER_TURN
        ):
            return False
        made = len(self._view.operations)
        most = len(unit.argv) or _operations_at_most(unit)
        return not made or made + most <= OPERATIONS_MAX

    def spend(self, result: Result, *, has_written: bool) -> None:
        """Take note of what a unit's result is."""
        self._units -= 1
        self._writes -= has_written
        self._reply_bytes -= result_bytes(result)
