"""Who answers at a node's address: the node that was laid out in a directory, or somebody else who has its port.

INFO tells a node's name, its cluster, and the file it was configured by. A copy of a cluster's directory has the same
names and the same cluster id, so the file is compared as well.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis

from trilemma.client import control
from trilemma.client.layout import node_file
from trilemma.runtime.config import ConfigError, load

ANSWER_S = 1.0


class NotOwnError(control.NoClusterError):
    """Somebody else answers at the address; the text says who."""


@dataclass(frozen=True, slots=True)
class Answerer:
    """What a server says of itself; empty texts where it does not say."""

    node: str = ""
    cluster_id: str = ""
    config_file: str = ""
    process_id: str = ""

    def __str__(self) -> str:
        """Name it to people."""
        if not self.cluster_id:
            return "a server that is no node of Trilemma"
        place = Path(self.config_file).parent.parent if self.config_file else self.cluster_id
        return f"{self.node} of the cluster in {place} (process {self.process_id})"

    def is_at(self, directory: Path, name: str) -> bool:
        """Say whether it is the node of that name that was laid out in that directory."""
        try:
            expected = control.cluster_id(directory)
        except control.NoClusterError:
            return False
        file = Path(self.config_file)
        # A node that somebody started with `serve` may name its file relative to a directory that is not known here.
        is_file = not file.is_absolute() or file.resolve() == node_file(directory, name).resolve()
        return (self.node, self.cluster_id) == (name, expected) and is_file


def answerer(directory: Path, name: str, address: str) -> Answerer | None:
    """Return who answers at the address of a directory's node; None where nobody does, or does not say."""
    patience = {"socket_timeout": ANSWER_S, "socket_connect_timeout": ANSWER_S}
    try:
        with control.connect(address, password=_password(directory, name), **patience) as client:
            return _ask(client)
    except redis.RedisError:
        return None


@contextmanager
def own_client(directory: Path, name: str, address: str, **options: Any) -> Iterator[redis.Redis]:
    """Give a client of a node that has proved to be the directory's; with the password of the node's own file.

    Raises:
        NotOwnError: somebody else answers there.
        redis.RedisError: nobody does, or it does not tell who it is.
    """
    with control.connect(address, password=_password(directory, name), **options) as client:
        found = _ask(client)
        if not found.is_at(directory, name):
            raise NotOwnError(f"{name} does not run: {found} answers at {address}")
        yield client


def _ask(client: redis.Redis) -> Answerer:
    # As text: redis-py takes a value that holds `=` or `,` apart, and a path may hold both.
    parse = client.response_callbacks.pop("INFO")
    try:
        text = client.execute_command("INFO", "server")  # type: ignore[no-untyped-call]
    finally:
        client.response_callbacks["INFO"] = parse
    facts = dict(line.split(":", 1) for line in str(text).splitlines() if ":" in line)
    return Answerer(**{field: facts.get(field, "") for field in Answerer.__dataclass_fields__})


def _password(directory: Path, name: str) -> str | None:
    try:
        return load(node_file(directory, name)).requirepass or None
    except ConfigError:
        return None  # no cluster yet, or a file that the node cannot have started from
