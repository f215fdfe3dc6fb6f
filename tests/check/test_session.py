"""Session guarantees: hand-made histories, and agreement with trying every order of the writes to each key."""

from collections.abc import Iterable
from itertools import combinations, permutations
from random import Random
from typing import Any

import pytest

from trilemma.check.brute import is_pram
from trilemma.check.causal import check_causal
from trilemma.check.hierarchy import (
    CAUSAL,
    CAUSAL_CONVERGENCE,
    MONOTONIC_READS,
    MONOTONIC_WRITES,
    PRAM,
    READ_YOUR_WRITES,
    WRITES_FOLLOW_READS,
    stand,
)
from trilemma.check.history import Operation
from trilemma.check.model import register
from trilemma.check.session import GUARANTEES, check_sessions, check_together
from trilemma.check.session_doubt import TOGETHER, judge_sessions
from trilemma.check.session_events import Event
from trilemma.check.session_observation import Observation
from trilemma.check.verdict import Validity

FUZZ_ROUNDS = 6_000

Item = tuple[bytes, Any]


def write(process: int, at: int, value: Any, key: bytes = b"x", outcome: Any = "ok", node: str = "") -> Operation:
    return Operation(process, at, None if outcome == "info" else at + 1, "write", key, value, None, outcome, node)


def read(process: int, at: int, value: Any, key: bytes = b"x", node: str = "") -> Operation:
    return Operation(process, at, at + 1, "read", key, None, value, "ok", node)


def look(process: int, at: int, *values: Any) -> Operation:
    """Return a read of x and y at one moment."""
    return Operation(process, at, at + 1, "multi_read", b"", (b"x", b"y"), values)


BROKEN: dict[str, tuple[str, list[Operation]]] = {
    "own write not seen": (READ_YOUR_WRITES, [write(1, 0, 1), read(1, 2, None)]),
    "own writes each seen to have replaced the other": (
        READ_YOUR_WRITES,
        [write(1, 0, 1), write(1, 2, 2), read(1, 4, 1), read(1, 6, 2)],
    ),
    "read goes back": (MONOTONIC_READS, [write(1, 0, 1), read(2, 2, 1), read(2, 4, None)]),
    "read goes back to the older of two": (
        MONOTONIC_READS,
        [write(1, 0, 1), write(2, 0, 2), read(3, 2, 1), read(3, 4, 2), read(3, 6, 1)],
    ),
    "writes of one session seen in the other order": (
        MONOTONIC_WRITES,
        [write(1, 0, 1), write(1, 2, 2), read(2, 4, 2), read(2, 6, 1)],
    ),
    "later write of a session seen without the earlier": (
        MONOTONIC_WRITES,
        [write(1, 0, 1, b"x"), write(1, 2, 2, b"y"), read(2, 4, 2, b"y"), read(2, 6, None, b"x")],
    ),
    "later write seen without the earlier at one moment": (
        MONOTONIC_WRITES,
        [write(1, 0, 1, b"x"), write(1, 2, 2, b"y"), look(2, 4, None, 2)],
    ),
    "answer seen without what it answers": (
        WRITES_FOLLOW_READS,
        [write(1, 0, 1, b"x"), read(2, 2, 1, b"x"), write(2, 4, 2, b"y"), read(3, 6, 2, b"y"), read(3, 8, None, b"x")],
    ),
    "answer to an answer seen without the beginning": (
        WRITES_FOLLOW_READS,
        [
            write(1, 0, 1, b"x"),
            read(2, 2, 1, b"x"),
            write(2, 4, 2, b"y"),
            read(3, 6, 2, b"y"),
            write(3, 8, 3, b"y"),
            look(4, 10, None, 3),
        ],
    ),
    "write seen before what its session had read of the same key": (
        WRITES_FOLLOW_READS,
        [write(1, 0, 1), read(2, 2, 1), write(2, 4, 2), read(3, 6, 2), read(3, 8, 1)],
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_guarantee_is_found_with_its_witness(name: str) -> None:
    guarantee, history = BROKEN[name]
    verdict = check_sessions(history)[guarantee]
    assert verdict.is_invalid
    assert verdict.checker == guarantee
    assert verdict.witness
    assert check_sessions(verdict.witness)[guarantee].is_invalid, "the witness alone shows it"


@pytest.mark.parametrize("name", BROKEN)
def test_a_causal_history_breaks_no_guarantee_so_these_are_not_causal(name: str) -> None:
    assert check_causal(BROKEN[name][1], node_order=False).is_invalid


HOLDS: dict[str, tuple[str, list[Operation]]] = {
    "own write replaced": (READ_YOUR_WRITES, [write(1, 0, 1), write(2, 0, 2), read(1, 2, 2)]),
    "own write replaced by what others saw it replace": (
        READ_YOUR_WRITES,
        [write(1, 0, 1), write(2, 0, 2), read(1, 2, 2), read(2, 2, 1)],
    ),
    "write in doubt not seen": (
        READ_YOUR_WRITES,
        [write(1, 0, 1), write(1, 2, 2, outcome="info"), read(1, 4, 1)],
    ),
    "others may read an older value": (
        MONOTONIC_READS,
        [write(1, 0, 1), read(2, 2, 1), read(2, 4, 1), read(3, 6, None)],
    ),
    "a session that moved may see an older copy": (
        MONOTONIC_WRITES,
        [
            write(1, 0, 1, b"x"),
            write(1, 2, 2, b"y"),
            read(2, 4, 2, b"y", "n1"),
            read(2, 6, 1, b"x", "n1"),
            read(2, 8, None, b"x", "n2"),
        ],
    ),
    "the earlier write replaced": (
        MONOTONIC_WRITES,
        [
            write(1, 0, 1, b"x"),
            write(1, 2, 2, b"y"),
            write(3, 0, 3, b"x"),
            read(2, 4, 2, b"y"),
            read(2, 6, 3, b"x"),
        ],
    ),
    "what a session read only after its write need not be seen with it": (
        WRITES_FOLLOW_READS,
        [
            write(1, 0, 9, b"z"),
            read(2, 2, 9, b"z"),
            write(2, 4, 1, b"x"),
            write(3, 6, 2, b"y"),
            read(3, 8, 1, b"x"),
            read(4, 10, 2, b"y"),
            read(4, 12, None, b"z"),
            read(5, 10, 1, b"x"),
            read(5, 12, 9, b"z"),
        ],
    ),
    "the answer seen with what replaced the question": (
        WRITES_FOLLOW_READS,
        [
            write(1, 0, 1, b"x"),
            read(2, 2, 1, b"x"),
            write(2, 4, 2, b"y"),
            write(1, 6, 3, b"x"),
            look(3, 8, 3, 2),
        ],
    ),
}


@pytest.mark.parametrize("name", HOLDS)
def test_a_guarantee_that_is_kept_is_valid(name: str) -> None:
    guarantee, history = HOLDS[name]
    assert check_sessions(history)[guarantee].is_valid


def test_nothing_demanded_is_unknown_never_a_pass() -> None:
    doubtful = [write(1, 0, 1, outcome="info"), read(1, 2, None)]
    for history in ([], [write(1, 0, 1)], [read(1, 0, None)], [write(1, 0, 1), read(2, 2, 1)], doubtful):
        assert {each.validity for each in check_sessions(history).values()} == {Validity.UNKNOWN}


@pytest.mark.parametrize(
    "history",
    [
        [write(1, 0, 1), write(2, 0, 1), read(1, 2, 1)],
        [write(1, 0, 1), read(1, 2, 7)],
        [write(1, 0, 1, outcome="fail"), read(1, 2, 1)],
        [read(1, 0, 1), write(1, 2, 1)],
        [Operation(1, 0, 1, "add", b"x", 1)],
        [Operation(1, 0, 1, "multi_write", b"", ((b"x", 1), (b"x", 2))), read(2, 2, 1), read(2, 4, 2)],
    ],
    ids=[
        "a value twice",
        "a value from nowhere",
        "a failed write",
        "a value from the future",
        "a foreign kind",
        "a value that was overwritten at once",
    ],
)
def test_what_cannot_be_traced_is_unknown_with_a_reason(history: list[Operation]) -> None:
    for verdict in check_sessions(history).values():
        assert verdict.validity is Validity.UNKNOWN
        assert verdict.reason


def test_a_copy_that_went_back_leaves_the_order_of_writes_in_doubt() -> None:
    history = [
        write(1, 0, 1, b"x"),
        write(1, 2, 2, b"y"),
        read(2, 4, 2, b"y"),
        read(2, 6, 1, b"x"),
        read(2, 8, None, b"x"),
    ]
    verdicts = check_sessions(history)
    assert verdicts[MONOTONIC_READS].is_invalid
    assert verdicts[MONOTONIC_WRITES].validity is Validity.UNKNOWN


class Twin:
    """The definitions, one by one, for histories of a few operations."""

    def __init__(self, operations: list[Operation]) -> None:
        self.operations = sorted(operations, key=lambda each: each.invoke_us)
        self.processes = {each.process for each in operations}
        self.writes = [(each.key, each.argument) for each in self.operations if each.kind == "write"]

    def shown(self, operation: Operation) -> list[Item]:
        if operation.kind == "read":
            return [(operation.key, operation.result)]
        if operation.kind == "multi_read":
            return list(zip(operation.argument, operation.result, strict=True))
        return []

    def before(self, operation: Operation) -> list[Operation]:
        place = self.operations.index(operation)
        return [each for each in self.operations[:place] if each.process == operation.process and each.outcome == "ok"]

    def writer(self, item: Item) -> Operation:
        return next(each for each in self.operations if each.kind == "write" and (each.key, each.argument) == item)

    def own_writes(self, operation: Operation) -> set[Item]:
        return {(each.key, each.argument) for each in self.before(operation) if each.kind == "write"}

    def own_reads(self, operation: Operation) -> set[Item]:
        return {item for each in self.before(operation) for item in self.shown(each) if item[1] is not None}

    def copy(self, operation: Operation, rule: str) -> set[Item]:
        """Return what must be in the copy that a read was answered from."""
        earlier = [each for each in self.before(operation) if each.node == operation.node]
        items = {item for each in [*earlier, operation] for item in self.shown(each) if item[1] is not None}
        while True:
            more = set(items)
            for item in items if rule else ():
                writer = self.writer(item)
                more |= self.own_writes(writer) if rule == MONOTONIC_WRITES else self.own_reads(writer)
            if more == items:
                return items
            items = more

    def demanded(self, operation: Operation, rule: str) -> set[Item]:
        if rule == READ_YOUR_WRITES:
            return self.own_writes(operation)
        if rule == MONOTONIC_READS:
            return self.own_reads(operation)
        return self.copy(operation, rule)

    def ordered(self, rule: str) -> Iterable[tuple[Item, Item]]:
        """Yield pairs of writes to one key whose order the rule itself demands."""
        for later in self.operations:
            if later.kind == "write" and rule in (MONOTONIC_WRITES, WRITES_FOLLOW_READS):
                earlier = self.own_writes(later) if rule == MONOTONIC_WRITES else self.own_reads(later)
                for item in earlier:
                    if item[0] == later.key:
                        yield item, (later.key, later.argument)

    def holds(self, rule: str, key: bytes) -> bool:
        """Whether for each process some order of the writes to a key fits."""
        return all(self.holds_for(process, rule, key) for process in self.processes)

    def holds_for(self, process: int | None, rule: str, key: bytes) -> bool:
        """Whether some order of the writes to a key fits what a process was shown; None for all of them at once.

        The empty rule says only that copies grow.
        """
        values = [value for name, value in self.writes if name == key]
        return any(self._fits(process, rule, key, (None, *order)) for order in permutations(values))

    def _fits(self, process: int | None, rule: str, key: bytes, order: tuple[Any, ...]) -> bool:
        if any(order.index(one[1]) >= order.index(other[1]) for one, other in self.ordered(rule) if one[0] == key):
            return False
        for operation in self.operations:
            for name, value in self.shown(operation) if process in (None, operation.process) else ():
                if name != key:
                    continue
                for item in self.demanded(operation, rule):
                    if item[0] == key and order.index(item[1]) > order.index(value):
                        return False
        return True


class TwinOfMany:
    """What several guarantees demand together, for histories of a few operations that name no node."""

    def __init__(self, operations: list[Operation], names: Iterable[str]) -> None:
        self.twin = Twin(operations)
        self.names = frozenset(names)

    def seen(self, operation: Operation) -> set[Item]:
        """Return the writes that a read must have seen."""
        twin = self.twin
        items = {item for item in twin.shown(operation) if item[1] is not None}
        items |= twin.own_writes(operation) if READ_YOUR_WRITES in self.names else set()
        items |= twin.own_reads(operation) if MONOTONIC_READS in self.names else set()
        while True:
            writers = [twin.writer(item) for item in items]
            more = set(items)
            for writer in writers:
                more |= twin.own_writes(writer) if MONOTONIC_WRITES in self.names else set()
                more |= twin.own_reads(writer) if WRITES_FOLLOW_READS in self.names else set()
            if more == items:
                return items
            items = more

    def holds(self) -> bool:
        return all(self.holds_for(process, key) for process in self.twin.processes for key in (b"x", b"y"))

    def holds_for(self, process: int, key: bytes) -> bool:
        values = [value for name, value in self.twin.writes if name == key]
        reads = [each for each in self.twin.operations if each.process == process]
        demands = [(item, shown) for each in reads for shown in self.twin.shown(each) for item in self.seen(each)]
        demands += [pair for rule in self.names for pair in self.twin.ordered(rule)]
        told = [(one[1], other[1]) for one, other in demands if one[0] == other[0] == key and one != other]
        return any(
            all(order.index(one) < order.index(other) for one, other in told)
            for order in ((None, *each) for each in permutations(values))
        )


def draw_history(rng: Random) -> list[Operation]:
    history: list[Operation] = []
    written: dict[bytes, list[Any]] = {b"x": [None], b"y": [None]}
    for number in range(rng.randint(4, 11)):
        process, key = rng.randint(1, 3), rng.choice([b"x", b"y"])
        node = f"n{process}" if rng.random() < 0.8 else "n9"
        kind = rng.choice(["write", "write", "read", "read", "multi_read"])
        operation = Operation(process, 10 * number, 10 * number + 5, kind, key, node=node)
        if kind == "write":
            written[key].append(number)
            doubtful = rng.random() < 0.1
            operation = operation._replace(
                argument=number, outcome="info" if doubtful else "ok", complete_us=None if doubtful else 10 * number + 5
            )
        elif kind == "read":
            operation = operation._replace(result=_draw(rng, written[key]))
        else:
            operation = operation._replace(
                argument=(b"x", b"y"), result=(_draw(rng, written[b"x"]), _draw(rng, written[b"y"]))
            )
        history.append(operation)
    return history


def _draw(rng: Random, values: list[Any]) -> Any:
    """Return some written value, mostly the last."""
    return values[-1] if rng.random() < 0.5 else rng.choice(values)


def clashes(twin: Twin) -> bool:
    """Say whether there are a rule and a key for which no one order fits all processes."""
    return any(not twin.holds_for(None, rule, key) for rule in GUARANTEES for key in (b"x", b"y"))


def test_guarantees_never_disagree_with_trying_every_order() -> None:
    rng = Random(41)
    counts: dict[tuple[str, Validity], int] = {}
    for _ in range(FUZZ_ROUNDS):
        history = draw_history(rng)
        verdicts = check_sessions(history)
        twin = Twin(history)
        for rule in GUARANTEES:
            verdict = verdicts[rule]
            places = [(process, key) for process in twin.processes for key in (b"x", b"y")]
            broken = [(process, key) for process, key in places if not twin.holds_for(process, rule, key)]
            spoilt = [(process, key) for process, key in places if not twin.holds_for(process, "", key)]
            if rule in (READ_YOUR_WRITES, MONOTONIC_READS):
                spoilt = []
            if not broken and not spoilt:
                assert not verdict.is_invalid, (rule, history)
            elif set(broken) - set(spoilt):
                assert verdict.is_invalid, (rule, history)
            else:
                assert not verdict.is_valid, (rule, history)
            counts[rule, verdict.validity] = counts.get((rule, verdict.validity), 0) + 1
        clash = clashes(twin)
        found = CAUSAL_CONVERGENCE in verdicts
        assert clash or not found, history
        assert found or not clash or any(each.is_invalid for each in verdicts.values()), history
        counts[CAUSAL_CONVERGENCE, Validity.INVALID] = counts.get((CAUSAL_CONVERGENCE, Validity.INVALID), 0) + found
    assert counts[CAUSAL_CONVERGENCE, Validity.INVALID] > FUZZ_ROUNDS // 200, counts
    for rule in GUARANTEES:
        for validity in (Validity.VALID, Validity.INVALID):
            assert counts[rule, validity] > FUZZ_ROUNDS // 200, counts


def test_a_causal_history_keeps_all_guarantees() -> None:
    rng = Random(42)
    causal = 0
    for _ in range(FUZZ_ROUNDS):
        history = [each._replace(node="") for each in draw_history(rng)]  # for it, a session stays at one node
        is_causal = check_causal(history, node_order=False).is_valid
        assert not is_causal or CAUSAL_CONVERGENCE not in check_sessions(history), history
        if is_causal:
            causal += 1
            assert not any(verdict.is_invalid for verdict in check_sessions(history).values()), history
    assert causal > FUZZ_ROUNDS // 20


# --- an order for all, or one for each ----------------------------------------------------------------------------


def test_what_no_one_order_explains_though_each_process_may_have_its_own_breaks_causal_convergence_only() -> None:
    history = [write(1, 0, 1), write(2, 0, 2), read(1, 3, 2), read(2, 3, 1)]
    assert is_pram(history, register())
    found = judge_sessions(history)
    assert {name for name, each in found.items() if each.is_invalid} == {CAUSAL_CONVERGENCE}
    assert "no one order of the writes to b'x' fits all processes" in found[CAUSAL_CONVERGENCE].reason
    assert found[CAUSAL_CONVERGENCE].witness == tuple(history)
    standing = stand(found)
    assert (standing.satisfied, standing.broken) == ((CAUSAL,), (CAUSAL_CONVERGENCE,))


def test_no_guarantee_of_pram_is_called_broken_where_each_process_has_an_order_that_explains_all() -> None:
    rng = Random(44)
    counts: dict[bool, int] = {True: 0, False: 0}
    for _ in range(FUZZ_ROUNDS // 4):
        drawn = [each for each in draw_history(rng) if each.kind != "multi_read"]
        for history in (drawn, [each._replace(node="") for each in drawn]):
            broken = [name for name, each in judge_sessions(history).items() if each.is_invalid]
            truth = is_pram(history, register())
            assert not truth or not {PRAM, READ_YOUR_WRITES, MONOTONIC_READS, MONOTONIC_WRITES} & {*broken}, history
            counts[truth] += 1
    assert min(counts.values()) > FUZZ_ROUNDS // 20, counts


# --- where no node is named ---------------------------------------------------------------------------------------


def test_of_two_guarantees_that_cannot_both_hold_neither_is_called_broken() -> None:
    backwards = [write(1, 0, 1), write(1, 2, 2), read(2, 4, 2), read(2, 6, 1)]
    found = judge_sessions(backwards)
    assert stand(found).broken == (PRAM,)
    assert found[PRAM].witness == tuple(backwards)
    assert "monotonic reads or monotonic writes is broken" in found[PRAM].reason
    for name, other in ((MONOTONIC_READS, MONOTONIC_WRITES), (MONOTONIC_WRITES, MONOTONIC_READS)):
        assert found[name].validity is Validity.UNKNOWN
        assert f"broken, unless {other} is" in found[name].reason
    answer = BROKEN["answer seen without what it answers"][1]
    found = judge_sessions(answer)
    assert stand(found).broken == (CAUSAL,)
    assert found[WRITES_FOLLOW_READS].validity is Validity.UNKNOWN


def test_where_nodes_are_named_it_is_told_which_guarantee_is_broken() -> None:
    backwards = [write(1, 0, 1), write(1, 2, 2), read(2, 4, 2), read(2, 6, 1)]
    named = [each._replace(node=f"n{each.process}") for each in backwards]
    assert stand(judge_sessions(named)).broken == (MONOTONIC_WRITES,)
    moved = judge_sessions([*named[:3], named[3]._replace(node="n3")])
    assert stand(moved).broken == (PRAM,)
    assert moved[MONOTONIC_READS].validity is moved[MONOTONIC_WRITES].validity is Validity.UNKNOWN
    assert moved[READ_YOUR_WRITES].validity is Validity.UNKNOWN, "nothing was demanded of it"


def test_what_is_broken_at_one_moment_is_broken_whichever_copy_was_read() -> None:
    found = judge_sessions(BROKEN["later write seen without the earlier at one moment"][1])
    assert stand(found).broken == (MONOTONIC_WRITES,)
    assert all(not each.node for each in found[MONOTONIC_WRITES].witness)


def test_what_is_broken_whichever_copy_was_read_is_broken_though_reads_went_back_as_well() -> None:
    backwards = [
        write(3, 0, 0, b"y"),
        read(1, 2, 0, b"y"),
        write(1, 4, 3, b"x"),
        look(1, 6, 3, None),
    ]
    found = judge_sessions(backwards)
    assert stand(found).broken == (WRITES_FOLLOW_READS, MONOTONIC_READS)
    assert found[WRITES_FOLLOW_READS].witness == tuple(backwards)
    older = [*backwards[:3], look(1, 6, 3, 0), read(1, 8, None, b"y")]
    assert judge_sessions(older)[WRITES_FOLLOW_READS].validity is Validity.UNKNOWN


def test_without_names_nothing_is_called_broken_that_some_choice_of_copies_explains() -> None:
    rng = Random(43)
    doubted = certain = spoilt = 0
    for _ in range(FUZZ_ROUNDS // 3):
        history = [each._replace(node="") for each in draw_history(rng)]
        found = judge_sessions(history)
        apart = Twin([each._replace(node=str(number)) for number, each in enumerate(history)])
        for name in (MONOTONIC_WRITES, WRITES_FOLLOW_READS):
            broken = [key for key in (b"x", b"y") if not apart.holds(name, key)]
            assert found[name].is_invalid == bool(broken), (name, history)
            certain += bool(broken)
            spoilt += bool(broken) and not check_sessions(history)[name].is_invalid
            doubted += not broken and check_sessions(history)[name].is_invalid
    assert min(doubted, certain, spoilt) > 10, (doubted, certain, spoilt)


def test_a_witness_is_found_without_following_a_session_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = Random(45)
    latest: dict[bytes, list[Any]] = {b"%d" % number: [None] for number in range(20)}
    history: list[Operation] = []
    for at in range(0, 8_000, 2):
        process, (key, values) = rng.randrange(10), rng.choice([*latest.items()])
        if rng.random() < 0.3:
            history.append(write(process, at, at, key))
            values.append(at)
        else:
            stale = rng.random() < 0.01
            history.append(read(process, at, rng.choice(values) if stale else values[-1], key))
    counted = 0
    plain = Observation._counted

    def counting(self: Observation, event: Event) -> list[Item]:
        nonlocal counted
        counted += 1
        return plain(self, event)

    monkeypatch.setattr(Observation, "_counted", counting)
    assert check_sessions(history)[WRITES_FOLLOW_READS].is_invalid
    assert counted < 4 * len(history)


# --- several together ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("history", "broken", "doubted"),
    [
        ([write(1, 0, 1), write(1, 2, 2), read(1, 4, 1)], PRAM, {READ_YOUR_WRITES, MONOTONIC_WRITES}),
        (
            [write(2, 0, 1), read(1, 2, 1), write(1, 4, 2), read(1, 6, 1)],
            CAUSAL,
            {READ_YOUR_WRITES, WRITES_FOLLOW_READS},
        ),
        (
            [write(2, 0, 1), write(2, 2, 2), read(1, 4, 2), read(1, 6, 1)],
            PRAM,
            {MONOTONIC_READS, MONOTONIC_WRITES},
        ),
        (
            [write(2, 0, 1), write(2, 2, 2, b"y"), read(1, 4, 2, b"y"), write(1, 6, 3), read(1, 8, 1), read(1, 10, 3)],
            PRAM,
            {READ_YOUR_WRITES, MONOTONIC_READS},
        ),
    ],
    ids=["a password", "its own write behind what it had read", "back in time", "its own write, each after the other"],
)
def test_of_guarantees_that_cannot_hold_together_none_is_called_kept(
    history: list[Operation], broken: str, doubted: set[str]
) -> None:
    for placed in (history, [each._replace(node=f"n{number}") for number, each in enumerate(history)]):
        found = judge_sessions(placed)
        assert found[broken].is_invalid
        assert {name for name in GUARANTEES if "unless" in found[name].reason} == doubted
        assert all(found[name].validity is Validity.UNKNOWN for name in doubted)
        assert stand(found).broken == (broken,)
        one, other = (name for name in GUARANTEES if name in doubted)
        assert f"{one} or {other} is broken, and nobody can tell which" in found[broken].reason


def test_a_causal_history_that_does_not_converge_breaks_causal_convergence_only() -> None:
    history = [write(1, 0, 1), write(2, 0, 2), read(1, 3, 2), read(2, 3, 1)]
    assert judge_sessions(history)[CAUSAL].is_valid


def test_guarantees_together_never_disagree_with_trying_every_order() -> None:
    rng = Random(46)
    counts: dict[tuple[str, bool], int] = {}
    pairs = list(combinations(GUARANTEES, 2))
    for _ in range(FUZZ_ROUNDS // 3):
        history = [each._replace(node="") for each in draw_history(rng)]
        for names in (*TOGETHER.values(), rng.choice(pairs)):
            holds = TwinOfMany(history, names).holds()
            verdict = check_together(history, names, "these")
            assert verdict.is_invalid is not holds, (names, history)
            label = next((model for model, each in TOGETHER.items() if each == names), "a pair")
            counts[label, holds] = counts.get((label, holds), 0) + 1
        found = judge_sessions(history)
        truth = {model: TwinOfMany(history, names).holds() for model, names in TOGETHER.items()}
        assert {model: not found[model].is_invalid for model in TOGETHER} == truth, history
        assert all(truth.values()) or any(not found[name].is_valid for name in GUARANTEES), history
        assert not check_causal(history, node_order=False).is_valid or truth[CAUSAL], history
    assert len(counts) == 6, counts
    assert min(counts.values()) > FUZZ_ROUNDS // 100, counts
