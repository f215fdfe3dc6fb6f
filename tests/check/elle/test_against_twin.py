"""Fuzz: the graph's verdicts against orders tried one by one."""

from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from trilemma.check.elle.checker import analyse
from trilemma.check.history import Operation

from .twin import are_lists_possible, has_one_order, is_serializable, is_snapshot_isolated

FUZZ_ROUNDS = 4_000

KEYS = ("x", "y")


def _drafts(rng: Random, count: int, appends: float = 0.45) -> list[list[tuple[str, str, Any]]]:
    """Return transactions without results: a few appends and reads each."""
    number = 0
    drafts = []
    for _ in range(count):
        micros: list[tuple[str, str, Any]] = []
        for _ in range(rng.randint(1, 3)):
            number += 1
            key = rng.choice(KEYS)
            micros.append(("append", key, number) if rng.random() < appends else ("r", key, None))
        drafts.append(micros)
    return drafts


def _loose(rng: Random, drafts: list[list[tuple[str, str, Any]]]) -> list[Any]:
    """Return results as of a store without isolation: each transaction reads some beginning of what the keys become."""
    finals = {
        key: [value for draft in drafts for word, name, value in draft if word == "append" and name == key]
        for key in KEYS
    }
    for elements in finals.values():
        if rng.random() < 0.5:
            rng.shuffle(elements)
    results = []
    for draft in drafts:
        seen: dict[str, tuple[int, ...]] = {}
        result: list[tuple[str, str, Any]] = []
        for word, key, value in draft:
            if word == "append":
                if key not in seen and rng.random() < 0.8:  # what stood before, as far as it goes
                    seen[key] = tuple(finals[key][: finals[key].index(value)])
                seen[key] = (*seen.get(key, ()), value)
                result.append((word, key, value))
            else:
                if key not in seen or rng.random() < 0.05:
                    seen[key] = tuple(finals[key][: rng.randint(0, len(finals[key]))])
                result.append((word, key, seen[key]))
        results.append(tuple(result))
    return results


def _serial(rng: Random, drafts: list[list[tuple[str, str, Any]]]) -> list[Any]:
    """Return results as of a store that runs one transaction after another."""
    lists: dict[str, tuple[int, ...]] = {}
    results: list[Any] = [None] * len(drafts)
    for index in rng.sample(range(len(drafts)), len(drafts)):
        result = []
        for word, key, value in drafts[index]:
            if word == "append":
                lists[key] = (*lists.get(key, ()), value)
            result.append((word, key, value if word == "append" else lists.get(key, ())))
        results[index] = tuple(result)
    return results


def _snapshots(rng: Random, drafts: list[list[tuple[str, str, Any]]]) -> list[Any]:
    """Return results as of a store that shows each transaction what was committed when it began, and checks no more."""
    commits: list[list[tuple[str, str, Any]]] = []
    results: list[Any] = [None] * len(drafts)
    for index in rng.sample(range(len(drafts)), len(drafts)):
        lists: dict[str, tuple[int, ...]] = {}
        result = []
        is_final = all(word == "r" for word, _, _ in drafts[index])
        begin = len(commits) if is_final else rng.randint(0, len(commits))
        for word, key, value in [micro for draft in commits[:begin] for micro in draft]:
            if word == "append":
                lists[key] = (*lists.get(key, ()), value)
        for word, key, value in drafts[index]:
            if word == "append":
                lists[key] = (*lists.get(key, ()), value)
            result.append((word, key, value if word == "append" else lists.get(key, ())))
        results[index] = tuple(result)
        commits.append(drafts[index])
    return results


def _history(rng: Random, count: int, final_reads: bool = False, appends: float = 0.45) -> list[Operation]:
    drafts = _drafts(rng, count, appends)
    if final_reads:
        drafts.append([("r", key, None) for key in KEYS])
    run = rng.choice([_loose, _loose, _serial, _snapshots])
    history = []
    for index, (draft, result) in enumerate(zip(drafts, run(rng, drafts), strict=True)):
        begin = rng.randrange(6)
        outcome: Any = rng.choices(["ok", "info", "fail"], [8, 1, 1])[0]
        if final_reads and index == count:
            outcome = "ok"
        done = result if outcome == "ok" else None
        complete = None if outcome == "info" else begin + rng.randrange(4)
        history.append(Operation(rng.randrange(3), begin, complete, "txn", b"", tuple(draft), done, outcome))
    # A process does one thing at a time: put those of one process behind each other.
    free: dict[int, int] = {}
    sequential = []
    for each in sorted(history, key=lambda each: each.invoke_us):
        begin = max(each.invoke_us, free.get(each.process, 0))
        end = None if each.complete_us is None else begin + each.complete_us - each.invoke_us
        free[each.process] = begin + 1 if end is None else end + 1
        sequential.append(each._replace(invoke_us=begin, complete_us=end))
    return sequential


MODELS: dict[str, Callable[[list[Operation]], bool]] = {
    "serializable": lambda history: is_serializable(history),
    "strong session serializable": lambda history: is_serializable(history, "session"),
    "strict serializable": lambda history: is_serializable(history, "strict"),
    "repeatable read": lambda history: is_serializable(history),
}


def _traceable(history: list[Operation]) -> bool:
    return not analyse(history).refusal


def test_verdicts_never_disagree_with_trying_every_order() -> None:
    rng = Random(21)
    counts = dict.fromkeys(MODELS, 0)
    judged = 0
    while judged < FUZZ_ROUNDS:
        history = _history(rng, rng.randint(2, 4))
        if not _traceable(history):
            continue
        judged += 1
        verdicts = analyse(history).verdicts()
        for model, holds in MODELS.items():
            expected = holds(history)
            assert verdicts[model].is_valid == expected, (model, history, verdicts[model])
            assert verdicts[model].is_invalid != expected
            counts[model] += expected
    for model, count in counts.items():
        assert FUZZ_ROUNDS // 10 < count < FUZZ_ROUNDS * 9 // 10, (model, count)


@pytest.mark.parametrize(
    ("model", "level"),
    [
        ("snapshot isolation", ""),
        ("strong session snapshot isolation", "session"),
        ("strong snapshot isolation", "strict"),
    ],
)
def test_snapshot_isolation_never_disagrees_with_trying_every_schedule(model: str, level: str) -> None:
    rng = Random(22)
    counts = {True: 0, False: 0}
    only_snapshots = untold = 0
    for _ in range(FUZZ_ROUNDS):
        history = _history(rng, rng.randint(2, 4), rng.random() < 0.5, rng.choice([0.45, 0.65]))
        if not _traceable(history):
            continue
        expected = is_snapshot_isolated(history, level)
        analysis = analyse(history)
        verdict = analysis.verdict(model)
        assert verdict.is_valid == expected, (history, verdict)
        assert verdict.is_invalid != expected
        only_snapshots += expected and analysis.verdict("serializable").is_invalid
        untold += "nobody read which" in verdict.reason
        counts[expected] += 1
    assert min(counts.values()) > FUZZ_ROUNDS // 20, counts
    assert only_snapshots > 0, "some histories must be snapshot isolated and yet not serializable"
    assert untold > 0, "of some histories it must be appends that nobody saw that rule it out"


def test_reads_are_committed_only_where_all_lists_are_of_one_order() -> None:
    rng = Random(24)
    disordered = 0
    for _ in range(FUZZ_ROUNDS):
        history = _history(rng, rng.randint(2, 4))
        if _traceable(history) and not has_one_order(history):
            disordered += 1
            assert analyse(history).verdict("read committed").is_invalid, history
    assert disordered > FUZZ_ROUNDS // 40


def _marred(rng: Random, history: list[Operation]) -> list[Operation]:
    """Return a history in which some elements that were read are others: from nowhere, from elsewhere, or twice."""

    def marred(word: str, key: str, value: Any) -> tuple[str, str, Any]:
        if word == "append" or not value or rng.random() < 0.6:
            return word, key, value
        shown = list(value)
        shown[rng.randrange(len(shown))] = rng.choice([99, 98, shown[0], shown[-1], rng.randint(1, 9)])
        return word, key, tuple(shown)

    return [
        each._replace(result=tuple(marred(*micro) for micro in each.result)) if each.result else each
        for each in history
    ]


def test_reads_are_of_uncommitted_appends_only_where_every_list_can_be_one() -> None:
    rng = Random(25)
    impossible = possible = disordered = 0
    for _ in range(FUZZ_ROUNDS):
        history = _marred(rng, _history(rng, rng.randint(2, 5)))
        if not _traceable(history):
            continue
        analysis = analyse(history)
        verdict = analysis.verdict("read uncommitted")
        if are_lists_possible(history):
            possible += 1
            assert verdict.is_valid or verdict.reason.startswith("G0"), (history, verdict)
        else:
            impossible += 1
            disordered += any(each.name == "incompatible orders" for each in analysis.anomalies)
            assert verdict.is_invalid, history
    assert min(impossible, possible, disordered) > FUZZ_ROUNDS // 40


def test_a_witness_alone_shows_the_anomaly() -> None:
    rng = Random(23)
    shown = 0
    for _ in range(FUZZ_ROUNDS):
        history = _history(rng, 4)
        verdict = analyse(history).verdict("strict serializable")
        if verdict.is_invalid and not _others_needed(verdict.reason):
            shown += 1
            assert verdict.witness
            assert not is_serializable(list(verdict.witness), "strict") or _order_from_elsewhere(
                history, verdict.witness
            )
    assert shown > FUZZ_ROUNDS // 20


def _others_needed(reason: str) -> bool:
    """An element from nowhere is one only as long as the history is whole."""
    return reason.startswith("unwritten")


def _order_from_elsewhere(history: list[Operation], witness: tuple[Operation, ...]) -> bool:
    """The order of two appends may be known by a read of a third transaction: then that one is needed too."""
    readers = [each for each in history if each.outcome == "ok" and any(word == "r" for word, _, _ in each.result)]
    return not is_serializable([*witness, *(each for each in readers if each not in witness)], "strict")
