"""The catalogue's state machine: PREPARE, then whichever of ACTIVATE and ABORT comes first (PROTOCOLS §7)."""

from random import Random

import msgspec
import pytest
from msgspec.structs import replace

from trilemma.keyspace.catalogue import (
    KEYSPACE_IDS_MAX,
    Abort,
    Activate,
    Alter,
    Catalogue,
    Prepare,
    decode_change,
    encode_change,
)
from trilemma.keyspace.settings import Mode, make
from trilemma.storage.rowkey import HASH_BITS

NODES = (1, 2, 3)


def fresh() -> Catalogue:
    return Catalogue.first(NODES, Mode.CP)


def test_a_prepared_keyspace_is_not_there_until_it_is_activated() -> None:
    catalogue = fresh()
    bank = make(catalogue.next_id, "bank", Mode.CP, NODES)
    assert catalogue.apply(5, 0, Prepare(bank, drops=False))
    assert "bank" not in catalogue.keyspaces
    assert catalogue.apply(6, 0, Activate(5))
    assert catalogue.keyspaces["bank"] == bank


def test_the_first_of_activate_and_abort_counts() -> None:
    catalogue = fresh()
    bank = make(catalogue.next_id, "bank", Mode.CP, NODES)
    catalogue.apply(5, 0, Prepare(bank, drops=False))
    assert catalogue.apply(6, 0, Abort(5))
    assert not catalogue.apply(7, 0, Activate(5))
    assert "bank" not in catalogue.keyspaces


def test_one_change_is_in_the_making_at_a_time() -> None:
    catalogue = fresh()
    assert catalogue.apply(5, 0, Prepare(make(2, "bank", Mode.CP, NODES), drops=False))
    assert not catalogue.apply(6, 0, Prepare(make(3, "shop", Mode.AP, NODES), drops=False))


def test_an_id_is_never_used_twice_even_after_an_abort_or_a_drop() -> None:
    catalogue = fresh()
    bank = make(catalogue.next_id, "bank", Mode.CP, NODES)
    catalogue.apply(5, 0, Prepare(bank, drops=False))
    catalogue.apply(6, 0, Abort(5))
    assert catalogue.next_id == bank.id + 1
    again = make(catalogue.next_id, "bank", Mode.CP, NODES)
    catalogue.apply(7, 0, Prepare(again, drops=False))
    catalogue.apply(8, 0, Activate(7))
    catalogue.apply(9, 0, Prepare(again, drops=True))
    catalogue.apply(10, 0, Activate(9))
    assert "bank" not in catalogue.keyspaces
    assert catalogue.next_id == again.id + 1


def test_a_keyspace_gets_the_next_id_whatever_its_coordinator_took_it_to_be() -> None:
    catalogue = fresh()
    for index, name in ((5, "bank"), (7, "shop")):
        catalogue.apply(index, 0, Prepare(make(2, name, Mode.CP, NODES), drops=False))
        catalogue.apply(index + 1, 0, Activate(index))
    assert [keyspace.id for keyspace in catalogue.keyspaces.values()] == [1, 2, 3]


@pytest.mark.parametrize("seed", range(20))
def test_no_order_of_changes_gives_an_id_twice(seed: int) -> None:
    """Coordinators know the catalogue of some time ago; changes of theirs come late, or twice."""
    rng, catalogue, used = Random(seed), fresh(), {1}
    rows = [catalogue.encode()]
    for index in range(1, 301):
        known = Catalogue.decode(rng.choice(rows[-6:]))
        name = rng.choice("abc")
        dropped = known.keyspaces.get(name)
        keyspace = dropped or make(known.next_id, name, Mode.CP, NODES)
        prepared = 0 if known.prepared is None else known.prepared.index
        change = rng.choice((Prepare(keyspace, drops=dropped is not None), Activate(prepared), Abort(prepared)))
        before = catalogue.prepared
        if catalogue.apply(index, 0, change) and isinstance(change, Prepare) and not change.drops:
            assert before is None
            assert catalogue.prepared is not None
            assert catalogue.prepared.keyspace.id not in used
            used.add(catalogue.prepared.keyspace.id)
        ids = [each.id for each in catalogue.keyspaces.values()]
        assert len(set(ids)) == len(ids)
        rows.append(catalogue.encode())
        catalogue = Catalogue.decode(rows[-1])
    assert len(used) > 10


def test_a_drop_of_a_keyspace_that_was_replaced_meanwhile_is_refused() -> None:
    catalogue = fresh()
    assert not catalogue.apply(5, 0, Prepare(make(9, "bank", Mode.CP, NODES), drops=True))


def test_a_keyspace_is_gone_once_it_was_dropped_or_given_up_and_not_before_its_id_was_given() -> None:
    catalogue = fresh()
    bank = make(2, "bank", Mode.CP, NODES)
    steps = [
        (Prepare(bank, drops=False), False),
        (Activate(1), False),
        (Prepare(bank, drops=True), False),
        (Activate(3), True),
        (Prepare(make(3, "shop", Mode.CP, NODES), drops=False), True),
        (Abort(5), True),
    ]
    assert not catalogue.is_gone(2)
    for index, (change, is_gone) in enumerate(steps, 1):
        assert catalogue.apply(index, 0, change)
        assert catalogue.is_gone(2) == is_gone
    assert [catalogue.is_gone(number) for number in (0, 1, 3, 4)] == [False, False, True, False]


def test_no_keyspace_is_made_once_the_ids_that_a_cursor_can_name_are_used_up() -> None:
    catalogue = Catalogue.decode(fresh().encode())
    catalogue._state.next_id = KEYSPACE_IDS_MAX
    assert catalogue.apply(1, 0, Prepare(make(2, "last", Mode.CP, NODES), drops=False))
    assert catalogue.apply(2, 0, Activate(1))
    assert catalogue.keyspaces["last"].id << HASH_BITS < 1 << 64
    assert catalogue.is_out_of_ids
    assert not catalogue.apply(3, 0, Prepare(make(2, "over", Mode.CP, NODES), drops=False))
    assert catalogue.apply(4, 0, Prepare(catalogue.keyspaces["last"], drops=True))


def test_alter_replaces_settings_of_the_same_keyspace_only() -> None:
    catalogue = fresh()
    default = catalogue.keyspaces["default"]
    assert catalogue.apply(5, 0, Alter(make(default.id, "default", Mode.CP, NODES, timeout_ms=500)))
    assert catalogue.keyspaces["default"].timeout_ms == 500
    assert not catalogue.apply(6, 0, Alter(make(default.id + 5, "default", Mode.CP, NODES)))


def test_alter_replaces_the_settings_that_it_names_and_leaves_what_another_one_has_changed() -> None:
    catalogue = fresh()
    default = catalogue.keyspaces["default"]
    catalogue.apply(5, 0, Alter(replace(default, write="all"), ("write",)))
    catalogue.apply(6, 0, Alter(replace(default, timeout_ms=500, read="lease"), ("timeout_ms",)))
    assert catalogue.keyspaces["default"] == replace(default, write="all", timeout_ms=500)


def test_an_alter_of_before_settings_were_named_replaces_them_all() -> None:
    catalogue = fresh()
    default = catalogue.keyspaces["default"]
    entry = msgspec.msgpack.encode([4, replace(default, write="all", timeout_ms=500)])
    assert catalogue.apply(5, 0, decode_change(entry))
    assert catalogue.keyspaces["default"] == replace(default, write="all", timeout_ms=500)


def test_the_state_survives_its_encoding() -> None:
    catalogue = fresh()
    catalogue.apply(5, 17, Prepare(make(2, "bank", Mode.CA, NODES), drops=False))
    copy = Catalogue.decode(catalogue.encode())
    assert copy.prepared == catalogue.prepared
    assert copy.keyspaces == catalogue.keyspaces
    assert copy.next_id == catalogue.next_id == 3
    change = Prepare(make(2, "bank", Mode.CA, NODES), drops=True)
    assert decode_change(encode_change(change)) == change
