"""What a run is to do, and the bounds of what may be asked of it."""

from dataclasses import dataclass
from typing import Final

from trilemma.target import nemesis
from trilemma.target.port import PlanError, Target

TIME_S_MAX: Final = 3_600.0
CLIENTS_MAX: Final = 50
RATE_MAX: Final = 10_000


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run is to do. `clients` is per node and keyspace, `rate` in steps per second over all of them."""

    workload: str = "registers"
    nemesis: str = "none"
    time_s: float = 60.0
    clients: int = 2
    rate: int = 300
    seed: int = 0


def refuse_impossible(target: Target, plan: Plan) -> None:
    """Refuse a plan that cannot be carried out.

    Raises:
        PlanError: with the reason.
    """
    if plan.workload not in target.workloads:
        raise PlanError(f"{target.name} takes the workloads {', '.join(target.workloads)}, not {plan.workload}")
    if plan.nemesis not in nemesis.NEMESES:
        raise PlanError(f"there is no nemesis {plan.nemesis!r}; there are {', '.join(nemesis.NEMESES)}")
    if plan.nemesis != "none" and not target.is_ours:
        verb = plan.nemesis if plan.nemesis in nemesis.PROCESS_KINDS else "disturb"
        raise PlanError(f"{target.name} runs already: its links and processes are not ours to {verb}")
    for value, name, most in (
        (plan.time_s, "time", TIME_S_MAX),
        (plan.clients, "clients", CLIENTS_MAX),
        (plan.rate, "rate", RATE_MAX),
    ):
        if not 0 < value <= most:
            raise PlanError(f"{name} is more than 0 and at most {most:g}, not {value:g}")
