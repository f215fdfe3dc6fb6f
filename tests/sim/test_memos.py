"""What a replica remembers of an entry must not outlive the entry, the term or the log that it speaks of."""

from stage import Asked, Stage
from trilemma.node.raft_shard import RaftShard

S = 1_000_000


class Scene(Stage):
    """The stage, with n1 in the lead of everything."""

    def __init__(self) -> None:
        super().__init__()
        self.lead(1)

    def replica(self, node: int, name: str) -> RaftShard:
        made = self.cluster.processes[node].node
        assert made is not None
        replica = made.replicas[self._shard(name)]
        assert isinstance(replica, RaftShard)
        return replica

    def lead_again(self, name: str) -> None:
        """Have n1 lead a keyspace that another node leads."""
        for _ in range(30):
            if self.leads(1, name):
                return
            for node in (2, 3):
                self.ask(node, "KEYSPACE", "LEAD", name, "n1")
            self.run(300_000)
        raise AssertionError("n1 does not lead")

    def send_late(self, node: int, count: int) -> list[Asked]:
        """Send writes of `bank`, one behind the other, that each get an entry of their own."""
        sent = []
        for number in range(count):
            sent.append(self.begin(node, "SET", f"bank:{number}", "v"))
            self.run(12_000)
        return sent


def test_a_tick_that_was_replaced_by_another_leaders_entry_is_proposed_again() -> None:
    stage = Scene()
    stage.ask(1, "SET", "bank:late", "v", "PX", "15000")
    stage.ask(1, "SET", "bank:soon", "v", "PX", "3000")
    stage.run(2_880_000)
    stage.cut_off(1)
    stage.send_late(1, 12)  # the TICK that becomes due has an index that is not reached for long
    stage.run(2 * S)
    stage.heal()
    stage.run(S)
    stage.lead_again("bank")
    stage.run(10 * S)
    assert stage.ask(1, "GET", "bank:late").reply is None
    assert stage.ask(2, "DBSIZE").reply == 0


def test_what_a_deposed_leader_proposed_is_answered_though_it_leads_again_and_proposes_at_its_index() -> None:
    """The forwarded batches behind it were repeated for ever."""
    stage = Scene()
    stage.ask(2, "SET", "bank:a", "0")
    stage.run(300_000)
    stage.cut_way(1, 2)
    stage.cut_way(1, 3)
    stage.send_late(2, 6)
    stage.run(3 * S)
    stage.heal()
    stage.run(2 * S)
    stage.lead_again("bank")
    for number in range(20):
        stage.ask(1, "SET", "bank:z", str(number))
    stage.run(2 * S)
    executors = stage.cluster.processes[2].node._executors  # type: ignore[union-attr]
    assert executors.routes[stage._shard("bank")].is_at_rest


def test_leases_are_granted_as_the_keyspace_says_however_often_that_changes_in_one_term() -> None:
    stage = Scene()
    for read in ("local", "linearizable", "local", "linearizable"):
        assert stage.ask(1, "KEYSPACE", "ALTER", "bank", "READ", read).reply == b"OK"
        stage.run(S)
        assert stage.replica(1, "bank").raft.grants_leases is (read == "local")
