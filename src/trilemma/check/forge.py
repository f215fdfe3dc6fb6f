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
from trilemma.check.models.base import Run

Draw = Callable[[Random, int], tuple[str, Any]]
"""Draws the kind and argument of the operation with the given number."""

_KEYS: Final = (b"k", b"l", b"m")

_SPAN_US: Final = 3
"""How far before and after its moment an operation reaches: enough overlap to matter among a few operations."""


def forge(
    rng: Random,
    size: int,
    initial: Any,
    draw: Draw,
    run: Run,
    unsure: float = 0.1,
    keys: int = 1,
    processes: int | None = None,
) -> list[Operation]:
    """Return a linearizable history of `size` operations.

    Args:
        unsure: share of operations that end as `info`; half of those never happened.
        keys: over how many keys operations are spread.
        processes: among how many processes operations are spread; each has its own if None.
    """
    states = dict.fromkeys(_KEYS[:keys], initial)
    history = []
    for number in range(size):
        kind, argument = draw(rng, number)
        invoke_us = max(0, 2 * number - rng.randrange(_SPAN_US))
        complete_us = 2 * number + rng.randrange(_SPAN_US)
        process = number if processes is None else rng.randrange(processes)
        key = _KEYS[0] if keys == 1 else rng.choice(_KEYS[:keys])
        operation = Operation(process, invoke_us, complete_us, kind, key, argument)
        doubtful = rng.random() < unsure
        if doubtful:
            operation = operation._replace(outcome="info", complete_us=None)
        if not doubtful or rng.random() < 0.5:
            result, states[key] = run(states[key], operation)
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
