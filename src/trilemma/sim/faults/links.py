"""Faults of links: cuts of every shape (Jepsen, FoundationDB), slow links, lossy ones, black holes."""

from functools import partial

from trilemma.sim.faults.harm import Harm
from trilemma.sim.faults.strike import Strike

SLOW_US = 300_000

FADE_US = 380_000
"""How slow a link becomes before it goes: so much one way that it just still counts as up."""

LOSS = 0.4

PAIR_SHARE = 0.5
"""How often a fault of links takes just one of them, not all of a node."""

HOLE_BYTES = (90, 130, 200)
"""Longest frames that get through a black hole: heartbeats do, entries do not."""


class LinkFaults:
    """Cuts of every shape, slow links, lossy ones, black holes."""

    def __init__(self, harm: Harm) -> None:
        self._harm = harm

    def kinds(self) -> dict[str, Strike]:
        """Return what this family can do, by name."""
        return {
            "isolate": self._isolate,
            "split": self._split,
            "cut_link": self._cut_link,
            "one_way": self._one_way,
            "swizzle": self._swizzle,
            "slow": self._slow,
            "fade": self._fade,
            "loss": self._loss,
            "black_hole": self._black_hole,
        }

    def _isolate(self, lasts_us: int) -> None:
        self._harm.cut("isolate", self._harm.links(self._harm.any()), lasts_us)

    def _split(self, lasts_us: int) -> None:
        """Cut the cluster in two, a majority and a minority (Jepsen's partition-random-halves)."""
        nodes = sorted(self._harm.cluster.processes)
        few = self._harm.rng.sample(nodes, (len(nodes) - 1) // 2)
        pairs = [(a, b) for a in nodes for b in nodes if (a in few) != (b in few)]
        self._harm.cut("split", pairs, lasts_us)

    def _cut_link(self, lasts_us: int) -> None:
        first, second = self._harm.pair()
        self._harm.cut("cut_link", [(first, second), (second, first)], lasts_us)

    def _one_way(self, lasts_us: int) -> None:
        """One link in one direction; or a node that nobody hears any more, or that hears nobody."""
        if self._harm.rng.random() < PAIR_SHARE:
            self._harm.cut("one_way", [self._harm.pair()], lasts_us)
            return
        one = self._harm.any().member.id
        others = [node for node in self._harm.cluster.processes if node != one]
        is_mute = self._harm.rng.random() < 0.5
        self._harm.cut("one_way", [(one, other) if is_mute else (other, one) for other in others], lasts_us)

    def _swizzle(self, lasts_us: int) -> None:
        """Isolate some nodes one after the other, then mend them in another order (FoundationDB)."""
        nodes = sorted(self._harm.cluster.processes)
        chosen = self._harm.rng.sample(nodes, self._harm.rng.randint(2, len(nodes)))
        for number, one in enumerate(chosen):
            pairs = [pair for other in nodes if other != one for pair in ((one, other), (other, one))]
            delay_us = number * lasts_us // 8
            ends_us = lasts_us + self._harm.rng.randrange(lasts_us)
            self._harm.cluster.scheduler.after(delay_us, partial(self._harm.cut, "swizzle", pairs, ends_us))

    def _slow(self, lasts_us: int) -> None:
        """One link, or all of a node."""
        one, other = self._harm.pair()
        others = [other]
        if self._harm.rng.random() >= PAIR_SHARE:
            one = self._harm.any().member.id
            others = [node for node in self._harm.cluster.processes if node != one]
        network = self._harm.cluster.network
        by_us = self._harm.rng.randrange(SLOW_US)
        pairs = [pair for other in others for pair in ((one, other), (other, one))]
        network.slow.update((pair, by_us) for pair in pairs)
        self._harm.fired["slow"] += 1
        self._harm.trace("slow", " ".join(f"n{a}>n{b}" for a, b in pairs) + f" by {by_us} us for {lasts_us} us")

        def end() -> None:
            for pair in pairs:
                network.slow.pop(pair, None)

        self._harm.cluster.scheduler.after(lasts_us, end)

    def _fade(self, lasts_us: int) -> None:
        """Slow down what a node sends, or is sent, or both; then cut it off: what came last was old when it came."""
        links = self._harm.links(self._harm.any())
        one = links[0][0]
        network, by_us = self._harm.cluster.network, self._harm.rng.randrange(FADE_US)
        way = self._harm.rng.randrange(3)
        slowed = [link for link in links if way == 2 or (link[0] == one) is (way == 0)]
        network.slow.update((link, by_us) for link in slowed)
        self._harm.trace("fade", " ".join(f"n{a}>n{b}" for a, b in slowed) + f" by {by_us} us")

        def cut_off() -> None:
            for link in slowed:
                network.slow.pop(link, None)
            self._harm.cut("fade", links, lasts_us)

        self._harm.cluster.scheduler.after(2 * by_us, cut_off)

    def _loss(self, lasts_us: int) -> None:
        direction = self._harm.pair()
        network = self._harm.cluster.network
        network.lossy[direction] = LOSS
        self._harm.fired["loss"] += 1
        self._harm.trace("loss", f"n{direction[0]}>n{direction[1]} for {lasts_us} us")
        self._harm.cluster.scheduler.after(lasts_us, lambda: network.lossy.pop(direction, None))

    def _black_hole(self, lasts_us: int) -> None:
        """One link in one direction, or all that leaves a node."""
        directions = [self._harm.pair()]
        if self._harm.rng.random() >= PAIR_SHARE:
            one = self._harm.any().member.id
            directions = [(one, node) for node in self._harm.cluster.processes if node != one]
        network = self._harm.cluster.network
        network.holes.update(dict.fromkeys(directions, self._harm.rng.choice(HOLE_BYTES)))
        self._harm.fired["black_hole"] += 1
        self._harm.trace("black_hole", " ".join(f"n{a}>n{b}" for a, b in directions) + f" for {lasts_us} us")

        def end() -> None:
            for direction in directions:
                network.holes.pop(direction, None)

        self._harm.cluster.scheduler.after(lasts_us, end)
