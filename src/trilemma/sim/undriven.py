"""Which commands no workload of a mode sends, and why no schedule could show more of them than other tests do.

A test holds this list against the command table and against what the workloads send.
"""

from typing import Final

_CONSTANT: Final = "reads a table that is the same in every process: no fault changes it (tests/command)"
_OF_THE_NODE: Final = (
    "is about the node that is asked alone, so that no fault could part it (tests/node, tests/command)"
)
_ACCEPTED: Final = "is answered OK and does nothing (tests/command)"
_OF_THE_PROCESS: Final = "acts on the process and its files, which are real ones only (tests/runtime)"

_OF_AP: Final = "asks what replicas that lag have seen; of other keyspaces it is refused, or says nothing (tests/node)"

OPERATORS: Final = frozenset({"keyspace|alter"})
"""What the nemesis sends."""

_CONTAINERS: Final = ("cap", "client", "cluster", "command", "config", "function", "keyspace", "object", "script")

UNDRIVEN: Final = {
    **{f"{name}|help": _CONSTANT for name in _CONTAINERS},
    **{f"command|{word}": _CONSTANT for word in ("count", "docs", "getkeys", "info", "list")},
    "cap|siblings": "is refused: not built yet",
    "client|info": _OF_THE_NODE,
    "client|kill": "breaks a connection, as crashes and impatient clients do all the time",
    "client|list": _OF_THE_NODE,
    "client|no-evict": _ACCEPTED,
    "client|setinfo": _ACCEPTED,
    "cluster|info": "tells what the node believes, with no promise on how late (tests/node)",
    "cluster|keyslot": _CONSTANT,
    "config|get": _OF_THE_NODE,
    "config|resetstat": _OF_THE_NODE,
    "config|rewrite": _OF_THE_PROCESS,
    "config|set": _OF_THE_NODE,
    "debug": "sleeps; a pause is a fault of its own here",
    "function|flush": _ACCEPTED,
    "info": "tells what the node believes, with no promise on how late (tests/node)",
    "keyspace|info": "shows the catalogue, which founding keyspaces judge by what becomes of their keys",
    "keyspace|lead": "hands over as the fault `hand_over` does, which asks the node itself",
    "keyspace|list": "shows the catalogue, which founding keyspaces judge by what becomes of their keys",
    "lab": "makes the faults that the nemesis makes, at links that are real ones only (tests/lab)",
    "monitor": "shows what the node's own clients send, and promises nothing across nodes (tests/node)",
    "script|flush": _ACCEPTED,
    "shutdown": "hands over as the fault `hand_over` does, and ends a process, which is a real one only (tests/node)",
    "time": "shows the node's wall clock, which faults step and nobody promises anything of",
}
"""By name: why no workload of any mode sends it."""

ONLY_ELSEWHERE: Final = {
    "cp": dict.fromkeys(("cap|conflicts", "cap|token", "cap|wait"), _OF_AP),
    "ca": dict.fromkeys(("cap|conflicts", "cap|token", "cap|wait"), _OF_AP),
    "ap": {"cap|once": "is refused, for each side of a cut would execute the command (tests/node)"},
}
"""By mode: what other modes' workloads send, and why those of this mode do not."""
