"""Who belongs to the group, and how that may change: one voter at a time (thesis §4.1).

Owns the rules of a change, not its replication. Learners receive the log and have no vote (thesis §4.2.1).
"""

import msgspec

from trilemma.base.ids import NodeId


class Configuration(msgspec.Struct, frozen=True, array_like=True):
    """The members of the group, each list ascending. The body of a CONFIGURATION entry."""

    voters: tuple[NodeId, ...]
    learners: tuple[NodeId, ...] = ()

    @property
    def quorum(self) -> int:
        """How many voters are a majority."""
        return len(self.voters) // 2 + 1

    @property
    def members(self) -> tuple[NodeId, ...]:
        """Voters and learners."""
        return (*self.voters, *self.learners)

    def encode(self) -> bytes:
        """Return the body of the entry that puts this configuration in force."""
        return _encode(self)


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Configuration).decode


def decode_configuration(body: bytes) -> Configuration:
    """Return the configuration of an entry's body."""
    return _decode(body)


class ConfigurationRules:
    """When a leader may append a change of the configuration."""

    @classmethod
    def allow(
        cls, current: Configuration, proposed: Configuration, current_committed: bool, own_term_committed: bool
    ) -> bool:
        """Say whether `proposed` may be appended now."""
        return (
            cls._own_term_committed(own_term_committed)
            and cls._none_in_flight(current_committed)
            and cls._one_voter_at_a_time(current, proposed)
            and cls._well_formed(proposed)
        )

    @staticmethod
    def _own_term_committed(own_term_committed: bool) -> bool:
        # Ongaro, raft-dev 2015-07-10: without it two leaders can each change from the same old configuration.
        return own_term_committed

    @staticmethod
    def _none_in_flight(current_committed: bool) -> bool:
        return current_committed

    @staticmethod
    def _one_voter_at_a_time(current: Configuration, proposed: Configuration) -> bool:
        return len(set(current.voters) ^ set(proposed.voters)) <= 1

    @staticmethod
    def _well_formed(proposed: Configuration) -> bool:
        members = proposed.members
        return bool(proposed.voters) and len(set(members)) == len(members)


def majority_value(values: list[int], quorum: int) -> int:
    """Return the highest value that at least `quorum` of the values reach."""
    return sorted(values, reverse=True)[quorum - 1]
