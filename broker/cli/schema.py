"""``interapp schema``: the kinds for those who do not have the classes, and a guard against breaking them."""

import json
from pathlib import Path
from typing import Any

import click

from broker.cli.asyncapi import asyncapi as asyncapi_document
from broker.cli.refusal import Refusal
from broker.cli.version import installed_version
from broker.errors import ContractError, InterAppError
from broker.handlers.registry import HandlerRegistry
from broker.messages.schema_lock import breaking_changes, lock_of, read_lock
from broker.messages.schemas import DIALECT, json_schema
from broker.runtime.registries import catalogue_of, load_registries
from broker.settings import InterAppSettings

LOCK_FILE = "interapp-schemas.json"

lock_file = click.argument("file", default=LOCK_FILE, type=click.Path(dir_okay=False, path_type=Path))


@click.group()
def schema() -> None:
    """Write the schemas of all kinds that installed packages know; lock them, and find what breaks the lock."""


@schema.command(name="json")
@click.argument("kinds", metavar="[KIND]...", nargs=-1)
@click.option(
    "--output",
    "folder",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write one file a kind, KIND.json, into this folder.",
)
def json_(kinds: tuple[str, ...], folder: Path | None) -> None:
    """Write JSON Schema 2020-12 of these kinds, or of all.

    On stdout one kind is its schema, and several are one schema that has them as $defs.
    """
    catalogue = catalogue_of(_told_registries())
    unknown = [kind for kind in kinds if kind not in catalogue]
    if unknown:
        raise Refusal(f"no installed package knows the kind {unknown[0]!r}; see interapp kinds")
    wanted = [catalogue[kind] for kind in dict.fromkeys(kinds)] or list(catalogue)
    schemas = {message.kind: json_schema(message) for message in wanted}
    if folder is None:
        one = len(kinds) == 1
        _print(schemas[kinds[0]] if one else {"$schema": DIALECT, "$id": "urn:interapp", "$defs": schemas})
        return
    folder.mkdir(parents=True, exist_ok=True)
    for kind, each in schemas.items():
        (folder / f"{kind}.json").write_text(_text(each), encoding="utf-8")
    click.echo(f"{len(schemas)} schemas written to {folder}")


@schema.command()
def asyncapi() -> None:
    """Write an AsyncAPI 3.0 document: what may be sent where over RabbitMQ, and what comes back."""
    _print(asyncapi_document(_told_registries(), installed_version()))


@schema.command()
@lock_file
def lock(file: Path) -> None:
    """Write the schemas of all kinds to FILE, to be kept with the source and compared by check."""
    now = lock_of(catalogue_of(_all_registries()))
    file.write_text(now.as_file(), encoding="utf-8")
    click.echo(f"{len(now.kinds)} kinds locked in {file}")


@schema.command()
@lock_file
def check(file: Path) -> int:
    """Compare all kinds with the lock in FILE; name every breaking change, and end with 1 when there is one.

    A change is no breaking one when the kind's version was raised and has an upcaster for the locked version.
    """
    now = lock_of(catalogue_of(_all_registries()))
    try:
        locked = read_lock(file.read_bytes())
        broken = breaking_changes(locked, now)
    except FileNotFoundError as exc:
        raise InterAppError(f"there is no {file}: write it with interapp schema lock {file}") from exc
    except ContractError as exc:
        raise InterAppError(f"{file}: {exc}; write it anew with interapp schema lock {file}") from exc
    for line in broken:
        click.echo(line)
    if broken:
        click.echo(
            f"{len(broken)} breaking changes since {file}: undo them, or raise the version and add an upcaster;"
            f" if nobody relies on it yet, interapp schema lock {file}",
            err=True,
        )
        return 1
    new = sorted(now.kinds.keys() - locked.kinds.keys())
    click.echo(
        f"{len(locked.kinds)} kinds, no breaking change" + (f"; not locked yet: {', '.join(new)}" if new else "")
    )
    return 0


def _told_registries() -> list[HandlerRegistry[Any]]:
    """Return what can be loaded; say what cannot."""
    registries, problems = load_registries(InterAppSettings.load().plugins)
    for problem in problems:
        click.echo(problem, err=True)
    return registries


def _all_registries() -> list[HandlerRegistry[Any]]:
    """Return every registry. Raises InterAppError when one cannot be loaded: its kinds would look removed."""
    registries, problems = load_registries(InterAppSettings.load().plugins)
    if problems:
        raise InterAppError("; ".join(problems))
    return registries


def _print(document: dict[str, Any]) -> None:
    click.echo(_text(document), nl=False)


def _text(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
