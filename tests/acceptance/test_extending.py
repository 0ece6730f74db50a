"""Extending interapp as an outsider does: the tutorial word for word, and the example, in a fresh environment."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

from servers.ports import ReservedPort
from servers.processes import InterappProcess, clean_environment, eventually

ROOT = Path(__file__).parents[2]
PRODUCT = ("broker", "lantime", "modular_parent", "tcr_child", "pyproject.toml", "README.md")
BLOCK = re.compile(r"(?:^`([^`\n]+)`\n\n)?^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

# Both need the environment, and an installation takes a while: one process makes it for both.
pytestmark = [pytest.mark.xdist_group("fresh environment"), pytest.mark.timeout(400)]


class Fresh(NamedTuple):
    """An environment that holds only the product and pytest, and how commands are run in it."""

    bin: Path

    def run(self, *command: str, cwd: Path) -> str:
        """Run a command to its end and return all that it wrote; AssertionError when it failed."""
        env = clean_environment({"PYTHONDONTWRITEBYTECODE": "1"}, home=cwd)
        env["PATH"] = os.pathsep.join([str(self.bin), env["PATH"]])
        done = subprocess.run(
            command,
            cwd=cwd,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}"
        return done.stdout

    def install(self, *what: str, cwd: Path) -> None:
        """Install something with the versions that this repository is tested with."""
        constraints = str(ROOT / "constraints.txt")
        self.run(
            "python", "-m", "pip", "--disable-pip-version-check", "-q", "install", "-c", constraints, *what, cwd=cwd
        )


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Fresh:
    """A fresh environment with the product, built from a copy of its sources, and pytest."""
    folder = tmp_path_factory.mktemp("fresh")
    source = folder / "source"
    source.mkdir()
    for name in PRODUCT:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, source / name)
    subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True, timeout=120)
    made = Fresh(folder / "venv" / "bin")
    made.install(str(source), "pytest", cwd=folder)
    return made


def test_the_tutorial_word_for_word(fresh: Fresh, tmp_path: Path) -> None:
    """Every file of docs/extend.md is written, every command run, and each prints what the tutorial says."""
    ran = 0
    for path, language, text in BLOCK.findall((ROOT / "docs" / "extend.md").read_text(encoding="utf-8")):
        if language == "python":
            assert path, f"a block of Python without its file:\n{text}"
            (tmp_path / path).write_text(text, encoding="utf-8")
        elif language == "console":
            for step in text.split("$ ")[1:]:
                command, *expected = step.splitlines()
                said = fresh.run(*command.split(), cwd=tmp_path)
                assert_says(said, expected)
                ran += 1
    assert ran == 5


def assert_says(said: str, expected: list[str]) -> None:
    """Check that the lines come in this order; ``…`` stands for anything."""
    lines = iter(re.sub(r" +", " ", line) for line in said.splitlines())
    for line in expected:
        parts = [re.escape(part.strip()) for part in line.split("…") if part.strip()]
        pattern = ".*".join(parts)
        assert any(re.search(pattern, each) for each in lines), f"{line!r} is not in, or not in this order:\n{said}"


@pytest.fixture
def services(fresh: Fresh, tmp_path: Path) -> Iterator[InterappProcess]:
    """`interapp up` of the fresh environment, with the example installed, against a simulated chassis."""
    shutil.copytree(
        ROOT / "examples" / "door_alarm", tmp_path / "door_alarm", ignore=shutil.ignore_patterns("__pycache__")
    )
    fresh.install("--editable", str(tmp_path / "door_alarm"), cwd=tmp_path)
    interapp = (str(fresh.bin / "interapp"),)
    with ExitStack() as stack:
        port = ReservedPort()
        stack.callback(port.release)
        simulator = InterappProcess("simulator", "--no-tls", "--port", str(port.number), cwd=tmp_path, command=interapp)
        stack.enter_context(simulator).wait_for_line("LANTIME simulator")
        env = {
            "LANTIME_URL": f"http://127.0.0.1:{port.number}",
            "LANTIME_NAME": "m1000-a",
            "LANTIME_USERNAME": "info",
            "LANTIME_PASSWORD": "info",
        }
        up = stack.enter_context(InterappProcess("up", cwd=tmp_path, env=env, command=interapp))
        up.wait_for_line(r"active.*m1000-a\.clk1", timeout=60)
        yield up


def test_the_example_installed_beside_the_product(fresh: Fresh, services: InterappProcess, tmp_path: Path) -> None:
    """The example passes its own tests, and its messages are handled by both services, as the table shows."""
    assert "4 passed" in fresh.run("python", "-m", "pytest", "-q", "-W", "error", cwd=tmp_path / "door_alarm")
    kinds = [json.loads(line) for line in fresh.run("interapp", "kinds", "--json", cwd=tmp_path).splitlines()]
    assert {kind["kind"] for kind in kinds if kind["package"] == "door_alarm"} == {
        "door.arm",
        "door.armed",
        "door.opened",
        "door.report",
    }

    def send(kind: str, body: str) -> str:
        return fresh.run("interapp", "send", "m1000-a.clk1", kind, body, "--wait", "30", cwd=tmp_path)

    assert json.loads(send("door.arm", '{"armed": true}')) == {"armed": True, "changed": True}
    assert send("door.report", '{"open": true}') == "null\n"
    assert json.loads(send("door.arm", '{"armed": true}'.replace("true", "false"))) == {"armed": False, "changed": True}

    def rows(kind: str) -> list[dict[str, object]]:
        listed = fresh.run("interapp", "handlers", "--json", "--kind", kind, cwd=tmp_path)
        return [json.loads(line) for line in listed.splitlines()]

    (opened,) = eventually(
        lambda: [row for row in rows("door.opened") if row["state"] == "succeeded"],
        30,
        "the chassis has written it down",
    )
    assert (opened["source"], opened["destination"]) == ("m1000-a.clk1", "m1000-a")
    assert opened["handler"] == "door_alarm.chassis.write_down"
    assert [row["handler"] for row in rows("door.arm")] == ["door_alarm.slot.Arm"] * 2
    assert services.terminate() == 0
    assert "Traceback" not in services.output()
