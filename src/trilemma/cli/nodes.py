"""How commands reach nodes, by name or address, and what they say where that does not go.

A node is sent one command only after it has proved to be the cluster's: what was sent is never sent to another.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import redis

from trilemma.client import control
from trilemma.client.identity import NotOwnError, answerer, own_client
from trilemma.runtime.address import AddressError, split_address


@contextmanager
def reached(directory: Path, node: str = "", **options: Any) -> Iterator[redis.Redis]:
    """Give a client of a node: the one named, the one at host:port, or for "" the first of the cluster that answers.

    Raises:
        NoClusterError: none is reached, the node does not answer or asks for a password; the text says what to do.
        redis.RedisError: what the node refuses.
    """
    addresses = _addresses(directory, node)
    with _first(directory, addresses, options) as (name, client):
        try:
            yield client
        except (redis.ConnectionError, redis.TimeoutError) as problem:
            raise control.NoClusterError(why(directory, name, addresses[name], problem)) from problem


def _addresses(directory: Path, node: str) -> dict[str, str]:
    """Return the addresses that may be tried, by name; that of a host:port has no name."""
    if not node:
        return control.nodes(directory)
    known: dict[str, str] = {}
    try:
        known = control.nodes(directory)
        lack = f"the nodes of {directory} are {', '.join(known)}"
    except control.NoClusterError as problem:
        lack = str(problem)
    if node in known:
        return {node: known[node]}
    try:
        if split_address(node)[1]:
            return {"": node}
    except AddressError:
        pass
    raise control.NoClusterError(f"{node!r} is neither host:port nor a node's name: {lack}")


@contextmanager
def _first(directory: Path, addresses: dict[str, str], options: dict[str, Any]) -> Iterator[tuple[str, redis.Redis]]:
    refused = control.NoClusterError(f"no node is named in {directory}")
    with ExitStack() as stack:
        for name, address in _the_prompt_first(directory, addresses):
            try:
                client = stack.enter_context(_opened(directory, name, address, options))
            except NotOwnError as problem:
                refused = problem
            except (redis.ConnectionError, redis.TimeoutError) as problem:
                refused = control.NoClusterError(why(directory, name, address, problem))
            else:
                yield name, client
                return
        raise refused


def _the_prompt_first(directory: Path, addresses: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the nodes, those last that do not say at once who they are: one that is paused is waited for long."""
    silent = []
    for name, address in addresses.items():
        if len(addresses) > 1 and answerer(directory, name, address) is None:
            silent.append((name, address))
        else:
            yield name, address
    yield from silent


def _opened(directory: Path, name: str, address: str, options: dict[str, Any]) -> AbstractContextManager[redis.Redis]:
    return own_client(directory, name, address, **options) if name else control.connect(address, **options)


def why(directory: Path, name: str, address: str, problem: redis.RedisError) -> str:
    """Return what a failure of the connection to a node means, and what to do.

    Args:
        name: empty where the node was given as host:port.
    """
    who = f"{name} at {address}" if name else address
    if isinstance(problem, redis.AuthenticationError):
        return wants_password(who, problem)
    if isinstance(problem, redis.TimeoutError):
        told = f"{who} does not answer in time"
    elif isinstance(problem.__context__, OSError):
        told = f"nothing answers at {address}: {problem.__context__.strerror or problem.__context__}"
    else:
        told = f"{who}: {problem}"
    if not name:
        return told
    if control.answer_of(directory, "status") is None:
        return f"{told}; {control.why_not_running(directory)}"
    return f"{told}; `trilemma status --dir {directory}` shows which nodes do"


def wants_password(who: str, problem: redis.AuthenticationError) -> str:
    """Return what a node that refuses the password, or its lack, means, and what to do."""
    if "invalid" in str(problem):
        return f"{who} does not take the password that it was given: set {control.PASSWORD} to the right one"
    return f"{who} asks for a password: set {control.PASSWORD}, as for redis-cli"
