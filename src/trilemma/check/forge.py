"""Forged histories: small random ones, for comparing a checker with its twin and for testing user-defined models.

A run of the model itself gives a history that is linearizable by construction; disturbing it gives one that is
probably not, in ways a broken store produces: a result from elsewhere, a moved interval, a write that is denied.
Source: TigerBeetle and Porcupine test their checkers so; FAULTS §4, pitfall 8.
"""

from collections.abc import Callable
from random import Random
from typing import Any, Final

from trilemma.check.history import Operation
from trilemma.check.model import Model

Draw = Callable[[Random, int], tuple[str, Any]]
"""Draws the kind and argument of the operation with the given number."""

Run = Callable[[Any, Operation], tuple[Any, Any]]
"""Gives the result of an operation in a state, and the new state (as in `model.deterministic`)."""

_SPAN_US: Final = 3
"""How far before and after its moment an operation reaches: enough overlap to matter among a few operations."""


def forge(rng: Random, size: int, initial: Any, draw: Draw, run: Run, unsure: float = 0.1) -> list[Operation]:
    """Return a linearizable history of `size` operations on one key.

    Args:
        unsure: share of operations that end as `info`; half of those never happened.
    """
    state = initial
    history = []
    for number in range(size):
        kind, argument = draw(rng, number)
        invoke_us = max(0, 2 * number - rng.randrange(_SPAN_US))
        complete_us = 2 * number + rng.randrange(_SPAN_US)
        operation = Operation(number, invoke_us, complete_us, kind, b"k", argument)
        doubtful = rng.random() < unsure
        if doubtful:
            operation = operation._replace(outcome="info", complete_us=None)
        if not doubtful or rng.random() < 0.5:
            result, state = run(state, operation)
            operation = operation._replace(result=None if doubtful else result)
        history.append(operation)
    rng.shuffle(history)
    return history


def disturb(rng: Random, history: list[Operation], times: int = 1) -> list[Operation]:
    """Return the history with `times` random changes, after which it may or may not be linearizable."""
    changed = list(history)
    for _ in range(times if changed else 0):
        index = rng.randrange(len(changed))
        one, other = changed[index], changed[rng.randrange(len(changed))]
        choice = rng.randrange(8)
        if choice < 4 and one.kind == other.kind and one.outcome == other.outcome:
            changed[index] = one._replace(result=other.result)
            changed[changed.index(other)] = other._replace(result=one.result)
        elif choice < 6:
            length_us = rng.randrange(_SPAN_US)
            ends = one.complete_us is not None
            changed[index] = one._replace(
                invoke_us=other.invoke_us, complete_us=other.invoke_us + length_us if ends else None
            )
        elif choice == 6:
            changed[index] = one._replace(outcome="fail", complete_us=one.complete_us or one.invoke_us, result=None)
        elif choice == 7:
            changed[index] = one._replace(outcome="info", complete_us=None, result=None)
    return changed


def forge_for(model: Model[Any], draw: Draw, run: Run) -> Callable[[Random, int], list[Operation]]:
    """Return a maker of small histories for a model: most of them disturbed, the rest linearizable."""

    def make(rng: Random, size: int) -> list[Operation]:
        history = forge(rng, size, model.initial, draw, run)
        return disturb(rng, history, rng.randrange(8))

    return make
