"""`interapp new handler`: a package to start from."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


def test_a_new_package_works_as_it_is(cli: Any, tmp_path: Path) -> None:
    """What it writes passes its own tests at once, with its handlers on the sort of app that it extends."""
    result = cli("new", "handler", "door-alarm")
    assert result.exit_code == 0, result.output
    package = tmp_path / "door-alarm"
    assert f"python -m pytest {package.name}" in result.stdout
    assert "from tcr_child.slot import TcrSlot" in (package / "door_alarm" / "handlers.py").read_text(encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error"],
        cwd=package,
        env={"PYTHONPATH": str(package), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout


def test_its_handlers_are_tried_out_without_installing(
    cli: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new package's folder and INTERAPP_PLUGINS are enough to see its kinds."""
    assert cli("new", "handler", "try-out", "--extends", "chassis").exit_code == 0
    monkeypatch.syspath_prepend(tmp_path / "try-out")
    monkeypatch.setenv("INTERAPP_PLUGINS", "try_out.handlers:handlers")
    result = cli("kinds", "--json")
    assert result.exit_code == 0, result.output
    assert '"kind": "try-out.check"' in result.stdout


@pytest.mark.parametrize("name", ["Door", "", "../x", "a_b", "a--b", "1a", "a" * 61])
def test_a_name_that_no_package_has(cli: Any, tmp_path: Path, name: str) -> None:
    """A bad name is refused by name, and nothing is written."""
    result = cli("new", "handler", name)
    assert (result.exit_code, repr(name) in result.stderr) == (2, True)
    assert [file.name for file in tmp_path.iterdir() if not file.name.startswith("interapp.db")] == []


def test_what_is_there_is_not_overwritten(cli: Any, tmp_path: Path) -> None:
    """A folder that exists stays as it is."""
    (tmp_path / "door").mkdir()
    result = cli("new", "handler", "door")
    assert result.exit_code == 1
    assert "--folder" in result.stderr
    assert list((tmp_path / "door").iterdir()) == []


def test_an_unknown_sort_of_app(cli: Any, tmp_path: Path) -> None:
    """A sort of app that no package has is refused, with those there are."""
    result = cli("new", "handler", "door", "--extends", "gps")
    assert result.exit_code == 2
    assert "chassis, tcr" in result.stderr
