"""Putting an answer on the line, or what is made of it when it was asked to go wrong."""

import asyncio
import json
import socket
import struct
from collections.abc import Awaitable, Callable

from starlette.responses import Response
from uvicorn.protocols.http.h11_impl import H11Protocol

from broker.observe.serving import Receive, Scope, Send
from lantime.simulator.api import SimulatedResponse
from lantime.simulator.faults import LOGIN_PAGE, Kind

_PIECES = 20
_NO_LINGERING = struct.pack("ii", 1, 0)
"""A socket that is closed so is reset."""

Connections = dict[tuple[str, int], asyncio.Transport]
"""The open connections by the address of their client: what ASGI does not let an application see."""


def protocol_of(connections: Connections) -> type[H11Protocol]:
    """Return a protocol for uvicorn that keeps these connections up to date."""

    class KnownConnection(H11Protocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            if self.client is not None:
                connections[self.client] = transport

        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            if self.client is not None:
                connections.pop(self.client, None)

    return KnownConnection


async def deliver(
    answer: SimulatedResponse,
    scope: Scope,
    receive: Receive,
    send: Send,
    *,
    connections: Connections,
    stopping: asyncio.Event,
) -> None:
    """Send an answer as its delivery says. A wait ends early when the client goes away or the server is to stop."""
    # Devices are known to send blank lines around the JSON (vendor document), so this one always does.
    content = f"\n\n{json.dumps(answer.body)}\n".encode()
    whole = Response(content, answer.status, dict(answer.headers), "application/json")
    match answer.delivery.kind:
        case Kind.RESET:
            await _hang_up(connections.get(scope["client"]), receive)
        case Kind.HTML:
            await Response(LOGIN_PAGE, 200, media_type="text/html")(scope, receive, send)
        case Kind.EMPTY:
            await Response(b"", 200, media_type="application/json")(scope, receive, send)
        case Kind.TRUNCATED:
            # All that is announced comes, so that only the JSON is at fault.
            half = Response(content[: len(content) // 2], answer.status, media_type="application/json")
            await half(scope, receive, send)
        case Kind.SLOW:
            if await _waited(answer.delivery.delay_seconds, receive, stopping):
                await whole(scope, receive, send)
            else:
                await _hang_up(connections.get(scope["client"]), receive)
        case Kind.TRICKLE:
            if not await _trickled(whole, answer.delivery.delay_seconds, receive, send, stopping):
                await _hang_up(connections.get(scope["client"]), receive)
        case _:
            await whole(scope, receive, send)


async def _hang_up(transport: asyncio.Transport | None, receive: Receive) -> None:
    if transport is not None:
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGERING)
        transport.abort()
    # Until the server has seen that the client is gone, it would send an error for an application that said nothing.
    while (await receive())["type"] != "http.disconnect":
        pass


async def _trickled(
    whole: Response, delay_seconds: float, receive: Receive, send: Send, stopping: asyncio.Event
) -> bool:
    """Send in pieces; return whether all of it was sent."""
    await send({"type": "http.response.start", "status": whole.status_code, "headers": whole.raw_headers})
    content = bytes(whole.body)
    size = -(-len(content) // _PIECES)
    for start in range(0, len(content), size):
        if not await _waited(delay_seconds / _PIECES, receive, stopping):
            return False
        more = start + size < len(content)
        await send({"type": "http.response.body", "body": content[start : start + size], "more_body": more})
    return True


async def _waited(delay_seconds: float, receive: Receive, stopping: asyncio.Event) -> bool:
    """Wait; return whether there still is somebody to send to."""
    events: tuple[Callable[[], Awaitable[object]], ...] = (receive, stopping.wait)
    tasks = [asyncio.ensure_future(event()) for event in events]
    done, unfinished = await asyncio.wait(tasks, timeout=delay_seconds, return_when=asyncio.FIRST_COMPLETED)
    for task in unfinished:
        task.cancel()
    return not done
