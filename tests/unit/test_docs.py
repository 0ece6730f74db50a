"""The documentation says what the code does."""

import re
from pathlib import Path

import pytest

from broker.cli.root import BUILT_IN
from broker.lifecycle.state import LEGAL_MOVES, Reason, State
from broker.settings import EnvironmentSettings, InterAppSettings
from lantime.settings import LantimeSettings
from tcr_child.settings import TcrSettings

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def rows(text: str) -> list[list[str]]:
    """Return the cells of every row of every table in a page, without back quotes."""
    lines = (line for line in text.splitlines() if line.startswith("| ") and not set(line) <= set("|- "))
    return [[cell.strip().replace("`", "") for cell in line.strip("|").split("|")] for line in lines]


def test_the_states_page_shows_the_legal_moves() -> None:
    """What docs/states.md says of each state is what the code allows."""
    table = {row[0]: row[1] for row in rows((DOCS / "states.md").read_text(encoding="utf-8")) if len(row) == 2}
    del table["state"]
    assert table == {
        state.value: ", ".join(sorted(LEGAL_MOVES[state])) or "–"  # noqa: RUF001 the page's dash
        for state in State
    }


def test_the_states_page_explains_every_reason() -> None:
    """Each reason of a failure is explained in docs/states.md, and no other."""
    explained = [row[0] for row in rows((DOCS / "states.md").read_text(encoding="utf-8")) if len(row) == 3]
    assert explained[1:] == [reason.value for reason in Reason]


@pytest.mark.parametrize("settings", [InterAppSettings, LantimeSettings, TcrSettings])
def test_every_setting_is_documented(settings: type[EnvironmentSettings]) -> None:
    """An operator finds every environment variable in docs/deploy.md or docs/operations.md."""
    text = "".join((DOCS / page).read_text(encoding="utf-8") for page in ("deploy.md", "operations.md"))
    prefix = settings.model_config.get("env_prefix") or ""
    named = {f"{prefix}{field}".upper() for field in settings.model_fields}
    assert {name for name in named if name not in text} == set()


@pytest.mark.parametrize(
    "page", ["README.md", "docs/deploy.md", "docs/operations.md", "docs/handlers.md", "docs/sending.md"]
)
def test_every_command_that_a_page_names_exists(page: str) -> None:
    """What a page tells a reader to type is a command of interapp."""
    text = (ROOT / page).read_text(encoding="utf-8")
    named = set(
        re.findall(
            r"interapp ([a-z][a-z-]+)(?=[\s`\]])",
            "\n".join(re.findall(r"`[^`\n]+`|^[^|\n]*interapp .*$", text, re.MULTILINE)),
        )
    )
    plugged = {"demo", "simulator", "slots", "parent", "child"}
    prose = {"a", "and", "as", "for", "in", "is", "itself", "on", "reads", "the"}
    assert named - prose <= BUILT_IN.keys() | plugged


@pytest.mark.parametrize(
    "page",
    sorted(
        path.relative_to(ROOT).as_posix()
        for path in [*DOCS.rglob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
    ),
)
def test_every_link_leads_somewhere(page: str) -> None:
    """A link to another file of the repository has a file at its end."""
    folder = (ROOT / page).parent
    links = re.findall(r"\]\((?!https?:|#|\")([^)#]+)", (ROOT / page).read_text(encoding="utf-8"))
    assert [link for link in links if not (folder / link).exists()] == []
