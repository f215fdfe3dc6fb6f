"""A run takes its keys away from a store that was there before: whatever was sent, and however it ends."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from running_redis import ask_at, needs_redis, redis_that_runs
from trilemma.target import address as address_module
from trilemma.target.address import Address
from trilemma.target.keys import keys_of_step
from trilemma.target.machines import Place
from trilemma.target.plan import Plan
from trilemma.target.port import WORKLOADS, Client, Keyspace, Target, TargetError
from trilemma.target.redis_server import holds_within
from trilemma.target.run import RunInterrupt, run
from trilemma.target.wire import PATIENCE_S
from trilemma.workload.step import Command, Reply, Step

TIMEOUT_S = 20.0


def keys_at(place: Place) -> object:
    return ask_at(place, "DBSIZE")


# What a step names


@pytest.mark.parametrize(
    ("commands", "keys"),
    [
        (((b"GET", b"k"),), {b"k"}),
        (((b"MSET", b"g0", b"100", b"g1", b"100"),), {b"g0", b"g1"}),
        (((b"WATCH", b"g0", b"g1"), (b"MGET", b"g0", b"g1")), {b"g0", b"g1"}),
        (((b"MULTI",), (b"SET", b"g0", b"1"), (b"SET", b"g1", b"2"), (b"EXEC",)), {b"g0", b"g1"}),
        (((b"CAS", b"k", b"old", b"new"),), {b"group"}),
        (((b"PING",),), set()),
    ],
)
def test_keys_are_those_that_the_commands_name_and_of_foreign_ones_the_operations(
    commands: tuple[Command, ...], keys: set[bytes]
) -> None:
    assert keys_of_step(Step(1, commands, "command", b"group")) == keys


# A server of one's own


@pytest.mark.process
@needs_redis
@pytest.mark.parametrize("workload", WORKLOADS)
def test_no_key_of_a_run_is_left(tmp_path: Path, workload: str) -> None:
    with redis_that_runs(tmp_path) as place:
        ask_at(place, "SET", "theirs", "1")
        result = run(Address([str(place)]), Plan(workload, "none", 0.5, rate=400))
        assert len(result.operations) > 50
        assert ask_at(place, "KEYS", "*") == [b"theirs"]


@pytest.mark.process
@needs_redis
@pytest.mark.parametrize("workload", ["registers", "bank"])
def test_no_key_is_left_by_a_run_that_ctrl_c_breaks_off(tmp_path: Path, workload: str) -> None:
    with redis_that_runs(tmp_path) as place:
        words = ["check", "run", "--target", str(place), "--workload", workload, "--time", "60"]
        command = subprocess.Popen(
            [sys.executable, "-m", "trilemma", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        try:
            assert holds_within(lambda: keys_at(place) in (4, 5), TIMEOUT_S)
            command.send_signal(signal.SIGINT)
            said = command.communicate(timeout=TIMEOUT_S)[0]
        finally:
            command.kill()
            command.wait()
        assert command.returncode == 2
        assert "interrupted" in said
        assert keys_at(place) == 0


@pytest.mark.process
@needs_redis
def test_keys_that_a_replica_does_not_remove_the_next_address_does(tmp_path: Path) -> None:
    with redis_that_runs(tmp_path) as primary:
        words = ("--replicaof", primary.host, str(primary.port), "--repl-diskless-sync-delay", "0")
        (tmp_path / "replica").mkdir()
        with redis_that_runs(tmp_path / "replica", *words) as replica:
            target = Address([str(replica), str(primary)])
            ask_at(primary, "MSET", "a", "1", "b", "2")
            assert holds_within(lambda: keys_at(replica) == 2, TIMEOUT_S)
            target.forget([b"a", b"b"])
            assert keys_at(primary) == 0
            assert len(target.notes()) == 1


# A store that does not answer


def test_a_server_that_does_not_answer_is_given_up_and_the_keys_that_may_be_left_are_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(address_module, "BATCH", 1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        target = Address([f"127.0.0.1:{silent.getsockname()[1]}"])
        began = time.monotonic()
        target.forget(b"k%d" % number for number in range(1_000))
        assert time.monotonic() - began < PATIENCE_S + 1
    assert any("1,000 keys" in note and "trilemma-check-" in note for note in target.notes())


class Answers(Target):
    """A store without a server, which answers each command with OK, and notes what it is to forget."""

    name = "answers"

    def __init__(self, reply: Reply = b"OK") -> None:
        super().__init__()
        self.nodes = ("n1",)
        self.keyspaces = (Keyspace("k", b"p-"),)
        self.reply = reply
        self.forgotten: list[set[bytes]] = []
        self.seen: set[bytes] = set()

    def client(self, node: str, keyspace: Keyspace) -> Client:
        return AnswersClient(self)

    def forget(self, keys: Iterable[bytes]) -> None:
        self.forgotten.append(set(keys))


class AnswersClient:
    def __init__(self, store: Answers) -> None:
        self._store = store

    def execute(self, commands: Sequence[Command]) -> Sequence[Reply]:
        self._store.seen |= {word for command in commands for word in command[1:] if word.startswith(b"p-{bank}")}
        return [self._store.reply] * len(commands)

    def is_usable(self) -> bool:
        return True

    def close(self) -> None:
        pass


def test_what_was_forgotten_before_a_run_was_broken_off_is_not_forgotten_again() -> None:
    class BrokenOff(Answers):
        stops = 0

        def stop(self) -> None:
            self.stops += 1
            if self.stops == 1:
                raise KeyboardInterrupt

    target = BrokenOff()
    with pytest.raises(RunInterrupt):
        run(target, Plan("bank", "none", 0.05, rate=1_000))
    assert target.forgotten == [target.seen]


def test_a_run_that_ends_by_a_failure_forgets_what_it_had_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trilemma.target.load.FINAL_TRIES_MAX", 2)
    target = Answers("UNCERTAIN why")
    with pytest.raises(TargetError, match="cannot be opened"):
        run(target, Plan("bank", "none", 0.05))
    assert target.forgotten == [target.seen]
    assert len(target.seen) == 4


def test_a_store_that_cannot_be_asked_any_more_costs_no_recording() -> None:
    class Gone(Answers):
        def settle(self) -> bool:
            raise KeyboardInterrupt

        def forget(self, keys: Iterable[bytes]) -> None:
            raise TargetError("gone")

    with pytest.raises(RunInterrupt) as caught:
        run(Gone(), Plan("registers", "none", 0.05, rate=1_000))
    assert caught.value.result.operations
