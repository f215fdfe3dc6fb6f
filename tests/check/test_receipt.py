"""Receipts and questions: each planted contradiction between what a store says of itself and what was seen is found."""

from typing import Any

import pytest

from trilemma.check.history import Operation
from trilemma.check.inquiry import check_conflicts, check_counts, check_digests, check_tokens
from trilemma.check.receipt import Terms, check_receipts, plainly
from trilemma.check.refusal import check_refusals
from trilemma.check.verdict import Validity

TERMS = Terms(3, 2, frozenset({"n1", "n2", "n3"}))


def told(
    kind: str, begin_us: int, value: bytes | None, *, mode: str = "cp", key: bytes = b"k", **facts: Any
) -> Operation:
    """Return an explained operation of 10 us, whose receipt is right but for the facts that are given."""
    is_write = kind == "write"
    durable = b"durable on 1, spreads to all" if mode == "ap" else b"durable on majority"
    promise = durable if is_write else b"own side's newest" if mode == "ap" else b"newest acknowledged"
    usual = {"node": b"n1", "keyspace": b"default", "mode": mode.encode(), "promise": promise, "stale_ms_max": 0}
    usual |= {"replicas": 2} | ({"vector": b"1:1"} if mode == "ap" else {"index": 5, "term": 1}) | {"warnings": ()}
    receipt = tuple((name.encode(), fact) for name, fact in (usual | facts).items())
    return Operation(
        begin_us, begin_us, begin_us + 10, f"explained_{kind}", key, value if is_write else None,
        (b"OK" if is_write else value, receipt), "ok", "n1", "default", mode,
    )  # fmt: skip


def plain_write(begin_us: int, value: bytes, *, mode: str = "cp", node: str = "n1") -> Operation:
    return Operation(begin_us, begin_us, begin_us + 10, "write", b"k", value, b"OK", "ok", node, "default", mode)


PROMISES = {
    ("write", "cp"): b"durable on majority", ("write", "ca"): b"durable on all",
    ("write", "ap"): b"durable on 1, spreads to all", ("read", "ap"): b"newest of 2 replicas",
    ("read", "cp"): b"newest acknowledged", ("read", "ca"): b"newest acknowledged",
}  # fmt: skip

STALE = b"stale: current at some time"

RIGHT = {
    "entries in order": [told("write", 0, b"a"), told("read", 20, b"a", index=5), told("write", 40, b"b", index=6)],
    "another key's entry, under a lease": [told("write", 0, b"a", index=5), told("read", 20, None, key=b"o", index=4)],
    "no bound": [plain_write(0, b"a"), told("stale_read", 9_000_000, None, promise=STALE, stale_ms_max=-1)],
    "within the bound": [plain_write(0, b"a"), told("stale_read", 900, None, promise=STALE, stale_ms_max=1)],
    "newest, though READONLY": [told("stale_read", 0, None)],
    "the entry before that of a write that it overlaps": [
        told("write", 0, b"a", index=6), told("write", 10, b"b", index=5),
    ],
    "a read of the entry of a write": [told("write", 0, b"a", index=5), told("read", 20, b"a", index=5)],
    "on ap, one batch of writes that overlap": [
        told("write", 0, b"a", mode="ap", vector=b"1:2"), told("write", 10, b"b", mode="ap", vector=b"1:2"),
    ],
    "on ap, a batch of one's own each": [
        told("write", 0, b"a", mode="ap", vector=b"1:1"), told("read", 20, b"a", mode="ap", vector=b"1:1"),
        told("write", 40, b"b", mode="ap", vector=b"1:2 2:1"),
        told("write", 60, b"c", mode="ap", node=b"n2", vector=b"2:3"),
    ],
    "on ap, what is concurrent": [
        plain_write(0, b"a", mode="ap"), plain_write(100, b"b", mode="ap", node="n2"),
        told("read", 9_000, b"a", mode="ap"),
    ],
}  # fmt: skip

WRONG = {
    "a replica too many": [told("write", 0, b"a", replicas=4)],
    "a replica too few": [told("write", 0, b"a", replicas=1)],
    "another keyspace": [told("write", 0, b"a", keyspace=b"shop")],
    "another mode": [told("write", 0, b"a", mode="ap", keyspace=b"default") ._replace(mode="cp")],
    "a read that promises what a write does": [told("read", 0, None, promise=b"durable on majority")],
    "a stale read on a connection that is not READONLY": [told("read", 0, None, promise=STALE)],
    "newest, and old": [told("read", 0, None, stale_ms_max=3)],
    "an older entry": [told("write", 0, b"a", index=5), told("write", 20, b"b", index=4)],
    "the entry of the write before": [told("write", 0, b"a", index=5), told("write", 20, b"b", index=5)],
    "the entry of another key's write": [told("write", 0, b"a", index=5), told("write", 20, b"b", key=b"o", index=5)],
    "the same index in a later term": [told("write", 0, b"a", index=5), told("write", 20, b"b", term=2, index=5)],
    "the batch of the write before": [
        told("write", 0, b"a", mode="ap", vector=b"1:1"), told("write", 20, b"b", mode="ap", vector=b"1:1 2:1"),
    ],
    "a batch that was there before the write": [
        told("read", 0, None, mode="ap", vector=b"1:1"), told("write", 20, b"b", mode="ap", vector=b"1:1"),
    ],
    "no batch of one's own": [told("write", 0, b"a", mode="ap", vector=b"2:7")],
    "an older term": [told("write", 0, b"a", term=2), told("write", 20, b"b", term=1, index=6)],
    "a read of an entry before the write": [told("write", 0, b"a", index=5), told("read", 20, b"a", index=4)],
    "staler than is said": [plain_write(0, b"a"), told("stale_read", 9_000, None, promise=STALE, stale_ms_max=1)],
    "a value that was replaced long ago": [
        plain_write(0, b"a"), plain_write(20, b"b"), told("stale_read", 9_000, b"a", promise=STALE, stale_ms_max=1),
    ],
    "on ap, absent for too long": [
        plain_write(0, b"a", mode="ap"), told("read", 9_000, None, mode="ap", stale_ms_max=1),
    ],
    "a vector that shrinks": [
        told("write", 0, b"a", mode="ap", vector=b"1:2 2:1"), told("read", 20, b"a", mode="ap", vector=b"1:3"),
    ],
    "a write that was not answered OK": [
        told("write", 0, b"a")._replace(result=(None, told("write", 0, b"a").result[1])),
    ],
    "a plain write that was not answered OK": [plain_write(0, b"a")._replace(result=None)],
    "a promise of nothing": [told("write", 0, b"a", promise=b"durable on ghosts")],
}  # fmt: skip

LACKED = ("node", "keyspace", "mode", "promise", "stale_ms_max", "replicas", "warnings")
"""What no receipt may lack; `index` and `term`, and on ap `vector`, beside them."""


@pytest.mark.parametrize("mode", ["cp", "ca", "ap"])
@pytest.mark.parametrize("kind", ["write", "read"])
def test_a_receipt_that_lacks_a_fact_or_says_anything_else_in_its_place_is_found(kind: str, mode: str) -> None:
    one = told(kind, 0, b"a", mode=mode, promise=PROMISES[kind, mode], replicas=3)
    reply, facts = one.result
    for name in (*LACKED, *(("vector",) if mode == "ap" else ("index", "term"))):
        others = tuple(pair for pair in facts if pair[0] != name.encode())
        assert check_receipts([one._replace(result=(reply, others))], TERMS).is_invalid, name
        for wrong in (None, "ERR x", b"ghost", -7, (None,)):
            changed = (*others, (name.encode(), wrong))
            assert check_receipts([one._replace(result=(reply, changed))], TERMS).is_invalid, (name, wrong)
    assert check_receipts([one], TERMS).is_valid


NO_RECEIPTS: list[Any] = [
    None, "ERR x", b"OK", (), (b"OK",), (b"OK", None), (b"OK", (b"node", b"n1")), (b"OK", ((b"node",),)),
    (b"OK", (([1], b"n1"),)), (b"OK", ((b"node", b"n1", b"n2"),)), (b"OK", ((b"node", b"n1"), (b"node", b"n2"))),
]  # fmt: skip


@pytest.mark.parametrize("kind", ["write", "read", "stale_read"])
@pytest.mark.parametrize("result", NO_RECEIPTS, ids=repr)
def test_what_is_no_receipt_is_found(result: Any, kind: str) -> None:
    one = told(kind, 0, b"a")._replace(result=result)
    assert check_receipts([one], TERMS).is_invalid
    assert [each.kind for each in plainly([one])] == [kind]


@pytest.mark.parametrize("name", RIGHT)
def test_a_receipt_that_says_what_was_seen_is_valid(name: str) -> None:
    assert check_receipts(RIGHT[name], TERMS).is_valid


@pytest.mark.parametrize("name", WRONG)
def test_a_receipt_that_says_what_cannot_be_is_found(name: str) -> None:
    assert check_receipts(WRONG[name], TERMS).is_invalid


def test_a_readonly_read_that_says_it_is_the_newest_is_judged_as_such() -> None:
    reads = [told("stale_read", 0, None), told("stale_read", 0, None, promise=STALE)]
    assert [each.kind for each in plainly(reads)] == ["read", "stale_read"]


def asked(kind: str, result: Any, *, argument: Any = None, mode: str = "ap") -> Operation:
    return Operation(9, 500, 510, kind, b"k", argument, result, "ok", "n1", "default", mode)


DIGEST, OTHER = b"a" * 32, b"b" * 32


def rows(*told: tuple[Any, ...], node: str = "n1") -> Operation:
    return asked("digests", told, mode="cp")._replace(node=node)


def test_two_digests_of_what_reflects_the_same_are_found() -> None:
    here = rows((b"default", 1024, b"index 8", DIGEST))
    there = rows((b"default", 1024, b"index 8", OTHER))
    later = rows((b"default", 1024, b"index 9", OTHER))
    held = {"1024": {"n1": f"index 8 {DIGEST.decode()}"}}
    assert check_digests([here, later], held, TERMS).is_valid
    assert check_digests([here, there], {"1024": {}}, TERMS).is_invalid
    assert check_digests([there], held, TERMS).is_invalid


def test_who_has_a_replica_shows_a_row_of_it_and_nobody_else_does() -> None:
    row = (b"default", 1024, b"index 8", DIGEST)
    assert check_digests([rows(row), rows(node="n9")], {"1024": {}}, TERMS).is_valid
    assert check_digests([rows()], {"1024": {}}, TERMS).is_invalid
    assert check_digests([rows(row, node="n9")], {"1024": {}}, TERMS).is_invalid
    assert check_digests([rows(row, row)], {"1024": {}}, TERMS).is_invalid
    assert check_digests([rows(row), rows((b"default", 2048, *row[2:]))], {"1024": {}}, TERMS).is_invalid
    assert check_digests([rows((b"shop", *row[1:]))], {"1024": {}}, TERMS).is_invalid


WRITTEN = [plain_write(0, b"a", mode="ap"), plain_write(20, b"b", mode="ap", node="n2")]


def conflict(shown: Any, hidden: Any, *, db: Any = 0, key: Any = b"k") -> list[Operation]:
    return [*WRITTEN, asked("conflicts", ((db, key, shown, hidden),))]


SHOWN, HIDDEN = (b"b", b"n2", 2), (b"a", b"n1", 1)

WRONG_CONFLICTS = {
    "two of one node": conflict((b"b", b"n1", 2), (HIDDEN,)),
    "the wrong way round": conflict(HIDDEN, (SHOWN,)),
    "of another node": conflict((b"b", b"n3", 2), (HIDDEN,)),
    "of no node": conflict((b"b", b"ghost", 2), (HIDDEN,)),
    "written by nobody": conflict(SHOWN, ((b"x", b"n1", 1),)),
    "shown, written by nobody": conflict((b"x", b"n2", 2), (HIDDEN,)),
    "nothing hidden": conflict(SHOWN, ()),
    "of another key": conflict(SHOWN, (HIDDEN,), key=b"other"),
    "of another database": conflict(SHOWN, (HIDDEN,), db=9),
    "no stamp": conflict((b"b", b"n2", None), (HIDDEN,)),
    "a stamp before all": conflict(SHOWN, ((b"a", b"n1", -1),)),
    "no list": [*WRITTEN, asked("conflicts", None)],
    "no row": [*WRITTEN, asked("conflicts", (b"k",))],
    "no sides": conflict(b"b", b"a"),
    "twice": [*WRITTEN, asked("conflicts", ((0, b"k", SHOWN, (HIDDEN,)),) * 2)],
}


def test_hidden_writes_of_several_nodes_are_valid() -> None:
    assert check_conflicts(conflict(SHOWN, (HIDDEN,)), TERMS).is_valid
    others = ((b"x", b"n2", 2), ((b"y", b"n1", 1),))
    assert check_conflicts(conflict(*others, key=b"of another workload"), TERMS).is_valid


def test_a_node_whose_wall_clock_was_not_to_be_trusted_yet_stamps_at_no_time() -> None:
    assert check_conflicts(conflict((b"b", b"n2", 0), ((b"a", b"n1", 0),)), TERMS).is_valid


@pytest.mark.parametrize("name", WRONG_CONFLICTS)
def test_hidden_writes_that_cannot_be_are_found(name: str) -> None:
    assert check_conflicts(WRONG_CONFLICTS[name], TERMS).is_invalid


def test_a_count_of_replicas_that_cannot_be_is_found() -> None:
    for mode, counts in (("cp", (1, 2)), ("ap", (0, 1, 2))):
        for count in (*range(-1, 4), None, b"1", "ERR unknown command 'WAIT'", "CLUSTERDOWN no majority"):
            waited = asked("counted_write", (b"OK", count), argument=b"a", mode=mode)
            assert check_counts([waited], TERMS).is_valid is (count in counts)


TOKEN = b"t1.gc0EAIEBAQ=="


def named(token: Any, node: str = "n2") -> Operation:
    return asked("named_write", (b"OK", token), argument=b"a")._replace(node=node)


def waited(value: bytes | None, is_reached: Any) -> Operation:
    return asked("awaited_read", (value, is_reached))


def test_who_has_waited_for_a_token_and_does_not_see_what_it_names_is_found() -> None:
    assert check_tokens([named(TOKEN), waited(b"a", True), waited(None, False)], TERMS).is_valid
    assert check_tokens([waited(None, True)], TERMS).is_invalid


def test_a_node_that_does_not_hold_what_its_own_token_names_is_found() -> None:
    assert check_tokens([named(TOKEN, "n1"), waited(b"a", True), waited(None, False)], TERMS).is_invalid


@pytest.mark.parametrize("token", [None, 7, b"zz", b"t1.", b"t1.gA==", b"t1.x", "ERR unknown subcommand 'TOKEN'"])
def test_a_token_that_is_none_is_found(token: Any) -> None:
    assert check_tokens([named(token)], TERMS).is_invalid


@pytest.mark.parametrize("said", [None, b"ghost", 7, "ERR that is no token of CAP TOKEN"])
def test_an_answer_of_cap_wait_that_is_none_is_found(said: Any) -> None:
    assert check_tokens([waited(b"a", True), waited(b"a", said)], TERMS).is_invalid


def test_tokens_none_of_which_was_ever_reached_show_nothing() -> None:
    assert check_tokens([named(TOKEN), waited(b"a", False)], TERMS).validity is Validity.UNKNOWN


def test_an_error_that_blames_the_command_is_no_refusal() -> None:
    read = asked("explained_read", "CLUSTERDOWN no majority")._replace(outcome="fail")
    assert check_refusals([read, read._replace(outcome="info", result=None)]).is_valid
    assert check_refusals([read._replace(result="ERR unknown command 'CAP'")]).is_invalid
    assert check_refusals([read._replace(result=(b"OK", "ERR x"), outcome="info")]).is_invalid
