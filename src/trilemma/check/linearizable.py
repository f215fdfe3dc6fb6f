"""Linearizability against any sequential model: by the model's own judge where there is one, else by search.

Keys are judged apart. Registers with unique values are decided by zones (`register`), strings with unique parts by
blocks (`blocks`), both in polynomial time and exactly; what they say `unknown` to is searched. The search (`search`)
walks the events in time: among the operations invoked before the next completion one must be next. An operation that
changes no state takes effect as soon as it is possible (moving it forward in a legal order keeps the order legal), so
that only changes are searched over. Operations of unknown outcome have no completion: they may take effect anywhere
after their invocation, or never.

Exponential in the worst case, hence bounds on steps and time; beyond them the verdict is `unknown`.
Source: Wing and Gong, JPDC 17, 1993; Lowe, "Testing for linearizability", CCPE 29(4), 2017; Horn and Kroening,
arXiv:1504.00204 (splitting by key); Porcupine `checker.go`. Twin: `brute`.
"""

from collections.abc import Iterable
from typing import Any, Final

from trilemma.check.deadline import Deadline, why_given_up
from trilemma.check.history import History, Operation
from trilemma.check.model import Model
from trilemma.check.search import Search
from trilemma.check.verdict import Verdict, combine, invalid, unknown, valid
from trilemma.check.witness import BySearch, Impossible, cut, failing, shrink

STEPS_MAX: Final = 2_000_000
"""Steps of the model per key: some ten seconds of search."""

SHRINK_STEPS_MAX: Final = 200_000
"""Steps of the model spent on making one witness smaller: about a second."""

EXPLAINED_OPERATIONS_MAX: Final = 20_000
"""Operations up to which a model's own judge is asked again and again to make its witness small: about a second."""


def check_linearizable(
    operations: Iterable[Operation],
    model: Model[Any],
    steps_max: int = STEPS_MAX,
    deadline: Deadline | None = None,
) -> Verdict:
    """Judge whether the operations of every key are linearizable.

    Args:
        operations: of any number of keys, in any order; each key begins in the model's initial state.
        model: what one key does.
        steps_max: bound on the search per key.
        deadline: when to give up, over all keys. The witness of what was found by then may be larger.

    Returns:
        For `invalid`: the operation at which the shortest failing beginning ends, and a small set that cannot be
        ordered. `unknown` where a bound was reached for some key and no other key is invalid.
    """
    groups = History(operations).by_key()
    if not groups:
        return valid(_name(model), "no operations")
    return combine((_check_key(group, model, steps_max, deadline) for group in groups.values()), _name(model))


def check_by_search(
    operations: Iterable[Operation],
    model: Model[Any],
    steps_max: int = STEPS_MAX,
    deadline: Deadline | None = None,
) -> Verdict:
    """Judge as `check_linearizable` does, but never by the model's own judge: its twin for longer histories."""
    groups = History(operations).by_key()
    if not groups:
        return valid(_name(model), "no operations")
    return combine((_search_key(group, model, steps_max, deadline) for group in groups.values()), _name(model))


def _name(model: Model[Any]) -> str:
    return f"linearizable {model.name}"


def _check_key(operations: list[Operation], model: Model[Any], steps_max: int, deadline: Deadline | None) -> Verdict:
    if model.judge is None:
        return _search_key(operations, model, steps_max, deadline)
    verdict = model.judge(operations, model.initial)
    if verdict.is_valid:
        return valid(_name(model))
    if verdict.is_invalid:
        return _explain(operations, model, verdict)
    return _search_key(operations, model, steps_max, deadline)


def _explain(operations: list[Operation], model: Model[Any], verdict: Verdict) -> Verdict:
    """Word the finding of a model's own judge, with the smallest part of its witness that is still impossible."""
    judge = model.judge
    if judge is None or len(operations) > EXPLAINED_OPERATIONS_MAX:
        return _word(model, list(verdict.witness), operations, verdict.reason)

    def by_judge(history: list[Operation]) -> bool | None:
        found = judge(history, model.initial)
        return found.is_invalid if found.is_valid or found.is_invalid else None

    by_search = BySearch(model, SHRINK_STEPS_MAX)

    def impossible(history: list[Operation]) -> bool | None:
        found = by_judge(history)
        return by_search(history) if found is None else found

    failed = [each for each in operations if each.outcome == "fail"]
    first = cut(relevant(operations, model), model, by_judge)
    again = judge([*first, *failed], model.initial)
    if again.is_invalid:
        verdict = again
    shown = [each for each in verdict.witness if each.outcome == "ok"]
    names = set(map(id, shown))
    # What others wrote stays possible; only what is shown must have been as it says.
    others = [each for each in first if id(each) not in names and not model.is_read(each)]
    witness = shrink([*shown, *(each._replace(outcome="info") for each in others)], model, impossible)
    doubtful = [each for each in verdict.witness if each.outcome != "ok"]
    return _word(model, [*witness, *doubtful], operations, verdict.reason)


def _search_key(operations: list[Operation], model: Model[Any], steps_max: int, deadline: Deadline | None) -> Verdict:
    needed = relevant(operations, model)
    search = Search(needed, model, steps_max, deadline)
    found = search.run()
    if found is None:
        return unknown(_name(model), f"key {operations[0].key!r}: {why_given_up(steps_max, deadline)}")
    if found:
        return valid(_name(model))
    impossible: Impossible = BySearch(model, SHRINK_STEPS_MAX, deadline)
    first = cut(needed, model, impossible, needed[search.blocked].end_us)
    return _word(model, shrink(first, model, impossible), operations)


def relevant(operations: Iterable[Operation], model: Model[Any]) -> list[Operation]:
    """Return what an order must, or may, have in it: what happened, and what may have and would change something."""
    return [each for each in operations if each.outcome == "ok" or (each.outcome == "info" and not model.is_read(each))]


def _word(model: Model[Any], witness: list[Operation], operations: list[Operation], why: str = "") -> Verdict:
    """Return the finding on a witness, which is told as the history has it: that only makes it harder to order."""
    shown = {id(each): _as_recorded(each, operations) for each in witness}
    stuck = shown[id(failing(witness))]
    reason = f"key {stuck.key!r}: no order explains what was seen up to the end of: {stuck.describe()}"
    return invalid(_name(model), f"{reason} ({why})" if why else reason, shown.values())


def _as_recorded(shown: Operation, operations: list[Operation]) -> Operation:
    """Return the operation of the history whose outcome was forgotten, if it was."""
    if shown.outcome != "info":
        return shown
    forgotten = (each for each in operations if each.outcome == "ok" and each.invoke_us == shown.invoke_us)
    return next((each for each in forgotten if each._replace(outcome="info") == shown), shown)
