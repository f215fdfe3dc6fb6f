"""What Raft replicas of one shard say to each other. Tags 1-39 of the wire format.

Knows nothing of when they are sent. Paper figure 2 and §5; thesis §9.6 (pre-vote), §3.10 (TimeoutNow).
"""

from typing import Annotated

import msgspec

from trilemma.replication.port import Message

Count = Annotated[int, msgspec.Meta(ge=0)]
"""Terms, indexes, rounds and durations are never negative; a frame that says so is refused whole."""


class PreVote(Message, frozen=True, array_like=True, tag=1):
    """'Would you vote for me in `term`?' Changes nothing at the receiver."""

    term: Count
    last_index: Count
    last_term: Count


class PreVoteReply(Message, frozen=True, array_like=True, tag=2):
    """The answer to a PreVote for the term `asked`; `term` is the replier's own."""

    term: Count
    asked: Count
    granted: bool


class RequestVote(Message, frozen=True, array_like=True, tag=3):
    """'Vote for me in `term`.' `transfer`: the leader itself asked for this election by TimeoutNow."""

    term: Count
    last_index: Count
    last_term: Count
    transfer: bool


class VoteReply(Message, frozen=True, array_like=True, tag=4):
    """The answer to a RequestVote; `term` is the replier's own after it, so a grant names the term it is for.

    `log_time_ms` is log time as the voter knows it from a leader since its start, 0 where it has heard none.
    """

    term: Count
    granted: bool
    log_time_ms: Count = 0


class AppendEntries(Message, frozen=True, array_like=True, tag=5):
    """Entries `prev_index + 1`..., each (term, payload); none in a heartbeat.

    `round` is to be echoed: it confirms leadership as of when it was opened. `match_index` is what the receiver itself
    acknowledged as durable in this term; `replicated_index` what every member did. `lease_request` is the newest
    request of the receiver that is granted, for `lease_us` from its sending, 0 for none; the lease names
    `commit_index`.
    """

    term: Count
    round: Count
    prev_index: Count
    prev_term: Count
    commit_index: Count
    log_time_ms: Count
    match_index: Count
    replicated_index: Count
    lease_request: Count
    lease_us: Count
    entries: list[tuple[Count, bytes]]


class AppendAccepted(Message, frozen=True, array_like=True, tag=6):
    """The receiver's log agrees with the leader's: durably up to `match_index`, in memory up to `received_index`.

    `lease_request` numbers this message as a request for a read lease, 0 for none.
    """

    term: Count
    round: Count
    match_index: Count
    received_index: Count
    lease_request: Count


class AppendRejected(Message, frozen=True, array_like=True, tag=7):
    """The entry at `prev_index` is missing or another one; below `hint_index` (of `hint_term`) it may agree.

    With a term above the leader's it means: step down.
    """

    term: Count
    round: Count
    prev_index: Count
    hint_index: Count
    hint_term: Count


class TimeoutNow(Message, frozen=True, array_like=True, tag=8):
    """The leader of `term` hands over: campaign at once."""

    term: Count


RaftMessage = (
    PreVote | PreVoteReply | RequestVote | VoteReply | AppendEntries | AppendAccepted | AppendRejected | TimeoutNow
)
