"""Causal convergence: hand-made histories, and agreement with trying every arbitration."""

from itertools import permutations
from random import Random
from typing import Any

import pytest

from trilemma.check.causal import check_causal
from trilemma.check.history import Operation
from trilemma.check.verdict import Validity

FUZZ_ROUNDS = 5_000

Item = tuple[bytes, Any]


def write(process: int, at: int, value: Any, key: bytes = b"x", node: str = "", outcome: Any = "ok") -> Operation:
    return Operation(process, at, None if outcome == "info" else at + 1, "write", key, value, None, outcome, node)


def read(process: int, at: int, value: Any, key: bytes = b"x", node: str = "") -> Operation:
    return Operation(process, at, at + 1, "read", key, None, value, "ok", node)


@pytest.mark.parametrize(
    ("history", "said"),
    [
        ([read(1, 0, 7)], "nobody wrote it"),
        ([write(1, 0, 1), read(1, 2, None)], "absent"),
        ([write(1, 0, 1), write(1, 2, 2), read(2, 4, 2), read(2, 6, 1)], "replaced"),
        (
            [write(1, 0, 1), write(2, 0, 2), read(3, 2, 1), read(3, 4, 2), read(4, 2, 2), read(4, 4, 1)],
            "contradicting",
        ),
    ],
    ids=["thin air", "own write not seen", "back in time", "two winners"],
)
def test_what_causes_forbid_is_found(history: list[Operation], said: str) -> None:
    verdict = check_causal(history, node_order=False)
    assert verdict.is_invalid
    assert said in verdict.reason
    assert verdict.witness


def test_concurrent_writes_may_be_seen_late_or_one_after_the_other() -> None:
    history = [write(1, 0, 1), write(2, 0, 2), read(3, 2, 1), read(3, 4, 2), read(4, 2, 2), read(5, 9, None)]
    assert check_causal(history, node_order=False).is_valid


def test_what_a_node_acknowledged_is_in_the_past_of_what_it_answers_later() -> None:
    history = [write(1, 0, 1, node="n1"), read(2, 5, None, node="n1")]
    assert check_causal(history).is_invalid
    assert check_causal(history, node_order=False).is_valid


def test_a_value_that_its_own_operation_overwrote_is_read_by_nobody() -> None:
    for outcome in ("ok", "info"):
        pairs = ((b"x", 1), (b"y", 1), (b"x", 2))
        both = Operation(1, 0, None if outcome == "info" else 1, "multi_write", b"", pairs, None, outcome)
        verdict = check_causal([both, read(2, 2, 1)], node_order=False)
        assert verdict.is_invalid
        assert "1 was read from b'x', but the operation that wrote it had overwritten it" in verdict.reason
        assert verdict.witness == (both, read(2, 2, 1))
        assert check_causal([both, read(2, 2, 2), read(2, 4, 1, b"y")], node_order=False).is_valid
        assert check_causal([both, write(3, 0, 1), read(2, 2, 1)], node_order=False).is_valid, "by another operation"
    assert check_causal([both._replace(argument=((b"x", None), (b"x", 1))), read(2, 2, 1)]).is_valid
    assert check_causal([both._replace(argument=((b"x", 1), (b"x", 1))), read(2, 2, 1)]).is_valid


def test_what_cannot_be_traced_is_unknown() -> None:
    nil_written = [write(1, 0, 1), write(1, 2, None), read(1, 4, None)]
    for history in ([write(1, 0, 1), write(2, 0, 1)], [Operation(1, 0, 1, "add", b"x", 1)], nil_written):
        assert check_causal(history).validity is Validity.UNKNOWN


def test_a_key_may_hold_something_at_first() -> None:
    history = [read(1, 0, 0), write(1, 2, 1), read(2, 2, 0), read(2, 4, 1)]
    assert check_causal(history, initial=0).is_valid
    assert check_causal(history).is_invalid
    assert check_causal([*history, read(1, 6, 0)], initial=0).is_invalid
    assert check_causal([*history, read(3, 6, None)], initial=0).is_invalid
    assert check_causal([*history, write(1, 6, 0)], initial=0).validity is Validity.UNKNOWN


class Twin:
    """The definition: some order of all writes, causes first, explains every read by what is in its past."""

    def __init__(self, operations: list[Operation], node_order: bool) -> None:
        self.operations = [
            each
            for each in sorted(operations, key=lambda each: each.invoke_us)
            if each.outcome == "ok" or (each.outcome == "info" and "write" in each.kind)
        ]
        count = len(self.operations)
        self.before = [[self._direct(a, b, node_order) for b in range(count)] for a in range(count)]
        for middle in range(count):
            for a in range(count):
                for b in range(count):
                    self.before[a][b] |= self.before[a][middle] and self.before[middle][b]

    def reads(self, operation: Operation) -> list[Item]:
        if operation.kind == "read":
            return [(operation.key, operation.result)]
        return list(zip(operation.argument, operation.result, strict=True)) if operation.kind == "multi_read" else []

    def writes(self, operation: Operation) -> dict[bytes, Any]:
        if operation.kind == "write":
            return {operation.key: operation.argument}
        return dict(operation.argument) if operation.kind == "multi_write" else {}

    def _direct(self, a: int, b: int, node_order: bool) -> bool:
        one, other = self.operations[a], self.operations[b]
        done = one.outcome == "ok" and a != b
        same_session = (one.process, one.node) == (other.process, other.node)
        if done and same_session and a < b:
            return True
        if done and node_order and one.node == other.node and one.end_us < other.invoke_us:
            return True
        return a != b and any(item in self.reads(other) for item in self.writes(one).items())

    def holds(self) -> bool:
        count = len(self.operations)
        if any(self.before[each][each] for each in range(count)):
            return False
        writers = [each for each in range(count) if self.writes(self.operations[each])]
        return any(self._explains(order) for order in permutations(writers))

    def _explains(self, order: tuple[int, ...]) -> bool:
        if any(self.before[later][earlier] for i, earlier in enumerate(order) for later in order[i + 1 :]):
            return False
        for index, operation in enumerate(self.operations):
            for key, value in self.reads(operation):
                seen = None
                for writer in order:
                    if self.before[writer][index]:
                        seen = self.writes(self.operations[writer]).get(key, seen)
                if seen != value:
                    return False
        return True


def _history(rng: Random) -> list[Operation]:
    """Return a history in which every value read was written by an operation that began before the read ended."""
    history: list[Operation] = []
    written: dict[bytes, list[Any]] = {b"x": [None], b"y": [None]}
    for number in range(rng.randint(3, 7)):
        process = rng.randint(1, 3)
        node = f"n{rng.choice([process, process, process, 1])}"
        kind = rng.choice(["write", "read", "read", "multi_write", "multi_read"])
        begin = 10 * number
        doubtful = "write" in kind and rng.random() < 0.15
        base = Operation(process, begin, None if doubtful else begin + 5, kind, rng.choice([b"x", b"y"]), node=node)
        keys = [base.key] if kind in ("read", "write") else [b"x", b"y"]
        if kind == "multi_write" and rng.random() < 0.3:
            keys.append(base.key)  # whose first value nobody can see
        fresh = [number + 100 * (place > 1) for place, _ in enumerate(keys)]
        values = fresh if "write" in kind else [_draw(rng, written[key]) for key in keys]
        if "write" in kind:
            for key, value in zip(keys, values, strict=True):
                written[key].append(value)
            argument = values[0] if kind == "write" else tuple(zip(keys, values, strict=True))
            history.append(base._replace(argument=argument, outcome="info" if doubtful else "ok"))
        else:
            whole = kind == "multi_read"
            history.append(
                base._replace(argument=tuple(keys) if whole else None, result=tuple(values) if whole else values[0])
            )
    return history


def _with_something_at_first(operation: Operation) -> Operation:
    """Return an operation that shows -1 where it showed nothing."""
    if operation.kind == "multi_read":
        return operation._replace(result=tuple(-1 if each is None else each for each in operation.result))
    return operation._replace(result=-1) if operation.kind == "read" and operation.result is None else operation


def _with_nil_written(rng: Random, history: list[Operation]) -> list[Operation]:
    """Return a history in which one write is of nil, and whoever read it saw nil."""
    write = rng.choice(history)
    if write.kind != "write":
        return history
    nil = write._replace(argument=None)
    return [
        nil
        if each is write
        else each._replace(result=None)
        if each.kind == "read" and (each.key, each.result) == (write.key, write.argument)
        else each
        for each in history
    ]


def _draw(rng: Random, values: list[Any]) -> Any:
    return values[-1] if rng.random() < 0.6 else rng.choice(values)


@pytest.mark.parametrize("node_order", [False, True])
def test_verdicts_never_disagree_with_trying_every_arbitration(node_order: bool) -> None:
    rng = Random(101)
    good = overwritten = 0
    for _ in range(FUZZ_ROUNDS):
        history = _history(rng)
        verdict = check_causal(history, node_order)
        expected = Twin(history, node_order).holds()
        assert verdict.is_valid == expected, (history, verdict)
        assert verdict.is_invalid != expected
        good += expected
        overwritten += "had overwritten it" in verdict.reason
        zero = [_with_something_at_first(each) for each in history]
        assert check_causal(zero, node_order, initial=-1).validity is verdict.validity
        with_nil = _with_nil_written(rng, history)
        said = check_causal(with_nil, node_order)
        assert said.validity is Validity.UNKNOWN or with_nil == history, (with_nil, said)
    assert FUZZ_ROUNDS // 10 < good < FUZZ_ROUNDS * 9 // 10
    assert overwritten > FUZZ_ROUNDS // 100
