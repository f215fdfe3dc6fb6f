"""What is run on a history of each data type, and how its operations are put into the words of the checkers.

Quick checkers come first; the search follows unless they found something. Owns which checkers belong together;
`judges` names them.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from trilemma.check.bank import check_balances, shows_accounts
from trilemma.check.causal import check_causal
from trilemma.check.causal_consistency import check_causal_consistency
from trilemma.check.causal_reverse import check_causal_reverse
from trilemma.check.counter import check_counter
from trilemma.check.elements import check_elements
from trilemma.check.expiry import check_expiry
from trilemma.check.hierarchy import CAUSAL, CAUSAL_CONVERGENCE, SEQUENTIAL
from trilemma.check.history import History, HistoryError, Operation
from trilemma.check.judgement import Terms
from trilemma.check.lagging import may_lag
from trilemma.check.linearizable import check_linearizable
from trilemma.check.long_fork import check_long_fork
from trilemma.check.model import COUNTER, MUTEX, QUEUE, SET, STRING, Model, multi_registers, register
from trilemma.check.models.drained import DRAINED_QUEUE, parts_of, without_parts
from trilemma.check.mutex import check_fenced_writes, check_mutex, check_tokens
from trilemma.check.program_order import why_unordered
from trilemma.check.queue import check_queue
from trilemma.check.redis_history import check_commands
from trilemma.check.sequential import check_sequential
from trilemma.check.set_full import check_set_full
from trilemma.check.verdict import Verdict, combine, invalid, unknown

Operations = Sequence[Operation]


def _search(operations: Operations, model: Model[Any], terms: Terms) -> Verdict:
    return check_linearizable(operations, model, terms.steps_max, terms.deadline)


def judge_expiry(operations: Operations, terms: Terms) -> list[Verdict]:
    """Judge whether values go when their deadlines have come; of `ap`, replicas may lag."""
    return [check_expiry(operations, terms.clock_error_us, may_lag(operations))]


# --- registers ----------------------------------------------------------------------------------------------------


def judge_registers(operations: Operations, terms: Terms) -> list[Verdict]:
    """Judge linearizability: zones, and where they cannot tell, because a value was written twice, the search."""
    return [_search(operations, register(terms.initial), terms)]


def judge_sequential(operations: Operations, terms: Terms) -> list[Verdict]:
    """Judge sequential consistency."""
    why = why_unordered(operations)
    if why:
        return [unknown(SEQUENTIAL, why)]
    return [check_sequential(operations, register(terms.initial), terms.steps_max, terms.deadline)]


def judge_multi_registers(operations: Operations, terms: Terms) -> list[Verdict]:
    """Judge registers that are read and written together."""
    return [_search(operations, multi_registers(terms.initial), terms)]


def judge_redis(operations: Operations, terms: Terms) -> list[Verdict]:
    """Judge commands on Redis' keys, which belong together as the commands name them."""
    return [check_commands(operations, terms.steps_max, terms.deadline)]


def judge_causal(operations: Operations, terms: Terms) -> list[Verdict]:
    """Judge causal consistency."""
    why = why_unordered(operations)
    return [unknown(CAUSAL, why) if why else check_causal_consistency(operations, terms.initial)]


def judge_causal_convergence(operations: Operations, terms: Terms) -> list[Verdict]:
    """Judge causal convergence, of the sessions of processes wherever their requests went.

    Of Trilemma's `ap`, where every operation names its node, what a node promises is demanded instead: its clients see
    what it has acknowledged, and a process that goes to another node begins a session.
    """
    why = why_unordered(operations)
    if why:
        return [unknown(CAUSAL_CONVERGENCE, why)]
    if may_lag(operations) and all(each.node for each in operations):
        return [check_causal(operations, node_order=True, initial=terms.initial)]
    placeless = [each._replace(node="") for each in operations]
    return [check_causal(placeless, node_order=False, initial=terms.initial)]


def judge_long_fork(operations: Operations, terms: Terms) -> list[Verdict]:
    """Judge whether reads agree on the order of writes."""
    return [check_long_fork(operations)]


def judge_causal_reverse(operations: Operations, terms: Terms) -> list[Verdict]:
    """Judge whether reads show what came before what they show."""
    if not _are_sets(operations):
        return [check_causal_reverse(operations)]
    groups = History(operations).by_key().values()
    return [combine([_check_reverse_of_sets(group) for group in groups], "causal reverse")]


def _check_reverse_of_sets(operations: Operations) -> Verdict:
    """Judge reads that show all values written under a key; the witness is in the words of the history."""
    made = _as_registers(operations)
    verdict = check_causal_reverse(made.values())
    recorded = {id(register): operations[place] for place, register in made.items()}
    return verdict._replace(witness=tuple(recorded[id(each)] for each in verdict.witness))


def _are_sets(operations: Operations) -> bool:
    return any(each.kind == "read" for each in operations)


def _as_registers(operations: Operations) -> dict[int, Operation]:
    """Return what the operations, by their places, come to where each value has a register, if they come to anything.

    There is one also for each value that was only shown. A register shows its own name for nil, which is a value here.
    """
    names = {each.argument: repr(each.argument).encode() for each in operations if each.kind == "write"}
    names |= {value: repr(value).encode() for each in operations for value in _shown(each)}
    made = {}
    for place, each in enumerate(operations):
        if each.kind == "write":
            made[place] = each._replace(key=names[each.argument])
        elif each.outcome == "ok":
            shown = _shown(each)
            seen = tuple(
                (name if value is None else value) if value in shown else None for value, name in names.items()
            )
            made[place] = each._replace(kind="multi_read", argument=tuple(names.values()), result=seen)
    return made


def _shown(operation: Operation) -> set[Any]:
    """Return the values that an operation of Jepsen's shape showed.

    Raises:
        ValueError: it is none, or shows no several values.
    """
    if operation.kind == "write" or (operation.kind == "read" and operation.outcome != "ok"):
        return set()
    if operation.kind != "read" or isinstance(operation.result, bytes | str):
        raise ValueError(f"no read of all values that were written: {operation.describe()}")
    return set(operation.result or ())


# --- counters, strings, accounts ----------------------------------------------------------------------------------


def judge_counters(operations: Operations, terms: Terms) -> list[Verdict]:
    """Judge bounds, which take no time, and search unless they are broken."""
    bounds = _bounds(operations, terms, False)
    if bounds[0].is_invalid:
        return bounds
    initial = terms.initial or 0
    return [*bounds, _search(_with_initial_sums(operations, initial), replace(COUNTER, initial=initial), terms)]


def judge_counter_bounds(operations: Operations, terms: Terms) -> list[Verdict]:
    """Judge whether every read lies within what adds allow; of `ap`, replicas may lag."""
    return _bounds(operations, terms, may_lag(operations))


def _bounds(operations: Operations, terms: Terms, replicas_lag: bool) -> list[Verdict]:
    initial = terms.initial or 0
    if type(initial) is not int:
        raise HistoryError(f"the initial value of a counter is a whole number such as 7, not {initial!r}")
    return [check_counter(_with_initial_sums(operations, initial), initial, replicas_lag)]


def _with_initial_sums(operations: Operations, initial: int) -> list[Operation]:
    """Return a history in which a read of a counter that is absent shows what it holds at first."""
    return _with_absent_reads(operations, initial)


def judge_strings(operations: Operations, terms: Terms) -> list[Verdict]:
    """Judge strings that grow; a write is a put of the whole value."""
    model = STRING if terms.initial is None else replace(STRING, initial=terms.initial)
    puts = [each._replace(kind="put") if each.kind == "write" else each for each in operations]
    return [_search(puts, model, terms)]


def judge_balances(operations: Operations, terms: Terms) -> list[Verdict]:
    """Judge whether the sum of all accounts of each bank stays; the initial value is that sum."""
    if terms.initial is not None and type(terms.initial) is not int:
        raise HistoryError(f"the initial value of a bank, its sum, is a whole number such as 9, not {terms.initial!r}")
    banks = History(each for each in operations if each.kind == "read" and each.outcome == "ok").by_key()
    shapeless = next((read for reads in banks.values() for read in reads if not shows_accounts(read.result)), None)
    if shapeless is not None:
        raise HistoryError(f"a read of a bank shows each account with its balance, not as {shapeless.describe()}")
    return [check_balances(reads, terms.initial) for reads in banks.values()] or [check_balances(())]


# --- sets ---------------------------------------------------------------------------------------------------------


def judge_sets(operations: Operations, terms: Terms) -> list[Verdict]:
    """Judge element by element, which is quick, and search unless that found something."""
    shown = _with_absent_reads(operations, ())
    if terms.initial is not None and not isinstance(terms.initial, tuple | list | set | frozenset):
        raise HistoryError(f"the initial value of a set is a set such as #{{1 2}}, not {terms.initial!r}")
    if terms.initial is not None:  # elements that nobody added: only the search knows of them
        return [_search(shown, replace(SET, initial=frozenset(terms.initial)), terms)]
    elements = check_elements(shown)
    return [elements] if elements.is_invalid else [elements, _search(shown, SET, terms)]


def judge_or_sets(operations: Operations, terms: Terms) -> list[Verdict]:
    """Judge element by element, where replicas may lag."""
    return [check_elements(_with_absent_reads(operations, ()), replicas_lag=True)]


def judge_set_full(operations: Operations, terms: Terms) -> list[Verdict]:
    """Judge whether what was known to be in stayed."""
    return [check_set_full(_with_absent_reads(operations, ()))]


def _with_absent_reads(operations: Operations, shown: Any) -> list[Operation]:
    """Return a history in which a read of what is absent shows what is there at first."""
    return [
        each._replace(result=shown) if each.kind == "read" and each.outcome == "ok" and each.result is None else each
        for each in operations
    ]


# --- queues -------------------------------------------------------------------------------------------------------

FIFO: Final = "linearizable queue"


def judge_queues(operations: Operations, terms: Terms) -> list[Verdict]:
    """Judge the order in which values come out; what the account of the whole queue shows comes first."""
    total = check_queue(operations)
    if total.is_invalid:
        return [total]
    drains = [each for each in operations if each.kind == "drain" and each.outcome != "fail"]
    if any(each.outcome == "info" for each in drains):
        return [unknown(FIFO, "nobody knows how much a drain of unknown outcome took")]
    if not drains:
        return [_search(operations, QUEUE, terms)]
    parts = [part for number, drain in enumerate(drains) for part in parts_of(drain, number)]
    found = _search([*(each for each in operations if each.kind != "drain"), *parts], DRAINED_QUEUE, terms)
    return [found._replace(witness=invalid(FIFO, "", without_parts(found.witness, drains)).witness)]


def judge_total_queues(operations: Operations, terms: Terms) -> list[Verdict]:
    """Judge whether all that was put in comes out once."""
    return [check_queue(operations)]


# --- locks --------------------------------------------------------------------------------------------------------


def judge_mutexes(operations: Operations, terms: Terms) -> list[Verdict]:
    """Judge that a lock has one holder; tokens and what they guard where there are any.

    The search also compares the tokens of acquires that overlap. A lock with leases goes free by itself, so that no
    search judges it.
    """
    requests = [each for each in operations if each.kind != "write"]
    held = check_mutex(requests)
    has_leases = any(each.kind == "acquire" and each.argument is not None for each in requests)
    tokens = [each for each in requests if each.kind == "acquire" and type(each.result) is int]
    more = [check_tokens(tokens), check_fenced_writes(operations)]
    more = [each for each in more if each.is_valid or each.is_invalid]  # else there were none to compare
    if has_leases or any(each.is_invalid for each in (held, *more)):
        return [held, *more]
    return [_search(requests, MUTEX, terms), *more]
