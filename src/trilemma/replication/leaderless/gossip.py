"""When a replica says what it holds, and the questions that travel with it.

Owns the rhythm: every GOSSIP_US, on the grid, and at once where something must be heard soon. Does not know what is
said (the replica does), nor what an answer is good for. PROTOCOLS §5.7.
"""

from collections.abc import Callable, Sequence

from trilemma.base.ids import NodeId
from trilemma.base.time import Now, on_grid
from trilemma.replication.leaderless.messages import Gossip
from trilemma.replication.leaderless.questions import Answer, Questions

GOSSIP_US = 160_000
"""How often a replica says what it holds."""

QUESTION_DRAW_MAX = (1 << 62) - 1
"""Where a start's questions begin at the highest: no two starts use one number, and there is room to count."""

Say = Callable[[NodeId, int, int], None]
"""Says to a peer what is held, with the question that is asked and the one that is answered; 0 for none."""


class Rounds:
    """The gossip of one replica.

    Args:
        entropy: another one at each start, at least 0: by it questions of this start are told from earlier ones.
    """

    def __init__(self, peers: Sequence[NodeId], entropy: int, now: Now, say: Say) -> None:
        self._peers = peers
        self._questions = Questions(entropy & QUESTION_DRAW_MAX)
        self._say = say
        self.next_us = now.mono_us
        """When the next round is due."""

    def at_once(self, now: Now) -> None:
        """Make the next round due."""
        self.next_us = now.mono_us

    def advance(self, now: Now) -> None:
        """Say to all peers what is held, where that is due."""
        if now.mono_us < self.next_us:
            return
        self.next_us = on_grid(now.mono_us + GOSSIP_US, GOSSIP_US)
        for peer in self._peers:
            self._say(peer, self._questions.newest_unanswered(peer), 0)

    def hear(self, sender: NodeId, message: Gossip) -> None:
        """Answer what is asked, and take in what is answered."""
        if message.asks:
            self._say(sender, 0, message.asks)
        self._questions.hear(sender, message.answers, message.durable, message.made)

    def ask(self) -> int:
        """Ask all peers what they hold; the answers gather in `answers` until `forget`.

        With every gossip it is asked again of those that have not answered: messages may be lost.
        """
        question = self._questions.begin()
        for peer in self._peers:
            self._say(peer, question, 0)
        return question

    @property
    def answers(self) -> dict[int, dict[NodeId, Answer]]:
        """Per question that is open: what peers held when they answered."""
        return self._questions.answers

    def forget(self, question: int) -> None:
        """Stop gathering answers to a question."""
        self._questions.end(question)
