"""What waits at a route for an executor: requests in their order, bounded in number and, once they wait, in bytes.

Does not know why they wait. What goes on its way in the turn in which it came is never weighed: that is most of it.
"""

from collections.abc import Iterable
from operator import attrgetter

from trilemma.base.limits import MIB, limit
from trilemma.node.request import Request
from trilemma.node.unit import argument_bytes

HELD_REQUESTS_MAX = limit(
    "held_requests_max",
    65_536,
    "requests per shard",
    "held while no leader is known",
    "CLUSTERDOWN … too many requests wait",
)
HELD_BYTES_MAX = limit(
    "held_bytes_max",
    64 * MIB,
    "bytes per shard",
    "arguments of what is held while no leader is known are held in memory",
    "CLUSTERDOWN … too many requests wait",
)


class Backlog:
    """The requests of one route that no executor has."""

    __slots__ = ("_bytes", "_holds", "_is_mixed_up", "_requests")

    def __init__(self) -> None:
        self._requests: list[Request] = []
        self._is_mixed_up = False
        """Whether something was given back, so that it does not stand in its place."""
        self._holds = False
        """Whether what is here has waited already: it is weighed, and so is what joins it."""
        self._bytes = 0

    def __bool__(self) -> bool:
        return bool(self._requests)

    @property
    def is_full(self) -> bool:
        """Say whether nothing more is taken in. What one turn brings, before it has waited, may pass the bound."""
        return len(self._requests) >= HELD_REQUESTS_MAX or self._bytes >= HELD_BYTES_MAX

    def add(self, request: Request) -> None:
        """Take in what comes behind all that is here."""
        self._requests.append(request)
        if self._holds:
            self._weigh(request)

    def put_back(self, requests: Iterable[Request]) -> None:
        """Take back what was on its way; it has its old place, by its number."""
        for request in requests:
            self.add(request)
        self._is_mixed_up = True

    def _weigh(self, request: Request) -> None:
        if not request.held_bytes:
            request.held_bytes = argument_bytes(request.unit)
        self._bytes += request.held_bytes

    def in_order(self) -> list[Request]:
        """Return all that is here, in the order in which it came; to be looked at only."""
        if self._is_mixed_up:
            self._is_mixed_up = False
            self._requests.sort(key=attrgetter("number"))
        return self._requests

    def keep(self, requests: list[Request]) -> None:
        """Go on with these alone of what is here; all else is answered, or on its way."""
        self._requests = requests
        self._holds = False
        self._bytes = 0
        self.hold()

    def hold(self) -> None:
        """Take note that what is here waits on."""
        if self._requests and not self._holds:
            self._holds = True
            for request in self._requests:
                self._weigh(request)

    def drop_answered(self) -> None:
        """Let go what is answered: it holds memory, and counts, as long as it is here."""
        self.keep([request for request in self._requests if not request.is_done])

    def take_all(self) -> list[Request]:
        """Take out all that is here."""
        requests = self.in_order()
        self.keep([])
        return requests
