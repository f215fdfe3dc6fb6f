"""From key to shard: prefix, hash tag, slot."""

import pytest

from trilemma.base.errors import ReplyError
from trilemma.base.ids import DEFAULT_KEYSPACE, shard_id
from trilemma.keyspace.catalogue import Activate, Catalogue, Prepare
from trilemma.keyspace.routing import Router
from trilemma.keyspace.settings import Mode, make
from trilemma.keyspace.slot import SLOTS, hash_tag, shard_ordinal, slot_of

DEFAULT = shard_id(DEFAULT_KEYSPACE, 0)
BANK = shard_id(2, 0)


@pytest.fixture
def router() -> Router:
    catalogue = Catalogue.first((1, 2, 3), Mode.CP)
    catalogue.apply(1, 0, Prepare(make(2, "bank", Mode.CP, (1, 2, 3)), drops=False))
    catalogue.apply(2, 0, Activate(1))
    return Router(catalogue)


@pytest.mark.parametrize(
    ("key", "shard"),
    [
        (b"bank:alice", BANK),
        (b"bank:", BANK),
        (b"bank", DEFAULT),
        (b"banks:alice", DEFAULT),
        (b"", DEFAULT),
        (b":bank", DEFAULT),
        (b"nosuch:bank:x", DEFAULT),
        (b"\xff\x00:x", DEFAULT),
    ],
)
def test_the_text_before_the_first_colon_names_the_keyspace(router: Router, key: bytes, shard: int) -> None:
    assert router.shard_of(key) == shard


def test_keys_of_two_keyspaces_do_not_go_together(router: Router) -> None:
    assert router.shard_of_all([b"bank:a", b"bank:b"]) == BANK
    with pytest.raises(ReplyError, match="CROSSSLOT"):
        router.shard_of_all([b"bank:a", b"b"])


# Slots as `redis-cli CLUSTER KEYSLOT` of Redis 7.0.15 gives them.
@pytest.mark.parametrize(("key", "slot"), [(b"123456789", 12739), (b"foo", 12182), (b"", 0), (b"{foo}bar", 12182)])
def test_slots_are_those_of_redis_cluster(key: bytes, slot: int) -> None:
    assert slot_of(key) == slot


@pytest.mark.parametrize(
    ("key", "tag"), [(b"a{b}c", b"b"), (b"a{}c", b"a{}c"), (b"a{b", b"a{b"), (b"{{b}}", b"{b"), (b"}{x}", b"x")]
)
def test_the_hash_tag_is_between_the_first_brace_and_the_next_closing_one(key: bytes, tag: bytes) -> None:
    assert hash_tag(key) == tag


def test_slot_ranges_cover_all_slots_evenly() -> None:
    counts = [0] * 3
    for slot in range(SLOTS):
        counts[shard_ordinal(slot, 3)] += 1
    assert max(counts) - min(counts) <= 1
