"""The event loop of ``async def`` handlers."""

import asyncio
from typing import Any

import pytest

from broker.handlers.loop import EventLoop


def test_one_loop_for_all() -> None:
    """What is awaited one after the other runs on the same loop, which is closed in the end; closing twice is harmless."""

    async def which() -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    with EventLoop() as loop:
        first, second = loop.complete(which()), loop.complete(which())
        assert first is second
    assert first.is_closed()
    loop.close()


def test_it_returns_and_raises() -> None:
    """What an awaitable returns or raises, even SystemExit, is returned or raised, and the loop goes on."""

    async def returning() -> int:
        return 7

    async def raising(error: BaseException) -> None:
        raise error

    with EventLoop() as loop:
        for error in (OSError("broken"), SystemExit(3), asyncio.CancelledError()):
            with pytest.raises(type(error)):
                loop.complete(raising(error))
        assert loop.complete(returning()) == 7


@pytest.mark.parametrize("fails", [False, True])
def test_what_was_left_behind_is_cancelled(fails: bool) -> None:
    """A task that a handler began and did not await ends with the handler, however that ended."""
    ended = []

    async def go_on() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")

    async def handler(tasks: list[Any]) -> None:
        tasks.append(asyncio.create_task(go_on()))
        await asyncio.sleep(0)
        if fails:
            raise OSError("broken")

    with EventLoop() as loop:
        if fails:
            with pytest.raises(OSError, match="broken"):
                loop.complete(handler([]))
        else:
            loop.complete(handler([]))
        assert ended == ["cancelled"]
