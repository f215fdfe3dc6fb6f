"""A redis-py client that records every command and never retries; for asyncio see `recorded_asyncio`.

An operation begins before a connection is looked for and ends after its reply is parsed. Where no connection could be
had, no byte has left: the outcome is `fail`. Where the connection breaks later it is `info`. What an error reply says
is decided by `workload.reply`.
"""

from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.client import Pipeline
from redis.exceptions import RedisError
from redis.retry import Retry

from trilemma.check.redis_history import Command
from trilemma.client.attention import Attention
from trilemma.client.note import Note, Processes, recorded
from trilemma.client.wiretap import Ear, is_reply, refuse_options, wire


class RecordedRedis(redis.Redis):
    """A client of one node. Use it as any redis-py client; pub/sub and scripts are not recorded, or not judged."""

    def __init__(self, processes: Processes, **options: Any) -> None:
        refuse_options(options)
        self._processes = processes
        chosen: dict[str, Any] = {"decode_responses": True, **options}
        super().__init__(retry=Retry(NoBackoff(), 0), **chosen)

    def set_retry(self, retry: Any) -> None:
        """Refuse: what is tried again is an operation of its own, made by the application.

        Raises:
            ValueError: always.
        """
        raise ValueError("a recording client never retries")

    def pipeline(self, transaction: bool = True, shard_hint: Any = None) -> "RecordedPipeline":
        """Return a pipeline that is recorded: a transaction as one operation, else each command as one."""
        return RecordedPipeline(self._processes, self.connection_pool, self.response_callbacks, transaction, shard_hint)

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Send a command once, and record it."""
        encode = self.connection_pool.get_encoder().encode
        command = wire(args, encode)
        note = self._processes.begin_sent(command)
        if note is None:
            return super().execute_command(*args, **options)
        heard: list[Any] = []
        try:
            connection = self.connection_pool.get_connection()
        except BaseException:
            note.unsent()
            raise
        try:
            connection.send_command(*args)
            return self.parse_response(Ear(connection, encode, heard), args[0], **options)
        except BaseException as problem:
            if not (isinstance(problem, RedisError) and is_reply(problem)) and not heard:
                connection.disconnect()
            raise
        finally:
            settle(note, heard)
            self.connection_pool.release(connection)


def settle(note: Note | None, heard: list[Any]) -> None:
    """Close a note by the one reply that was heard, or as lost where there was none; of what is not noted, nothing."""
    if note is None:
        return
    if heard:
        note.answered(heard[0])
    else:
        note.lost()


class RecordedPipeline(Pipeline):
    """A pipeline that is recorded. Reads of watched keys, made before MULTI, are also part of its transaction: WATCH
    promises that they still hold when EXEC runs."""

    def __init__(self, processes: Processes, *args: Any) -> None:
        self._processes = processes
        self._attention = Attention()
        super().__init__(*args)

    def parse_response(self, connection: Any, command_name: Any, **options: Any) -> Any:
        """Parse a reply as redis-py does, and hear it."""
        ear = Ear(connection, self.connection_pool.get_encoder().encode, self._attention.heard)
        return super().parse_response(ear, command_name, **options)

    def immediate_execute_command(self, *args: Any, **options: Any) -> Any:
        """Send a command at once, after WATCH and before MULTI, and record it."""
        command = wire(args, self.connection_pool.get_encoder().encode)
        self._attention.heard.clear()
        note = self._processes.begin_sent(command)
        if note is None:
            reply = super().immediate_execute_command(*args, **options)
            self._attention.watch(command)
            return reply
        self._connect(note)
        try:
            return super().immediate_execute_command(*args, **options)
        finally:
            self._attention.remember(command)
            settle(note, self._attention.heard)

    def _connect(self, *notes: Note | None) -> None:
        try:
            self.connection = self.connection or self.connection_pool.get_connection()
        except BaseException:
            for note in filter(None, notes):
                note.unsent()
            raise

    def execute(self, raise_on_error: bool = True) -> list[Any]:
        """Send what was queued, and record it."""
        encode = self.connection_pool.get_encoder().encode
        commands = tuple(wire(args, encode) for args, _ in self.command_stack)
        self._attention.heard.clear()
        if not commands:
            return super().execute(raise_on_error)
        as_one: Any = self.transaction  # a method of every other client
        if as_one or self.explicit_transaction:
            return self._execute_as_one(commands, raise_on_error)
        notes = self._processes.begin_all(commands)
        self._connect(*notes)
        try:
            return super().execute(raise_on_error)
        finally:
            heard = self._attention.heard
            for index, note in enumerate(notes):
                settle(note, heard[index : index + 1])

    def _execute_as_one(self, commands: tuple[Command, ...], raise_on_error: bool) -> list[Any]:
        seen = list(self._attention.seen) if self.watching else []
        argument = (*(command for command, _ in seen), *recorded(commands))
        if not argument:
            return super().execute(raise_on_error)
        note = self._processes.begin("transaction", argument, argument[0])
        self._connect(note)
        try:
            return super().execute(raise_on_error)
        finally:
            note.executed([reply for _, reply in seen], self._attention.heard, commands)

    def reset(self) -> None:  # type: ignore[override]
        """Forget what was queued, watched and seen."""
        self._attention.forget()
        super().reset()
