"""Which models of consistency a run is held against, for `hierarchy` to place it. Nothing is inferred from an unknown.

Registers are held against every model that there is a quick checker for; of other workloads a model is what the
verdicts on promises name.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from trilemma.check.hierarchy import CAUSAL_CONVERGENCE, EVENTUAL, LINEARIZABLE, stand
from trilemma.check.history import Operation
from trilemma.check.register_models import judge_registers
from trilemma.check.verdict import Verdict, combine
from trilemma.target.judge import SEARCH_STEPS_MAX

_CHECKERS: Final[Mapping[str, str]] = {
    LINEARIZABLE: "linearizable",
    CAUSAL_CONVERGENCE: "causal convergence",
    EVENTUAL: "convergence",
}
"""For each model, how the names of the checkers that judge it begin."""


def by_promise(verdicts: Sequence[Verdict]) -> dict[str, Verdict]:
    """Return the verdict on each model that one of the verdicts is about."""
    about = {model: [each for each in verdicts if each.checker.startswith(name)] for model, name in _CHECKERS.items()}
    return {model: combine(found, model) for model, found in about.items() if found}


def by_model(workload: str, operations: Iterable[Operation], verdicts: Sequence[Verdict]) -> dict[str, Verdict]:
    """Return a verdict per model.

    Args:
        operations: the run and the reads at its end.
        verdicts: on promises, kept or not.
    """
    told = by_promise(verdicts)
    return {**told, **judge_registers(operations, SEARCH_STEPS_MAX)} if workload == "registers" else told


def breaks(models: Mapping[str, Verdict], told: Sequence[Verdict]) -> list[Verdict]:
    """Return the verdicts on the weakest models that are broken, so that none is named without its witness.

    Args:
        told: verdicts that are told already; what one of them shows is not told again.
    """
    shown = {(each.reason, each.witness) for each in told}
    broken = [models[name]._replace(checker=name) for name in stand(models).broken]
    return [each for each in broken if (each.reason, each.witness) not in shown]
