"""Any Redis-speaking store that runs already: driven and judged, not disturbed, for its processes are not ours.

Every address is a node. Keys carry a prefix of the run's own, and are removed at its end, however it ends; which may be
left, because the store did not say that it removed them, is told.
"""

import secrets
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Final

from trilemma.target.machines import Place
from trilemma.target.port import Client, Keyspace, NotSentError, PlanError, Target, TargetError
from trilemma.target.wire import RespConnection, dial

FORGET_S: Final = 10.0
"""How long keys are removed, at most; the step that is under way then may take a client's patience more."""

BATCH: Final = 500
"""Keys that are removed in one step."""


def read_place(text: str) -> Place:
    """Return the place that `host:port` names.

    Raises:
        PlanError: it names none.
    """
    host, _, port = text.strip().rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65_536:
        raise PlanError(f"{text!r} is no address; say HOST:PORT")
    return Place(host.strip("[]"), int(port))


class Address(Target):
    """See the module. Args: addresses: as `host:port`; all are replicas, or routers, of one store."""

    name = "address"

    def __init__(self, addresses: Sequence[str]) -> None:
        super().__init__()
        self.is_ours = False
        self._places = {text.strip(): read_place(text) for text in addresses}
        self.nodes = tuple(self._places)
        self._left = 0
        """How many keys were not removed, as far as is known."""
        self.keyspaces = (Keyspace("redis", f"trilemma-check-{secrets.token_hex(4)}-".encode()),)

    def start(self) -> None:
        """See `port.Target`."""
        for node in self.nodes:
            connection = self._connect(node)
            try:
                connection.ask("PING")
            except NotSentError as problem:
                raise TargetError(f"{node} does not answer: {problem}") from problem
            finally:
                connection.close()

    def client(self, node: str, keyspace: Keyspace) -> Client:
        """See `port.Target`."""
        return self._connect(node)

    def notes(self) -> Sequence[str]:
        """See `port.Target`."""
        notes = ["The store ran before and is not disturbed: no link is cut and no process is paused or killed."]
        if self._left:
            prefix = self.keyspaces[0].prefix.decode()
            notes.append(f"{self._left:,} keys that begin with {prefix} may be left: no address removed them.")
        return notes

    def forget(self, keys: Iterable[bytes]) -> None:
        """See `port.Target`. What one address does not remove, as a replica that only reads, the next is asked for."""
        left = list(keys)
        end = time.monotonic() + FORGET_S
        for node in self.nodes:
            left = self._left_by(node, left, end)
        self._left = len(left)

    def _left_by(self, node: str, keys: list[bytes], end: float) -> list[bytes]:
        """Remove keys at a node until a time has come, or it is silent; return those that it did not remove."""
        removed: set[bytes] = set()
        connection = self._connect(node)
        with suppress(NotSentError):
            for begin in range(0, len(keys), BATCH):
                if time.monotonic() > end:
                    break
                batch = keys[begin : begin + BATCH]
                replies = connection.execute([(b"DEL", key) for key in batch])
                removed |= {key for key, reply in zip(batch, replies, strict=False) if not isinstance(reply, Exception)}
        connection.close()
        return [key for key in keys if key not in removed]

    def _connect(self, node: str) -> RespConnection:
        place = self._places[node]
        return RespConnection(lambda: dial(place.host, place.port))
