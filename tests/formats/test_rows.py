"""Rows of every kind, and the operations that make those of `ap`. Golden bytes, and back.

Rows of CAP ONCE: tests/datatype/test_once.py.
"""

from fractions import Fraction
from typing import Any

import pytest

from trilemma.base.ids import Dot, ShardId
from trilemma.crdt.entry import Count, Deadline, KeyState, Reset, Written
from trilemma.datatype.causal import CausalView
from trilemma.datatype.once import command_hash
from trilemma.datatype.operations import decode_operations, encode_operations, read_resets
from trilemma.datatype.plain import PlainView
from trilemma.datatype.plain_rows import Found
from trilemma.keyspace import settings
from trilemma.keyspace.catalogue import Catalogue, Prepare
from trilemma.keyspace.settings import Mode
from trilemma.node.applied import Applied, applied_in, encode_applied
from trilemma.node.causal_rows import CausalRows, decode_reflected
from trilemma.replication.port import Batch, Reflected
from trilemma.storage import rowkey
from trilemma.storage.memory import MemoryEngine
from trilemma.storage.overlay import ShardRows
from trilemma.storage.rowkey import meta_key, shard_range

PLAIN, CAUSAL = ShardId(1024), ShardId(2048)
BEFORE = {PLAIN: "00000400" + "00000001", CAUSAL: "00000800" + "00000001"}
"""What the key of every row begins with: the shard, and the generation 1."""
K, N, C, T = "0862575d6b0c6b", "7808a3d29f836e", "06b9df6fe33e63", "856a5aa866f974"
"""Hash and bytes of the keys k, n, c and t."""

OPERATIONS = {
    "SET, with a deadline": ([1, 0, b"k", b"mine", 5_000, []], "960100c4016bc4046d696e65cd138890"),
    "EDIT": ([3, 0, b"k", b"edited", []], "950300c4016bc40665646974656490"),
    "DEADLINE": ([4, 0, b"k", 6_000], "940400c4016bcd1770"),
    "ADD": ([5, 0, b"n", 2_097_155, "7", 0, "0"], "970500c4016ece00200003a13700a130"),
    "SET over a counter": (
        [1, 0, b"n", b"1", 0, [[1, 2_097_155, 2_097_155, "7"]]],
        "960100c4016ec4013100919401ce00200003ce00200003a137",
    ),
    "ADD of a fraction": (
        [5, 0, b"n", 2_097_155, "15/2", 2_097_155, "7"],
        "970500c4016ece00200003a431352f32ce00200003a137",
    ),
    "ADD of another key": ([5, 0, b"c", 2_097_158, "3", 0, "0"], "970500c40163ce00200006a13300a130"),
    "DELETE": (
        [2, 0, b"c", [[1, 2_097_158, 2_097_158, "3"]]],
        "940200c40163919401ce00200006ce00200006a133",
    ),
    "SET of a key that expires": ([1, 0, b"t", b"", 5_000, []], "960100c40174c400cd138890"),
    "FLUSH of a db": ([6, 9, []], "93060990"),
}
"""What the commands of `one_turn` do, in their order: by operation, and as bytes."""

FLUSH_ALL = ([6, -1, [[0, b"n", [[1, 1_048_576, 1_048_576, "7"]]]]], "9306ff919300c4016e919401ce00100000ce00100000a137")


def written(rows: ShardRows, engine: MemoryEngine) -> dict[str, str]:
    """Return all rows of a shard, in hexadecimal, without what every key begins with."""
    rows.seal(0)
    batch = rows.drain(0)
    assert batch is not None
    engine.write(batch)
    before = BEFORE[rows.shard]
    found = {key.hex(): value.hex() for key, value in engine.scan(*shard_range(rows.shard, 1), 100)}
    assert all(key.startswith(before) for key in found)
    return {key.removeprefix(before): value for key, value in found.items()}


def test_the_numbers_of_rows_are_these() -> None:
    kinds = (rowkey.META, rowkey.KEY, rowkey.EXPIRY, rowkey.CLEARED, rowkey.HIDDEN, rowkey.ONCE, rowkey.AGE)
    assert kinds == (1, 2, 3, 4, 5, 6, 7)


def test_a_place_is_read_back() -> None:
    assert rowkey.located(3, b"k").hex() == "03" + K
    assert rowkey.read_place(bytes.fromhex("03" + K)) == (3, rowkey.key_hash(b"k"), b"k")
    suffix = rowkey.expiry_suffix(0x0102030405, rowkey.located(3, b"k"))
    assert rowkey.read_expiry(suffix) == (0x0102030405, bytes.fromhex("03" + K))
    assert rowkey.shard_of(bytes.fromhex(BEFORE[PLAIN] + "02")) == PLAIN


# cp and ca


def test_the_rows_of_a_plain_shard_are_these() -> None:
    engine = MemoryEngine()
    rows = ShardRows(engine, PLAIN, 1)
    view = PlainView(rows)
    view.begin(5, 1_000, 1_000, 0)
    view.set_string(3, b"k", b"value", 0x0102030405)
    view.set_string(3, b"n", b"7", None)
    view.next_unit()
    view.set_string(3, b"gone", b"", None)
    view.delete(3, b"gone")
    view.next_unit()
    view.flush(4)
    assert written(rows, engine) == {
        "01" + b"count".hex() + "03": "0000000000000002",
        "01" + b"flushed".hex(): "0000000000500002",
        "01" + b"gone".hex() + "03fd": "0000000000500001",
        "02" + "03" + K: "01" + "0000000000500000" + "0000000102030405" + b"value".hex(),
        "02" + "03" + N: "01" + "0000000000500000" + "0000000000000000" + b"7".hex(),
        "03" + "0000000102030405" + "03" + K: "",
    }


def test_a_plain_value_is_read_back() -> None:
    found = Found(bytes.fromhex("01" + "0000000000500000" + "0000000102030405") + b"value")
    assert (found.type, found.version, found.deadline_ms, found.payload) == (1, 5 << 20, 0x0102030405, b"value")


def test_what_a_plain_shards_rows_reflect_has_these_bytes() -> None:
    applied, golden = Applied(300, 8, 1_700_000_000_000), "93cd012c08cf0000018bcfe56800"
    assert encode_applied(applied).hex() == golden
    engine = MemoryEngine()
    rows = ShardRows(engine, PLAIN, 1)
    rows.put(meta_key(PLAIN, 1, b"applied"), bytes.fromhex(golden))
    assert written(rows, engine) == {"01" + b"applied".hex(): golden}
    assert applied_in(engine.read_view(), PLAIN, 1) == applied


def test_the_catalogue_has_these_bytes() -> None:
    catalogue = Catalogue.first((1, 2, 3), Mode.CP)
    catalogue.apply(7, 1_000, Prepare(settings.make(2, "shop", Mode.AP, (1, 2)), drops=False))
    golden = (
        "84a96b657973706163657381a764656661756c7489a2696401a46e616d65a764656661756c74a46d6f6465a26370a872"
        "65706c6963617393010203a673686172647301a57772697465a86d616a6f72697479a472656164ac6c696e656172697a"
        "61626c65aa6475726162696c697479a473796e63aa74696d656f75745f6d73cd07d0a8707265706172656484a5696e64"
        "657807a86b6579737061636589a2696402a46e616d65a473686f70a46d6f6465a26170a87265706c69636173920102a6"
        "73686172647301a57772697465a131a472656164a131aa6475726162696c697479a473796e63aa74696d656f75745f6d"
        "73cd07d0a564726f7073c2a87374616d705f6d73cd03e8a76e6578745f696403a776657273696f6e07"
    )
    assert catalogue.encode().hex() == golden
    read = Catalogue.decode(bytes.fromhex(golden))
    assert (read.keyspaces, read.prepared, read.next_id, read.version) == (
        catalogue.keyspaces,
        catalogue.prepared,
        3,
        7,
    )


def test_a_command_under_a_token_is_known_by_this_hash() -> None:
    assert command_hash([b"INCR", b"n"]).hex() == "453af94fc500d2aae4b36526f40b60f8"


# ap


def one_turn(view: CausalView) -> None:
    """Execute commands as one batch, the second of node 1."""
    view.begin(Batch(1, 2, 65_537, {1: 1}, b""), 1_000, 0)
    view.set_string(0, b"k", b"mine", 5_000)
    view.edit_string(0, b"k", b"edited")
    view.set_deadline(0, b"k", 6_000)
    view.add_integer(0, b"n", 7)
    view.set_string(0, b"n", b"1", None)
    view.add_float(0, b"n", b"0.5")
    view.add_integer(0, b"c", 3)
    view.delete(0, b"c")
    view.set_string(0, b"t", b"", 5_000)
    view.flush(9)


def test_a_turns_operations_are_these() -> None:
    view = CausalView(ShardRows(MemoryEngine(), CAUSAL, 1), 1, 1)
    one_turn(view)
    assert view.operations == [operation for operation, _ in OPERATIONS.values()]


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_has_these_bytes_and_comes_back(name: str) -> None:
    operation, golden = OPERATIONS[name]
    assert encode_operations([operation]).hex() == "91" + golden
    assert decode_operations(bytes.fromhex("91" + golden)) == [operation]


def test_a_flush_of_all_dbs_says_which_counters_it_saw() -> None:
    view = CausalView(ShardRows(MemoryEngine(), CAUSAL, 1), 1, 1)
    view.begin(Batch(1, 1, 65_536, {}, b""), 1_000, 0)
    view.add_integer(0, b"n", 7)
    view.begin(Batch(1, 2, 65_537, {1: 1}, b""), 1_000, 0)
    view.flush(None)
    operation, golden = FLUSH_ALL
    assert view.operations == [operation]
    assert encode_operations([operation]) == bytes.fromhex("91" + golden)
    (found,) = decode_operations(bytes.fromhex("91" + golden))
    assert found == operation
    assert read_resets(found[2][0][2]) == [Reset(1, 1 << 20, 1 << 20, Fraction(7))]


def test_the_rows_of_a_causal_shard_are_these() -> None:
    engine = MemoryEngine()
    rows = ShardRows(engine, CAUSAL, 1)
    view = CausalView(rows, 1, 1)
    one_turn(view)
    view.apply(Batch(2, 1, 65_536, {}, bytes.fromhex("91" + "960100c4016bc40674686569727300" + "90")))
    assert written(rows, engine) == {
        "01" + b"count".hex() + "00": "0000000000000003",
        "02" + "00" + C: "939090919601ce00200006ce00200006a133ce00200006a133",
        "02" + "00" + K: STATE_OF_K,
        "02" + "00" + N: "939195010204ce00010001c40131919401020400919601ce00200003ce00200005a431352f32ce00200003a137",
        "02" + "00" + T: "939195010208ce00010001c4009194010208cd138890",
        "03" + "0000000000001388" + "00" + T: "",
        "04" + "00" + C: "",
        "05" + "00" + K: "",
    }


STATE_OF_K = (
    "9392" + "95010201ce00010001c406656469746564" + "95020100ce00010000c406746865697273"
    + "92" + "94010202cd1770" + "9402010000" + "90"
)  # fmt: skip
"""Two SETs, the one of node 1 shown; two deadlines; no counter."""


@pytest.mark.parametrize(
    ("golden", "state"),
    [
        (
            STATE_OF_K,
            KeyState(
                [Written(Dot(1, 2, 1), 65_537, b"edited"), Written(Dot(2, 1, 0), 65_536, b"theirs")],
                [Deadline(Dot(1, 2, 2), 6_000), Deadline(Dot(2, 1, 0), 0)],
            ),
        ),
        (
            "939090919601ce00200006ce00200006a133ce00200006a133",
            KeyState(counts={1: Count(2_097_158, 2_097_158, Fraction(3), 2_097_158, Fraction(3))}),
        ),
        (
            "939090919602050ca431352f3200a130",
            KeyState(counts={2: Count(5, 12, Fraction(15, 2), 0, Fraction(0))}),
        ),
    ],
)
def test_a_state_has_these_bytes_and_comes_back(golden: str, state: KeyState) -> None:
    encoded: Any = state.encode()
    assert encoded.hex() == golden
    assert KeyState.decode(bytes.fromhex(golden)) == state


def test_what_a_causal_shards_rows_reflect_has_these_bytes() -> None:
    engine = MemoryEngine()
    overlay = ShardRows(engine, CAUSAL, 1)
    reflected, golden = Reflected({1: 7, 2: 300}, 65_537), "9282010702cd012cce00010001"
    CausalRows(overlay, 1, 1).seal(0, reflected)
    assert written(overlay, engine) == {"01" + b"applied".hex(): golden}
    assert decode_reflected(bytes.fromhex(golden)) == reflected
