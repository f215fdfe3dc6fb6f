"""What is fixed when a cluster is founded: its members, and the mode of the keyspace `default`.

Every node begins with the catalogue that follows from it, so all must begin with the same, for ever: a directory
remembers it (directory.py), and two nodes that differ in it do not speak to each other (handshake.py).
"""

from hashlib import blake2b

import msgspec

from trilemma.base.ids import NodeId

DIGEST_BYTES = 16


class Founding(msgspec.Struct, frozen=True):
    """The founding facts. `members`: names by id, the ids as text."""

    default_mode: str
    members: dict[str, str]

    @classmethod
    def of(cls, default_mode: str, names: dict[NodeId, str]) -> "Founding":
        """Return the facts of a configuration."""
        return cls(default_mode, {str(node): name for node, name in sorted(names.items())})

    @property
    def digest(self) -> str:
        """What two nodes compare; it tells a stranger nothing."""
        facts = msgspec.json.encode([self.default_mode, sorted(self.members.items())])
        return blake2b(facts, digest_size=DIGEST_BYTES).hexdigest()

    def why_not(self, wanted: "Founding") -> str | None:
        """Return why a node that was founded with this cannot be started as `wanted`, or None."""
        if wanted.default_mode != self.default_mode:
            return (
                f"was founded with default_mode {self.default_mode}, not {wanted.default_mode}: the mode of a keyspace "
                "never changes; set it back"
            )
        if wanted.members != self.members:
            return (
                f"was founded with the members {_listed(self.members)}, not {_listed(wanted.members)}: adding, "
                "removing and renaming members is not built yet; set them back"
            )
        return None


def _listed(members: dict[str, str]) -> str:
    return ", ".join(f"{name} ({node})" for node, name in members.items())
