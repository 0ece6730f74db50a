"""``interapp new handler``: a package with a handler and its test, to start from."""

import re
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any, get_args

import click

from broker.cli.refusal import Refusal
from broker.errors import InterAppError
from broker.handlers.registry import HandlerRegistry
from broker.runtime.registries import load_registries
from broker.settings import InterAppSettings

NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
NAME_MAX_LENGTH = 60

FILES = {
    "pyproject.toml.txt": "pyproject.toml",
    "README.md.txt": "README.md",
    "init.py.txt": "{module}/__init__.py",
    "messages.py.txt": "{module}/messages.py",
    "handlers.py.txt": "{module}/handlers.py",
    "test_handlers.py.txt": "tests/test_handlers.py",
}
"""From each template to the file that is made of it."""


@click.group()
def new() -> None:
    """Write the beginning of something new."""


@new.command()
@click.argument("name")
@click.option(
    "--extends",
    metavar="SORT",
    default="tcr",
    show_default=True,
    help="The sort of app that gets the handler: the name of an installed registry.",
)
@click.option("--folder", type=click.Path(path_type=Path), help="Where to write it. [default: ./NAME]")
def handler(name: str, *, extends: str, folder: Path | None) -> None:
    """Write a package with a command, its handler and their test; NAME is the package's, as in door-alarm."""
    if not NAME.fullmatch(name) or len(name) > NAME_MAX_LENGTH:
        raise Refusal(f"{name!r} is no name of a package: words of a-z and 0-9 joined by '-', as in door-alarm")
    folder = folder or Path(name)
    if folder.exists():
        raise InterAppError(f"{folder} exists: remove it, or write somewhere else with --folder")
    written = write_package(folder, values_for(name, _registry(extends)))
    for file in written:
        click.echo(f"wrote {file}")
    click.echo("what to type next:")
    steps = {
        f"python -m pip install --editable {folder}": "beside interapp",
        f"python -m pytest {folder}": "needs no server",
        "interapp kinds": f"lists {name}.check",
    }
    width = max(map(len, steps))
    for step, remark in steps.items():
        click.echo(f"  {step:<{width}}   {remark}")


def values_for(name: str, base: HandlerRegistry[Any]) -> dict[str, str]:
    """Return what the templates are filled with, for a package that extends the registry."""
    module = name.replace("-", "_")
    resource = _resource_of(base)
    return {
        "name": name,
        "module": module,
        "title": name.replace("-", " ").capitalize(),
        "extends": base.name,
        "resource": resource.__qualname__ if resource else "object",
        "resource_import": f"from {resource.__module__} import {resource.__qualname__}\n" if resource else "",
    }


def write_package(folder: Path, values: dict[str, str]) -> list[Path]:
    """Write every file and return them. Raises InterAppError that names the file which cannot be written."""
    written = []
    for template, target in FILES.items():
        text = Template(files("broker.cli.skeleton").joinpath(template).read_text(encoding="utf-8")).substitute(values)
        file = folder / target.format(module=values["module"])
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        except OSError as exc:
            raise InterAppError(f"{file} cannot be written: {exc.strerror}") from exc
        written.append(file)
    return written


def _registry(name: str) -> HandlerRegistry[Any]:
    registries, problems = load_registries(InterAppSettings.load().plugins)
    for problem in problems:
        click.echo(problem, err=True)
    bases = {registry.name: registry for registry in registries if not registry.extends}
    if name not in bases:
        raise Refusal(f"there is no sort of app called {name!r} to extend; there are {', '.join(sorted(bases))}")
    return bases[name]


def _resource_of(registry: HandlerRegistry[Any]) -> type | None:
    """Return what its handlers work on, as it was written in ``HandlerRegistry[…]``; None when it was not."""
    args = get_args(getattr(registry, "__orig_class__", None))
    return args[0] if args and isinstance(args[0], type) and args[0] is not object else None
