"""The AsyncAPI document, read by the parser that everybody uses."""

from __future__ import annotations

import fcntl
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from broker.cli.asyncapi import asyncapi
from broker.runtime.registries import catalogue_of, load_registries
from servers.giving_up import give_up
from servers.shared import Unavailable

PARSER = "@asyncapi/parser@3.6.6"
INSTALLS = 2
"""How often it is tried: registries have bad moments."""

INSTALL_SECONDS = 150.0
PARSE_SECONDS = 90.0
ERROR = 0
"""Severity of what makes a document invalid; greater numbers are advice."""

SCRIPT = """
import { readFileSync } from "node:fs";
import asyncapi from "@asyncapi/parser";
const { document, diagnostics } = await new asyncapi.Parser().parse(readFileSync(process.argv[2], "utf8"));
const operations = document === undefined ? [] : document.allOperations().all();
process.stdout.write(JSON.stringify({
  accepted: document !== undefined,
  diagnostics,
  operations: Object.fromEntries(operations.map((one) => [one.id(), {
    messages: one.messages().all().map((message) => message.name()),
    reply: one.reply() === undefined ? [] : one.reply().messages().all().map((message) => message.name()),
    exchanges: one.channels().all().map((channel) => channel.bindings().get("amqp").value().exchange.name),
  }])),
}));
"""

pytestmark = pytest.mark.timeout(2 * INSTALLS * INSTALL_SECONDS + 2 * PARSE_SECONDS)


@pytest.fixture(scope="module")
def parser(request: pytest.FixtureRequest) -> Path:
    """A folder with the installed parser and a script for it, kept between sessions."""
    assert request.config.cache is not None
    folder = request.config.cache.mkdir("asyncapi-parser") / PARSER.rpartition("@")[2]
    script = folder / "parse.mjs"
    complete = folder / "complete"
    trouble = ""
    # Another process of the session may be at it: it installs for both.
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for _ in range(INSTALLS):
            if complete.exists():
                break
            trouble = install(folder)
            if not trouble:
                script.write_text(SCRIPT, encoding="utf-8")
                complete.touch()
    if not complete.exists():
        give_up(Unavailable(f"the AsyncAPI parser cannot be installed: {trouble}"))
    return script


def install(folder: Path) -> str:
    """Install the parser into an empty folder and load it once; return what went wrong, empty when nothing did."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "package.json").write_text('{"private": true}', encoding="utf-8")
    # Loaded, too: an installation over a bad connection may end with 0 and lack files.
    for command in (
        ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", PARSER],
        ["node", "--input-type=module", "--eval", 'await import("@asyncapi/parser")'],
    ):
        try:
            subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=True)
        except subprocess.CalledProcessError as exc:
            return str(exc.stderr[-500:])
        except (FileNotFoundError, subprocess.TimeoutExpired) as exc:
            return str(exc)
    return ""


def parsed(parser: Path, document: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return what the parser says of a document."""
    file = folder / "asyncapi.json"
    file.write_text(json.dumps(document), encoding="utf-8")
    done = subprocess.run(
        ["node", parser, file],
        cwd=parser.parent,
        capture_output=True,
        text=True,
        timeout=PARSE_SECONDS,
        check=True,
    )
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def errors(said: dict[str, Any]) -> list[str]:
    """Return what makes the document invalid."""
    return [f"{one['path']}: {one['message']}" for one in said["diagnostics"] if one["severity"] == ERROR]


def test_the_public_parser_accepts_the_document(parser: Path, tmp_path: Path) -> None:
    """The parser finds nothing wrong, and understands it as it is meant: each command with its reply and exchange."""
    registries, problems = load_registries("")
    assert problems == []
    said = parsed(parser, asyncapi(registries, "1.0.0"), tmp_path)
    assert errors(said) == []
    assert said["accepted"]
    commands = [message for message in catalogue_of(registries) if hasattr(message, "reply_class")]
    assert commands
    for message in commands:
        reply = message.reply_class()
        assert said["operations"][f"receive.{message.kind}"] == {
            "messages": [message.kind],
            "reply": [reply.kind] if reply is not None else [],
            "exchanges": ["interapp"],
        }
    assert said["operations"]["publish.tcr.sync-changed"]["exchanges"] == ["interapp.events"]


def test_the_parser_would_refuse_a_wrong_one(parser: Path, tmp_path: Path) -> None:
    """A document with a binding, a schema and a reference that cannot be is refused, so accepting means something."""
    document = asyncapi(load_registries("")[0], "1.0.0")
    document["channels"]["app"]["bindings"]["amqp"]["is"] = "exchange"
    document["components"]["schemas"]["SetAside"] = {"type": "whatever"}
    document["operations"]["receive.tcr.poll-now"]["channel"]["$ref"] = "#/channels/gone"
    said = parsed(parser, document, tmp_path)
    assert errors(said)
    assert not said["accepted"]
