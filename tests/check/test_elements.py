"""Sets: hand-made histories, the rules written out, a sequential set by brute force, and elements one by one."""

from random import Random
from typing import Any

import pytest

from trilemma.check.brute import is_linearizable
from trilemma.check.elements import check_elements
from trilemma.check.history import Operation
from trilemma.check.model import Model
from trilemma.check.set_full import check_set_full, lives
from trilemma.check.verdict import Validity

FUZZ_ROUNDS = 5_000


def change(kind: str, begin: int, end: int | None, element: Any, node: str = "n1", **more: Any) -> Operation:
    outcome = "info" if end is None else "ok"
    return Operation(1, begin, end, kind, b"s", element, more.pop("result", None), outcome, node)._replace(**more)


def read(begin: int, end: int, *elements: Any, node: str = "n1") -> Operation:
    return Operation(2, begin, end, "read", b"s", None, elements, "ok", node)


ADD = change("add", 0, 1, "a")
REMOVE = change("remove", 2, 3, "a")


@pytest.mark.parametrize(
    ("history", "said"),
    [
        ([ADD, read(4, 5)], "lost"),
        ([REMOVE, change("add", 6, 7, "a"), read(8, 9)], "lost"),
        ([ADD, change("remove", 2, 3, "a", result=0), read(4, 5)], "lost"),
        ([ADD, REMOVE, read(4, 5, "a")], "resurrected"),
        ([ADD, change("add", 0, 1, "a"), REMOVE, read(4, 5, "a")], "resurrected"),
        ([read(0, 1, "a"), change("add", 2, 3, "a")], "invented"),
        ([change("add", 0, 1, "a", outcome="fail"), ADD._replace(argument="b"), read(4, 5, "a", "b")], "invented"),
    ],
)
def test_a_set_that_loses_revives_or_invents_elements_is_found(history: list[Operation], said: str) -> None:
    verdict = check_elements(history)
    assert verdict.is_invalid
    assert verdict.reason.startswith(said)
    assert verdict.witness


@pytest.mark.parametrize(
    "history",
    [
        [ADD, read(4, 5, "a")],
        [ADD, REMOVE, read(4, 5)],
        [ADD, change("remove", 2, 9, "a"), read(4, 5, "a"), read(4, 5)],
        [ADD, change("remove", 2, None, "a"), read(4, 5, "a"), read(4, 5)],
        [ADD, REMOVE, change("add", 2, 9, "a"), read(4, 5, "a"), read(4, 5)],
        [change("add", 0, None, "a"), REMOVE, read(4, 5, "a")],
        [ADD, change("remove", 2, 3, "a", outcome="fail"), read(4, 5, "a")],
    ],
)
def test_what_a_change_may_explain_is_valid(history: list[Operation]) -> None:
    assert check_elements(history).is_valid


def test_nothing_read_or_nothing_changed_is_unknown() -> None:
    for history in ([], [ADD], [read(0, 1)], [ADD, read(4, 5)._replace(outcome="info", complete_us=None)]):
        assert check_elements(history).validity is Validity.UNKNOWN


def test_a_lagging_replica_must_show_only_its_own_until_the_end() -> None:
    elsewhere = read(4, 5, node="n2")
    assert check_elements([ADD, elsewhere], replicas_lag=True).is_valid
    assert check_elements([ADD, read(4, 5)], replicas_lag=True).is_invalid
    assert check_elements([ADD], finals=[elsewhere], replicas_lag=True).is_invalid


def test_a_remove_elsewhere_takes_only_what_it_has_seen() -> None:
    unseen = REMOVE._replace(node="n2")
    final = read(9, 10, "a")
    assert check_elements([ADD, unseen], finals=[final], replicas_lag=True).is_valid
    assert check_elements([ADD, REMOVE], finals=[final], replicas_lag=True).is_invalid


def test_dots_decide_what_a_remove_has_seen() -> None:
    add = ADD._replace(receipt=("n1", 4))
    saw, missed = (REMOVE._replace(node="n2", context={"n1": number}) for number in (4, 3))
    assert check_elements([add, saw], finals=[read(9, 10, "a")], replicas_lag=True).is_invalid
    assert check_elements([add, saw], finals=[read(9, 10)], replicas_lag=True).is_valid
    assert check_elements([add, missed], finals=[read(9, 10)], replicas_lag=True).is_invalid
    assert check_elements([add, missed], finals=[read(9, 10, "a")], replicas_lag=True).is_valid


def _follows_the_rules(history: list[Operation], finals: list[Operation], lag: bool) -> bool:
    """The dumb twin: the rules of the module's docstring, read by read and element by element."""
    everything = history + finals
    adds = [each for each in everything if each.kind == "add" and each.outcome != "fail"]
    removes = [each for each in everything if each.kind == "remove" and each.outcome != "fail"]

    def must_see(look: Operation, each: Operation) -> bool:
        near = not lag or each.node == look.node != "" or any(look is final for final in finals)
        return each.outcome == "ok" and each.end_us < look.invoke_us and near

    def may_see(look: Operation, each: Operation) -> bool:
        return each.invoke_us <= look.end_us

    def must_take(remove: Operation, add: Operation) -> bool:
        return (
            remove.outcome == "ok"
            and remove.result != 0
            and add.outcome == "ok"
            and add.end_us < remove.invoke_us
            and (not lag or add.node == remove.node != "")
        )

    def may_take(remove: Operation, add: Operation) -> bool:
        return not (remove.outcome == "ok" and (remove.result == 0 or remove.end_us < add.invoke_us))

    for look in everything:
        if look.kind != "read" or look.outcome != "ok":
            continue
        for element in {each.argument for each in everything if each.kind != "read"} | set(look.result):
            mine = [each for each in adds if each.argument == element]
            gone = [each for each in removes if each.argument == element]
            seen = [each for each in mine if may_see(look, each)]
            if element in look.result:
                if all(any(must_see(look, m) and must_take(m, add) for m in gone) for add in seen):
                    return False
            elif any(
                must_see(look, add) and not any(may_see(look, m) and may_take(m, add) for m in gone) for add in mine
            ):
                return False
    return True


def _history(rng: Random) -> list[Operation]:
    history = []
    for _ in range(rng.randint(1, 5)):
        kind = rng.choice(["add", "add", "remove"])
        begin = rng.randrange(10)
        end = None if rng.random() < 0.1 else begin + rng.randrange(4)
        each = change(kind, begin, end, rng.choice("ab"), rng.choice(["n1", "n2", ""]))
        if end is not None and rng.random() < 0.1:
            each = each._replace(outcome="fail")
        if kind == "remove" and each.outcome == "ok" and rng.random() < 0.5:
            each = each._replace(result=rng.randrange(2))
        history.append(each)
    for _ in range(rng.randint(1, 2)):
        begin = rng.randrange(14)
        shown = [element for element in "ab" if rng.random() < 0.5]
        history.append(read(begin, begin + rng.randrange(3), *shown, node=rng.choice(["n1", "n2", ""])))
    return history


@pytest.mark.parametrize("lag", [False, True])
def test_verdicts_never_disagree_with_the_rules_written_out(lag: bool) -> None:
    rng = Random(61)
    counts: dict[Validity, int] = {}
    for _ in range(FUZZ_ROUNDS):
        history = _history(rng)
        finals = [read(50, 51, *(element for element in "ab" if rng.random() < 0.5))] if rng.random() < 0.3 else []
        verdict = check_elements(history, finals, lag)
        assert verdict.is_invalid != _follows_the_rules(history, finals, lag), (history, finals)
        counts[verdict.validity] = counts.get(verdict.validity, 0) + 1
    assert counts[Validity.VALID] > FUZZ_ROUNDS // 10
    assert counts[Validity.INVALID] > FUZZ_ROUNDS // 10


def _replicated(rng: Random, is_broken: bool) -> list[Operation]:
    """Return the history of an add-wins set on replicas that merge now and then; each change has its dot and context.

    A broken one holds after a merge only what the other had.
    """
    dots: dict[str, set[tuple[str, str, int]]] = {"n1": set(), "n2": set()}
    seen: dict[str, dict[str, int]] = {"n1": {}, "n2": {}}
    history = []
    for number in range(rng.randint(3, 9)):
        moment, node, element = 10 * number, rng.choice(["n1", "n2"]), rng.choice("ab")
        begin, end = moment - rng.randrange(9), moment + rng.randrange(9)
        held, context = dots[node], seen[node]
        kind = rng.choice(["add", "add", "remove", "read", "read", "merge"])
        if kind == "add":
            context[node] = context.get(node, 0) + 1
            held.add((element, node, context[node]))
            history.append(change(kind, begin, end, element, node, receipt=(node, context[node])))
        elif kind == "remove":
            gone = {each for each in held if each[0] == element}
            held -= gone
            told = rng.choice([None, int(bool(gone))])
            history.append(change(kind, begin, end, element, node, context=dict(context), result=told))
        elif kind == "read":
            history.append(read(begin, end, *{each[0] for each in held}, node=node))
        else:
            other = "n2" if node == "n1" else "n1"
            theirs, known = dots[other], seen[other]
            kept = {each for each in theirs if each in held or each[2] > context.get(each[1], 0)}
            if not is_broken:
                kept |= {each for each in held if each in theirs or each[2] > known.get(each[1], 0)}
            dots[node] = kept
            seen[node] = {name: max(context.get(name, 0), known.get(name, 0)) for name in dots}
    return history


def test_adds_that_win_on_replicas_that_merge_are_never_found_broken() -> None:
    rng = Random(64)
    found: list[int] = [0, 0, 0]
    for _ in range(FUZZ_ROUNDS):
        history = _replicated(rng, is_broken=False)
        for known in (history, [each._replace(receipt=None, context=None) for each in history]):
            verdict = check_elements(known, replicas_lag=True)
            assert not verdict.is_invalid, (known, verdict)
            found[0] += verdict.is_valid
        broken = _replicated(rng, is_broken=True)
        found[1] += check_elements(broken, replicas_lag=True).is_invalid
        found[2] += check_elements(history).is_invalid
    assert found[0] > FUZZ_ROUNDS
    assert min(found[1:]) > FUZZ_ROUNDS // 50, found


def _step(state: frozenset[Any], operation: Operation) -> tuple[bool, frozenset[Any]]:
    if operation.kind == "add":
        return True, state | {operation.argument}
    if operation.kind == "remove":
        took = operation.argument in state
        fits = operation.outcome == "info" or operation.result is None or operation.result == took
        return fits, state - {operation.argument}
    return operation.outcome == "info" or set(operation.result) == state, state


EMPTY: frozenset[Any] = frozenset()
SET = Model("set", EMPTY, _step)


def test_a_linearizable_set_is_never_found_broken() -> None:
    rng = Random(62)
    linearizable = 0
    for _ in range(FUZZ_ROUNDS):
        history = _history(rng)
        if is_linearizable(history, SET):
            linearizable += 1
            assert not check_elements(history).is_invalid, history
    assert linearizable > FUZZ_ROUNDS // 20


def test_an_element_that_vanishes_for_good_is_lost() -> None:
    history = [ADD, read(2, 3, "a"), read(4, 5), read(6, 7)]
    (life,) = lives(history)
    assert life.is_lost
    verdict = check_set_full(history)
    assert verdict.is_invalid
    assert verdict.witness == (ADD, history[-1])


def test_an_element_that_comes_late_is_stale_and_then_stable() -> None:
    history = [ADD, read(10, 11), read(20, 21, "a"), read(30, 31), read(40, 41, "a")]
    (life,) = lives(history)
    assert (life.known_us, life.stable_us, len(life.stale), life.delay_us) == (1, 40, 2, 39)
    assert check_set_full(history).is_valid
    assert "2 stale reads" in check_set_full(history).reason
    assert check_set_full(history, stale_is_wrong=True).is_invalid


def test_an_element_in_doubt_is_known_from_the_first_read_that_shows_it() -> None:
    history = [change("add", 0, None, "a"), read(2, 3), read(4, 5, "a"), read(6, 7)]
    (life,) = lives(history)
    assert life.known_us == 5
    assert life.is_lost
    assert lives(history[:2]) == []


def test_elements_that_were_never_read_afterwards_or_were_removed_are_left_out() -> None:
    assert check_set_full([ADD]).validity is Validity.UNKNOWN
    assert check_set_full([read(0, 1), ADD]).validity is Validity.UNKNOWN
    assert check_set_full([ADD, REMOVE, read(4, 5)]).validity is Validity.UNKNOWN


def test_an_element_that_nobody_added_is_found_where_sets_only_grow() -> None:
    verdict = check_set_full([ADD, read(2, 3, "a"), read(4, 5, "a", "z")])
    assert verdict.is_invalid
    assert "'z' was read in" in verdict.reason
    assert verdict.witness == (read(4, 5, "a", "z"),)
    assert check_set_full([ADD._replace(outcome="fail"), read(2, 3, "a")]).is_invalid
    assert check_set_full([change("add", 0, None, "a"), read(2, 3, "a"), read(4, 5, "a")]).is_valid


def test_an_element_that_was_read_before_anybody_began_to_add_it_is_found_where_sets_only_grow() -> None:
    late = change("add", 5, 6, "a")
    verdict = check_set_full([read(0, 4, "a"), late, read(8, 9, "a")])
    assert verdict.is_invalid
    assert verdict.witness == (read(0, 4, "a"),)
    assert check_set_full([read(0, 5, "a"), late, read(8, 9, "a")]).is_valid, "at equal stamps"
    assert check_set_full([read(0, 4, "a"), ADD, late, read(8, 9, "a")]).is_valid, "added twice"


def test_an_element_that_one_read_shows_twice_is_found_where_sets_only_grow() -> None:
    twice = read(4, 5, "a", "b", "a")
    verdict = check_set_full([ADD, ADD._replace(argument="b"), read(2, 3, "a", "b"), twice])
    assert verdict.is_invalid
    assert "'a' is there 2 times" in verdict.reason
    assert verdict.witness == (twice,)
    assert check_set_full([ADD, twice._replace(invoke_us=0, result=("a", "a"))]).is_invalid, "also before it is known"
    assert check_set_full([ADD, REMOVE, twice._replace(result=("a", "a"))]).is_invalid, "also if it may be removed"
    assert check_set_full([ADD, read(4, 5, "a"), twice._replace(outcome="fail")]).is_valid


def _fate(add: Operation, reads: list[Operation]) -> tuple[str, int]:
    """The dumb twin of a life: lost, stable or left out, and the number of stale reads."""
    ends = [each.end_us for each in reads if add.argument in each.result] + [add.end_us]
    after = [each for each in reads if each.invoke_us > min(ends)]
    if not after:
        return "left out", 0
    absent = [each for each in after if add.argument not in each.result]
    shown = [each for each in reads if add.argument in each.result]
    for each in absent:
        if all(other.end_us < each.invoke_us for other in shown):
            return "lost", 0
    return "stable", len(absent)


def test_lives_never_disagree_with_the_definition_read_by_read() -> None:
    rng = Random(63)
    counts: dict[str, int] = {}
    for _ in range(FUZZ_ROUNDS):
        begin = rng.randrange(4)
        add = change("add", begin, None if rng.random() < 0.2 else begin + rng.randrange(5), "a")
        reads = []
        for _ in range(rng.randint(0, 4)):
            at = rng.randrange(12)
            reads.append(read(at, at + rng.randrange(4), *(["a"] if rng.random() < 0.6 else [])))
        expected = _fate(add, reads)
        found = lives([add, *reads])
        fate = "left out" if not found else "lost" if found[0].is_lost else "stable"
        assert (fate, len(found[0].stale) if found else 0) == expected, (add, reads)
        counts[fate] = counts.get(fate, 0) + 1
        strange = [each._replace(result=(*each.result, "z")) if rng.random() < 0.2 else each for each in reads]
        is_strange = any("z" in each.result for each in strange)
        is_strange |= any("a" in each.result and each.end_us < add.invoke_us for each in reads)
        strange = [each._replace(result=each.result * 2) if rng.random() < 0.1 else each for each in strange]
        is_strange |= any(each.result.count("a") > 1 for each in strange)
        assert check_set_full([add, *strange]).is_invalid == (is_strange or fate == "lost"), (add, strange)
    assert all(count > FUZZ_ROUNDS // 20 for count in counts.values())
    assert len(counts) == 3
