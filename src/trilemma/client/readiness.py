"""Whether the nodes that a supervisor started serve: they themselves, not whoever else answers at their addresses.

A majority that serves is a cluster, whatever has become of the others: who waits for one is told at once which nodes
will not come, why, and what to do about each.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis

from trilemma.base.sentence_field import with_reasons
from trilemma.client import control
from trilemma.client.identity import NotOwnError, own_client

READY_S = 60.0
"""How long nodes may take to serve: recovery of a long log on a busy machine, and an election."""

POLL_S = 0.05
SOCKET_S = 3.0
REFUSAL = "trilemma: "
"""What a node's last line begins with where it says itself why it does not start."""


class NotReadyError(control.NoClusterError):
    """So many nodes do not serve that no majority is left; the text gives the reason of one."""


@dataclass(frozen=True, slots=True)
class Lack:
    """Why a node does not serve. `advice`: what to do; empty where no more than waiting can be said to help."""

    why: str
    advice: str = ""

    @property
    def is_final(self) -> bool:
        """Whether waiting cannot help."""
        return bool(self.advice)

    def __str__(self) -> str:
        """Say it to people."""
        return f"{self.why}; {self.advice}" if self.advice else self.why


def wait_until_own_serve(directory: Path, seconds: float = READY_S) -> dict[str, str]:
    """Wait until every node of a directory's supervisor that can come answers for the keyspace `default`.

    Returns:
        Why each of the others does not serve, and what to do; empty where all do. A majority serves.

    Raises:
        NotReadyError: no majority serves in time, or can any more, or the supervisor was stopped; at once where no
            waiting can help.
    """
    end, served = time.monotonic() + seconds, set[str]()
    addresses = control.nodes(directory)
    majority = len(addresses) // 2 + 1
    while True:
        lacks = _lacks(directory, addresses, served)
        final = {name: lack for name, lack in lacks.items() if lack.is_final}
        left = len(addresses) - len(final)
        if left < majority:
            raise NotReadyError(_too_few(final, len(addresses), majority))
        if len(lacks) == len(final):
            return {name: str(lack) for name, lack in lacks.items()}
        if time.monotonic() > end:
            return _late(directory, lacks, seconds, majority, len(addresses))
        time.sleep(POLL_S)


def _late(directory: Path, lacks: dict[str, Lack], seconds: float, majority: int, size: int) -> dict[str, str]:
    """Return what is to be said where time is up and a majority serves."""
    said = {name: node["said"] for name, node in _nodes_of_supervisor(directory).items()}
    told = {
        name: str(lack)
        if lack.is_final
        else f"{name} does not serve after {seconds:g} s: {lack.why}; "
        + (f"the last that it logged: {said[name]}" if said[name] else "it has logged nothing yet")
        for name, lack in lacks.items()
    }
    if size - len(lacks) < majority:
        raise NotReadyError(f"{next(iter(told.values()))}; `up --wait SECONDS` gives nodes longer")
    return {name: text if lacks[name].is_final else f"{text}; it may still come" for name, text in told.items()}


def _too_few(final: dict[str, Lack], size: int, majority: int) -> str:
    first, *others = final
    told = final[first].why + (f"; {' and '.join(others)} cannot serve either" if others else "")
    return told + (f"; {size - len(final)} of {size} nodes can, and {majority} are needed" if size > 1 else "")


def _lacks(directory: Path, addresses: dict[str, str], served: set[str]) -> dict[str, Lack]:
    """Return why nodes do not serve, of those that do not.

    Args:
        served: the nodes that were seen to, which are not asked again while their process runs; added to.
    """
    lacks: dict[str, Lack] = {}
    processes = _nodes_of_supervisor(directory)
    for name in addresses:
        if processes[name]["pid"] is None:
            served.discard(name)
            lacks[name] = _ended(directory, name, processes[name])
    if len(lacks) > len(addresses) // 2:
        return lacks  # whatever the others would answer
    for name, address in addresses.items():
        if name in lacks or name in served:
            continue
        lack = _lack(directory, name, address, len(addresses))
        if lack is None:
            served.add(name)
        else:
            lacks[name] = lack
    return lacks


def _nodes_of_supervisor(directory: Path) -> dict[str, dict[str, Any]]:
    """Return what the supervisor says of each node's process."""
    answer = control.answer_of(directory, "status")
    if answer is None or answer["stopping"]:  # or it has ended since
        raise NotReadyError(f"the cluster in {directory} was stopped before it served")
    return {str(node["name"]): node for node in answer["nodes"]}


def _ended(directory: Path, name: str, node: dict[str, Any]) -> Lack:
    said: str = node["said"]
    start = f"`trilemma lab start {name} --dir {directory}` starts it when that is mended"
    if said.startswith(REFUSAL):
        return Lack(f"{name} refuses to start: {said.removeprefix(REFUSAL)}", start)
    last = f"the last that it logged: {said}" if said else "it logged nothing"
    return Lack(f"{name} has ended ({node['state']}); {last}", start)


def _lack(directory: Path, name: str, address: str, size: int) -> Lack | None:
    """Return why a node that runs does not serve yet, None where it does."""
    try:
        with own_client(directory, name, address, socket_timeout=SOCKET_S) as client:
            try:
                client.exists("ready")
            except redis.ResponseError as problem:
                peers = with_reasons(client.info("peers"))
                return _left_out(directory, name, peers, size) or Lack(_with_half(str(problem), peers))
    except redis.ConnectionError as problem:
        return Lack(f"nothing listens at {address} yet" if "refused" in str(problem) else str(problem).rstrip("."))
    except (NotOwnError, redis.RedisError) as problem:
        return Lack(str(problem))
    return None


def _left_out(directory: Path, name: str, peers: dict[str, Any], size: int) -> Lack | None:
    """Return why a node will never have a majority: too many peers and it refuse each other. None where that is not so.

    Args:
        peers: what it says of its connection to each.
    """
    by = {peer: facts["why"] for peer, facts in peers.items() if facts["state"] == "refused"}
    of = {peer: facts["why"] for peer, facts in peers.items() if facts["state"] == "refuses"}
    if size - len(by) - len(of) > size // 2:
        return None
    kill, start = (f"`trilemma lab {verb} {name} --dir {directory}`" for verb in ("kill", "start"))
    said = f"is not taken in by {_told(by)}" if by else f"does not take in {_told(of)}"
    return Lack(
        f"{name} {said}",
        f"end it ({kill}), mend that (a data directory is put back whole, as it was), start it ({start})",
    )


def _with_half(why: str, peers: dict[str, Any]) -> str:
    """Return why a node does not serve, with what it says of peers that only one of the two can dial."""
    half = {peer: facts["why"] for peer, facts in peers.items() if facts["state"] == "one_way"}
    return f"{why}; of {_told(half)}" if half else why


def _told(reasons: dict[str, str]) -> str:
    return f"{', '.join(reasons)}: {next(iter(reasons.values()))}"
