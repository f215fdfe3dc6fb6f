"""Second defences, taken away where a planted bug would else do no harm: what masks several mutants (FAULTS §2).

A mask of one mutant alone stands beside it.
"""

from typing import Any


def voters_trust_their_start() -> list[tuple[Any, str, Any]]:
    """Masks R2: a voter that starts refuses votes for the time of a lease, and by then the term has moved on."""
    from trilemma.replication.raft.election import Refusal

    return [(Refusal, "_after_start", lambda self, starts_us, has_a_past: starts_us)]


def candidates_are_eager() -> list[tuple[Any, str, Any]]:
    """Masks C4: candidates take their time, so that little is left of a lease when another leader has been elected."""
    from trilemma.replication.raft.timing import ElectionTimer

    def soon_us(self: Any) -> int:
        drawn: int = self._random.between(0, 60_000)
        return drawn

    return [(ElectionTimer, "stagger_us", soon_us)]


def elections_are_plain() -> list[tuple[Any, str, Any]]:
    """Masks R2, R3 and O14: with pre-votes, and voters that stand by their leader, two candidates hardly ever ask for
    the same term's votes."""
    from trilemma.replication.raft.campaign import Candidacy, PreCampaign
    from trilemma.replication.raft.roles import Roles
    from trilemma.replication.raft.votes import Votes

    original = Roles.campaign

    def campaign(self: Any, begun: Any) -> None:
        original(self, Candidacy(self._core, transfer=False) if isinstance(begun, PreCampaign) else begun)

    return [
        *voters_trust_their_start(),
        (Votes, "_are_refused", lambda self: False),
        (Roles, "campaign", campaign),
    ]


def minorities_answer() -> list[tuple[Any, str, Any]]:
    """Masks O3: a node that reaches no majority refuses before any replica is asked, and it goes by when it sent what
    its peers echo."""
    from trilemma.node.executors import Executors
    from trilemma.node.raft_standing import RaftStanding

    return [
        (RaftStanding, "why_down", lambda self, up: None),
        (Executors, "why_down", lambda self, shard: None),
    ]


def leaders_stay() -> list[tuple[Any, str, Any]]:
    """Masks C2: a leader steps down when its links go, which is before another one can be elected; and a node
    that reaches no majority refuses before any replica is asked."""
    from trilemma.base.time import NEVER_US
    from trilemma.replication.raft.authority import Authority

    return [
        (Authority, "is_lost", lambda self: False),
        (Authority, "lost_us", property(lambda self: NEVER_US)),
        *minorities_answer(),
    ]
