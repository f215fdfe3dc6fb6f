"""Questions to all peers, 'what do you hold?', and what they held when they answered.

Owns which questions are open and who has answered which. Does not know how they travel (in a Gossip, asked again with
every one, for messages may be lost), or what an answer is good for.

An answer may come late, also to a question of an earlier start of this node: what a peer held then says nothing of now.
So a start's numbers begin at a drawn one, and only numbers that this start has given count.
"""

from typing import NamedTuple

from trilemma.base.ids import NodeId


class Answer(NamedTuple):
    """What a peer held when it was asked."""

    durable: dict[NodeId, int]
    made: int
    """Its newest own batch, durable or not."""


class Questions:
    """The open questions of one replica; `before_first` is the number before the first one."""

    def __init__(self, before_first: int) -> None:
        self.answers: dict[int, dict[NodeId, Answer]] = {}
        """Per question that is open: what peers held when they answered."""
        self._newest = before_first

    def begin(self) -> int:
        """Open a question and return its number; numbers grow."""
        self._newest += 1
        self.answers[self._newest] = {}
        return self._newest

    def end(self, question: int) -> None:
        """Stop gathering answers to a question."""
        del self.answers[question]

    def hear(self, peer: NodeId, question: int, durable: dict[NodeId, int], made: int) -> None:
        """Take in an answer: what is held grows, so it holds for every question that was asked before, too. One to a
        higher number than was given is to an earlier start of this node."""
        if question > self._newest:
            return
        for number, answers in self.answers.items():
            if number <= question:
                answers.setdefault(peer, Answer(durable, made))

    def newest_unanswered(self, peer: NodeId) -> int:
        """Return the newest question that a peer has not answered, 0 where there is none."""
        return next((each for each in reversed(self.answers) if peer not in self.answers[each]), 0)
