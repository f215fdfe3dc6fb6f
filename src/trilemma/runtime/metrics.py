"""Prometheus' /metrics: what the shell counted, read when somebody asks. A tiny HTTP server on the node's own loop.

Answers GET /metrics and nothing else. Cost: nothing between two scrapes.
"""

import asyncio
from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from trilemma.base.limits import KIB, limit
from trilemma.runtime.facts import rss_bytes

REQUEST_BYTES_MAX = limit(
    "metrics_request_bytes_max", 8 * KIB, "bytes", "a scrape's request is short", "the connection is closed"
)
REQUEST_TIMEOUT_S = limit(
    "metrics_request_timeout_s", 5, "s", "who says nothing must not hold a connection", "the connection is closed"
)

Reading = tuple[str, str, float, dict[str, str]]
"""Name (a counter's ends in _total), help, value, labels."""


class NodeCollector(Collector):
    """Asks the node for its readings at each scrape."""

    def __init__(self, read: Callable[[], Iterator[Reading]]) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        """See prometheus_client."""
        families: dict[str, CounterMetricFamily | GaugeMetricFamily] = {}
        for name, text, value, labels in self._read():
            family = families.get(name)
            if family is None:
                kind = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
                family = families[name] = kind(f"trilemma_{name}", text, labels=tuple(labels))
            family.add_metric(tuple(labels.values()), value)
        memory = GaugeMetricFamily("trilemma_resident_memory_bytes", "Memory that the process holds.", rss_bytes())
        yield from families.values()
        yield memory


class MetricsServer:
    """Serves one registry."""

    def __init__(self, read: Callable[[], Iterator[Reading]]) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(NodeCollector(read))

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection."""
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT_S):
                request = await reader.readuntil(b"\r\n\r\n")
                writer.write(self._answer(request))
                await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            writer.transport.abort()
        finally:
            writer.close()

    def _answer(self, request: bytes) -> bytes:
        method, _, rest = request.partition(b" ")
        path = rest.partition(b" ")[0].partition(b"?")[0]
        if method != b"GET" or path != b"/metrics":
            return _response("404 Not Found", "text/plain", b"metrics are at /metrics\n")
        return _response("200 OK", CONTENT_TYPE_LATEST, generate_latest(self._registry))


def _response(status: str, kind: str, body: bytes) -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return head.encode("ascii") + body
