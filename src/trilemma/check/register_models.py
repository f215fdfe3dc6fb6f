"""Registers with unique values, held against every model that there is a fast checker for.

Owns which checker answers for which model; `hierarchy` says what the answers come to. A session is a process, also
where it moves from node to node, so that all verdicts are about the same sessions.
"""

from collections.abc import Iterable
from typing import Final

from trilemma.check.causal import check_causal
from trilemma.check.causal_consistency import check_causes
from trilemma.check.deadline import Deadline
from trilemma.check.hierarchy import CAUSAL, CAUSAL_CONVERGENCE, LINEARIZABLE, PRAM, SEQUENTIAL
from trilemma.check.history import Operation
from trilemma.check.linearizable import STEPS_MAX
from trilemma.check.model import register
from trilemma.check.program_order import why_unordered
from trilemma.check.register import check_register
from trilemma.check.saturation import OPERATIONS_MAX
from trilemma.check.sequential import check_sequential
from trilemma.check.session import GUARANTEES
from trilemma.check.session_doubt import judge_sessions
from trilemma.check.verdict import Verdict, unknown

MODELS: Final = (LINEARIZABLE, SEQUENTIAL, CAUSAL_CONVERGENCE, CAUSAL, PRAM, *GUARANTEES)
"""Those that are judged, strongest first."""


def judge_registers(
    operations: Iterable[Operation], steps_max: int = STEPS_MAX, deadline: Deadline | None = None
) -> dict[str, Verdict]:
    """Return a verdict per model, strongest first, as `hierarchy.stand` takes them.

    Args:
        operations: `read` and `write` with values unique for their keys; a key holds None at first. With `multi_read`
            and `multi_write` among them neither linearizability (see `linearizable`) nor sequential consistency is
            judged here.
        steps_max: bound on the search for a sequential order, which is made only where the quick checkers leave it open
            (a stronger model is broken, no weaker one is) and the history is no longer than OPERATIONS_MAX.
        deadline: when to give up that search.

    Returns:
        `unknown` for every model where nothing was read, and for all but linearizability, which asks for no order of
        a process, where a process did two things at once.
    """
    history = list(operations)
    if not any(each.outcome == "ok" and "read" in each.kind for each in history):
        return {name: unknown(name, "nothing was read") for name in MODELS}
    why = why_unordered(history)
    if why:
        return {name: unknown(name, why) for name in MODELS} | {LINEARIZABLE: check_register(history)}
    placeless = [each._replace(node="") for each in history]
    linearizable = check_register(history)
    sessions = {name: each for name, each in judge_sessions(history).items() if name != CAUSAL_CONVERGENCE}
    convergent = check_causal(placeless, node_order=False)
    if not sessions[CAUSAL].is_invalid:
        # Who agrees on one order of concurrent writes has all that is asked of causes.
        sessions[CAUSAL] = convergent._replace(checker=CAUSAL) if convergent.is_valid else check_causes(history)
    weaker = {CAUSAL_CONVERGENCE: convergent, **sessions}
    is_open = linearizable.is_invalid and not any(each.is_invalid for each in weaker.values())
    if is_open and len(history) <= OPERATIONS_MAX and all(each.kind in ("read", "write") for each in history):
        sequential = check_sequential(history, register(), steps_max, deadline)
    else:
        sequential = unknown(SEQUENTIAL, "not searched for: other verdicts tell, or it is too long, or of several keys")
    return {LINEARIZABLE: linearizable, SEQUENTIAL: sequential, **weaker}
