"""One schedule: a cluster of a seed's options, clients and a nemesis; then the heal, probes, final reads, judges.

Owns the phases and their order. What comes of them is judged by sim/seen.py.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from random import Random

from trilemma.base.ids import NodeId
from trilemma.check.history import Operation
from trilemma.check.liveness import check_recovery
from trilemma.check.verdict import invalid
from trilemma.sim.agreement import judge_agreement, rest
from trilemma.sim.asking import Asking
from trilemma.sim.bounds import tightened
from trilemma.sim.client import Client, Numbers
from trilemma.sim.cluster import Cluster
from trilemma.sim.founders import Founders
from trilemma.sim.generators import ONE_STEP_AT_A_TIME, READABLE, REVIVED, Reads, make_generator, revivals
from trilemma.sim.nemesis import Nemesis
from trilemma.sim.options import Options
from trilemma.sim.outcome import OPERATIONS_MIN, VIRTUAL_US_MIN, Outcome
from trilemma.sim.pace import Pace
from trilemma.sim.passing import PassingKeyspaces
from trilemma.sim.probe import Prober
from trilemma.sim.scheduler import Scheduler
from trilemma.sim.seen import SERVED_US, Seen
from trilemma.sim.solo import request
from trilemma.sim.trace import Trace
from trilemma.workload.bank import Bank
from trilemma.workload.founding import Foundings
from trilemma.workload.owned import Owned
from trilemma.workload.step import Generator

READY_US = 1_500_000
"""By when a fresh cluster has leaders and its keyspaces."""

OPENING_TRIES = 5

CREATED_AGAIN_US = 300_000
"""After how long a refused KEYSPACE CREATE is sent again."""

SAFETY_EXTRA_US = 12_000_000
"""How much longer the safety phase may last where few operations were answered."""


class Schedule:
    """Runs one seed."""

    def __init__(self, options: Options, keep_trace: bool = False, *, is_short: bool = False) -> None:
        self.options = options
        self._is_short = is_short
        self._rng = Random(options.seed ^ 0x5EED)
        self._trace = Trace(keep_trace)
        self._scheduler = Scheduler()
        self._cluster = Cluster(options, self._scheduler, self._rng, self._trace)
        self._nemesis = Nemesis(self._cluster, Random(self._rng.getrandbits(62)))
        self._generators = {name: self._generator(name) for name in options.workloads}
        self._clients: list[tuple[str, Client]] = []
        self._numbers = Numbers()
        self._passing = PassingKeyspaces(self._cluster, self._numbers)
        self._seen = Seen(options.workloads, self._passing, self._bank)
        self._outcome = Outcome(options)

    @property
    def _prefix(self) -> bytes:
        name = self.options.keyspace
        return b"" if name == "default" else name.encode() + b":"

    def _generator(self, name: str) -> Generator:
        generator = make_generator(name, Random(self._rng.getrandbits(62)), self._prefix, self.options)
        if isinstance(generator, Foundings):
            generator.beside = Founders(self._cluster, self._founder).send
        return generator

    def _founder(self, rng: Random, node: NodeId) -> Client:
        client = Client(
            self._cluster, self._seen.runs["founding"], rng, self._numbers, node, self._generators["founding"]
        )
        self._clients.append(("founding", client))
        return client

    def run(self) -> Outcome:
        """Run it all."""
        self._cluster.start()
        if self._prepare():
            self._disturb()
            if self.options.left_out:
                self._heal_majority()
            self._nemesis.heal()
            if self.options.rests_first:
                self._agree_in_silence()
            self._probe()
            self._read_finals()
            if self.options.mode == "ap":
                self._begin_anew()
            self._outcome.verdicts.append(judge_agreement(self._cluster))
            self._seen.judge(self._outcome, self._cluster, self._nemesis)
        self._outcome.virtual_us = self._scheduler.now_us
        self._outcome.failures = self._cluster.failures
        self._outcome.fired = dict(sorted(self._nemesis.fired.items()))
        self._outcome.trace_hash = self._trace.digest
        self._outcome.trace = self._trace.lines
        return self._outcome

    # The phases

    def _prepare(self) -> bool:
        """Wait for leaders, make the keyspace, open the bank."""
        self._scheduler.run_until(READY_US)
        options = self.options
        if options.keyspace != "default":
            words = ["KEYSPACE", "CREATE", options.keyspace, "MODE", options.mode, *options.settings]
            if not self._create(request(*words)):
                self._outcome.verdicts.append(invalid("preparation", f"{words} was not answered OK"))
                return False
        return self._bank is None or self._open_bank(self._bank)

    def _create(self, data: bytes) -> bool:
        """Send a KEYSPACE CREATE, again where lost beats make a link look cut; say whether it was OK."""
        for _ in range(OPENING_TRIES):
            answer = self._ask(data)
            if not isinstance(answer, str) or not answer.startswith("CLUSTERDOWN"):
                break
            self._scheduler.run_until(self._scheduler.now_us + CREATED_AGAIN_US)
        return answer == b"OK"

    def _open_bank(self, bank: Bank) -> bool:
        step = bank.opening(0)
        # An election may just take the newborn shard's first leader away: what it had not committed stands before what
        # the next one is sent, or nowhere, so to send it again is safe. Nobody waits longer than for one answer.
        for _ in range(OPENING_TRIES):
            operation = Operation(0, self._scheduler.now_us, None, step.kind, step.key, step.argument)
            if self._ask(request(*step.commands[0])) == b"OK":
                number = self._seen.runs["bank"].invoke(operation)
                self._seen.runs["bank"].complete(number, self._scheduler.now_us, "ok", b"OK")
                return True
        self._outcome.verdicts.append(invalid("preparation", "the bank was not opened"))
        return False

    @property
    def _bank(self) -> Bank | None:
        bank = self._generators.get("bank")
        return bank if isinstance(bank, Bank) else None

    def _ask(self, data: bytes) -> object:
        """Ask n1 something and wait for the reply."""
        asking = Asking(self._cluster, 1, data)
        if not asking.is_over:
            self._scheduler.run_until(self._scheduler.now_us + 8_000_000, lambda: asking.is_over)
        asking.leave()
        return asking.reply

    def _disturb(self) -> None:
        """The safety phase: clients and faults."""
        options, rng = self.options, self._rng
        pace = Pace(options.pace, self._scheduler.now_us, options.safety_us, options.spell_us, self._recorded)
        for number in range(options.clients):
            name = options.workloads[number % len(options.workloads)]
            readonly = options.mode == "cp" and name == "registers" and rng.random() < options.readonly_share
            generator = self._generators[name]
            load = generator.owner() if isinstance(generator, Owned) else generator
            only_reads = readonly or (name in READABLE and rng.random() < options.reader_share)
            client = Client(
                self._cluster,
                self._seen.runs[name],
                Random(rng.getrandbits(62)),
                self._numbers,
                1 + number % options.nodes,
                Reads(load) if only_reads else load,
                readonly=readonly,
                can_pipeline=name not in ONE_STEP_AT_A_TIME,
                pace=pace,
            )
            self._clients.append((name, client))
            client.start()
        if options.is_watched:
            self._watch()
        if options.passes and "databases" not in options.workloads:
            # FLUSHALL would empty them, and of one that is just being dropped a whole database cannot be read.
            self._clients.append(("passing", self._passing.client))
            self._passing.client.start()
        self._nemesis.start()
        self._scheduler.run_until(self._scheduler.now_us + options.safety_us)
        longest_us = self._scheduler.now_us + (0 if self._is_short else SAFETY_EXTRA_US)
        self._scheduler.run_until(longest_us, lambda: self._recorded() >= OPERATIONS_MIN)
        for _, client in self._clients:
            client.is_running = False

    def _watch(self) -> None:
        """Have a client at each node that only reads: one that also writes is held up where reads are still served."""
        name = next((name for name in self.options.workloads if name in READABLE), None)
        if name is None:
            return
        for node in self._cluster.processes:
            reads, rng = Reads(self._generators[name]), Random(self._rng.getrandbits(62))
            client = Client(self._cluster, self._seen.runs[name], rng, self._numbers, node, reads, can_pipeline=False)
            self._clients.append((name, client))
            client.start()

    def _recorded(self) -> int:
        return sum(recorder.size for recorder in self._seen.runs.values())

    def _heal_majority(self) -> None:
        """The first liveness phase: a majority that is whole serves without the others (PROMISES §2); on `ap` its
        replicas come to agree, for the others may never come back."""
        serving = self._nemesis.heal_majority()
        healed_us = self._scheduler.now_us
        probes: list[Operation] = []
        probers = self._start_probers([process.member.id for process in serving], probes)
        self._scheduler.run_until(healed_us + SERVED_US, lambda: all(prober.is_served for prober in probers))
        places = [(self.options.keyspace, process.name) for process in serving]
        self._outcome.verdicts.append(check_recovery(probes, places, healed_us + SERVED_US))
        if self.options.mode == "ap":
            self._outcome.verdicts.append(judge_agreement(self._cluster, [process.name for process in serving]))

    def _start_probers(self, nodes: Iterable[NodeId], probes: list[Operation]) -> list[Prober]:
        probers = [Prober(self._cluster, node, self._prefix, probes) for node in nodes]
        for prober in probers:
            prober.start()
        return probers

    def _agree_in_silence(self) -> None:
        """With nobody writing any more, replicas must come to agree."""
        limit_us = self._scheduler.now_us + SERVED_US
        self._scheduler.run_until(limit_us, lambda: all(client.is_at_rest for _, client in self._clients))
        self._outcome.verdicts.append(judge_agreement(self._cluster))

    def _probe(self) -> None:
        """The liveness phase: every node must serve the keyspace again."""
        healed_us = self._seen.healed_us = self._scheduler.now_us
        probers = self._start_probers(self._cluster.processes, self._seen.probes)
        self._scheduler.run_until(
            healed_us + SERVED_US,
            lambda: all(prober.is_served for prober in probers) and all(c.is_at_rest for _, c in self._clients),
        )
        rested_us = self._scheduler.now_us + 300_000
        self._scheduler.run_until(rested_us if self._is_short else max(rested_us, VIRTUAL_US_MIN))
        if self.options.mode == "ap":
            rest(self._cluster)

    def _read_finals(self) -> None:
        """Read everything that was ever written, at every node."""
        readers = []
        for name, generator in self._generators.items():
            for node in self._cluster.processes:
                reader = Client(
                    self._cluster,
                    self._seen.finals[name],
                    Random(node),
                    self._numbers,
                    node,
                    generator,
                    can_pipeline=False,
                )
                reader.drive(generator.finals(0))
                reader.start()
                readers.append(reader)
        self._wait_for(readers)

    def _wait_for(self, readers: Sequence[Client]) -> None:
        limit_us = self._scheduler.now_us + 20_000_000
        self._scheduler.run_until(limit_us, lambda: all(reader.is_at_rest for reader in readers))

    def _begin_anew(self) -> None:
        """Count, at rest, on keys that were gone: nothing of an earlier life may show."""
        for name, generator in self._generators.items():
            if name in REVIVED:
                steps = revivals(self._seen.finals[name].history().operations)
                numbers, rng = self._numbers, Random(0)
                client = Client(self._cluster, self._seen.revivals, rng, numbers, 1, generator, can_pipeline=False)
                client.drive(steps)
                client.start()
                self._wait_for([client])


def run_schedule(options: Options, keep_trace: bool = False, safety_us: int | None = None) -> Outcome:
    """Run one schedule and return what came of it. `safety_us`: a shorter safety phase, for traces."""
    if safety_us is not None:
        options = replace(options, safety_us=safety_us)
    with tightened(options.tight):
        return Schedule(options, keep_trace, is_short=safety_us is not None).run()
