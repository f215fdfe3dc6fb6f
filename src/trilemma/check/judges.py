"""Who judges what: the table from a model's name to the checkers that are run on a history of it.

The one place that a new model or checker must be named in to be found by the command line; what the rows run stands in
`type_judges` and `consistency_judges`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from trilemma.check import consistency_judges, guesses, type_judges
from trilemma.check.distinct import distinct, told_apart, unwrapped
from trilemma.check.hierarchy import LINEARIZABLE, STRICT_SERIALIZABLE
from trilemma.check.history import HistoryError, Operation
from trilemma.check.judgement import DEFAULT_TERMS, Judgement, Terms
from trilemma.check.session import GUARANTEES
from trilemma.check.verdict import NOTHING_HAPPENED, Verdict, unknown

Run = Callable[[Sequence[Operation], Terms], Judgement]
Guess = Callable[[Sequence[Operation]], bool]


def _any(operations: Sequence[Operation]) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Judge:
    """A row of the table."""

    name: str
    description: str
    kinds: frozenset[str]
    """The operations that it knows."""
    run: Run
    guess: Guess | None = _any
    """Whether a history of these kinds is taken for one of this model where nobody says what it is; None: never."""
    takes_initial: bool = True
    """Whether what keys hold at first is the user's to say."""
    promises: tuple[str, ...] = ()
    """Of many models that it judges, those that count where nobody says which; empty where it judges only one."""


def _row(
    name: str,
    description: str,
    kinds: str,
    run: Callable[[Sequence[Operation], Terms], list[Verdict]],
    guess: Guess | None = _any,
    takes_initial: bool = True,
) -> Judge:
    """Return a row whose verdicts all count."""
    words = frozenset(kinds.split())
    return Judge(name, description, words, lambda ops, terms: Judgement(run(ops, terms)), guess, takes_initial)


def _row_of_models(
    name: str,
    description: str,
    kinds: str,
    run: Callable[[Sequence[Operation], Terms], Mapping[str, Verdict]],
    promises: tuple[str, ...],
    guess: Guess | None = None,
    takes_initial: bool = False,
) -> Judge:
    """Return a row that judges many models."""

    def held(operations: Sequence[Operation], terms: Terms) -> Judgement:
        return consistency_judges.held_to(run(operations, terms), terms.promise, promises)

    return Judge(name, description, frozenset(kinds.split()), held, guess, takes_initial, promises)


# --- the table ----------------------------------------------------------------------------------------------------

_TOGETHER: Final = "read write multi_read multi_write"

_ROWS: Final = (
    _row("register", "linearizable registers", "read write", type_judges.judge_registers),
    _row(
        "cas-register",
        "linearizable registers with compare-and-set",
        "read write cas",
        type_judges.judge_registers,
    ),
    _row("sequential", "sequentially consistent registers", "read write cas", type_judges.judge_sequential, None),
    _row(
        "counter-bounds",
        "counters by bounds; replicas may lag",
        "add read",
        type_judges.judge_counter_bounds,
        guesses.counts_apart,
    ),
    _row("counter", "linearizable counters", "add read", type_judges.judge_counters, guesses.counts),
    _row(
        "or-set",
        "sets whose adds win over concurrent removes, on replicas that may lag: none lost, none resurrected",
        "add remove read",
        type_judges.judge_or_sets,
        guesses.shows_elements_apart,
        takes_initial=False,
    ),
    _row("set", "linearizable sets", "add remove read", type_judges.judge_sets, guesses.shows_elements),
    _row(
        "set-full",
        "sets that only grow: no element lost; reads may be stale",
        "add remove read",
        type_judges.judge_set_full,
        None,
        takes_initial=False,
    ),
    _row(
        "total-queue",
        "queues in any order: what was put in comes out once",
        "enqueue dequeue drain",
        type_judges.judge_total_queues,
        guesses.drains,
        takes_initial=False,
    ),
    _row(
        "queue",
        "linearizable queues, first in, first out",
        "enqueue dequeue drain",
        type_judges.judge_queues,
        takes_initial=False,
    ),
    _row(
        "mutex",
        "locks with one holder; fencing tokens that grow, and writes with them, where there are any",
        "acquire release write",
        type_judges.judge_mutexes,
        guesses.locks,
        takes_initial=False,
    ),
    _row("string", "linearizable strings that grow", "append read get put write", type_judges.judge_strings),
    _row(
        "multi-register",
        "registers that are read and written together, strictly serializable",
        "multi_read multi_write txn",
        type_judges.judge_multi_registers,
        guesses.writes_values,
    ),
    _row_of_models(
        "list-append",
        "transactions of reads and appends to lists: a verdict per model of isolation",
        "txn",
        consistency_judges.judge_list_append,
        (STRICT_SERIALIZABLE,),
        guesses.appends_elements,
    ),
    _row("bank", "accounts whose sum stays", "transfer read", type_judges.judge_balances, guesses.balances),
    _row(
        "long-fork",
        "keys written once: reads agree on the order of the writes",
        "write multi_write multi_read",
        type_judges.judge_long_fork,
        None,
        takes_initial=False,
    ),
    _row(
        "causal-reverse",
        "keys written once (or values under one key): no read shows a write without those that came before it",
        _TOGETHER,
        type_judges.judge_causal_reverse,
        None,
        takes_initial=False,
    ),
    _row(
        "causal",
        "causally consistent registers, each value written once; concurrent writes may be seen in any order",
        _TOGETHER,
        type_judges.judge_causal,
        None,
    ),
    _row(
        "causal-convergence",
        "causally consistent registers, each value written once; one order of concurrent writes for all",
        _TOGETHER,
        type_judges.judge_causal_convergence,
        None,
    ),
    _row_of_models(
        "sessions",
        "registers, each value written once: the four session guarantees",
        _TOGETHER,
        consistency_judges.judge_session_guarantees,
        GUARANTEES,
        takes_initial=True,
    ),
    _row_of_models(
        "consistency",
        "registers, each value written once: the strongest models that hold, and the weakest that do not",
        _TOGETHER,
        consistency_judges.judge_consistency,
        (LINEARIZABLE,),
    ),
    _row(
        "expiry",
        "values with deadlines: none is seen after its own, none goes before",
        "write expire delete read",
        type_judges.judge_expiry,
        guesses.expires,
        takes_initial=False,
    ),
    _row(
        "redis",
        "a few of Redis' keys, linearizable",
        "command transaction",
        type_judges.judge_redis,
        takes_initial=False,
    ),
)

_COUNTING: Final = ("counter", "counter-bounds", "bank", "mutex", "string", "redis")
"""Rows whose values are of one type by themselves: all others hold any values, which differ where their types do."""

_BY_CLOCK: Final = "expiry"
"""The row to which it matters how wrong a clock may be."""

JUDGES: Final = {row.name: row for row in _ROWS}
"""The table."""


def guess_judge(operations: Sequence[Operation]) -> Judge:
    """Return the first row that knows all kinds of the operations.

    Raises:
        HistoryError: there is none.
    """
    kinds = {each.kind for each in operations}
    if guesses.shows_only(operations):
        raise HistoryError(f"several values were read at once, and nothing else done; name the model, of: {names()}")
    for row in JUDGES.values():
        if kinds <= row.kinds and row.guess is not None and row.guess(operations):
            return row
    told = ", ".join(sorted(kinds))
    fitting = [row.name for row in JUDGES.values() if kinds <= row.kinds]
    if fitting:
        raise HistoryError(f"the values of {told} are those of no one model; name one, such as {', '.join(fitting)}")
    raise HistoryError(f"no model has the operations {told}; name one (there are {names()})")


def names() -> str:
    """Return the names of all rows, in a sentence."""
    return ", ".join(JUDGES)


def judge(operations: Sequence[Operation], row: Judge, terms: Terms = DEFAULT_TERMS) -> Judgement:
    """Judge a history by a row.

    Returns:
        `unknown` where no operation is `ok`: nothing was judged.

    Raises:
        HistoryError: the history has operations, or values, that the row does not know, or a term says nothing to it.
    """
    if terms.initial is not None and not row.takes_initial:
        raise HistoryError(f"the model {row.name} has no initial value to choose")
    if terms.promise and not row.promises:
        raise HistoryError(f"the model {row.name} judges one promise only, so there is none to choose")
    if terms.clock_error_us and row.name != _BY_CLOCK:
        raise HistoryError(f"the model {row.name} knows no deadlines, so no clock that may be wrong about them")
    if not operations:
        return Judgement([unknown(row.name, "no operations")])
    foreign = sorted({each.kind for each in operations} - row.kinds)
    if foreign:
        raise HistoryError(f"the model {row.name} has no operation {', '.join(foreign)}")
    if not any(each.outcome == "ok" for each in operations):
        return Judgement([unknown(row.name, NOTHING_HAPPENED)])
    try:
        if row.name in _COUNTING:
            return row.run(operations, terms)
        terms = replace(terms, initial=distinct(terms.initial))
        found = row.run(told_apart(operations), terms)
        return Judgement(
            [unwrapped(each) for each in found.verdicts],
            {name: unwrapped(each) for name, each in found.models.items()},
        )
    except HistoryError:
        raise
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as problem:
        raise HistoryError(f"the operations are none of the model {row.name}: {problem}") from problem
