"""Session guarantees: read your writes, monotonic reads, monotonic writes, writes follow reads; by itself or together.

A session is one process, wherever its requests went; its operations follow each other in the order of invocation, and
what did not end as `ok` is followed by nothing. Operations: `write` (argument: a value unique for its key), `read`
(result), `multi_write` (argument: pairs), `multi_read` (argument: keys; result: values: all seen at one moment). No key
is ever deleted. Demanded is that for each session and key there is an order of its writes, as that session may have
seen them, such that
- read your writes: a read shows no value older than one that its session wrote before;
- monotonic reads: a read shows no value older than one that its session read before;
- monotonic writes: writes of one session to one key keep their order, and whoever has seen a write has seen those that
  the same session wrote before it, to any key;
- writes follow reads: a write is later than what its session read before of the same key, and whoever has seen it has
  seen what its session had read before, of any key; and so on, back from there.
*Has seen*: a server's copy only grows, so for the last two, what a process was shown by a node holds for all that the
same process is shown by the same node later. An operation that names no node is taken to have gone to the only one its
process knows: who does not want to take that for granted asks `session_doubt`.
Several *together* ask for one order for each session and key that fits all they demand, and that what is seen by one of
them brings what the others demand with it: a session has seen what it wrote, or read before, at whichever node, and
what that had to be seen with. The first three together are PRAM, all four causal consistency. Each may be kept alone
where two together are broken: who wrote 1, then 2, and reads 1, either does not see its write or sees both in the wrong
order.

Two sessions may each be right in an order of its own, and no one order be right for both. That breaks none of the four,
nor PRAM or causal consistency, which let each process see concurrent writes in its own order, but *causal convergence*,
which is then told beside them.

Where a copy went back in time they are not judged among the writes concerned, and `unknown` if nothing else is left.

Where operations carry what their executors had seen, see also `session_vectors`.
Source: Terry et al., "Session guarantees for weakly consistent replicated data", PDIS 1994; Brzezinski, Sobaniec,
Wawrzyniak, "From session causality to causal consistency", PDP 2004; jepsen.io/consistency; the existence of an order:
Viotti and Vukolic, ACM CSUR 49(1), 2016. Twin: orders tried one by one, in the tests.
Cost: O(n) for the first two, O(n * sessions * log n) for the others.
"""

from collections.abc import Collection, Hashable, Iterable, Sequence
from typing import Final

from trilemma.check.arbitration import Arbitration, Contradiction, Finding, Item
from trilemma.check.hierarchy import (
    CAUSAL_CONVERGENCE,
    MONOTONIC_READS,
    MONOTONIC_WRITES,
    READ_YOUR_WRITES,
    WRITES_FOLLOW_READS,
)
from trilemma.check.history import Operation
from trilemma.check.session_events import Sessions
from trilemma.check.session_observation import Observation
from trilemma.check.verdict import Verdict, invalid, unknown, valid

GUARANTEES: Final = (READ_YOUR_WRITES, MONOTONIC_READS, MONOTONIC_WRITES, WRITES_FOLLOW_READS)


def check_sessions(
    operations: Iterable[Operation],
    initial: Hashable = None,
    names: Sequence[str] = GUARANTEES,
) -> dict[str, Verdict]:
    """Judge guarantees by the values read, each by itself.

    Args:
        initial: what each key holds at first.
        names: which of the four.

    Returns:
        A verdict per guarantee: `unknown` where nothing was demanded, or where values are not unique or from nowhere.
        `invalid` on causal convergence beside them, where no one order of the writes to a key is right for all sessions
        though each of them alone may be right.
    """
    try:
        sessions = Sessions(operations, initial)
    except ValueError as refusal:
        return {name: unknown(name, str(refusal)) for name in names}
    demands = {name: _demands(name, sessions) for name in names}
    found = {name: arbitration.find() for name, (arbitration, _) in demands.items()}
    verdicts = {name: _verdict(name, sessions, found[name], count) for name, (_, count) in demands.items()}
    clash = next((each.clash for each in found.values() if each.clash is not None), None)
    if clash is not None:
        reason = f"no one order of the writes to {clash.writes[0][0]!r} fits all processes"
        verdicts[CAUSAL_CONVERGENCE] = _broken(CAUSAL_CONVERGENCE, sessions, clash, reason)
    return verdicts


def check_together(
    operations: Iterable[Operation], names: Collection[str], model: str, initial: Hashable = None
) -> Verdict:
    """Judge by the values read whether some guarantees hold together; `model` is what that is called.

    Returns:
        `unknown` as from `check_sessions`.
    """
    try:
        sessions = Sessions(operations, initial)
    except ValueError as refusal:
        return unknown(model, str(refusal))
    arbitration, count = Observation(sessions, names, at_nodes=False).run()
    return _verdict(model, sessions, arbitration.find(), count)


def _demands(name: str, sessions: Sessions) -> tuple[Arbitration, int]:
    """Return what a guarantee demands, and of how many reads."""
    if name == READ_YOUR_WRITES:
        return _own_writes(sessions)
    if name == MONOTONIC_READS:
        return _own_reads(sessions)
    return Observation(sessions, (name,), at_nodes=True).run()


def _verdict(name: str, sessions: Sessions, found: Finding, demands: int) -> Verdict:
    if found.alone is not None:
        reason = f"no order of the writes to {found.alone.writes[0][0]!r} fits"
        return _broken(name, sessions, found.alone, reason)
    if found.is_spoilt:
        return unknown(name, "a node showed a process an older state than before, so the order of writes is in doubt")
    if not demands:
        return unknown(name, "no read was made of which anything was demanded")
    return valid(name, f"{demands} reads")


def _broken(name: str, sessions: Sessions, found: Contradiction, reason: str) -> Verdict:
    shown = " and ".join(repr(value) for _, value in found.writes[:2])
    sources = [sessions.writers[item].operation for item in sessions.items_read(found.operations)]
    return invalid(name, f"{reason}: {shown} must each be the later one", [*found.operations, *sources])


def _own_writes(sessions: Sessions) -> tuple[Arbitration, int]:
    arbitration = Arbitration(sessions.initial)
    latest: dict[tuple[int, bytes], int] = {}  # per session and key: the mark of its own writes
    demands = 0
    for event in sessions.events:
        for item in event.reads:
            own = latest.get((event.session, item[0]))
            if own is not None:
                demands += 1
                arbitration.demand(own, arbitration.write(item), (event.operation,), event.session)
        for item in event.writes if event.is_done else ():
            place = (event.session, item[0])
            mark = arbitration.mark()
            arbitration.demand(arbitration.write(item), mark, (event.operation,), event.session)
            if place in latest:
                arbitration.demand(latest[place], mark, (), event.session)
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
                earlier = arbitration.write(before)
                arbitration.demand(earlier, arbitration.write(item), (read, event.operation), event.session)
            latest[place] = (item, event.operation)
    return arbitration, demands
