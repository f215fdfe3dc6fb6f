"""List-append transactions: from a history to anomalies, and to a verdict on each model of isolation.

For serializability and what lies above it the anomalies are all there can be: an order of the graph without rings is an
order in which every read shows what it showed, given that elements are unique and every list tells its order. For
snapshot isolation the same holds where every append was read by somebody at last. Weaker models are judged by what was
found only. A transaction of unknown outcome counts as happened once somebody read what it appended.
Source: arXiv:2003.10554. Twin: orders tried one by one, in the tests.
Cost: O(n) in the length of the history, lists read included; rings are searched for with a bound.
"""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from trilemma.check.elle.anomaly import JUDGED, RULED_OUT, Anomaly
from trilemma.check.elle.explain import explain
from trilemma.check.elle.graph import Graph
from trilemma.check.elle.rings import VISITS_MAX, Hunt
from trilemma.check.elle.transaction import RefusalError, parse
from trilemma.check.elle.versions import Versions
from trilemma.check.hierarchy import READ_COMMITTED, READ_UNCOMMITTED, STRICT_SERIALIZABLE
from trilemma.check.history import Operation
from trilemma.check.verdict import Verdict, invalid, unknown, valid

CHECKER: Final = "list-append transactions"

NOTHING_READ: Final = "no transaction read a key that another appended to"
"""Why a history is not judged that shows nothing."""

_GRAVITY: Final = {name: place for place, name in enumerate(RULED_OUT)}


class Analysis(NamedTuple):
    """What was found in a history. `refusal` says why nothing could be judged; empty where it could."""

    anomalies: tuple[Anomaly, ...]
    """Gravest first; of one name the shortest first."""
    transactions: int
    refusal: str = ""
    gave_up: bool = False
    """Whether the bound of the search was reached, so that some kind of ring may have gone unfound."""

    def verdict(self, model: str) -> Verdict:
        """Return the verdict on one model of isolation (of `anomaly.JUDGED`).

        Raises:
            ValueError: it is no model that transactions are held against.
        """
        if model not in JUDGED:
            raise ValueError(f"transactions are not judged by {model!r} but by one of: {', '.join(JUDGED)}")
        name = f"{model} ({CHECKER})"
        if self.refusal:
            return unknown(name, self.refusal)
        against = [each for each in self.anomalies if model in each.ruled_out]
        if against:
            more = f" ({len(against) - 1} more anomalies against it)" if len(against) > 1 else ""
            return invalid(name, against[0].describe() + more, against[0].operations)
        if self.gave_up and model not in (READ_COMMITTED, READ_UNCOMMITTED):
            return unknown(name, "the search for rings reached its bound")
        beyond = ", ".join(dict.fromkeys(each.name for each in self.anomalies))
        return valid(
            name, f"{self.transactions} transactions" + (f"; not against this model: {beyond}" if beyond else "")
        )

    def verdicts(self) -> dict[str, Verdict]:
        """Return the verdict on each model, strongest first, as `hierarchy.stand` takes them."""
        return {model: self.verdict(model) for model in JUDGED}


def analyse(operations: Iterable[Operation], visits_max: int = VISITS_MAX) -> Analysis:
    """Return the anomalies of a history of transactions (their shape: see `transaction`).

    Args:
        visits_max: edges that the searches for rings may follow.
    """
    try:
        transactions = parse(operations)
        versions = Versions(transactions)
    except RefusalError as refusal:
        return Analysis((), 0, str(refusal))
    if not any(key.readers and key.writers for key in versions.keys.values()):
        return Analysis((), len(transactions), NOTHING_READ)
    graph = Graph(transactions, versions)
    hunt = Hunt(graph, visits_max)
    found = [*versions.find_all(), *(explain(graph, ring) for ring in hunt.run())]
    return Analysis(_sorted(found), len(transactions), gave_up=hunt.gave_up)


def check_list_append(operations: Iterable[Operation], model: str = STRICT_SERIALIZABLE) -> Verdict:
    """Judge a history of transactions by one model of isolation."""
    return analyse(operations).verdict(model)


def _sorted(found: Sequence[Anomaly]) -> tuple[Anomaly, ...]:
    return tuple(sorted(found, key=lambda each: (_GRAVITY[each.name], len(each.operations))))
