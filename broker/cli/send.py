"""``interapp send``: a message from the command line."""

import math
from datetime import UTC, datetime

import click

from broker.cli.checked_body import checked_body, given_body
from broker.cli.sending import SOURCE, Sending
from broker.cli.words import later
from broker.lifecycle.address import checked_address
from broker.lifecycle.clock import SystemClock
from broker.lifecycle.ids import new_id
from broker.lifecycle.state import State
from broker.messages.due import at_ms
from broker.messages.envelope import Envelope
from broker.messages.priority import HIGHEST, LOWEST, OPERATOR
from broker.settings import InterAppSettings


def _address(_ctx: click.Context, _parameter: click.Parameter, value: str) -> str:
    try:
        return checked_address(value)
    except ValueError as exc:
        raise click.BadParameter(str(exc)) from exc


def _reply_address(ctx: click.Context, parameter: click.Parameter, value: str | None) -> str:
    return "" if value is None else _address(ctx, parameter, value)


def _finite(_ctx: click.Context, _parameter: click.Parameter, value: float | None) -> float | None:
    if value is not None and not (math.isfinite(value) and value >= 0):
        raise click.BadParameter(f"{value} is no number of seconds, 0 or more.")
    return value


def _at(_ctx: click.Context, _parameter: click.Parameter, value: str | None) -> datetime | None:
    try:
        return None if value is None else later(value, datetime.now(UTC))
    except ValueError as exc:
        raise click.BadParameter(str(exc)) from exc


@click.command()
@click.argument("destination", callback=_address)
@click.argument("kind")
@click.argument("body", metavar="[JSON]", default="{}")
@click.option(
    "--wait", "wait_seconds", metavar="SECONDS", type=float, callback=_finite, help="Wait for the reply and print it."
)
@click.option(
    "--reply-to",
    metavar="ADDRESS",
    callback=_reply_address,
    help="The app that gets the reply, as a message of its own.",
)
@click.option(
    "--at", metavar="TIME", callback=_at, help="When it is due: +30s, +10m, +2h, or an ISO time; past means at once."
)
@click.option(
    "--priority",
    metavar="N",
    type=click.IntRange(LOWEST, HIGHEST),
    help=f"{LOWEST} to {HIGHEST}, higher goes first; {OPERATOR} unless its kind has a higher one of its own.",
)
@click.option("--any-kind", is_flag=True, help="Send a kind that no installed package knows, unchecked.")
def send(
    destination: str,
    kind: str,
    body: str,
    *,
    wait_seconds: float | None,
    reply_to: str,
    at: datetime | None,
    priority: int | None,
    any_kind: bool,
) -> int:
    """Send a message to an app and print its id; with --wait, print its reply instead.

    JSON is the message's body, {} by default, - to read it from stdin. It is checked before anything is sent.
    """
    settings = InterAppSettings.load()
    checked = checked_body(kind, given_body(body), settings, any_kind=any_kind)
    now_us = SystemClock().now_us()
    with Sending(settings, SystemClock()) as sending:
        envelope = Envelope(
            message_id=new_id(),
            kind=kind,
            body=checked.body,
            destination=destination,
            source=SOURCE,
            call_id=new_id(),
            content_type=checked.content_type,
            reply_to=reply_to,
            version=checked.version,
            at_ms=at_ms(at, now_us),
            priority=max(OPERATOR, checked.priority) if priority is None else priority,
            sent_us=now_us,
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
