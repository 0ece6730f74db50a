"""The event loop on which one thread runs ``async def`` handlers."""

import asyncio
from collections.abc import Awaitable
from types import TracebackType
from typing import Any, Self


class EventLoop:
    """Made when the first awaitable comes and kept for the next ones. For the thread that uses it only."""

    def __init__(self) -> None:
        self._runner: asyncio.Runner | None = None

    def complete(self, awaitable: Awaitable[Any]) -> Any:
        """Run it to its end; return or raise what it does. Tasks that it left behind are cancelled."""
        if self._runner is None:
            self._runner = asyncio.Runner()
        loop = self._runner.get_loop()
        try:
            return loop.run_until_complete(awaitable)
        finally:
            left = asyncio.all_tasks(loop)
            if left:
                # They would go on, unseen, while the next message is handled.
                loop.run_until_complete(_ended(left))

    def close(self) -> None:
        """End the loop and the threads it started. Does nothing when there is none."""
        if self._runner is not None:
            self._runner.close()
            self._runner = None

    def __enter__(self) -> Self:
        """Do nothing yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close."""
        self.close()


async def _ended(tasks: set["asyncio.Task[Any]"]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
