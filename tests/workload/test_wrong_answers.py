"""Wrong answers, one at a time: whatever a node says in place of what it said, the judges find it, and none breaks.

Each workload is played against a real node. Then each reply, and each part of it, is replaced by what no node should
say there, or left out; what is recorded of that is judged with all the rest as it was.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any, NamedTuple

import pytest

from played import Exchange, Player
from trilemma.check.history import Operation
from trilemma.check.receipt import Terms
from trilemma.node.config import Member, NodeConfig
from trilemma.sim.judge import judge_workload
from trilemma.sim.judged import Judged
from trilemma.sim.solo import SoloNode
from trilemma.workload.connection import Connections
from trilemma.workload.owned import Owned
from trilemma.workload.receipts import Receipts
from trilemma.workload.shared import Shared
from trilemma.workload.step import Generator
from trilemma.workload.strings import looking

STEPS = {"receipts": 150, "connections": 70, "looks": 40, "owned": 40, "shared": 120}
"""As many as it takes to see each kind of answer; a search among commands takes its time."""

EACH_MAX = 1
"""How many replies of one name and type are replaced, with all their parts."""

WRONG = {"nil": None, "error": "ERR x", "ghost": b"ghost", "number": 987_654_321, "list": (), "list of nil": (None,)}

NODES = frozenset({"n1"})

LAST_ENTRY = {(f"explained_read: CAP EXPLAIN 1 {name} 1", "number") for name in ("index", "term")}
"""What a read reflects may be any entry that is not older than what was named before: the next one need not name it."""

STALENESS = "stale_ms_max 1"
"""A bound: how stale at most a reply is may be any number, but where the newest is promised."""

STALE = {(f"explained_stale_read: READONLY CAP EXPLAIN 1 {name} 1", "number") for name in ("index", "term")} | {
    (f"explained_stale_read: READONLY CAP EXPLAIN 1 {STALENESS}", "number"),
}
"""A read of what may be stale names what was current at whatever time, not more than a bound ago."""

WARNINGS = {
    ("explained_write: CAP EXPLAIN 1 warnings 1", "list"),
    ("explained_write: CAP EXPLAIN 1 warnings 1 0", "ghost"),
    ("explained_write: CAP EXPLAIN 1 warnings 1 0", "missing"),
}
"""The judges know no warning by its words."""

VERSIONS = {(f"session: {names}HELLO version 1", "ghost") for names in ("", "CLIENT SETNAME RESET ")}
"""Of the version that a store calls itself nobody can tell more than that there is one."""

FEWEST = {"shared": 80}
"""How many wrong answers there are at least, where it is not 300: these replies have hardly any parts."""

ABSENT = {("session: READONLY GET", "nil")}
"""A read of what may be stale, without a receipt that gives a bound, need not show what was written."""

EITHER = {
    ("receipts", "cp"): LAST_ENTRY | STALE,
    ("receipts", "ca"): LAST_ENTRY,
    ("receipts", "ap"): WARNINGS
    | {(f"explained_{kind}: CAP EXPLAIN 1 {STALENESS}", "number") for kind in ("read", "write")},
    ("connections", "cp"): VERSIONS | ABSENT,
    ("connections", "ca"): VERSIONS,
    ("connections", "ap"): VERSIONS,
    ("looks", "cp"): set[tuple[str, str]](),
    ("owned", "ap"): set[tuple[str, str]](),
    ("shared", "ap"): {("move: GETSET", "nil")},
}
"""By workload and mode: at which places what may stand in truth, though it was not said. `looks` know no mode."""


class Change(NamedTuple):
    """A reply in which one part is wrong: where, and how."""

    place: str
    how: str
    reply: Any


def wrong_parts(reply: Any, place: str) -> Iterator[Change]:
    """Yield a reply with everything wrong in it, and with each part of it wrong or missing, one at a time."""
    for how, wrong in WRONG.items():
        if wrong != reply:
            yield Change(place, how, wrong)
    for number, part in enumerate(reply if isinstance(reply, tuple) else ()):
        before, after = reply[:number], reply[number + 1 :]
        name = named(reply, number, place)
        yield Change(name, "missing", (*before, *after))
        for inner in wrong_parts(part, name):
            yield inner._replace(reply=(*before, inner.reply, *after))


def named(reply: tuple[Any, ...], number: int, place: str) -> str:
    """Return what a part of a reply is called: in a map by its name there, of RESP2 or RESP3; else the place alone."""
    part = reply[number]
    if isinstance(part, tuple) and len(part) == 2 and isinstance(part[0], bytes):
        return f"{place} {part[0].decode()}"
    if len(reply) > 2 and len(reply) % 2 == 0 and all(isinstance(each, bytes) for each in reply[::2]):
        return f"{place} {reply[number - number % 2].decode()} {number % 2}"
    return f"{place} {number}"


def place_of(exchange: Exchange, number: int) -> str:
    """Return what a reply is called: by its step's kind, and by the commands up to it."""
    names = [
        b" ".join(command[: 1 + (command[0] in (b"CAP", b"CLIENT", b"OBJECT"))]) for command in exchange.step.commands
    ]
    return f"{exchange.step.kind}: {b' '.join(names[: number + 1]).decode()}"


class Play:
    """What a workload's steps were answered by one node, and what the judges say where one reply was another."""

    def __init__(self, workload: str, mode: str) -> None:
        node = SoloNode(NodeConfig("solo", 1, "disk", 1, (Member(1, "n1"),), default_mode=mode))
        self.workload, self.mode = workload, mode
        self.generator = GENERATORS[workload](mode)
        player = Player(node, mode=mode)
        self.run, self.exchanges = player.play(self.generator, STEPS[workload]), player.exchanges
        self.finals = player.finals(self.generator)

    def is_found(self, run: Sequence[Operation]) -> bool:
        """Say whether any verdict on a history is that something is wrong."""
        part = Judged(
            self.workload, run, self.finals, nodes=NODES, holders=NODES, terms=Terms(1, 1, NODES),
            is_leaderless=self.mode == "ap",
        )  # fmt: skip
        return any(each.is_invalid for each in judge_workload(part, self.mode, None))

    def changed(self, place: int, number: int, reply: Any) -> list[Operation]:
        """Return the history as it were recorded if one reply had been another."""
        step, replies = self.exchanges[place]
        recorded = self.generator.record(step, [*replies[:number], reply, *replies[number + 1 :]])
        operation = self.run[place]._replace(outcome=recorded.outcome, result=recorded.result)
        return [*self.run[:place], operation, *self.run[place + 1 :]]

    def missed(self) -> tuple[set[tuple[str, str]], int]:
        """Return at which places what is not found, and how many changes were judged."""
        missed: set[tuple[str, str]] = set()
        met: Counter[tuple[str, type[Any]]] = Counter()
        judged = 0
        for place, exchange in enumerate(self.exchanges):
            for number, reply in enumerate(exchange.replies):
                name = place_of(exchange, number)
                met[name, type(reply)] += 1
                if met[name, type(reply)] > EACH_MAX:
                    continue
                for change in wrong_parts(reply, name):
                    judged += 1
                    if not self.is_found(self.changed(place, number, change.reply)):
                        missed.add((change.place, change.how))
        return missed, judged


GENERATORS: dict[str, Callable[[str], Generator]] = {
    "receipts": lambda mode: Receipts(Random(1), b"", "default", mode),
    "connections": lambda _: Connections(Random(1), b""),
    "looks": lambda _: looking(Random(1), b""),
    "owned": lambda _: Owned(Random(1), b""),
    "shared": lambda _: Shared(Random(1), b""),
}


@pytest.mark.parametrize(("workload", "mode"), EITHER)
def test_every_wrong_answer_is_found_but_for_those_that_may_be_true(workload: str, mode: str) -> None:
    play = Play(workload, mode)
    assert not play.is_found(play.run)
    missed, judged = play.missed()
    assert judged > FEWEST.get(workload, 300)
    assert missed == EITHER[workload, mode]
