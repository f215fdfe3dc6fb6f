"""Which generator of load a workload's name means, and what is left of one for a client that only reads."""

from collections.abc import Callable, Sequence
from random import Random

from trilemma.check.history import History, Operation
from trilemma.sim.options import Options
from trilemma.workload.append import Appends
from trilemma.workload.bank import Bank
from trilemma.workload.connection import Connections
from trilemma.workload.counter import Counters
from trilemma.workload.databases import Databases
from trilemma.workload.expiry import Expiries
from trilemma.workload.founding import Foundings
from trilemma.workload.mixed import Mixed
from trilemma.workload.multi import Groups
from trilemma.workload.once import Once
from trilemma.workload.owned import Owned
from trilemma.workload.receipts import Receipts
from trilemma.workload.register import Registers
from trilemma.workload.shared import Shared
from trilemma.workload.step import Generator, Step
from trilemma.workload.strings import StringCommands, looking

READABLE = ("registers", "counters", "appends", "groups", "expiry")
"""Workloads of which some clients may only read."""

ONE_STEP_AT_A_TIME = ("bank", "connections", "receipts")
"""Workloads of which a client sends no step before the last one is answered: what is behind QUIT or WATCH would mean
something else, and what is behind CAP DIGEST may wait for longer."""

REVIVED = ("mixed", "expiry")
"""Workloads whose keys come and go with deadlines: on `ap` those that are gone at rest are begun anew."""

REVIVALS_MAX = 40
"""Keys begun anew; the newest, as it is they that faults left something of."""

NOT_THERE = -2
"""What PEXPIRETIME says of a key that is not there."""

LONG_TTL_MS = 9_000
"""Times to live where wall clocks are apart: longer than they may be judged wrongly."""

_GENERATORS: dict[str, Callable[[Random, bytes], Generator]] = {
    "appends": Appends,
    "bank": Bank,
    "counters": Counters,
    "expiry": Expiries,
    "groups": Groups,
    "looks": looking,
    "mixed": Mixed,
    "once": Once,
    "owned": Owned,
    "registers": Registers,
    "shared": Shared,
    "strings": StringCommands,
}
"""Those that need to know nothing else of a schedule."""


def make_generator(name: str, rng: Random, prefix: bytes, options: Options) -> Generator:
    """Make a workload's generator.

    Args:
        name: one of the workloads in `options`.
        prefix: what the names of keys begin with.
    """
    if name == "founding":
        return Foundings(rng, _founded_modes(options), options.founded_together, options.placement)
    if name == "databases":
        return Databases(rng, prefix, alone=len(options.workloads) == 1)
    if name == "connections":
        has_databases = "databases" not in options.workloads
        return Connections(rng, prefix, has_databases=has_databases, goes_on=options.mode != "ap")
    if name == "receipts":
        return Receipts(rng, prefix, options.keyspace, options.mode)
    if name == "expiry" and options.apart_us:
        return Expiries(rng, prefix, ttl_ms_max=LONG_TTL_MS)
    return _GENERATORS[name](rng, prefix)


def revivals(finals: Sequence[Operation]) -> list[Step]:
    """Return an INCRBY, a GET and a PTTL for keys of which no final read showed anything."""
    keys = History(finals).by_key()
    gone = [key for key, reads in keys.items() if all(_shows_nothing(read) for read in reads)]
    commands = [
        command
        for number, key in enumerate(gone[-REVIVALS_MAX:])
        for command in ((b"INCRBY", key, b"%d" % (number + 1)), (b"GET", key), (b"PTTL", key))
    ]
    return [Step(0, (command,), "command", command[1], command) for command in commands]


def _shows_nothing(read: Operation) -> bool:
    return read.outcome == "ok" and read.result in (None, NOT_THERE)


def _founded_modes(options: Options) -> tuple[str, ...]:
    """Return the modes of keyspaces that are founded: unlike ones where several are at a time, or nobody would see it
    if two of them became one. Not so where whole databases are read of which `ap` promises that they can be."""
    modes = ("ap", "cp") if options.mode == "ap" else ("cp", "ca")
    is_alike = options.founded_together == 1 or (options.mode == "ap" and "databases" in options.workloads)
    return modes[:1] if is_alike else modes


class Reads:
    """The reads of a generator."""

    def __init__(self, generator: Generator) -> None:
        self._generator = generator

    def next(self, process: int):  # type: ignore[no-untyped-def]
        """Return the next read."""
        while True:
            step = self._generator.next(process)
            if step.kind in ("read", "multi_read"):
                return step

    def record(self, step, replies):  # type: ignore[no-untyped-def]
        """Return what became of a step."""
        return self._generator.record(step, replies)

    def finals(self, process: int):  # type: ignore[no-untyped-def]
        """Return nothing: the generator itself has them."""
        return []
