"""Whether a peer that has proven itself is taken with the disk it comes with; what is new of it goes to the disk first.

A peer that restarted costs two syncs. They are made on a thread, for a stuck disk must not hold up the node's turns.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor

from trilemma.base.ids import NodeId
from trilemma.runtime.directory import DataDirectory
from trilemma.runtime.known_disks import Lineage

WAITS = "this node's disk has not taken yet what it came with before"


class Admission:
    """Checks disks of peers for a node on the current loop. At most one check of each peer waits for the disk.

    Args:
        thread: one thread: checks must not overtake each other.
    """

    def __init__(self, directory: DataDirectory, thread: Executor) -> None:
        self._directory = directory
        self._thread = thread
        self._waiting: dict[NodeId, tuple[Lineage, asyncio.Future[str | None]]] = {}

    def check_disk(self, node: NodeId, lineage: Lineage, done: Callable[[str | None], None]) -> None:
        """See CheckDisk."""
        if self._directory.knows_disk(node, lineage):
            done(None)
            return
        asked, checked = self._waiting.get(node) or self._ask(node, lineage)
        if asked == lineage:
            checked.add_done_callback(lambda future: done(future.result()))
        else:
            done(WAITS)

    def _ask(self, node: NodeId, lineage: Lineage) -> tuple[Lineage, "asyncio.Future[str | None]"]:
        loop = asyncio.get_running_loop()
        checked = loop.run_in_executor(self._thread, self._directory.check_disk, node, lineage)
        checked.add_done_callback(lambda _: self._waiting.pop(node))
        self._waiting[node] = lineage, checked
        return lineage, checked
