"""A body from the command line, checked before anything is written."""

import json
import sys
from typing import Any, NamedTuple

import click

from broker.cli.refusal import Refusal
from broker.errors import ContractError
from broker.messages.catalogue import sort_of
from broker.messages.codec import decode, encode_as_said
from broker.messages.codecs import JSON_ONLY
from broker.messages.message import JSON, KIND, KIND_MAX_LENGTH
from broker.messages.priority import LOWEST
from broker.runtime.registries import catalogue_of, codecs_of, load_registries
from broker.settings import InterAppSettings


class Checked(NamedTuple):
    """A body as it is sent."""

    body: bytes
    version: int
    content_type: str
    priority: int
    """What messages of its kind are sent with by themselves."""


def given_body(argument: str) -> bytes:
    """Return the body that an argument gives: itself, or with ``-`` what comes from stdin."""
    return sys.stdin.buffer.read() if argument == "-" else argument.encode(errors="replace")


def checked_body(kind: str, body: bytes, settings: InterAppSettings, *, any_kind: bool) -> Checked:
    """Return the body (given as JSON) as it is sent. Raises Refusal that says what is wrong with kind, body or size.

    ``any_kind``: a kind that no installed package knows is let through, its body only checked to be JSON.
    """
    checked = _checked(kind, body, settings.plugins, any_kind=any_kind)
    size, most = len(checked.body), settings.message_max_bytes
    if size > most:
        raise Refusal(f"the body has {size} bytes, allowed are {most} (INTERAPP_MESSAGE_MAX_BYTES)")
    return checked


def _checked(kind: str, body: bytes, trials: str, *, any_kind: bool) -> Checked:
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
            codecs = JSON_ONLY if message.content_type == JSON else codecs_of(registries)
            content = encode_as_said(decode(message, body), codecs)
        except ContractError as exc:
            raise Refusal(str(exc)) from exc
        return Checked(content, message.version, message.content_type, message.priority)
    if not any_kind:
        raise Refusal(f"no installed package knows the kind {kind!r}; see interapp kinds, or send it with --any-kind")
    return Checked(_checked_json(body), 1, JSON, LOWEST)


def _checked_json(body: bytes) -> bytes:
    try:
        value: Any = json.loads(body)
    except (ValueError, RecursionError) as exc:
        raise Refusal(f"the body is no JSON: {exc}") from exc
    return json.dumps(value, separators=(",", ":")).encode()
