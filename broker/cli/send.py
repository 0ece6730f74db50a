"""``interapp send``: a message from the command line."""

import json
import math
import sys
from typing import Any

import click

from broker.cli.catalogue import catalogue_of, load_registries, sort_of
from broker.cli.refusal import Refusal
from broker.cli.sending import SOURCE, Sending
from broker.errors import ContractError
from broker.lifecycle.address import checked_address
from broker.lifecycle.clock import SystemClock
from broker.lifecycle.ids import new_id
from broker.lifecycle.state import State
from broker.messages.codec import decode, encode
from broker.messages.envelope import Envelope
from broker.messages.message import KIND, KIND_MAX_LENGTH
from broker.settings import InterAppSettings


def _address(_ctx: click.Context, _parameter: click.Parameter, value: str) -> str:
    try:
        return checked_address(value)
    except ValueError as exc:
        raise click.BadParameter(str(exc)) from exc


def _finite(_ctx: click.Context, _parameter: click.Parameter, value: float | None) -> float | None:
    if value is not None and not (math.isfinite(value) and value >= 0):
        raise click.BadParameter(f"{value} is no number of seconds, 0 or more.")
    return value


@click.command()
@click.argument("destination", callback=_address)
@click.argument("kind")
@click.argument("body", metavar="[JSON]", default="{}")
@click.option(
    "--wait", "wait_seconds", metavar="SECONDS", type=float, callback=_finite, help="Wait for the reply and print it."
)
@click.option("--any-kind", is_flag=True, help="Send a kind that no installed package knows, unchecked.")
def send(destination: str, kind: str, body: str, *, wait_seconds: float | None, any_kind: bool) -> int:
    """Send a message to an app and print its id; with --wait, print its reply instead.

    JSON is the message's body, {} by default, - to read it from stdin. It is checked before anything is sent.
    """
    settings = InterAppSettings.load()
    content, version = _checked_body(
        kind, sys.stdin.buffer.read() if body == "-" else body.encode(errors="replace"), any_kind=any_kind
    )
    if len(content) > settings.message_max_bytes:
        raise Refusal(
            f"the body has {len(content)} bytes, allowed are {settings.message_max_bytes} (INTERAPP_MESSAGE_MAX_BYTES)"
        )
    with Sending(settings, SystemClock()) as sending:
        envelope = Envelope(
            message_id=new_id(),
            kind=kind,
            body=content,
            destination=destination,
            source=SOURCE,
            call_id=new_id(),
            version=version,
            sent_us=SystemClock().now_us(),
            user=sending.user,
        )
        sending.commit(envelope)
        if wait_seconds is None:
            trouble = sending.confirmed(envelope)
            click.echo(envelope.message_id)
            if trouble:
                click.echo(f"the message waits in the table and is handled from there: {trouble}", err=True)
            return 0
        answer = sending.answer(envelope, wait_seconds)
    if answer is None or not answer.state.final:
        state = answer.state if answer else "unknown"
        click.echo(
            f"no outcome within {wait_seconds:g} s: {kind} to {destination} is {state} and goes on;"
            f" see interapp handlers show {envelope.message_id}",
            err=True,
        )
        return 1
    if answer.state is State.FAILED:
        click.echo(
            f"failed ({answer.reason}): {answer.error}; see interapp handlers show {envelope.message_id}", err=True
        )
        return 1
    click.echo(answer.reply or "null")
    return 0


def _checked_body(kind: str, body: bytes, *, any_kind: bool) -> tuple[bytes, int]:
    """Return the body as it is sent, and its version. Raises Refusal that says what is wrong with kind or body."""
    if not KIND.fullmatch(kind) or len(kind) > KIND_MAX_LENGTH:
        raise Refusal(f"{kind!r} is no kind: two or more words of a-z, 0-9 and '-', joined by dots; see interapp kinds")
    registries, problems = load_registries()
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
