"""Keyspaces that are founded at the same moment: each CREATE comes from a client of its own, at another node.

What two coordinators know of the catalogue is then as old as can be, and their entries come in any order, also late.
"""

from collections.abc import Callable
from random import Random

from trilemma.sim.client import Client
from trilemma.sim.cluster import Cluster
from trilemma.workload.step import Step

MOMENT_STEPS = 8
"""The CREATEs of one moment are sent within so many steps of a message and a sync: about as long as one takes."""

TRIES = 4
"""How often each is sent: all but one are refused, unless the catalogue changes just between two of them."""

NewClient = Callable[[Random, int], Client]
"""Makes a client of a node that records what the workload's clients record."""


class Founders:
    """Sends the CREATEs that belong to the same moment as one of the workload itself."""

    def __init__(self, cluster: Cluster, new_client: NewClient) -> None:
        self._cluster = cluster
        self._new_client = new_client

    def send(self, creates: list[Step]) -> None:
        """Have each sent by a client of its own, as soon as its node is there."""
        scheduler, options = self._cluster.scheduler, self._cluster.options
        rng = Random(options.seed ^ scheduler.now_us)
        later_us = MOMENT_STEPS * (options.delay_us + options.sync_us + options.turn_us)
        nodes = rng.sample(sorted(self._cluster.processes), options.nodes)
        for place, create in enumerate(creates):
            founder = self._new_client(rng, nodes[place % len(nodes)])
            founder.drive([create] * TRIES)
            scheduler.after(rng.randrange(later_us), founder.start)
