"""How one replica stands: all that the node can see of it. Changes nothing.

Everything here is as of the last `advance` (replica.py), and from this replica alone: what it has heard, not what is.
Paper figure 2 (state), of which it shows parts; what it says of leases is not in the paper: PROTOCOLS §3.6, §3.7.
"""

from trilemma.base.ids import NodeId
from trilemma.replication.port import Entry
from trilemma.replication.raft.configuration import Configuration
from trilemma.replication.raft.core import Core
from trilemma.replication.raft.follower import Follower
from trilemma.replication.raft.leader import Leader
from trilemma.replication.raft.roles import Role, Roles
from trilemma.replication.raft.timing import LONG_AGO_US


class Standing:
    """What is read of a replica."""

    def __init__(self, core: Core, roles: Roles) -> None:
        self._core = core
        self._roles = roles

    # --- who leads, and among whom ---

    @property
    def role(self) -> Role:
        """The current role."""
        return self._roles.name

    @property
    def is_leader(self) -> bool:
        """Say whether this replica leads in its term."""
        return isinstance(self._roles.current, Leader)

    def has_led(self, term: int) -> bool:
        """Say whether this replica has led in a term since its start, does no more, and so never will again."""
        return term in self._roles.led_terms and not (self.is_leader and term == self.term)

    @property
    def holds_back(self) -> bool:
        """Say whether this replica leads and takes no proposal in now: it hands over, or too much is uncommitted."""
        return isinstance(self._roles.current, Leader) and self._roles.current.holds_back

    @property
    def heir(self) -> NodeId | None:
        """To whom this leader hands over now, None while it does not."""
        role = self._roles.current
        return role.transfer.target if isinstance(role, Leader) and role.transfer is not None else None

    @property
    def leader(self) -> NodeId | None:
        """The leader of the current term, None while it is not known."""
        return self._roles.current.leader

    @property
    def term(self) -> int:
        """The current term."""
        return self._core.term

    @property
    def configuration(self) -> Configuration:
        """The configuration in force."""
        return self._core.configuration

    def in_force_at(self, index: int) -> tuple[Configuration, bool]:
        """Return the configuration, and whether leases may be granted, as entries up to an index of the log say."""
        return self._core.configurations.at(index), self._core.leases.at(index)

    def quorum_reachable(self, up: frozenset[NodeId]) -> bool:
        """Say whether this node and those in `up` are a majority of the voters."""
        return self._core.quorum_reachable(up)

    # --- the log ---

    @property
    def commit_index(self) -> int:
        """Up to where entries are known to be committed."""
        return self._core.commit_index

    @property
    def replicated_index(self) -> int:
        """Up to where every member is known to hold the log durably."""
        return self._core.replicated_index

    @property
    def last_index(self) -> int:
        """The index of the last entry."""
        return self._core.log.last_index

    @property
    def durable_index(self) -> int:
        """Up to where this node's disk holds the log."""
        return self._core.log.durable_index

    @property
    def first_needed(self) -> int:
        """The lowest index that the node's log must keep."""
        return self._core.first_needed

    def entries(self, first: int, last: int) -> list[Entry]:
        """Return entries of the log, committed or not; fewer where they are many bytes."""
        return self._core.entries(first, last)

    @property
    def truncations(self) -> int:
        """How often entries of the log were replaced since the start."""
        return self._core.truncations

    def match_index(self, peer: NodeId) -> int:
        """Return up to where a peer's log is known to agree durably, 0 where this replica does not lead."""
        return self._roles.current.match_index(peer) if isinstance(self._roles.current, Leader) else 0

    def entries_behind(self, peer: NodeId) -> int | None:
        """Return how many entries a peer's log is behind; None where it has not yet said, or this one does not lead."""
        leader = self._roles.current
        if not isinstance(leader, Leader) or not leader.has_agreed(peer):
            return None
        return max(self.last_index - leader.match_index(peer), 0)

    def durable_on(self, index: int) -> list[NodeId]:
        """Return the voters known here to hold the log durably up to an index; a follower knows of itself only."""
        if isinstance(self._roles.current, Leader):
            return self._roles.current.durable_on(index)
        return [self._core.node] if self.durable_index >= index and self._core.is_voter else []

    # --- what may be read ---

    def current_as_of_us(self, applied_term: int) -> int | None:
        """Return the time, by the own clock, before which all that was acknowledged is in rows whose last entry is of a
        term; None where no leader's word is known to be in them. See `currency`."""
        as_of_us, role = self._core.currency.as_of_us, self._roles.current
        if isinstance(role, Leader) and applied_term == self._core.term:
            as_of_us = max(as_of_us, role.authority.majority_us)
        return None if as_of_us == LONG_AGO_US else as_of_us

    def lease_read_ok(self) -> bool:
        """Say whether a read may be served at `commit_index` now, by the leader's own lease."""
        return isinstance(self._roles.current, Leader) and self._roles.current.authority.lease_lives()

    def local_read_index(self) -> int | None:
        """Return the commit index that this follower's live lease names, None without one.

        A key that no entry above the applied index touches may be read once applied_index has reached it.
        """
        return self._roles.current.local_read_index() if isinstance(self._roles.current, Follower) else None

    @property
    def grants_leases(self) -> bool:
        """Whether the newest setting in the log lets the leader grant read leases."""
        return self._core.leases.newest

    # --- time ---

    def log_time_ms(self) -> int:
        """Return log time as of the last `advance`."""
        return self._core.log_time.now_ms

    @property
    def next_deadline_us(self) -> int:
        """When `advance` has something to do though nothing comes in."""
        if self._core.has_more_committed:
            return self._core.now.mono_us
        return self._roles.current.deadline_us
