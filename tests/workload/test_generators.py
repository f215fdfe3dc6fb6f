"""Generators: driven against a little store in order, every history must be valid; replies must be read rightly."""

from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from trilemma.check.history import Operation
from trilemma.check.linearizable import check_linearizable
from trilemma.check.model import APPEND, COUNTER, KEY_SET, MULTI_REGISTER, register
from trilemma.check.redis_entry import Data
from trilemma.check.redis_model import REDIS, reply
from trilemma.workload.append import Appends
from trilemma.workload.bank import Bank
from trilemma.workload.cas import CompareAndSets
from trilemma.workload.counter import Counters
from trilemma.workload.databases import Databases
from trilemma.workload.expiry import Expiries
from trilemma.workload.founding import NAMES_MAX, Foundings
from trilemma.workload.mixed import Mixed
from trilemma.workload.multi import Groups
from trilemma.workload.passing import Passing
from trilemma.workload.register import Registers
from trilemma.workload.reply import LOST
from trilemma.workload.step import Generator, Step
from trilemma.workload.strings import StringCommands

STEPS = 600

MAKERS: dict[str, Callable[[Random], Generator]] = {
    "append": lambda rng: Appends(rng, b"a:"),
    "bank": lambda rng: Bank(rng, b"b:"),
    "cas": lambda rng: CompareAndSets(rng, b"k:"),
    "cas, by a command": lambda rng: CompareAndSets(rng, b"k:", by_watch=False),
    "counter": lambda rng: Counters(rng, b"c:"),
    "counter, rotated": lambda rng: Counters(rng, b"c:", rotation=50),
    "expiry": lambda rng: Expiries(rng, b"e:"),
    "mixed": lambda rng: Mixed(rng, b"x:"),
    "multi": lambda rng: Groups(rng, b"m:"),
    "register": lambda rng: Registers(rng, b"r:"),
    "register, rotated": lambda rng: Registers(rng, b"r:", rotation=50),
    "strings": lambda rng: StringCommands(rng, b"s:"),
    "databases": lambda rng: Databases(rng, b"d:"),
    "databases, alone": lambda rng: Databases(rng, b"d:", alone=True),
}

MODELS = {
    "append": APPEND,
    "bank": REDIS,
    "cas": register(),
    "cas, by a command": register(),
    "counter": COUNTER,
    "counter, rotated": COUNTER,
    "mixed": REDIS,
    "multi": MULTI_REGISTER,
    "register": register(),
    "register, rotated": register(),
    "strings": REDIS,
    "databases": KEY_SET,
}


class LittleStore:
    """Redis' strings, one step at a time, with MULTI and WATCH, SELECT and the commands about whole databases."""

    def __init__(self) -> None:
        self.data: Data = {}
        self.watched: dict[int, dict[bytes, Any]] = {}
        self.databases: dict[bytes, Data] = {}

    def answer(self, step: Step) -> list[Any]:
        head, *rest = step.commands
        if head[0] == b"SELECT":
            self.data = self.databases.setdefault(head[1], {})
            return [b"OK", self.of_database(rest[0])]
        if head[0] == b"CAS":
            _, key, expected, new = head
            matches = reply(self.data, (b"GET", key)) == (expected or None)
            if matches:
                reply(self.data, (b"SET", key, new))
            return [int(matches)]
        if head[0] == b"WATCH":
            self.watched[step.process] = {key: self.data.get(key) for key in head[1:]}
            return [b"OK", *[reply(self.data, command) for command in rest]]
        if head[0] != b"MULTI":
            return [reply(self.data, command) for command in step.commands]
        watched = self.watched.pop(step.process, {})
        queued = [b"OK"] + [b"QUEUED"] * (len(rest) - 1)
        if any(self.data.get(key) != entry for key, entry in watched.items()):
            return [*queued, None]
        return [*queued, [reply(self.data, command) for command in rest[:-1]]]

    def of_database(self, command: tuple[bytes, ...]) -> Any:
        match command[0]:
            case b"KEYS":
                return tuple(reversed(self.data))
            case b"SCAN":
                return b"0", tuple(reversed(self.data))
            case b"DBSIZE":
                return len(self.data)
            case b"RANDOMKEY":
                return next(iter(self.data), None)
            case b"FLUSHDB":
                self.data.clear()
                return b"OK"
            case _:
                return reply(self.data, command)


def drive(generator: Generator, store: LittleStore, steps: int, processes: int = 3) -> list[Operation]:
    history: list[Operation] = []
    queue = [generator.opening(1)] if isinstance(generator, Bank) else []
    for number in range(steps):
        step = queue.pop(0) if queue else generator.next(number % processes)
        outcome, result = generator.record(step, store.answer(step))
        history.append(_operation(step, number, outcome, result))
    for final in generator.finals(99):
        outcome, result = generator.record(final, store.answer(final))
        history.append(_operation(final, len(history), outcome, result))
    return history


def _operation(step: Step, number: int, outcome: Any, result: Any) -> Operation:
    return Operation(step.process, 10 * number, 10 * number + 5, step.kind, step.key, step.argument, result, outcome)


@pytest.mark.parametrize("name", MODELS)
def test_history_of_a_correct_store_is_linearizable(name: str) -> None:
    history = drive(MAKERS[name](Random(1)), LittleStore(), STEPS)
    assert check_linearizable(history, MODELS[name]).is_valid
    assert all(each.outcome == "ok" or name in ("bank", "cas") for each in history)
    assert sum(each.outcome == "ok" for each in history) > STEPS // 2


@pytest.mark.parametrize("name", [name for name in MODELS if not name.startswith("register")])
def test_history_of_a_store_that_forgets_one_command_is_not_linearizable(name: str) -> None:
    class Forgetful(LittleStore):
        turns = 0

        def answer(self, step: Step) -> list[Any]:
            self.turns += 1
            before = dict(self.data)
            databases = {number: dict(data) for number, data in self.databases.items()}
            replies = super().answer(step)
            if self.turns % 7 == 0:
                self.data, self.databases = before, databases
            return replies

    assert check_linearizable(drive(MAKERS[name](Random(1)), Forgetful(), STEPS), MODELS[name]).is_invalid


@pytest.mark.parametrize("name", MAKERS)
def test_same_seed_gives_same_steps_and_other_seed_others(name: str) -> None:
    def steps(seed: int) -> list[Step]:
        generator = MAKERS[name](Random(seed))
        return [generator.next(number % 4) for number in range(200)]

    assert steps(1) == steps(1)
    assert steps(1) != steps(2)


@pytest.mark.parametrize("name", ["append", "expiry", "multi", "register", "register, rotated", "strings"])
def test_no_value_is_written_twice(name: str) -> None:
    generator = MAKERS[name](Random(3))
    written: list[bytes] = []
    for number in range(STEPS):
        for command in generator.next(number % 4).commands:
            if command[0] in (b"SET", b"APPEND"):
                written.append(command[1] + b" " + command[2])
            elif command[0] == b"MSET":
                written += [b" ".join(command[at : at + 2]) for at in range(1, len(command), 2)]
    assert len(written) > STEPS // 10
    assert len(set(written)) == len(written)


@pytest.mark.parametrize("name", MAKERS)
def test_lost_reply_is_unknown_and_refusal_is_failure(name: str) -> None:
    generator = MAKERS[name](Random(4))
    for number in range(50):
        step = generator.next(number)
        refused = ["CLUSTERDOWN keyspace 'x' (cp): no"] * len(step.commands)
        unsure = ["UNCERTAIN keyspace 'x' (cp): the leader was lost"] * len(step.commands)
        assert generator.record(step, LOST).outcome == "info"
        assert generator.record(step, refused).outcome == "fail"
        assert generator.record(step, unsure).outcome == "info"
        assert generator.record(step, [Exception(text) for text in refused]).outcome == "fail"


def test_ordinary_error_is_a_result_that_constrains() -> None:
    generator = Registers(Random(5), b"r:")
    assert generator.record(generator.next(1), ["WRONGTYPE Operation"]) == ("ok", "WRONGTYPE Operation")


def test_transaction_that_was_cut_off_before_its_last_reply_is_unknown() -> None:
    generator = Groups(Random(6), b"m:")
    step = next(step for step in iter(lambda: generator.next(1), None) if len(step.commands) > 1)
    assert generator.record(step, [b"OK"] + [b"QUEUED"] * (len(step.commands) - 2)).outcome == "info"


def test_aborted_transaction_is_failure() -> None:
    generator = Groups(Random(6), b"m:")
    step = next(step for step in iter(lambda: generator.next(1), None) if len(step.commands) > 1)
    replies = [b"OK"] + [b"QUEUED"] * (len(step.commands) - 2)
    assert generator.record(step, [*replies, None]).outcome == "fail"
    assert generator.record(step, [*replies, "EXECABORT Transaction discarded"]).outcome == "fail"


def test_bank_transfers_only_what_it_saw_and_conserves_the_sum() -> None:
    bank, store = Bank(Random(7), b"b:"), LittleStore()
    history = drive(bank, store, STEPS)
    assert sum(int(store.data[account].value) for account in bank.accounts) == bank.total
    transfers = [each for each in history if each.kind == "transaction" and each.outcome == "ok"]
    aborted = [each for each in history if each.kind == "transaction" and each.outcome == "fail"]
    assert len(transfers) > STEPS // 20
    assert aborted
    assert all(each.result[1:] == (b"OK", b"OK") for each in transfers)


@pytest.mark.parametrize("name", ["cas", "cas, by a command"])
def test_compare_and_sets_succeed_and_meet_other_values(name: str) -> None:
    history = drive(MAKERS[name](Random(7)), LittleStore(), STEPS)
    done = [each for each in history if each.kind == "cas"]
    assert len([each for each in done if each.result is True]) > STEPS // 20
    assert any(each.outcome == "fail" if name == "cas" else each.result is False for each in done)


def test_what_is_rotated_is_read_at_the_end_under_every_key_it_had() -> None:
    for generator in (Registers(Random(7), b"r:", rotation=50), Counters(Random(7), b"c:", keys=5, rotation=50)):
        check_rotation(generator)


def check_rotation(generator: Generator) -> None:
    used = {generator.next(1).key for _ in range(STEPS)}
    assert len(used) > 5 * (STEPS // 50 - 1)
    assert used <= {step.key for step in generator.finals(1)}


def test_bank_process_whose_look_is_under_way_only_audits() -> None:
    bank = Bank(Random(8), b"b:", audit_share=0.0)
    assert bank.next(1).commands[0][0] == b"WATCH"
    assert bank.next(1).commands[0][0] == b"MGET"
    assert bank.next(2).commands[0][0] == b"WATCH"


def test_string_commands_cover_every_command_of_the_model() -> None:
    from trilemma.check import redis_keys, redis_strings

    generator = StringCommands(Random(9), b"s:")
    sent = {command[0] for _ in range(5_000) for command in generator.next(1).commands}
    assert sent >= set(redis_keys.COMMANDS) | set(redis_strings.COMMANDS)


def test_each_keyspace_is_founded_once_before_its_keys_are_used() -> None:
    generator = Foundings(Random(6))
    founded: list[bytes] = []
    for number in range(STEPS):
        step = generator.next(number % 4)
        if step.kind == "create":
            founded.append(step.argument)
        else:
            assert step.key.partition(b":")[0] == founded[-1]
    assert founded == [b"f%d" % number for number in range(1, NAMES_MAX + 1)]
    assert {step.key.partition(b":")[0] for step in generator.finals(1)} == set(founded)


def test_keyspaces_of_one_moment_are_founded_by_further_clients_in_unlike_modes() -> None:
    generator = Foundings(Random(6), ("cp", "ap"), together=2)
    beside: list[Step] = []
    generator.beside = beside.extend
    sent = [generator.next(number % 4) for number in range(STEPS)]
    creates = [step for step in (*sent, *beside) if step.kind == "create"]
    assert len(beside) == len(creates) // 2 == NAMES_MAX // 2
    assert {step.commands[0][4] for step in beside} != {step.commands[0][4] for step in sent if step.kind == "create"}
    used = {step.key.partition(b":")[0] for step in sent if step.kind != "create"}
    assert used == {step.argument for step in creates} == {step.key.partition(b":")[0] for step in generator.finals(1)}


def test_passing_keyspaces_are_made_written_to_dropped_and_read_again() -> None:
    generator = Passing(Random(3), "cp")
    made: set[bytes] = set()
    kinds: list[str] = []
    for number in range(STEPS):
        step = generator.next(1)
        kinds.append(step.kind)
        reply: object = b"OK" if step.kind != "read" else None
        if step.kind == "create":
            made.add(step.key)
        elif step.kind == "delete":
            reply = [b"OK", "UNCERTAIN it may", "CLUSTERDOWN no", "ERR no keyspace 'd'"][number % 4]
            made -= {step.key.partition(b":")[0]} if reply == b"OK" or str(reply).startswith("ERR") else set()
        elif step.kind == "write":
            assert made == {step.key.partition(b":")[0]}
        generator.record(step, (reply,))
    assert set(kinds) == {"create", "write", "read", "delete"}
    assert len(made) <= 1
