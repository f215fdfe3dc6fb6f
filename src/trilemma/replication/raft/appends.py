"""The judge of appends: which come from the leader of the term, and what answers to the own ones count for.

Owns whether others' entries are taken at all. What they do to the log is the role's part, in `follower` and `leader`.
Paper §5.1, §5.3.
"""

import msgspec

from trilemma.base.ids import NodeId
from trilemma.base.invariant import invariant
from trilemma.replication.raft import messages as m
from trilemma.replication.raft.core import Core
from trilemma.replication.raft.entry import is_payload
from trilemma.replication.raft.follower import Follower
from trilemma.replication.raft.leader import Leader
from trilemma.replication.raft.roles import Roles


class Appends:
    """One replica's part in replication, as follower and as leader."""

    def __init__(self, core: Core, roles: Roles) -> None:
        self._core = core
        self._roles = roles
        self.takes_entries = True
        """Whether the disk has room for others' entries; without it they count as lost on the way (PROTOCOLS §6.4)."""
        self.awaits_rows = False
        """Whether a record has named rows as the base of the log that are not in use yet: no entry may come behind that
        record which they hold already, or which does not follow from them."""

    def append_entries(self, sender: NodeId, message: m.AppendEntries) -> None:
        """Follow the leader of the term; one of an earlier term is told of this one."""
        core = self._core
        if message.term < core.term:
            core.send(sender, m.AppendRejected(core.term, message.round, message.prev_index, 0, 0))
            return
        if not all(is_payload(payload) for _, payload in message.entries):
            return
        if message.entries and (self.awaits_rows or not self.takes_entries):
            message = msgspec.structs.replace(message, entries=[])
        self._roles.learn_term(message.term)
        invariant(not isinstance(self._roles.current, Leader), "a term has one leader")
        if not isinstance(self._roles.current, Follower):
            self._roles.follow(sender, core.timer.silence_us())
        if isinstance(self._roles.current, Follower):
            self._roles.current.append_entries(sender, message)

    def accepted(self, sender: NodeId, message: m.AppendAccepted) -> None:
        """Take note that a follower holds what was sent."""
        self._roles.learn_term(message.term)
        if isinstance(self._roles.current, Leader) and message.term == self._core.term:
            self._roles.current.accepted(sender, message)

    def rejected(self, sender: NodeId, message: m.AppendRejected) -> None:
        """Take note that a follower's log does not agree where it was sent to, or that its term is higher."""
        self._roles.learn_term(message.term)
        if isinstance(self._roles.current, Leader) and message.term == self._core.term:
            self._roles.current.rejected(sender, message)
