"""The place for one more connection than `maxclients`, so that an administrator of this machine gets in when all are
taken.

Owns what may be sent in that place: commands about connections and about the node. Whatever else comes is refused as on
any connection that is one too many, and ends it, so that no ordinary client has the place for longer than a round trip.
Once another connection has ended, it is one as others are. That only this machine is let in is for the shell.
"""

from trilemma.base.errors import error, register
from trilemma.command.spec import CommandSpec
from trilemma.node.session import Session

MAX_CLIENTS = "max_clients"
register(
    MAX_CLIENTS,
    "ERR max number of clients reached",
    "close connections that are not used, or set maxclients higher; one connection from the node's own machine is let "
    "in all the same, for commands such as CLIENT LIST, CLIENT KILL, CONFIG, INFO and SHUTDOWN",
)

ADMINISTRATORS = frozenset({"@admin", "@connection", "@dangerous"})
"""Of commands with one of these ACL categories, those that touch no key may be sent."""


class SparePlace:
    """The place of one node: who has it."""

    def __init__(self, clients_max: int) -> None:
        self.session: Session | None = None
        self._clients_max = clients_max

    def connected(self, session: Session, connections: int) -> None:
        """A connection has come, and there are so many now."""
        if connections > self._clients_max:
            session.is_spare = True
            self.session = session

    def gone(self, connections: int) -> None:
        """A connection has ended, and there are so many left."""
        if self.session is not None and connections <= self._clients_max:
            self.session.is_spare = False
            self.session = None


def check(session: Session, spec: CommandSpec) -> None:
    """Refuse a command on the connection in that place, unless it is for administrators.

    Raises:
        ReplyError: max_clients.
    """
    if ADMINISTRATORS.isdisjoint(spec.categories) or "@keyspace" in spec.categories:
        session.close(f"it sent {spec.name} in the place that is kept for administrators")
        raise error(MAX_CLIENTS)
