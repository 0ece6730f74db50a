"""The lock: the schemas of all kinds as they were agreed on, and what breaks that agreement. Pure.

A change breaks it when a message that was valid under the lock, one that waits in a table or comes from an older sender, would
not be understood any more.
"""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from broker.errors import ContractError
from broker.messages.catalogue import Catalogue, sort_of
from broker.messages.codec import problems
from broker.messages.message import Command, Message
from broker.messages.narrowing import narrowed
from broker.messages.schemas import json_schema


class LockedKind(BaseModel):
    """One kind as it was agreed on."""

    model_config = ConfigDict(frozen=True, strict=True)

    sort: str
    """``command``, ``event`` or ``reply``."""
    version: int = Field(ge=1)
    oldest_version: int = Field(ge=1)
    reply: str | None = None
    """Kind of what answers a command."""
    body: dict[str, Any]
    """JSON Schema of the body."""


class Lock(BaseModel):
    """All kinds as they were agreed on."""

    model_config = ConfigDict(frozen=True, strict=True)

    interapp_schemas: Literal[1] = 1
    """Version of the lock's own form."""
    kinds: dict[str, LockedKind]

    def as_file(self) -> str:
        """Return what is written: JSON with sorted kinds, a line a value, so that a change is easy to read in a diff."""
        ordered = Lock(kinds=dict(sorted(self.kinds.items())))
        return ordered.model_dump_json(indent=2) + "\n"


def lock_of(catalogue: Catalogue) -> Lock:
    """Return the lock of what the classes say now. Raises ContractError when one cannot be said as JSON Schema."""
    return Lock(kinds={message_class.kind: _locked(message_class) for message_class in catalogue})


def read_lock(text: bytes) -> Lock:
    """Return the lock in a file. Raises ContractError that says what is wrong with it."""
    try:
        return Lock.model_validate_json(text)
    except ValidationError as exc:
        raise ContractError(f"no lock of schemas: {problems(exc)}") from exc


def breaking_changes(locked: Lock, now: Lock) -> list[str]:
    """Return what breaks the agreement, ``kind: field: what``, in the order of the kinds; nothing when all is well.

    Raises ContractError when a locked schema cannot be read.
    """
    return [
        f"{kind}: {what}" for kind, before in sorted(locked.kinds.items()) for what in _broken(kind, before, now.kinds)
    ]


def _broken(kind: str, before: LockedKind, now: Mapping[str, LockedKind]) -> list[str]:
    after = now.get(kind)
    if after is None:
        return ["kind removed"]
    if after.sort != before.sort:
        return [f"was of sort {before.sort}, is of sort {after.sort}"]
    broken = []
    if after.reply != before.reply:
        broken.append(f"was answered by {before.reply or 'nothing'}, is answered by {after.reply or 'nothing'}")
    if after.version < before.version:
        return [*broken, f"version lowered from {before.version} to {after.version}"]
    if after.oldest_version > before.version:
        return [*broken, f"version raised to {after.version} without an upcaster for version {before.version}"]
    if after.oldest_version > before.oldest_version:
        broken.append(
            f"version {before.oldest_version} is not understood any more, only from {after.oldest_version} on"
        )
    if after.version > before.version:
        # Its upcasters answer for the difference.
        return broken
    try:
        return [*broken, *narrowed(before.body, after.body)]
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as exc:
        raise ContractError(f"the locked schema of {kind} cannot be read: {type(exc).__name__}: {exc}") from exc


def _locked(message_class: type[Message]) -> LockedKind:
    reply = message_class.reply_class() if issubclass(message_class, Command) else None
    return LockedKind(
        sort=sort_of(message_class),
        version=message_class.version,
        oldest_version=message_class.oldest_version(),
        reply=reply.kind if reply is not None else None,
        body=json_schema(message_class),
    )
