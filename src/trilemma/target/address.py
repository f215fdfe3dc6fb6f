"""Any Redis-speaking store that runs already: driven and judged, not disturbed, for its processes are not ours.

Every address is a node. Keys carry a prefix of the run's own, and are removed at its end.
"""

import secrets
from collections.abc import Iterable, Sequence
from contextlib import suppress

from trilemma.target.machines import Place
from trilemma.target.port import Client, Keyspace, NotSentError, PlanError, Target, TargetError
from trilemma.target.wire import RespConnection, dial


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
        return ("The store ran before and is not disturbed: no link is cut and no process is paused or killed.",)

    def forget(self, keys: Iterable[bytes]) -> None:
        """See `port.Target`."""
        connection = self._connect(self.nodes[0])
        with suppress(NotSentError):
            for key in keys:
                connection.execute([(b"DEL", key)])
        connection.close()

    def _connect(self, node: str) -> RespConnection:
        place = self._places[node]
        return RespConnection(lambda: dial(place.host, place.port))
