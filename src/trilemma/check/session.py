"""Session guarantees: read your writes, monotonic reads, monotonic writes, writes follow reads; each judged by itself.

A session is one process, wherever its requests went; its operations follow each other in the order of invocation, and
what did not end as `ok` is followed by nothing. Operations: `write` (argument: a value unique for its key), `read`
(result), `multi_write` (argument: pairs), `multi_read` (argument: keys; result: values: all seen at one moment). No key
is ever deleted. Demanded is that for each key there is one order of its writes such that
- read your writes: a read shows no value older than one that its session wrote before;
- monotonic reads: a read shows no value older than one that its session read before;
- monotonic writes: writes of one session to one key keep their order, and whoever has seen a write has seen those that
  the same session wrote before it, to any key;
- writes follow reads: a write is later than what its session read before of the same key, and whoever has seen it has
  seen what its session had read before, of any key; and so on, back from there.
*Has seen*: a server's copy only grows, so for the last two, what a process was shown by a node holds for all that the
same process is shown by the same node later. An operation that names no node is taken to have gone to the only one its
process knows: who does not want to take that for granted asks `session_doubt`.
Where a copy went back in time they are not judged among the writes concerned, and `unknown` if nothing else is left.

Where operations carry what their executors had seen, see also `session_vectors`.
Source: Terry et al., "Session guarantees for weakly consistent replicated data", PDIS 1994; Brzezinski, Sobaniec,
Wawrzyniak, "From session causality to causal consistency", PDP 2004; jepsen.io/consistency; the existence of an order:
Viotti and Vukolic, ACM CSUR 49(1), 2016. Twin: orders tried one by one, in the tests.
Cost: O(n) for the first two, O(n * sessions * log n) for the others.
"""

from collections.abc import Hashable, Iterable
from typing import Final

from trilemma.check.arbitration import Arbitration, Item
from trilemma.check.hierarchy import MONOTONIC_READS, MONOTONIC_WRITES, READ_YOUR_WRITES, WRITES_FOLLOW_READS
from trilemma.check.history import Operation
from trilemma.check.session_events import Sessions
from trilemma.check.session_observation import Observation
from trilemma.check.verdict import Verdict, invalid, unknown, valid

GUARANTEES: Final = (READ_YOUR_WRITES, MONOTONIC_READS, MONOTONIC_WRITES, WRITES_FOLLOW_READS)


def check_sessions(operations: Iterable[Operation], initial: Hashable = None) -> dict[str, Verdict]:
    """Judge the four guarantees by the values read.

    Args:
        initial: what each key holds at first.

    Returns:
        A verdict per guarantee: `unknown` where nothing was demanded, or where values are not unique or from nowhere.
    """
    try:
        sessions = Sessions(operations, initial)
    except ValueError as refusal:
        return {name: unknown(name, str(refusal)) for name in GUARANTEES}
    return {
        READ_YOUR_WRITES: _verdict(READ_YOUR_WRITES, sessions, *_own_writes(sessions)),
        MONOTONIC_READS: _verdict(MONOTONIC_READS, sessions, *_own_reads(sessions)),
        MONOTONIC_WRITES: _verdict(MONOTONIC_WRITES, sessions, *Observation(sessions, follow_reads=False).run()),
        WRITES_FOLLOW_READS: _verdict(WRITES_FOLLOW_READS, sessions, *Observation(sessions, follow_reads=True).run()),
    }


def _verdict(name: str, sessions: Sessions, arbitration: Arbitration, demands: int) -> Verdict:
    found, is_spoilt = arbitration.find()
    if found is not None:
        shown = " and ".join(repr(value) for _, value in found.writes[:2])
        reason = f"no order of the writes to {found.writes[0][0]!r} fits: {shown} must each be the later one"
        sources = [sessions.writers[item].operation for item in sessions.items_read(found.operations)]
        return invalid(name, reason, [*found.operations, *sources])
    if is_spoilt:
        return unknown(name, "a node showed a process an older state than before, so the order of writes is in doubt")
    if not demands:
        return unknown(name, "no read was made of which anything was demanded")
    return valid(name, f"{demands} reads")


def _own_writes(sessions: Sessions) -> tuple[Arbitration, int]:
    arbitration = Arbitration(sessions.initial)
    latest: dict[tuple[int, bytes], int] = {}  # per session and key: the mark of its own writes
    demands = 0
    for event in sessions.events:
        for item in event.reads:
            own = latest.get((event.session, item[0]))
            if own is not None:
                demands += 1
                arbitration.demand(own, arbitration.write(item), (event.operation,))
        for item in event.writes if event.is_done else ():
            place = (event.session, item[0])
            mark = arbitration.mark()
            arbitration.demand(arbitration.write(item), mark, (event.operation,))
            if place in latest:
                arbitration.demand(latest[place], mark)
            latest[place] = mark
    return arbitration, demands


def _own_reads(sessions: Sessions) -> tuple[Arbitration, int]:
    arbitration = Arbitration(sessions.initial)
    latest: dict[tuple[int, bytes], tuple[Item, Operation]] = {}
    demands = 0
    for event in sessions.events:
        for item in event.reads:
            place = (event.session, item[0])
            if place in latest:
                demands += 1
                before, read = latest[place]
                arbitration.demand(arbitration.write(before), arbitration.write(item), (read, event.operation))
            latest[place] = (item, event.operation)
    return arbitration, demands
