"""A lock that one process holds: `acquire` and `release`.

Results: False says that it did not take place (somebody held it; the process did not hold it), anything else that it
did. Who asks matters, so the operations of two processes are never alike. Source: knossos `model.clj` (`mutex`), with
its holder remembered.
"""

from typing import Final

from trilemma.check.history import Operation
from trilemma.check.models.base import Model, unknown_kind

Holder = int | None


def _run(state: Holder, operation: Operation) -> tuple[bool, Holder]:
    if operation.kind == "acquire":
        return (True, operation.process) if state is None else (False, state)
    if operation.kind == "release":
        return (True, None) if state == operation.process else (False, state)
    raise unknown_kind("mutex", operation)


def _step(state: Holder, operation: Operation) -> tuple[bool, Holder]:
    done, after = _run(state, operation)
    return operation.outcome == "info" or done == (operation.result is not False), after


def _is_refusal(operation: Operation) -> bool:
    return operation.outcome == "ok" and operation.result is False


_FREE: Final[Holder] = None

MUTEX: Final = Model("mutex", _FREE, _step, _is_refusal, run=_run)
"""A lock, free at first."""
