"""Which keyspaces there are, as nodes tell, and which of them a key lives in.

The text before a key's first colon names its keyspace only where there is one of that name; any other key lives in
`default`. So nobody can tell from a key alone.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

ASK_S: Final = 2.0
"""How long a node may take to tell, which it does out of its memory; one that stands still never does."""

DEFAULT: Final = "default"

NO_KEYSPACES: Final = {DEFAULT: ""}
"""The modes of a store that knows no keyspaces, as Redis."""

WRONG_SHAPE: Final = (TypeError, ValueError, KeyError, IndexError, AttributeError)
"""What taking an answer apart raises that is not as ours: another store may know a command of the same name."""


def prefix_of(key: bytes) -> str:
    """Return the name before the first colon, which names the keyspace if there is one of that name."""
    name, colon, _ = key.partition(b":")
    return name.decode("utf-8", "replace") if colon else DEFAULT


def keyspace_of(key: bytes, modes: Mapping[str, str]) -> str:
    """Return the keyspace that a key lives in, given the modes of all."""
    prefix = prefix_of(key)
    return prefix if prefix in modes else DEFAULT


def modes_of(client: Any) -> dict[str, str]:
    """Ask a node for its keyspaces and their modes; a store that does not know the question has NO_KEYSPACES.

    Raises:
        redis.RedisError: it does not tell, or answers what nobody can read.
    """
    from redis.exceptions import InvalidResponse, RedisError

    try:
        names = [name.decode() for name in client.execute_command("KEYSPACE", "LIST")]
        found = {name: _mode(client.execute_command("KEYSPACE", "INFO", name)) for name in names}
    except RedisError as problem:
        if is_unknown(problem):
            return dict(NO_KEYSPACES)
        raise
    except WRONG_SHAPE as problem:
        raise InvalidResponse(f"what KEYSPACE is answered with is no list of keyspaces: {problem}") from problem
    if not found:
        raise InvalidResponse("KEYSPACE LIST is answered with no keyspace at all, and there is always one")
    return found


def is_unknown(problem: Exception) -> bool:
    """Say whether an error is the answer to a command that the store does not know."""
    from redis.exceptions import ResponseError

    return isinstance(problem, ResponseError) and "unknown command" in str(problem).lower()


def _mode(described: Any) -> str:
    facts = described if isinstance(described, dict) else dict(zip(described[::2], described[1::2], strict=True))
    mode: str = facts[b"mode"].decode()
    return mode


def ask_any(places: Iterable[tuple[str, Mapping[str, Any]]]) -> dict[str, str]:
    """Return the modes as the first node tells that does; nothing where none does.

    Args:
        places: addresses, each with the options by which a client is let in there.
    """
    from redis.exceptions import RedisError

    from trilemma.client.control import connect

    for address, options in places:
        with connect(
            address, decode_responses=False, socket_timeout=ASK_S, socket_connect_timeout=ASK_S, **options
        ) as client:
            try:
                return modes_of(client)
            except RedisError:
                continue  # it is down, say: another may tell; where none does, whoever asked says so
    return {}
