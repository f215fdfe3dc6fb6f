"""A redis-py client for asyncio that records every command and never retries: see `recorded_redis`, its twin."""

from typing import Any

import redis.asyncio
from redis.asyncio.client import Pipeline
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from trilemma.check.redis_history import Command
from trilemma.client.attention import Attention
from trilemma.client.note import Note, Processes, recorded
from trilemma.client.recorded_redis import settle
from trilemma.client.wiretap import AsyncEar, is_reply, refuse_options, wire


class AsyncRecordedRedis(redis.asyncio.Redis):
    """A client of one node. Use it as any redis-py client for asyncio."""

    def __init__(self, processes: Processes, **options: Any) -> None:
        refuse_options(options)
        self._processes = processes
        chosen: dict[str, Any] = {"decode_responses": True, **options}
        super().__init__(retry=Retry(NoBackoff(), 0), **chosen)

    def set_retry(self, retry: Any) -> None:
        """Refuse, as `RecordedRedis.set_retry` does.

        Raises:
            ValueError: always.
        """
        raise ValueError("a recording client never retries")

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> "AsyncRecordedPipeline":
        """Return a pipeline that is recorded: a transaction as one operation, else each command as one."""
        return AsyncRecordedPipeline(
            self._processes, self.connection_pool, self.response_callbacks, transaction, shard_hint
        )

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """Send a command once, and record it."""
        encode = self.connection_pool.get_encoder().encode
        command = wire(args, encode)
        note = self._processes.begin_sent(command)
        if note is None:
            return await super().execute_command(*args, **options)
        heard: list[Any] = []
        try:
            await self.initialize()
            connection = await self.connection_pool.get_connection()
        except BaseException:
            note.unsent()
            raise
        try:
            await connection.send_command(*args)
            return await self.parse_response(AsyncEar(connection, encode, heard), args[0], **options)  # type: ignore[arg-type]
        except BaseException as problem:
            if not (isinstance(problem, RedisError) and is_reply(problem)) and not heard:
                await connection.disconnect(nowait=True)
            raise
        finally:
            settle(note, heard)
            await self.connection_pool.release(connection)


class AsyncRecordedPipeline(Pipeline):
    """A pipeline that is recorded, as `RecordedPipeline` is."""

    def __init__(self, processes: Processes, *args: Any) -> None:
        self._processes = processes
        self._attention = Attention()
        super().__init__(*args)

    async def parse_response(self, connection: Any, command_name: Any, **options: Any) -> Any:
        """Parse a reply as redis-py does, and hear it."""
        ear: Any = AsyncEar(connection, self.connection_pool.get_encoder().encode, self._attention.heard)
        return await super().parse_response(ear, command_name, **options)

    async def immediate_execute_command(self, *args: Any, **options: Any) -> Any:
        """Send a command at once, after WATCH and before MULTI, and record it."""
        command = wire(args, self.connection_pool.get_encoder().encode)
        self._attention.heard.clear()
        note = self._processes.begin_sent(command)
        if note is None:
            reply = await super().immediate_execute_command(*args, **options)
            self._attention.watch(command)
            return reply
        await self._connect(note)
        try:
            return await super().immediate_execute_command(*args, **options)
        finally:
            self._attention.remember(command)
            settle(note, self._attention.heard)

    async def _connect(self, *notes: Note | None) -> None:
        try:
            self.connection = self.connection or await self.connection_pool.get_connection()
        except BaseException:
            for note in filter(None, notes):
                note.unsent()
            raise

    async def execute(self, raise_on_error: bool = True) -> list[Any]:
        """Send what was queued, and record it."""
        encode = self.connection_pool.get_encoder().encode
        commands = tuple(wire(args, encode) for args, _ in self.command_stack)
        self._attention.heard.clear()
        if not commands:
            return await super().execute(raise_on_error)
        if self.is_transaction or self.explicit_transaction:
            return await self._execute_as_one(commands, raise_on_error)
        notes = self._processes.begin_all(commands)
        await self._connect(*notes)
        try:
            return await super().execute(raise_on_error)
        finally:
            for index, note in enumerate(notes):
                settle(note, self._attention.heard[index : index + 1])

    async def _execute_as_one(self, commands: tuple[Command, ...], raise_on_error: bool) -> list[Any]:
        seen = list(self._attention.seen) if self.watching else []
        argument = (*(command for command, _ in seen), *recorded(commands))
        if not argument:
            return await super().execute(raise_on_error)
        note = self._processes.begin("transaction", argument, argument[0])
        await self._connect(note)
        try:
            return await super().execute(raise_on_error)
        finally:
            note.executed([reply for _, reply in seen], self._attention.heard, commands)

    async def reset(self) -> None:  # type: ignore[override]
        """Forget what was queued, watched and seen."""
        self._attention.forget()
        await super().reset()
