"""Registers with unique values, held against every model that there is a fast checker for.

Owns which checker answers for which model; `hierarchy` says what the answers come to. A session is a process, also
where it moves from node to node, so that all verdicts are about the same sessions.
"""

from collections.abc import Iterable

from trilemma.check.causal import check_causal
from trilemma.check.hierarchy import CAUSAL_CONVERGENCE, LINEARIZABLE
from trilemma.check.history import Operation
from trilemma.check.register import check_register
from trilemma.check.session import check_sessions
from trilemma.check.verdict import Verdict, unknown


def judge_registers(operations: Iterable[Operation]) -> dict[str, Verdict]:
    """Return a verdict per model, strongest first, as `hierarchy.stand` takes them.

    Args:
        operations: `read` and `write` with values unique for their keys; a key holds None at first. With `multi_read`
            and `multi_write` among them linearizability is not judged here (see `linearizable`).

    Returns:
        `unknown` for every model where nothing was read.
    """
    history = list(operations)
    if not any(each.outcome == "ok" and "read" in each.kind for each in history):
        return {name: unknown(name, "nothing was read") for name in (LINEARIZABLE, CAUSAL_CONVERGENCE)}
    placeless = [each._replace(node="") for each in history]
    return {
        LINEARIZABLE: check_register(history),
        CAUSAL_CONVERGENCE: check_causal(placeless, node_order=False),
        **check_sessions(history),
    }
