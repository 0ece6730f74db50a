"""A body from the command line, checked before anything is written."""

import json
import sys
from typing import Any

import click

from broker.cli.catalogue import sort_of
from broker.cli.refusal import Refusal
from broker.errors import ContractError
from broker.messages.codec import decode, encode
from broker.messages.message import KIND, KIND_MAX_LENGTH
from broker.runtime.registries import catalogue_of, load_registries
from broker.settings import InterAppSettings


def given_body(argument: str) -> bytes:
    """Return the body that an argument gives: itself, or with ``-`` what comes from stdin."""
    return sys.stdin.buffer.read() if argument == "-" else argument.encode(errors="replace")


def checked_body(kind: str, body: bytes, settings: InterAppSettings, *, any_kind: bool) -> tuple[bytes, int]:
    """Return the body as it is sent, and its version. Raises Refusal that says what is wrong with kind, body or size.

    ``any_kind``: a kind that no installed package knows is let through, its body only checked to be JSON.
    """
    content, version = _content(kind, body, settings.plugins, any_kind=any_kind)
    if len(content) > settings.message_max_bytes:
        raise Refusal(
            f"the body has {len(content)} bytes, allowed are {settings.message_max_bytes} (INTERAPP_MESSAGE_MAX_BYTES)"
        )
    return content, version


def _content(kind: str, body: bytes, trials: str, *, any_kind: bool) -> tuple[bytes, int]:
    if not KIND.fullmatch(kind) or len(kind) > KIND_MAX_LENGTH:
        raise Refusal(f"{kind!r} is no kind: two or more words of a-z, 0-9 and '-', joined by dots; see interapp kinds")
    registries, problems = load_registries(trials)
    for problem in problems:
        click.echo(problem, err=True)
    catalogue = catalogue_of(registries)
    if kind in catalogue:
        message = catalogue[kind]
        if sort_of(message) == "reply":
            raise Refusal(f"{kind} is a reply: it answers a command and is not sent by itself")
        try:
            return encode(decode(message, body)), message.version
        except ContractError as exc:
            raise Refusal(str(exc)) from exc
    if not any_kind:
        raise Refusal(f"no installed package knows the kind {kind!r}; see interapp kinds, or send it with --any-kind")
    return _checked_json(body), 1


def _checked_json(body: bytes) -> bytes:
    try:
        value: Any = json.loads(body)
    except (ValueError, RecursionError) as exc:
        raise Refusal(f"the body is no JSON: {exc}") from exc
    return json.dumps(value, separators=(",", ":")).encode()
