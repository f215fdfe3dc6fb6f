"""What passes between a redis-py client and its server, in a history's words: commands as bytes, replies as values.

Knows redis-py's connections; sends nothing of its own.
"""

from collections.abc import Callable, Sequence
from typing import Any

from redis.exceptions import RedisError, ResponseError

from trilemma.check.redis_history import Command

Encode = Callable[[Any], Any]


def wire(arguments: Sequence[Any], encode: Encode) -> Command:
    """Return a command as it goes over the wire, its name in capitals.

    Raises:
        redis.DataError: an argument is nothing that redis-py sends.
    """
    name, *words = arguments
    first, *more = bytes(encode(name)).split()
    return (first.upper(), *more, *(bytes(encode(word)) for word in words))


def plain(reply: Any, encode: Encode) -> Any:
    """Return a reply in the words of a history: text as bytes, arrays as tuples, an error as its whole text."""
    if isinstance(reply, RedisError):
        return error_text(reply)
    if isinstance(reply, list | tuple):
        return tuple(plain(each, encode) for each in reply)
    return bytes(encode(reply)) if isinstance(reply, str) else reply


def error_text(error: RedisError) -> str:
    """Return an error reply as the server sent it: redis-py takes the first word off where it knows it."""
    code = error.status_code
    return f"{code} {error}" if code else str(error)


def is_reply(error: RedisError) -> bool:
    """Say whether an exception is an error reply of the server, and not a connection's fate."""
    return isinstance(error, ResponseError) or error.status_code is not None


class Ear:
    """A connection of which each reply is also heard, before redis-py shapes it for the application."""

    def __init__(self, connection: Any, encode: Encode, heard: list[Any]) -> None:
        self._connection = connection
        self._encode = encode
        self._heard = heard

    def read_response(self, *args: Any, **options: Any) -> Any:
        """Read a reply and note it."""
        try:
            reply = self._connection.read_response(*args, **options)
        except RedisError as error:
            self._note_error(error)
            raise
        self._heard.append(plain(reply, self._encode))
        return reply

    def _note_error(self, error: RedisError) -> None:
        if is_reply(error):
            self._heard.append(error_text(error))


class AsyncEar(Ear):
    """The same for asyncio."""

    async def read_response(self, *args: Any, **options: Any) -> Any:
        """Read a reply and note it."""
        try:
            reply = await self._connection.read_response(*args, **options)
        except RedisError as error:
            self._note_error(error)
            raise
        self._heard.append(plain(reply, self._encode))
        return reply


def refuse_options(options: dict[str, Any]) -> None:
    """Refuse what would hide from a history what happened.

    Raises:
        ValueError: an option that retries, answers from a cache, or reads another db than 0.
    """
    hiding = {"retry", "retry_on_error", "retry_on_timeout", "cache", "cache_config", "single_connection_client"}
    wrong = sorted(hiding & options.keys())
    if wrong:
        raise ValueError(f"a recording client takes no {', '.join(wrong)}: the history must show what happened")
    if options.get("db", 0) != 0:
        raise ValueError("a recording client uses db 0 only")
