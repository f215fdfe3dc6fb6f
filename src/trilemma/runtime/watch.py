"""What a node is told of its surroundings while it runs: facts for INFO, and whether its disk has room.

Owns the timers. What the facts are is in `facts`, when room is enough in `room` (PROTOCOLS §6.4).
"""

import asyncio
from collections.abc import Callable
from pathlib import Path

from structlog.typing import FilteringBoundLogger

from trilemma.node.machine import Node
from trilemma.runtime.clients import Counters
from trilemma.runtime.facts import moving_facts
from trilemma.runtime.loop import NodeLoop
from trilemma.runtime.port import Core, Storage
from trilemma.runtime.room import ROOM_INTERVAL_S, Room

FACTS_INTERVAL_S = 1.0


class Watch:
    """Looks again and again, on the current event loop, between `start` and `stop`.

    Args:
        directory: of the disk that is looked at.
        peers: what is known of the connection to each, by name.
        turns: are told when the disk is nearly full, and when it is not any more.
    """

    def __init__(
        self,
        node: Core,
        storage: Storage,
        turns: NodeLoop,
        room: Room,
        directory: Path,
        clients: Counters,
        peers: Callable[[], dict[str, str]],
        logger: FilteringBoundLogger,
    ) -> None:
        self._node = node
        self._storage = storage
        self._turns = turns
        self._room = room
        self._directory = directory
        self._clients = clients
        self._peers = peers
        self._logger = logger
        self._facts_timer: asyncio.TimerHandle | None = None
        self._room_timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Look, and begin to look again."""
        self._refresh_facts()
        self._look_at_room()

    def stop(self) -> None:
        """Look no more."""
        for timer in (self._facts_timer, self._room_timer):
            if timer is not None:
                timer.cancel()

    # Timers first: whatever goes wrong in one look, there is another.

    def _refresh_facts(self) -> None:
        self._facts_timer = asyncio.get_running_loop().call_later(FACTS_INTERVAL_S, self._refresh_facts)
        if isinstance(self._node, Node):
            information = self._node.information
            information.facts.update(moving_facts(sum(self._storage.log.sizes().values()), self._room, self._clients))
            information.peer_states.update(self._peers())

    def _look_at_room(self) -> None:
        self._room_timer = asyncio.get_running_loop().call_later(ROOM_INTERVAL_S, self._look_at_room)
        if self._room.look(self._directory):
            self._turns.disk_room(self._room.is_enough)
            if self._room.is_enough:
                self._logger.info("the disk has room again: writes are taken")
            else:
                self._logger.error("the disk is full: writes are refused", free_bytes=self._room.free_bytes)
