"""The executor's side of forwarded batches: what it carries out, and what it refuses to look at."""

import pytest

from trilemma.base.ids import SYSTEM_SHARD, ShardId
from trilemma.cluster.messages import Forward, ForwardReply
from trilemma.keyspace.catalogue import Abort, encode_change
from trilemma.node.batch import ForwardedBatch
from trilemma.node.forwarding import EPOCHS_KEPT, Incoming
from trilemma.node.unit import Part, Path, Unit, Watch, encode_units

SHARD = ShardId(1024)


class Scene:
    """Node 1, which executes epoch 7 of a shard; batches of node 2."""

    def __init__(self) -> None:
        self.submitted: list[ForwardedBatch] = []
        self.replies: list[ForwardReply] = []
        self.bad = 0
        self.target: tuple[int, int] | None = (1, 7)
        self.executed: set[int] = set()
        """Epochs of which this start of the node was the executor, and is no more."""
        self.incoming = Incoming(
            1,
            lambda _: self.target,
            lambda _, epoch: epoch in self.executed,
            lambda _, batch: self.submitted.append(batch),
            self._reply,
            self._bad,
        )

    def _bad(self) -> None:
        self.bad += 1

    def _reply(self, reply: ForwardReply) -> None:
        self.replies.append(reply)

    def receive(
        self, sequence: int, body: bytes | None, shard: ShardId = SHARD, epoch: int = 7, start: int = 1
    ) -> None:
        self.incoming.receive(Forward(2, start, 1, shard, epoch, sequence, 0, 1, body))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xff",
        encode_units([]),
        encode_units([[1, 0, 2]]),
        encode_units([Unit(Path.READ, 0, 2, [])]),
        encode_units([Unit(Path.WRITE, 0, 2, [b"SET", b"k", b"v"]), Unit(Path.WRITE, 0, 2, [], [Part(0, [])])]),
    ],
)
def test_a_batch_that_no_sound_node_sends_is_counted_and_refused_and_the_stream_goes_on(body: bytes) -> None:
    scene = Scene()
    scene.receive(1, body)
    assert [(reply.sequence, reply.outcome) for reply in scene.replies] == [(1, "refused")]
    assert scene.bad == 1
    scene.receive(2, encode_units([Unit(Path.READ, 0, 2, [b"GET", b"k"])]))
    assert [unit.argv for batch in scene.submitted for unit in batch.units] == [[b"GET", b"k"]]


def test_a_transaction_without_commands_is_carried_out_for_its_watches() -> None:
    scene = Scene()
    scene.receive(1, encode_units([Unit(Path.WRITE, 0, 2, [], [], [Watch(0, b"k", 3)])]))
    assert len(scene.submitted) == 1
    assert scene.bad == 0


@pytest.mark.parametrize("words", [[b"SET", b"k", b"v"], [b""], []])
def test_what_is_no_change_of_the_catalogue_never_comes_into_its_log(words: list[bytes]) -> None:
    """Every node that applied it would have ended, at every start again."""
    scene = Scene()
    unit = Unit(Path.WRITE, 0, 2, words, [] if words else [Part(0, [b"SET", b"k", b"v"])])
    scene.receive(1, encode_units([unit]), SYSTEM_SHARD)
    assert [reply.outcome for reply in scene.replies] == ["refused"]
    assert scene.bad == 1
    scene.receive(2, encode_units([Unit(Path.WRITE, 0, 2, [encode_change(Abort(3))])]), SYSTEM_SHARD)
    assert len(scene.submitted) == 1


GET = encode_units([Unit(Path.READ, 0, 2, [b"GET", b"k"])])


def test_a_first_batch_for_who_has_led_and_leads_no_more_is_refused_for_good() -> None:
    """It was UNCERTAIN, over and over, as long as another node said that this one leads."""
    scene = Scene()
    scene.executed = {5}
    scene.receive(1, GET, epoch=5)
    scene.receive(1, GET, epoch=5)
    assert [reply.outcome for reply in scene.replies] == ["refused", "refused"]
    assert scene.submitted == []


def test_what_an_earlier_start_may_have_executed_is_unknown() -> None:
    scene = Scene()
    scene.executed = {5}
    scene.receive(1, GET, epoch=4)
    assert [reply.outcome for reply in scene.replies] == ["lost"]


def test_what_came_on_a_stream_that_is_not_kept_any_more_is_unknown() -> None:
    scene = Scene()
    for epoch in range(7, EPOCHS_KEPT + 8):
        scene.target = (1, epoch)
        scene.receive(1, GET, epoch=epoch)
    scene.target, scene.executed = None, {7, 99}
    scene.receive(1, GET)
    scene.receive(1, GET, epoch=99)
    assert [reply.outcome for reply in scene.replies] == ["lost", "refused"]


SET = encode_units([Unit(Path.WRITE, 0, 2, [b"SET", b"k", b"v"])])


def test_a_repeat_is_answered_no_sooner_than_the_first_answer_may_leave() -> None:
    """The reply to a repeat left at once, so a write was acknowledged that a crash of its executor took back; later
    each repeat laid one more copy beside the first one, to wait for the disk."""
    scene = Scene()
    scene.receive(1, SET)
    scene.submitted[0].complete(0, [b"+OK\r\n"], 33)
    scene.receive(1, SET)
    scene.incoming.persisted(32)
    assert scene.replies == []
    scene.incoming.persisted(33)
    scene.incoming.persisted(34)
    assert [(reply.sequence, reply.outcome) for reply in scene.replies] == [(1, "done")]
    scene.receive(1, SET)
    assert scene.replies[1:] == scene.replies[:1]


def test_what_is_not_wanted_any_more_need_not_be_begun_and_its_reply_waits_for_no_disk() -> None:
    scene = Scene()
    scene.receive(1, SET)
    scene.receive(2, SET)
    scene.submitted[1].complete(0, [b"+OK\r\n"], 33)
    assert not scene.submitted[0].is_answered(0)
    scene.receive(1, None)
    scene.receive(2, None)
    assert [(reply.sequence, reply.outcome, reply.replies) for reply in scene.replies] == [
        (1, "done", b""), (2, "done", b""),
    ]  # fmt: skip
    assert scene.submitted[0].is_answered(0)
    assert scene.incoming.take_withdrawn() == [SHARD]
    assert scene.incoming.take_withdrawn() == []
    scene.submitted[0].complete(0, [b"+OK\r\n"], 34)
    scene.incoming.persisted(34)
    assert len(scene.replies) == 2


def test_a_newer_start_of_an_origin_ends_what_the_one_before_had_here() -> None:
    scene = Scene()
    scene.receive(1, SET)
    scene.receive(2, SET)
    scene.submitted[0].complete(0, [b"x" * 1_000], 33)
    scene.receive(1, SET, start=2)
    assert len(scene.incoming._streams) == 1
    assert [batch.is_answered(0) for batch in scene.submitted] == [False, True, False]
    scene.incoming.persisted(33)
    assert scene.replies == []


def test_what_comes_late_of_an_earlier_start_is_not_carried_out_a_second_time() -> None:
    scene = Scene()
    scene.receive(1, SET)
    scene.receive(1, SET, start=2)
    scene.receive(1, SET)
    assert [batch.forward.origin_start for batch in scene.submitted] == [1, 2]
    assert scene.replies == []
