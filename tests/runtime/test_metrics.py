"""/metrics of a node that serves: text of Prometheus' format, with what INFO counts and a series for every shard."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from answered import answered
from trilemma.runtime.config import MemberOptions, ServerConfig
from trilemma.runtime.disk import MemoryStorage
from trilemma.runtime.listening import Sockets
from trilemma.runtime.server import Server

Labels = frozenset[tuple[str, str]]


class Scrape:
    """One answer of /metrics, read by Prometheus' own parser."""

    def __init__(self, text: str) -> None:
        self.families = {family.name: family for family in text_string_to_metric_families(text)}
        self.samples: dict[tuple[str, Labels], float] = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in self.families.values()
            for sample in family.samples
        }

    def value(self, name: str, **labels: str) -> float:
        """The one sample of a name that has these labels, whatever others it has."""
        found = [value for (each, has), value in self.samples.items() if each == name and labels.items() <= set(has)]
        assert len(found) == 1, (name, labels, found)
        return found[0]


async def scraped(port: int) -> Scrape:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    head, _, body = (await reader.read(-1)).partition(b"\r\n\r\n")
    writer.close()
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    return Scrape(body.decode())


@pytest.fixture
def serving(run: Any, tmp_path: Path) -> Callable[[Callable[[Server, Redis], Any]], None]:
    """Run a body with a node of its own that has a metrics port."""

    def serving(body: Callable[[Server, Redis], Any]) -> None:
        async def main() -> None:
            sockets, free = Sockets.free(), Sockets.free()
            port = int(free.addresses[0].rpartition(":")[2])
            free.close()
            members = (MemberOptions(1, "n1", *sockets.addresses),)
            config = ServerConfig(
                "n1", str(tmp_path), "c", members, "sixteen bytes or more", metrics_port=port, log_level="error"
            )
            server = Server(config, sockets=sockets, storage=lambda _: MemoryStorage())
            await server.start()
            client = Redis(port=server.client_address[1], retry=None)
            try:
                await body(server, client)
            finally:
                await client.aclose()
                await server.stop()

        run(main())

    return serving


def test_what_info_counts_is_exported_with_help_and_type(serving: Any) -> None:
    async def body(server: Server, client: Any) -> None:
        await answered(client, "SET", "k", "v")
        await client.execute_command("CONFIG", "RESETSTAT")
        for number in range(5):
            await client.set(f"k{number}", "v")
        with pytest.raises(ResponseError):
            await client.execute_command("GET")
        told = await client.info("stats")
        found = await scraped(server.config.metrics_port)
        assert found.value("trilemma_commands_processed_total") == told["total_commands_processed"] >= 6
        assert found.value("trilemma_error_replies_total") == told["total_error_replies"] == 1
        for name in ("clusterdown_replies", "uncertain_replies", "defects", "bad_peer_frames"):
            assert found.value(f"trilemma_{name}_total") == told[name] == 0
        for name, family in found.families.items():
            assert family.documentation, name
            assert family.type in ("counter", "gauge"), name
            assert all(each.name.endswith("_total") == (family.type == "counter") for each in family.samples)

    serving(body)


def test_every_shard_has_series_and_says_how_it_is_configured(serving: Any) -> None:
    async def body(server: Server, client: Any) -> None:
        await answered(client, "KEYSPACE", "CREATE", "shop", "MODE", "ap", "TIMEOUT", "700")
        for number in range(3):
            await client.set(f"shop:{number}", "v")
            await client.set(f"k{number}", "v")
        found = await scraped(server.config.metrics_port)
        shop = {"keyspace": "shop"}
        assert found.value("trilemma_replica_sequence", **shop) == 3
        assert found.value("trilemma_replica_durable_sequence", **shop) == 3
        assert found.value("trilemma_replica_held_back", **shop) == 0
        assert found.value("trilemma_replica_retained_bytes", **shop) == 0
        assert found.value("trilemma_replica_clock_trusted", **shop) == 1
        assert found.value("trilemma_replica_commit_index", keyspace="default") >= 3
        settings = "replicas=1,write=1,read=1,durability=sync,timeout_ms=700"
        assert found.value("trilemma_shard_info", mode="ap", configuration=settings, **shop) == 1
        assert found.value("trilemma_shard_info", keyspace="default", mode="cp") == 1
        assert found.value("trilemma_shard_info", keyspace="_system") == 1
        places = {dict(labels)["shard"] for name, labels in found.samples if name == "trilemma_shard_info"}
        assert places == {str(shard) for shard in server.node.replicas}  # type: ignore[attr-defined]

    serving(body)
