"""Who judges what: the table from a model's name to the checkers that are run on a history of it.

The one place that a new model or checker must be named in to be found by the command line. A row may be of any
checker; that of a sequential model asks for linearizability.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from trilemma.check.balance import check_balances
from trilemma.check.causal import check_causal
from trilemma.check.counter import check_counter
from trilemma.check.history import History, HistoryError, Operation
from trilemma.check.linearizable import STEPS_MAX, check_linearizable
from trilemma.check.model import APPEND, COUNTER, Model, register
from trilemma.check.redis_model import REDIS
from trilemma.check.register import check_register
from trilemma.check.transactional import transactional_registers
from trilemma.check.verdict import Verdict, combine, unknown


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms a history is judged."""

    initial: Any = None
    """What each key holds at first; None for what the model itself begins with."""
    steps_max: int = STEPS_MAX
    """Bound on each search."""


DEFAULT_TERMS: Final = Terms()

Run = Callable[[Sequence[Operation], Terms], list[Verdict]]


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
    guess: Callable[[Sequence[Operation]], bool] | None = _any
    """Whether a history of these kinds is taken for one of this model where nobody says what it is; None: never."""


# --- what rows run ------------------------------------------------------------------------------------------------


def _registers(operations: Sequence[Operation], terms: Terms) -> list[Verdict]:
    """Zones, and where they cannot tell, because a value was written twice, the search."""
    verdicts = []
    for group in History(operations).by_key().values():
        verdict = check_register(group, terms.initial)
        if not (verdict.is_valid or verdict.is_invalid):
            verdict = check_linearizable(group, register(terms.initial), terms.steps_max)
        verdicts.append(verdict)
    return [combine(verdicts, "linearizable register")]


def _cas_registers(operations: Sequence[Operation], terms: Terms) -> list[Verdict]:
    return [check_linearizable(operations, register(terms.initial), terms.steps_max)]


def _counters(operations: Sequence[Operation], terms: Terms) -> list[Verdict]:
    """Bounds, which take no time, and the search unless they are broken."""
    bounds = _counter_bounds(operations, terms)
    if bounds[0].is_invalid:
        return bounds
    initial = COUNTER.initial if terms.initial is None else terms.initial
    counter = Model(COUNTER.name, initial, COUNTER.step, COUNTER.is_read)
    return [*bounds, check_linearizable(operations, _untold(counter), terms.steps_max)]


def _counter_bounds(operations: Sequence[Operation], terms: Terms) -> list[Verdict]:
    return [check_counter(operations, terms.initial or 0)]


def _strings(operations: Sequence[Operation], terms: Terms) -> list[Verdict]:
    def step(state: bytes, operation: Operation) -> tuple[bool, bytes]:
        if operation.kind == "write":
            return True, operation.argument
        if operation.kind == "read" and operation.result is None:
            operation = operation._replace(result=b"")  # what is absent has no bytes
        return APPEND.step(state, operation)

    string = Model("string", terms.initial or b"", step, APPEND.is_read)
    return [check_linearizable(operations, _untold(string), terms.steps_max)]


def _multi_registers(operations: Sequence[Operation], terms: Terms) -> list[Verdict]:
    return [check_linearizable(operations, transactional_registers(terms.initial), terms.steps_max)]


def _untold(model: Model[Any]) -> Model[Any]:
    """Return a model that takes a change of which only is told that it happened, not what it returned."""

    def step(state: Any, operation: Operation) -> tuple[bool, Any]:
        if operation.outcome == "ok" and operation.result is None and not model.is_read(operation):
            operation = operation._replace(outcome="info")
        return model.step(state, operation)

    return Model(model.name, model.initial, step, model.is_read)


def _counts(operations: Sequence[Operation]) -> bool:
    """Say whether what was read are numbers: what is added to a counter, and to a set, is told in the same words."""
    shown = [each.result for each in operations if each.kind == "read" and each.outcome == "ok"]
    added = [each.argument for each in operations if each.kind == "add"]
    return all(type(each) is int for each in (*shown, *added))


def _balances(operations: Sequence[Operation]) -> bool:
    return any(each.kind == "transfer" for each in operations)


def _writes_values(operations: Sequence[Operation]) -> bool:
    return all(micro[0] in ("r", "w") for each in operations if each.kind == "txn" for micro in each.argument)


# --- the table ----------------------------------------------------------------------------------------------------

_ROWS: Final = (
    Judge("register", "linearizable registers: read, write", frozenset(("read", "write")), _registers),
    Judge(
        "cas-register",
        "linearizable registers with compare-and-set: read, write, cas",
        frozenset(("read", "write", "cas")),
        _cas_registers,
    ),
    Judge("counter", "linearizable counters: add, read", frozenset(("add", "read")), _counters, _counts),
    Judge("counter-bounds", "counters by bounds: add, read", frozenset(("add", "read")), _counter_bounds, None),
    Judge(
        "append",
        "linearizable strings that grow: append, read, write",
        frozenset(("append", "read", "write")),
        _strings,
    ),
    Judge(
        "multi-register",
        "registers that are read and written together, strictly serializable: multi_read, multi_write, txn of r and w",
        frozenset(("multi_read", "multi_write", "txn")),
        _multi_registers,
        _writes_values,
    ),
    Judge(
        "bank",
        "accounts whose sum stays: transfer, read",
        frozenset(("transfer", "read")),
        lambda operations, terms: [check_balances(operations, terms.initial)],
        _balances,
    ),
    Judge(
        "causal",
        "causally consistent registers: read, write, multi_read, multi_write",
        frozenset(("read", "write", "multi_read", "multi_write")),
        lambda operations, terms: [check_causal(operations)],
        None,
    ),
    Judge(
        "redis",
        "a few of Redis' keys, linearizable: command, transaction",
        frozenset(("command", "transaction")),
        lambda operations, terms: [check_linearizable(operations, REDIS, terms.steps_max)],
    ),
)

JUDGES: Final = {row.name: row for row in _ROWS}
"""The table."""


def guess_judge(operations: Sequence[Operation]) -> Judge:
    """Return the first row that knows all kinds of the operations.

    Raises:
        HistoryError: there is none.
    """
    kinds = {each.kind for each in operations}
    for row in JUDGES.values():
        if kinds <= row.kinds and row.guess is not None and row.guess(operations):
            return row
    raise HistoryError(f"no model has the operations {', '.join(sorted(kinds))}; name one (there are {names()})")


def names() -> str:
    """Return the names of all rows, in a sentence."""
    return ", ".join(JUDGES)


def judge(operations: Sequence[Operation], row: Judge, terms: Terms = DEFAULT_TERMS) -> list[Verdict]:
    """Judge a history by a row.

    Returns:
        `unknown` where there are no operations: nothing was judged.

    Raises:
        HistoryError: the history has operations, or values, that the row does not know.
    """
    if not operations:
        return [unknown(row.name, "no operations")]
    foreign = sorted({each.kind for each in operations} - row.kinds)
    if foreign:
        raise HistoryError(f"the model {row.name} has no operation {', '.join(foreign)}")
    try:
        return row.run(operations, terms)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as problem:
        raise HistoryError(f"the operations are none of the model {row.name}: {problem}") from problem
