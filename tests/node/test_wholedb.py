"""Commands about all keys while keyspaces come and go: FLUSHALL names what it flushed, SCAN shows all that stays."""

import pytest

from stage import Stage


@pytest.fixture
def stage() -> Stage:
    stage = Stage()
    stage.lead(1)
    return stage


def create(stage: Stage, *names: str) -> None:
    for name in names:
        assert stage.ask(1, "KEYSPACE", "CREATE", name, "MODE", "cp").reply == b"OK"
        stage.until_ok(1, "SET", f"{name}:k", "v")


def test_a_flush_in_part_names_also_a_keyspace_that_was_dropped_meanwhile(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(stage, "short")
    made = stage.cluster.processes[1].node
    assert made is not None
    monkeypatch.setattr(made.replicas[stage._shard("shop")], "submit", lambda batch: None)
    flush = stage.begin(1, "FLUSHALL")
    stage.run(100_000)
    assert stage.ask(1, "KEYSPACE", "DROP", "short").reply == b"OK"
    answer = stage.wait(flush)
    assert answer.is_uncertain
    done = answer.reply.partition("flushed were: ")[2].partition(";")[0].split(", ")
    assert set(done) == {"default", "bank", "ledger", "site", "short"}


def scan(stage: Stage, cursor: bytes, *words: str) -> tuple[bytes, list[bytes]]:
    reply = stage.ask(1, "SCAN", cursor.decode(), "COUNT", "10", *words).reply
    assert isinstance(reply, tuple), reply
    return reply[0], list(reply[1])


def test_a_whole_scan_shows_all_that_stays_when_a_keyspace_is_dropped_in_the_middle(stage: Stage) -> None:
    create(stage, "ka", "kb")
    kept = {f"kb:{number}".encode() for number in range(40)} | {b"kb:k"}
    for number in range(40):
        for name in ("ka", "kb"):
            assert stage.ask(1, "SET", f"{name}:{number}", "v").reply == b"OK"
    seen: set[bytes] = set()
    cursor, is_dropped = b"0", False
    while cursor != b"0" or not seen:
        cursor, keys = scan(stage, cursor)
        seen.update(keys)
        if not is_dropped and sum(key.startswith(b"ka:") for key in seen) >= 20:
            assert stage.ask(1, "KEYSPACE", "DROP", "ka").reply == b"OK"
            is_dropped = True
    assert is_dropped
    assert seen >= kept


def test_a_cursor_behind_the_last_keyspace_ends_the_scan_and_one_before_it_begins_it(stage: Stage) -> None:
    create(stage, "ka")
    assert scan(stage, b"%d" % (6 << 48)) == (b"0", [b"ka:k"])
    assert scan(stage, b"%d" % (7 << 48)) == (b"0", [])
    assert stage.ask(1, "KEYSPACE", "DROP", "ka").reply == b"OK"
    assert scan(stage, b"%d" % (6 << 48 | 99)) == (b"0", [])


def test_a_cursor_of_a_scan_in_a_transaction_goes_on_outside_of_it(stage: Stage) -> None:
    create(stage, "ka")
    for number in range(30):
        assert stage.ask(1, "SET", f"ka:{number}", "v").reply == b"OK"
    cursor, keys = scan(stage, b"0", "MATCH", "ka:*")
    hash_alone = int(cursor) & ((1 << 48) - 1)
    assert hash_alone
    onward = scan(stage, b"%d" % hash_alone, "MATCH", "ka:*")
    assert onward == scan(stage, cursor, "MATCH", "ka:*")
    assert not set(onward[1]) & set(keys)
