"""A lock that one process holds: `acquire` and `release`.

Results: False, of a release also 0, says that it did not take place (somebody held it; the process did not hold it),
anything else that it did. A whole number that an acquire is told is its fencing token, and exceeds all that were
granted before. Who asks matters, so the operations of two processes are never alike. Source: knossos `model.clj`
(`mutex`), with its holder remembered; Jepsen, `fenced-mutex` of the Hazelcast tests.
"""

from typing import Final, NamedTuple

from trilemma.check.history import Operation
from trilemma.check.models.base import Model, unknown_kind


class Lock(NamedTuple):
    """The state of a lock."""

    holder: int | None = None
    """The process that holds it."""
    token: int | None = None
    """The last fencing token that is known to have been granted."""


def run_lock(state: Lock, operation: Operation) -> tuple[bool, Lock]:
    """Return whether a request takes place, and the state after it; tokens are left as they are."""
    if operation.kind == "acquire":
        return (True, state._replace(holder=operation.process)) if state.holder is None else (False, state)
    if operation.kind == "release":
        return (True, state._replace(holder=None)) if state.holder == operation.process else (False, state)
    raise unknown_kind("mutex", operation)


def _step(state: Lock, operation: Operation) -> tuple[bool, Lock]:
    done, after = run_lock(state, operation)
    if operation.outcome == "info":
        return True, after
    token = operation.result
    if operation.kind == "acquire" and type(token) is int:
        return done and (state.token is None or token > state.token), after._replace(token=token)
    return done != is_refusal(operation), after


def is_refusal(operation: Operation) -> bool:
    """Say whether a request was answered that it did not take place."""
    told = operation.result
    is_nothing = told is False or (operation.kind == "release" and type(told) is int and told == 0)
    return operation.outcome == "ok" and is_nothing


_FREE: Final = Lock()

MUTEX: Final = Model("mutex", _FREE, _step, is_refusal, run=run_lock)
"""A lock, free at first."""
