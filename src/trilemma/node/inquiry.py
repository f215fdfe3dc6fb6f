"""A question to replicas of an `ap` shard that are elsewhere, asked again and again until an answer will do.

Owns when it is asked next, and the newest answer. Does not know what an answer is good for: CAP WAIT and WAIT do
(node/far_waits.py).
"""

from collections.abc import Sequence

from trilemma.base.ids import NodeId, ShardId
from trilemma.base.time import NEVER_US, US_PER_MS
from trilemma.node.dispatch import Dispatcher
from trilemma.node.request import Request
from trilemma.node.server import Server
from trilemma.node.unit import Result

AGAIN_US_MIN = 20 * US_PER_MS
"""How long after an answer it is asked again: what a replica lacks comes with the next gossip, mostly."""

AGAIN_US_MAX = 320 * US_PER_MS
"""To this the pause grows, doubled each time: ten thousand clients that wait must not be what the links carry."""


class Inquiry:
    """One question about one shard: one node is asked at a time."""

    def __init__(self, server: Server, dispatcher: Dispatcher, shard: ShardId) -> None:
        self.shard = shard
        self.node: NodeId | None = None
        """Who gave the newest answer."""
        self._server = server
        self._dispatcher = dispatcher
        self._answer: bytes | None = None
        self._times = 0
        self._is_out = False
        self._pause_us = AGAIN_US_MIN
        self._next_us = 0

    def ask(self, nodes: Sequence[NodeId], argv: list[bytes]) -> None:
        """Ask the next of some nodes, which are reached, in turn, if the time has come and nobody is being asked."""
        if self._is_out or self._server.now.mono_us < self._next_us:
            return
        if not nodes:
            self._pause()
            return
        self._is_out = True
        self._times += 1
        node = nodes[(self._times - 1) % len(nodes)]
        self._dispatcher.ask(self.shard, node, argv, self, self._server.now.mono_us)

    def result(self, request: Request, result: Result, token: int) -> None:
        """Be the sink of the question."""
        self._is_out = False
        self._pause()
        if type(result) is list and result[0][:1] != b"-":
            self.node, self._answer = request.only, result[0]

    def take(self) -> bytes | None:
        """Return the reply to the newest question, once; None where there is no further one."""
        answer, self._answer = self._answer, None
        return answer

    def hurry(self) -> None:
        """Ask the next question without a pause: it is another one than before."""
        self._next_us, self._pause_us = 0, AGAIN_US_MIN

    def _pause(self) -> None:
        self._next_us = self._server.now.mono_us + self._pause_us
        self._pause_us = min(2 * self._pause_us, AGAIN_US_MAX)

    @property
    def next_us(self) -> int:
        """When it wants to be asked again."""
        return NEVER_US if self._is_out else self._next_us
