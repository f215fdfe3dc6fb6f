"""A client's patience with a node that does not serve yet."""

import asyncio
from typing import Any

from redis.exceptions import ResponseError


async def answered(client: Any, *words: str) -> Any:
    """Send a command until it is no error any more, within a bound."""
    async with asyncio.timeout(10):
        while True:
            try:
                return await client.execute_command(*words)
            except ResponseError:
                await asyncio.sleep(0.01)
