"""Forged histories of busy keys: many clients that get, put and append on a handful of keys, as in Porcupine's data.

Right by construction, because every operation takes effect at a moment inside its interval; and wrong by construction
once a stale read is planted: all values differ, so what was gone when another read ended cannot come back.
Source: the shares of operations, the values and the sizes are those of MIT 6.824's key-value tests, which Porcupine's
`test_data/kv` was recorded from; half of the operations go to the first key.
"""

from random import Random
from typing import Any, Final

from trilemma.check.history import Operation
from trilemma.check.model import STRING

OPERATIONS: Final = 1_700
CLIENTS: Final = 50
KEYS: Final = 5

_APPEND_SHARE: Final = 0.5
_PUT_SHARE: Final = 0.05
_HOT_SHARE: Final = 0.5
_MEAN_LATENCY_US: Final = 10_000
_MEAN_PAUSE_US: Final = 500


def forge_busy(
    rng: Random, operations: int = OPERATIONS, clients: int = CLIENTS, keys: int = KEYS, unsure: float = 0.0
) -> list[Operation]:
    """Return a linearizable history of busy strings.

    Args:
        clients: how many ask at a time, each again soon after it was answered.
        unsure: share of operations that are never answered; half of those never happen, and a client that is not
            answered goes on as another process.
    """
    free_us = [rng.randrange(_MEAN_LATENCY_US) for _ in range(clients)]
    process = list(range(clients))
    drawn: list[tuple[float, bool, Operation]] = []
    for number in range(operations):
        client = min(range(clients), key=free_us.__getitem__)
        invoke_us = free_us[client]
        complete_us = invoke_us + 1 + int(rng.expovariate(1 / _MEAN_LATENCY_US))
        free_us[client] = complete_us + 1 + int(rng.expovariate(1 / _MEAN_PAUSE_US))
        kind, argument = _draw(rng, client, number)
        key = b"0" if rng.random() < _HOT_SHARE else b"%d" % rng.randrange(keys)
        operation = Operation(process[client], invoke_us, complete_us, kind, key, argument)
        happens = True
        if rng.random() < unsure:
            operation = operation._replace(complete_us=None, outcome="info")
            happens = rng.random() < 0.5
            process[client] += clients
        drawn.append((rng.uniform(invoke_us, complete_us), happens, operation))
    drawn.sort(key=lambda each: each[0])
    return _answer(drawn)


def _draw(rng: Random, client: int, number: int) -> tuple[str, Any]:
    choice = rng.random()
    if choice >= _APPEND_SHARE + _PUT_SHARE:
        return "get", None
    return "append" if choice < _APPEND_SHARE else "put", b"x %d %d y" % (client, number)


def _answer(drawn: list[tuple[float, bool, Operation]]) -> list[Operation]:
    """Let the operations take effect in this order; appends and puts are not told anything."""
    states: dict[bytes, Any] = {}
    history = []
    for _, happens, operation in drawn:
        if happens:
            state = states.get(operation.key, STRING.initial)
            if operation.kind == "get" and operation.outcome == "ok":
                operation = operation._replace(result=state)
            states[operation.key] = STRING.step(state, operation._replace(outcome="info"))[1]
        history.append(operation)
    return sorted(history, key=lambda each: each.invoke_us)


def plant_stale_read(rng: Random, history: list[Operation]) -> list[Operation]:
    """Return the history with one read of the busiest key replaced by a value that was gone when it began.

    Another read that ended before it began had seen something newer.

    Raises:
        ValueError: there are too few reads one after another.
    """
    gets = [index for index, each in enumerate(history) if each.kind == "get" and each.outcome == "ok"]
    counts: dict[bytes, int] = {}
    for index in gets:
        counts[history[index].key] = counts.get(history[index].key, 0) + 1
    busiest = max(counts, key=counts.__getitem__, default=b"")
    reads = [history[index] for index in gets if history[index].key == busiest]
    places = [index for index in gets if history[index].key == busiest]
    later = places[len(places) // 2 :]
    rng.shuffle(later)
    for place in later:
        read = history[place]
        newer = _last_before(reads, read.invoke_us, ())
        older = None if newer is None else _last_before(reads, newer.invoke_us, (newer.result, read.result))
        if older is not None:
            return [*history[:place], read._replace(result=older.result), *history[place + 1 :]]
    raise ValueError("no read can be made stale")


def _last_before(reads: list[Operation], time_us: int, other_than: tuple[Any, ...]) -> Operation | None:
    """Return the last read to end before a time, of those that returned something else."""
    ended = [each for each in reads if each.end_us < time_us and each.result not in other_than]
    return max(ended, key=lambda each: each.end_us, default=None)
