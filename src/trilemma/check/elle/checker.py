"""List-append transactions: from a history to anomalies, and to a verdict on each model of isolation.

For serializability and what lies above it the anomalies are all there can be: an order of the graph without rings is an
order in which every read shows what it showed, given that elements are unique and every list tells its order. So it is
for snapshot isolation, of each strength: of appends to one key that nobody read, an order is looked for that leaves no
ring against it (`commits`). Where there is none, that is a G-single, or G-nonadjacent, in whichever order they came; if
the bound is reached first, these models, and no others, are `unknown`. Weaker models are judged by what was found only.
A transaction of unknown outcome counts as happened once somebody read what it appended.
Source: arXiv:2003.10554. Twins: orders and schedules tried one by one, in the tests.
Cost: O(n) in the length of the history, lists read included; rings and orders are searched for with a bound.
"""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from trilemma.check.elle.anomaly import G_SINGLE, JUDGED, RULED_OUT, Anomaly
from trilemma.check.elle.explain import explain, explain_clash
from trilemma.check.elle.graph import Graph
from trilemma.check.elle.rings import VISITS_MAX, Hunt
from trilemma.check.elle.transaction import RefusalError, parse
from trilemma.check.elle.versions import Versions
from trilemma.check.hierarchy import READ_COMMITTED, READ_UNCOMMITTED, REPEATABLE_READ, STRICT_SERIALIZABLE
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
    undecided: frozenset[str] = frozenset()
    """Models of which the bound was reached in the search for an order of appends that nobody saw."""

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
        if model in self.undecided:
            return unknown(name, "some appends nobody saw, and the search for an order of them reached its bound")
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
    alone = versions.find_all()
    if not alone and not any(key.readers and key.writers for key in versions.keys.values()):
        return Analysis((), len(transactions), NOTHING_READ)
    graph = Graph(transactions, versions)
    hunt = Hunt(graph, visits_max)
    found = [*alone, *(explain(graph, ring) for ring in hunt.run())]
    found += [explain_clash(graph, clash, variant) for variant, clash in hunt.clashes]
    undecided = frozenset(weakest for variant in hunt.undecided for weakest in RULED_OUT[G_SINGLE + variant])
    return Analysis(_sorted(found), len(transactions), gave_up=hunt.gave_up, undecided=undecided - {REPEATABLE_READ})


def check_list_append(operations: Iterable[Operation], model: str = STRICT_SERIALIZABLE) -> Verdict:
    """Judge a history of transactions by one model of isolation."""
    return analyse(operations).verdict(model)


def _sorted(found: Sequence[Anomaly]) -> tuple[Anomaly, ...]:
    return tuple(sorted(found, key=lambda each: (_GRAVITY[each.name], len(each.operations))))
