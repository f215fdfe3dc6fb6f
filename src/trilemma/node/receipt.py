"""What the receipts of CAP EXPLAIN have in common, whichever protocol keeps the keyspace (docs/promises.md).

Owns the words of the promises and what `stale_ms_max` says. Knows no replica: raft_report.py and causal_report.py take
the facts from theirs.
"""

from collections.abc import Callable

from trilemma.keyspace.settings import Keyspace
from trilemma.node.config import NodeConfig
from trilemma.node.defect import DEFECTS, described, refused
from trilemma.node.execute import warnings_of
from trilemma.node.internal import own_words
from trilemma.node.unit import Result, Unit
from trilemma.resp.reply import ErrorReply, Reply, encode

NEWEST = "newest acknowledged"
STALE = "stale: current at some time"
NOTHING = "nothing: the reply is an error"
AGAIN = "the first reply of its token, again"

UNBOUNDED = -1
"""The `stale_ms_max` of a reply that is not known to be current as of any time."""

RATE_NUM, RATE_DEN = 20, 19
"""How much longer a time may be than a clock says that is slow by a twentieth, as timing allows (PROTOCOLS §1.1)."""


def is_error(result: Result) -> bool:
    """Say whether the reply beside which a receipt stands is an error."""
    return type(result) is list and result[0][:1] in (b"-", b"!")


def at_most_ms(age_us: int | None) -> int:
    """Return an age as `stale_ms_max`: in ms, rounded up, whatever the clock's rate; UNBOUNDED for None."""
    return UNBOUNDED if age_us is None else -(-max(age_us, 0) * RATE_NUM // (RATE_DEN * 1_000))


def put_beside(result: list[bytes], unit: Unit, defects: list[str], make: Callable[[], Reply]) -> None:
    """Put a receipt beside the reply that it is about; where it cannot be made, the error that says so in their place.

    Args:
        defects: where it is noted what broke.
    """
    try:
        result.append(encode(make(), unit.protocol))
    except DEFECTS as problem:
        words = own_words(unit.argv)
        defects.append(described(words, problem))
        result[:] = [encode(ErrorReply(refused(words, problem, "defect_after").text), unit.protocol)]


def receipt(
    config: NodeConfig, keyspace: Keyspace, unit: Unit, promise: str, stale_ms_max: int, facts: dict[bytes, Reply]
) -> dict[bytes, Reply]:
    """Return a receipt; `facts` are those of the protocol."""
    return {
        b"node": config.name.encode(),
        b"keyspace": keyspace.name.encode(),
        b"mode": keyspace.mode.value.encode(),
        b"promise": promise.encode(),
        b"stale_ms_max": stale_ms_max,
        **facts,
        b"warnings": warnings_of(unit, keyspace),
    }
