"""Clients that know nothing of Trilemma: redis-py on both sides, redis-cli, redis-benchmark, at a node in any role."""

import asyncio
import logging
import shutil
import subprocess
from collections.abc import Iterator

import pytest
import redis.asyncio

import trilemma
from trilemma.client.local import LocalCluster

needs_redis = pytest.mark.skipif(shutil.which("redis-cli") is None, reason="no redis-cli (make test-deps)")


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    with trilemma.local(nodes=3) as made:
        made.create("shop", "ap")
        yield made


@pytest.fixture(params=["n1", "n2", "n3"])
def port(cluster: LocalCluster, request: pytest.FixtureRequest) -> int:
    return cluster.address(request.param)[1]


@pytest.mark.parametrize("prefix", ["", "shop:"])
def test_asyncio_with_its_transactional_pipeline(port: int, prefix: str) -> None:
    async def use() -> None:
        async with redis.asyncio.Redis(port=port, decode_responses=True) as client:
            key = f"{prefix}async:{port}"
            assert await client.set(key, 1)
            async with client.pipeline() as pipeline:
                found = await pipeline.incr(key).incr(key).get(key).execute()
            assert found == [2, 3, "3"]
            many = await asyncio.gather(*(client.incr(key) for _ in range(50)))
            assert sorted(many) == list(range(4, 54))

    asyncio.run(use())


def test_asyncio_with_watch(port: int) -> None:
    async def use() -> None:
        async with redis.asyncio.Redis(port=port, decode_responses=True) as client:
            await client.set("watched", "1")
            async with client.pipeline() as pipeline:
                await pipeline.watch("watched")
                await client.set("watched", "2")
                pipeline.multi()
                pipeline.set("watched", "3")
                with pytest.raises(redis.WatchError):
                    await pipeline.execute()
            assert await client.get("watched") == "2"

    asyncio.run(use())


def test_what_a_client_asks_beyond_redis_7_as_it_connects_is_refused_and_it_goes_on(
    port: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "redis.connection")
    with redis.Redis(port=port, protocol=3, decode_responses=True) as client:
        assert client.set("maint", "x")
        assert client.get("maint") == "x"
    assert [text for text in caplog.messages if "unknown subcommand 'MAINT_NOTIFICATIONS'" in text]


def run(*words: str, given: str | None = None) -> str:
    found = subprocess.run(words, input=given, capture_output=True, text=True, timeout=60)
    assert found.returncode == 0, f"{found.stdout}\n{found.stderr}"
    assert not found.stderr, found.stderr
    return found.stdout


@needs_redis
def test_redis_cli(port: int) -> None:
    assert run("redis-cli", "-p", str(port), "SET", "cli", "a b") == "OK\n"
    assert run("redis-cli", "-p", str(port), "GET", "cli") == "a b\n"
    assert run("redis-cli", "-3", "-p", str(port), "GET", "cli") == "a b\n"
    found = run("redis-cli", "-p", str(port), given="MULTI\nSET cli 1\nINCR cli\nEXEC\nINFO server\n")
    assert found.startswith("OK\nQUEUED\nQUEUED\nOK\n2\n")
    assert "redis_version:7.0.15" in found


@needs_redis
def test_redis_cli_reads_a_file_of_commands(port: int) -> None:
    commands = "".join(f"SET pipe:{number} {number}\r\n" for number in range(5_000))
    assert "replies: 5000" in run("redis-cli", "-p", str(port), "--pipe", given=commands)
    assert run("redis-cli", "-p", str(port), "--scan", "--pattern", "pipe:*").count("\n") == 5_000


@needs_redis
@pytest.mark.parametrize("prefix", ["", "shop:"])
def test_redis_benchmark(port: int, prefix: str) -> None:
    base = ("redis-benchmark", "-p", str(port), "-n", "3000", "-c", "20", "-r", "1000", "--csv")
    for depth in ("1", "16"):
        for words in (("SET", f"{prefix}b:__rand_int__", "v"), ("GET", f"{prefix}b:__rand_int__")):
            found = run(*base, "-P", depth, *words).splitlines()[-1].split(",")
            assert float(found[1].strip('"')) > 0
