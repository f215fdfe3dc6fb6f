"""What a target is: a store that a run can start, drive, disturb and stop. Subclass `Target` to bring your own.

Owns the vocabulary between a run and a store; starts nothing and judges nothing. The least that a target must say is
`name`, `nodes`, `keyspaces` and `client`; everything else has a default that means "this store does not offer that".
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar, Final, Literal, NamedTuple, Protocol, TypeAlias

from trilemma.workload.step import Command, Reply

Link: TypeAlias = tuple[str, str]
"""One direction between two nodes: what the first sends to the second."""

Promise: TypeAlias = Literal["linearizable", "nothing lost", "causal", "convergent", "available"]
"""What a keyspace can be held to; `judge` names the checkers of each."""

WORKLOADS: Final = ("registers", "cas", "counters", "appends", "bank")


class TargetError(Exception):
    """The target cannot be started, or cannot do what was asked; the text is a sentence that says why."""


class PlanError(TargetError):
    """What was asked for can never be done: a name that there is not, a nemesis that this target cannot suffer."""


class NotSentError(Exception):
    """Nothing of a step has left this machine, so it did not happen: the outcome is `fail`."""


class LinkFault(NamedTuple):
    """What is wrong with one direction."""

    is_cut: bool = False
    delay_ms: int = 0
    loss_percent: float = 0.0


class Keyspace(NamedTuple):
    """What is judged by itself: all keys that begin with `prefix`.

    `promises` are those that the run holds the store to; all others are looked at and said.
    """

    name: str
    prefix: bytes
    mode: str = ""
    promises: tuple[Promise, ...] = ("linearizable", "nothing lost")
    settings: str = ""


class Client(Protocol):
    """One client of one node; it connects when it first sends, and never sends anything twice."""

    def execute(self, commands: Sequence[Command]) -> Sequence[Reply]:
        """Send a step's commands in one write and return their replies.

        Returns:
            One reply per command; fewer where the connection or the patience was lost, so that nobody can tell.

        Raises:
            NotSentError: nothing was sent.
        """
        ...

    def is_usable(self) -> bool:
        """Whether the session can go on; after a lost reply, or where the client must look for its server, not."""
        ...

    def close(self) -> None:
        """Leave; may be called twice."""
        ...


class Links(Protocol):
    """How the links between a target's nodes are disturbed."""

    means: str
    """A sentence for the report: what does it, and where."""

    def apply(self, faults: Mapping[Link, LinkFault]) -> None:
        """Bring these faults about and no others; an empty mapping heals."""
        ...


class Processes(Protocol):
    """How a target's nodes are paused and killed. A node is a machine: all its programs share its fate."""

    def pause(self, node: str) -> None:
        """Stop the node where it stands."""
        ...

    def resume(self, node: str) -> None:
        """Let it go on."""
        ...

    def kill(self, node: str) -> None:
        """End it at once, without a word."""
        ...

    def start(self, node: str) -> None:
        """Start it again on its own disk."""
        ...


class Target:
    """A store. Subclasses set the attributes, and override what their store can do.

    Attributes:
        name: what it is called in reports.
        nodes: the names of its nodes; clients are spread over them.
        keyspaces: what is driven and judged, each by itself.
        workloads: those of `WORKLOADS` that its clients understand.
        cas_by: how a compare-and-set is written: WATCH and MULTI, or the one command CAS key expected new.
        links, processes: None where links or processes cannot be disturbed; set by `start` at the latest.
        is_ours: whether `start` starts it; a store that ran before is never disturbed, as is known without asking it.
    """

    name: str = ""
    workloads: ClassVar[tuple[str, ...]] = WORKLOADS
    cas_by: ClassVar[Literal["watch", "command"]] = "watch"

    def __init__(self) -> None:
        self.nodes: tuple[str, ...] = ()
        self.keyspaces: tuple[Keyspace, ...] = ()
        self.is_ours = True
        self.links: Links | None = None
        self.processes: Processes | None = None

    def start(self) -> None:
        """Start the store and wait until it serves.

        Raises:
            TargetError: it cannot be started; `stop` is called all the same.
        """

    def stop(self) -> None:
        """Stop everything that `start` started and remove what it left. May be called twice."""

    def client(self, node: str, keyspace: Keyspace) -> Client:
        """Return a new client, as an application beside this node would have it."""
        raise NotImplementedError

    def replica(self, node: str, keyspace: Keyspace) -> Client | None:
        """Return a client that shows what this node itself holds, however old; None where the store has no such way."""
        return None

    def leader(self) -> str | None:
        """Return the node whose loss hurts most now, None where there is none or nobody knows."""
        return None

    def wait_until_served(self, node: str) -> bool:
        """Wait, within a bound of the target's own, until a node that was down or paused serves again."""
        return True

    def settle(self) -> bool:
        """Wait, within a bound of the target's own, until replicas have caught up; return whether they have."""
        return True

    def digests(self, keyspace: Keyspace) -> Mapping[str, str]:
        """Return each replica's digest of a keyspace's data; nothing where the store tells none."""
        return {}

    def versions(self) -> Mapping[str, str]:
        """Return the versions of the programs that run."""
        return {}

    def notes(self) -> Sequence[str]:
        """Return sentences that a reader of the report must know: settings that weaken or strengthen the store."""
        return ()

    def forget(self, keys: Iterable[bytes]) -> None:
        """Remove the run's keys, within a bound of the target's own, from a store that lives on after it.

        A run that is broken off asks for it too.
        """
