"""What docs/configuration.md says is what the code does."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

import lantime.contract
from broker.messages.codec import decode
from broker.messages.message import Command
from lantime.configuration.output_modes import OUTPUT_CLASSES, OutputMode
from lantime.contract import Change
from lantime.writing.profile import WriteProfile

PAGE = (Path(__file__).parents[4] / "docs" / "configuration.md").read_text(encoding="utf-8")
KINDS = {
    each.kind: each
    for each in vars(lantime.contract).values()
    if isinstance(each, type) and issubclass(each, Command) and "kind" in vars(each)
}
SENT = re.findall(r"^interapp send \S+ (\S+)(?: '(.*)')? --wait 10$", PAGE, re.MULTILINE)


def test_the_page_shows_the_default_profile() -> None:
    """The profile on the page is the default, and marks every line of it but the documented one as invented."""
    [shown] = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    assert WriteProfile.model_validate(tomllib.loads(shown)) == WriteProfile()


@pytest.mark.parametrize(("kind", "body"), SENT)
def test_what_the_page_sends_can_be_sent(kind: str, body: str) -> None:
    """Every command on the page is one that its kind takes."""
    assert decode(KINDS[kind], (body or "{}").encode()).kind == kind


def test_the_page_shows_every_command() -> None:
    """Every command that reads or changes the configuration has an example."""
    changing = {kind for kind, each in KINDS.items() if issubclass(each, Change)}
    assert {kind for kind, _ in SENT} == changing | {
        "tcr.get-configuration",
        "tcr.save-configuration",
        "tcr.rollback-configuration",
    }


def test_the_page_names_every_mode_with_its_parameters() -> None:
    """The table of modes has all twenty, each with the parameters that it has."""
    table = [line.split("|")[1:3] for line in PAGE.splitlines() if line.startswith("| `")]
    named = {
        mode: set(re.findall(r"`([a-z_]+)`", parameters))
        for modes, parameters in table
        for mode in re.findall(r"`([a-z0-9-]+)`", modes)
        if mode in set(OutputMode)
    }
    everywhere = {"mode", "inverted", "if_sync_only"}
    assert named == {mode.value: set(made.model_fields) - everywhere for mode, made in OUTPUT_CLASSES.items()}
