"""Causal consistency of unique-valued registers: no effect before its cause, concurrent writes in any order.

Of concurrent writes each process may see another order, but always the same one: it is what the four session guarantees
come to together (`session`). Nor may anything be read that `causal` lets nobody read, as values from nowhere or from
the future. It stands between what Bouajjani et al. call CC, where a process may change its order from read to read, and
causal memory (CM), where all that a process reads must fit one line of writes; it is weaker than causal convergence.
Source: Viotti and Vukolic, ACM CSUR 49(1), 2016 (causal consistency); Brzezinski, Sobaniec, Wawrzyniak, "From session
causality to causal consistency", PDP 2004; Bouajjani et al., POPL 2017. Twin: those of `causal` and `session`.
Cost: as both.
"""

from collections.abc import Hashable, Iterable, Sequence

from trilemma.check.causal import check_causal
from trilemma.check.hierarchy import CAUSAL
from trilemma.check.history import Operation
from trilemma.check.session import GUARANTEES, check_together
from trilemma.check.verdict import Verdict


def check_causal_consistency(operations: Sequence[Operation], initial: Hashable = None) -> Verdict:
    """Judge a history whose sessions are processes, wherever their requests went.

    Args:
        operations: as for `check_causal`.
        initial: what each key holds at first.
    """
    causes = check_causes(operations, initial)
    if causes.is_valid:
        together = check_together(operations, GUARANTEES, CAUSAL, initial)
        if together.is_invalid:
            return together
    return causes


def check_causes(operations: Iterable[Operation], initial: Hashable = None) -> Verdict:
    """Judge all but the orders in which processes saw concurrent writes."""
    placeless = [each._replace(node="") for each in operations]
    return check_causal(placeless, node_order=False, initial=initial, arbitrates=False)._replace(checker=CAUSAL)
