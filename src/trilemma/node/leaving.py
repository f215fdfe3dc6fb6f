"""A node's way out: it hands over what it leads, tells its peers, answers what it has taken, and asks to be stopped.

Owns how far a shutdown is, and how long each part of it may take. Clients are served as ever until all peers have read
who leads now and that this node is about to stop: from then on they send it nothing new. Only what comes later is
refused, so that what is to be answered comes to an end under any load. Does not know who asked for the shutdown, nor
how a replica hands over.
"""

from collections.abc import Iterable
from enum import Enum
from typing import Protocol

from trilemma.base.limits import limit
from trilemma.base.time import US_PER_MS, US_PER_S
from trilemma.node.effects import Effects
from trilemma.node.executors import Executors
from trilemma.node.log import NodeLog
from trilemma.node.peers import Peers

SHUTDOWN_S = limit(
    "shutdown_s",
    5,
    "s",
    "a node that leaves first hands over what it leads and answers what it has taken",
    "what is left is answered UNCERTAIN, or refused, and it stops",
)

STEP_US = US_PER_MS
"""How soon a hand-over that is under way is looked at again: nobody may tell of its next step."""


class Stage(Enum):
    """How far a shutdown is; each stage leads to the next one, and to STAYING where it is called off."""

    STAYING = "nobody has asked for one"
    HANDING_OVER = "this node leads, or it is not known who does now"
    TELLING = "peers may not know yet who leads, and that this node is about to stop"
    CLOSING = "what was taken is answered, what comes is refused"
    LEFT = "the shell was asked to stop this node"


class Debtor(Protocol):
    """A part of a node that answers."""

    @property
    def owes(self) -> bool:
        """Say whether something is to be answered still, and can be."""
        ...


class Leaving:
    """One node's shutdown, if there is one. `patience_us`: how long it waits for others to take over."""

    def __init__(self, patience_us: int, executors: Executors, peers: Peers) -> None:
        self._patience_us = patience_us
        self._executors = executors
        self._peers = peers
        self._stage = Stage.STAYING
        self._since_us = 0
        """When it was asked for."""
        self._told_us = 0
        """When peers were sent what they have to know."""
        self._token = 0
        """By which all is durable that peers wait for, who send nothing more for which others could do without it."""
        self._was_called_off = False
        self.next_deadline_us: int | None = None
        """When `advance` has to be called though nothing comes in; beats and their echoes come by themselves."""

    @property
    def has_left(self) -> bool:
        """Whether the shell was asked to stop this node: nothing calls that off."""
        return self._stage is Stage.LEFT

    def begin(self, mono_us: int) -> None:
        """Hand over what this node leads; Effects.shutdown follows."""
        if self._stage is Stage.STAYING:
            self._stage, self._since_us = Stage.HANDING_OVER, mono_us
            self._peers.is_leaving = True
            self._peers.greet_all()

    def call_off(self) -> bool:
        """Stay after all; return whether a shutdown was under way. What was handed over already is not taken back."""
        if self._stage in (Stage.STAYING, Stage.LEFT):
            return False
        self._stage, self._was_called_off = Stage.STAYING, True
        self._peers.is_leaving = self._executors.is_closing = False
        self._peers.greet_all()
        self._stop_handing_over()
        return True

    def _stop_handing_over(self) -> None:
        for replica in self._executors.replicas.values():
            replica.stay()

    def advance(self, log: NodeLog, mono_us: int, *debtors: Debtor) -> None:
        """Go on as far as that goes. `debtors`: who, beside the executors, may have something to answer still."""
        if self._stage is Stage.HANDING_OVER and not self._hands_over(mono_us):
            self._stage, self._told_us = Stage.TELLING, mono_us
            self._peers.greet_all()
        if self._stage is Stage.TELLING and (self._peers.have_echoed_since(self._told_us) or self._is_late(mono_us)):
            self._stage, self._token = Stage.CLOSING, log.synced_token
            self._executors.is_closing = True
        if self._stage is Stage.CLOSING and (self._has_answered(log, debtors) or self._is_late(mono_us)):
            self._stage = Stage.LEFT
            self._executors.end()
        self.next_deadline_us = mono_us + STEP_US if self._stage is Stage.HANDING_OVER else None

    def _hands_over(self, mono_us: int) -> bool:
        """Say whether a hand-over is under way still, and has time left."""
        waited_us = mono_us - self._since_us
        if waited_us >= self._patience_us:
            self._stop_handing_over()
            return False
        may_wait = waited_us < self._patience_us // 2
        under_way = [replica.hand_over(may_wait=may_wait) for replica in self._executors.replicas.values()]
        return any(under_way)

    def _has_answered(self, log: NodeLog, debtors: Iterable[Debtor]) -> bool:
        return log.durable_token >= self._token and not any(each.owes for each in (self._executors, *debtors))

    def _is_late(self, mono_us: int) -> bool:
        return mono_us - self._since_us >= SHUTDOWN_S * US_PER_S

    def tell(self, effects: Effects) -> None:
        """Tell the shell what has come of it this turn."""
        effects.shutdown = self.has_left
        effects.stays, self._was_called_off = self._was_called_off, False
