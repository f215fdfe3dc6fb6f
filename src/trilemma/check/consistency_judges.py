"""Histories held against many models of consistency at once: a verdict per model, one of which was promised.

The verdict that counts is that on the promise; where `hierarchy` places the others is told beside it.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from trilemma.check.elle.anomaly import JUDGED
from trilemma.check.elle.checker import NOTHING_READ, analyse
from trilemma.check.hierarchy import (
    STRONG_SESSION_SERIALIZABLE,
    STRONG_SESSION_SNAPSHOT_ISOLATION,
    WEAKER,
    implies,
)
from trilemma.check.history import History, HistoryError, Operation
from trilemma.check.judgement import Judgement, Terms
from trilemma.check.program_order import why_unordered
from trilemma.check.register_models import judge_registers
from trilemma.check.session import GUARANTEES
from trilemma.check.session_doubt import TOGETHER, judge_sessions
from trilemma.check.verdict import Verdict, combine, unknown

Operations = Sequence[Operation]

OF_SESSIONS: Final = (STRONG_SESSION_SERIALIZABLE, STRONG_SESSION_SNAPSHOT_ISOLATION)
"""The models of transactions that ask for the order of each process and not for real time."""


def judge_list_append(operations: Operations, terms: Terms) -> Mapping[str, Verdict]:
    """Return a verdict per model of isolation; transactions under different keys do not constrain each other."""
    why = why_unordered(operations)
    if why:
        return _without_sessions(operations, terms, why)
    found = [analyse(group) for group in History(operations).by_key().values()]
    judged = [each for each in found if each.refusal != NOTHING_READ] or found[:1]
    if len(judged) == 1:
        return judged[0].verdicts()
    return {model: combine([each.verdict(model) for each in judged], model) for model in JUDGED}


def _without_sessions(operations: Operations, terms: Terms, why: str) -> Mapping[str, Verdict]:
    """Return the verdicts on transactions none of which is known to follow another of its process."""
    apart = [each._replace(process=number) for number, each in enumerate(operations)]
    models = {}
    for name, verdict in judge_list_append(apart, terms).items():
        shown = tuple(operations[each.process] for each in verdict.witness)
        is_open = name in OF_SESSIONS and not verdict.is_invalid
        models[name] = unknown(name, why) if is_open else verdict._replace(witness=shown)
    return models


def judge_session_guarantees(operations: Operations, terms: Terms) -> Mapping[str, Verdict]:
    """Return a verdict per session guarantee, and on what they come to together."""
    why = why_unordered(operations)
    if why:
        return {name: unknown(name, why) for name in (*GUARANTEES, *TOGETHER)}
    return judge_sessions(operations, terms.initial)


def judge_consistency(operations: Operations, terms: Terms) -> Mapping[str, Verdict]:
    """Return a verdict per model that registers can be held against."""
    return judge_registers(operations, terms.steps_max, terms.deadline)


def held_to(models: Mapping[str, Verdict], promise: str, by_default: Sequence[str]) -> Judgement:
    """Return the judgement in which the promise counts.

    Args:
        promise: a model; empty for those that are promised by default. One that has no verdict of its own is broken
            where a weaker model is, kept where a stronger one is, and else `unknown`.

    Raises:
        HistoryError: no verdict on the promise could follow from those on the models that were judged.
    """
    if promise and not _is_within(models, promise):
        raise HistoryError(f"there is no verdict on {promise!r}; there are verdicts on {', '.join(models)}")
    both = [name for name in TOGETHER if name in models]
    return Judgement([_decided(models, name) for name in ([promise] if promise else [*by_default, *both])], models)


def _is_within(models: Mapping[str, Verdict], promise: str) -> bool:
    """Say whether a verdict on some model may tell of the promise."""
    return promise in WEAKER and any(implies(promise, name) or implies(name, promise) for name in models)


def _decided(models: Mapping[str, Verdict], name: str) -> Verdict:
    """Return the verdict on a model, unless a weaker one is broken, as then it is too; where unknown a stronger one's.

    A check by real time takes equal stamps for concurrent, where one of sessions knows what a process did first: so the
    stronger model's own check may have found nothing. That guarantees hold together says nothing of one among them of
    which nothing was demanded.
    """
    own = models.get(name, unknown(name, "it is not judged by itself, and no verdict on another model tells of it"))
    if own.is_invalid:
        return own
    below = [verdict for other, verdict in models.items() if verdict.is_invalid and implies(name, other)]
    stronger = [other for other in models if implies(other, name) and other not in TOGETHER]
    above = [models[other] for other in stronger if models[other].is_valid]
    return [*below, *([own] if own.is_valid else above), own][0]
