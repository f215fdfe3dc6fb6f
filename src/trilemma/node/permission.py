"""Whether a session may begin a command at all, before its arguments are looked at.

Owns the refusals for want of proof, of an option, of knowledge of the keyspaces, of room for clients. What a command
may do within MULTI, or beside others, is for node/dispatch.py.
"""

from trilemma.base.errors import error, register
from trilemma.command.spec import CommandSpec
from trilemma.node import spare
from trilemma.node.server import Server
from trilemma.node.session import Session

register("no_auth", "NOAUTH Authentication required.", "send AUTH first")
register(
    "not_met",
    "CLUSTERDOWN {name} has not met the cluster since its disk was made, and does not know the keyspaces; nothing was "
    "read or written",
    "start the other nodes, or look at its INFO peers: a node that lost its disk is not taken back under its old name",
)

NEEDING_KEYSPACES = frozenset({"@string", "@keyspace", "@trilemma"})
"""The ACL categories of the commands that mean nothing to a node that does not know the keyspaces."""


def check(server: Server, session: Session, spec: CommandSpec) -> None:
    """Refuse a command that the session may not begin.

    Raises:
        ReplyError: debug_not_allowed, no_auth, max_clients, not_met.
    """
    if spec.name == "debug" and not server.config.debug_commands:
        raise error("debug_not_allowed")
    if not session.authenticated and not spec.is_open:
        raise error("no_auth")
    if session.is_spare:
        spare.check(session, spec)
    if (
        not server.has_met
        and (spec.name == "watch" or not NEEDING_KEYSPACES.isdisjoint(spec.categories))
        and spec.name != "lab"
    ):
        raise error("not_met", name=server.config.name)
