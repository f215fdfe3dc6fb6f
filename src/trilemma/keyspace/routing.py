"""From a key to its shard: the text before the first `:` names the keyspace where there is one, else `default`."""

from collections.abc import Sequence

from trilemma.base.errors import error
from trilemma.base.ids import ShardId, shard_id
from trilemma.keyspace.catalogue import Catalogue
from trilemma.keyspace.settings import Keyspace
from trilemma.keyspace.slot import shard_ordinal, slot_of


class Router:
    """Key routes under one version of the catalogue."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._by_prefix: dict[bytes, Keyspace] = {}
        self._by_shard: dict[ShardId, Keyspace] = {}
        self._single: dict[bytes, ShardId] = {}
        self.load(catalogue)

    def load(self, catalogue: Catalogue) -> None:
        """Route by this catalogue from now on."""
        self._by_prefix = {name.encode(): keyspace for name, keyspace in catalogue.keyspaces.items()}
        self._by_shard = {
            shard: keyspace for keyspace in catalogue.keyspaces.values() for shard in keyspace.shard_ids()
        }
        self._single = {
            prefix: shard_id(keyspace.id, 0) for prefix, keyspace in self._by_prefix.items() if keyspace.shards == 1
        }
        self._default = self._by_prefix[b"default"]

    @property
    def keyspaces(self) -> list[Keyspace]:
        """All active keyspaces in the order of their creation."""
        return list(self._by_prefix.values())

    def keyspace(self, shard: ShardId) -> Keyspace | None:
        """Return the keyspace of a shard, or None where it was dropped."""
        return self._by_shard.get(shard)

    def named(self, prefix: bytes) -> Keyspace | None:
        """Return the keyspace of that name."""
        return self._by_prefix.get(prefix)

    def shard_of(self, key: bytes) -> ShardId:
        """Return the shard that a key lives in. Cost: two dictionary look-ups where the keyspace has one shard."""
        prefix = key.partition(b":")[0] if b":" in key else b"default"
        shard = self._single.get(prefix)
        if shard is not None:
            return shard
        keyspace = self._by_prefix.get(prefix, self._default)
        return shard_id(keyspace.id, shard_ordinal(slot_of(key), keyspace.shards))

    def shard_of_all(self, keys: Sequence[bytes]) -> ShardId:
        """Return the shard of keys that must share one.

        Raises:
            ReplyError: cross_slot.
        """
        shard = self.shard_of(keys[0])
        for key in keys[1:]:
            if self.shard_of(key) != shard:
                raise error("cross_slot")
        return shard
