"""The verdict on a run: which checkers each promise means for each workload, and what was seen beside the promises.

What a keyspace promises is held against it; every other promise that can be looked at is looked at and only said. A run
in which nothing was read, nothing of the workload's own kind done, or no fault happened although one was asked for, is
`unknown`: it shows nothing. Source: PROMISES §2, §4, §5; FAULTS §4 (pitfall 5); `sim.judge`, which judges schedules
likewise.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from trilemma.check import model
from trilemma.check.availability import Outage, check_availability
from trilemma.check.bank import check_bank
from trilemma.check.causal import check_causal
from trilemma.check.convergence import check_convergence, check_equal_reads
from trilemma.check.counter import check_counter, check_final_sums
from trilemma.check.history import Operation
from trilemma.check.linearizable import check_linearizable
from trilemma.check.lost import check_lost_elements, check_lost_writes
from trilemma.check.redis_model import REDIS
from trilemma.check.register import check_register
from trilemma.check.verdict import Verdict, unknown
from trilemma.target.load import Lane
from trilemma.target.measure import as_writes, with_aborts_answered
from trilemma.target.port import Keyspace, Promise
from trilemma.workload.bank import Bank
from trilemma.workload.reply import APART

SEARCH_STEPS_MAX: Final = 300_000
"""Steps of the model per key: a search that needs more is given up, and the verdict is unknown."""

VACUITY: Final = "vacuity"

MODELS: Final[Mapping[str, str]] = {
    "registers": "register",
    "cas": "register",
    "counters": "counter",
    "appends": "append",
    "bank": "redis",
}
"""The sequential model of each workload, by the name that reports give it."""


OWN: Final[Mapping[str, tuple[str, str]]] = {
    "registers": ("write", "no write was acknowledged"),
    "cas": ("cas", "no compare-and-set was acknowledged"),
    "counters": ("add", "no increment was acknowledged"),
    "appends": ("append", "no append was acknowledged"),
    "bank": ("transaction", "no transfer was acknowledged"),
}
"""The kind of operation that each workload is about, and what is said of a run without one that was done."""


class Seen(NamedTuple):
    """What a run left of one keyspace, for the checkers."""

    keyspace: Keyspace
    operations: Sequence[Operation]
    finals: Sequence[Operation]
    replica_finals: Sequence[Operation]
    outages: Sequence[Outage]
    digests: Mapping[str, str]
    bank: Bank | None

    @property
    def all(self) -> list[Operation]:
        """The run and the reads at its end."""
        return [*self.operations, *self.finals]

    @property
    def is_lagging(self) -> bool:
        """Whether replicas may lag behind each other: causal order is what is promised, not one order of everything."""
        return "causal" in self.keyspace.promises


_Judge = Callable[[Seen], list[Verdict]]


def _search(seen: Seen) -> list[Verdict]:
    return [check_linearizable(seen.all, model.register(), SEARCH_STEPS_MAX)]


def _bank(seen: Seen) -> list[Verdict]:
    accounts = seen.bank
    if accounts is None:
        return []
    return [
        check_bank(seen.all, accounts.accounts, accounts.total),
        check_linearizable(seen.all, REDIS, SEARCH_STEPS_MAX),
    ]


def _counters(seen: Seen) -> list[Verdict]:
    """Return the verdict of the bounds, which is quick, and of the search: two equal replies may lie within bounds."""
    bounds = check_counter(seen.all)
    if bounds.is_invalid:
        return [bounds]
    return [bounds, check_linearizable(seen.all, model.COUNTER, SEARCH_STEPS_MAX)]


_LINEARIZABLE: Final[Mapping[str, _Judge]] = {
    "registers": lambda seen: [check_register(seen.all)],
    "cas": _search,
    "counters": _counters,
    "appends": lambda seen: [check_linearizable(seen.all, model.APPEND, SEARCH_STEPS_MAX)],
    "bank": _bank,
}

_NOTHING_LOST: Final[Mapping[str, _Judge]] = {
    "registers": lambda seen: [check_lost_writes(seen.operations, seen.finals)],
    "cas": lambda seen: [check_lost_writes(as_writes(seen.operations), seen.finals)],
    "counters": lambda seen: [check_final_sums(seen.operations, seen.finals)],
    "appends": lambda seen: [check_lost_elements(seen.operations, seen.finals)],
}
"""`bank` has none of its own: a transfer that is lost shows in the order of the transfers."""

_NOTHING_LOST_LAGGING: Final[Mapping[str, _Judge]] = {"counters": _NOTHING_LOST["counters"]}
"""Where replicas may lag a lost write of a register shows in the causal order, given the reads at the end."""


def _causal(seen: Seen) -> list[Verdict]:
    # What a node told one client it must show all others is more than causal order asks; Trilemma's `ap` promises it.
    return [check_causal(seen.all, node_order="causal" in seen.keyspace.promises)]


_CAUSAL: Final[Mapping[str, _Judge]] = {
    "registers": _causal,
    "counters": lambda seen: [check_counter(seen.operations, replicas_lag=True)],
}


def _convergent(seen: Seen) -> list[Verdict]:
    reads = seen.replica_finals or seen.finals
    verdicts = [check_equal_reads(reads)]
    if seen.digests:
        verdicts.append(check_convergence({seen.keyspace.name: seen.digests}))
    return verdicts


def _available(seen: Seen) -> list[Verdict]:
    return [check_availability(with_aborts_answered(seen.operations), seen.outages)]


def _judge_of(promise: Promise, workload: str, is_lagging: bool) -> _Judge | None:
    """Return what judges a promise; None where the workload says nothing about it."""
    match promise:
        case "linearizable":
            return _LINEARIZABLE[workload]
        case "nothing lost":
            return (_NOTHING_LOST_LAGGING if is_lagging else _NOTHING_LOST).get(workload)
        case "causal":
            return _CAUSAL.get(workload)
        case "convergent":
            return _convergent
        case "available":
            return _available


def judge_promise(promise: Promise, workload: str, seen: Seen) -> list[Verdict]:
    """Return the verdicts on one promise; nothing where the workload says nothing about it."""
    judge = _judge_of(promise, workload, seen.is_lagging)
    return judge(seen) if judge is not None else []


def find_unjudged(keyspace: Keyspace, workload: str) -> list[Promise]:
    """Return the promises that a workload says nothing about: a reader must not take them for kept.

    What is linearizable up to the reads at the end has lost nothing.
    """
    promises = keyspace.promises
    judged = [each for each in promises if _judge_of(each, workload, "causal" in promises) is not None]
    implied = ("nothing lost",) if "linearizable" in judged else ()
    return [each for each in promises if each not in (*judged, *implied)]


OBSERVED: Final[tuple[Promise, ...]] = ("linearizable", "causal", "convergent", "available")
"""What is looked at also where it is not promised."""


def judge(
    lane: Lane, workload: str, outages: Sequence[Outage], digests: Mapping[str, str]
) -> tuple[list[Verdict], list[Verdict]]:
    """Return the verdicts that count, and those that are only said, on one keyspace.

    Args:
        outages: when nodes were down or paused.
        digests: of the replicas, at rest.
    """
    bank = lane.generator if isinstance(lane.generator, Bank) else None
    seen = Seen(lane.keyspace, lane.operations, lane.finals, lane.replica_finals, outages, digests, bank)
    promised = lane.keyspace.promises
    verdicts = [verdict for promise in promised for verdict in judge_promise(promise, workload, seen)]
    observed = [
        verdict for promise in OBSERVED if promise not in promised for verdict in judge_promise(promise, workload, seen)
    ]
    return _unless_apart(verdicts, lane.operations), _unless_apart(observed, lane.operations)


def _unless_apart(verdicts: list[Verdict], operations: Sequence[Operation]) -> list[Verdict]:
    """Return verdicts, none of them invalid where transactions came apart: what clients did then were none."""
    apart = (each.result for each in operations if each.outcome == "info" and isinstance(each.result, str))
    reason = next((each for each in apart if each.startswith(APART)), None)
    if reason is None:
        return verdicts
    return [unknown(each.checker, reason) if each.is_invalid else each for each in verdicts]


def find_vacuity(workload: str, operations: Sequence[Operation], nemesis: str, faults: int) -> Verdict | None:
    """Return the verdict that a run shows nothing, or None where it shows something.

    What opens a workload, or only goes beside what it is about, is not enough: accounts that stay as they were opened
    show nothing of transfers.
    """
    answered = [each for each in operations if each.outcome == "ok"]
    own, lacking = OWN[workload]
    if not any(_is_read(each) for each in answered):
        return unknown(VACUITY, "no read was answered, so nothing was seen")
    if not any(each.kind == own and each.result is not False for each in answered):
        return unknown(VACUITY, f"{lacking}, so there was nothing to lose or to see")
    if nemesis != "none" and not faults:
        return unknown(VACUITY, f"the nemesis {nemesis} did nothing")
    return None


def _is_read(operation: Operation) -> bool:
    return operation.kind == "read" or (operation.kind == "command" and operation.argument[0] == b"MGET")
