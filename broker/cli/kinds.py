"""``interapp kinds``: the catalogue."""

import json
from typing import Any

import click
from pydantic_core import to_jsonable_python

from broker.cli import options
from broker.cli.catalogue import KnownField, KnownKind, known_kinds
from broker.cli.listing import print_json, print_rows
from broker.cli.plain import Cell
from broker.runtime.registries import load_registries
from broker.settings import InterAppSettings

TITLES = ("KIND", "SORT", "VERSION", "REPLY", "PACKAGE", "HANDLER", "FIELDS")
SORT_STYLES = {"command": "cyan", "event": "magenta", "reply": "green"}


@click.command()
@options.as_json
def kinds(*, as_json: bool) -> None:
    """List the kinds of message that installed packages send or handle."""
    registries, problems = load_registries(InterAppSettings.load().plugins)
    known = known_kinds(registries)
    if as_json:
        print_json(kind_line(kind) for kind in known)
    else:
        print_rows(TITLES, [[_cells(kind) for kind in known]])
    for problem in problems:
        click.echo(problem, err=True)


def kind_line(kind: KnownKind) -> dict[str, Any]:
    """Return a kind as a JSON object."""
    return {
        "kind": kind.kind,
        "sort": kind.sort,
        "version": kind.version,
        "oldest_version": kind.oldest_version,
        "fields": [
            {
                "name": field.name,
                "type": field.type,
                "required": field.required,
                "default": to_jsonable_python(field.default, fallback=str),
            }
            for field in kind.fields
        ],
        "reply": kind.reply,
        "handlers": list(kind.handlers),
        "package": kind.package,
        "summary": kind.summary,
    }


def _cells(kind: KnownKind) -> list[Cell]:
    return [
        Cell(kind.kind, "bold"),
        Cell(kind.sort, SORT_STYLES[kind.sort]),
        Cell(_versions_text(kind)),
        Cell(kind.reply or "-"),
        Cell(kind.package),
        Cell(", ".join(kind.handlers) or "-"),
        Cell(", ".join(map(_field_text, kind.fields)) or "-", "dim"),
    ]


def _versions_text(kind: KnownKind) -> str:
    """Return the version; with the oldest that is understood, when that is another."""
    return str(kind.version) if kind.oldest_version == kind.version else f"{kind.version} (from {kind.oldest_version})"


def _field_text(field: KnownField) -> str:
    if field.required:
        return f"{field.name}: {field.type}"
    return f"{field.name}: {field.type} = {json.dumps(to_jsonable_python(field.default, fallback=str))}"
